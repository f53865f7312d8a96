# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Decide who may change a cluster. Pure: the Lease of the lock and who asks for it in, a decision out.

A process of the holder's controller renews the Lease as long as the run lasts and deletes it afterwards
(C(_cluster.lease)). So a Lease that is there has a holder, but for one whose controller has lost power or network.
"""

from __future__ import annotations

import datetime
import enum
import typing as t
from dataclasses import dataclass

Json = dict[str, t.Any]

NAMESPACE = "kube-system"
NAME = "baremetal-kubernetes-operation"
#: Without renewal for so long, the lock of another controller counts as left behind.
LEASE_SECONDS = 90
#: The same for a controller in a container. All its processes end with the first one, C(ansible-playbook) perhaps, and
#: none is left that could delete the Lease: the next run waits for so long.
CONTAINED_SECONDS = 20
_OPERATION = "baremetal.kubernetes/operation"
_PROCESS = "baremetal.kubernetes/process"


@dataclass(frozen=True)
class Process:
    """A process of a controller.

    :param machine: stands for its boot and its PID namespace; empty where that cannot be known.
    :param started: when, in the clock of its machine, as a PID is used again.
    """

    machine: str
    pid: int
    started: str

    def __str__(self) -> str:
        return f"{self.machine}/{self.pid}/{self.started}"

    @classmethod
    def parse(cls, text: str) -> Process | None:
        """What C(str) has made, C(None) for anything else."""
        machine, _sep, rest = text.partition("/")
        pid, _sep, started = rest.partition("/")
        return cls(machine, int(pid), started) if pid.isdecimal() and len(pid) < 12 else None


@dataclass(frozen=True)
class Operation:
    """A run that changes the cluster.

    :param operator: user and controller, C(alice@controller). :param name: its playbook.
    :param process: C(ansible-playbook).
    """

    operator: str
    name: str
    process: Process

    @property
    def identity(self) -> str:
        """The holder, as the Lease and the option that breaks a lock name it."""
        return f"{self.operator}/{self.process.pid}"


@dataclass(frozen=True)
class Holder:
    """Who holds the lock, as the Lease says.

    :param since: when it was taken, as :param renewed: in RFC 3339. :param seconds: how long a renewal lasts.
    """

    identity: str
    operation: str
    process: Process | None
    since: str
    renewed: str
    seconds: int

    def __str__(self) -> str:
        return f"{self.identity} ({self.operation or 'an operation without a name'}, since {_readable(self.since)})"


class Decision(enum.Enum):
    """What to do about a lock."""

    #: Nobody holds it, or this run itself does.
    FREE = "free"
    OURS = "ours"
    #: The holder's process is gone.
    LEFT = "left"
    #: The operator says that the holder is gone.
    BROKEN = "broken"
    #: It has not been renewed for longer than it lasts, by this controller's clock.
    EXPIRED = "expired"
    HELD = "held"


def holder_of(lease: t.Mapping[str, t.Any]) -> Holder | None:
    """Who holds a Lease, C(None) when nobody does."""
    spec = lease.get("spec") or {}
    identity = spec.get("holderIdentity")
    if not identity:
        return None
    annotations = (lease.get("metadata") or {}).get("annotations") or {}
    return Holder(
        identity=str(identity),
        operation=str(annotations.get(_OPERATION) or ""),
        process=Process.parse(str(annotations.get(_PROCESS) or "")),
        since=str(spec.get("acquireTime") or ""),
        renewed=str(spec.get("renewTime") or ""),
        seconds=int(spec.get("leaseDurationSeconds") or LEASE_SECONDS),
    )


def decide(
    holder: Holder | None,
    asking: Operation,
    alive: bool | None,
    now: datetime.datetime,
    broken: str = "",
) -> Decision:
    """Whether a run may have the lock.

    :param alive: whether the holder's process exists, C(None) when that cannot be told from here.
    :param broken: the holder whose lock is broken.
    """
    if holder is None:
        return Decision.FREE
    if holder.process == asking.process:
        return Decision.OURS
    if alive is False:
        return Decision.LEFT
    if broken == holder.identity:
        return Decision.BROKEN
    if alive:
        return Decision.HELD
    renewed = _moment(holder.renewed)
    expired = renewed is None or (now - renewed).total_seconds() > holder.seconds
    return Decision.EXPIRED if expired else Decision.HELD


def lease(
    asking: Operation,
    now: datetime.datetime,
    previous: t.Mapping[str, t.Any] | None = None,
    seconds: int = LEASE_SECONDS,
) -> Json:
    """The Lease of a lock that is taken.

    :param previous: the one that it replaces, and only as it was read. :param seconds: how long a renewal lasts.
    """
    metadata: Json = {
        "name": NAME,
        "namespace": NAMESPACE,
        "labels": {"app.kubernetes.io/managed-by": "baremetal.kubernetes"},
        "annotations": {_OPERATION: asking.name, _PROCESS: str(asking.process)},
    }
    transitions = 0
    if previous is not None:
        metadata["resourceVersion"] = previous["metadata"]["resourceVersion"]
        transitions = int((previous.get("spec") or {}).get("leaseTransitions") or 0) + 1
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": metadata,
        "spec": {
            "holderIdentity": asking.identity,
            "leaseDurationSeconds": seconds,
            "acquireTime": stamp(now),
            "renewTime": stamp(now),
            "leaseTransitions": transitions,
        },
    }


def renewed(current: t.Mapping[str, t.Any], now: datetime.datetime) -> Json:
    """The Lease with a new C(renewTime)."""
    return {**current, "spec": {**current["spec"], "renewTime": stamp(now)}}


def refusal(holder: Holder, broken: str) -> tuple[str, str]:
    """Why a run may not have the lock, and what to do.

    :param broken: the holder whose lock the operator wanted to break.
    """
    found = (
        f"{holder} changes this cluster now; it was last heard of at {_readable(holder.renewed)}. Expected no other"
        " operation: two at once could take down two control planes."
    )
    if broken:
        found += f" operation_lock_break is {broken!r}, which is not the holder."
    return found, (
        "Wait until it has ended. The lock of a controller that is gone is taken over when it has not been renewed for"
        f" {holder.seconds} s; to break it before, make sure that this run has ended, and run again with"
        f" -e operation_lock_break={holder.identity}"
    )


def stamp(moment: datetime.datetime) -> str:
    """A C(MicroTime) of the API."""
    return moment.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _moment(text: str) -> datetime.datetime | None:
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)


def _readable(text: str) -> str:
    moment = _moment(text)
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC" if moment else "an unknown time"
