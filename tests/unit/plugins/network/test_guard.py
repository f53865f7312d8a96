# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The guard of host policies: when it rolls back, and what it tells Cilium's agent."""

from __future__ import annotations

import http.server
import json
import os
import signal
import socketserver
import subprocess
import sys
import threading
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.baremetal.kubernetes.plugins.module_utils._daemon.manager import Observed
from ansible_collections.baremetal.kubernetes.plugins.module_utils._network import agent, guard
from ansible_collections.baremetal.kubernetes.plugins.module_utils._network.agent import Agent, Host
from ansible_collections.baremetal.kubernetes.plugins.module_utils._network.guard import State
from ansible_collections.baremetal.kubernetes.plugins.modules import network_host_policy_guard

Json = dict[str, t.Any]

ARMED = State("run", "armed", "boot", 100.0)
ENFORCED = State("run", "armed", "boot", 100.0, 50.0)
BACK = State("run", "rolled_back", "boot", 100.0, 50.0)
OPEN, DENIES = Host(7, False, False), Host(7, True, False)
AUDITED, LEFT = Host(7, True, True), Host(7, False, True)


@pytest.mark.parametrize(
    ("state", "host", "boot", "now", "expected", "audit"),
    [
        (ARMED, OPEN, "boot", 50.0, ARMED, None),
        (ARMED, DENIES, "boot", 50.0, ENFORCED, None),
        (ENFORCED, DENIES, "boot", 60.0, ENFORCED, None),
        (ENFORCED, OPEN, "boot", 60.0, ARMED, None),
        (ENFORCED, None, "boot", 60.0, ENFORCED, None),
        # What an earlier guard has left would make the trial worthless.
        (ARMED, AUDITED, "boot", 50.0, ARMED, False),
        (ARMED, LEFT, "boot", 50.0, ARMED, False),
        (ENFORCED, DENIES, "boot", 100.0, BACK, True),
        (ENFORCED, DENIES, "another", 60.0, BACK, True),
        # Policies may come later than the end of the time.
        (ARMED, OPEN, "boot", 100.0, State("run", "rolled_back", "boot", 100.0), None),
        (BACK, None, "boot", 200.0, BACK, None),
        (BACK, AUDITED, "boot", 200.0, BACK, None),
        # The agent has forgotten it when it restarted, or the host has booted.
        (BACK, DENIES, "boot", 200.0, BACK, True),
        (BACK, DENIES, "another", 1.0, BACK, True),
        (BACK, LEFT, "boot", 200.0, BACK, False),
        (BACK, OPEN, "boot", 200.0, BACK, None),
    ],
)
def test_step(
    state: State, host: Host | None, boot: str, now: float, expected: State, audit: bool | None
) -> None:
    assert guard.step(state, host, boot, now) == (expected, audit)


@pytest.mark.parametrize(
    ("state", "boot", "now", "expected"),
    [
        (ENFORCED, "boot", 55.0, True),
        (ENFORCED, "boot", 54.9, False),
        (ENFORCED, "boot", 100.0, False),
        (ENFORCED, "another", 55.0, False),
        (ARMED, "boot", 55.0, False),
        (BACK, "boot", 99.0, False),
        (None, "boot", 55.0, False),
    ],
)
def test_confirmable(state: State | None, boot: str, now: float, expected: bool) -> None:
    assert guard.confirmable(state, boot, now) is expected


def test_another_run_starts_again_and_a_restart_does_not() -> None:
    settings = guard.Settings("next", 60.0, "/socket", "host-nodes")
    assert guard.begin(settings, BACK, "boot", 10.0) == State("next", "armed", "boot", 70.0)
    assert guard.begin(settings, None, "boot", 10.0) == State("next", "armed", "boot", 70.0)
    same = guard.Settings("run", 60.0, "/socket", "host-nodes")
    assert guard.begin(same, BACK, "another", 10.0) == BACK


