# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kubelet CSR approver, in this process and in one of its own, over a fake cluster."""

from __future__ import annotations

import contextlib
import datetime
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.baremetal.kubernetes.plugins.module_utils._csr import daemon, plan
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os import events

from tests.unit.plugins.csr import fakes
from tests.unit.plugins.csr.fakes import Api, csr, node
from tests.unit.support import deployed
from tests.unit.support.servers import kubeconfig_of, refused

ROLE = "kubelet_csr_approver"


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


@pytest.fixture
def api() -> t.Iterator[Api]:
    running = Api()
    running.nodes = {"w1": node("w1")}
    yield running
    running.close()


class Files:
    """What the daemon reads."""

    def __init__(self, directory: Path, api: Api) -> None:
        self.config = directory / "approver.json"
        self.kubeconfig = directory / "approver.conf"
        self.write(nodes={"w1": {"addresses": ["192.0.2.21"]}})
        api.kubeconfig(self.kubeconfig)

    def write(self, **document: t.Any) -> None:
        fresh = self.config.with_suffix(".new")
        fresh.write_text(json.dumps(document))
        fresh.replace(self.config)


@pytest.fixture
def files(tmp_path: Path, api: Api) -> Files:
    return Files(tmp_path, api)


class Daemon:
    """An approver whose log can be read."""

    def __init__(self, files: Files) -> None:
        self._stream = io.StringIO()
        self.approver = daemon.Approver(str(files.config), str(files.kubeconfig), events.Log(self._stream))
        self.approver.load(first=True)

    def step(self) -> float:
        return self.approver.step()

    def logged(self) -> list[dict[str, t.Any]]:
        """What it logged since the last call."""
        lines = [json.loads(line) for line in self._stream.getvalue().splitlines()]
        self._stream.seek(0)
        self._stream.truncate()
        return lines

    def events(self) -> list[str]:
        return [line["event"] for line in self.logged()]


def test_approves_and_logs_it_once(api: Api, files: Files) -> None:
    own = Daemon(files)
    assert own.events() == ["configuration", "credentials"]
    api.add(csr(made=now()), csr(names=["w9"], made=now(), object_name="csr-bad"))
    assert own.step() == 30
    said = own.logged()
    assert [(line["event"], line["level"], line["request"]) for line in said] == [
        ("refused", "warning", "csr-bad"),
        ("approved", "info", "csr-w1"),
    ]
    said.reverse()
    assert said[0]["names"] == ["w1", "192.0.2.21"] and said[0]["node"] == "w1"
    assert said[1]["codes"] == ["name-not-in-inventory", "name-not-in-object"]
    assert "'w9'" in said[1]["reason"] and said[1]["time"].endswith("Z")
    assert api.conditions("csr-w1") == ["Approved"] and api.conditions("csr-bad") == []
    own.step()
    assert own.events() == [], "a verdict that stands is not told again"
    api.nodes["w1"]["status"]["addresses"].append({"type": "InternalDNS", "address": "w9"})
    own.step()
    assert [line["codes"] for line in own.logged()] == [["name-not-in-inventory"]]


def test_changed_configuration_is_read(api: Api, files: Files) -> None:
    own = Daemon(files)
    api.nodes["w2"] = node("w2", ("InternalIP", "192.0.2.22"))
    api.add(csr("w2", ["192.0.2.22"], made=now()))
    own.step()
    assert own.logged()[-1]["codes"] == ["not-in-inventory"]
    files.write(nodes={"w2": {"addresses": ["192.0.2.22"]}}, interval=5, max_age=600)
    assert own.step() == 5
    assert own.events() == ["configuration", "approved"]
    assert api.conditions("csr-w2") == ["Approved"]


def test_old_requests_are_ignored(api: Api, files: Files) -> None:
    files.write(nodes={"w1": {"addresses": ["192.0.2.21"]}}, max_age=600)
    own = Daemon(files)
    api.add(csr(made=now() - datetime.timedelta(seconds=700)))
    own.step()
    assert own.logged()[-1]["codes"] == ["stale"]
    assert api.conditions("csr-w1") == []


def test_backs_off_while_the_api_server_is_down(api: Api, files: Files) -> None:
    own = Daemon(files)
    own.logged()
    api.answers["GET", fakes.REQUESTS] = refused(503, "no leader")
    pauses = [own.step() for _time in range(9)]
    assert pauses == [2, 4, 8, 16, 32, 64, 120, 120, 120]
    said = own.logged()
    assert {line["event"] for line in said} == {"api-failed"} and "no leader" in said[0]["message"]
    api.answers.clear()
    api.add(csr(made=now()))
    assert own.step() == 30
    assert own.events() == ["approved", "api-answers"]


