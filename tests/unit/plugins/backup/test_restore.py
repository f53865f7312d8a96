# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restores: opening a backup on the controller, what is against it, and what a host gets."""

from __future__ import annotations

import hashlib
import io
import os
import typing as t
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.baremetal.kubernetes.plugins.action import etcd_restore as action
from ansible_collections.baremetal.kubernetes.plugins.module_utils._backup import archive, data, host_files
from ansible_collections.baremetal.kubernetes.plugins.module_utils._encryption import plan as encryption
from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os import programs
from ansible_collections.baremetal.kubernetes.plugins.modules import etcd_restore, node_unready
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._backup import opening
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._backup.verdict import (
    Host,
    Verdict,
    Wanted,
    evaluate,
    version,
)

from tests.unit.plugins.backup import support
from tests.unit.support.modules import RunAction

CA_KEY = "/etc/kubernetes/pki/ca.key"


# The controller


@pytest.fixture
def backup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A backup, an identity, and a program that stands for age."""
    directory = support.programs_in(tmp_path / "bin", age='for last; do :; done; exec cat "$last"')
    monkeypatch.setenv("PATH", directory)
    manifest, contents, snapshot = support.sample(
        **{CA_KEY: b"key", "/etc/kubernetes/manifests/etcd.yaml": b"pod"}
    )
    path = tmp_path / "lab-20261129T030000Z.tar.gz.age"
    with path.open("wb") as out:
        archive.write(out, manifest, contents, io.BytesIO(snapshot))
    (tmp_path / "identity").write_text("AGE-SECRET-KEY-1X")
    return path


def opened(path: Path) -> tuple[archive.Manifest, dict[str, bytes]]:
    return opening.open_backup(str(path), str(path.parent / "identity"), lambda piece: None)


def test_a_backup_is_opened(backup: Path) -> None:
    manifest, contents = opened(backup)
    assert manifest.cluster.name == "lab"
    # A host gets keys, and no manifests.
    keys = action.keys_of(manifest, contents)
    assert list(keys) == [CA_KEY]
    assert keys[CA_KEY] == {"content": "a2V5", "mode": 0o600}


def test_a_backup_that_is_cut_off(backup: Path) -> None:
    backup.write_bytes(backup.read_bytes()[:-100])
    with pytest.raises(OperatorError, match="It is damaged or cut off"):
        opened(backup)


def test_a_backup_for_somebody_else(backup: Path) -> None:
    support.programs_in(
        backup.parent / "bin",
        age="echo 'age: error: no identity matched any of the recipients' >&2;"
        " echo 'age: report unexpected or unhelpful errors at URL' >&2; exit 1",
    )
    with pytest.raises(
        OperatorError, match=r"cannot be decrypted: age: error: no identity matched .* recipients\."
    ):
        opened(backup)


def test_what_cannot_be_opened(backup: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    identity = str(backup.parent / "identity")
    with pytest.raises(OperatorError, match=r"is no file on the controller\. Expected a backup"):
        opening.open_backup(str(backup) + "x", identity, lambda piece: None)
    with pytest.raises(OperatorError, match="Expected the private key of a recipient"):
        opening.open_backup(str(backup), "", lambda piece: None)
    with pytest.raises(OperatorError, match="is no backup by its name"):
        opening.open_backup(identity, identity, lambda piece: None)
    assert opening.command("x.gpg", "")[0] == "gpg"
    monkeypatch.setenv("PATH", "")
    with pytest.raises(OperatorError, match="age is not installed on the controller"):
        opening.open_backup(str(backup), identity, lambda piece: None)


# What is against a restore

MANIFEST = support.sample()[0]
WANTED = Wanted(
    cluster_name="lab",
    kubernetes_version="1.36.4",
    etcd_version="3.6.8-0",
    endpoint="192.0.2.10:6443",
    service_cidr="10.96.0.0/12",
    pod_cidr="10.244.0.0/16",
)
EMPTY = (Host("cp1", "fresh", True), Host("cp2", "fresh", True), Host("w1", "fresh", False))


def test_empty_hosts() -> None:
    assert evaluate(MANIFEST, WANTED, EMPTY) == Verdict((), "cp1")


def test_a_control_plane_that_is_left_gets_the_data() -> None:
    hosts = (
        Host("cp1", "fresh", True),
        Host("cp2", "partial", True, "sha256:aa"),
        Host("cp3", "member", True, "sha256:aa"),
        Host("w1", "member", False, "sha256:aa"),
    )
    assert evaluate(MANIFEST, WANTED, hosts) == Verdict((), "cp3", ("cp2",))


@pytest.mark.parametrize(
    ("wanted", "hosts", "message"),
    [
        ({"cluster_name": "x"}, EMPTY, "is of the cluster lab, expected x"),
        ({"endpoint": "192.0.2.11:6443"}, EMPTY, "was at 192.0.2.10:6443, expected the same address here"),
        ({"endpoint": "", "addresses": {"cp1": "192.0.2.12"}}, EMPTY, "found 192.0.2.12:6443"),
        (
            {"service_cidr": "10.0.0.0/16"},
            EMPTY,
            "cluster_service_cidr is 10.0.0.0/16, expected 10.96.0.0/12",
        ),
        ({"pod_cidr": "10.0.0.0/16"}, EMPTY, "cluster_pod_cidr is"),
        ({"etcd_version": "3.5.24-0"}, EMPTY, "backup is of etcd 3.6.8, and 3.5.24-0 would read it"),
        ({"etcd_version": ""}, EMPTY, "no known version would read it"),
        ({"kubernetes_version": "1.36.3"}, EMPTY, "backup is of Kubernetes 1.36.4, found 1.36.3"),
        ({"kubernetes_version": "1.37.1"}, EMPTY, "expected the same minor version"),
        (
            {},
            (Host("cp1", "", True), Host("w1", "", False)),
            "cp1: no answer, expected one of every control plane",
        ),
        ({}, (*EMPTY, Host("w2", "member", False, "sha256:bb")), "w2 belongs to the cluster sha256:bb"),
        ({}, (), "There is no control plane"),
    ],
)
def test_what_is_against_a_restore(wanted: dict[str, t.Any], hosts: tuple[Host, ...], message: str) -> None:
    found = evaluate(MANIFEST, replace(WANTED, **wanted), hosts)
    assert len(found.findings) == 1
    assert message in found.findings[0]
    assert found.host == ""


def test_all_findings_at_once() -> None:
    found = evaluate(
        MANIFEST, replace(WANTED, etcd_version="3.5.0", endpoint="x"), (*EMPTY, Host("cp4", "", True))
    )
    assert len(found.findings) == 3


def test_a_newer_patch_and_etcd_are_fine() -> None:
    wanted = replace(WANTED, kubernetes_version="1.36.9", etcd_version="3.6.12-0", endpoint="192.0.2.10")
    assert not evaluate(MANIFEST, wanted, EMPTY).findings
    assert version("v3.6.8-0") == (3, 6, 8)
    assert version("") == ()


def test_backup_info_lists_all_findings(run_action: RunAction, backup: Path) -> None:
    cluster = {"cluster_name": "lab", "kubernetes_version": "1.36.4", "etcd_version": "3.6.8-0"}
    args = {"archive": str(backup), "identity": str(backup.parent / "identity")}
    hosts = {"cp1": {"state": "fresh", "cluster_id": None}, "w1": {}}
    found = run_action("backup_info", args)
    assert found["manifest"]["etcd"]["revision"] == 7
    found = run_action("backup_info", {**args, "cluster": cluster, "hosts": hosts, "control_planes": ["cp1"]})
    assert (found.get("failed"), found["host"], found["reset"]) == (None, "cp1", [])
    cluster["cluster_name"] = "other"
    found = run_action(
        "backup_info", {**args, "cluster": cluster, "hosts": hosts, "control_planes": ["cp1", "cp2"]}
    )
    assert found["failed"]
    assert len(found["findings"]) == 2
    assert "Nothing was changed" in found["msg"]


# Keys on a host


def test_an_empty_host_gets_all_keys(tmp_path: Path) -> None:
    wanted = dict.fromkeys(host_files.AUTHORITIES, (b"x", 384))
    found = data.files_to_place(str(tmp_path), wanted, "cp1")
    assert found == wanted
    data.place(str(tmp_path), found)
    assert not data.files_to_place(str(tmp_path), wanted, "cp1")
    assert (tmp_path / "etc/kubernetes/pki/ca.key").stat().st_mode & 0o777 == 0o600


def test_the_key_of_the_authority_comes_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    monkeypatch.setattr(data, "write_atomic", lambda path, *_args: order.append(path))
    wanted = dict.fromkeys((*reversed(host_files.AUTHORITIES), support.ENCRYPTION), (b"x", 384))
    data.place(str(tmp_path), wanted)
    assert order[0].endswith("encryption/config.yaml")
    assert order[-1].endswith("pki/ca.key")


def test_keys_of_the_host_stay(tmp_path: Path) -> None:
    support.control_plane(tmp_path)
    assert not data.files_to_place(str(tmp_path), {CA_KEY: (b"other", 0o600)}, "cp1")


def test_encryption_keys_are_combined(tmp_path: Path) -> None:
    def config(*names: str) -> bytes:
        keys = tuple(encryption.Key(name, f"{name}=") for name in names)
        return encryption.render(encryption.Config(("secrets",), keys)).encode()

    target = tmp_path / support.ENCRYPTION.lstrip("/")
    target.parent.mkdir(parents=True)
    target.write_bytes(config("new", "both"))
    found = data.files_to_place(str(tmp_path), {support.ENCRYPTION: (config("both", "old"), 0o600)}, "cp1")
    assert found[support.ENCRYPTION][0] == config("new", "both", "old")
    assert not data.files_to_place(str(tmp_path), {support.ENCRYPTION: (config("new"), 0o600)}, "cp1")
    other = config("both").replace(b"both=", b"othr=")
    with pytest.raises(data.RestoreError, match="has another key both than the backup"):
        data.files_to_place(str(tmp_path), {support.ENCRYPTION: (other, 0o600)}, "cp1")


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(data.RestoreError, match="would place /etc/passwd"):
        data.files_to_place(str(tmp_path), {"/etc/passwd": (b"x", 0o600)}, "cp1")


# Data on a host


def test_ids_are_those_of_etcd() -> None:
    # By etcd 3.6.8 itself: etcdutl snapshot restore with these values.
    identity = data.Identity("cp1", "https://192.0.2.11:2380", "restore-x")
    assert identity.cluster_id == data.Identity("cp2", "https://192.0.2.11:2380", "restore-x").cluster_id
    assert identity.cluster_id != data.Identity("cp1", "https://192.0.2.11:2380", "restore-y").cluster_id
    assert data.token_of("ab" * 32) == "restore-" + "ab" * 12


class Tool(support.FakeEtcdutl):
    calls: t.ClassVar[list[tuple[str, ...]]] = []

    def restore(
        self, snapshot: str, data_directory: str, options: t.Sequence[str] = (), seconds: float = 0
    ) -> None:
        self.calls.append(tuple(options))
        super().restore(snapshot, data_directory, options)


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host whose containers stop at once."""
    directory = support.programs_in(tmp_path / "bin", crictl="exit 0")
    monkeypatch.setattr(programs, "SEARCH_PATH", (directory,))
    monkeypatch.setattr(data, "_POLL_SECONDS", 0.01)
    Tool.calls.clear()
    return tmp_path


