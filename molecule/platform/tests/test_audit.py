# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The CIS audit of a cluster with all that the playbook platform deploys, under strict network policies."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.infra import cis
from tests.infra.cluster import Cluster
from tests.infra.hosts import Host
from tests.infra.network import Platform
from tests.infra.nfs_server import EXPORT, Server
from tests.infra.playbook import Playbook
from tests.infra.waiting import wait_for

#: What runs on the cluster and is not of it: Pod Security, network policies, the rest of the general policies.
SECTIONS = ("5.2.", "5.3.", "5.6.")


@pytest.fixture(scope="module")
def before(playbook: Playbook, tmp_path_factory: pytest.TempPathFactory) -> cis.Audit:
    """The audit of the cluster by the playbook site."""
    return cis.audit(replace(playbook, name=cis.AUDIT), tmp_path_factory.mktemp("before"))


@pytest.fixture(scope="module")
def platform(
    before: cis.Audit,
    hosts: dict[str, Host],
    cluster: Cluster,
    playbook: Playbook,
    tmp_path_factory: pytest.TempPathFactory,
) -> Platform:
    """The playbook with everything that it can deploy."""
    server = Server.on(hosts["w2"], cluster, playbook, tmp_path_factory.mktemp("nfs"))
    server.apply().expect()
    values: dict[str, Any] = {
        "network_policy_mode": "enforce",
        "storage_nfs_enabled": True,
        "storage_nfs_classes": [
            {"name": "nfs", "server": server.address, "path": EXPORT, "mount_options": ["nfsvers=4.2"]}
        ],
        "certificates_issuers": [{"name": "inside", "self_signed": {}}],
    }
    return Platform(replace(playbook, name="baremetal.kubernetes.platform"), values)


def failing(audit: cis.Audit) -> set[tuple[str, str]]:
    """Check and object of what fails in the sections that workloads decide, whether an exemption covers it or not."""
    return {
        (check, one.get("subject", ""))
        for check, result in audit.of(cis.CLUSTER).items()
        if check.startswith(SECTIONS)
        for one in result["evidence"]
        if one.get("status") == "fail"
    }


def test_cluster_with_the_platform_passes(
    platform: Platform, playbook: Playbook, tmp_path_factory: pytest.TempPathFactory, before: cis.Audit
) -> None:
    platform.run().expect()
    platform.run().expect_quiet()
    audit = cis.audit(replace(playbook, name=cis.AUDIT), tmp_path_factory.mktemp("after"))
    assert not audit.with_status("fail", "error"), audit.run.text[-6000:]
    # The driver mounts; nothing else of the platform may do more than what was there before.
    new = failing(audit) - failing(before)
    assert new and all("storage-nfs" in subject for _check, subject in new), new


def test_switched_off_the_cluster_is_as_before(
    platform: Platform,
    playbook: Playbook,
    tmp_path_factory: pytest.TempPathFactory,
    before: cis.Audit,
    cluster: Cluster,
) -> None:
    off = {f"{part}_enabled": False for part in ("storage_nfs", "certificates", "ingress", "metrics_server")}
    platform.run(network_policy_mode="off", **off).expect()
    # A namespace on its way out has no policy any more.
    wait_for(
        "its namespaces are gone",
        lambda: "Terminating" not in cluster.query("/api/v1/namespaces", "items[].status.phase"),
        seconds=120,
    )
    audit = cis.audit(replace(playbook, name=cis.AUDIT), tmp_path_factory.mktemp("off"))
    assert failing(audit) == failing(before)
