# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots: the disks of all hosts at one moment, taken while the hosts are off.

A host's disk is an overlay on its base, and a few plain directories (see :data:`lab.host.DATA`). A snapshot
takes the upper directory of the overlay as it is and becomes a further lower layer, so neither saving nor
restoring copies it. Plain directories are cloned: containerd's layers and blobs, which are most of the
bytes and never written again, as hard links, all else as copies (which share their blocks where the file
system can).

Hosts are switched off as by a loss of power. etcd and containerd recover from that by their write-ahead
logs, and the page cache is the machine's, so nothing that a host wrote is lost.

A cluster's certificates, etcd members and nodes carry the hosts' names and addresses. A snapshot therefore
belongs to the name and the subnet of its lab, lies in that lab's state, and goes with it.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from lab import bases, state
from lab.config import LabError, Network, Paths, Settings
from lab.run import run, write_atomic
from lab.state import HostRecord, State

VERSION = 1
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?")
#: Parts of a host's disk that a snapshot takes from it.
PARTS = ("upper", "data")
#: Small files of a host that it keeps through all snapshots.
KEPT = ("ssh_host_ed25519_key", "ssh_host_ed25519_key.pub", "prepared")
#: Parts of a host's data whose files are written once, and then only read or removed. Containers write into
#: an overlay over them; a container that was killed is never started again, a new one gets a new layer.
IMMUTABLE = (
    "containerd/io.containerd.content.v1.content/blobs",
    "containerd/io.containerd.snapshotter.v1.overlayfs/snapshots",
)


@dataclass(frozen=True)
class Snapshot:
    """What a snapshot is of.

    :param lab: the lab's name. :param subnet: the lab's network.
    :param hosts: by name, as they were.
    """

    name: str
    lab: str
    subnet: str
    hosts: Mapping[str, HostRecord]

    def dump(self) -> str:
        return json.dumps({"version": VERSION, **asdict(self)}, indent=1)

    @classmethod
    def parse(cls, text: str) -> Snapshot:
        """:raises ValueError: the text is not what :meth:`dump` writes."""
        data = json.loads(text)
        if not isinstance(data, dict) or data.pop("version", None) != VERSION:
            raise ValueError(f"expected a mapping of version {VERSION}")
        hosts = {name: HostRecord.parse(record) for name, record in data.pop("hosts").items()}
        return cls(hosts=hosts, **data)


def root(paths: Paths) -> Path:
    """Where all snapshots of a lab are."""
    return paths.state / "snapshots"


def path(paths: Paths, name: str) -> Path:
    """Where a snapshot is, or will be."""
    return root(paths) / name


def _partial(paths: Paths, name: str) -> Path:
    return root(paths) / f".{name}.part"


def names(paths: Paths) -> list[str]:
    """The snapshots of a lab."""
    return sorted(file.parent.name for file in root(paths).glob("[!.]*/snapshot.json"))


def check_name(name: str) -> None:
    """:raises LabError: it cannot be the name of a snapshot."""
    if not _NAME.fullmatch(name):
        raise LabError(
            f"snapshot {name!r}: expected at most 32 lower-case letters, digits and inner hyphens",
            "choose another name",
        )


def check_free(paths: Paths, name: str) -> None:
    """:raises LabError: a snapshot cannot have that name, or one has it."""
    check_name(name)
    if path(paths, name).exists():
        raise LabError(f"snapshot {name} exists already", "choose another name; `lab status` lists them")


def load(paths: Paths, name: str) -> Snapshot:
    """What a snapshot is of.

    :raises LabError: there is none of that name, or it cannot be read.
    """
    check_name(name)
    return _read(
        path(paths, name), f"there are: {', '.join(names(paths)) or 'none; `lab save NAME` makes one'}"
    )


