# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Section 1.1: modes and owners of control-plane files."""

from __future__ import annotations

import re
import typing as t
from dataclasses import replace

from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.host import etcd, keys, kubelet
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.host.arguments import Arguments
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.host.files import (
    Found,
    Target,
    mode_check,
    owner_check,
    target,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.host.reader import (
    API_SERVER,
    CONTROLLER_MANAGER,
    ETCD,
    SCHEDULER,
    FileFact,
    Process,
    Reader,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.model import (
    ERROR,
    FAIL,
    NOT_APPLICABLE,
    PASS,
    Evidence,
    FileFix,
    Result,
    worst,
)

Evaluate = t.Callable[[Reader], Result]

_KUBERNETES = "/etc/kubernetes"
_PKI = f"{_KUBERNETES}/pki"
_KUBECONFIGS = tuple(
    f"{_KUBERNETES}/{name}.conf"
    for name in ("admin", "super-admin", "scheduler", "controller-manager", "kubelet")
)
# Directories that have more than certificates: only the files that a program names are checked there.
_SHARED = (
    "/",
    "/etc",
    "/etc/kubernetes",
    "/etc/ssl",
    "/etc/ssl/certs",
    "/var/lib/kubelet",
    "/var/lib",
    "/opt",
    "/root",
)
_CNI = "/etc/cni/net.d"
_CONF_DIR = re.compile(r"""^\s*(?:cni\.)?conf_dir\s*=\s*["']([^"']+)["']""", re.MULTILINE)
_NETWORK_DIR = re.compile(r"""^\s*network_dir\s*=\s*["']([^"']+)["']""", re.MULTILINE)
_IMPORTS = re.compile(r"^\s*imports\s*=\s*\[([^\]]*)\]", re.MULTILINE)
_PKI_FLAGS = {
    API_SERVER: (
        "client-ca-file",
        "etcd-cafile",
        "etcd-certfile",
        "etcd-keyfile",
        "kubelet-certificate-authority",
        "kubelet-client-certificate",
        "kubelet-client-key",
        "proxy-client-cert-file",
        "proxy-client-key-file",
        "requestheader-client-ca-file",
        "service-account-key-file",
        "service-account-signing-key-file",
        "tls-cert-file",
        "tls-private-key-file",
    ),
    CONTROLLER_MANAGER: (
        "cluster-signing-cert-file",
        "cluster-signing-key-file",
        "root-ca-file",
        "service-account-private-key-file",
    ),
    ETCD: (
        "cert-file",
        "key-file",
        "trusted-ca-file",
        "peer-cert-file",
        "peer-key-file",
        "peer-trusted-ca-file",
    ),
}


# Static Pods


def manifests(reader: Reader, program: str) -> tuple[str, list[FileFact]]:
    """The directory of static Pods, and its manifests that run a program.

    The kubelet runs every file of the directory that is not hidden, including a forgotten copy.
    """
    directory, problem = kubelet.static_pod_path(reader)
    runs = re.compile(rf"""^\s*-?\s*["']?(?:\S*/)?{re.escape(program)}["']?,?\s*$""", re.MULTILINE)
    found = [FileFact(directory, error=f"perhaps another directory: {problem}")] if problem else []
    for fact in reader.walk(directory):
        inner = fact.path[len(directory.rstrip("/")) + 1 :]
        if fact.error:
            found.append(fact)
        elif fact.kind != "file" or "/" in inner or inner.startswith("."):
            continue
        elif inner == f"{program}.yaml":
            found.append(fact)
        else:
            try:
                text = reader.read(fact.path).decode("utf-8", "replace")
            except OSError as exc:
                found.append(replace(fact, error=exc.strerror or str(exc)))
                continue
            if runs.search(text):
                found.append(fact)
    return directory, found


class _UnreadError(Exception):
    """A configuration could not be read; the text says which and why."""


def _text(reader: Reader, path: str, process: Process | None = None) -> str:
    """A configuration, empty when there is none. :raises _UnreadError: when it cannot be read."""
    try:
        return reader.read(path, process).decode("utf-8", "replace")
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as exc:
        raise _UnreadError(f"{path} could not be read: {exc.strerror or exc}") from exc


def _manifest(program: str) -> t.Callable[[Reader, str], Found]:
    def find(reader: Reader, check_id: str) -> Found:
        directory, facts = manifests(reader, program)
        if facts:
            return [Target(fact) for fact in facts]
        if reader.processes(program):
            return Result(
                check_id,
                NOT_APPLICABLE,
                f"{program} does not run from a manifest in {directory}, so there is no such file.",
                (Evidence(directory, program, "no manifest", "a manifest, if it is a static Pod"),),
            )
        if program == ETCD and reader.processes(API_SERVER):
            return _external(reader, check_id)
        return Result(
            check_id,
            ERROR,
            f"{program} does not run, and {directory} has no manifest for it. Start it, or audit this host"
            " without the"
            " component.",
        )

    return find


def _external(reader: Reader, check_id: str) -> Result:
    servers = [
        Evidence(
            f"process {API_SERVER}", "--etcd-servers", ",".join(Arguments(process.argv).words("etcd-servers"))
        )
        for process in reader.processes(API_SERVER)
    ]
    return Result(
        check_id,
        NOT_APPLICABLE,
        "etcd does not run on this host; it is audited on the hosts where it does.",
        tuple(servers),
    )


# etcd's data


def _data_dir(reader: Reader, check_id: str) -> Found:
    running = reader.processes(ETCD)
    if not running:
        _directory, facts = manifests(reader, ETCD)
        if reader.processes(API_SERVER) and not facts:
            return _external(reader, check_id)
        return Result(
            check_id,
            ERROR,
            "etcd does not run, so its data directory is not known. Start it and audit again.",
        )
    found = []
    for process in running:
        settings = etcd.read(reader, process)
        if settings.problem:
            return Result(check_id, ERROR, f"{settings.problem}. Correct it, as etcd reads it as well.")
        # Without one, etcd creates a directory with its name in its working directory.
        path = settings.text("data-dir")[0] or f"{settings.text('name')[0] or 'default'}.etcd"
        found.append(target(reader, path, process, allowed=0o700))
    return found


def _account(reader: Reader, path: str, name: str) -> int | None:
    """Number of a user or a group in the host's own table; a container may have another one.

    :raises OSError: when the table cannot be read.
    """
    for line in reader.read(path).decode("utf-8", "replace").splitlines():
        fields = line.split(":")
        if len(fields) > 2 and fields[0] == name and fields[2].isdigit():
            return int(fields[2])
    return None


def _data_owner(reader: Reader) -> Result:
    check_id = "1.1.12"
    found = _data_dir(reader, check_id)
    if isinstance(found, Result):
        return found
    try:
        uid, gid = _account(reader, "/etc/passwd", "etcd"), _account(reader, "/etc/group", "etcd")
    except OSError as exc:
        return Result(
            check_id,
            ERROR,
            f"The users of the host could not be read: {exc}. Find out why root cannot read them.",
        )
    broken = [item.fact for item in found if item.fact.error or item.fact.kind == "missing"]
    if broken:
        return Result(
            check_id,
            ERROR,
            f"{broken[0].path} could not be inspected: {broken[0].error or 'no such directory'}.",
        )
    expected = "owner etcd:etcd" + (f" ({uid}:{'?' if gid is None else gid})" if uid is not None else "")
    evidences, statuses, literals = [], [], []
    for item in found:
        # The user decides who has access: the directory's mode gives the group nothing (1.1.11).
        status = PASS if uid is not None and item.fact.uid == uid else FAIL
        statuses.append(status)
        literals.append(PASS if status == PASS and item.fact.gid == gid else FAIL)
        observed = f"{item.fact.uid}:{item.fact.gid}"
        evidences.append(Evidence(item.fact.path, "owner", observed, expected, status))
    fixes = [
        FileFix(item.fact.path, uid=uid, gid=gid)
        for item in found
        if uid is not None and item.fixable and (item.fact.uid, item.fact.gid) != (uid, gid)
    ]
    status, literal = worst(statuses), worst(literals)
    if uid is None:
        message = (
            "This host has no user etcd; create it as a system user without a shell, and chown the"
            " directory to it."
        )
    else:
        message = f"The data directory of etcd is owned by {evidences[0].observed} (user:group); user etcd is {uid}."
    return Result(
        check_id, status, message, tuple(evidences), "" if literal == status else literal, tuple(fixes)
    )


# Kubeconfigs


def _admin(reader: Reader, check_id: str) -> Found:
    paths = ("/etc/kubernetes/admin.conf", "/etc/kubernetes/super-admin.conf")
    facts = [reader.stat(path) for path in paths]
    found = [Target(fact) for fact in facts if fact.error or fact.kind != "missing"]
    return found or Result(check_id, NOT_APPLICABLE, "This host has no administrator kubeconfig.")


def _kubeconfig(program: str, default: str) -> t.Callable[[Reader, str], Found]:
    def find(reader: Reader, check_id: str) -> Found:
        found = []
        for process in reader.processes(program):
            path, problem = _named_kubeconfig(reader, process)
            if problem:
                return Result(check_id, ERROR, f"{problem}. Correct it, as {program} reads it as well.")
            if path:
                found.append(target(reader, path, process))
        if found:
            return found
        fact = reader.stat(default)
        if fact.error or fact.kind != "missing":
            return [Target(fact)]
        if reader.processes(program):
            return Result(check_id, NOT_APPLICABLE, f"{program} runs without a kubeconfig.")
        return Result(
            check_id,
            ERROR,
            f"{program} does not run, and there is no {default}. Start it, or audit this host without the"
            " component.",
        )

    return find


def _named_kubeconfig(reader: Reader, process: Process) -> tuple[str, str]:
    """The kubeconfig that a program uses, and why it is not known."""
    arguments = Arguments(process.argv)
    config = arguments.last("config")
    if not config:
        return arguments.last("kubeconfig") or "", ""
    # The scheduler's file replaces its flags.
    try:
        values = kubelet.document(reader, config, process)
    except (OSError, ValueError) as exc:
        return "", f"{config} could not be read: {exc}"
    return str(kubelet.lookup(values, ("clientConnection", "kubeconfig"))[1] or ""), ""


# Certificates and keys


def _named_files(reader: Reader) -> dict[str, Process]:
    """Certificates and keys in the flags of control-plane programs, with the program."""
    found: dict[str, Process] = {}
    for program, flags in _PKI_FLAGS.items():
        for process in reader.processes(program):
            settings = etcd.read(reader, process) if program == ETCD else None
            arguments = Arguments(process.argv)
            for flag in flags:
                values = (settings.text(flag)[0],) if settings else arguments.all(flag)
                found.update({value: process for value in values if value.startswith("/")})
    return found


def _directories(named: t.Iterable[str]) -> list[str]:
    """Directories of certificates: kubeadm's, and those of named files; none that is inside another one."""
    wanted = sorted({_PKI, *(path.rpartition("/")[0] or "/" for path in named)} - set(_SHARED))
    return [path for path in wanted if not any(path.startswith(f"{other}/") for other in wanted)]


def _pki(reader: Reader) -> list[tuple[Target, Process | None]]:
    """All files in the directories of certificates, and those that programs name elsewhere, with who sees them."""
    named = {path: (target(reader, path, owner), owner) for path, owner in _named_files(reader).items()}
    # A path that is another file on the host, or none, is not in a directory of the host.
    directories = _directories(path for path, (item, _owner) in named.items() if item.fixable)
    found: dict[str, tuple[Target, Process | None]] = {
        fact.path: (Target(fact), None) for directory in directories for fact in reader.walk(directory)
    }
    for path, (item, owner) in named.items():
        found.setdefault(path, (item, None if item.fixable else owner))
    return [pair for pair in found.values() if pair[0].fact.error or pair[0].fact.kind != "missing"]


def _no_pki(reader: Reader, check_id: str) -> Result:
    if any(reader.processes(program) for program in _PKI_FLAGS):
        return Result(
            check_id, NOT_APPLICABLE, f"There is no such file in {_PKI}, and no program uses one elsewhere."
        )
    return Result(
        check_id,
        ERROR,
        f"There is no such file in {_PKI}, and no program runs that could use one elsewhere. Start the"
        " control plane or etcd.",
    )


def _pki_all(reader: Reader, check_id: str) -> Found:
    return [item for item, _owner in _pki(reader)] or _no_pki(reader, check_id)


def _outside(reader: Reader) -> t.Iterator[tuple[Target, Process | None]]:
    """Other files in kubeadm's directory, as copies of keys are left behind there. Its kubeconfigs have own checks."""
    for fact in reader.walk(_KUBERNETES):
        if not fact.path.startswith(f"{_PKI}/") and fact.path not in _KUBECONFIGS:
            yield Target(fact), None


def _held(reader: Reader, item: Target, owner: Process | None) -> tuple[str, Target]:
    """What a file holds, and the file; an error of reading it becomes one of the file."""
    fact = item.fact
    if fact.error or fact.kind != "file":
        return keys.OTHER, item
    try:
        kind = keys.kind_of(keys.content(reader, fact.path, owner))
    except OSError as exc:
        return keys.OTHER, replace(item, fact=replace(fact, error=exc.strerror or str(exc)))
    if fact.path.endswith(keys.OF_KEY):
        kind = keys.KEY
    elif kind != keys.KEY and fact.path.endswith(keys.OF_CERTIFICATE):
        kind = keys.CERTIFICATE
    return kind, item


def _pki_files(wanted: str, allowed: int) -> t.Callable[[Reader, str], Found]:
    """Files that hold keys or certificates, whatever they are called; what cannot be read may hold either."""

    def find(reader: Reader, check_id: str) -> Found:
        found: dict[str, Target] = {}
        for item, owner in (*_pki(reader), *(_outside(reader) if wanted == keys.KEY else ())):
            kind, read = _held(reader, item, owner)
            if kind == wanted or read.fact.error:
                found.setdefault(read.fact.path, Target(read.fact, allowed, fixable=read.fixable))
        return list(found.values()) or _no_pki(reader, check_id)

    return find


# Container network


def _cni_directories(reader: Reader) -> list[str]:
    """CNI configuration directories of the container runtimes; the kubelet has no flag for them."""
    found: list[str] = []
    for process in reader.processes("containerd"):
        arguments = Arguments(process.argv)
        path = arguments.last("config") or arguments.last("c") or "/etc/containerd/config.toml"
        found += _conf_dirs(reader, process, path) or [_CNI]
    for process in reader.processes("crio"):
        given = Arguments(process.argv).last("cni-config-dir")
        texts = [_text(reader, "/etc/crio/crio.conf", process)]
        texts += [_text(reader, fact.path, process) for fact in reader.walk("/etc/crio/crio.conf.d", process)]
        named = [path for text in texts for path in _NETWORK_DIR.findall(text)]
        # Files of the directory are read after the file, and the last one counts.
        found.append(given or (named[-1] if named else _CNI))
    return sorted({path.rstrip("/") for path in found}) or [_CNI]


def _conf_dirs(reader: Reader, process: Process, path: str) -> list[str]:
    """What containerd's configuration and its imports set."""
    text = _text(reader, path, process)
    found = _CONF_DIR.findall(text)
    for imports in _IMPORTS.findall(text):
        for pattern in re.findall(r"""["']([^"']+)["']""", imports):
            directory, _slash, name = pattern.rpartition("/")
            matcher = re.compile(re.escape(name).replace(r"\*", "[^/]*") + r"\Z")
            for fact in reader.walk(directory, process):
                if matcher.match(fact.path.rpartition("/")[2]):
                    found += _CONF_DIR.findall(_text(reader, fact.path, process))
    return found[-1:]


def _cni(reader: Reader, check_id: str) -> Found:
    try:
        directories = _cni_directories(reader)
    except _UnreadError as exc:
        return Result(check_id, ERROR, f"{exc}. Find out why root cannot read it.")
    found = [
        Target(fact)
        for directory in directories
        for fact in reader.walk(directory)
        if fact.error or fact.kind == "file"
    ]
    return found or Result(
        check_id,
        NOT_APPLICABLE,
        f"There is no CNI configuration in {', '.join(directories)}.",
        tuple(Evidence(directory, "files", "none") for directory in directories),
    )


_PAIRS: tuple[tuple[str, str, t.Callable[[Reader, str], Found]], ...] = (
    ("1.1.1", "1.1.2", _manifest(API_SERVER)),
    ("1.1.3", "1.1.4", _manifest(CONTROLLER_MANAGER)),
    ("1.1.5", "1.1.6", _manifest(SCHEDULER)),
    ("1.1.7", "1.1.8", _manifest(ETCD)),
    ("1.1.9", "1.1.10", _cni),
    ("1.1.13", "1.1.14", _admin),
    ("1.1.15", "1.1.16", _kubeconfig(SCHEDULER, "/etc/kubernetes/scheduler.conf")),
    ("1.1.17", "1.1.18", _kubeconfig(CONTROLLER_MANAGER, "/etc/kubernetes/controller-manager.conf")),
)
CHECKS: t.Mapping[str, Evaluate] = {
    **{mode: mode_check(mode, find) for mode, _owner, find in _PAIRS},
    **{owner: owner_check(owner, find) for _mode, owner, find in _PAIRS},
    "1.1.11": mode_check("1.1.11", _data_dir),
    "1.1.12": _data_owner,
    "1.1.19": owner_check("1.1.19", _pki_all),
    "1.1.20": mode_check("1.1.20", _pki_files(keys.CERTIFICATE, allowed=0o644)),
    "1.1.21": mode_check("1.1.21", _pki_files(keys.KEY, allowed=0o600)),
}
#: Checks that apply to an external etcd as well.
OF_ETCD = ("1.1.7", "1.1.8", "1.1.11", "1.1.12", "1.1.19", "1.1.20", "1.1.21")
