# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Section 5.3: network policies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.cluster.section_5_3 import CHECKS
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.cluster.snapshot import Snapshot

from tests.unit.plugins.cis.clusters import (
    SYSTEM,
    Object,
    cluster,
    definition,
    evaluate,
    namespace,
    pod,
    thing,
)
from tests.unit.plugins.cis.fakes import Case


def plugin(name: str, scheduled: int = 3, where: str = "kube-system") -> Object:
    return thing("DaemonSet", name, where, status={"desiredNumberScheduled": scheduled})


def cilium(**settings: str) -> Callable[[], Snapshot]:
    return lambda: cluster(plugin("cilium"), more={"cilium-config": ({"data": settings},)})


def policy(where: str = "shop", **spec: Any) -> Object:
    return thing("NetworkPolicy", "deny", where, spec={"podSelector": {}, **spec})


def shop(*things: Object, **more: Any) -> Snapshot:
    return cluster(*SYSTEM, namespace("shop", team="red"), *things, stock=False, **more)


def custom(name: str, *specs: Object, where: str = "", rules: bool = False) -> Callable[[], Snapshot]:
    """A cluster with objects of another kind; `rules` for several in one of Cilium."""
    metadata: Object = {"name": "deny", **({"namespace": where} if where else {})}
    items: tuple[Object, ...] = tuple({"metadata": metadata, "spec": spec} for spec in specs)
    if rules:
        items = ({"metadata": metadata, "specs": list(specs)},)
    return lambda: shop(definition(name), more={name: items})


CCNP = "ciliumclusterwidenetworkpolicies.cilium.io"
CNP = "ciliumnetworkpolicies.cilium.io"
ANP = "adminnetworkpolicies.policy.networking.k8s.io"
BANP = "baselineadminnetworkpolicies.policy.networking.k8s.io"
GNP = "globalnetworkpolicies.crd.projectcalico.org"
NOT_SYSTEM = {
    "matchExpressions": [
        {"key": "k8s:io.kubernetes.pod.namespace", "operator": "NotIn", "values": ["kube-system"]}
    ]
}
DENY_ALL = {"action": "Deny", "from": [{"namespaces": {}}]}

