# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Failures while a cluster is created on fresh hosts. Each test needs those before it."""

from __future__ import annotations

import json
import random
import time

from tests.infra.cluster import Cluster
from tests.infra.hosts import Host, run_lab
from tests.infra.playbook import QUIET, Playbook, Run, tasks_of
from tests.infra.waiting import wait_for

#: Number of tasks at which the controller is killed, at least.
KILLS = 20
BROKEN_MIRROR = "http://{address}:8099"
SERVER = """
import http.server
class Broken(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if '/loopback' in self.path or 'cni-plugins' in self.path:
            self.send_response(500); self.end_headers()
        else:
            self.send_response(200); self.end_headers(); self.wfile.write(b'not what was published')
    def log_message(self, *args): pass
http.server.ThreadingHTTPServer(('', 8099), Broken).serve_forever()
"""


def _checked(playbook: Playbook) -> Run:
    return playbook.run("--check", "--diff", log="check.log").expect()


def _changed_by_host(run: Run) -> dict[str, bool]:
    return {host: counts.changed > 0 for host, counts in run.recap.items()}


def test_check_mode_on_fresh_hosts_succeeds_and_changes_nothing(
    playbook: Playbook, hosts: dict[str, Host]
) -> None:
    run = _checked(playbook)
    assert all(_changed_by_host(run)[name] for name in hosts), run.recap
    for host in hosts.values():
        for path in (
            "/usr/local/bin/kubelet",
            "/etc/containerd",
            "/etc/kubernetes",
            "/var/lib/baremetal-kubernetes",
        ):
            assert host.run(f"test -e {path}")[0] != 0, f"{host.name}: {path} was created in check mode"


def test_full_disk_fails_without_partial_installation(playbook: Playbook, hosts: dict[str, Host]) -> None:
    host = hosts["w1"]
    host.check("mount -t tmpfs -o size=24m tmpfs /usr/local/bin")
    try:
        run = playbook.run("--limit", "w1", log="full.log")
        assert run.code != 0
        assert "MiB are needed in /usr/local/bin" in run.text, run.text[-3000:]
        assert "Free space on that file system" in run.text
        assert host.check("ls -A /usr/local/bin").strip() == ""
        assert host.run("test -e /etc/containerd/config.toml")[0] != 0
    finally:
        host.check("umount /usr/local/bin")


def test_failing_and_lying_mirror_fails_without_partial_installation(
    playbook: Playbook, hosts: dict[str, Host]
) -> None:
    host, server = hosts["w1"], hosts["w2"]
    server.check(f"cat > /tmp/broken.py <<'END'\n{SERVER}\nEND")
    pid = server.check("nohup python3 /tmp/broken.py >/dev/null 2>&1 & echo $!").strip()
    try:
        address = server.check("ip -4 -o addr show scope global").split()[3].partition("/")[0]
        url = BROKEN_MIRROR.format(address=address)
        run = playbook.run("--limit", "w1", "-e", json.dumps({"cluster_files_url": url}), log="mirror.log")
        assert run.code != 0
        assert "500" in run.text, run.text[-3000:]
        assert "sha256" in run.text
        assert host.check("ls -A /usr/local/bin").strip() == ""
        assert host.run("test -e /opt/cni/bin/loopback")[0] != 0
    finally:
        server.run(f"kill {pid}; rm -f /tmp/broken.py")


def test_controller_killed_at_many_tasks(playbook: Playbook) -> None:
    """Each run is killed two tasks after those that were seen before, until a run completes."""
    chance = random.Random(4)  # noqa: S311 - it picks moments, not secrets
    killed: list[str] = []
    seen: set[str] = set()
    for number in range(KILLS * 2):
        process = playbook.start(log="killed.log")
        while True:
            begun = [task for task in tasks_of(playbook.text("killed.log")) if task not in seen]
            if len(begun) > 1 or process.poll() is not None:
                break
            time.sleep(0.02)
        if not begun:
            break
        # Modules have been running on the hosts for different times.
        time.sleep(chance.choice((0.0, 0.3, 1.0, 2.0)))
        killed.append(begun[-1])
        seen.update(begun)
        playbook.kill(process, connections=number % 2 == 1)
    print(f"killed at {len(killed)} tasks: " + "; ".join(killed))
    assert len(set(killed)) >= KILLS


def test_host_is_lost_during_a_run(playbook: Playbook, hosts: dict[str, Host]) -> None:
    # So that the run has something to do while the host is lost.
    hosts["w2"].check("rm -f /opt/cni/bin/*")
    process = playbook.start(log="lost.log")
    playbook.wait_task(
        process,
        {"baremetal.kubernetes.container_runtime : Install containerd, runc, the CNI plugins and crictl"},
        log="lost.log",
    )
    run_lab("stop", "w2")
    code = process.wait(timeout=600)
    run = Run(code, playbook.text("lost.log"))
    assert code != 0
    assert run.recap["w2"].lost == 1, run.text[-3000:]
    assert run.recap["w1"].failed == run.recap["cp1"].failed == 0
    run_lab("start", "w2")
    wait_for("w2 answers after power-on", lambda: hosts["w2"].run("true")[0] == 0, seconds=60)


def test_check_mode_predicts_the_next_run(playbook: Playbook) -> None:
    predicted = _checked(playbook)
    real = playbook.run(log="whole.log").expect()
    assert predicted.changed == real.changed


def test_next_run_and_check_mode_change_nothing(playbook: Playbook, cluster: Cluster) -> None:
    playbook.run(log="again.log").expect_quiet()
    assert all(counts == QUIET for counts in _checked(playbook).recap.values())
    for name in ("cp1", "w1", "w2"):
        wait_for(f"{name} is ready", lambda name=name: cluster.ready(name), seconds=60)  # type: ignore[misc]


def test_interrupted_runs_leave_nothing_behind(hosts: dict[str, Host], cluster: Cluster) -> None:
    for host in hosts.values():
        found = host.check(
            "find / -xdev \\( -path /proc -o -path /sys \\) -prune -o -name '.bmk-*' -print"
            " -o -path '/run/bmk-*' -print 2>/dev/null; true"
        )
        assert not found.strip(), f"{host.name}: {found}"
    tokens = "items[?type=='bootstrap.kubernetes.io/token'].metadata.name"
    left = cluster.query("/api/v1/namespaces/kube-system/secrets", tokens)
    # A killed run cannot delete its bootstrap token, which expires after 15 minutes.
    assert len(left) <= KILLS, left
