# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Nodes of a cluster that stands already, and what the inventory declares for them."""

from __future__ import annotations

import typing as t
from dataclasses import replace
from pathlib import Path

from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._formats.kubeconfig import (
    KubeconfigError,
    parse,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.client import (
    METADATA_ONLY,
    Client,
    connection_from,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cluster import drift, metadata
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._options.convert import (
    ConversionError,
    convert,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._preflight.model import (
    ERROR,
    WARNING,
    Finding,
    Host,
)

#: A preflight does not wait for a cluster whose API server does not answer.
SECONDS = 3.0
_DEFAULT_TAINTS = [{"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}]


def check_metadata(hosts: t.Sequence[Host], params: t.Mapping[str, t.Any]) -> list[Finding]:
    """Labels, annotations and taints that no node can have."""
    found = []
    for host in hosts:
        settings = {
            name: params[f"node_{name}"].get(host.name) for name in ("labels", "annotations", "taints")
        }
        if not any(settings.values()):
            continue
        groups: t.Sequence[t.Any] = ()
        if host.role == "control_plane":
            try:
                own = params["control_plane_taints"].get(host.name, _DEFAULT_TAINTS)
                groups = convert(own, "list", "dict")
            except ConversionError:
                groups = _DEFAULT_TAINTS
        found += [
            Finding(
                host.name,
                "node_metadata",
                ERROR,
                problem,
                "labels, annotations and taints as Kubernetes accepts them",
                f"Correct {problem.partition(':')[0]} of this host.",
            )
            for problem in metadata.read(settings, groups)[1]
        ]
    return found


def check_nodes(hosts: t.Sequence[Host], params: t.Mapping[str, t.Any]) -> list[Finding]:
    """Nodes that no host of the inventory is.

    It takes a run of all hosts, whose names are known by that, and a cluster that answers.
    """
    known = [host.name_in_cluster for host in hosts]
    complete = {host.name for host in hosts} >= {*params["control_planes"], *params["workers"]}
    if not (params["kubeconfig"] and complete and all(known) and any(host.is_member for host in hosts)):
        return []
    try:
        config = parse(Path(params["kubeconfig"]).read_text(encoding="utf-8"))
        connection = connection_from(config, params["kubeconfig"])
        api = Client(replace(connection, proxy=params["api_proxy"]), SECONDS)
        nodes = list(api.items("/api/v1/nodes", accept=METADATA_ONLY))
    except (OSError, UnicodeDecodeError, KubeconfigError, OperatorError):
        # Without a cluster, or with one to be repaired, there is nothing to compare.
        return []
    unknown = drift.unknown_nodes(({"name": node["metadata"]["name"]} for node in nodes), known)
    if not unknown:
        return []
    return [
        Finding(
            "",
            "unknown_nodes",
            WARNING,
            f"{drift.listed(unknown)} in the cluster, which no host of the inventory is",
            "a host for every node, as no playbook manages the others",
            "Add it to the inventory, or remove the node when its machine is gone.",
        )
    ]
