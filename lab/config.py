# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a lab is called, where its files live, and which hosts it has.

Everything that the lab creates on the machine is named after the lab's name, so that two labs can run side
by side and that each can find its own leftovers without any record of them.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import yaml

DEFAULT_NAME = "bmk"
DEFAULT_SUBNET = "10.61.0.0/24"
FILES_PORT = 8443
REGISTRY_PORT = 5443
#: Hosts are numbered from here, so that the first addresses stay free for the machine and for virtual ones.
FIRST_HOST_OFFSET = 10

Kind = Literal["systemd", "openrc"]
Role = Literal["control_plane", "worker"]
KINDS: tuple[str, ...] = get_args(Kind)
ROLES: tuple[str, ...] = get_args(Role)

#: Linux keeps interface names in 16 bytes, one of them the closing zero (linux/if.h, IFNAMSIZ).
INTERFACE_NAME_MAX = 15
#: RFC 1123 label, lower case only because Kubernetes takes the host's name as node name (RFC 1123 subdomain).
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_LAB_NAME = re.compile(r"[a-z][a-z0-9]{0,5}")
_SAFE_PATH = re.compile(r"[A-Za-z0-9._/-]+")
_RESERVED_HOST_NAMES = frozenset({"mirror", "localhost"})


class LabError(Exception):
    """Something that the lab needs is missing or wrong.

    :param message: what was found and what was expected, naming the host or component.
    :param hint: the next step for whoever reads it.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  -> {self.hint}" if self.hint else self.message


@dataclass(frozen=True)
class Paths:
    """The directories of one lab.

    :param cache: survives ``lab down``: artifacts, build caches, base root file systems.
    :param state: removed by ``lab down``: hosts' files, keys, logs, records.
    :param repo: the checkout of the collection.
    :param inventory: where the Ansible inventory is written.
    """

    cache: Path
    state: Path
    repo: Path
    inventory: Path

    @property
    def artifacts_cache(self) -> Path:
        return self.cache / "artifacts"

    @property
    def go_cache(self) -> Path:
        return self.cache / "go-build"

    @property
    def go_mod_cache(self) -> Path:
        return self.cache / "go-mod"

    @property
    def bases(self) -> Path:
        return self.cache / "bases"

    @property
    def matrix(self) -> Path:
        """Environments of the tests with other versions of Ansible; see tests/matrix."""
        return self.cache / "matrix"

    @property
    def pki(self) -> Path:
        return self.state / "pki"

    @property
    def hosts(self) -> Path:
        return self.state / "hosts"

    @property
    def logs(self) -> Path:
        return self.state / "logs"

    @property
    def ssh(self) -> Path:
        return self.state / "ssh"

    @property
    def known_hosts(self) -> Path:
        return self.state / "known_hosts"


@dataclass(frozen=True)
class Network:
    """Names and addresses on the lab's bridge.

    :param name: the lab's name.
    :param subnet: IPv4 subnet of the bridge; its first address is the machine's.
    """

    name: str
    subnet: ipaddress.IPv4Network

    @property
    def bridge(self) -> str:
        return f"{self.name}0"

    @property
    def interface_prefix(self) -> str:
        return f"{self.name}-"

    def interface(self, host: str) -> str:
        """The machine's end of the cable to `host`."""
        return f"{self.interface_prefix}{host}"

    @property
    def gateway(self) -> str:
        return str(self.subnet[1])

    @property
    def domain(self) -> str:
        return f"{self.name}.test"

    @property
    def mirror_name(self) -> str:
        return f"mirror.{self.domain}"

    @property
    def capacity(self) -> int:
        """How many hosts can have an address (the broadcast address is left out)."""
        return self.subnet.num_addresses - 1 - FIRST_HOST_OFFSET

    def host_address(self, index: int) -> str:
        return str(self.subnet[FIRST_HOST_OFFSET + index])


@dataclass(frozen=True)
class HostSpec:
    """One host as asked for.

    :param name: host name, also the Kubernetes node's name.
    :param kind: the init system.
    :param role: the inventory group.
    """

    name: str
    kind: Kind
    role: Role


