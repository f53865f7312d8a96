# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster with kubeadm's defaults: the audit and kube-bench find the known failures, and cis_remediate fixes them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab.config import settings
from tests import differences, kubectl
from tests.infra import cis
from tests.infra.cis import SCENARIO, Audit
from tests.infra.hosts import Host, run_lab
from tests.infra.playbook import Playbook
from tests.infra.waiting import wait_for
from tests.kubebench import KubeBench

#: A small lab of its own, next to the one of the other tests.
LAB = {"BMK_LAB_NAME": "cis", "BMK_LAB_SUBNET": "10.64.0.0/24"}
#: Automated checks that literally fail with kubeadm's defaults.
KNOWN = {
    "k1": {
        *("1.1.12", "1.2.5", "1.2.15", "1.2.16", "1.2.17", "1.2.18", "1.2.19", "1.2.30", "1.3.2", "1.4.1"),
        *("4.1.1", "4.1.9"),
    },
    "k2": {"4.1.1", "4.1.9"},
}
#: These need an encryption key, which remediation does not create.
ONLY_BY_SITE = ("1.2.27", "1.2.28")
ALL = ["file_mode", "restart", "breaking"]


@dataclass(frozen=True)
class Stock:
    """The cluster."""

    inventory: Path
    hosts: dict[str, Host]
    kubeconfig: Path
    audit: Audit


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stock]:
    """Two hosts, their cluster, and an audit of it."""
    # This lab must not be written to the paths of the other one.
    with pytest.MonkeyPatch.context() as environment:
        for name in ("BMK_LAB_INVENTORY", "BMK_LAB_STATE"):
            environment.delenv(name, raising=False)
        for name, value in LAB.items():
            environment.setenv(name, value)
        inventory = settings(os.environ).paths.inventory
        run_lab("down")
        try:
            run_lab("up", "--hosts", str(SCENARIO / "files" / "stock_hosts.yml"))
            yield _made(inventory, tmp_path_factory.mktemp("stock"))
        finally:
            run_lab("down")


def _made(inventory: Path, directory: Path) -> Stock:
    Playbook(inventory, directory, name=str(SCENARIO / "stock.yml")).run(log="stock.log").expect()
    hosts = {name: Host(name, inventory, control_plane=name == "k1") for name in KNOWN}
    for host in hosts.values():
        wait_for(
            f"the kubelet of {host.name} serves",
            lambda host=host: host.run("bash -c 'exec 3<>/dev/tcp/127.0.0.1/10250'")[0] == 0,  # type: ignore[misc]
            seconds=60,
            evidence=host.logs,
        )
    audited = cis.audit(Playbook(inventory, directory, name=cis.AUDIT), directory / "reports")
    return Stock(inventory, hosts, inventory / ".credentials" / "kubernetes.kubeconfig", audited)


@pytest.mark.parametrize("name", KNOWN)
def test_known_failures_are_found_and_no_other(name: str, stock: Stock) -> None:
    automated = {
        check for check, known in stock.audit.report["checks"].items() if known["assessment"] == "automated"
    }
    failed = {
        check: one for check, one in stock.audit.of(name).items() if one["literal"] in ("fail", "error")
    }
    assert set(failed) & automated == KNOWN[name], {
        check: failed[check]["message"] for check in (set(failed) & automated) - KNOWN[name]
    }


def test_every_difference_from_kube_bench_is_listed(
    stock: Stock, kube_bench: KubeBench, tmp_path: Path
) -> None:
    on_hosts = cis.kube_bench_on_hosts(stock.inventory, tmp_path, kube_bench)
    on_cluster = cis.kube_bench_on_cluster(stock.kubeconfig, kubectl.path(), kube_bench)
    failures = {
        name: {check for check, verdict in on_hosts[name].items() if verdict == differences.FAIL}
        for name in KNOWN
    }
    assert all(KNOWN[name] <= failures[name] for name in KNOWN), failures
    found = cis.all_differences("stock", stock.hosts.values(), on_hosts, on_cluster, stock.audit)
    wrong = differences.verify("stock", found, differences.load())
    assert not wrong, f"correct the audit, or molecule/cis/files/differences.yml:\n{wrong}"


def test_remediation_hardens_a_cluster_of_kubeadm(stock: Stock, tmp_path: Path) -> None:
    remediating = Playbook(stock.inventory, tmp_path, name=cis.REMEDIATE)
    hardened = cis.audit(remediating, tmp_path / "reports", cis_remediate=ALL)
    on_hosts = {(host, check) for host, check in hardened.with_status("fail", "error") if host}
    assert on_hosts == {("k1", check) for check in ONLY_BY_SITE}, hardened.run.text[-6000:]
    for name, known in KNOWN.items():
        assert not known & {check for check, one in hardened.of(name).items() if one["literal"] != "pass"}
    assert not cis.audit(remediating, tmp_path / "reports", cis_remediate=ALL).run.changed
