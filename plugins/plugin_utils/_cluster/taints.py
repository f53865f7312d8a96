# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Whether a control plane runs pods, as the inventory's groups say. Pure: a Node in, the changed Node out.

kubeadm sets taints when a node registers, and never again. A control plane that becomes a worker, too, loses the taints
of control planes, and the label that keeps load balancers away; an annotation notes that. Only with the annotation are
they set again when the host is no worker any more: taints that an operator removed or added stay as they are.
"""

from __future__ import annotations

import copy
import typing as t

from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cluster.health import Json

ANNOTATION = "baremetal.kubernetes/runs-pods"
#: kubeadm sets it (cmd/kubeadm/app/constants), and service load balancers leave the node out.
EXCLUDED = "node.kubernetes.io/exclude-from-external-load-balancers"


def _same(one: Json, other: Json) -> bool:
    """Whether two taints are the same to Kubernetes (Taint.MatchTaint)."""
    return (one.get("key"), one.get("effect")) == (other.get("key"), other.get("effect"))


def _among(taint: Json, taints: t.Iterable[Json]) -> bool:
    return any(_same(taint, other) for other in taints)


def planned(node: Json, taints: t.Sequence[Json], runs_pods: bool) -> Json | None:
    """The node as it has to be, C(None) when nothing changes.

    :param taints: those of control planes. :param runs_pods: whether the host is a worker, too.
    """
    made = copy.deepcopy(dict(node))
    metadata, spec = made.setdefault("metadata", {}), made.setdefault("spec", {})
    labels, annotations = metadata.setdefault("labels", {}), metadata.setdefault("annotations", {})
    present = spec.get("taints") or []
    if runs_pods:
        spec["taints"] = [taint for taint in present if not _among(taint, taints)]
        if annotations.get(ANNOTATION) != "true":
            # Once: an operator may set the label again.
            annotations[ANNOTATION] = "true"
            labels.pop(EXCLUDED, None)
    elif ANNOTATION in annotations:
        spec["taints"] = [*present, *(dict(taint) for taint in taints if not _among(taint, present))]
        labels[EXCLUDED] = ""
        del annotations[ANNOTATION]
    else:
        return None
    unchanged = (
        spec["taints"] == present
        and labels == (node.get("metadata") or {}).get("labels", {})
        and annotations == (node.get("metadata") or {}).get("annotations", {})
    )
    return None if unchanged else {**made, "apiVersion": "v1", "kind": "Node"}


def shown(node: Json) -> dict[str, t.Any]:
    """What of a node is planned here, for a diff."""
    metadata = node.get("metadata") or {}
    return {
        "taints": [
            f"{taint.get('key')}={taint.get('value') or ''}:{taint.get('effect')}"
            for taint in (node.get("spec") or {}).get("taints") or ()
        ],
        "runs_pods": ANNOTATION in (metadata.get("annotations") or {}),
        "excluded_from_load_balancers": EXCLUDED in (metadata.get("labels") or {}),
    }