def test_a_dead_server(api: Api, files: Files) -> None:
    api.kubeconfig(files.kubeconfig, port=1)
    own = Daemon(files)
    assert own.step() == 2
    assert own.logged()[-1]["event"] == "api-failed"


def test_one_request_that_fails_does_not_block_the_others(api: Api, files: Files) -> None:
    own = Daemon(files)
    own.logged()
    api.add(csr(made=now(), object_name="csr-a"), csr(made=now(), object_name="csr-b"))
    api.answers["PUT", f"{fakes.REQUESTS}/csr-a/approval"] = refused(403, "a webhook says no")
    assert own.step() == 30
    said = own.logged()
    assert [(line["event"], line["request"]) for line in said] == [
        ("refused", "csr-a"),
        ("approved", "csr-b"),
    ]
    assert said[0]["codes"] == ["answer-403"] and "a webhook says no" in said[0]["reason"]


def test_two_at_once(api: Api, files: Files, tmp_path: Path) -> None:
    """Both list the request before either has approved it."""
    first, second = Daemon(files), Daemon(files)
    for own in (first, second):
        own.logged()
    api.add(csr(made=now()))

    def meanwhile(_own: str) -> None:
        api.before_change = lambda _name: None
        second.step()

    api.before_change = meanwhile
    first.step()
    assert second.events() == ["approved"]
    said = first.logged()
    assert [line["event"] for line in said] == ["ignored"] and said[0]["codes"] == ["decided"]
    assert api.conditions("csr-w1") == ["Approved"]


def test_changed_credentials_are_read(api: Api, files: Files) -> None:
    own = Daemon(files)
    own.logged()
    api.kubeconfig(files.kubeconfig, "another")
    own.step()
    assert [(line["event"], line["user"]) for line in own.logged()] == [("credentials", "another")]
    files.kubeconfig.unlink()
    api.add(csr(made=now()))
    own.step()
    assert own.events() == ["credentials-unreadable", "approved"], "the old ones are good for a while"


@pytest.mark.parametrize(("days", "level"), [(100, ""), (40, "warning"), (-1, "error")])
def test_warns_before_its_credentials_expire(api: Api, files: Files, days: float, level: str) -> None:
    """Certificates of the fake cluster have begun 400 days ago, so a third is left from 200 days before the end on."""
    api.kubeconfig(files.kubeconfig, days=days + (200 if not level else 0))
    own = Daemon(files)
    own.logged()
    own.step()
    own.step()
    told = [line for line in own.logged() if line["event"] == "credentials-end"]
    assert [line["level"] for line in told] == ([level] if level else [])
    if told:
        assert told[0]["days_left"] == max(days - 1, 0) and "renews" in told[0]["next"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[]", "an object with nodes"),
        ("{}", "an object with nodes"),
        ('{"nodes": {}, "deny": true}', "nothing else"),
        ('{"nodes": []}', "no mapping"),
        ('{"nodes": {"w1": {"addresses": ["x"]}}}', "no IP address"),
        ('{"nodes": {}, "interval": 0}', "interval is 0"),
        ('{"nodes": {}, "interval": "30"}', "interval is '30'"),
        ('{"nodes": {}, "interval": true}', "interval is True"),
        ('{"nodes": {}, "interval": NaN}', "interval is nan"),
        ('{"nodes": {}, "max_age": 1}', "max_age is 1"),
    ],
)
def test_broken_configuration(files: Files, text: str, says: str) -> None:
    own = Daemon(files)
    files.config.write_text(text)
    with pytest.raises(daemon.ConfigError, match=says) as caught:
        own.step()
    assert str(files.config) in str(caught.value)


def test_settings() -> None:
    assert daemon.parse_settings('{"nodes": {}}') == daemon.Settings({}, 30.0, plan.MAX_AGE)
    assert daemon.parse_settings('{"nodes": {}, "interval": 1.5, "max_age": 60}').interval == 1.5


# As it runs on a host: files of the collection in a directory of their own, and nothing else of the collection.


def test_role_places_what_the_daemon_imports_and_nothing_else() -> None:
    assert sorted(deployed.sources(ROLE)) == sorted(deployed.closure("_csr/daemon.py"))


@pytest.fixture
def program(tmp_path: Path) -> Path:
    return deployed.place(ROLE, tmp_path / "program")


def pythons() -> list[str]:
    """This Python, and the oldest that hosts may have where it is installed."""
    found = [sys.executable]
    oldest = shutil.which("python3.9")
    with contextlib.suppress(OSError):
        if oldest and subprocess.run([oldest, "-c", ""], capture_output=True, check=False).returncode == 0:
            found.append(oldest)
    return found


