# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""operation_lock: who may have the lock as a table, and runs of ansible-playbook against a small API server."""

from __future__ import annotations

import contextlib
import copy
import datetime
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import typing as t
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.client import (
    Client,
    CredentialsError,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils import _process
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cluster import lease as leases
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cluster.lock import (
    Decision,
    Holder,
    Operation,
    Process,
    decide,
    holder_of,
    lease,
    refusal,
    renewed,
    stamp,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api import connect

from tests.unit.support import ssh
from tests.unit.support.servers import Answer, ApiServer, Request, refused

NOW = datetime.datetime(2026, 11, 29, 3, 0, tzinfo=datetime.UTC)
ALICE = Operation("alice@ctl1", "baremetal.kubernetes.upgrade", Process("m1", 4711, "99"))
BOB = Operation("bob@ctl2", "baremetal.kubernetes.site", Process("m2", 815, "7"))


def held(
    by: Operation = ALICE, since: datetime.datetime = NOW, version: str = "1", seconds: int = 90
) -> dict[str, t.Any]:
    """The Lease of a lock as the API server has it."""
    found = lease(by, since, seconds=seconds)
    found["metadata"]["resourceVersion"] = version
    return found


# --- who may have it ------------------------------------------------------------------------------------------------

HOLDER = t.cast(Holder, holder_of(held()))


@pytest.mark.parametrize(
    ("holder", "alive", "seconds", "broken", "expected"),
    [
        (None, None, 0, "", Decision.FREE),
        (HOLDER, None, 0, "", Decision.HELD),
        (HOLDER, None, 90, "", Decision.HELD),
        (HOLDER, None, 91, "", Decision.EXPIRED),
        # A clock that is behind the holder's.
        (HOLDER, None, -3600, "", Decision.HELD),
        (HOLDER, False, 0, "", Decision.LEFT),
        # It is alive, whenever it renewed: a suspended process goes on later.
        (HOLDER, True, 3600, "", Decision.HELD),
        (HOLDER, True, 0, "alice@ctl1/4711", Decision.BROKEN),
        (HOLDER, None, 0, "alice@ctl1/4711", Decision.BROKEN),
        # The lock of another run is not broken by the name of an earlier one.
        (HOLDER, None, 0, "alice@ctl1/4710", Decision.HELD),
        (HOLDER, None, 0, "alice@ctl1", Decision.HELD),
        (replace(HOLDER, process=BOB.process), None, 0, "", Decision.OURS),
        # Written by something else.
        (replace(HOLDER, process=None, renewed="yesterday"), None, 0, "", Decision.EXPIRED),
    ],
)
def test_decide(
    holder: Holder | None, alive: bool | None, seconds: int, broken: str, expected: Decision
) -> None:
    assert decide(holder, BOB, alive, NOW + datetime.timedelta(seconds=seconds), broken) is expected


def test_lease_says_who_holds_it() -> None:
    assert holder_of(held()) == Holder(
        identity="alice@ctl1/4711",
        operation="baremetal.kubernetes.upgrade",
        process=ALICE.process,
        since="2026-11-29T03:00:00.000000Z",
        renewed="2026-11-29T03:00:00.000000Z",
        seconds=90,
    )
    taken = lease(BOB, NOW, held(version="12"))
    assert (taken["metadata"]["resourceVersion"], taken["spec"]["leaseTransitions"]) == ("12", 1)
    later = renewed(held(), NOW + datetime.timedelta(seconds=20))["spec"]
    assert (later["acquireTime"], later["renewTime"]) == (stamp(NOW), "2026-11-29T03:00:20.000000Z")


@pytest.mark.parametrize(
    "found",
    [{}, {"spec": {}}, {"spec": {"holderIdentity": ""}, "metadata": {}}],
    ids=["empty", "no holder", "empty holder"],
)
def test_lease_without_holder(found: dict[str, t.Any]) -> None:
    assert holder_of(found) is None


@pytest.mark.parametrize("text", ["", "m1", "m1/x/2", "m1/-1/2", "m1/1" + "0" * 20])
def test_process_of_something_else(text: str) -> None:
    assert Process.parse(text) is None


def test_refusal_names_the_holder() -> None:
    message, step = refusal(HOLDER, "somebody")
    for words in (
        "alice@ctl1/4711",
        "baremetal.kubernetes.upgrade",
        "since 2026-11-29 03:00:00 UTC",
        "operation_lock_break is 'somebody', which is not the holder",
    ):
        assert words in message
    assert step.endswith("-e operation_lock_break=alice@ctl1/4711")


def test_processes_of_this_machine() -> None:
    own = _process.started(os.getpid())
    assert own.isdecimal()
    assert _process.machine() and _process.machine() == _process.machine()
    child = subprocess.Popen(["true"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert _process.started(child.pid) == "", "one that has ended is gone, though its parent has not looked"
    child.wait()
    assert _process.started(child.pid) in ("", own)


# --- an API server that keeps one Lease -----------------------------------------------------------------------------


class LeaseServer(ApiServer):
    """Creates, replaces and deletes the Lease as a real one does: each version only once."""

    def __init__(self) -> None:
        super().__init__(token="t")
        self.lease: dict[str, t.Any] | None = None
        self.version = 100
        self.lock = threading.Lock()

    def handle(self, request: Request) -> Answer:
        with self.lock:
            if request.path == leases.LEASES and request.method == "POST":
                return self.stored(request) if self.lease is None else refused(409, "it already exists")
            if request.path != leases.LEASE:
                return super().handle(request)
            if self.lease is None:
                return refused(404, "there is none")
            current = self.lease["metadata"]["resourceVersion"]
            if request.method == "PUT":
                wanted = request.object["metadata"].get("resourceVersion", current)
                return self.stored(request) if wanted == current else refused(409, "it has been modified")
            if request.method == "DELETE":
                if request.object["preconditions"].get("resourceVersion", current) != current:
                    return refused(409, "the precondition does not hold")
                self.lease = None
                return Answer(200, {"kind": "Status"})
            return Answer(200, copy.deepcopy(self.lease))

    def stored(self, request: Request) -> Answer:
        self.version += 1
        self.lease = request.object
        self.lease["metadata"] |= {"resourceVersion": str(self.version), "uid": "u1"}
        return Answer(200 if request.method == "PUT" else 201, copy.deepcopy(self.lease))

    def renew(self) -> None:
        """As the process of the holder does."""
        with self.lock:
            if self.lease is not None:
                self.version += 1
                self.lease = renewed(self.lease, datetime.datetime.now(datetime.UTC))
                self.lease["metadata"] = {**self.lease["metadata"], "resourceVersion": str(self.version)}

    @contextlib.contextmanager
    def renewing(self) -> t.Iterator[None]:
        """The holder lives."""
        ended = threading.Event()

        def work() -> None:
            while not ended.wait(0.05):
                self.renew()

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    @property
    def methods(self) -> list[str]:
        return [request.method for request in self.requests]

    @property
    def holder(self) -> str:
        return self.lease["spec"]["holderIdentity"] if self.lease else ""

    def wait(self, held: bool, seconds: float = 15) -> None:
        """Until somebody holds the lock, or nobody does."""
        deadline = time.monotonic() + seconds
        while (self.lease is not None) != held:
            assert time.monotonic() < deadline, self.methods
            time.sleep(0.02)


@pytest.fixture
def api() -> t.Iterator[LeaseServer]:
    server = LeaseServer()
    yield server
    server.close()


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "_POLL_SECONDS", 0.05)


def take(api: LeaseServer, path: Path, asking: Operation = BOB, broken: str = "") -> leases.Taken:
    client = connect.connect(api.kubeconfig(path / f"kubeconfig{asking.process.pid}"))
    return leases.take(client, asking, broken, lambda _line: None)


def test_free_lock_costs_one_request(api: LeaseServer, tmp_path: Path) -> None:
    taken = take(api, tmp_path)
    assert (taken.how, api.holder, api.methods) == (Decision.FREE, BOB.identity, ["POST"])
    assert take(api, tmp_path).how is Decision.OURS


def test_lock_of_another_controller_that_lives_is_refused(api: LeaseServer, tmp_path: Path) -> None:
    """However wrong the clocks are: who renews it, has the lock."""
    for hours in (0, -5, 5):
        api.lease = held(since=datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=hours))
        began = time.monotonic()
        with (
            api.renewing(),
            pytest.raises(
                OperatorError, match=re.escape("alice@ctl1/4711 (baremetal.kubernetes.upgrade, since")
            ),
        ):
            take(api, tmp_path)
        assert time.monotonic() - began < 10
        assert api.holder == ALICE.identity


def test_broken_lock_is_taken_over(api: LeaseServer, tmp_path: Path) -> None:
    api.lease = held(since=datetime.datetime.now(datetime.UTC))
    taken = take(api, tmp_path, broken=ALICE.identity)
    assert taken.how is Decision.BROKEN
    assert taken.previous and taken.previous.identity == ALICE.identity
    assert api.holder == BOB.identity


@pytest.mark.parametrize(("started", "how"), [("0", Decision.LEFT), ("", None)], ids=["gone", "alive"])
def test_lock_of_this_controller(
    api: LeaseServer, tmp_path: Path, started: str, how: Decision | None
) -> None:
    """A PID that another process has by now is not the holder's."""
    pid = os.getpid()
    here = Process(_process.machine(), pid, started or _process.started(pid))
    api.lease = held(replace(ALICE, process=here), datetime.datetime.now(datetime.UTC))
    if how is None:
        with pytest.raises(OperatorError):
            take(api, tmp_path)
    else:
        assert take(api, tmp_path).how is how


@pytest.mark.parametrize(
    ("days", "expected"), [(0, 2.0), (-365, 1.0), (365, 2.0)], ids=["now", "long ago", "later"]
)
def test_lock_that_is_not_renewed_is_taken_over(
    api: LeaseServer, tmp_path: Path, days: int, expected: float
) -> None:
    """By the clock of who watches; a Lease that is overdue already is watched for half the time."""
    since = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)
    api.lease = held(since=since, seconds=2)
    began = time.monotonic()
    taken = take(api, tmp_path)
    assert taken.how is Decision.EXPIRED
    assert taken.previous and taken.previous.identity == ALICE.identity
    assert expected <= time.monotonic() - began < expected + 5
    assert api.holder == BOB.identity


def test_api_server_that_restarts_while_the_lock_is_watched(api: LeaseServer, tmp_path: Path) -> None:
    """The holder may be the one that restarts it: whoever goes on without the lock then is the second one."""
    api.lease = held(since=datetime.datetime.now(datetime.UTC))
    down = [refused(503, "shutting down")] * 8
    api.answers["GET", leases.LEASE] = [Answer(200, copy.deepcopy(api.lease)), *down]
    timer = threading.Timer(1.0, api.renew)
    timer.start()
    with pytest.raises(OperatorError, match=re.escape(ALICE.identity)):
        take(api, tmp_path)
    timer.join()
    assert api.holder == ALICE.identity


def test_api_server_that_stays_away_while_the_lock_is_watched(
    api: LeaseServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "_SILENT_SECONDS", 0.5)
    api.lease = held(since=datetime.datetime.now(datetime.UTC))
    api.answers["GET", leases.LEASE] = [Answer(200, copy.deepcopy(api.lease)), *[refused(503, "down")] * 1000]
    with pytest.raises(leases.NotLockedError, match="HTTP 503"):
        take(api, tmp_path)


def test_lock_that_is_released_meanwhile(api: LeaseServer, tmp_path: Path) -> None:
    api.lease = held(since=datetime.datetime.now(datetime.UTC))
    timer = threading.Timer(0.3, lambda: setattr(api, "lease", None))
    timer.start()
    assert take(api, tmp_path).how is Decision.FREE
    timer.join()


@pytest.mark.parametrize(("contained", "seconds"), [(False, 90), (True, 20)])
def test_lock_of_a_container_expires_soon(
    api: LeaseServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, contained: bool, seconds: int
) -> None:
    """Nobody is left who could delete it when the first process of the container ends."""
    monkeypatch.setattr(_process, "contained", lambda: contained)
    taken = take(api, tmp_path)
    assert taken.lease is not None
    assert taken.lease["spec"]["leaseDurationSeconds"] == seconds
    run = _Run(1)
    leases.Keeper(connect.connect(str(tmp_path / "kubeconfig815")), taken.lease).run(t.cast(leases.Run, run))
    assert run.waited == [seconds / 4.5] * 2


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes namespaces")
def test_contained() -> None:
    program = f"import {_process.__name__} as process; print(process.contained())"
    done = subprocess.run(
        ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "True"


def test_of_many_at_once_one_wins(api: LeaseServer, tmp_path: Path) -> None:
    """Whether the lock is free, or all of them see that it was left."""
    left = replace(ALICE, process=Process(_process.machine(), 4194303, "1"))
    for before in (None, held(left, datetime.datetime.now(datetime.UTC), version="1")):
        api.lease = before
        won: list[str] = []
        lost: list[str] = []

        def contend(number: int, won: list[str] = won, lost: list[str] = lost) -> None:
            asking = Operation(f"user{number}@ctl", "site", Process(f"m{number}", number, "1"))
            try:
                take(api, tmp_path, asking)
                won.append(asking.identity)
            except OperatorError as exc:
                lost.append(str(exc))

        threads = [threading.Thread(target=contend, args=(number,)) for number in range(1, 9)]
        with api.renewing():
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert len(won) == 1
        assert api.holder == won[0]
        assert len(lost) == 7
        assert all(won[0] in message for message in lost)


@pytest.mark.parametrize("status", [401, 403, 500, 503])
def test_api_server_that_refuses(api: LeaseServer, tmp_path: Path, status: int) -> None:
    api.answers["POST", leases.LEASES] = refused(status, "etcd has no leader")
    with pytest.raises(leases.NotLockedError, match=f"HTTP {status}.*no leader"):
        take(api, tmp_path)


# --- as long as the run lasts ---------------------------------------------------------------------------------------


class _Run:
    """A run that lasts for some renewals."""

    def __init__(self, renewals: int) -> None:
        self.left = renewals
        self.waited: list[float] = []

    def ended(self, seconds: float) -> bool:
        self.waited.append(seconds)
        self.left -= 1
        return self.left < 0


def test_keeper_renews_and_deletes(api: LeaseServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_process, "contained", lambda: False)
    taken = take(api, tmp_path)
    assert taken.lease is not None
    client = connect.connect(str(tmp_path / "kubeconfig815"))
    # The API server restarts once, and a control loop adds a label.
    api.answers["PUT", leases.LEASE] = [refused(500, "shutting down"), refused(409, "it has been modified")]
    run = _Run(4)
    leases.Keeper(client, taken.lease).run(t.cast(leases.Run, run))
    assert run.waited == [20.0, 5.0, 5.0, 20.0, 20.0]
    assert api.lease is None


def test_keeper_takes_new_credentials(api: LeaseServer, tmp_path: Path) -> None:
    """The run replaces those of the operator, as a CA rotation does, and the API server refuses the former ones."""
    taken = take(api, tmp_path)
    assert taken.lease is not None
    path = str(tmp_path / "kubeconfig815")
    made: list[str] = []

    def again() -> Client:
        made.append(path)
        if len(made) == 1:
            # It is being written.
            raise CredentialsError("damaged", "")
        return connect.connect(path)

    api.answers["PUT", leases.LEASE] = [refused(401, "Unauthorized"), refused(401, "Unauthorized")]
    leases.Keeper(connect.connect(path), taken.lease, again).run(t.cast(leases.Run, _Run(3)))
    assert len(made) == 2 and api.lease is None


@pytest.mark.parametrize("by", ["broken", "deleted"])
def test_keeper_leaves_the_lock_of_another(api: LeaseServer, tmp_path: Path, by: str) -> None:
    taken = take(api, tmp_path)
    assert taken.lease is not None
    if by == "broken":
        take(api, tmp_path, ALICE, broken=BOB.identity)
    else:
        api.lease = None
    leases.Keeper(connect.connect(str(tmp_path / "kubeconfig815")), taken.lease).run(
        t.cast(leases.Run, _Run(1))
    )
    assert api.holder == (ALICE.identity if by == "broken" else "")
    leases.Keeper(connect.connect(str(tmp_path / "kubeconfig815")), taken.lease).run(
        t.cast(leases.Run, _Run(0))
    )
    assert api.holder == (ALICE.identity if by == "broken" else "")


@pytest.mark.parametrize("handle", [True, False], ids=["pidfd", "polled"])
def test_end_of_a_run(monkeypatch: pytest.MonkeyPatch, handle: bool) -> None:
    if not handle:
        monkeypatch.delattr(os, "pidfd_open", raising=False)
    child = subprocess.Popen(["sleep", "60"])
    run = leases.Run(child.pid)
    assert not run.ended(0.05)
    child.kill()
    assert run.ended(10)
    child.wait()
    assert leases.Run(child.pid).ended(1)


# --- runs of ansible-playbook ---------------------------------------------------------------------------------------


class Playbooks:
    """Runs of ansible-playbook on hosts that nothing connects to."""

    def __init__(self, directory: Path, kubeconfig: str) -> None:
        self.directory = directory
        self.kubeconfig = kubeconfig

    def start(self, *tasks: dict[str, t.Any], flags: t.Sequence[str] = ()) -> subprocess.Popen[str]:
        play = {"hosts": "all", "gather_facts": False, "tasks": list(tasks)}
        lock = {"ansible.builtin.import_playbook": str(ssh.ROOT / "playbooks" / "lock.yml")}
        path = self.directory / "operation.yml"
        path.write_text(json.dumps([lock, *([play] if tasks else [])]))
        (self.directory / "hosts").write_text("[control_plane]\ncp1\n[worker]\nw1\n")
        settings = {"ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default", "ANSIBLE_FORKS": "5"}
        command = ["ansible-playbook", "-i", str(self.directory / "hosts"), str(path)]
        return subprocess.Popen(
            [*command, "-e", f"cluster_kubeconfig={self.kubeconfig}", *flags],
            cwd=ssh.ROOT,
            env=ssh.environment(self.directory, **settings),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *tasks: dict[str, t.Any], flags: t.Sequence[str] = ()) -> tuple[int, str]:
        started = self.start(*tasks, flags=flags)
        # Until the pipe is closed: nothing that the run leaves behind may hold it.
        out, _ = started.communicate(timeout=60)
        return started.returncode, out


@pytest.fixture
def playbooks(api: LeaseServer, tmp_path: Path) -> Playbooks:
    return Playbooks(tmp_path, api.kubeconfig(tmp_path / "kubeconfig"))


FAIL = {"ansible.builtin.fail": {"msg": "as wanted"}}
SLEEP = {"ansible.builtin.wait_for": {"timeout": 60}, "delegate_to": "localhost", "run_once": True}


@pytest.mark.parametrize("fails", [False, True])
def test_run_costs_two_requests(api: LeaseServer, playbooks: Playbooks, fails: bool) -> None:
    code, out = playbooks.run(*([FAIL] if fails else []))
    assert code == (2 if fails else 0), out
    assert "changed=1" not in out
    api.wait(held=False)
    assert api.methods == ["POST", "DELETE"]


def test_second_operator_is_refused(api: LeaseServer, playbooks: Playbooks) -> None:
    first = playbooks.start(SLEEP)
    try:
        api.wait(held=True)
        holder = api.holder
        code, out = playbooks.run(FAIL)
        assert code == 2
        assert f"{holder} ({playbooks.directory}/operation.yml, since 20" in out
        assert "as wanted" not in out, "the run goes on without the lock"
        assert api.holder == holder
        code, out = playbooks.run(flags=["-e", f"operation_lock_break={holder}"])
        assert code == 0, out
        assert f"The lock of {holder} " in out
        assert "is taken over: operation_lock_break names it." in out
    finally:
        first.kill()
        first.communicate()


def test_killed_run_leaves_no_lock(api: LeaseServer, playbooks: Playbooks) -> None:
    first = playbooks.start(SLEEP)
    api.wait(held=True)
    first.send_signal(signal.SIGKILL)
    api.wait(held=False)
    first.communicate()


def test_lock_whose_keeper_was_killed_too(api: LeaseServer, playbooks: Playbooks) -> None:
    gone = Process(_process.machine(), 4194303, "1")
    api.lease = held(replace(ALICE, process=gone), datetime.datetime.now(datetime.UTC))
    code, out = playbooks.run()
    assert code == 0
    assert "The lock of alice@ctl1/4194303" in out
    assert "is taken over: its process is gone." in out
    api.wait(held=False)


def test_check_mode_locks_nothing(api: LeaseServer, playbooks: Playbooks) -> None:
    api.lease = held(since=datetime.datetime.now(datetime.UTC))
    assert playbooks.run(flags=["--check"])[0] == 0
    assert api.requests == []


@pytest.mark.parametrize("fault", ["kubeconfig", "no kubeconfig", "dead", "refuses"])
def test_run_without_an_api_goes_on(api: LeaseServer, playbooks: Playbooks, fault: str) -> None:
    """It may be the one that creates or repairs the cluster."""
    if fault == "no kubeconfig":
        Path(playbooks.kubeconfig).unlink()
    elif fault == "kubeconfig":
        Path(playbooks.kubeconfig).write_text("{")
    elif fault == "dead":
        api.close()
    else:
        api.answers["POST", leases.LEASES] = refused(500, "etcd has no leader")
    code, out = playbooks.run(flags=["-v"])
    assert code == 0, out
    assert "The cluster is not locked: " in out


def test_operations_after_one_another_in_one_run(api: LeaseServer, playbooks: Playbooks) -> None:
    again = {"baremetal.kubernetes.operation_lock": {"kubeconfig": playbooks.kubeconfig}, "run_once": True}
    code, out = playbooks.run(again)
    assert code == 0, out
    api.wait(held=False)
    assert api.methods == ["POST", "POST", "GET", "DELETE"]
