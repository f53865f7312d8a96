# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Section 5.2: Pod security."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.cluster.section_5_2 import CHECKS
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.cluster.snapshot import Snapshot

from tests.unit.plugins.cis.clusters import (
    HARDENED,
    SYSTEM,
    Object,
    cluster,
    container,
    defaults,
    definition,
    evaluate,
    exempting,
    facts,
    namespace,
    pod,
    thing,
)
from tests.unit.plugins.cis.fakes import Case

STRICT = facts(pod_security=defaults("restricted"))
WINDOWS = thing("Node", "win1", status={"nodeInfo": {"operatingSystem": "windows"}})


def safe(*things: Object, nodes: tuple[Object, ...] = (STRICT,), **more: Any) -> Snapshot:
    """A cluster where every namespace is restricted by default, with these objects."""
    return cluster(*SYSTEM, namespace("default"), *things, nodes=nodes, stock=False, **more)


def sparing(kind: str) -> Callable[[], Snapshot]:
    """A cluster that enforces the strictest level, but not for one name of a kind."""
    server = facts(pod_security=exempting(kind, "builder"))
    return lambda: cluster(namespace("shop", "restricted"), nodes=(server,))


def running(*containers: Object, where: str = "kube-system/tool", **spec: Any) -> Callable[[], Snapshot]:
    return lambda: safe(pod(where, *containers, owner="DaemonSet/tool", **spec))


def secured(**changes: Any) -> Object:
    """A container with a changed security context; None removes a field."""
    merged = {**HARDENED, **changes}
    return container(security={name: value for name, value in merged.items() if value is not None})


def opened(level: str = "privileged") -> Snapshot:
    return safe(namespace("shop", level))


PRIVILEGED = container("mount", {"privileged": True})
DEBUG: dict[str, Any] = {"ephemeralContainers": [{"name": "debug", "securityContext": {"privileged": True}}]}
DEPLOYED = pod("shop/web-5f6-abc", PRIVILEGED, owner="ReplicaSet/web-5f6")
REPLICASET = thing(
    "ReplicaSet",
    "web-5f6",
    "shop",
    metadata={"ownerReferences": [{"kind": "Deployment", "name": "web", "controller": True}]},
)

VAP_RULES = {"resourceRules": [{"apiGroups": [""], "resources": ["pods"]}]}


def validating(action: str = "Deny", **rules: Any) -> tuple[Object, Object]:
    return (
        thing("ValidatingAdmissionPolicy", "pods", spec={"matchConstraints": rules or VAP_RULES}),
        thing(
            "ValidatingAdmissionPolicyBinding",
            "pods",
            spec={"policyName": "pods", "validationActions": [action]},
        ),
    )


def hook(name: str) -> Object:
    return thing("ValidatingWebhookConfiguration", name, webhooks=[{"name": "x", "rules": []}])


def kyverno(action: str, *things: Object, kind: str = "Pod", own: str | None = None) -> Snapshot:
    match = {"any": [{"resources": {"kinds": [kind]}}]}
    validate: Object = {"podSecurity": {"level": "baseline"}, **({"failureAction": own} if own else {})}
    policy = thing(
        "ClusterPolicy",
        "baseline",
        spec={
            "validationFailureAction": action,
            "rules": [{"name": "pods", "match": match, "validate": validate}],
        },
    )
    return safe(
        definition("clusterpolicies.kyverno.io"),
        *things,
        nodes=(facts(),),
        more={"clusterpolicies.kyverno.io": (policy,)},
    )


def gatekeeper(action: str | None, *things: Object) -> Snapshot:
    name = "k8spspprivilegedcontainer.constraints.gatekeeper.sh"
    match = {"kinds": [{"apiGroups": [""], "kinds": ["Pod"]}]}
    spec: Object = {"match": match, **({"enforcementAction": action} if action else {})}
    constraint = {"kind": "K8sPSPPrivilegedContainer", "metadata": {"name": "psp"}, "spec": spec}
    return safe(definition(name), *things, nodes=(facts(),), more={name: (constraint,)})


