# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Sections 1.3 and 1.4: the controller manager and the scheduler."""

from __future__ import annotations

import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.host import structured
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.host.arguments import truth_of
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.host.programs import (
    Program,
    Undecided,
    Verdict,
    check_of,
    file_flag,
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
        observed = f"{number}: terminated Pods are never removed"
    evidence = program.evidence(
        "terminated-pod-gc-threshold", "above 0, explicitly set", PASS if good else FAIL, observed
    )
    bad = "Terminated Pods accumulate in etcd without limit."
    if number is None:
        bad = "The number of terminated Pods to keep is not set: the default is 12500."
    good_text = f"Terminated Pods are removed when there are more than {number}."
    return verdict_of([evidence], good_text, bad, PASS if number is not None else FAIL)


def _credentials(program: Program) -> Verdict:
    status = PASS if program.truth("use-service-account-credentials", False) else FAIL
    evidence = program.evidence("use-service-account-credentials", "true (its default is false)", status)
    bad = "All controllers share the permissions of the controller manager."
    return verdict_of([evidence], "Each controller uses its own service account.", bad)


def _gates(program: Program) -> dict[str, bool]:
    """Feature gates that are set; each may have a component as prefix, kube by default."""
    gates = {}
    for name, value in program.arguments.mapping("feature-gates").items():
        try:
            on = truth_of(value, name)
        except ValueError as exc:
            raise Undecided(
                f"--feature-gates has {exc}. Inspect the process.",
                program.evidence("feature-gates", "true or false", ""),
            ) from exc
        component, _colon, gate = name.rpartition(":")
        if component in ("", "kube"):
            gates[gate] = on
    return gates


def _rotation(program: Program) -> Verdict:
    gates = _gates(program)
    # The gate is beta: AllBeta counts where it is not set itself.
    on = gates.get(_GATE, gates.get("AllBeta", True))
    evidence = program.evidence("feature-gates", f"{_GATE} not disabled", PASS if on else FAIL)
    literal = PASS if gates.get(_GATE, True) else FAIL
    bad = "Kubelets cannot rotate their serving certificates."
    return verdict_of([evidence], "Kubelets can rotate their serving certificates.", bad, literal)


def _scheduler_profiling(program: Program) -> Verdict:
    path = program.value("config")
    if not path:
        return profiling(program)
    # With a file, the flag is ignored (ApplyTo in cmd/kube-scheduler/app/options/options.go).
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
    bad = "Profiling is enabled: /debug/pprof exposes memory and running code."
    return verdict_of([evidence], "Profiling is disabled.", bad, literal)


_MANAGER: dict[str, t.Callable[[Program], Verdict]] = {
    "1.3.1": _ended_pods,
    "1.3.2": profiling,
    "1.3.3": _credentials,
    "1.3.4": file_flag(
        "service-account-private-key-file", without="The controller manager signs no service account tokens."
    ),
    "1.3.5": file_flag("root-ca-file", authority=True, without="Pods get no CA to verify the API server."),
    "1.3.6": _rotation,
    "1.3.7": loopback,
}
_SCHEDULER: dict[str, t.Callable[[Program], Verdict]] = {"1.4.1": _scheduler_profiling, "1.4.2": loopback}

CHECKS: t.Mapping[str, t.Callable[[Reader], Result]] = {
    **{check: check_of(check, CONTROLLER_MANAGER, evaluate) for check, evaluate in _MANAGER.items()},
    **{check: check_of(check, SCHEDULER, evaluate) for check, evaluate in _SCHEDULER.items()},
}
