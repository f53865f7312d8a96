# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading static pod manifests, and what makes two of them the same."""

from __future__ import annotations

import json

import pytest
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm import manifests

from tests.unit.plugins.kubeadm.pods import VOLUMES, pod


def test_manifest_is_read() -> None:
    found = manifests.read(
        "kube-apiserver", pod("kube-apiserver", "--a=1", "--b=2", "--a=3", volumes=VOLUMES)
    )
    assert found.command == ("kube-apiserver", "--a=1", "--b=2", "--a=3")
    assert (found.argument("a"), found.argument("c")) == ("3", None)
    assert manifests.image_version(found.image) == "v1.36.4"
    assert found.volumes == (
        manifests.Volume("/etc/kubernetes/audit", "/etc/kubernetes/audit", True, ""),
        manifests.Volume("/var/log/kubernetes", "/var/log/kubernetes", False, "DirectoryOrCreate"),
    )
    for text in ("kind: Pod\n", "a: [\n", ""):
        with pytest.raises(ValueError, match=r".*"):
            manifests.read("kube-apiserver", text)


def test_same_pod_ignores_layout_but_no_value() -> None:
    text = pod("etcd", "--a=1")
    assert manifests.same_pod(text, "# mine\n" + text.replace("name: etcd", 'name: "etcd"'))
    assert not manifests.same_pod(text, pod("etcd", "--a=2"))
    assert not manifests.same_pod(text, None)
    assert not manifests.same_pod(text, "a: [damaged")


def test_members_of_etcd_are_kept() -> None:
    rendered = pod("etcd", "--data-dir=/x", "--initial-cluster=b=https://b", "--name=b")
    joined = pod(
        "etcd",
        "--data-dir=/y",
        "--initial-cluster=a=https://a,b=https://b",
        "--initial-cluster-state=existing",
    )
    assert manifests.keep_members(rendered, joined) == pod(
        "etcd",
        "--data-dir=/x",
        "--initial-cluster=a=https://a,b=https://b",
        "--initial-cluster-state=existing",
        "--name=b",
    )
    assert manifests.keep_members(rendered, None) == rendered
    assert manifests.keep_members(rendered, "emptied") == rendered


def test_a_member_that_is_restarted_never_creates_a_cluster() -> None:
    """With an empty data directory, `new` would be a cluster of its own beside the one that it belongs to."""
    members = ("--initial-cluster=a=https://a", "--name=a")
    existing = ("--initial-cluster=a=https://a", "--initial-cluster-state=existing", "--name=a")
    created, changed = pod("etcd", "--x=1", *members), pod("etcd", "--x=2", *members)
    protected = pod("etcd", "--x=2", *existing)
    assert manifests.started(created, created) == created, "not restarted for this alone"
    assert manifests.started(changed, created) == protected
    assert manifests.started(protected, protected) == protected
    explicit = pod("etcd", "--x=2", members[0], "--initial-cluster-state=new", members[1])
    assert manifests.started(explicit, created) == protected
    assert manifests.started(manifests.keep_members(created, protected), protected) == pod(
        "etcd", "--x=1", *existing
    )
    for other in ("", "damaged: [", pod("etcd", "--data-dir=/x")):
        assert manifests.started(other, created) == other


CLUSTER = {
    "apiServer": {"extraVolumes": [{"name": "a", "hostPath": "/etc/audit", "mountPath": "/a"}]},
    "scheduler": {"extraVolumes": [{"name": "b", "hostPath": "/etc/s.yaml", "mountPath": "/b"}]},
}


@pytest.mark.parametrize(
    ("path", "readers"),
    [
        ("/etc/audit/policy.yaml", ("kube-apiserver",)),
        ("/etc/audit", ("kube-apiserver",)),
        ("/etc/auditing", ()),
        ("/etc/s.yaml", ("kube-scheduler",)),
        ("/etc/kubernetes/pki/x", ("kube-apiserver", "kube-controller-manager")),
    ],
)
def test_readers_of(path: str, readers: tuple[str, ...]) -> None:
    assert manifests.readers_of(path, CLUSTER) == readers


def test_digests_change_with_contents_and_only_for_readers() -> None:
    one = manifests.digests({"/etc/audit/p": b"1", "/etc/s.yaml": b"1", "/unread": b"1"}, CLUSTER)
    two = manifests.digests({"/etc/audit/p": b"2", "/etc/s.yaml": b"1", "/unread": b"2"}, CLUSTER)
    assert set(one) == {"kube-apiserver", "kube-scheduler"}
    assert one["kube-apiserver"] != two["kube-apiserver"]
    assert one["kube-scheduler"] == two["kube-scheduler"]
    (name,) = manifests.digest_patches({"etcd": "x"})
    assert name.startswith("etcd")
    assert name.endswith("+merge.json")
    assert json.loads(manifests.digest_patches({"etcd": "x"})[name]) == {
        "metadata": {"annotations": {manifests.DIGEST_ANNOTATION: "x"}}
    }
