# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Section 5.6: namespaces and defaults of workloads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.cluster.section_5_6 import CHECKS
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.cluster.snapshot import Snapshot

from tests.unit.plugins.cis.clusters import (
    Object,
    binding,
    cluster,
    container,
    evaluate,
    facts,
    pod,
    thing,
)
from tests.unit.plugins.cis.fakes import Case

NODE = thing("Node", "cp1")
PLAIN = container(security=None)
THEIRS: dict[str, tuple[Object, ...]] = {
    "default:services": (thing("Service", "kubernetes", "default"),),
    "default:configmaps": (thing("ConfigMap", "kube-root-ca.crt", "default"),),
}


def running(*containers: Object, seccomp: bool | None = False, **spec: Any) -> Callable[[], Snapshot]:
    """A Pod on one node with this seccompDefault; None when it is not known."""
    host = facts(kubelet={"seccomp_default": seccomp})
    return lambda: cluster(NODE, pod("shop/web", *containers, **spec), nodes=(host,))


def profile(kind: str) -> Object:
    return {"seccompProfile": {"type": kind}}


def in_default(*things: Object, more: dict[str, tuple[Object, ...]] | None = None) -> Snapshot:
    account = thing("ServiceAccount", "default", "default")
    merged = {
        name: (*THEIRS.get(name, ()), *(more or {}).get(name, ())) for name in {**THEIRS, **(more or {})}
    }
    return cluster(account, *things, more=merged)


CASES: list[Case] = [
    Case(
        "5.6.1",
        "pass",
        "in namespaces, which needs a manual review",
        lambda: cluster(pod("shop/web"), pod("bank/web")),
        "manual",
        says=("2 namespace(s)", "Namespace/bank"),
    ),
    Case("5.6.1", "fail", "in the namespace default", lambda: cluster(pod("default/web")), "fail"),
    Case(
        "5.6.1",
        "odd",
        "nothing but the system",
        lambda: cluster(pod("kube-system/coredns")),
        "not_applicable",
    ),
    Case(
        "5.6.2", "pass", "the Pod says it", running(PLAIN, securityContext=profile("RuntimeDefault")), "pass"
    ),
    Case("5.6.2", "pass", "kubelets do it", running(PLAIN, seccomp=True), "pass", "fail"),
    Case(
        "5.6.2",
        "fail",
        "not set anywhere",
        running(PLAIN),
        "fail",
        says=("Pod/shop/web", "no seccompProfile (container app)"),
    ),
    Case(
        "5.6.2",
        "fail",
        "a container opts out",
        running(
            container(security=profile("Unconfined")), seccomp=True, securityContext=profile("Localhost")
        ),
        "fail",
        says=("seccompProfile Unconfined",),
    ),
    Case(
        "5.6.2",
        "odd",
        "a privileged container has none, whatever is said",
        running(container(security={"privileged": True, **profile("RuntimeDefault")}), seccomp=True),
        "fail",
        says=("privileged, so without a profile",),
    ),
    Case(
        "5.6.2",
        "odd",
        "an init container",
        running(container(), initContainers=[container("prepare", None)]),
        "fail",
        says=("container prepare",),
    ),
    Case(
        "5.6.2",
        "odd",
        "the kubelet could not be asked",
        running(PLAIN, seccomp=None),
        "error",
        "fail",
        says=("Run the playbook cis",),
    ),
    Case(
        "5.6.2",
        "odd",
        "one of two nodes is not known",
        lambda: cluster(NODE, thing("Node", "w1"), pod("shop/web", PLAIN), nodes=(facts(),)),
        "error",
        "fail",
    ),
    Case("5.6.2", "odd", "hosts are not known, and need not be", lambda: cluster(NODE, pod()), "pass"),
    Case("5.6.3", "pass", "hardened", running(container()), "pass"),
    Case("5.6.3", "fail", "nothing", running(PLAIN), "fail", says=("no restriction for container app",)),
    Case(
        "5.6.3",
        "odd",
        "one that takes nothing away",
        running(container(security={"privileged": True})),
        "fail",
        "pass",
    ),
    Case("5.6.3", "odd", "an empty one", running(container(security={}), securityContext={}), "fail"),
    Case("5.6.3", "odd", "of the Pod", running(PLAIN, securityContext={"runAsUser": 1000}), "pass"),
    Case(
        "5.6.3",
        "odd",
        "root by its number takes nothing away",
        running(PLAIN, securityContext={"runAsUser": 0}),
        "fail",
        "pass",
    ),
    Case("5.6.4", "pass", "what Kubernetes puts there", in_default, "pass"),
    Case(
        "5.6.4",
        "fail",
        "a Deployment",
        lambda: in_default(more={"default:deployments": (thing("Deployment", "web", "default"),)}),
        "fail",
        says=("Deployment/default/web",),
    ),
    Case("5.6.4", "fail", "a Pod", lambda: in_default(pod("default/web")), "fail"),
    Case(
        "5.6.4",
        "odd",
        "owned objects are listed once",
        lambda: in_default(
            pod("default/web-1", owner="ReplicaSet/web"),
            more={"default:services": (thing("Service", "web", "default"),)},
        ),
        "fail",
        says=("1 other object(s)", "Service/default/web"),
    ),
    Case(
        "5.6.4",
        "odd",
        "objects of other namespaces with the same names",
        lambda: in_default(pod("shop/web"), thing("ServiceAccount", "builder", "shop")),
        "pass",
    ),
    Case(
        "5.6.4",
        "odd",
        "a right in that namespace",
        lambda: in_default(binding("dev", "edit", "User/jane", namespace="default")),
        "fail",
        says=("RoleBinding/default/dev",),
    ),
    Case(
        "5.6.4",
        "odd",
        "Secrets there may not be read",
        lambda: cluster(unseen={"default:secrets": "The credentials may not list secrets"}),
        "error",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_check(case: Case) -> None:
    evaluate(case, CHECKS)
