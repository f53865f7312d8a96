# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Take the lock of a cluster, and hold it as long as the run lasts.

The Lease is renewed and deleted by a process of its own. A task at the end of a playbook would not do: Ansible runs
none when hosts have failed, and nothing renews a Lease while a task waits for an hour.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import select
import signal
import time
import typing as t
from dataclasses import dataclass

from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.client import (
    ApiError,
    Client,
    CredentialsError,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils import _process
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cluster.lock import (
    CONTAINED_SECONDS,
    LEASE_SECONDS,
    NAME,
    NAMESPACE,
    Decision,
    Holder,
    Json,
    Operation,
    decide,
    holder_of,
    lease,
    refusal,
    renewed,
)

Connect = t.Callable[[], Client]
LEASES = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases"
LEASE = f"{LEASES}/{NAME}"
#: A Lease is renewed so many times before it expires.
RENEWALS = 4
#: After a renewal that the API server did not take, as while it restarts.
RETRY_SECONDS = 5.0
_POLL_SECONDS = 1.0
#: How long the API server may be away while a Lease is watched. A restart takes less.
_SILENT_SECONDS = 180.0
#: How long a Lease is tried to be deleted after the run.
_DELETE_SECONDS = 10.0
_ATTEMPTS = 5


class NotLockedError(Exception):
    """The cluster cannot be locked, as when its API server does not answer; the message says why."""


@dataclass(frozen=True)
class Taken:
    """A lock that a run has.

    :param how: why it could have it. :param lease: as the API server has stored it, C(None) when the run had it before.
    :param previous: who held it before.
    """

    how: Decision
    lease: Json | None = None
    previous: Holder | None = None


def take(api: Client, asking: Operation, broken: str, say: t.Callable[[str], None]) -> Taken:
    """Take the lock.

    :param broken: the holder whose lock is broken. :param say: tells the operator what is waited for.
    :raises NotLockedError: when there is no API server that could keep it.
    :raises OperatorError: when another operation holds it.
    """
    seconds = CONTAINED_SECONDS if _process.contained() else LEASE_SECONDS
    watched = None
    for _attempt in range(_ATTEMPTS):
        # Nearly always nobody holds it: one request.
        created = _request(api, LEASES, "POST", lease(asking, _now(), seconds=seconds), (201, 409))
        if created is not None:
            return Taken(Decision.FREE, created)
        found = _request(api, LEASE, "GET", None, (200, 404))
        if found is None:
            continue
        holder = holder_of(found)
        living = alive(holder)
        decision = decide(holder, asking, living, _now(), broken)
        if decision is Decision.OURS:
            return Taken(decision)
        if holder and decision in (Decision.HELD, Decision.EXPIRED) and holder != watched:
            # Whoever lives renews it: no clock of another machine says more.
            if living or _renews(api, holder, decision, say):
                raise OperatorError(*refusal(holder, broken))
            watched = holder
            continue
        if decision is Decision.HELD:
            decision = Decision.EXPIRED
        stored = _request(api, LEASE, "PUT", lease(asking, _now(), found, seconds), (200, 404, 409))
        if stored is not None:
            return Taken(decision, stored, holder)
    raise OperatorError(
        "Several operations ask for the lock of this cluster at the same time. Expected one.",
        "Run again when the others have ended.",
    )


def _renews(api: Client, holder: Holder, decision: Decision, say: t.Callable[[str], None]) -> bool:
    """Watch whether a holder renews its lock, for as long as a renewal lasts; half of that when it is overdue already.

    Time in which the API server does not answer does not count: the holder may be the one that restarts it.

    :return: whether it did. A lock that was released or taken by another meanwhile was not renewed.
    :raises NotLockedError: when the API server stays away.
    """
    seconds = holder.seconds / (2 if decision is Decision.EXPIRED else 1)
    say(f"{holder} has the lock. Watching for at most {seconds:.0f} s whether it is still renewed.")
    watched, silent = 0.0, 0.0
    began = time.monotonic()
    while watched < seconds:
        time.sleep(min(_POLL_SECONDS, seconds - watched))
        try:
            found = holder_of(_request(api, LEASE, "GET", None, (200, 404)) or {})
        except NotLockedError:
            silent += time.monotonic() - began
            if silent > _SILENT_SECONDS:
                raise
        else:
            watched += time.monotonic() - began
            if found != holder:
                return found is not None and found.process == holder.process
        began = time.monotonic()
    return False


def _request(
    api: Client, path: str, method: str, body: Json | None, expected: t.Collection[int]
) -> Json | None:
    """The Lease, C(None) when it is missing, exists already or has changed.

    :raises NotLockedError: for any other answer.
    """
    try:
        if method == "GET":
            return api.get(path)
        status, text = api.request(path, method, body)
        if status in (200, 201):
            return _parsed(text)
    except ApiError as exc:
        raise NotLockedError(exc.message) from exc
    if status in expected:
        return None
    raise NotLockedError(f"{method} {path} answered HTTP {status}: {text.strip()[:200]}")


def _parsed(text: str) -> Json:
    try:
        found = json.loads(text)
        found["metadata"]["resourceVersion"]
    except (ValueError, KeyError, TypeError) as exc:
        raise NotLockedError("the API server's answer is no Lease") from exc
    return t.cast(Json, found)


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def alive(holder: Holder | None) -> bool | None:
    """Whether the holder's process exists, C(None) when that cannot be told from here."""
    if holder is None or holder.process is None or not holder.process.machine:
        return None
    if holder.process.machine != _process.machine():
        return None
    return _process.started(holder.process.pid) == holder.process.started


# --- as long as the run lasts ---------------------------------------------------------------------------------------


def keep(api: Client, taken: Json, pid: int, connect: Connect | None = None) -> int:
    """Start the process that renews a Lease until a run ends, and then deletes it.

    :param pid: of C(ansible-playbook). :param connect: as of C(Keeper). :return: the PID of the new process.
    """
    child = os.fork()
    if child:
        return child
    try:
        _detach()
        Keeper(api, taken, connect).run(Run(pid))
    finally:
        os._exit(0)


def _detach() -> None:
    """Leave the session, the signals and the files of the process that it was forked from."""
    os.setsid()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM):
        signal.signal(number, signal.SIG_DFL)
    # Whoever reads a pipe of the run waits until the last process has closed it. The numbers stay in use, so that an
    # object that closes its file late does not close another one.
    null = os.open(os.devnull, os.O_RDWR)
    for entry in os.listdir("/dev/fd"):
        with contextlib.suppress(OSError):
            if int(entry) != null:
                os.fstat(int(entry))
                os.dup2(null, int(entry))