IDENTITY = data.Identity("cp1", "https://192.0.2.11:2380", "restore-x")


def data_of(root: Path) -> data.Data:
    return data.Data("cp1", Tool("cp1", "image", str(root)), str(root))


def sent(root: Path) -> tuple[str, str]:
    content = support.snapshot(support.KEY)
    (root / "sent.db").write_bytes(content)
    return str(root / "sent.db"), hashlib.sha256(content).hexdigest()


def test_data_is_exchanged(host: Path) -> None:
    root = support.control_plane(host)
    (root / "var/lib/etcd/member/old").touch()
    etcd = data_of(root)
    etcd.prepare(*sent(root), IDENTITY)
    assert (root / "var/lib/etcd/member/old").exists()
    with etcd.stopped():
        assert not list((root / "etc/kubernetes/manifests").iterdir())
        kept = etcd.exchange("20261129T030000Z")
    assert os.path.exists(os.path.join(kept, "old"))
    assert (root / "var/lib/etcd/member/snap/db").exists()
    assert sorted(path.name for path in (root / "var/lib/etcd").iterdir()) == [
        "before-restore-20261129T030000Z",
        "member",
    ]
    assert len(list((root / "etc/kubernetes/manifests").iterdir())) == 4
    assert not (root / "etc/kubernetes/restore.manifests").exists()
    options = Tool.calls[0]
    assert "--skip-hash-check" not in options
    assert options[options.index("--initial-cluster") + 1] == "cp1=https://192.0.2.11:2380"
    assert options[options.index("--bump-revision") + 1] == "1000000000"


