# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Simulated audit results of any number of hosts, each with its own findings."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from typing import Any

from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.model import Evidence, Result
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.benchmark import catalogue
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.benchmark.check import Check

TIME = "2026-11-21T20:00:00Z"
COMPONENTS = ("control_plane", "etcd", "node")
#: How often each verdict is drawn.
WEIGHTS = {"pass": 88, "fail": 5, "manual": 3, "not_applicable": 3, "error": 1}
#: Literal verdicts that differ from the effective one.
LITERAL = {"1.2.1": "fail", "1.2.6": "fail", "4.2.9": "fail", "1.2.29": "fail"}
WORKLOADS = (
    "DaemonSet/kube-system/cilium",
    "Deployment/shop/cart",
    "StatefulSet/shop/db",
    "DaemonSet/monitoring/agent",
)


def digest(*words: object) -> str:
    """The digest of a simulated file."""
    return "sha256:" + hashlib.sha256(repr(words).encode()).hexdigest()


def source(check: Check) -> str:
    """Source of the evidence of a check."""
    if "mode 0" in check.title or "owned by" in check.title:
        return f"/etc/kubernetes/{check.component}/{check.id}.conf"
    return {"kubelet": "/configz of the kubelet", "etcd": "process etcd"}.get(
        check.component, f"process kube-{check.component.replace('_', '-')}"
    )


def evidence(check: Check, host: str, status: str, dice: random.Random) -> tuple[Evidence, ...]:
    """One to four pieces of evidence."""
    verdict = status if status in ("pass", "fail") else ""
    found = [
        Evidence(
            source(check),
            f"--setting-of-{check.id.replace('.', '-')}",
            f"value of {host}: {dice.randrange(100)}",
            "what passes",
            verdict,
            digest=digest(host, check.id) if "conf" in source(check) else "",
        )
    ]
    found += [
        Evidence(
            f"/etc/kubernetes/pki/{check.id}/{number}.crt", "mode", f"06{dice.randrange(8)}4", "0644", verdict
        )
        for number in range(dice.choice((0, 0, 0, 1, 3)))
    ]
    return tuple(found)


def host_result(name: str, components: Sequence[str] = COMPONENTS, seed: int = 0) -> dict[str, Any]:
    """A result of `cis_node` for a host.

    :param seed: another seed gives another audit of the same host.
    """
    dice = random.Random(f"{seed}/{name}")  # noqa: S311 - nothing secret
    results = []
    for component in components:
        for check in catalogue.of_component(component):
            status = dice.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
            message = {
                "pass": f"{check.title}.",
                "fail": f"{source(check)} has a value that is not accepted.",
                "manual": "This needs a manual review.",
                "not_applicable": "This host does not have it.",
                "error": f"{source(check)} cannot be read: Permission denied.",
            }[status]
            literal = LITERAL.get(check.id, "") if status == "pass" else ""
            results.append(
                Result(check.id, status, message, evidence(check, name, status, dice), literal).to_dict()
            )
    return {
        "changed": False,
        "failed": False,
        "node": name,
        "time": TIME,
        "components": list(components),
        "results": results,
        "facts": {"api_server": None, "kubelet": None, "certificates": []},
    }


def cluster_result(seed: int = 0, objects: int = 100) -> dict[str, Any]:
    """A result of `cis_cluster`.

    :param objects: failing objects of each check that fails.
    """
    dice = random.Random(f"{seed}/cluster")  # noqa: S311 - nothing secret
    results = []
    for check in catalogue.of_component("cluster"):
        status = dice.choice(("pass", "pass", "fail", "manual"))
        found = tuple(
            Evidence(
                "/apis/apps/v1",
                "spec.template",
                f"object {number} of {check.id}",
                "nothing of this kind",
                "fail",
                subject=f"{WORKLOADS[number % len(WORKLOADS)]}-{number}",
                namespace=WORKLOADS[number % len(WORKLOADS)].split("/")[1],
            )
            for number in range(objects if status == "fail" else 0)
        )
        message = f"{len(found)} objects fail." if found else f"{check.title}."
        results.append(Result(check.id, status, message, found).to_dict())
    return {
        "changed": False,
        "failed": False,
        "time": TIME,
        "kubernetes_version": "v1.36.4",
        "results": results,
        "inventory": {"pods": 1200},
    }


def names(number: int) -> list[str]:
    """Names of that many hosts."""
    return [f"node-{place:04d}" for place in range(1, number + 1)]
