# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Backups: archives, encryption, what is read on a control plane, and how long archives stay."""

from __future__ import annotations

import base64
import contextlib
import gzip
import io
import json
import os
import tarfile
import typing as t
from datetime import UTC, datetime
from pathlib import Path

import pytest
from ansible_collections.baremetal.kubernetes.plugins.action import etcd_snapshot as action
from ansible_collections.baremetal.kubernetes.plugins.module_utils._backup import (
    archive,
    create,
    encryption,
    etcdutl,
    host_files,
    retention,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._etcd.client import Etcd
from ansible_collections.baremetal.kubernetes.plugins.module_utils._etcd.members import EtcdError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._formats import bolt
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os import programs

from tests.unit.plugins.backup import support
from tests.unit.support import boltdb
from tests.unit.support.modules import RunModule

PGP = "-----BEGIN PGP PUBLIC KEY BLOCK-----\nx\n-----END PGP PUBLIC KEY BLOCK-----"


# Archives


def packed(**files: bytes) -> bytes:
    manifest, contents, data = support.sample(**files)
    out = io.BytesIO()
    archive.write(out, manifest, contents, io.BytesIO(data))
    return out.getvalue()


def test_an_archive_is_read_as_it_was_written() -> None:
    manifest, contents, data = support.sample(**{"/etc/kubernetes/pki/ca.key": b"key"})
    found: list[bytes] = []
    read, files = archive.read(io.BytesIO(packed(**{"/etc/kubernetes/pki/ca.key": b"key"})), found.append)
    assert read == manifest
    assert files == contents
    assert b"".join(found) == data
    assert [entry.path for entry in read.entries] == ["/etc/kubernetes/pki/ca.key", ""]


def test_nothing_of_a_file_is_in_its_summary() -> None:
    manifest, _contents, _data = support.sample(**{"/etc/kubernetes/pki/ca.key": b"key"})
    summary = manifest.summary()
    assert summary["files"] == ["/etc/kubernetes/pki/ca.key"]
    assert summary["etcd"]["revision"] == 7
    assert "sha256" not in json.dumps(summary["files"])


def test_every_cut_is_found() -> None:
    whole = packed()
    for end in range(0, len(whole) - 1, 97):
        with pytest.raises(archive.ArchiveError, match=r"damaged|cut off"):
            archive.read(io.BytesIO(whole[:end]), lambda piece: None)


def test_every_changed_byte_is_found() -> None:
    whole = packed()
    # The first bytes of gzip have a time and a system, which mean nothing.
    for at in range(10, len(whole)):
        data = bytearray(whole)
        data[at] ^= 0x20
        # Where a run of zeros is copied from makes no difference.
        with contextlib.suppress(archive.ArchiveError):
            assert archive.read(io.BytesIO(bytes(data)), lambda piece: None)[0] == support.sample()[0]
            assert gzip.decompress(data) == gzip.decompress(whole)


def repacked(change: t.Callable[[dict[str, t.Any]], t.Any], extra: dict[str, bytes] | None = None) -> bytes:
    """An archive with another manifest and further files."""
    manifest, _contents, data = support.sample()
    found = json.loads(manifest.render())
    change(found)
    out = io.BytesIO()
    files = {archive.MANIFEST: json.dumps(found).encode(), **(extra or {}), archive.SNAPSHOT: data}
    with gzip.open(out, "wb") as stream, tarfile.open(fileobj=stream, mode="w|") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (repacked(lambda found: found.update(format=2)), "format 2, expected 1"),
        (repacked(lambda found: found.pop("etcd")), "cannot be read"),
        (repacked(lambda found: found["cluster"].update(encrypts="no")), "encrypts is no bool"),
        (repacked(lambda found: found["cluster"].update(more=1)), "cannot be read"),
        (repacked(lambda found: None, {"files/etc/x": b"y"}), "files/etc/x in it is not what its manifest"),
        (repacked(lambda found: found["entries"][0].update(size=5)), "is not what its manifest names"),
        (repacked(lambda found: found["entries"][0].update(sha256="00")), "does not match its hash"),
        (
            repacked(lambda found: found["entries"].append({"name": "x", "size": 1, "sha256": ""})),
            "x is missing",
        ),
        (gzip.compress(b""), "cut off"),
        (b"no archive", "damaged"),
    ],
)
def test_other_archives_are_refused(data: bytes, message: str) -> None:
    with pytest.raises(archive.ArchiveError, match=message):
        archive.read(io.BytesIO(data), lambda piece: None)


# Recipients


