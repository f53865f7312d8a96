# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Section 5.1: RBAC and service accounts."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.cluster.evaluation import (
    MOST_FINDINGS,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.cluster.section_5_1 import CHECKS
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.cluster.snapshot import Snapshot

from tests.unit.plugins.cis.clusters import (
    STOCK,
    Object,
    binding,
    client_certificate,
    cluster,
    container,
    evaluate,
    facts,
    pod,
    role,
    rule,
    thing,
    with_token,
)
from tests.unit.plugins.cis.fakes import Case

CSR = "certificates.k8s.io"
ADMISSION = "admissionregistration.k8s.io"


def given(
    *rules: Object, to: str = "User/jane", namespace: str = "", role_namespace: str = ""
) -> Callable[[], Snapshot]:
    """A cluster where a user has a role with these rules."""
    kind = "Role" if role_namespace else "ClusterRole"
    return lambda: cluster(
        role("reader", *rules, namespace=role_namespace),
        binding("readers", "reader", to, namespace=namespace, role_kind=kind),
    )


def changed(resource: str, name: str, change: Callable[[Object], Object]) -> Callable[[], Snapshot]:
    """The stock cluster with one changed object."""

    def make() -> Snapshot:
        snapshot = cluster()
        items = [
            change(dict(item)) if item["metadata"]["name"] == name else item
            for item in snapshot.objects[resource]
        ]
        assert items != list(snapshot.objects[resource])
        return Snapshot(objects={**snapshot.objects, resource: tuple(items)}, nodes=(facts(),))

    return make


def joined(text: str) -> Callable[[Object], Object]:
    kind, _, name = text.partition("/")
    return lambda item: {**item, "subjects": [*item.get("subjects", ()), {"kind": kind, "name": name}]}


def stock() -> Snapshot:
    return cluster(nodes=(facts(),))


EVERYTHING = rule("*", "*", "*")


def account(name: str = "default", namespace: str = "shop", automount: bool | None = None) -> Object:
    more: Object = {} if automount is None else {"automountServiceAccountToken": automount}
    return thing("ServiceAccount", name, namespace, **more)


