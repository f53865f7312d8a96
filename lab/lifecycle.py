# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's commands, and how everything that belongs to a lab is found.

Each step first looks whether its result is there, so that `up` only adds what is missing, whether it never
ran, ran before, or died in the middle. `down` trusts names, not records.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from lab import (
    artifacts,
    bases,
    cgroups,
    host,
    inventory,
    machine,
    mirror,
    network,
    packages,
    preconditions,
    snapshot,
    state,
)
from lab.cgroups import Parent
from lab.config import (
    DEFAULT_HOSTS,
    FILES_PORT,
    REGISTRY_PORT,
    HostSpec,
    Kind,
    LabError,
    Settings,
    allocate,
    parse_hosts,
)
from lab.report import Reporter
from lab.run import run, write_atomic
from lab.state import HostRecord, Process, State

#: Group of a command that changes the lab, so that `down` also ends what a killed one leaves running
#: (builds).
COMMAND = "command"


@contextlib.contextmanager
def _changing(settings: Settings) -> Iterator[list[Parent]]:
    """Hold the lab's lock, in a control group of the lab.

    :return: the places below which the lab's groups go; inside the block the caller's own group is another.
    """
    with state.lock(settings):
        parents = cgroups.caller_parents()
        with cgroups.entered(cgroups.create(parents, cgroups.lab_group(settings.name), COMMAND)):
            yield parents


def up(settings: Settings, specs: Sequence[HostSpec] | None, software: bool, report: Reporter) -> State:
    """Create everything that the hosts need and boot those that are off.

    :param specs: the hosts to have; those the lab has (else the default ones) when None. Hosts that the lab
        has and that are not in the list stay.
    :param software: whether to provide the Kubernetes software and its mirror too.
    :raises LabError: the first thing that cannot be done.
    """
    expected = merge(settings, state.load(settings.paths), specs)
    needed = artifacts.required_bytes(settings.paths) if software else 0
    preconditions.check(settings, kinds_of(expected), len(expected), needed)
    with _changing(settings) as parents:
        # Another command may have added hosts before this one got the lock.
        record = state.load(settings.paths)
        plan = merge(settings, record, specs)
        with report.step("packages"):
            packages.install((*packages.HOSTS, *(packages.ARTIFACTS if software else ())))
        checksums: inventory.Checksums | None = inventory.current_checksums(settings)
        if software:
            checksums = artifacts.ensure(settings.paths, report.console).checksums
        for kind in sorted(kinds_of(plan)):
            with report.step(f"base {kind}"):
                bases.ensure(settings.paths, kind)
        record.hosts = plan
        settings.paths.state.mkdir(parents=True, exist_ok=True)
        settings.paths.state.chmod(0o755)
        state.save(settings.paths, record)
        machine.raise_limits(settings)
        with report.step("network"):
            network.ensure(settings)
            _resolver(settings, record, parents)
        if software:
            with report.step("mirror"):
                _mirror(settings, record, parents)
        _hosts(settings, record, list(record.hosts), parents, report)
        bases.prune(settings.paths)
        inventory.write(settings, list(record.hosts.values()), checksums)
    return record


def merge(settings: Settings, record: State, specs: Sequence[HostSpec] | None) -> dict[str, HostRecord]:
    """The lab's hosts with the wanted ones added.

    :param specs: the wanted ones; when None, the default ones if there is no host yet.
    :raises LabError: a host exists with another init system or role, or there is no address left.
    """
    wanted = list(specs) if specs is not None else ([] if record.hosts else list(DEFAULT_HOSTS))
    problems = [
        f"{spec.name} exists as {old.kind} {old.role}, not {spec.kind} {spec.role}"
        for spec in wanted
        if (old := record.hosts.get(spec.name)) and (old.kind, old.role) != (spec.kind, spec.role)
    ]
    if problems:
        raise LabError("; ".join(problems), "run `lab down` first, or choose another name")
    taken = {name: old.address for name, old in record.hosts.items()}
    addresses = allocate([*taken, *(spec.name for spec in wanted)], taken, settings.network)
    hosts = dict(record.hosts)
    for spec in wanted:
        hosts.setdefault(
            spec.name,
            HostRecord(spec.name, spec.kind, spec.role, addresses[spec.name], bases.RECIPES[spec.kind].name),
        )
    return hosts


