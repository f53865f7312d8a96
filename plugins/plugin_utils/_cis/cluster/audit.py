# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""All checks of a cluster."""

from __future__ import annotations

import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.model import ERROR, Result, sort_key
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.cluster import (
    section_3_1,
    section_5_1,
    section_5_2,
    section_5_3,
    section_5_4,
    section_5_5,
    section_5_6,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.cluster.evaluation import Evaluate
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.cluster.snapshot import Snapshot

_SECTIONS = (
    section_3_1,
    section_5_1,
    section_5_2,
    section_5_3,
    section_5_4,
    section_5_5,
    section_5_6,
)

#: Checks by id, in the order of a report.
CHECKS: t.Mapping[str, Evaluate] = {
    check_id: section.CHECKS[check_id]
    for section in _SECTIONS
    for check_id in sorted(section.CHECKS, key=sort_key)
}


def evaluate_all(
    snapshot: Snapshot, wanted: t.Collection[str], checks: t.Mapping[str, Evaluate] = CHECKS
) -> list[Result]:
    """Evaluate all checks of a cluster. An unexpected exception is an error of its own check alone.

    :param wanted: ids; all checks when empty.
    """
    results = []
    for check_id, evaluate in checks.items():
        if wanted and check_id not in wanted:
            continue
        try:
            results.append(evaluate(snapshot))
        except Exception as exc:  # noqa: BLE001 - one broken check must not stop the others
            reason = f"The check failed unexpectedly: {type(exc).__name__}: {exc}."
            results.append(Result(check_id, ERROR, f"{reason} This is a bug of the collection; report it."))
    return results
