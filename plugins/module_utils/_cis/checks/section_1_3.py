# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Judges of sections 1.3 and 1.4, the controller manager and the scheduler."""

from __future__ import annotations

import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.host import structured
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.host.programs import (
    Program,
    Undecided,
    Verdict,
    file_flag,
    judged,
    loopback,
    profiling,
    verdict_of,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.host.reader import (
    CONTROLLER_MANAGER,
    SCHEDULER,
    Reader,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.model import (
    FAIL,
    PASS,
    Evidence,
    Result,
)

_GATE = "RotateKubeletServerCertificate"


def _ended_pods(program: Program) -> Verdict:
    number = program.number("terminated-pod-gc-threshold")
    good = number is not None and number > 0
    observed = "not set: 12500" if number is None else None
    if number is not None and number <= 0:
        observed = f"{number}: ended pods are never removed"
    evidence = program.evidence(
        "terminated-pod-gc-threshold", "above 0, chosen for this cluster", PASS if good else FAIL, observed
    )
    bad = "Ended pods pile up in etcd without end."
    if number is None:
        bad = "Nobody chose how many ended pods are kept: the default is 12500."
    good_text = f"Ended pods are removed when there are more than {number}."
    return verdict_of([evidence], good_text, bad, PASS if number is not None else FAIL)


def _credentials(program: Program) -> Verdict:
    status = PASS if program.truth("use-service-account-credentials", False) else FAIL
    evidence = program.evidence("use-service-account-credentials", "true (its default is false)", status)
    bad = "All controllers share the rights of the controller manager."
    return verdict_of([evidence], "Each controller has rights of its own.", bad)


def _gates(program: Program) -> dict[str, bool]:
    """Feature gates that are set; a component's name may stand before each, and is kube's without one."""
    gates = {}
    for name, value in program.arguments.mapping("feature-gates").items():
        if value.lower() not in ("true", "false", "t", "f", "1", "0"):
            raise Undecided(
                f"--feature-gates has {name}={value}, which is no truth value. Look at the process.",
                program.evidence("feature-gates", "true or false", ""),
            )
        component, _colon, gate = name.rpartition(":")
        if component in ("", "kube"):
            gates[gate] = value.lower() in ("true", "t", "1")
    return gates


def _rotation(program: Program) -> Verdict:
    gates = _gates(program)
    # The gate is beta: a switch for all of these counts where its own is not set.
    on = gates.get(_GATE, gates.get("AllBeta", True))
    evidence = program.evidence("feature-gates", f"{_GATE} not off", PASS if on else FAIL)
    literal = PASS if gates.get(_GATE, True) else FAIL
    bad = "Kubelets cannot renew their serving certificates."
    return verdict_of([evidence], "Kubelets can renew their serving certificates.", bad, literal)


def _scheduler_profiling(program: Program) -> Verdict:
    path = program.value("config")
    if not path:
        return profiling(program)
    # With a file, the flag says nothing (ApplyTo in cmd/kube-scheduler/app/options/options.go).
    document = structured.document(program, path, "KubeSchedulerConfiguration")
    on = structured.scheduler_profiling(document)
    observed = document.fields.get("enableProfiling", "not set: true")
    evidence = Evidence(
        path,
        "enableProfiling",
        observed,
        "false (its default is true)",
        FAIL if on else PASS,
        digest=document.digest,
    )
    literal = FAIL if program.truth("profiling", True) else PASS
    bad = "Profiling is on: /debug/pprof tells of memory and running code."
    return verdict_of([evidence], "Profiling is off.", bad, literal)


_MANAGER: dict[str, t.Callable[[Program], Verdict]] = {
    "1.3.1": _ended_pods,
    "1.3.2": profiling,
    "1.3.3": _credentials,
    "1.3.4": file_flag(
        "service-account-private-key-file", without="Tokens of service accounts are not signed by it."
    ),
    "1.3.5": file_flag(
        "root-ca-file", authority=True, without="Pods are given no CA to verify the API server with."
    ),
    "1.3.6": _rotation,
    "1.3.7": loopback,
}
_SCHEDULER: dict[str, t.Callable[[Program], Verdict]] = {"1.4.1": _scheduler_profiling, "1.4.2": loopback}

CHECKS: t.Mapping[str, t.Callable[[Reader], Result]] = {
    **{check: judged(check, CONTROLLER_MANAGER, judge) for check, judge in _MANAGER.items()},
    **{check: judged(check, SCHEDULER, judge) for check, judge in _SCHEDULER.items()},
}