@dataclass(frozen=True)
class Settings:
    """One lab: its directories and its network."""

    paths: Paths
    network: Network

    @property
    def name(self) -> str:
        return self.network.name


DEFAULT_HOSTS: tuple[HostSpec, ...] = (
    HostSpec("cp1", "systemd", "control_plane"),
    HostSpec("w1", "systemd", "worker"),
    HostSpec("w2", "openrc", "worker"),
)


def settings(environment: Mapping[str, str] | None = None) -> Settings:
    """The lab that the environment describes.

    Variables: ``BMK_LAB_NAME`` (default ``bmk``), ``BMK_LAB_SUBNET`` (default 10.61.0.0/24),
    ``BMK_LAB_STATE`` (default ``/var/lib/<name>-lab``), ``BMK_LAB_CACHE`` (default
    ``${XDG_CACHE_HOME:-~/.cache}/bmk-lab``, shared by all labs), ``BMK_LAB_INVENTORY`` (default
    ``inventories/lab`` of the checkout for the lab ``bmk``, ``<state>/inventory`` for any other).

    :param environment: the variables; the process's own when None.
    :raises LabError: a variable has an impossible value.
    """
    env = os.environ if environment is None else environment
    name = env.get("BMK_LAB_NAME") or DEFAULT_NAME
    if not _LAB_NAME.fullmatch(name):
        raise LabError(
            f"BMK_LAB_NAME is {name!r}; expected 1 to 6 lower-case letters and digits, a letter first",
            "choose a short name: it is part of every interface's name",
        )
    subnet_text = env.get("BMK_LAB_SUBNET") or DEFAULT_SUBNET
    try:
        subnet = ipaddress.IPv4Network(subnet_text)
    except ValueError as exc:
        raise LabError(
            f"BMK_LAB_SUBNET is {subnet_text!r}: {exc}", "give an IPv4 network such as 10.62.0.0/24"
        ) from exc
    if subnet.prefixlen > 27 or not subnet.is_private:
        raise LabError(
            f"BMK_LAB_SUBNET is {subnet}; expected a private IPv4 network of /27 or wider",
            "give a network such as 10.62.0.0/24",
        )
    home_cache = Path(env.get("XDG_CACHE_HOME") or Path(env.get("HOME") or "/root") / ".cache")
    repo = Path(__file__).resolve().parent.parent
    state = _absolute(env.get("BMK_LAB_STATE") or f"/var/lib/{name}-lab", "BMK_LAB_STATE")
    inventory = repo / "inventories" / "lab" if name == DEFAULT_NAME else state / "inventory"
    paths = Paths(
        cache=_absolute(env.get("BMK_LAB_CACHE") or str(home_cache / "bmk-lab"), "BMK_LAB_CACHE"),
        state=state,
        repo=repo,
        inventory=_absolute(env.get("BMK_LAB_INVENTORY") or str(inventory), "BMK_LAB_INVENTORY"),
    )
    return Settings(paths=paths, network=Network(name=name, subnet=subnet))


def _absolute(text: str, variable: str) -> Path:
    path = Path(text)
    if not path.is_absolute() or len(path.parts) < 3:
        raise LabError(
            f"{variable} is {text!r}; expected an absolute path at least two directories below /",
            "its directory is created and removed by the lab, so it must be the lab's own",
        )
    if not _SAFE_PATH.fullmatch(text) or path.is_relative_to("/run"):
        raise LabError(
            f"{variable} is {text!r}; expected a path outside /run, of letters, digits and ._/-",
            "it becomes part of mount options, and a host's supervisor has a /run of its own",
        )
    return path


