# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.
"""One call from end to end: observe, plan, download, place, record. Everything is decided before anything is placed."""

from __future__ import annotations

import functools
import typing as t
from dataclasses import dataclass

from ansible_collections.baremetal.kubernetes.plugins.module_utils._artifact.download import Fetcher
from ansible_collections.baremetal.kubernetes.plugins.module_utils._artifact.journal import Journal
from ansible_collections.baremetal.kubernetes.plugins.module_utils._artifact.keep import foreign, keep
from ansible_collections.baremetal.kubernetes.plugins.module_utils._artifact.model import Request
from ansible_collections.baremetal.kubernetes.plugins.module_utils._artifact.observe import (
    missing_directories,
    observe_directories,
    observe_files,
    occupied,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._artifact.place import place
from ansible_collections.baremetal.kubernetes.plugins.module_utils._artifact.plan import (
    Plan,
    needed_to_decide,
    plan_files,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._artifact.record import Placement
from ansible_collections.baremetal.kubernetes.plugins.module_utils._artifact.report import result_of
from ansible_collections.baremetal.kubernetes.plugins.module_utils._artifact.staging import (
    Stage,
    Staged,
    fetch_all,
    near,
)


@dataclass
class Decision:
    """What a call has to do, and what it downloaded to do it."""

    plan: Plan
    staged: Staged

    @functools.cached_property
    def foreign(self) -> dict[str, str]:
        """Files of others that are replaced, and where each is kept."""
        return foreign(self.plan)


class Call:
    """One call of the module.

    :param fetcher: makes what downloads; asked only when something has to be downloaded.
    """

    def __init__(
        self,
        request: Request,
        journal: Journal,
        stage: Stage,
        fetcher: t.Callable[[], Fetcher],
        check_mode: bool = False,
    ) -> None:
        self._request = request
        self._journal = journal
        self._stage = stage
        self._fetcher = fetcher
        self._check_mode = check_mode

    def decide(self) -> Decision:
        """Observe and plan; download what the plan needs, and plan with what the archives hold.

        :raises ArtifactError: when something cannot be downloaded or placed; nothing was placed.
        """
        files, known = self._request.files, dict(self._journal.before.archives)
        found = observe_files(files, known, {})
        directories = observe_directories(self._request.directories)
        plan = plan_files(files, found, known, directories=directories)
        downloads = needed_to_decide(plan, occupied(plan)) if self._check_mode else plan.fetch
        if not self._check_mode and plan.replaces:
            going = [target.dest for target in plan.targets if target.content]
            self._journal.temporary(self._stage.parents((*going, *map(near, plan.open_ended))))
        if not downloads:
            return Decision(plan, Staged())
        staged = fetch_all(downloads, self._fetcher(), self._stage)
        known.update(staged.contents)
        found = observe_files(files, known, found)
        return Decision(plan_files(files, found, known, staged.downloads, directories), staged)

    def apply(self, decision: Decision, label: t.Callable[[str], None]) -> None:
        """Place everything, or nothing.

        :param label: gives a path its security label (SELinux).
        :raises ArtifactError: when something cannot be placed; what was replaced before it was put back.
        """
        plan, staged = decision.plan, decision.staged
        placement = self._placement(decision)
        keep(decision.foreign)
        self._journal.announce(placement)
        place(plan, staged, self._stage, label)
        self._journal.complete(placement, staged.contents)

    def _placement(self, decision: Decision) -> Placement:
        plan = decision.plan
        results = {target.dest: result_of(target, decision.staged) for target in plan.targets}
        created = [item.spec.path for item in plan.directories if item.before.kind == "absent"]
        missing = missing_directories((*created, *results))
        return Placement(
            component=self._journal.component,
            files={path: result["sha256"] or "" for path, result in results.items()},
            changing=frozenset(target.dest for target in plan.targets if target.content),
            releases=frozenset(target.dest for target in plan.targets if target.spec.content is None),
            created=tuple(dict.fromkeys((*missing, *created))),
            data=tuple(item.spec.path for item in plan.directories if item.vacant),
            removed=tuple(path for item in plan.directories for path in item.purge),
        )