def kinds_of(hosts: dict[str, HostRecord]) -> set[Kind]:
    """The init systems that occur."""
    return {record.kind for record in hosts.values()}


def add(settings: Settings, name: str, kind: str, role: str, report: Reporter) -> State:
    """Add one host to a running lab and boot it.

    :raises LabError: the name is not possible or taken, or the lab is not up.
    """
    (spec,) = parse_hosts(
        [{"name": name, "kind": kind, "role": role}], settings.network, source=f"host {name}"
    )
    record = state.load(settings.paths)
    if name in record.hosts:
        raise LabError(f"host {name} exists already", "choose another name; `lab status` lists them")
    if not network.mounted(network.namespace(settings.paths)):
        raise LabError("the lab is not up", "run `lab up` first")
    return up(settings, [spec], software=False, report=report)


def stop(settings: Settings, name: str) -> None:
    """Power loss of one host.

    :raises LabError: there is no such host, or its processes do not end.
    """
    with state.lock(settings):
        find_host(settings, name)
        host.power_off(settings, name)


def wipe(settings: Settings, name: str) -> None:
    """Power loss of one host, and an empty disk.

    :raises LabError: there is no such host, or its processes do not end.
    """
    with state.lock(settings):
        find_host(settings, name)
        host.power_off(settings, name)
        host.wipe(settings, name)


def start(settings: Settings, name: str, report: Reporter) -> None:
    """Boot one host and wait for ssh; changes nothing when it runs.

    :raises LabError: there is no such host, the lab's network is gone, or the host does not come up.
    """
    with _changing(settings) as parents:
        record = state.load(settings.paths)
        find_host(settings, name)
        if not network.mounted(network.namespace(settings.paths)):
            raise LabError("the lab's network is gone", "run `lab up`, which also starts the hosts")
        _hosts(settings, record, [name], parents, report)


def save(settings: Settings, name: str, report: Reporter) -> None:
    """Power all hosts off at once, keep their disks as a snapshot, and boot those that were on.

    :raises LabError: there is no host, or no snapshot can have that name.
    """
    with _changing(settings) as parents:
        record = state.load(settings.paths)
        snapshot.complete(settings, record)
        snapshot.check_free(settings.paths, name)
        if not record.hosts:
            raise LabError("there is no host to save", "run `lab up` first")
        on = [host_name for host_name in record.hosts if host.running(settings, host_name)]
        with report.step("power off"):
            _power_off_all(settings, record)
        with report.step(f"snapshot {name}"):
            snapshot.take(settings, name, record)
        _hosts(settings, record, on, parents, report)


def restore(settings: Settings, name: str, report: Reporter) -> None:
    """Replace all hosts by those of a snapshot, with the disks that they had, and boot them.

    :raises LabError: there is no such snapshot, it is of another name or subnet, or the lab is not up.
    """
    with _changing(settings) as parents:
        record = state.load(settings.paths)
        snapshot.complete(settings, record)
        found = snapshot.load(settings.paths, name)
        snapshot.check_network(found, settings.network)
        if not network.mounted(network.namespace(settings.paths)):
            raise LabError("the lab is not up", "run `lab up` first")
        with report.step("power off"):
            _power_off_all(settings, record)
        with report.step(f"disks of {name}"):
            discarded = snapshot.restore(settings, found, record)
        # Removing them takes as long as booting.
        with ThreadPoolExecutor(1) as pool:
            pool.submit(shutil.rmtree, discarded, ignore_errors=True)
            _hosts(settings, record, list(record.hosts), parents, report)
        inventory.write(settings, list(record.hosts.values()), inventory.current_checksums(settings))


def _power_off_all(settings: Settings, record: State) -> None:
    _each(lambda name: host.power_off(settings, name), list(record.hosts))


