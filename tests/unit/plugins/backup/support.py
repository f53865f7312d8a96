# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A control plane in a directory, its etcd, and programs that stand for age and etcdutl."""

from __future__ import annotations

import hashlib
import os
import shutil
import typing as t
from pathlib import Path

from ansible_collections.baremetal.kubernetes.plugins.module_utils._backup import archive, create, host_files
from ansible_collections.baremetal.kubernetes.plugins.module_utils._backup.etcdutl import Etcdutl
from ansible_collections.baremetal.kubernetes.plugins.module_utils._etcd.client import Etcd

from tests.unit.support import boltdb, certificates

KEY = create.KEY.decode()
AGE_KEY = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"
ENCRYPTION = "/etc/kubernetes/encryption/config.yaml"
SECRET = b"a key that nobody may see"


def record(key: str, value: bytes) -> bytes:
    """An entry of etcd's database (mvccpb.KeyValue) of a short key."""
    return (
        b"\x0a"
        + bytes([len(key)])
        + key.encode()
        + b"\x10\x02\x18\x02\x20\x01\x2a"
        + bytes([len(value)])
        + value
    )


def database(*keys: str) -> bytes:
    """A database of etcd."""
    return boltdb.database(
        {
            "key": {f"{number:016x}": record(key, b"k8s") for number, key in enumerate(keys)},
            "meta": {"x": b"y"},
        }
    )


def snapshot(*keys: str) -> bytes:
    """A snapshot as etcd sends it."""
    content = database(*keys)
    return content + hashlib.sha256(content).digest()


def manifest_text(component: str, *arguments: str) -> str:
    words = "".join(f"    - --{argument}\n" for argument in arguments)
    return (
        f"apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - command:\n    - {component}\n{words}"
        f"    image: registry.example/{component}:v1.36.4\n    name: {component}\n"
    )


def control_plane(root: Path, encrypts: bool = True) -> Path:
    """The files of a control plane."""

    def put(path: str, content: bytes | str, mode: int = 0o600) -> None:
        target = root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content if isinstance(content, bytes) else content.encode())
        target.chmod(mode)

    authority = certificates.authority()
    for path in host_files.AUTHORITIES:
        put(path, SECRET + path.encode(), 0o644 if path.endswith(".crt") else 0o600)
    put("/etc/kubernetes/pki/ca.crt", authority.pem, 0o644)
    server = ["encryption-provider-config=" + ENCRYPTION] if encrypts else []
    put(
        "/etc/kubernetes/manifests/kube-apiserver.yaml",
        manifest_text(
            "kube-apiserver",
            "etcd-servers=https://127.0.0.1:2379",
            "service-cluster-ip-range=10.96.0.0/12",
            *server,
        ),
    )
    put(
        "/etc/kubernetes/manifests/kube-controller-manager.yaml",
        manifest_text("kube-controller-manager", "cluster-cidr=10.244.0.0/16"),
    )
    put("/etc/kubernetes/manifests/kube-scheduler.yaml", manifest_text("kube-scheduler"))
    put("/etc/kubernetes/manifests/etcd.yaml", manifest_text("etcd", "name=cp1"))
    for name in ("kubelet.conf", "admin.conf"):
        put(f"/etc/kubernetes/{name}", "")
    put("/var/lib/kubelet/config.yaml", "clusterDomain: cluster.local\n")
    (root / "var/lib/etcd/member").mkdir(parents=True)
    if encrypts:
        put(ENCRYPTION, SECRET)
    return root


class FakeEtcd(Etcd):
    """An etcd that answers what a test wants."""

    def __init__(self, data: bytes = b"", failure: str | None = None, learner: bool = False) -> None:
        self._endpoint = "https://127.0.0.1:2379"
        self.data = data or snapshot("/registry/pods/x", KEY)
        self.failure = failure
        self.learner = learner

    def local_failure(self) -> str | None:
        return self.failure

    def status(self) -> dict[str, t.Any]:
        header = {"cluster_id": "171", "member_id": "205", "revision": "7"}
        return {
            "header": header,
            "version": "3.6.8",
            "dbSize": str(len(self.data)),
            "isLearner": self.learner,
        }

    def snapshot(self, write: t.Callable[[bytes], t.Any]) -> tuple[int, str]:
        write(self.data)
        return len(self.data), hashlib.sha256(self.data).hexdigest()


class FakeEtcdutl(Etcdutl):
    """Restores by cutting off the checksum."""

    def status(self, snapshot: str, seconds: float = 0) -> dict[str, t.Any]:
        return {"hash": 171, "revision": 7, "totalKey": 2, "totalSize": os.path.getsize(snapshot)}

    def restore(
        self, snapshot: str, data_directory: str, options: t.Sequence[str] = (), seconds: float = 0
    ) -> None:
        target = Path(data_directory) / "member" / "snap" / "db"
        target.parent.mkdir(parents=True)
        target.write_bytes(Path(snapshot).read_bytes()[:-32])


def programs_in(directory: Path, **scripts: str) -> str:
    """A directory of programs beside those of the system that the tests need."""
    directory.mkdir(exist_ok=True)
    for name, script in scripts.items():
        (directory / name).write_text(f"#!/bin/sh\n{script}\n")
        (directory / name).chmod(0o755)
    for name in ("cat", "rev", "sh"):
        found = shutil.which(name)
        if found and not (directory / name).exists():
            (directory / name).symlink_to(found)
    return str(directory)


def sample(**files: bytes) -> tuple[archive.Manifest, dict[str, bytes], bytes]:
    """A manifest, small files by their name in the archive, and a snapshot."""
    data = snapshot(KEY)
    contents = {archive.FILES + path: content for path, content in files.items()}
    entries = [archive.entry_of(name, content, 0o600) for name, content in contents.items()]
    digest = hashlib.sha256(data).hexdigest()
    manifest = archive.Manifest(
        created="2026-11-29T03:00:00Z",
        host="cp1",
        cluster=archive.Cluster(
            "lab", "sha256:aa", "192.0.2.10:6443", "1.36.4", "10.96.0.0/12", "10.244.0.0/16"
        ),
        etcd=archive.Etcd("3.6.8", "ab", "cd", "cp1", 7, 2, "ff"),
        entries=(*entries, archive.Entry(archive.SNAPSHOT, len(data), digest)),
    )
    return manifest, contents, data