def test_a_snapshot_that_arrived_damaged_changes_nothing(host: Path) -> None:
    root = support.control_plane(host)
    path, _sum = sent(root)
    with pytest.raises(data.RestoreError, match="arrived damaged"):
        data_of(root).prepare(path, "00", IDENTITY)
    assert [path.name for path in (root / "var/lib/etcd").iterdir()] == ["member"]


def test_own_data_is_taken_while_etcd_does_not_run(host: Path) -> None:
    root = support.control_plane(host)
    (root / "var/lib/etcd/member/snap").mkdir()
    (root / "var/lib/etcd/member/snap/db").write_bytes(support.snapshot(support.KEY))
    etcd = data_of(root)
    with etcd.stopped():
        etcd.prepare_own(IDENTITY)
        etcd.exchange("x")
    assert "--skip-hash-check" in Tool.calls[0]
    assert (root / "var/lib/etcd/before-restore-x/snap/db").exists()


def test_manifests_return_when_that_fails(host: Path) -> None:
    root = support.control_plane(host)
    etcd = data_of(root)
    with pytest.raises(data.RestoreError, match="etcd's database cannot be read"), etcd.stopped():
        etcd.prepare_own(IDENTITY)
    assert len(list((root / "etc/kubernetes/manifests").iterdir())) == 4