CASES: list[Case] = [
    Case(
        "5.3.1", "pass", "Cilium", cilium(**{"enable-policy": "default"}), "pass", says=("cilium enforces",)
    ),
    Case("5.3.1", "pass", "Calico", lambda: cluster(plugin("calico-node", where="calico-system")), "pass"),
    Case(
        "5.3.1", "fail", "flannel", lambda: cluster(plugin("kube-flannel-ds", where="kube-flannel")), "fail"
    ),
    Case(
        "5.3.1",
        "fail",
        "Cilium with policies disabled",
        cilium(**{"enable-policy": "never"}),
        "fail",
        says=("enable-policy=never",),
    ),
    Case(
        "5.3.1",
        "odd",
        "Cilium leaves the policies of Kubernetes alone",
        cilium(**{"enable-k8s-networkpolicy": "false"}),
        "fail",
    ),
    Case(
        "5.3.1",
        "odd",
        "it runs nowhere",
        lambda: cluster(plugin("calico-node", 0)),
        "fail",
        says=("no node",),
    ),
    Case(
        "5.3.1",
        "odd",
        "flannel, and next to it what enforces policies",
        lambda: cluster(plugin("kube-flannel-ds"), plugin("kube-network-policies")),
        "pass",
    ),
    Case("5.3.1", "odd", "only some versions do", lambda: cluster(plugin("kindnet")), "manual"),
    Case("5.3.1", "odd", "none that is known", lambda: cluster(plugin("node-exporter")), "manual"),
    Case(
        "5.3.1",
        "odd",
        "the settings of Cilium may not be read",
        lambda: cluster(plugin("cilium"), unseen={"cilium-config": "The credentials may not get configmaps"}),
        "error",
        says=("may not get configmaps",),
    ),
    Case(
        "5.3.2",
        "pass",
        "all Pods are isolated",
        lambda: shop(policy(policyTypes=["Ingress"])),
        "pass",
        "fail",
    ),
    Case("5.3.2", "fail", "no policy", shop, "fail", says=("Namespace/shop", "there is none")),
    Case(
        "5.3.2",
        "fail",
        "a policy for some Pods",
        lambda: shop(policy(podSelector={"matchLabels": {"app": "web"}})),
        "fail",
        says=("NetworkPolicy/shop/deny",),
    ),
    Case("5.3.2", "fail", "only outgoing traffic", lambda: shop(policy(policyTypes=["Egress"])), "fail"),
    Case(
        "5.3.2",
        "odd",
        "a policy for all Pods that lets everything in",
        lambda: shop(policy(ingress=[{}])),
        "fail",
        says=("allows all ingress",),
    ),
    Case(
        "5.3.2",
        "odd",
        "without types, and some may come in",
        lambda: shop(policy(ingress=[{"from": [{"podSelector": {}}]}])),
        "pass",
        "fail",
    ),
    Case(
        "5.3.2",
        "odd",
        "Pods of the system that can be isolated",
        lambda: shop(policy(), pod("kube-system/coredns")),
        "fail",
        says=("Namespace/kube-system",),
    ),
    Case(
        "5.3.2",
        "odd",
        "Pods of the system in the network of the host cannot be isolated",
        lambda: shop(policy(), pod("kube-system/agent", hostNetwork=True)),
        "pass",
        "fail",
    ),
    Case(
        "5.3.2",
        "odd",
        "Cilium, everywhere",
        custom(CCNP, {"endpointSelector": {}, "ingress": [{}]}),
        "pass",
        says=("CiliumClusterwideNetworkPolicy/deny",),
    ),
    Case(
        "5.3.2",
        "odd",
        "Cilium, everywhere but the system",
        custom(CCNP, {"endpointSelector": NOT_SYSTEM, "ingress": [{"fromEntities": ["cluster"]}]}),
        "pass",
        "fail",
    ),
    Case(
        "5.3.2",
        "odd",
        "Cilium, by a label of the namespace, in one of several rules",
        custom(
            CCNP,
            {"endpointSelector": {"matchLabels": {"app": "web"}}, "ingress": [{}]},
            {
                "endpointSelector": {"matchLabels": {"io.cilium.k8s.namespace.labels.team": "red"}},
                "ingressDeny": [{"fromEntities": ["world"]}],
            },
            rules=True,
        ),
        "pass",
        "fail",
    ),
    Case(
        "5.3.2",
        "odd",
        "Cilium without default deny",
        custom(
            CCNP,
            {"endpointSelector": {}, "ingress": [{}], "enableDefaultDeny": {"ingress": False}},
        ),
        "fail",
        "pass",
    ),
    Case(
        "5.3.2",
        "odd",
        "Cilium, hosts instead of Pods",
        custom(CCNP, {"nodeSelector": {}, "ingress": [{}]}),
        "fail",
    ),
    Case(
        "5.3.2",
        "odd",
        "Cilium lets all in",
        custom(CCNP, {"endpointSelector": {}, "ingress": [{"fromEntities": ["all"]}]}),
        "fail",
        "pass",
    ),
    Case(
        "5.3.2",
        "odd",
        "Cilium, in the namespace",
        custom(CNP, {"endpointSelector": {}, "ingress": [{}]}, where="shop"),
        "pass",
        "fail",
        says=("CiliumNetworkPolicy/shop/deny",),
    ),
    Case(
        "5.3.2",
        "odd",
        "Cilium, in another namespace",
        custom(CNP, {"endpointSelector": {}, "ingress": [{}]}, where="kube-system"),
        "fail",
    ),
    Case(
        "5.3.2",
        "odd",
        "Cilium isolates without any policy",
        lambda: shop(more={"cilium-config": ({"data": {"enable-policy": "always"}},)}),
        "pass",
        says=("enable-policy: always",),
    ),
    Case(
        "5.3.2",
        "odd",
        "administrators deny what no policy allows",
        custom(BANP, {"subject": {"namespaces": {}}, "ingress": [DENY_ALL]}),
        "pass",
        says=("BaselineAdminNetworkPolicy/deny",),
    ),
    Case(
        "5.3.2",
        "odd",
        "administrators deny one port, or another namespace",
        custom(
            ANP,
            {
                "subject": {"namespaces": {}},
                "ingress": [{**DENY_ALL, "ports": [{"portNumber": {"port": 22}}]}],
            },
            {"subject": {"namespaces": {"matchLabels": {"team": "blue"}}}, "ingress": [DENY_ALL]},
        ),
        "fail",
        "pass",
    ),
    Case("5.3.2", "odd", "Calico, everywhere", custom(GNP, {"types": ["Ingress"]}), "pass"),
    Case(
        "5.3.2",
        "odd",
        "Calico lets all in",
        custom(GNP, {"selector": "all()", "ingress": [{"action": "Allow"}]}),
        "fail",
        "pass",
    ),
    Case(
        "5.3.2",
        "odd",
        "a policy of another namespace",
        lambda: shop(policy("kube-system")),
        "fail",
    ),
    Case(
        "5.3.2",
        "odd",
        "policies may not be read",
        lambda: shop(unseen={"networkpolicies": "The credentials may not list networkpolicies"}),
        "error",
    ),
    Case("5.3.2", "odd", "an API that shows nothing", lambda: cluster(stock=False), "error"),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_check(case: Case) -> None:
    evaluate(case, CHECKS)