def _read(directory: Path, hint: str) -> Snapshot:
    try:
        return Snapshot.parse((directory / "snapshot.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise LabError(f"there is no snapshot {directory.name}", hint) from None
    except (ValueError, KeyError, TypeError) as exc:
        raise LabError(
            f"{directory}/snapshot.json cannot be read: {exc}", "run `lab down`, then `lab up`"
        ) from exc


def check_network(snapshot: Snapshot, network: Network) -> None:
    """:raises LabError: a snapshot was taken under another name or subnet than the lab has now."""
    found, expected = (snapshot.lab, snapshot.subnet), (network.name, str(network.subnet))
    if found != expected:
        raise LabError(
            f"snapshot {snapshot.name} was taken of lab {found[0]} in {found[1]}, this is lab {expected[0]} in "
            f"{expected[1]}; the cluster in it knows its nodes by names and addresses",
            f"set BMK_LAB_NAME={found[0]} and BMK_LAB_SUBNET={found[1]}, or create the cluster here and save it",
        )


def take(settings: Settings, name: str, record: State) -> None:
    """Turn the disks of all hosts, which are off, into a snapshot.

    Renames only, each of which can be done again: :func:`complete` finishes what was cut short.

    :param record: its hosts lie on the snapshot afterwards, with empty disks over it.
    :raises LabError: the name is taken or cannot be one.
    """
    paths = settings.paths
    check_free(paths, name)
    snapshot = Snapshot(name, settings.name, str(settings.network.subnet), dict(record.hosts))
    partial = _partial(paths, name)
    credentials = paths.inventory / ".credentials"
    if credentials.is_dir():
        shutil.copytree(credentials, partial / "credentials")
    write_atomic(partial / "snapshot.json", snapshot.dump())
    _move(settings, partial, snapshot, record)


def complete(settings: Settings, record: State) -> None:
    """Finish snapshots whose taking was cut short."""
    for partial in sorted(root(settings.paths).glob(".*.part")):
        if not (partial / "snapshot.json").exists():
            # Nothing of a host was moved yet.
            shutil.rmtree(partial)
            continue
        _move(settings, partial, _read(partial, ""), record)


def _move(settings: Settings, partial: Path, snapshot: Snapshot, record: State) -> None:
    for name, old in snapshot.hosts.items():
        own, target = settings.paths.hosts / name, partial / "hosts" / name
        target.mkdir(parents=True, exist_ok=True)
        for part in PARTS:
            # Already moved, when it is no longer the host's.
            if (own / part).exists() and not (target / part).exists():
                os.rename(own / part, target / part)
        # An overlay's work directory goes with its upper one.
        shutil.rmtree(own / "work", ignore_errors=True)
        for kept in KEPT:
            shutil.copy2(own / kept, target / kept)
        bases.use(
            settings.paths, old.base, f"{settings.name}-snapshot-{snapshot.name}-{name}", root(settings.paths)
        )
        record.hosts[name] = replace(old, layers=(snapshot.name, *old.layers))
    state.save(settings.paths, record)
    os.rename(partial, path(settings.paths, snapshot.name))


def restore(settings: Settings, snapshot: Snapshot, record: State) -> Path:
    """Have the hosts of a snapshot, all of them off, instead of those that there are.

    :param record: gets the hosts.
    :return: a directory with what the hosts were, which nobody needs any more.
    """
    paths = settings.paths
    discarded = paths.state / "discarded"
    discarded.mkdir(exist_ok=True)
    for host in sorted(paths.hosts.iterdir()) if paths.hosts.is_dir() else ():
        os.rename(host, discarded / f"{host.name}.{os.getpid()}.{len(list(discarded.iterdir()))}")
    record.hosts = {
        name: replace(old, layers=(snapshot.name, *old.layers)) for name, old in snapshot.hosts.items()
    }
    state.save(paths, record)
    credentials = paths.inventory / ".credentials"
    shutil.rmtree(credentials, ignore_errors=True)
    with contextlib.suppress(FileNotFoundError):
        shutil.copytree(path(paths, snapshot.name) / "credentials", credentials)
    return discarded


def lower(paths: Paths, record: HostRecord) -> list[str]:
    """Directories below a host's own overlay, topmost first."""
    layers = [str(path(paths, layer) / "hosts" / record.name / "upper") for layer in record.layers]
    return [*layers, str(paths.bases / record.base)]


def supply(paths: Paths, record: HostRecord) -> None:
    """Give a host that lies on a snapshot what it does not have yet: its data and its small files."""
    if not record.layers:
        return
    own, source = paths.hosts / record.name, path(paths, record.layers[0]) / "hosts" / record.name
    own.mkdir(parents=True, exist_ok=True)
    for kept in KEPT:
        if not (own / kept).exists():
            shutil.copy2(source / kept, own / kept)
    if not (own / "data").exists():
        # Under another name until it is whole.
        partial = own / ".data.part"
        shutil.rmtree(partial, ignore_errors=True)
        clone(source / "data", partial)
        os.rename(partial, own / "data")


def clone(source: Path, target: Path) -> None:
    """Copy a host's data, with hard links for what never changes."""
    immutable = [Path(part) for part in IMMUTABLE]
    _clone(source, target, Path(), immutable)


def _clone(source: Path, target: Path, place: Path, immutable: list[Path]) -> None:
    """Clone one directory: what holds something immutable level by level, all else with one command each."""
    if place in immutable:
        run(["cp", "-a", "--link", "-T", source, target])
    elif any(part.is_relative_to(place) for part in immutable):
        target.mkdir()
        shutil.copystat(source, target)
        info = source.stat()
        os.chown(target, info.st_uid, info.st_gid)
        for entry in source.iterdir():
            _clone(entry, target / entry.name, place / entry.name, immutable)
    else:
        run(["cp", "-a", "--reflink=auto", "-T", source, target])
