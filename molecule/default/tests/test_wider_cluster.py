# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Add a node to a cluster in use: the controller is killed during the join, and the next run completes it.

Runs last: the cluster has one more node afterwards.
"""

from __future__ import annotations

import time

import pytest

from tests.infra.cluster import Probes
from tests.infra.hosts import Host, run_lab
from tests.infra.playbook import QUIET, Counts, Playbook
from tests.infra.waiting import wait_for

NEW = "w3"
JOIN = "baremetal.kubernetes.node : Join | Run kubeadm join"
APPROVE = "baremetal.kubernetes.kubelet_csr_approver : Wait | Wait until every host of this run serves a certificate"


@pytest.fixture(scope="module")
def new_host() -> None:
    run_lab("add", NEW, "--kind", "openrc", "--role", "worker")


@pytest.mark.usefixtures("new_host")
def test_interrupted_join_is_completed_and_touches_no_other_node(
    running: Probes, hosts: dict[str, Host], playbook: Playbook
) -> None:
    process = playbook.start(log="broken.log")
    assert playbook.wait_task(process, {JOIN}, log="broken.log"), playbook.text("broken.log")[-3000:]
    # kubeadm is running on the new host by then, and goes on without the controller.
    time.sleep(1.5)
    playbook.kill(process)

    whole = playbook.run(log="whole.log").expect()
    # kubeadm may have finished meanwhile. The run then approves the kubelet's serving certificate, which
    # counts as a change of a control plane, unless the CSR approver is faster.
    quiet = dict.fromkeys(hosts, QUIET)
    if ("cp1", APPROVE) in whole.changed:
        quiet["cp1"] = Counts(changed=1)
    assert {host: counts for host, counts in whole.recap.items() if host in hosts} == quiet
    assert (whole.recap[NEW].lost, whole.recap[NEW].failed) == (0, 0)
    assert set(playbook.run(log="again.log").expect_quiet().recap) == {*hosts, NEW}
    wait_for(f"node {NEW} is ready", lambda: running.cluster.ready(NEW), seconds=60, evidence=lambda: "")