def find_host(settings: Settings, name: str) -> HostRecord:
    """The record of a host.

    :raises LabError: there is no such host.
    """
    hosts = state.load(settings.paths).hosts
    if name not in hosts:
        raise LabError(f"there is no host {name}", f"the lab has: {', '.join(hosts) or 'none; run `lab up`'}")
    return hosts[name]


def _hosts(
    settings: Settings, record: State, names: Sequence[str], parents: Sequence[Parent], report: Reporter
) -> None:
    snapshot.complete(settings, record)
    host.ensure_key(host.key_file(settings), f"{settings.name}-lab")
    with report.step("disks"):
        _each(lambda name: host.prepare(settings, record.hosts[name]), list(record.hosts))
    write_atomic(settings.paths.known_hosts, host.known_hosts(settings, record.hosts.values()))
    network.write_records(settings, [(h.name, h.address) for h in record.hosts.values()])
    off = [name for name in names if not host.running(settings, name)]
    for name in off:
        # One after the other: moving between control groups concerns the whole process. It takes
        # milliseconds.
        host.boot(settings, record.hosts[name], parents)

    def ready(name: str) -> None:
        with report.step(f"host {name}"):
            host.wait_ready(settings, record.hosts[name])

    _each(ready, names)


def _each(action: Callable[[str], None], names: Sequence[str]) -> None:
    """Run something for all names in parallel; every failure is reported, not only the first."""
    with ThreadPoolExecutor(max_workers=max(1, len(names))) as pool:
        failures = []
        for future in [pool.submit(action, name) for name in names]:
            try:
                future.result()
            except LabError as exc:
                failures.append(exc)
    if failures:
        raise LabError("\n".join(f.message for f in failures), failures[0].hint)


def _service_groups(settings: Settings, parents: Sequence[Parent]) -> list[Path]:
    return cgroups.create(parents, cgroups.lab_group(settings.name), cgroups.SERVICES)


def _alive(record: State, service: str) -> bool:
    processes = record.services.get(service, [])
    return bool(processes) and all(p.alive() for p in processes)


def _stop_service(record: State, service: str) -> None:
    for process in record.services.pop(service, []):
        state.kill(process)


def _stop_unrecorded(settings: Settings, record: State) -> None:
    """End services that a killed command started and did not record; they would keep their ports."""
    sessions = {p.pid for service in record.services.values() for p in service if p.alive()}
    groups = [group / cgroups.SERVICES for group in cgroups.find(settings.name)]
    for pid in cgroups.members(groups):
        with contextlib.suppress(ProcessLookupError):
            process = state.identify(pid)
            if process is not None and os.getsid(pid) not in sessions:
                state.kill(process)


def _start_service(
    settings: Settings, record: State, parents: Sequence[Parent], name: str, begin: Callable[[], list[int]]
) -> None:
    """Start a service unless all its processes run.

    :param begin: starts it and gives its processes.
    """
    if _alive(record, name):
        return
    _stop_service(record, name)
    _stop_unrecorded(settings, record)
    with cgroups.entered(_service_groups(settings, parents)):
        pids = begin()
    record.services[name] = _identified(pids)
    state.save(settings.paths, record)


def _resolver(settings: Settings, record: State, parents: Sequence[Parent]) -> None:
    _start_service(settings, record, parents, "resolver", lambda: [network.start_resolver(settings)])


def _mirror(settings: Settings, record: State, parents: Sequence[Parent]) -> None:
    address = settings.network.gateway
    _start_service(
        settings,
        record,
        parents,
        "mirror",
        lambda: mirror.start(settings.paths, address, FILES_PORT, REGISTRY_PORT),
    )


def _identified(pids: Sequence[int]) -> list[Process]:
    return [process for pid in pids if (process := state.identify(pid)) is not None]


@dataclass(frozen=True)
class Leftovers:
    """What of a lab is on the machine, found by names and paths.

    :param groups: control groups.
    :param pids: processes in them.
    :param mounts: mount points below the state directory, innermost last.
    :param interfaces: network interfaces.
    :param paths: directories and files.
    """

    groups: tuple[Path, ...]
    pids: tuple[int, ...]
    mounts: tuple[str, ...]
    interfaces: tuple[str, ...]
    paths: tuple[Path, ...]

    def __bool__(self) -> bool:
        return any((self.groups, self.pids, self.mounts, self.interfaces, self.paths))


