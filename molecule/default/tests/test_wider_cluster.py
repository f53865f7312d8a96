# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One more node, on a cluster in use: the controller dies in the middle of its join, and the next run completes it.

Runs last: the cluster has a node more from then on.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.infra.cluster import Probes
from tests.infra.hosts import REPO, Host, run_lab
from tests.infra.waiting import wait_for

NEW = "w3"
JOIN = "Run kubeadm join"
RECAP = re.compile(r"^(\S+)\s+: ok=\d+\s+changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)", re.M)


def _site(inventory: Path, log: Path) -> subprocess.Popen[bytes]:
    # A log of its own: the one of converge is searched for the recaps of two whole runs.
    env = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_LOG")}
    # molecule asks for colours, which would stand inside the recap's lines.
    env |= {"ANSIBLE_FORCE_COLOR": "false", "ANSIBLE_NOCOLOR": "true"}
    with log.open("wb") as sink:
        return subprocess.Popen(
            ["ansible-playbook", "-i", str(inventory), "baremetal.kubernetes.site"],
            cwd=REPO,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _recap(log: Path) -> dict[str, tuple[int, int, int]]:
    found = RECAP.findall(log.read_text(encoding="utf-8", errors="replace"))
    return {host: (int(changed), int(lost), int(failed)) for host, changed, lost, failed in found}


@pytest.fixture(scope="module")
def new_host() -> None:
    run_lab("add", NEW, "--kind", "openrc", "--role", "worker")


@pytest.mark.usefixtures("new_host")
def test_interrupted_join_is_completed_and_touches_no_other_node(
    running: Probes, hosts: dict[str, Host], inventory: Path, tmp_path: Path
) -> None:
    broken, whole, again = (tmp_path / name for name in ("broken.log", "whole.log", "again.log"))
    site = _site(inventory, broken)
    wait_for(
        "the run is at the join",
        lambda: JOIN in broken.read_text(errors="replace") or site.poll() is not None,
        seconds=300,
        evidence=lambda: broken.read_text(errors="replace")[-3000:],
    )
    # kubeadm is at work on the new host by then, and stays so when nobody listens any more.
    time.sleep(1.5)
    os.killpg(site.pid, signal.SIGKILL)
    assert site.wait() == -signal.SIGKILL, broken.read_text(errors="replace")[-3000:]

    for log in (whole, again):
        assert _site(inventory, log).wait(timeout=600) == 0, log.read_text(errors="replace")[-3000:]
    old = dict.fromkeys(hosts, (0, 0, 0))
    assert {host: counts for host, counts in _recap(whole).items() if host in hosts} == old
    assert _recap(whole)[NEW][1:] == (0, 0)
    assert _recap(again) == {**old, NEW: (0, 0, 0)}
    wait_for(f"node {NEW} is ready", lambda: running.cluster.ready(NEW), seconds=60, evidence=lambda: "")
