# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""kube-bench and the audit on a cluster by the playbook site: all differences are listed."""

from __future__ import annotations

from pathlib import Path

from tests import differences, kubectl
from tests.infra import cis
from tests.infra.cis import Audit
from tests.infra.cluster import Cluster
from tests.infra.hosts import Host
from tests.kubebench import KubeBench


def test_every_difference_is_listed(
    inventory: Path,
    hosts: dict[str, Host],
    cluster: Cluster,
    first: Audit,
    kube_bench: KubeBench,
    tmp_path: Path,
) -> None:
    on_hosts = cis.kube_bench_on_hosts(inventory, tmp_path, kube_bench)
    on_cluster = cis.kube_bench_on_cluster(cluster.kubeconfig, kubectl.path(), kube_bench)
    said = on_hosts["cp1"] | on_cluster
    assert len(said) == 131
    assert sum(verdict == differences.SILENT for verdict in said.values()) == differences.SILENT_CHECKS
    found = cis.all_differences("site", hosts.values(), on_hosts, on_cluster, first)
    wrong = differences.verify("site", found, differences.load())
    assert not wrong, f"correct the audit, or molecule/cis/files/differences.yml:\n{wrong}"
