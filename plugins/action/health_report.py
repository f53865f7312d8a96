# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs C(health_report) on the controller; the module of the same name documents it."""

from __future__ import annotations

import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._action import ControllerAction
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._health import etcd, evaluate
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._health.model import (
    CRITICAL,
    WARNING,
    Cluster,
    Finding,
    Host,
    Limits,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._health.observe import (
    read_cluster,
    read_host,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api import connect
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api.action import library_failure

#: Of an API server that is asked by its own address.
_SERVER_SECONDS = 5.0

Json = dict[str, t.Any]


def _cluster(kubeconfig: str) -> Cluster:
    """The cluster by its API, or why it cannot be read."""
    try:
        return read_cluster(
            connect.connect(kubeconfig),
            lambda address: connect.connect_at(kubeconfig, None, address, _SERVER_SECONDS),
        )
    except OperatorError as exc:
        return Cluster(error=exc.message.rstrip("."))


def _hosts(params: t.Mapping[str, t.Any]) -> list[Host]:
    return [
        read_host(
            name,
            name in params["control_planes"],
            result or {},
            params["certificates"].get(name),
            params["etcd"].get(name),
            params["backups"].get(name),
        )
        for name, result in params["hosts"].items()
    ]


def report(findings: t.Sequence[Finding], hosts: t.Sequence[Host]) -> list[str]:
    """All lines for people."""
    parts = (
        ("critical:", evaluate.lines(findings, CRITICAL)),
        ("warnings:", evaluate.lines(findings, WARNING)),
        ("etcd:", etcd.table(hosts)),
        ("backups:", evaluate.backups_table(hosts)),
        ("certificates:", evaluate.certificates_table(hosts)),
    )
    lines = [line for title, found in parts if found for line in (title, *(f"  {one}" for one in found))]
    return lines if findings else ["healthy: nothing was found", *lines]


def message(findings: t.Sequence[Finding]) -> str:
    """What a run that fails says."""
    critical = sum(item.severity == CRITICAL for item in findings)
    counted = (
        f"{critical} critical finding(s) and {len(findings) - critical} warning(s). Nothing was changed."
    )
    return "\n".join([counted, *(f"- {line}" for line in evaluate.lines(findings, CRITICAL))])


class ActionModule(ControllerAction):
    """Compares what hosts and API servers say with what has to be."""

    ARGUMENT_SPEC: t.ClassVar[Json] = {
        "hosts": {"type": "dict", "required": True},
        "certificates": {"type": "dict", "default": {}},
        "etcd": {"type": "dict", "default": {}},
        "backups": {"type": "dict", "default": {}},
        "control_planes": {"type": "list", "elements": "str", "required": True},
        "inventory": {"type": "list", "elements": "str", "default": []},
        "kubeconfig": {"type": "path"},
        "kubernetes_version": {"type": "str", "default": ""},
        "certificate_days": {"type": "int", "default": 30},
        "database_used": {"type": "int", "default": 80},
        "database_free": {"type": "int", "default": 50},
        "clock_skew": {"type": "float", "default": 5.0},
    }

    def perform(self, params: t.Mapping[str, t.Any], task_vars: t.Mapping[str, t.Any]) -> Json:
        """See C(ControllerAction)."""
        if failure := library_failure():
            return failure
        hosts = _hosts(params)
        limits = Limits(
            within=params["certificate_days"],
            used=params["database_used"],
            free=params["database_free"],
            skew=params["clock_skew"],
        )
        findings = evaluate.evaluate(
            hosts,
            _cluster(params["kubeconfig"]),
            limits,
            params["kubernetes_version"],
            set(params["inventory"]) <= set(params["hosts"]),
        )
        critical = [item for item in findings if item.severity == CRITICAL]
        return {
            "changed": False,
            "healthy": not critical,
            "findings": [item.as_dict() for item in findings],
            "counts": {CRITICAL: len(critical), WARNING: len(findings) - len(critical)},
            "message": message(findings),
            "report": report(findings, hosts),
        }