CASES: list[Case] = [
    Case("5.1.1", "pass", "kubeadm's defaults", stock, "pass", "fail", says=("kubeadm:cluster-admins",)),
    Case(
        "5.1.1",
        "fail",
        "a user is bound",
        lambda: cluster(binding("jane", "cluster-admin", "User/jane")),
        "fail",
        says=("User/jane can do everything in the whole cluster, through ClusterRoleBinding/jane",),
    ),
    Case(
        "5.1.1",
        "fail",
        "a role of the same power by another name",
        given(EVERYTHING, to="ServiceAccount/shop/robot"),
        "fail",
        says=("ClusterRole/reader", "ServiceAccount/shop/robot"),
    ),
    Case(
        "5.1.1",
        "odd",
        "a subject added to the binding that Kubernetes brings",
        changed("clusterrolebindings", "cluster-admin", joined("User/mallory")),
        "fail",
        says=("User/mallory",),
    ),
    Case(
        "5.1.1",
        "odd",
        "everybody is cluster-admin in a namespace",
        lambda: cluster(
            binding("all", "cluster-admin", "Group/system:authenticated", namespace="shop"),
        ),
        "fail",
        says=("SEVERE, this is every authenticated user", "in the namespace shop", "RoleBinding/shop/all"),
    ),
    Case(
        "5.1.1",
        "odd",
        "a binding without subjects",
        lambda: cluster(binding("empty", "cluster-admin")),
        "pass",
        "fail",
    ),
    Case("5.1.2", "pass", "kubeadm's defaults", stock, "pass"),
    Case(
        "5.1.2",
        "fail",
        "a user may read them everywhere",
        given(rule("get", "secrets")),
        "fail",
        says=("User/jane may get secrets in the whole cluster", "ClusterRoleBinding/readers"),
    ),
    Case("5.1.2", "fail", "by a wildcard verb", given(rule("*", "secrets")), "fail", says=("by a wildcard",)),
    Case("5.1.2", "fail", "by a wildcard resource", given(rule("list", "*")), "fail"),
    Case(
        "5.1.2",
        "fail",
        "in a namespace of the system",
        given(rule("get", "secrets"), namespace="kube-system"),
        "fail",
        says=("in the namespace kube-system",),
    ),
    Case(
        "5.1.2",
        "odd",
        "an account written as a user",
        given(rule("get", "secrets"), to="User/system:serviceaccount:shop:robot"),
        "fail",
        says=('"ServiceAccount/shop/robot"', '"namespace": "shop"'),
    ),
    Case(
        "5.1.2",
        "odd",
        "in its own namespace",
        given(rule("get", "secrets"), namespace="shop", role_namespace="shop"),
        "pass",
        "fail",
        says=("1 more can within their own namespace", "Role/shop/reader"),
    ),
    Case(
        "5.1.2",
        "odd",
        "one Secret by its name",
        given(rule("get", "secrets", resourceNames=["tls"])),
        "pass",
        "fail",
        says=("named tls",),
    ),
    Case(
        "5.1.2",
        "odd",
        "one Secret by its name, and by another rule all of them",
        given(rule("get", "secrets", resourceNames=["tls"]), rule("list", "secrets")),
        "fail",
        says=("get secrets named tls; list secrets",),
    ),
    Case(
        "5.1.2",
        "odd",
        "every account of a namespace, even for one Secret",
        given(rule("get", "secrets", resourceNames=["tls"]), to="Group/system:serviceaccounts:shop"),
        "fail",
        says=("SEVERE, this is every service account of shop",),
    ),
    Case("5.1.2", "odd", "only writing", given(rule("create,update", "secrets")), "pass"),
    Case("5.1.2", "odd", "secrets of another group", given(rule("get", "secrets", "example.org")), "pass"),
    Case("5.1.2", "odd", "a part of secrets", given(rule("get", "secrets/status")), "pass"),
    Case(
        "5.1.2",
        "odd",
        "a role that is not there",
        lambda: cluster(binding("dangling", "gone", "User/jane")),
        "pass",
    ),
    Case(
        "5.1.2",
        "odd",
        "a rule added to a role that everybody has",
        changed(
            "clusterroles",
            "system:basic-user",
            lambda item: {**item, "rules": [*item["rules"], rule("list", "secrets")]},
        ),
        "fail",
        says=("SEVERE", "Group/system:authenticated", "ClusterRole/system:basic-user"),
    ),
    Case(
        "5.1.2",
        "odd",
        "another account in a binding of a controller",
        changed(
            "clusterrolebindings",
            "system:controller:namespace-controller",
            lambda item: {
                **item,
                "subjects": [{"kind": "ServiceAccount", "namespace": "shop", "name": "namespace-controller"}],
            },
        ),
        "fail",
        says=("ServiceAccount/shop/namespace-controller",),
    ),
    Case(
        "5.1.2",
        "odd",
        "bindings may not be read",
        lambda: cluster(unseen={"rolebindings": "The credentials not allowed to list rolebindings"}),
        "error",
        says=("not allowed to list rolebindings",),
    ),
    Case("5.1.3", "pass", "kubeadm's defaults", stock, "pass"),
    Case(
        "5.1.3",
        "fail",
        "a role with every verb",
        lambda: cluster(role("power", rule("*", "configmaps"))),
        "fail",
        says=('"ClusterRole/power"', "verbs [*]"),
    ),
    Case(
        "5.1.3",
        "odd",
        "a part of everything, in a namespace",
        lambda: cluster(role("scaler", rule("update", "*/scale", "apps"), namespace="shop")),
        "fail",
        says=('"Role/shop/scaler"', "resources [*/scale]"),
    ),
    Case(
        "5.1.3",
        "odd",
        "paths",
        lambda: cluster(role("paths", {"nonResourceURLs": ["*"], "verbs": ["get"]})),
        "fail",
        says=("nonResourceURLs [*]",),
    ),
    Case(
        "5.1.3",
        "odd",
        "a path with a star at its end",
        lambda: cluster(role("paths", {"nonResourceURLs": ["/healthz/*"], "verbs": ["get"]})),
        "pass",
    ),
    Case("5.1.4", "pass", "kubeadm's defaults", stock, "pass"),
    Case("5.1.4", "fail", "pods", given(rule("create", "pods")), "fail", says=("create pods",)),
    Case(
        "5.1.4",
        "fail",
        "workloads",
        given(rule("create", "daemonsets", "apps"), namespace="kube-system"),
        "fail",
        says=("create daemonsets",),
    ),
    Case("5.1.4", "odd", "a part of pods", given(rule("create", "pods/exec")), "pass"),
    Case(
        "5.1.4",
        "odd",
        "names count for nothing when something is made",
        given(rule("create", "pods", resourceNames=["web"])),
        "pass",
    ),
    Case(
        "5.1.4",
        "odd",
        "the role edit in a namespace of users",
        lambda: cluster(binding("team", "edit", "Group/team", namespace="shop")),
        "pass",
        "fail",
    ),
    Case(
        "5.1.4",
        "odd",
        "the role edit everywhere",
        lambda: cluster(binding("team", "edit", "Group/team")),
        "fail",
        says=("Group/team",),
    ),
    Case("5.1.5", "pass", "turned off", lambda: cluster(account(automount=False)), "pass"),
    Case("5.1.5", "pass", "not turned off and not used", lambda: cluster(account()), "pass", "fail"),
    Case(
        "5.1.5",
        "fail",
        "it has a right",
        lambda: cluster(
            account(automount=False), binding("oops", "view", "ServiceAccount/shop/default", namespace="shop")
        ),
        "fail",
        "pass",
        says=("ServiceAccount/shop/default", "ClusterRole/view"),
    ),
    Case(
        "5.1.5",
        "fail",
        "a pod holds its token",
        lambda: cluster(account(), pod("shop/web-1", owner="StatefulSet/web", **with_token())),
        "fail",
        says=("StatefulSet/shop/web",),
    ),
    Case(
        "5.1.5",
        "odd",
        "pods use it without a token, and an own one with",
        lambda: cluster(
            account(automount=False),
            pod("shop/web"),
            pod("shop/job", serviceAccountName="worker", **with_token()),
        ),
        "pass",
    ),
    Case(
        "5.1.5",
        "odd",
        "a pod that overrides the account",
        lambda: cluster(account(automount=False), pod("shop/web", **with_token())),
        "fail",
        "pass",
    ),
    Case("5.1.6", "pass", "no token mounted", lambda: cluster(pod()), "pass"),
    Case(
        "5.1.6",
        "fail",
        "a token of an account without a right",
        lambda: cluster(pod("shop/web", serviceAccountName="web", **with_token())),
        "fail",
        says=("Pod/shop/web", "which has no binding"),
    ),
    Case(
        "5.1.6",
        "odd",
        "a token of an account with a right",
        lambda: cluster(
            pod("shop/web", serviceAccountName="web", **with_token()),
            binding("web", "view", "ServiceAccount/shop/web", namespace="shop"),
        ),
        "pass",
        "fail",
        says=("which is bound to ClusterRole/view",),
    ),
    Case(
        "5.1.6",
        "odd",
        "a token for another audience",
        lambda: cluster(pod("shop/web", serviceAccountName="web", **with_token(audience="vault"))),
        "pass",
    ),
    Case(
        "5.1.6",
        "odd",
        "a finished pod, and a token that only an init container mounts",
        lambda: cluster(
            pod("shop/done", phase="Succeeded", **with_token()),
            pod(
                "shop/web",
                **{
                    **with_token(),
                    "containers": [container()],
                    "initContainers": with_token(container("prepare"))["containers"],
                },
            ),
        ),
        "fail",
        says=("in prepare",),
    ),
    Case("5.1.7", "pass", "no certificate of that group", stock, "pass"),
    Case(
        "5.1.7",
        "fail",
        "kubeadm's super-admin.conf on a host",
        lambda: cluster(
            nodes=(
                facts(
                    certificates=[
                        client_certificate("/etc/kubernetes/kubelet.conf", "system:node:cp1", "system:nodes"),
                        client_certificate(
                            "/etc/kubernetes/super-admin.conf", "kubernetes-super-admin", "system:masters"
                        ),
                    ]
                ),
            )
        ),
        "fail",
        says=("cp1:/etc/kubernetes/super-admin.conf", "Certificate/kubernetes-super-admin"),
    ),
    Case(
        "5.1.7",
        "fail",
        "another binding of the group",
        lambda: cluster(binding("more", "view", "Group/system:masters"), nodes=(facts(),)),
        "fail",
        says=("ClusterRoleBinding/more",),
    ),
    Case(
        "5.1.7",
        "odd",
        "a kubeconfig that could not be read",
        lambda: cluster(
            nodes=(facts(unread=[{"path": "/etc/kubernetes/super-admin.conf", "reason": "line 3: x"}]),)
        ),
        "error",
        says=("/etc/kubernetes/super-admin.conf", "line 3: x", "playbook cis"),
    ),
    Case(
        "5.1.7",
        "odd",
        "hosts are not known",
        lambda: cluster(),
        "error",
        says=("Run the playbook cis without --limit",),
    ),
    Case(
        "5.1.7",
        "odd",
        "only one of two nodes is known",
        lambda: cluster(thing("Node", "cp1"), thing("Node", "w1"), nodes=(facts(),)),
        "error",
    ),
    Case(
        "5.1.7",
        "odd",
        "the host of an external etcd is not a node",
        lambda: cluster(thing("Node", "cp1"), thing("Node", "w1"), nodes=(facts(), facts(kubelet=None))),
        "error",
    ),
    Case("5.1.8", "pass", "kubeadm's defaults", stock, "pass"),
    Case(
        "5.1.8",
        "fail",
        "impersonate",
        given(rule("impersonate", "users")),
        "fail",
        says=("impersonate users",),
    ),
    Case(
        "5.1.8",
        "fail",
        "bind in a namespace",
        given(rule("bind", "roles", "rbac.authorization.k8s.io"), namespace="shop"),
        "fail",
        says=("bind roles in the namespace shop",),
    ),
    Case(
        "5.1.8",
        "odd",
        "impersonate users through a RoleBinding, which gives nothing",
        given(rule("impersonate", "users"), namespace="shop"),
        "pass",
    ),
    Case(
        "5.1.8",
        "odd",
        "the narrow verb of newer versions",
        given(rule("impersonate:user-info", "users", "authentication.k8s.io")),
        "fail",
    ),
    Case("5.1.9", "pass", "kubeadm's defaults", stock, "pass"),
    Case("5.1.9", "fail", "create", given(rule("create", "persistentvolumes")), "fail"),
    Case(
        "5.1.9",
        "odd",
        "through a RoleBinding, which gives nothing",
        given(rule("create", "persistentvolumes"), namespace="shop"),
        "pass",
    ),
    Case("5.1.9", "odd", "only reading", given(rule("get,list,watch", "persistentvolumes")), "pass"),
    Case("5.1.10", "pass", "kubeadm's defaults", stock, "pass"),
    Case("5.1.10", "fail", "get", given(rule("get", "nodes/proxy")), "fail", says=("get nodes/proxy",)),
    Case(
        "5.1.10", "odd", "finer parts of nodes", given(rule("get", "nodes/metrics,nodes/log,nodes")), "pass"
    ),
    Case("5.1.10", "odd", "a part of everything", given(rule("get", "*/proxy")), "fail"),
    Case("5.1.11", "pass", "kubeadm's defaults", stock, "pass"),
    Case(
        "5.1.11",
        "fail",
        "update",
        given(
            rule("update", "certificatesigningrequests/approval", CSR),
            to="ServiceAccount/kube-system/approver",
        ),
        "fail",
        says=("ServiceAccount/kube-system/approver",),
    ),
    Case(
        "5.1.11",
        "odd",
        "asking for a certificate is no approval",
        given(rule("create,get", "certificatesigningrequests", CSR)),
        "pass",
    ),
    Case("5.1.12", "pass", "kubeadm's defaults", stock, "pass"),
    Case(
        "5.1.12",
        "fail",
        "patch a webhook",
        given(rule("patch", "mutatingwebhookconfigurations", ADMISSION)),
        "fail",
    ),
    Case(
        "5.1.12",
        "odd",
        "bindings of policies count, too",
        given(rule("delete", "validatingadmissionpolicybindings", ADMISSION)),
        "fail",
    ),
    Case(
        "5.1.12",
        "odd",
        "only reading",
        given(rule("get,list,watch", "validatingwebhookconfigurations", ADMISSION)),
        "pass",
    ),
    Case("5.1.13", "pass", "kubeadm's defaults", stock, "pass"),
    Case("5.1.13", "fail", "create", given(rule("create", "serviceaccounts/token")), "fail"),
    Case(
        "5.1.13",
        "odd",
        "of one account by its name",
        given(rule("create", "serviceaccounts/token", resourceNames=["robot"])),
        "pass",
        "fail",
        says=("named robot",),
    ),
    Case("5.1.13", "odd", "accounts, not their tokens", given(rule("create", "serviceaccounts")), "pass"),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_check(case: Case) -> None:
    evaluate(case, CHECKS)


def many(count: int) -> Snapshot:
    bindings = [
        binding(f"b{number}", "reader", f"User/u{number}", namespace=f"n{number}") for number in range(count)
    ]
    # Every tenth is in the whole cluster.
    bindings += [binding(f"c{number}", "reader", f"User/u{number}") for number in range(0, count, 10)]
    return cluster(
        role("reader", rule("get", "secrets"), rule("create", "pods"), rule("impersonate", "users")),
        *bindings,
        nodes=(facts(),),
    )


def test_ten_thousand_bindings() -> None:
    snapshot = many(10_000)
    # Time of the processor: other tests run next to this one.
    began = time.process_time()
    results = {check_id: check(snapshot) for check_id, check in CHECKS.items()}
    assert time.process_time() - began < 2
    secrets = results["5.1.2"]
    assert secrets.status == "fail"
    assert secrets.message.startswith("1000 grant(s)")
    assert sum(one.status == "fail" for one in secrets.evidence) == MOST_FINDINGS + 1
    assert [one.observed for one in secrets.evidence if one.key == "omitted"] == [
        "900 more findings",
        "9900 more observations",
    ]


@pytest.mark.parametrize("check_id", sorted(CHECKS))
@pytest.mark.parametrize("resource", sorted(STOCK))
def test_unreadable_resource_never_passes(check_id: str, resource: str) -> None:
    snapshot = cluster(nodes=(facts(),), unseen={resource: f"The credentials may not list {resource}"})
    result: Any = CHECKS[check_id](snapshot)
    assert result.status == "error"
    assert f"may not list {resource}" in result.message