def endpoint(
    rules: str = "host-nodes", enabled: str = "ingress", audit: str = "Disabled", **more: t.Any
) -> Json:
    labels = [f"k8s:io.cilium.k8s.policy.name={name}" for name in rules.split()]
    return {
        "id": 7,
        "spec": {"options": {"PolicyAuditMode": audit}},
        "status": {
            "identity": {"id": 1},
            "policy": {
                "realized": {
                    "policy-enabled": enabled,
                    "l4": {"ingress": [{"derived-from-rules": [labels]}]},
                }
            },
        },
        **more,
    }


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (endpoint(), DENIES),
        (endpoint(enabled="both"), DENIES),
        (endpoint(enabled="audit-ingress", audit="Enabled"), AUDITED),
        (endpoint(rules="", enabled="none"), OPEN),
        (endpoint(rules="", enabled="none", audit="Enabled"), LEFT),
        # The mode report: a rule allows what nothing else does.
        (endpoint(rules="host-nodes allow-any-ingress"), OPEN),
        (endpoint(rules="of-the-site"), OPEN),
        ({"id": 9, "status": {"identity": {"id": 4711}}}, None),
    ],
)
def test_endpoint_of_the_host(found: Json, expected: Host | None) -> None:
    assert agent.read_host(found, "host-nodes") == expected