def test_recipients_choose_the_program() -> None:
    assert encryption.parse([support.AGE_KEY, "ssh-ed25519 AAAA me@example"]).program == "age"
    assert encryption.parse([f" {PGP}\n"]) == encryption.Recipients("gpg", (PGP,))
    assert encryption.parse([PGP]).suffix == ".gpg"


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ([], "There is no recipient"),
        (["age2x"], "is no public key of age or GnuPG"),
        ([support.AGE_KEY, PGP], "both age and GnuPG"),
        (["AGE-SECRET-KEY-1QQQ"], "is a private key"),
    ],
)
def test_other_recipients_are_refused(keys: list[str], message: str) -> None:
    with pytest.raises(encryption.EncryptionError, match=message) as error:
        encryption.parse(keys)
    assert "QQQ" not in str(error.value)


def test_gnupg_reads_keys_from_files(tmp_path: Path) -> None:
    argv = encryption.command(encryption.parse([PGP, PGP]), "/usr/bin/gpg", str(tmp_path))
    assert argv.count("--recipient-file") == 2
    assert (tmp_path / "gnupg" / "recipient-1.asc").read_text().startswith(PGP)
    assert not any("BEGIN" in word for word in argv)


@pytest.fixture
def age(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stands for age: the output is the input after a line."""
    directory = support.programs_in(tmp_path / "bin", age="echo encrypted; exec cat")
    monkeypatch.setattr(programs, "SEARCH_PATH", (directory,))
    return tmp_path / "bin"


def encrypt(directory: Path, data: bytes) -> bytes:
    target = directory / "out"
    with target.open("w+b") as out:
        recipients = encryption.parse([support.AGE_KEY])
        with encryption.encrypting(recipients, out, str(directory), "cp1") as sink:
            sink.write(data)
    return target.read_bytes()


def test_a_program_encrypts(age: Path, tmp_path: Path) -> None:
    assert encrypt(tmp_path, b"x" * 300_000) == b"encrypted\n" + b"x" * 300_000


def test_a_program_that_fails_says_why(age: Path, tmp_path: Path) -> None:
    support.programs_in(age, age="echo 'no such recipient' >&2; exit 3")
    with pytest.raises(encryption.EncryptionError, match=r"cp1: age failed \(3\): no such recipient"):
        encrypt(tmp_path, b"x" * 3_000_000)


def test_a_missing_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "SEARCH_PATH", (str(tmp_path),))
    with pytest.raises(encryption.EncryptionError, match="age is not installed"):
        encrypt(tmp_path, b"x")


# Retention

NAMES = [
    "a-20261101T000000Z.tar.gz.age",
    "a-20261110T000000Z.tar.gz.gpg",
    "a-20261120T000000Z.tar.gz.age",
    "a-b-20261101T000000Z.tar.gz.age",
    "a-20261101T000000Z.tar.gz",
    ".a-20261101T000000Z.tar.gz.age.x",
    "notes.txt",
]
NOW = datetime(2026, 11, 21, tzinfo=UTC)


@pytest.mark.parametrize(
    ("keep", "days", "expected"),
    [
        (3, 0, []),
        (1, 0, NAMES[:2]),
        (2, 0, NAMES[:1]),
        (1, 15, NAMES[:1]),
        (1, 30, []),
        # The newest one stays in any case.
        (0, 0, NAMES[:2]),
        (9, 1, []),
    ],
)
def test_expired(keep: int, days: int, expected: list[str]) -> None:
    assert retention.expired(NAMES, "a", keep, days, NOW) == expected


def test_names_of_archives() -> None:
    name = retention.file_name("site a/b", "2026-11-29T03:00:00Z", ".age")
    assert name == "site_a_b-20261129T030000Z.tar.gz.age"
    assert retention.expired(
        [name, name.replace("29T", "30T")], "site a/b", 1, 0, NOW.replace(year=2027)
    ) == [name]


# The control plane


def test_files_of_a_control_plane(tmp_path: Path) -> None:
    source = host_files.observe(str(support.control_plane(tmp_path)), "lab", "cp1")
    assert source.cluster.service_cidr == "10.96.0.0/12"
    assert (source.cluster.kubernetes_version, source.cluster.dns_domain) == ("1.36.4", "cluster.local")
    assert source.cluster.id.startswith("sha256:")
    assert source.cluster.encrypts
    assert source.image == "registry.example/etcd:v1.36.4"
    assert set(host_files.AUTHORITIES) <= set(source.files)
    assert source.files[support.ENCRYPTION] == (support.SECRET, 0o600)
    # Without the CA's key, an interrupted restore leaves a host that site refuses.
    assert host_files.AUTHORITIES[-1].endswith("pki/ca.key")


def test_a_missing_key_is_refused(tmp_path: Path) -> None:
    (support.control_plane(tmp_path) / "etc/kubernetes/pki/sa.key").unlink()
    with pytest.raises(host_files.SourceError, match=r"sa\.key cannot be read: No such file"):
        host_files.observe(str(tmp_path), "lab", "cp1")


def test_an_external_etcd_is_refused(tmp_path: Path) -> None:
    root = support.control_plane(tmp_path)
    (root / "var/lib/etcd/member").rmdir()
    (root / "etc/kubernetes/manifests/etcd.yaml").unlink()
    text = (root / "etc/kubernetes/manifests/kube-apiserver.yaml").read_text()
    (root / "etc/kubernetes/manifests/kube-apiserver.yaml").write_text(text.replace("127.0.0.1", "192.0.2.1"))
    with pytest.raises(host_files.SourceError, match="has no etcd of its own"):
        host_files.observe(str(tmp_path), "lab", "cp1")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/etc/kubernetes/pki/ca.key", True),
        (support.ENCRYPTION, True),
        ("/etc/kubernetes/pki/evil.key", False),
        ("/etc/kubernetes/manifests/evil.yaml", False),
        ("/etc/kubernetes/admin.conf", False),
        ("/etc/kubernetes/../passwd", False),
        ("/etc/passwd", False),
        ("/etc/kubernetes/", False),
    ],
)
def test_files_that_are_placed_again(path: str, expected: bool) -> None:
    assert host_files.restorable(path) is expected


# The whole


def backup(root: Path, etcd: support.FakeEtcd | None = None) -> create.Backup:
    (root / "out").mkdir(exist_ok=True)
    request = create.Request(
        cluster_name="lab",
        recipients=encryption.parse([support.AGE_KEY]),
        directory=str(root / "out"),
        root=str(root),
        work=str(root / "work" / "etcd-backup"),
    )
    return create.Backup(request, "cp1", etcd or support.FakeEtcd(), support.FakeEtcdutl)


def test_a_backup_is_whole_and_leaves_nothing_else(tmp_path: Path, age: Path) -> None:
    root = support.control_plane(tmp_path)
    made = backup(root).make()
    data = Path(made.path).read_bytes()
    assert data.startswith(b"encrypted\n")
    manifest, files = archive.read(io.BytesIO(data[len(b"encrypted\n") :]), lambda piece: None)
    assert manifest == made.manifest
    assert manifest.etcd == archive.Etcd("3.6.8", "ab", "cd", "cp1", 7, 2, "ab")
    assert files[archive.FILES + support.ENCRYPTION] == support.SECRET
    assert os.stat(made.path).st_mode & 0o777 == 0o600
    assert made.size == len(data)
    assert [path.name for path in (root / "out").iterdir()] == [os.path.basename(made.path)]
    assert not list((root / "work").iterdir())
    assert set(made.seconds) == {"snapshot", "verification", "archive"}


def test_what_a_killed_run_left_is_removed(tmp_path: Path, age: Path) -> None:
    root = support.control_plane(tmp_path)
    left = root / "work" / "etcd-backup" / "run-x"
    left.mkdir(parents=True)
    (left / "snapshot.db").write_bytes(b"x")
    backup(root).make()
    assert not left.exists()


@pytest.mark.parametrize(
    ("etcd", "message"),
    [
        (support.FakeEtcd(failure="RAFT NO LEADER"), "is not healthy: RAFT NO LEADER"),
        (support.FakeEtcd(learner=True), "is a learner"),
        (support.FakeEtcd(support.snapshot("/registry/other")), "has no /registry/namespaces/kube-system"),
        (support.FakeEtcd(b"x" * 9000), "cannot be read: it is no bbolt database"),
    ],
)
def test_a_backup_that_cannot_be_made(
    tmp_path: Path, age: Path, etcd: support.FakeEtcd, message: str
) -> None:
    root = support.control_plane(tmp_path)
    with pytest.raises(OperatorError, match=message):
        backup(root, etcd).make()
    assert not list((root / "out").iterdir())
    assert not list((root / "work").glob("*"))


def test_encryption_that_fails_leaves_no_archive(tmp_path: Path, age: Path) -> None:
    support.programs_in(age, age="cat >/dev/null; exit 1")
    with pytest.raises(OperatorError, match="age failed"):
        backup(support.control_plane(tmp_path)).make()
    assert not list((tmp_path / "out").iterdir())


def test_two_backups_at_once(tmp_path: Path, age: Path) -> None:
    root = support.control_plane(tmp_path)

    class Nested(support.FakeEtcd):
        def snapshot(self, write: t.Callable[[bytes], t.Any]) -> tuple[int, str]:
            with pytest.raises(create.BackupError, match="another backup is being made"):
                backup(root).make()
            return super().snapshot(write)

    backup(root, Nested()).make()


def test_no_space(tmp_path: Path, age: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(create, "_MORE", 1 << 60)
    with pytest.raises(create.BackupError, match="MiB free, expected"):
        backup(support.control_plane(tmp_path)).make()


def test_keys_are_found_in_a_database() -> None:
    def found(data: bytes) -> bool:
        return create.holds(bolt.Database(io.BytesIO(data)), create.KEY)

    assert found(support.database(support.KEY, "/registry/x"))
    assert not found(support.database("/registry/x", support.KEY + "x"))
    assert not found(boltdb.database({"other": {}}))


def test_module_refuses_before_anything_is_written(run_module: RunModule, tmp_path: Path) -> None:
    result = run_module(
        "etcd_snapshot",
        {
            "cluster_name": "lab",
            "recipients": ["x"],
            "destination": "/nonexistent",
            "directory": str(tmp_path),
            "root": str(tmp_path),
        },
    )
    assert "is no public key of age or GnuPG" in result["msg"]


# etcd's stream


class Stream(support.FakeEtcd):
    """An etcd whose answer is these lines."""

    def __init__(self, *lines: t.Any) -> None:
        super().__init__()
        self.lines = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]

    def _lines(self, request: t.Any) -> t.Iterator[bytes]:
        yield from self.lines

    def snapshot(self, write: t.Callable[[bytes], t.Any]) -> tuple[int, str]:
        return Etcd.snapshot(self, write)


def pieces(data: bytes, size: int) -> list[t.Any]:
    return [
        {"result": {"blob": base64.b64encode(data[at : at + size]).decode()}}
        for at in range(0, len(data), size)
    ]


@pytest.mark.parametrize("size", [7, 31, 32, 33, 4096, 1 << 20])
def test_a_snapshot_is_received_in_pieces(size: int) -> None:
    data = support.snapshot(support.KEY)
    found: list[bytes] = []
    assert Stream(*pieces(data, size)).snapshot(found.append)[0] == len(data)
    assert b"".join(found) == data


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "0 bytes that do not match"),
        (pieces(support.snapshot("x"), 4096)[:-1], "do not match their checksum"),
        (pieces(support.snapshot("x")[:-1] + b"!", 4096), "do not match their checksum"),
        ([b'{"result": {"bl'], "cut off in the middle"),
        ([{"error": {"message": "no space"}}], "cannot take a snapshot.*no space"),
    ],
)
def test_an_incomplete_snapshot_is_refused(lines: list[t.Any], message: str) -> None:
    with pytest.raises(EtcdError, match=message):
        Stream(*lines).snapshot(lambda piece: None)


# etcdutl


@pytest.fixture
def ctr(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> t.Callable[[str], etcdutl.Etcdutl]:
    """etcdutl with a program that stands for ctr."""

    def make(script: str) -> etcdutl.Etcdutl:
        directory = support.programs_in(tmp_path / "bin", ctr=f'echo "$@" >> {tmp_path}/calls\n{script}')
        monkeypatch.setattr(programs, "SEARCH_PATH", (directory,))
        return etcdutl.Etcdutl("cp1", "registry.example/etcd:3.6.8-0", "/scratch/x")

    return make


def test_etcdutl_runs_in_a_container(ctr: t.Callable[[str], etcdutl.Etcdutl], tmp_path: Path) -> None:
    tool = ctr(
        'case "$*" in *status*) echo \'{"hash":1,"revision":2,"totalKey":3,"totalSize":4,"version":""}\';; esac'
    )
    assert tool.status("/scratch/x/snapshot.db")["totalKey"] == 3
    call = (tmp_path / "calls").read_text().splitlines()[-1]
    assert (
        "type=bind,src=/scratch/x,dst=/scratch/x,options=rbind:rw registry.example/etcd:3.6.8-0 bmk-etcdutl-"
        in call
    )
    assert call.endswith("etcdutl snapshot status /scratch/x/snapshot.db --write-out json")


def test_etcdutl_says_why_it_fails(ctr: t.Callable[[str], etcdutl.Etcdutl], tmp_path: Path) -> None:
    tool = ctr(
        'case "$*" in *list*) echo bmk-etcdutl-9;;'
        ' *restore*) echo "{\\"level\\":\\"info\\"}" >&2; echo "Error: snapshot file integrity" >&2; exit 1;; esac'
    )
    with pytest.raises(etcdutl.EtcdutlError, match=r"restore failed \(1\): Error: snapshot file integrity"):
        tool.restore("/scratch/x/snapshot.db", "/scratch/x/restored")
    assert "containers delete bmk-etcdutl-9" in (tmp_path / "calls").read_text()


# The controller


def test_an_archive_arrives_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "lab.age"
    sha256 = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
    action.place(lambda path: Path(path).write_bytes(b"x"), target, sha256)
    assert target.stat().st_mode & 0o777 == 0o600
    target.unlink()
    with pytest.raises(OperatorError, match="expected 2d711642"):
        action.place(lambda path: Path(path).write_bytes(b"y"), target, sha256)
    assert not list(tmp_path.iterdir())
