# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""What is done with one object, decided from what is declared and what Grafana has."""

from __future__ import annotations

import json
import typing as t
from dataclasses import dataclass, field

from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._grafana import canonical
from ansible_collections.baremetal.kubernetes.plugins.module_utils._grafana.canonical import Difference
from ansible_collections.baremetal.kubernetes.plugins.module_utils._grafana.mark import Mark

CREATE, UPDATE, DELETE, UNCHANGED, EDITED = "create", "update", "delete", "unchanged", "edited"
#: What each has been done, for results.
DONE = {CREATE: "created", UPDATE: "updated", DELETE: "deleted", UNCHANGED: "unchanged", EDITED: "edited"}


@dataclass(frozen=True)
class Desired:
    """An object as it is declared.

    :param kind: what it is, for messages. :param parent: uid of the directory that it is in, C(None) where it has none.
    :param spec_hash: by default that of the spec.
    """

    kind: str
    uid: str
    spec: t.Mapping[str, t.Any]
    parent: str | None = None
    spec_hash: str = ""

    @property
    def hash(self) -> str:
        """What is recorded with the object."""
        return self.spec_hash or canonical.spec_hash(self.spec)


@dataclass(frozen=True)
class Observed:
    """An object as Grafana has it.

    :param manager: who else provisions it, empty when it is nobody. :param raw: as it was read.
    :param suspicions: what may differ and cannot be read, such as secrets.
    """

    uid: str
    spec: t.Mapping[str, t.Any]
    mark: Mark = field(default_factory=Mark)
    parent: str | None = None
    manager: str = ""
    raw: t.Mapping[str, t.Any] = field(default_factory=dict, repr=False)
    suspicions: tuple[Difference, ...] = ()


@dataclass(frozen=True)
class Decision:
    """What is done, and why.

    :param drift: declared values that Grafana has otherwise.
    """

    action: str
    drift: tuple[Difference, ...] = ()

    @property
    def changes(self) -> bool:
        """Whether Grafana is changed."""
        return self.action in (CREATE, UPDATE, DELETE)


def decide(desired: Desired, observed: Observed | None, cluster: str, force: bool = False) -> Decision:
    """Create, update or leave an object as it is.

    :param force: overwrite what somebody else has edited, and take over what has no mark.
    :raises OperatorError: when it belongs to somebody else.
    """
    if observed is None:
        return Decision(CREATE)
    _check_owner(desired.kind, observed, cluster, force)
    drift = (*_drift(desired, observed), *observed.suspicions)
    same = observed.mark.spec_hash == desired.hash
    moved = _moved(desired, observed)
    own = observed.mark
    if own.cluster and not drift and (same or not own.spec_hash):
        return Decision(UNCHANGED)
    if own.cluster and same:
        if own.edited is False and not moved and not observed.suspicions:
            # Nobody has saved it since: what differs is how Grafana stores what was declared.
            return Decision(UNCHANGED)
        edited = own.edited is not False or moved
    else:
        # What is declared has changed. Whether somebody else has saved it too, its revision decides; when neither is
        # known, it is taken for an edit.
        edited = bool(own.cluster) and bool(own.edited or (own.edited is None and not own.spec_hash))
    if observed.manager and not drift:
        return Decision(UNCHANGED)
    if observed.manager:
        raise _managed(desired.kind, observed)
    if edited and not force:
        return Decision(EDITED, drift)
    return Decision(UPDATE, drift)


def decide_absent(kind: str, observed: Observed | None, cluster: str, force: bool = False) -> Decision:
    """Delete an object that is this cluster's.

    :raises OperatorError: when it belongs to somebody else.
    """
    if observed is None:
        return Decision(UNCHANGED)
    _check_owner(kind, observed, cluster, force)
    if observed.manager:
        raise _managed(kind, observed)
    if observed.mark.edited and not force:
        return Decision(EDITED, (Difference("", "saved by somebody else since the last run", "deleted"),))
    return Decision(DELETE)


def shown(desired: Desired, observed: Observed | None, decision: Decision) -> dict[str, str]:
    """The difference for Ansible's diff mode: of what is declared only."""
    before = ""
    if observed is not None:
        before = _text(
            canonical.projected(canonical.canonical(desired.spec), canonical.canonical(observed.spec))
        )
    after = before if decision.action == UNCHANGED else _text(canonical.canonical(desired.spec))
    header = f"{desired.kind} {desired.uid}"
    note = " (edited in Grafana, not overwritten)" if decision.action == EDITED else ""
    return {"before": before, "after": after, "before_header": header, "after_header": header + note}


def deleted(kind: str, observed: Observed) -> dict[str, str]:
    """The difference of an object that is deleted."""
    header = f"{kind} {observed.uid}"
    return {
        "before": _text(canonical.canonical(observed.spec)),
        "after": "",
        "before_header": header,
        "after_header": header,
    }


def _drift(desired: Desired, observed: Observed) -> tuple[Difference, ...]:
    found = canonical.differences(desired.spec, observed.spec)
    if _moved(desired, observed):
        found += (
            Difference("directory", json.dumps(observed.parent or ""), json.dumps(desired.parent or "")),
        )
    return found


def _moved(desired: Desired, observed: Observed) -> bool:
    return desired.parent is not None and desired.parent != (observed.parent or "")


def _check_owner(kind: str, observed: Observed, cluster: str, force: bool) -> None:
    owner = observed.mark.cluster
    if owner and owner != cluster:
        raise OperatorError(
            f"The {kind} {observed.uid} belongs to the cluster {owner}; expected {cluster}, or none.",
            "Choose another uid, or another id of the cluster (metrics_cluster): two clusters share no object.",
        )
    if not owner and not force:
        raise OperatorError(
            f"The {kind} {observed.uid} exists and has no mark of {cluster}, so somebody else has created it.",
            "Choose another uid, or take it over once with force=true, which overwrites what it has now.",
        )


def _managed(kind: str, observed: Observed) -> OperatorError:
    return OperatorError(
        f"The {kind} {observed.uid} is provisioned by {observed.manager}, and is not as declared.",
        f"Remove it from {observed.manager}, or choose another uid: whatever is written here would be undone.",
    )


def _text(value: t.Any) -> str:
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
