# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the playbook platform takes, beside kubectl that applies the same objects and waits for them.

The objects are those that the playbook has applied, read from the cluster: no second copy of the roles' definitions.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from lab.config import Settings
from lab.state import HostRecord
from tests.bench import plan
from tests.bench.labs import run_lab, snapshot
from tests.bench.measure import BenchError
from tests.bench.phases import Phases

Json = dict[str, Any]
#: The lab's artifacts that it deploys.
ARTIFACTS = "platform"
#: Label of everything that a role has applied by api_objects.
PART_OF = "baremetal.kubernetes/part-of"
#: Those that the playbook platform has applied; `network` are policies by site.
SELECTOR = f"{PART_OF},{PART_OF}!=network"
#: What the inventory says beside the defaults: all that the platform has.
VALUES = {"network_policy_mode": "enforce"}
#: Kinds that the platform has objects of, as kubectl calls them, in the order in which they are applied.
KINDS = {
    "CustomResourceDefinition": "customresourcedefinitions.apiextensions.k8s.io",
    "Namespace": "namespaces",
    "ServiceAccount": "serviceaccounts",
    "ClusterRole": "clusterroles.rbac.authorization.k8s.io",
    "Role": "roles.rbac.authorization.k8s.io",
    "ClusterRoleBinding": "clusterrolebindings.rbac.authorization.k8s.io",
    "RoleBinding": "rolebindings.rbac.authorization.k8s.io",
    "NetworkPolicy": "networkpolicies.networking.k8s.io",
    "CiliumNetworkPolicy": "ciliumnetworkpolicies.cilium.io",
    "CiliumClusterwideNetworkPolicy": "ciliumclusterwidenetworkpolicies.cilium.io",
    "CiliumLoadBalancerIPPool": "ciliumloadbalancerippools.cilium.io",
    "CiliumL2AnnouncementPolicy": "ciliuml2announcementpolicies.cilium.io",
    "ConfigMap": "configmaps",
    "Secret": "secrets",
    "Service": "services",
    "DaemonSet": "daemonsets.apps",
    "Deployment": "deployments.apps",
    "PodDisruptionBudget": "poddisruptionbudgets.policy",
    "APIService": "apiservices.apiregistration.k8s.io",
    "MutatingWebhookConfiguration": "mutatingwebhookconfigurations.admissionregistration.k8s.io",
    "ValidatingWebhookConfiguration": "validatingwebhookconfigurations.admissionregistration.k8s.io",
    "IngressClass": "ingressclasses.networking.k8s.io",
    "GatewayClass": "gatewayclasses.gateway.networking.k8s.io",
}
#: Kinds that both paths wait for, and for what.
_WAITED = {"DaemonSet": "rollout", "Deployment": "rollout", "APIService": "Available"}
#: What the API server writes into an object, by kind; the first entry is for all of them.
_SERVERS = {
    "": (
        *(
            ("metadata", key)
            for key in ("creationTimestamp", "generation", "managedFields", "resourceVersion")
        ),
        ("metadata", "uid"),
        ("metadata", "annotations", "deprecated.daemonset.template.generation"),
        ("metadata", "annotations", "deployment.kubernetes.io/revision"),
        ("status",),
    ),
    "Namespace": (("spec",), ("metadata", "labels", "kubernetes.io/metadata.name")),
    "Service": (("spec", "clusterIP"), ("spec", "clusterIPs")),
}


def _without(found: Json, path: Sequence[str]) -> Json:
    """An object without what is at a path; empty mappings that remain are dropped, too."""
    name, *rest = path
    if name not in found:
        return found
    others = {key: value for key, value in found.items() if key != name}
    if not rest:
        return others
    inner = _without(found[name], rest)
    return {**others, name: inner} if inner else others


def applied(listed: Iterable[Json]) -> list[Json]:
    """Objects as somebody would write them down, in an order in which they can be applied.

    :param listed: as the API server has them.
    :raises BenchError: one is of a kind that is not known here.
    """
    found = list(listed)
    if unknown := {one["kind"] for one in found} - set(KINDS):
        raise BenchError(f"objects of the kinds {', '.join(sorted(unknown))}; name them in {__name__}")
    order = list(KINDS)
    made = []
    for one in sorted(found, key=lambda one: order.index(one["kind"])):
        for path in (*_SERVERS[""], *_SERVERS.get(one["kind"], ())):
            one = _without(one, path)
        made.append(one)
    return made


def waits(objects: Iterable[Json]) -> list[str]:
    """What is waited for: one line with the condition, the namespace or a hyphen, and the object for kubectl."""
    return [
        f"{_WAITED[one['kind']]} {one['metadata'].get('namespace', '-')} {KINDS[one['kind']]}/{one['metadata']['name']}"
        for one in objects
        if one["kind"] in _WAITED
    ]


def write(objects: Sequence[Json], directory: Path) -> None:
    """Write the input of the script: definitions of kinds, the other objects, and what is waited for."""
    kinds = [one for one in objects if one["kind"] == "CustomResourceDefinition"]
    others = [one for one in objects if one["kind"] != "CustomResourceDefinition"]
    for name, items in (("definitions", kinds), ("objects", others)):
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
        (directory / f"{name}.json").write_text(text, encoding="utf-8")
    (directory / "waits").write_text("".join(f"{line}\n" for line in waits(objects)), encoding="utf-8")


def capture(settings: Settings, hosts: Sequence[HostRecord], directory: Path) -> None:
    """Write the input of the script from the cluster that is up.

    :raises RuntimeError: the control plane did not answer as expected.
    :raises BenchError: nothing has been applied.
    """
    (first,) = [record for record in hosts if record.role == "control_plane"]
    kinds = ",".join(KINDS.values())
    arguments = ("get", kinds, "--all-namespaces", "--selector", SELECTOR, "--output", "json")
    objects = applied(json.loads(plan.kubectl(settings, first, *arguments))["items"])
    if not objects:
        raise BenchError(
            f"the cluster has no object with the label {PART_OF}; expected those of the platform"
        )
    write(objects, directory)


class Platform:
    """The playbook of one round, and its bare path, each on the same cluster without it.

    :param phases: whose plan has been captured.
    :param number: of the round.
    """

    def __init__(self, phases: Phases, number: int) -> None:
        self.phases = phases
        self.number = number

    def run(self) -> None:
        """Both paths. Afterwards the lab has the cluster of the bare one.

        :raises BenchError: one failed, or the second run of the playbook changed something.
        :raises RuntimeError: a host did not answer as expected.
        """
        phases, wanted = self.phases, self.phases.wanted
        # As helm and the chart: the controller starts without.
        values = {**VALUES, "crds_cache": str(phases.cache(self.number))}
        arguments = ("-e", json.dumps(values))
        lab = snapshot(wanted, "save", "bare")
        phases.playbook(lab, "platform", self.number, "platform", *arguments)
        phases.playbook(lab, "platform again", self.number, "platform", *arguments, changes=False)
        capture(wanted, lab.hosts, phases.plan)
        lab = snapshot(wanted, "restore", "bare")
        phases.script(lab, "platform", self.number, "platform")


def artifacts() -> None:
    """Have the lab serve what the platform deploys; made from source the first time.

    :raises BenchError: it cannot be had.
    """
    run_lab("artifacts", ARTIFACTS)