def leftovers(
    settings: Settings, mountinfo: str | None = None, links: Sequence[str] | None = None
) -> Leftovers:
    """Look for everything the lab may have made.

    :param mountinfo: text of /proc/self/mountinfo; the machine's own when None.
    :param links: names of the machine's interfaces; the machine's own when None.
    """
    text = Path("/proc/self/mountinfo").read_text(encoding="utf-8") if mountinfo is None else mountinfo
    names = [entry.name for entry in Path("/sys/class/net").iterdir()] if links is None else links
    groups = cgroups.find(settings.name, text)
    state_directory = settings.paths.state
    return Leftovers(
        groups=tuple(groups),
        pids=tuple(sorted(cgroups.members(groups))),
        mounts=tuple(p for p in network.mount_points(text) if Path(p).is_relative_to(state_directory)),
        interfaces=tuple(network.interfaces(settings.network, names)),
        paths=tuple(p for p in (state_directory, *inventory.files(settings)) if p.exists()),
    )


def down(settings: Settings, report: Reporter) -> None:
    """Remove all of the lab but its cache.

    :raises LabError: something cannot be removed; the message names it.
    """
    with state.lock(settings):
        try:
            record = state.load(settings.paths)
        except LabError:
            record = State()
        with report.step("processes and control groups"):
            cgroups.remove(cgroups.find(settings.name))
            for service in list(record.services):
                _stop_service(record, service)
        with report.step("network"):
            network.remove(settings)
        machine.restore_limits(settings)
        with report.step("files"):
            for point in reversed(leftovers(settings).mounts):
                run(["umount", "--lazy", point])
            inventory.remove(settings)
            if settings.paths.state.exists():
                shutil.rmtree(settings.paths.state)
        left = leftovers(settings)
        if left:
            raise LabError(f"after removal there still is: {left}", "run `lab down` again")


@dataclass(frozen=True)
class HostStatus:
    """A host as it is now.

    :param on: whether any of its processes runs.
    :param memory: bytes it holds besides idle page cache, None when unknown.
    :param disk: bytes of its own files.
    """

    record: HostRecord
    on: bool
    memory: int | None
    disk: int


def status(settings: Settings) -> list[HostStatus]:
    """All hosts of the lab."""
    result = []
    for record in state.load(settings.paths).hosts.values():
        groups = host.all_groups(settings, record.name)
        result.append(
            HostStatus(
                record=record,
                on=bool(cgroups.members(groups)),
                memory=cgroups.memory_usage(groups),
                disk=disk_usage(host.directory(settings, record.name)),
            )
        )
    return result


def services(settings: Settings) -> dict[str, bool]:
    """Whether the resolver and the mirror run, for those that were started."""
    record = state.load(settings.paths)
    return {name: _alive(record, name) for name in record.services}


def disk_usage(directory: Path) -> int:
    """Bytes that a directory takes on disk."""
    if not directory.exists():
        return 0
    return int(run(["du", "-s", "--block-size=1", directory], check=False).stdout.split()[0])


def free(settings: Settings, everything: bool) -> int:
    """Remove what can be made again.

    :param everything: the whole cache, which is possible only when no lab uses it; otherwise what merely
        speeds up the next build.
    :return: bytes freed.
    :raises LabError: artifacts are being made right now, or a lab is up and `everything` is asked for.
    """
    paths = settings.paths
    with state.lock(settings):
        if everything:
            used = bases.users(paths)
            if cgroups.find(settings.name) or paths.state.exists() or used:
                raise LabError(
                    f"hosts use the cache: {', '.join(map(str, used)) or paths.state}",
                    "run `lab down` first (for each BMK_LAB_NAME), or `lab free` without --all",
                )
        freed = artifacts.free(paths, "all" if everything else "build")
        for directory in (paths.bases, paths.matrix) if everything else ():
            if directory.exists():
                freed += disk_usage(directory)
                shutil.rmtree(directory)
        return freed