class Run:
    """A running C(ansible-playbook)."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._started = _process.started(pid)
        self._handle: int | None = None
        if hasattr(os, "pidfd_open"):
            # Without the process, or on a kernel before 5.3.
            with contextlib.suppress(OSError):
                self._handle = os.pidfd_open(pid)

    def ended(self, seconds: float) -> bool:
        """Wait for its end. :return: whether it has come."""
        if self._handle is not None:
            poll = select.poll()
            poll.register(self._handle, select.POLLIN)
            return bool(poll.poll(seconds * 1000))
        deadline = time.monotonic() + seconds
        while self._exists():
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(_POLL_SECONDS, left))
        return True

    def _exists(self) -> bool:
        try:
            os.kill(self._pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass
        return _process.started(self._pid) == self._started


class Keeper:
    """Renews and deletes a Lease.

    :param taken: the Lease as it was stored.
    :param connect: makes a client with the credentials that the controller has now: the run may replace them.
    """

    def __init__(self, api: Client, taken: Json, connect: Connect | None = None) -> None:
        self._api = api
        self._lease = taken
        self._connect = connect

    def run(self, run: Run) -> None:
        """Until the run ends, or the lock is somebody else's."""
        interval = self._lease["spec"]["leaseDurationSeconds"] / (RENEWALS + 0.5)
        seconds = interval
        while not run.ended(seconds):
            outcome = self._renew()
            if outcome is False:
                return
            seconds = interval if outcome else min(interval, RETRY_SECONDS)
        self._delete()

    def _renew(self) -> bool | None:
        """Whether the lock is still ours, C(None) when the API server did not say."""
        try:
            status, text = self._api.request(LEASE, "PUT", renewed(self._lease, _now()))
            if status == 200:
                self._lease = _parsed(text)
                return True
            if status in (404, 409):
                return self._read()
        except (ApiError, NotLockedError):
            pass
        self._reconnect()
        return None

    def _reconnect(self) -> None:
        if self._connect is not None:
            with contextlib.suppress(CredentialsError):
                self._api = self._connect()

    def _read(self) -> bool | None:
        """The same, from the Lease as it is now. One that was deleted is not created again."""
        found = self._api.get(LEASE)
        if found is None or _who(found) != _who(self._lease):
            return False
        self._lease = found
        return None

    def _delete(self) -> None:
        deadline = time.monotonic() + _DELETE_SECONDS
        while True:
            with contextlib.suppress(ApiError):
                metadata = self._lease["metadata"]
                only = {key: metadata[key] for key in ("uid", "resourceVersion") if key in metadata}
                body = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": only}
                status, _text = self._api.request(LEASE, "DELETE", body)
                if status in (200, 202, 404) or (status == 409 and self._read() is False):
                    return
            self._reconnect()
            if time.monotonic() > deadline:
                return
            time.sleep(_POLL_SECONDS)


def _who(found: Json) -> tuple[str, Json]:
    return found["spec"].get("holderIdentity", ""), found["metadata"].get("annotations") or {}