def start(python: str, program: Path, files: Files, *more: str) -> subprocess.Popen[str]:
    argv = [
        python,
        "-ISB",
        str(program),
        "--config",
        str(files.config),
        "--kubeconfig",
        str(files.kubeconfig),
    ]
    return subprocess.Popen([*argv, *more], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("python", pythons(), ids=os.path.basename)
def test_as_a_process(api: Api, files: Files, program: Path, python: str) -> None:
    api.add(csr(made=now()))
    running = start(python, program, files)
    assert running.stdout is not None
    events = [json.loads(running.stdout.readline())["event"] for _line in range(3)]
    status = Path(f"/proc/{running.pid}/status").read_text(encoding="utf-8")
    memory = int(status.partition("VmRSS:")[2].split()[0])
    stopped = time.monotonic()
    running.send_signal(signal.SIGTERM)
    out, err = running.communicate(timeout=10)
    assert time.monotonic() - stopped < 2
    assert running.returncode == 0 and out == "" and err == ""
    assert events == ["configuration", "credentials", "approved"]
    assert api.conditions("csr-w1") == ["Approved"]
    assert memory < 64 * 1024, f"{memory} KiB"
    assert not list(program.rglob("*.pyc"))


def test_exits_at_once_while_the_server_does_not_answer(api: Api, files: Files, program: Path) -> None:
    """The connection is accepted by the kernel, and nobody answers."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        api.kubeconfig(files.kubeconfig, port=silent.getsockname()[1])
        running = start(sys.executable, program, files)
        connection, _peer = silent.accept()
        with connection:
            running.send_signal(signal.SIGTERM)
            running.communicate(timeout=2)
    assert running.returncode == 0


def test_once(api: Api, files: Files, program: Path) -> None:
    api.add(csr(made=now()))
    running = start(sys.executable, program, files, "--once")
    running.communicate(timeout=20)
    assert running.returncode == 0 and api.conditions("csr-w1") == ["Approved"]


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("config", None, "cannot be read: No such file"),
        ("config", "{}", "an object with nodes"),
        ("kubeconfig", None, "cannot be read: No such file"),
        ("kubeconfig", "x", "no usable kubeconfig"),
        ("kubeconfig", kubeconfig_of("https://127.0.0.1:1"), "lacks the CA"),
    ],
)
def test_unusable_files_at_the_start(
    files: Files, program: Path, name: str, text: str | None, says: str
) -> None:
    path: Path = getattr(files, name)
    path.unlink()
    if text is not None:
        path.write_text(text)
    running = start(sys.executable, program, files)
    out, err = running.communicate(timeout=20)
    assert running.returncode == 2 and err == ""
    last = json.loads(out.splitlines()[-1])
    assert (last["level"], last["event"]) == ("error", "configuration-unusable")
    assert says in last["message"] and str(path) in last["message"]


#: One whose standard library everybody may read, as it is on hosts.
SYSTEM_PYTHON = "/usr/bin/python3"


@pytest.mark.skipif(
    os.geteuid() != 0 or not os.access(SYSTEM_PYTHON, os.X_OK),
    reason=f"needs root, who can become another user, and {SYSTEM_PYTHON}",
)
def test_drops_root(api: Api) -> None:
    """It goes on with the configuration, which everybody may read, and without the credentials, which nobody may."""
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)  # noqa: S103 - the other user must get there
        program = deployed.place(ROLE, Path(directory) / "program")
        files = Files(Path(directory), api)
        os.chmod(files.config, 0o644)
        files.write(nodes={}, interval=1)
        running = start(SYSTEM_PYTHON, program, files, "--user", "61999")
        assert running.stdout is not None
        assert [json.loads(running.stdout.readline())["event"] for _line in range(2)] == [
            "configuration",
            "credentials",
        ]
        api.kubeconfig(files.kubeconfig, "newer")
        files.write(nodes={"w1": {"addresses": ["192.0.2.21"]}}, interval=1)
        api.add(csr(made=now()))
        said = []
        while "approved" not in said:
            said.append(json.loads(running.stdout.readline())["event"])
        status = Path(f"/proc/{running.pid}/status").read_text(encoding="utf-8")
        running.terminate()
        running.communicate(timeout=10)
    found = dict(line.split(":", 1) for line in status.splitlines())
    assert found["Uid"].split() == ["61999"] * 4
    assert found["Gid"].split() == ["61999"] * 4 and found["Groups"].split() == []
    assert int(found["CapEff"], 16) == 0
    # The old configuration may have been in force for one more look.
    assert set(said) - {"refused"} == {"configuration", "credentials-unreadable", "approved"}