def test_endpoint_that_cannot_be_read() -> None:
    with pytest.raises(agent.AgentError, match="cannot be read"):
        agent.read_host({"id": 1}, "host-nodes")


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True

    def __init__(self, path: str) -> None:
        self.enforced = True
        self.audit = False
        self.number = 7
        super().__init__(path, _Handler)

    def endpoint(self) -> Json:
        enabled = "none" if not self.enforced else "audit-ingress" if self.audit else "ingress"
        return endpoint(
            "host-nodes" if self.enforced else "",
            enabled,
            "Enabled" if self.audit else "Disabled",
            id=self.number,
        )


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server

    def address_string(self) -> str:
        return "local"

    def log_message(self, *_args: t.Any) -> None: ...

    def _answer(self, code: int, body: t.Any) -> None:
        self.send_response(code)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def do_GET(self) -> None:
        if self.path == "/v1/endpoint":
            other = {"id": 1, "status": {"identity": {"id": 4711}}}
            self._answer(200, [other, self.server.endpoint()])
        elif self.path == f"/v1/endpoint/{self.server.number}":
            self._answer(200, self.server.endpoint())
        else:
            self._answer(404, None)

    def do_PATCH(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path != f"/v1/endpoint/{self.server.number}/config":
            self._answer(404, None)
            return
        self.server.audit = body["options"]["PolicyAuditMode"] == "Enabled"
        self._answer(200, None)


@pytest.fixture
def cilium(tmp_path: Path) -> t.Iterator[_Server]:
    """An agent, as far as the guard asks it."""
    server = _Server(str(tmp_path / "cilium.sock"))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def test_agent_by_its_socket(cilium: _Server, tmp_path: Path) -> None:
    asked = Agent(str(tmp_path / "cilium.sock"), "host-nodes")
    assert asked.host() == DENIES
    asked.set_audit(DENIES, True)
    assert asked.host() == AUDITED
    cilium.number = 8
    assert asked.host() == Host(8, True, True), "the endpoint has another number after a restart"
    with pytest.raises(agent.AgentError, match="7 of the host is gone"):
        asked.set_audit(DENIES, False)
    with pytest.raises(agent.AgentError, match="FileNotFoundError"):
        Agent(str(tmp_path / "none.sock"), "host-nodes").host()


def until(what: t.Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.1)


@pytest.fixture
def daemon(cilium: _Server, tmp_path: Path) -> t.Iterator[t.Callable[..., subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []
    config, state = tmp_path / "config.json", tmp_path / "state" / "state.json"

    def start(run: str, seconds: float) -> subprocess.Popen[str]:
        settings = {
            "id": run,
            "seconds": seconds,
            "socket": str(tmp_path / "cilium.sock"),
            "policy": "host-nodes",
        }
        config.write_text(json.dumps(settings))
        module = "ansible_collections.baremetal.kubernetes.plugins.module_utils._network.guard"
        code = f"from {module} import main; main()"
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
        argv = [sys.executable, "-c", code, "--config", str(config), "--state", str(state)]
        started.append(subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for one in started:
        one.kill()
        one.communicate()


def test_daemon_rolls_back_and_holds_until_policies_are_gone(
    cilium: _Server, daemon: t.Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    path = str(tmp_path / "state" / "state.json")
    daemon("run", 1.0)
    until(lambda: cilium.audit)
    state = guard.read_state(path)
    assert state is not None and state.phase == "rolled_back"
    cilium.audit = False
    until(lambda: cilium.audit)  # An agent that restarts forgets the mode.
    cilium.enforced = False
    until(lambda: not cilium.audit)


def test_killed_daemon_goes_on(
    cilium: _Server, daemon: t.Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    path = str(tmp_path / "state" / "state.json")
    first = daemon("run", 1.0)
    until(lambda: cilium.audit)
    first.kill()
    first.wait()
    cilium.audit = False
    daemon("run", 1000.0)
    until(lambda: cilium.audit)  # The time of the first one counts.
    state = guard.read_state(path)
    assert state is not None and state.phase == "rolled_back"


def test_next_run_enforces_again(
    cilium: _Server, daemon: t.Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    path = str(tmp_path / "state" / "state.json")
    cilium.audit = True
    process = daemon("next", 1000.0)
    until(lambda: not cilium.audit)
    until(lambda: (state := guard.read_state(path)) is not None and state.enforced_at is not None)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == 0
    assert not cilium.audit, "one that is confirmed leaves the policies in force"


# --- the module -------------------------------------------------------------------------------------------------------


class _Manager:
    """Notes what a service manager is told."""

    def __init__(self, then: t.Callable[[], None] = lambda: None) -> None:
        self.told: list[str] = []
        self._then = then

    def observe(self, _name: str) -> Observed:
        return Observed(present=True, enabled=True, running=True)

    def act(self, name: str, action: str) -> None:
        assert name == "kubernetes-host-policy-guard"
        self.told.append(action)
        if action == "stop":
            self._then()


@pytest.mark.parametrize(
    ("state", "now", "expected"),
    [
        (None, 60.0, ("none", 0)),
        (ARMED, 60.0, ("armed", 40)),
        (ENFORCED, 60.0, ("enforced", 40)),
        (ENFORCED, 100.0, ("rolled_back", 0)),
        (BACK, 60.0, ("rolled_back", 0)),
    ],
)
def test_phase(state: State | None, now: float, expected: tuple[str, int]) -> None:
    assert network_host_policy_guard.phase_of(state, "boot", now) == expected


def test_confirmed_guard_is_ended_for_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(tmp_path / "state.json")
    guard.write_state(ENFORCED, path)
    monkeypatch.setattr(network_host_policy_guard.guard, "STATE", path)
    monkeypatch.setattr(network_host_policy_guard.guard, "read_state", lambda: ENFORCED)
    manager = _Manager()
    assert network_host_policy_guard.confirm(t.cast(t.Any, manager))
    assert manager.told == ["stop", "disable"]
    assert not Path(path).exists()


def test_guard_that_rolls_back_meanwhile_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network_host_policy_guard.guard, "read_state", lambda: BACK)
    manager = _Manager()
    assert not network_host_policy_guard.confirm(t.cast(t.Any, manager))
    assert manager.told == ["stop", "start"]


def test_connection_is_read_from_the_processes_above(tmp_path: Path) -> None:
    """Sudo drops it from the environment of what it runs."""
    for pid, above, environment in (
        (os.getpid(), 41, b"HOME=/root\0"),
        (41, 40, b"SSH_CONNECTION=192.0.2.7 4 192.0.2.11 22\0"),
        (40, 1, b"SSH_CONNECTION=203.0.113.1 1 203.0.113.2 2\0"),
    ):
        directory = tmp_path / "proc" / str(pid)
        directory.mkdir(parents=True)
        directory.joinpath("environ").write_bytes(environment)
        directory.joinpath("stat").write_text(f"{pid} (a b) S {above} " + "0 " * 40)
    assert network_host_policy_guard.ssh_connection(str(tmp_path)) == "192.0.2.7 4 192.0.2.11 22"
    assert network_host_policy_guard.ssh_connection(str(tmp_path / "none")) == ""