def test_manifests_that_a_killed_run_took_away_return(host: Path) -> None:
    root = support.control_plane(host)
    away = root / "etc/kubernetes/restore.manifests"
    away.mkdir()
    os.replace(root / "etc/kubernetes/manifests/etcd.yaml", away / "etcd.yaml")
    with data_of(root).stopped():
        pass
    assert (root / "etc/kubernetes/manifests/etcd.yaml").exists()


def test_what_does_not_stop_is_stopped_and_then_given_up(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "_STOP_SECONDS", 0.2)
    monkeypatch.setattr(data, "_FORCE_SECONDS", 0.0)
    support.programs_in(host / "bin", crictl=f'echo "$@" >> {host}/calls; echo id1')
    root = support.control_plane(host)
    with (
        pytest.raises(data.RestoreError, match=r"etcd, kube-apiserver, .* still runs"),
        data_of(root).stopped(),
    ):
        pytest.fail("it must not get here")
    assert "stop --timeout 10 id1" in (host / "calls").read_text()
    assert (root / "etc/kubernetes/manifests/etcd.yaml").exists()


@pytest.mark.parametrize(
    ("running", "params", "expected"),
    [
        ((IDENTITY.cluster_id, None), {"sha256": "x"}, True),
        ((IDENTITY.cluster_id, "no leader"), {"sha256": "x"}, True),
        ((IDENTITY.cluster_id, None), {"sha256": "x", "force": True}, False),
        ((1, None), {"sha256": "x"}, False),
        ((0, "refused"), {"sha256": "x"}, False),
        # Data of its own: as long as etcd has quorum, there is no reason.
        ((1, None), {"sha256": None}, True),
        ((1, "no leader"), {"sha256": None}, False),
    ],
)
def test_a_second_run_finds_it_done(
    monkeypatch: pytest.MonkeyPatch, running: t.Any, params: dict[str, t.Any], expected: bool
) -> None:
    monkeypatch.setattr(etcd_restore, "etcd_of", lambda root: running)
    assert etcd_restore.restored({"force": False, "root": "/", **params}, IDENTITY) is expected


# Nodes


def test_a_ready_node_becomes_unknown() -> None:
    node = {
        "metadata": {"name": "w1", "resourceVersion": "7"},
        "status": {
            "conditions": [{"type": "Ready", "status": "True"}, {"type": "DiskPressure", "status": "False"}]
        },
    }
    changed = node_unready.unready(node, "2026-11-29T03:00:00Z")
    assert changed is not None
    assert [one["status"] for one in changed["status"]["conditions"]] == ["Unknown", "False"]
    assert changed["metadata"] == node["metadata"]
    assert node["status"]["conditions"][0]["status"] == "True"  # type: ignore[index]
    assert node_unready.unready(changed, "x") is None
    assert node_unready.unready({}, "x") is None