CASES: list[Case] = [
    Case("5.2.1", "pass", "restricted by default", safe, "pass", says=("the default of the API server",)),
    Case(
        "5.2.1",
        "pass",
        "a label",
        lambda: cluster(namespace("default", "baseline"), nodes=(facts(),)),
        "pass",
        says=("pod-security.kubernetes.io/enforce=baseline",),
    ),
    Case(
        "5.2.1",
        "fail",
        "a namespace without a label",
        lambda: cluster(namespace("default", "baseline"), namespace("shop"), nodes=(facts(),)),
        "fail",
        "pass",
        says=("Namespace/shop",),
    ),
    Case(
        "5.2.1",
        "fail",
        "only a warning",
        lambda: cluster(
            namespace("shop", **{"pod-security.kubernetes.io/warn": "restricted"}), nodes=(facts(),)
        ),
        "fail",
    ),
    Case(
        "5.2.1",
        "odd",
        "labels without the admission plugin",
        lambda: cluster(namespace("shop", "restricted"), nodes=(facts(plugins=("NodeRestriction",)),)),
        "fail",
        says=("the admission plugin PodSecurity is disabled",),
    ),
    Case(
        "5.2.1",
        "odd",
        "a namespace that the configuration exempts",
        lambda: cluster(namespace("shop"), nodes=(facts(pod_security=defaults("restricted", "shop")),)),
        "fail",
        says=("exempts the namespace",),
    ),
    *(
        Case(
            check_id,
            "odd",
            f"a configuration that exempts {kind}",
            sparing(kind),
            "fail",
            literal="" if check_id in ("5.2.1", "5.2.11") else "pass",
            says=("builder", "Namespace/shop"),
        )
        for check_id in ("5.2.1", "5.2.2", "5.2.5", "5.2.11")
        for kind in ("usernames", "runtimeClasses")
    ),
    Case(
        "5.2.1",
        "odd",
        "a level that there is not, which counts as the strictest",
        lambda: cluster(namespace("shop", "strict"), nodes=(facts(),)),
        "pass",
    ),
    Case(
        "5.2.1",
        "odd",
        "two API servers of which one has no default",
        lambda: cluster(namespace("shop"), nodes=(STRICT, facts())),
        "fail",
    ),
    Case(
        "5.2.1",
        "odd",
        "one of two API servers is not known",
        lambda: safe(
            *(
                pod(
                    f"kube-system/kube-apiserver-{name}",
                    static=name,
                    metadata={"labels": {"component": "kube-apiserver"}},
                )
                for name in ("cp1", "cp2")
            )
        ),
        "error",
        says=("Run the playbook cis",),
    ),
    Case(
        "5.2.1",
        "odd",
        "the configuration cannot be read",
        lambda: cluster(
            namespace("shop", "restricted"), nodes=(facts(api_server={"errors": ["admission.yaml: gone"]}),)
        ),
        "error",
        says=("admission.yaml: gone",),
    ),
    Case("5.2.1", "odd", "hosts are not known", lambda: safe(nodes=()), "error", says=("playbook cis",)),
    Case(
        "5.2.1",
        "odd",
        "a policy that denies",
        lambda: safe(*validating(), nodes=(facts(),)),
        "pass",
        says=("ValidatingAdmissionPolicy/pods",),
    ),
    Case("5.2.1", "odd", "a policy that warns", lambda: safe(*validating("Warn"), nodes=(facts(),)), "fail"),
    Case(
        "5.2.1",
        "odd",
        "a policy about something else",
        lambda: safe(*validating(resourceRules=[{"resources": ["ingresses"]}]), nodes=(facts(),)),
        "fail",
    ),
    Case(
        "5.2.1",
        "odd",
        "Kyverno enforces",
        lambda: kyverno("Enforce", hook("kyverno-resource-validating-webhook-cfg")),
        "pass",
        says=("ClusterPolicy/baseline",),
    ),
    Case(
        "5.2.1",
        "odd",
        "Kyverno enforces by the rule alone",
        lambda: kyverno("Audit", hook("kyverno-resource-validating-webhook-cfg"), own="Enforce"),
        "pass",
    ),
    Case(
        "5.2.1",
        "odd",
        "Kyverno only reports",
        lambda: kyverno("Audit", hook("kyverno-resource-validating-webhook-cfg")),
        "fail",
    ),
    Case(
        "5.2.1",
        "odd",
        "a policy that spares a namespace",
        lambda: cluster(
            namespace("shop"),
            *validating(
                resourceRules=[{"resources": ["pods"]}],
                namespaceSelector={
                    "matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": "NotIn"}]
                },
            ),
            nodes=(facts(),),
        ),
        "manual",
        literal="pass",
        says=("limited to some namespaces", "ValidatingAdmissionPolicy/pods"),
    ),
    Case(
        "5.2.1",
        "odd",
        "a policy with empty selectors, as the API server sets them",
        lambda: cluster(
            namespace("shop"),
            *validating(resourceRules=[{"resources": ["pods"]}], namespaceSelector={}, objectSelector={}),
            nodes=(facts(),),
        ),
        "pass",
    ),
    Case("5.2.1", "odd", "Kyverno is not asked", lambda: kyverno("Enforce"), "fail"),
    Case(
        "5.2.1",
        "odd",
        "Gatekeeper denies by default",
        lambda: gatekeeper(None, hook("gatekeeper-validating-webhook-configuration")),
        "pass",
        says=("K8sPSPPrivilegedContainer/psp",),
    ),
    Case(
        "5.2.1",
        "odd",
        "Gatekeeper tries it out",
        lambda: gatekeeper("dryrun", hook("gatekeeper-validating-webhook-configuration")),
        "fail",
    ),
    Case("5.2.2", "pass", "neither admitted nor running", safe, "pass"),
    Case("5.2.2", "fail", "a namespace lets it", opened, "fail", "pass", says=("Namespace/shop",)),
    Case(
        "5.2.2",
        "fail",
        "a workload does",
        lambda: safe(DEPLOYED, REPLICASET),
        "fail",
        says=("Deployment/shop/web", "privileged: true (container mount)"),
    ),
    Case(
        "5.2.2",
        "odd",
        "an init container does",
        running(container(), initContainers=[PRIVILEGED]),
        "fail",
        "pass",
        says=("DaemonSet/kube-system/tool",),
    ),
    Case("5.2.2", "odd", "a container to look into it does", running(container(), **DEBUG), "fail", "pass"),
    Case(
        "5.2.2",
        "odd",
        "the owner's owner may not be read",
        lambda: safe(
            {**DEPLOYED, "metadata": {**DEPLOYED["metadata"], "labels": {"pod-template-hash": "5f6"}}},
            unseen={"replicasets": "no"},
        ),
        "fail",
        says=("Deployment/shop/web",),
    ),
    Case(
        "5.2.2",
        "odd",
        "the kubelet runs it from a file",
        lambda: safe(pod("kube-system/proxy-cp1", PRIVILEGED, static="cp1")),
        "pass",
        "fail",
        says=("StaticPod/kube-system/proxy",),
    ),
    Case(
        "5.2.2",
        "odd",
        "it has finished",
        lambda: safe(pod("kube-system/done", PRIVILEGED, phase="Succeeded")),
        "pass",
    ),
    Case(
        "5.2.2",
        "odd",
        "another policy may forbid it",
        lambda: safe(namespace("shop", "privileged"), *validating()),
        "manual",
        "pass",
        says=("ValidatingAdmissionPolicy/pods", "1 namespace(s)"),
    ),
    Case(
        "5.2.2",
        "odd",
        "hosts are not known, and a workload does",
        lambda: safe(DEPLOYED, REPLICASET, nodes=()),
        "error",
        "error",
        says=("1 finding(s) so far",),
    ),
    Case(
        "5.2.2",
        "odd",
        "a label is enough to know that anything passes",
        lambda: cluster(namespace("shop", "privileged"), stock=False),
        "fail",
        "pass",
    ),
    Case(
        "5.2.2",
        "odd",
        "policies may not be read",
        lambda: safe(unseen={"validatingadmissionpolicies": "The credentials may not list policies"}),
        "error",
        says=("may not list policies",),
    ),
    Case("5.2.3", "pass", "neither admitted nor running", safe, "pass"),
    Case("5.2.3", "fail", "a workload does", running(hostPID=True), "fail", says=("hostPID: true",)),
    Case("5.2.3", "fail", "a namespace lets it", opened, "fail", "pass"),
    Case("5.2.3", "odd", "said to be off", running(hostPID=False), "pass"),
    Case("5.2.4", "pass", "neither admitted nor running", safe, "pass"),
    Case("5.2.4", "fail", "a workload does", running(hostIPC=True), "fail", says=("hostIPC: true",)),
    Case("5.2.4", "odd", "baseline is enough", lambda: opened("baseline"), "pass"),
    Case("5.2.5", "pass", "neither admitted nor running", safe, "pass"),
    Case("5.2.5", "fail", "a workload does", running(hostNetwork=True), "fail", says=("hostNetwork: true",)),
    Case(
        "5.2.5",
        "odd",
        "a control plane",
        lambda: safe(pod("kube-system/kube-apiserver-cp1", static="cp1", hostNetwork=True)),
        "pass",
        "fail",
        says=("StaticPod/kube-system/kube-apiserver",),
    ),
    Case("5.2.6", "pass", "neither admitted nor running", running(container()), "pass"),
    Case("5.2.6", "fail", "explicit", running(secured(allowPrivilegeEscalation=True)), "fail"),
    Case("5.2.6", "fail", "baseline lets it", lambda: opened("baseline"), "fail", "pass"),
    Case(
        "5.2.6",
        "odd",
        "not set, which allows it",
        running(secured(allowPrivilegeEscalation=None)),
        "fail",
        "pass",
        says=("is not set, so it is allowed",),
    ),
    Case("5.2.7", "pass", "neither admitted nor running", running(container()), "pass"),
    Case("5.2.7", "fail", "explicit", running(secured(runAsUser=0)), "fail", says=("runAsUser: 0",)),
    Case("5.2.7", "fail", "not said", running(secured(runAsNonRoot=None)), "fail", says=("neither",)),
    Case(
        "5.2.7",
        "odd",
        "the pod says it for its containers",
        running(secured(runAsNonRoot=None), securityContext={"runAsUser": 65532}),
        "pass",
    ),
    Case(
        "5.2.7",
        "odd",
        "a container overrides its pod",
        running(secured(runAsNonRoot=None, runAsUser=0), securityContext={"runAsUser": 65532}),
        "fail",
    ),
    Case("5.2.7", "odd", "a user namespace", running(secured(runAsNonRoot=None), hostUsers=False), "pass"),
    Case("5.2.8", "pass", "neither admitted nor running", running(container()), "pass"),
    Case("5.2.8", "fail", "not dropped", running(secured(capabilities=None)), "fail", says=("not drop",)),
    Case(
        "5.2.8",
        "odd",
        "dropped and added again, with a prefix",
        running(secured(capabilities={"drop": ["ALL"], "add": ["CAP_NET_RAW"]})),
        "fail",
        says=("adds NET_RAW",),
    ),
    Case(
        "5.2.8",
        "odd",
        "dropped alone, in small letters",
        running(secured(capabilities={"drop": ["net_raw"]})),
        "pass",
    ),
    Case("5.2.8", "odd", "privileged", running(secured(privileged=True)), "fail", says=("every capability",)),
    Case("5.2.9", "pass", "neither admitted nor running", running(container()), "pass"),
    Case(
        "5.2.9",
        "fail",
        "one is added",
        running(secured(capabilities={"drop": ["ALL"], "add": ["SYS_ADMIN"]})),
        "fail",
        says=("adds SYS_ADMIN",),
    ),
    Case(
        "5.2.9",
        "odd",
        "the one that binds low ports",
        running(secured(capabilities={"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]})),
        "pass",
    ),
    Case(
        "5.2.9",
        "odd",
        "only one is dropped",
        running(secured(capabilities={"drop": ["NET_RAW"]})),
        "fail",
        says=("does not drop ALL",),
    ),
    Case("5.2.10", "pass", "Windows, and not admitted", lambda: safe(WINDOWS), "pass"),
    Case(
        "5.2.10",
        "fail",
        "a workload does",
        lambda: safe(WINDOWS, pod("kube-system/agent", secured(windowsOptions={"hostProcess": True}))),
        "fail",
        says=("hostProcess: true",),
    ),
    Case("5.2.10", "odd", "no Windows", opened, "not_applicable"),
    Case(
        "5.2.10",
        "odd",
        "the pod says it, and the node by its label",
        lambda: safe(
            thing("Node", "win1", metadata={"labels": {"kubernetes.io/os": "windows"}}),
            pod("kube-system/agent", securityContext={"windowsOptions": {"hostProcess": True}}),
        ),
        "fail",
    ),
    Case("5.2.11", "pass", "neither admitted nor running", safe, "pass"),
    Case(
        "5.2.11",
        "fail",
        "a workload does",
        running(volumes=[{"name": "logs", "hostPath": {"path": "/var/log"}}]),
        "fail",
        says=("volume logs: /var/log",),
    ),
    Case("5.2.11", "fail", "a namespace lets it", opened, "fail"),
    Case("5.2.11", "odd", "another volume", running(volumes=[{"name": "tmp", "emptyDir": {}}]), "pass"),
    Case("5.2.12", "pass", "neither admitted nor running", safe, "pass"),
    Case(
        "5.2.12",
        "fail",
        "a workload does",
        running(container(ports=[{"containerPort": 80, "hostPort": 8080}])),
        "fail",
        says=("hostPort 8080",),
    ),
    Case(
        "5.2.12",
        "odd",
        "ports that the API server wrote down for the network of the host",
        running(container(ports=[{"containerPort": 80, "hostPort": 80}]), hostNetwork=True),
        "pass",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_check(case: Case) -> None:
    evaluate(case, CHECKS)


def test_pods_of_one_owner_are_one_piece_of_evidence() -> None:
    pods = [pod(f"kube-system/tool-{number}", PRIVILEGED, owner="DaemonSet/tool") for number in range(50)]
    result = CHECKS["5.2.2"](safe(*pods))
    assert [one.subject for one in result.evidence] == ["DaemonSet/kube-system/tool"]


@pytest.mark.parametrize("check_id", sorted(set(CHECKS) - {"5.2.1"}))
def test_unreadable_pods_never_pass(check_id: str) -> None:
    snapshot = safe(WINDOWS, unseen={"pods": "The credentials may not list pods"})
    assert CHECKS[check_id](snapshot).status == "error"
