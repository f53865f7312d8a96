# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Wait until objects that were applied are in effect."""

from __future__ import annotations

import time
import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api.ending import being_deleted
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api.objects import Objects, Ref
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api.readiness import (
    is_workload,
    reasons,
    refused,
    surges,
    tells,
    unready,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._waiting import Waiting

#: Until the next look: a kind is served after a moment, a workload after some seconds.
FIRST_SECONDS, POLL_SECONDS = 0.1, 1.0
_SHOWN = 5


def _late(found: Objects, ref: Ref) -> str:
    """Why an object is not in effect yet, empty when it is.

    :raises OperatorError: when its controller has refused it.
    """
    now = found.find(ref)
    if refused(now):
        raise OperatorError(
            f"{ref} cannot take effect: {unready(now)}. What was applied stays.", "Correct it, and run again."
        )
    if (reason := unready(now)) or now is None or not surges(now):
        return reason
    stay = [pod for pod in found.pods(ref) if not being_deleted(pod)]
    return "; ".join(reasons(stay)[:_SHOWN])


def wait_in_effect(
    found: Objects, refs: t.Sequence[Ref], seconds: float, say: t.Callable[[str], object]
) -> None:
    """Wait until workloads have rolled out, kinds are served, and APIs are available.

    :param refs: of any kind; one whose kind does not tell whether it is in effect is not waited for.
    :param seconds: for all of them together. :param say: shows a line of progress.
    :raises OperatorError: names what is not in effect then, and why; at once for what its controller has refused.
    """
    deadline = time.monotonic() + seconds
    waiting = Waiting(seconds, say)
    left = [ref for ref in refs if tells(ref.api_version, ref.kind)]
    pause = FIRST_SECONDS
    while True:
        late = {ref: reason for ref in left if (reason := _late(found, ref))}
        if not late:
            return
        left = list(late)
        lines = [f"{ref}: {reason}" for ref, reason in late.items()]
        if time.monotonic() >= deadline:
            told = [line for ref in left if is_workload(ref.kind) for line in reasons(found.pods(ref))]
            raise OperatorError(
                f"Not in effect after {seconds:.0f} s: {'; '.join(lines)}."
                + (f" {'; '.join(told[:_SHOWN])}." if told else ""),
                "Correct the cause, and run again; what was applied stays. More is in: kubectl describe.",
            )
        waiting.still(lines)
        time.sleep(pause)
        pause = min(2 * pause, POLL_SECONDS)
