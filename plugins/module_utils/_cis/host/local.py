# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""The real host behind C(reader.Reader): its processes, its files, its kubelet."""

from __future__ import annotations

import contextlib
import errno
import http.client
import json
import os
import re
import socket
import ssl
import stat
import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.host import kubelet
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.host.arguments import Arguments
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.host.reader import (
    API_SERVER,
    ETCD,
    KUBE_PROXY,
    KUBELET,
    FileFact,
    Process,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os import tls

#: No configuration, certificate or policy is larger.
MOST_BYTES = 4 << 20
_PIECE = 65536
_MOST_FILES = 20000
_MOST_LINKS = 40
_SECONDS = 3.0
# UID of a Pod in the path of a control group; systemd's slices have underscores in it.
_GROUP_UID = re.compile(
    r"pod([0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12}|[0-9a-f]{32})(?=[./]|$)", re.M
)
# The kubelet mounts these into every container, whatever its control group is called.
_MOUNT_UID = re.compile(r"/pods/([0-9a-f-]{32,36})/(?:etc-hosts|containers/)")
_MANIFEST_UID = re.compile(r"^\s*[\"']?uid[\"']?:\s*[\"']?([0-9a-f-]{32,36})", re.M)
_CLIENT_PAIRS = (
    ("/etc/kubernetes/pki/apiserver-kubelet-client.crt", "/etc/kubernetes/pki/apiserver-kubelet-client.key"),
    ("/var/lib/kubelet/pki/kubelet-client-current.pem", "/var/lib/kubelet/pki/kubelet-client-current.pem"),
)


def _kind(mode: int) -> str:
    if stat.S_ISREG(mode):
        return "file"
    return "directory" if stat.S_ISDIR(mode) else "other"


def _reason(exc: OSError) -> str:
    return exc.strerror or str(exc) or type(exc).__name__


def _all(handle: int) -> bytes:
    """All of an open file, or more than C(MOST_BYTES) of it.

    Not in one piece: the kernel refuses to read /proc/sys into a large buffer.
    """
    parts = []
    left = MOST_BYTES + 1
    while left > 0:
        part = os.read(handle, min(left, _PIECE))
        if not part:
            break
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


class Host:
    """The host that this runs on.

    :param root: directory where the host is mounted. :param seconds: timeout of a connection.
    """

    def __init__(self, root: str = "/", seconds: float = _SECONDS) -> None:
        self.root = root
        self.seconds = seconds
        self._running: dict[str, list[Process]] | None = None
        self._own: dict[str, tuple[Process, ...]] = {}
        self._live: dict[str, t.Any] | OSError | None = None

    # Processes

    def processes(self, name: str) -> tuple[Process, ...]:
        if self._running is None:
            self._running = {}
            for pid in sorted(int(entry) for entry in os.listdir(self._proc()) if entry.isdigit()):
                with contextlib.suppress(OSError):
                    found = self._process(pid)
                    if found is not None:
                        self._running.setdefault(found.name, []).append(found)
        if name not in self._own:
            self._own[name] = tuple(item for item in self._running.get(name, ()) if self._ours(item))
        return self._own[name]

    def _proc(self, *parts: str) -> str:
        return os.path.join(self.root, "proc", *parts)

    def _bytes(self, *parts: str) -> bytes:
        with open(self._proc(*parts), "rb") as stream:
            return _all(stream.fileno())

    def _text(self, *parts: str) -> str:
        try:
            return self._bytes(*parts).decode("utf-8", "replace")
        except OSError:
            return ""

    def _process(self, pid: int) -> Process | None:
        raw = self._bytes(str(pid), "cmdline")
        if not raw:
            # A kernel thread, or a process that has ended.
            return None
        argv = tuple(
            word.decode("utf-8", "replace")
            for word in raw[: -1 if raw.endswith(b"\0") else None].split(b"\0")
        )
        try:
            program = os.readlink(self._proc(str(pid), "exe"))
        except OSError:
            program = ""
        if not program or program.endswith(" (deleted)"):
            # The file of a replaced package has another name.
            program = argv[0]
        name = os.path.basename(program)
        return Process(name, pid, argv, self._variables(pid) if name == ETCD else {})

    def _variables(self, pid: int) -> dict[str, str]:
        pairs = (item.partition("=") for item in self._text(str(pid), "environ").split("\0"))
        return {
            key: value
            for key, _equals, value in pairs
            if key.startswith("ETCD_") and not key.endswith(("PASSWORD", "TOKEN"))
        }

    def _ours(self, process: Process) -> bool:
        """Whether a process belongs to this cluster, and is not a workload's of the same name.

        A tenant may run an etcd, and so does every virtual or nested cluster. Components of the node use the network of
        the node: kubeadm's static Pods (hostNetwork), services of the host, and kube-proxy; containers of nested nodes
        have their own. Pods of the API have a UUID, while the kubelet gives a static Pod a hash of 32 digits
        (pkg/kubelet/config/common.go), unless its manifest sets a UID. Only kube-proxy, a DaemonSet, is expected in a
        Pod of the API.
        """
        uid = self._pod_uid(process.pid)
        static = bool(uid) and ("-" not in uid or uid in self._manifest_uids())
        if uid and not static and process.name != KUBE_PROXY:
            return False
        if static and os.path.isdir(os.path.join(self.root, kubelet.ROOT_DIR.lstrip("/"), "pods", uid)):
            return True
        return self._network(str(process.pid)) == (self._network("1") or self._network("self"))

    def _network(self, pid: str) -> str:
        try:
            return os.readlink(self._proc(pid, "ns", "net"))
        except OSError:
            return ""

    def _pod_uid(self, pid: int) -> str:
        groups = [uid.replace("_", "-") for uid in _GROUP_UID.findall(self._text(str(pid), "cgroup"))]
        if not groups:
            groups = _MOUNT_UID.findall(self._text(str(pid), "mountinfo"))
        # A cluster within a Pod: the outermost one is a workload, and so is everything inside.
        return next((uid for uid in groups if "-" in uid), groups[0] if groups else "")

    def _manifest_uids(self) -> set[str]:
        found: set[str] = set()
        for fact in self.walk(kubelet.STATIC_PODS):
            if fact.kind == "file":
                with contextlib.suppress(OSError):
                    found.update(_MANIFEST_UID.findall(self.read(fact.path).decode("utf-8", "replace")))
        return found

    # Files

    def _base(self, process: Process | None) -> str:
        return self.root if process is None else self._proc(str(process.pid), "root")

    def _absolute(self, path: str, process: Process | None) -> str:
        if path.startswith("/"):
            return path
        directory = ""
        if process is not None:
            with contextlib.suppress(OSError):
                directory = os.readlink(self._proc(str(process.pid), "cwd"))
        return os.path.join(directory if directory.startswith("/") else "/", path)

    def _real(self, path: str, process: Process | None) -> str:
        """Resolve all symbolic links of a path below the root of the process.

        A container's absolute links point into the container; the kernel would follow them from the host's root.

        :raises OSError: when a directory on the path is missing, or links form a loop.
        """
        base = self._base(process)
        todo = [part for part in reversed(self._absolute(path, process).split("/")) if part not in ("", ".")]
        done: list[str] = []
        links = 0
        while todo:
            part = todo.pop()
            if part == "..":
                done = done[:-1]
                continue
            here = os.path.join(base, *done, part)
            if not stat.S_ISLNK(os.lstat(here).st_mode):
                done.append(part)
                continue
            links += 1
            if links > _MOST_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
            leads = os.readlink(here)
            if leads.startswith("/"):
                done = []
            todo += [part for part in reversed(leads.split("/")) if part not in ("", ".")]
        # With a trailing slash, as the root of a process is a link itself.
        return os.path.join(base, *done) if done else os.path.join(base, "")

    def stat(self, path: str, process: Process | None = None) -> FileFact:
        link = self._link(path, process)
        try:
            found = os.lstat(self._real(path, process))
        except (FileNotFoundError, NotADirectoryError):
            return FileFact(path, link=link)
        except OSError as exc:
            return FileFact(path, error=_reason(exc), link=link)
        return FileFact(
            path, _kind(found.st_mode), stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid, link=link
        )

    def _link(self, path: str, process: Process | None) -> str:
        directory, name = os.path.split(path.rstrip("/"))
        try:
            return os.readlink(os.path.join(self._real(directory, process), name)) if name else ""
        except OSError:
            return ""

    def read(self, path: str, process: Process | None = None) -> bytes:
        # Not blocking: a FIFO in place of a file must not stop the audit.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        handle = os.open(self._real(path, process), flags)
        try:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise OSError(errno.EINVAL, "not a regular file", path)
            data = _all(handle)
        finally:
            os.close(handle)
        if len(data) > MOST_BYTES:
            raise OSError(errno.EFBIG, f"larger than {MOST_BYTES >> 20} MiB", path)
        return data

    def walk(self, path: str, process: Process | None = None) -> tuple[FileFact, ...]:
        first = self.stat(path, process)
        if first.kind == "missing":
            return (first,) if first.error else ()
        found = [first]
        directories = [path] if first.kind == "directory" else []
        while directories:
            directory = directories.pop()
            try:
                names = sorted(os.listdir(self._real(directory, process)))
            except OSError as exc:
                found.append(FileFact(directory, error=_reason(exc)))
                continue
            for name in names:
                fact = self.stat(f"{directory.rstrip('/')}/{name}", process)
                found.append(fact)
                if fact.kind == "directory" and not fact.link:
                    directories.append(fact.path)
            if len(found) > _MOST_FILES:
                found.append(FileFact(path, error=f"more than {_MOST_FILES} files"))
                break
        return (first, *sorted(found[1:], key=lambda fact: fact.path))

    # Ports

    def served_certificate(self, address: str, port: int) -> bytes:
        plain = socket.create_connection((address, port), timeout=self.seconds)
        with plain, tls.unverified_context().wrap_socket(plain) as secure:
            shown = secure.getpeercert(binary_form=True)
        if not shown:
            raise OSError(f"{address}:{port} served no certificate")
        return shown

    def configz(self) -> dict[str, t.Any]:
        if self._live is None:
            try:
                self._live = self._ask()
            except OSError as exc:
                self._live = exc
        if isinstance(self._live, OSError):
            raise self._live
        return self._live

    def _ask(self) -> dict[str, t.Any]:
        running = self.processes(KUBELET)
        if not running:
            raise OSError("no kubelet runs")
        address, port = kubelet.from_files(self, running[0]).endpoint()
        refused = "this host has no client certificate for it"
        for cert, key in self._client_pairs():
            context = tls.unverified_context()
            try:
                context.load_cert_chain(cert, key, password="")
            except (OSError, ValueError) as exc:
                refused = f"a client certificate cannot be used: {type(exc).__name__}"
                continue
            status, body = self._get(context, address, port)
            if status == http.client.OK:
                return _config(body)
            refused = f"it answers HTTP {status} to the client certificates of this host"
        raise OSError(refused)

    def _get(self, context: ssl.SSLContext, address: str, port: int) -> tuple[int, bytes]:
        """Status and body of C(/configz). :raises OSError: when nothing answers."""
        connection = http.client.HTTPSConnection(address, port, timeout=self.seconds, context=context)
        try:
            connection.request("GET", "/configz")
            answer = connection.getresponse()
            return answer.status, answer.read(MOST_BYTES)
        except http.client.HTTPException as exc:
            raise OSError(f"{address}:{port} does not speak HTTP: {type(exc).__name__}") from exc
        finally:
            connection.close()

    def _client_pairs(self) -> t.Iterator[tuple[str, str]]:
        """Client certificates that a kubelet may accept: the API server's first, its own last."""
        pairs: list[tuple[str, str, Process | None]] = []
        for process in self.processes(API_SERVER):
            arguments = Arguments(process.argv)
            cert = arguments.last("kubelet-client-certificate") or ""
            key = arguments.last("kubelet-client-key") or ""
            if cert and key:
                pairs.append((cert, key, process))
        pairs += [(cert, key, None) for cert, key in _CLIENT_PAIRS]
        seen = set()
        for cert, key, owner in pairs:
            with contextlib.suppress(OSError):
                found = (self._real(cert, owner), self._real(key, owner))
                if (cert, key) not in seen:
                    seen.add((cert, key))
                    yield found


def _config(body: bytes) -> dict[str, t.Any]:
    try:
        found = json.loads(body)["kubeletconfig"]
    except (ValueError, KeyError, TypeError):
        found = None
    if not isinstance(found, dict):
        raise OSError("its response has no kubeletconfig")
    return found
