# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sections 1.3 and 1.4: the controller manager and the scheduler."""

from __future__ import annotations

import errno

import pytest
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.checks import section_1_3

from tests.unit.plugins.cis.fakes import Case, FakeReader, File
from tests.unit.plugins.cis.planes import CIS, PKI, SCHEDULER, certificate, check, manager, scheduler

PASS, FAIL, ERROR = "pass", "fail", "error"
GATE = "RotateKubeletServerCertificate"
CONFIG = f"{CIS}/scheduler.yaml"
ALL = "0.0.0.0"  # noqa: S104 - nothing is bound
FLOW = "{apiVersion: kubescheduler.config.k8s.io/v1, kind: KubeSchedulerConfiguration, enableProfiling: true}"
ON = SCHEDULER.replace("enableProfiling: false\n", "")

CASES = [
    Case("1.3.1", "pass", "chosen", manager(), PASS, says=("1000",)),
    Case("1.3.1", "fail", "default", manager(terminated_pod_gc_threshold=None), FAIL, says=("12500",)),
    Case(
        "1.3.1", "odd", "0 is never", manager(terminated_pod_gc_threshold="0"), FAIL, PASS, ("never removed",)
    ),
    Case(
        "1.3.1",
        "odd",
        "negative",
        manager("--terminated-pod-gc-threshold", "-1"),
        FAIL,
        PASS,
        ("-1: terminated Pods",),
    ),
    Case("1.3.1", "odd", "no number", manager(terminated_pod_gc_threshold="many"), ERROR),
    Case("1.3.2", "pass", "off", manager(), PASS),
    Case("1.3.2", "fail", "default", manager(profiling=None), FAIL),
    Case("1.3.2", "odd", "off, then bare", manager("--profiling"), FAIL, says=("false, then true",)),
    Case("1.3.3", "pass", "on", manager(), PASS),
    Case("1.3.3", "fail", "default", manager(use_service_account_credentials=None), FAIL),
    Case("1.3.3", "odd", "old spelling, off", manager("--use_service_account_credentials=F"), FAIL),
    Case("1.3.4", "pass", "a key", manager(), PASS),
    Case("1.3.4", "fail", "none", manager(service_account_private_key_file=None), FAIL),
    Case("1.3.4", "odd", "gone", manager(put={f"{PKI}/sa.key": None}), FAIL, PASS, ("no such file",)),
    Case("1.3.5", "pass", "a CA", manager(), PASS),
    Case("1.3.5", "fail", "none", manager(root_ca_file=None), FAIL),
    Case(
        "1.3.5",
        "odd",
        "no CA",
        manager(put={f"{PKI}/ca.crt": certificate("kube-apiserver")}),
        FAIL,
        PASS,
        ("not a CA",),
    ),
    Case("1.3.5", "odd", "unreadable", manager(put={f"{PKI}/ca.crt": File(unreadable=errno.EIO)}), ERROR),
    Case("1.3.6", "pass", "default", manager(), PASS),
    Case("1.3.6", "pass", "on", manager(f"--feature-gates=A=false,{GATE}=true"), PASS),
    Case("1.3.6", "fail", "off", manager(f"--feature-gates=A=true,{GATE}=false"), FAIL),
    Case(
        "1.3.6",
        "odd",
        "off, then on",
        manager(f"--feature-gates={GATE}=false", f"--feature-gates={GATE}=true"),
        PASS,
    ),
    Case(
        "1.3.6",
        "odd",
        "another gate behind it",
        manager(f"--feature-gates={GATE}=false", "--feature-gates=A=true"),
        FAIL,
    ),
    Case("1.3.6", "odd", "a component before it", manager(f"--feature-gates=kube:{GATE}=false"), FAIL),
    Case("1.3.6", "odd", "another component's", manager(f"--feature-gates=other:{GATE}=false"), PASS),
    Case("1.3.6", "odd", "all of its stage are off", manager("--feature-gates=AllBeta=false"), FAIL, PASS),
    Case("1.3.6", "odd", "no truth value", manager(f"--feature-gates={GATE}=off"), ERROR),
    Case("1.3.7", "pass", "loopback", manager(), PASS),
    Case("1.3.7", "fail", "all", manager(bind_address=ALL), FAIL),
    Case("1.3.7", "fail", "default", manager(bind_address=None), FAIL, PASS, (ALL,)),
    Case("1.3.7", "odd", "IPv6", manager(bind_address="::1"), PASS, FAIL),
    Case("1.3.7", "odd", "another of 127", manager("--bind-address", "127.0.0.53"), PASS, FAIL),
    Case("1.3.7", "odd", "twice", manager("--bind-address=192.0.2.1"), FAIL, says=("192.0.2.1",)),
    Case("1.3.7", "odd", "no port", manager("--secure-port=0", bind_address=None), PASS),
    Case("1.3.7", "odd", "a name", manager(bind_address="localhost"), ERROR, says=("not an address",)),
    Case(
        "1.3.7", "odd", "not running", lambda: FakeReader(), ERROR, says=("No kube-controller-manager runs",)
    ),
    Case("1.4.1", "pass", "flag", scheduler("--profiling=false"), PASS),
    Case("1.4.1", "pass", "configuration", scheduler(f"--config={CONFIG}"), PASS, FAIL),
    Case("1.4.1", "fail", "default", scheduler(), FAIL),
    Case(
        "1.4.1",
        "odd",
        "the configuration counts, not the flag",
        scheduler("--profiling=false", "--config", CONFIG, put={CONFIG: ON}),
        FAIL,
        PASS,
        ("not set: true",),
    ),
    Case("1.4.1", "odd", "flow style", scheduler("--config", CONFIG, put={CONFIG: FLOW}), FAIL),
    Case(
        "1.4.1",
        "odd",
        "old version",
        scheduler("--config", CONFIG, put={CONFIG: ON.replace("/v1", "/v1beta2")}),
        ERROR,
    ),
    Case(
        "1.4.1",
        "odd",
        "no truth value",
        scheduler("--config", CONFIG, put={CONFIG: ON + "enableProfiling: 0\n"}),
        ERROR,
    ),
    Case("1.4.1", "odd", "file is gone", scheduler("--config=/no.yaml"), ERROR, says=("/no.yaml",)),
    Case("1.4.2", "pass", "loopback", scheduler("--bind-address=127.0.0.1"), PASS),
    Case("1.4.2", "fail", "default", scheduler(), FAIL, PASS),
    Case("1.4.2", "odd", "IPv6, space form", scheduler("--bind-address", "::1"), PASS, FAIL),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_verdicts(case: Case) -> None:
    check(case, section_1_3.CHECKS)


def test_all_checks_exist() -> None:
    assert list(section_1_3.CHECKS) == [*(f"1.3.{number}" for number in range(1, 8)), "1.4.1", "1.4.2"]
