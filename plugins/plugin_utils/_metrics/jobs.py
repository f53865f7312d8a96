# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""The jobs of Prometheus: on which hosts each of them has a target, and who scrapes it. Pure."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace

from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError

#: Which hosts have a target of a job. C(CLUSTER) is a workload whose pods may be on any node.
ALL, NODES, CONTROL_PLANES, METRICS, CLUSTER = "all", "nodes", "control_planes", "metrics", "cluster"


@dataclass(frozen=True)
class Job:
    """One job.

    :param hosts: one of the constants above. :param port: of its targets, 0 when the server has no file of them, as it
        asks the API for pods.
    :param by_agent: whether the agent of the control plane scrapes it, as it listens on loopback only.
    """

    name: str
    hosts: str
    port: int = 0
    by_agent: bool = False


def _table(*jobs: Job) -> dict[str, Job]:
    return {job.name: job for job in jobs}


#: All jobs that are known, with the ports of upstream's defaults.
JOBS: t.Final[t.Mapping[str, Job]] = _table(
    Job("node", ALL, 9100),
    Job("kubelet", NODES, 10250),
    Job("cadvisor", NODES, 10250),
    Job("probes", NODES, 10250),
    Job("apiserver", CONTROL_PLANES, 6443),
    Job("etcd", CONTROL_PLANES, by_agent=True),
    Job("kube-controller-manager", CONTROL_PLANES, by_agent=True),
    Job("kube-scheduler", CONTROL_PLANES, by_agent=True),
    Job("prometheus-agent", CONTROL_PLANES, by_agent=True),
    Job("prometheus", METRICS, 9090),
    Job("cilium-agent", NODES),
    Job("hubble", NODES),
    Job("cilium-operator", CLUSTER),
    Job("coredns", CLUSTER),
    Job("traefik", CLUSTER),
    Job("cert-manager", CLUSTER),
    Job("metrics-server", CLUSTER),
)
#: What every cluster has that this collection made.
DEFAULT: t.Final[tuple[str, ...]] = (
    "node",
    "kubelet",
    "cadvisor",
    "probes",
    "apiserver",
    "etcd",
    "kube-controller-manager",
    "kube-scheduler",
    "prometheus-agent",
    "prometheus",
)


def selected(names: t.Sequence[str], ports: t.Mapping[str, t.Any]) -> tuple[Job, ...]:
    """The jobs that are in use.

    :param ports: job -> port instead of its default.
    :raises OperatorError: for what is unknown.
    """
    unknown = [name for name in (*names, *ports) if name not in JOBS]
    if unknown:
        raise OperatorError(
            f"There is no job {', '.join(sorted(set(unknown)))}, expected {', '.join(JOBS)}.",
            "Correct its name.",
        )
    for name, port in ports.items():
        if not JOBS[name].port:
            raise OperatorError(
                f"The job {name} has a port ({port}), but Prometheus gets no target of it from a file.",
                f"Expected ports of {', '.join(job.name for job in JOBS.values() if job.port)}.",
            )
        if not str(port).isdecimal() or not 0 < int(port) < 65536:
            raise OperatorError(f"The port of the job {name} is {port}, expected 1 to 65535.", "Correct it.")
    return tuple(
        replace(JOBS[name], port=int(ports.get(name, JOBS[name].port))) for name in dict.fromkeys(names)
    )