def load_hosts(path: Path, network: Network) -> tuple[HostSpec, ...]:
    """Read a hosts file: ``hosts:`` is a list of mappings with name, kind and role.

    :raises LabError: the file cannot be read, or with all problems of it.
    """
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise LabError(f"hosts file {path}: {exc.strerror}", "check the path given with --hosts") from exc
    except yaml.YAMLError as exc:
        raise LabError(f"hosts file {path} is not YAML: {exc}", "see lab/README.md for an example") from exc
    if not isinstance(data, dict) or set(data) != {"hosts"} or not isinstance(data["hosts"], list):
        raise LabError(
            f"hosts file {path}: expected one key 'hosts' with a list", "see lab/README.md for an example"
        )
    return parse_hosts(data["hosts"], network, source=str(path))


def parse_hosts(entries: Sequence[Any], network: Network, source: str = "hosts") -> tuple[HostSpec, ...]:
    """Turn plain mappings into host specifications.

    :raises LabError: with every problem of every entry.
    """
    problems: list[str] = []
    specs: list[HostSpec] = []
    for number, entry in enumerate(entries, start=1):
        if not isinstance(entry, dict):
            problems.append(f"entry {number}: expected a mapping with name, kind and role, found {entry!r}")
            continue
        unknown = sorted(str(key) for key in set(entry) - {"name", "kind", "role"})
        missing = sorted({"name", "kind", "role"} - set(entry))
        if unknown:
            problems.append(f"entry {number}: unknown keys {', '.join(unknown)}")
        if missing:
            problems.append(f"entry {number}: missing {', '.join(missing)}")
            continue
        wrong = [f"entry {number}: {text}" for text in spec_problems(entry, network)]
        problems += wrong
        if not wrong:
            specs.append(HostSpec(name=entry["name"], kind=entry["kind"], role=entry["role"]))
    problems += _list_problems(specs, network)
    if not entries:
        problems.append("no host in the list")
    if problems:
        raise LabError(
            f"{source}: " + "; ".join(problems), "correct the hosts file and run the command again"
        )
    return tuple(specs)


def spec_problems(entry: Mapping[str, Any], network: Network) -> list[str]:
    """Problems of one host's name, kind and role."""
    problems = []
    name, kind, role = entry["name"], entry["kind"], entry["role"]
    longest = INTERFACE_NAME_MAX - len(network.interface_prefix)
    if not isinstance(name, str) or not _LABEL.fullmatch(name):
        problems.append(f"name {name!r} must be lower-case letters, digits and inner hyphens")
    elif len(name) > longest:
        problems.append(
            f"name {name!r} has {len(name)} characters; at most {longest} fit in an interface's name "
            f"after {network.interface_prefix}"
        )
    elif name in _RESERVED_HOST_NAMES:
        problems.append(f"name {name!r} is reserved")
    if kind not in KINDS:
        problems.append(f"kind {kind!r} must be one of {', '.join(KINDS)}")
    if role not in ROLES:
        problems.append(f"role {role!r} must be one of {', '.join(ROLES)}")
    return problems


def _list_problems(specs: Iterable[HostSpec], network: Network) -> list[str]:
    specs = list(specs)
    problems = []
    seen: set[str] = set()
    for spec in specs:
        if spec.name in seen:
            problems.append(f"name {spec.name!r} occurs twice")
        seen.add(spec.name)
    if len(specs) > network.capacity:
        problems.append(f"{len(specs)} hosts do not fit in {network.subnet} (room for {network.capacity})")
    return problems


def allocate(names: Sequence[str], taken: Mapping[str, str], network: Network) -> dict[str, str]:
    """An address for each name; those that already have one keep it.

    :param names: all hosts' names in the order in which new ones get addresses.
    :param taken: addresses given so far, by host name.
    :raises LabError: the subnet has no address left.
    """
    result = dict(taken)
    used = set(taken.values())
    free = (network.host_address(i) for i in range(network.capacity))
    for name in names:
        if name in result:
            continue
        address = next((a for a in free if a not in used), None)
        if address is None:
            raise LabError(
                f"host {name}: no address left in {network.subnet} ({len(used)} in use)",
                "remove hosts with `lab down`, or set BMK_LAB_SUBNET to a wider network",
            )
        result[name] = address
        used.add(address)
    return result
