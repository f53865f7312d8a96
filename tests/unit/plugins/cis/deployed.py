# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the audit of a cluster says of objects that somebody deploys to it."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, NamedTuple

from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.model import FAIL
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.cluster.audit import evaluate_all
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.cluster.snapshot import Snapshot
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.report import exemptions, shipped

from tests.unit.plugins.cis.clusters import SYSTEM, cluster, defaults, definition, facts, namespace, thing

Object = dict[str, Any]
#: Kinds that the audit reads; pods are made of the templates of workloads.
_READ = {
    *("Namespace", "ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"),
    *("DaemonSet", "NetworkPolicy"),
}
_POLICIES = "ciliumnetworkpolicies.cilium.io"
_SHIPPED, _PROBLEMS = exemptions.read_exemptions(shipped.EXEMPTIONS, "shipped", shipped=True)


class Failure(NamedTuple):
    """Evidence that fails a check."""

    check: str
    subject: str
    observed: str
    namespace: str

    @property
    def accepted(self) -> bool:
        """Whether an exemption that the collection ships covers it."""
        return any(one.id == self.check and one.covers("", self.namespace, self.subject) for one in _SHIPPED)


def _pod(workload: Object) -> Object:
    """A running pod of a workload, as its controller makes it."""
    template, name = workload["spec"]["template"], workload["metadata"]["name"]
    owner = {"kind": workload["kind"], "name": name, "controller": True}
    return thing(
        "Pod",
        f"{name}-x",
        workload["metadata"]["namespace"],
        metadata={**template["metadata"], "ownerReferences": [owner]},
        spec=template["spec"],
        status={"phase": "Running"},
    )


def _snapshot(objects: Sequence[Object]) -> Snapshot:
    things = [copy.deepcopy(one) for one in objects if one["kind"] in _READ]
    for one in things:
        if one["kind"] == "Namespace":
            one["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = one["metadata"]["name"]
    pods = [_pod(one) for one in objects if one["kind"] in ("DaemonSet", "Deployment")]
    policies = tuple(one for one in objects if one["kind"] == "CiliumNetworkPolicy")
    return cluster(
        *(*SYSTEM, namespace("default"), definition(_POLICIES), *things, *pods),
        nodes=(facts(pod_security=defaults("restricted")),),
        more={_POLICIES: policies},
    )


def failures(objects: Sequence[Object]) -> set[Failure]:
    """What fails because of some objects, on a cluster as `site` leaves it."""

    def all_of(snapshot: Snapshot) -> set[Failure]:
        return {
            Failure(result.id, evidence.subject, evidence.observed, evidence.namespace)
            for result in evaluate_all(snapshot, ())
            for evidence in result.evidence
            if evidence.status == FAIL
        }

    return all_of(_snapshot(objects)) - all_of(_snapshot([]))
