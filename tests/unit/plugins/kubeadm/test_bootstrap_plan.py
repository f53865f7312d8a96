# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What kubeadm init and join still have to do on a host."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm import bootstrap_plan as plan
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.plan import KubeadmError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node import membership as node

CONTROL_PLANE = (
    node.KUBELET_CONF,
    node.ADMIN_CONF,
    node.CA_CERT,
    node.CA_KEY,
    *node.CONTROL_PLANE_MANIFESTS,
    node.ETCD_MANIFEST,
    node.ETCD_DATA,
    plan.KUBELET_CONFIG,
)
WORKER = (node.KUBELET_CONF, node.CA_CERT, plan.KUBELET_CONFIG)
OURS, OTHER = "sha256:" + "a" * 64, "sha256:" + "b" * 64


def observation(
    files: tuple[str, ...] = (), cluster_id: str | None = None, unfinished: tuple[str, ...] | None = None
) -> plan.ObservedNode:
    return plan.ObservedNode(
        host="cp1",
        membership=node.classify(files),
        files=files,
        cluster_id=cluster_id,
        etcd_data=node.ETCD_DATA in files,
        unfinished=unfinished,
    )


def desired(operation: str, role: str, **more: t.Any) -> plan.DesiredNode:
    return plan.DesiredNode(operation=operation, role=role, **more)


INIT = desired("init", "control_plane", ignore_preflight_errors=("Swap",), skip_phases=("addon/kube-proxy",))
RESUME_ALL = (
    "Swap",
    "FileAvailable--etc-kubernetes-manifests-kube-apiserver.yaml",
    "FileAvailable--etc-kubernetes-manifests-kube-controller-manager.yaml",
    "FileAvailable--etc-kubernetes-manifests-kube-scheduler.yaml",
    "FileAvailable--etc-kubernetes-manifests-etcd.yaml",
    "Port-6443",
    "Port-10259",
    "Port-10257",
    "Port-2379",
    "Port-2380",
    "DirAvailable--var-lib-etcd",
    "Port-10250",
)


@pytest.mark.parametrize(
    ("seen", "steps", "ignored"),
    [
        (observation(), ["kubeadm init"], ("Swap",)),
        (observation((node.CA_CERT, node.CA_KEY)), ["resume kubeadm init"], ("Swap",)),
        # A container runtime role or an operator may have left the kubelet's files alone.
        (observation((plan.KUBELET_CONFIG,)), ["resume kubeadm init"], ("Swap", "Port-10250")),
        # All manifests are written, but the kubelet was never started: nobody is asked.
        (observation(CONTROL_PLANE[:-1]), ["resume kubeadm init"], RESUME_ALL[:-1]),
        (observation(CONTROL_PLANE, OURS, ()), [], ()),
        (
            observation(CONTROL_PLANE, OURS, ("upload-config/kubeadm", "addon/coredns")),
            ["resume kubeadm init"],
            RESUME_ALL,
        ),
        (
            observation(CONTROL_PLANE, OURS, ("bootstrap-token", "addon/coredns")),
            ["kubeadm init phase bootstrap-token", "kubeadm init phase addon/coredns"],
            (),
        ),
        (
            observation((*CONTROL_PLANE, node.BOOTSTRAP_CONF), OURS, ()),
            ["remove /etc/kubernetes/bootstrap-kubelet.conf"],
            (),
        ),
    ],
)
def test_plan_init(seen: plan.ObservedNode, steps: list[str], ignored: tuple[str, ...]) -> None:
    made = plan.plan_init(seen, INIT)
    assert made.names() == steps
    assert made.ignore_preflight_errors == ignored


DISK = dataclasses.replace(observation(), etcd_dir=("lost+found",))


def test_a_file_system_of_its_own_for_etcd() -> None:
    """kubeadm init refuses a directory with lost+found."""
    assert plan.plan_init(DISK, INIT).ignore_preflight_errors == ("Swap", "DirAvailable--var-lib-etcd")
    join = desired("join", "control_plane", etcd_dir="/data/etcd")
    assert plan.plan_join(DISK, join).ignore_preflight_errors == ("DirAvailable--data-etcd",)
    assert plan.plan_join(DISK, desired("join", "worker")).ignore_preflight_errors == ()
    begun = dataclasses.replace(observation((node.CA_CERT, node.CA_KEY)), etcd_dir=("lost+found",))
    assert "DirAvailable--var-lib-etcd" in plan.plan_init(begun, INIT).ignore_preflight_errors


def test_other_files_where_etcd_is_going_to_be() -> None:
    seen = dataclasses.replace(observation(), etcd_dir=("lost+found", "wal.bak"))
    with pytest.raises(KubeadmError, match=r"has wal\.bak in /var/lib/etcd.*cluster_ignore_preflight_errors"):
        plan.plan_init(seen, INIT)
    for name in ("all", "DirAvailable--var-lib-etcd", "diravailable--var-lib-etcd"):
        wanted = desired("init", "control_plane", ignore_preflight_errors=(name,))
        assert plan.plan_init(seen, wanted).ignore_preflight_errors == (name,)
    member = dataclasses.replace(observation(CONTROL_PLANE, OURS, ()), etcd_dir=("member", "site"))
    assert plan.plan_init(member, INIT).steps == ()


def test_resumed_run_uses_port_and_directory_of_the_documents() -> None:
    wanted = desired("init", "control_plane", bind_port=7443, etcd_dir="/data/etcd")
    names = plan.plan_init(
        observation(CONTROL_PLANE, OURS, (plan.UPLOAD_CONFIG,)), wanted
    ).ignore_preflight_errors
    assert {"Port-7443", "DirAvailable--data-etcd"} <= set(names)
    assert "Port-6443" not in names


def test_ignoring_all_is_kept() -> None:
    wanted = desired("init", "control_plane", ignore_preflight_errors=("all",))
    assert plan.plan_init(
        observation(CONTROL_PLANE, OURS, (plan.UPLOAD_CONFIG,)), wanted
    ).ignore_preflight_errors == ("all",)


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (observation((node.ETCD_DATA,)), ("data of an etcd", "empty /var/lib/etcd", "cp1")),
        (observation(WORKER, OTHER), ("worker of the cluster", OTHER)),
        (observation((node.KUBELET_CONF, plan.KUBELET_CONFIG)), ("not the key of its CA",)),
        (observation(CONTROL_PLANE, OURS), ("not asked",)),
    ],
)
def test_plan_init_refuses(seen: plan.ObservedNode, words: tuple[str, ...]) -> None:
    with pytest.raises(KubeadmError) as caught:
        plan.plan_init(seen, INIT)
    for word in words:
        assert word in str(caught.value)


def test_init_of_a_worker_is_refused() -> None:
    with pytest.raises(KubeadmError, match="operation: join"):
        plan.plan_init(observation(), desired("init", "worker"))


JOIN_W = desired("join", "worker", cluster_ids=(OURS,))
JOIN_CP = desired("join", "control_plane", cluster_ids=(OURS,))
FILE_KUBELET = "FileAvailable--etc-kubernetes-kubelet.conf"
FILE_BOOTSTRAP = "FileAvailable--etc-kubernetes-bootstrap-kubelet.conf"
FILE_CA = "FileAvailable--etc-kubernetes-pki-ca.crt"


@pytest.mark.parametrize(
    ("seen", "wanted", "steps", "ignored", "skipped"),
    [
        (observation(), JOIN_W, ["kubeadm join"], (), ()),
        (observation(WORKER, OURS), JOIN_W, [], (), ()),
        (
            observation((*WORKER, node.BOOTSTRAP_CONF), OURS),
            JOIN_W,
            ["remove /etc/kubernetes/bootstrap-kubelet.conf"],
            (),
            (),
        ),
        (
            observation((node.BOOTSTRAP_CONF, node.CA_CERT, plan.KUBELET_CONFIG), OURS),
            JOIN_W,
            ["resume kubeadm join"],
            (FILE_BOOTSTRAP, FILE_CA, "Port-10250"),
            (),
        ),
        (observation((node.CA_CERT,), OURS), JOIN_W, ["resume kubeadm join"], (FILE_CA,), ()),
        (observation((node.KUBELET_CONF,)), JOIN_W, ["resume kubeadm join"], (FILE_KUBELET,), ()),
        (observation(), JOIN_CP, ["kubeadm join"], (), ()),
        (observation(CONTROL_PLANE, OURS, ()), JOIN_CP, [], (), ()),
        (
            observation(CONTROL_PLANE, OURS, ("control-plane-join/mark-control-plane",)),
            JOIN_CP,
            ["kubeadm join phase control-plane-join/mark-control-plane"],
            (),
            (),
        ),
        (
            observation((*WORKER, node.ADMIN_CONF), OURS),
            JOIN_CP,
            ["resume kubeadm join"],
            (FILE_KUBELET, "Port-10250"),
            ("kubelet-start",),
        ),
    ],
)
def test_plan_join(
    seen: plan.ObservedNode,
    wanted: plan.DesiredNode,
    steps: list[str],
    ignored: tuple[str, ...],
    skipped: tuple[str, ...],
) -> None:
    made = plan.plan_join(seen, wanted)
    assert made.names() == steps
    assert made.ignore_preflight_errors == ignored
    assert made.skip_phases == skipped


@pytest.mark.parametrize(
    ("seen", "wanted", "words"),
    [
        (observation(WORKER, OTHER), JOIN_W, (OTHER, OURS, "playbook reset")),
        (observation((node.CA_CERT,), OTHER), JOIN_W, (OTHER, OURS)),
        (observation(WORKER, OURS), JOIN_CP, ("is a worker", "expected a control plane")),
        (observation(CONTROL_PLANE, OURS, ()), JOIN_W, ("is a control plane", "expected a worker")),
        (observation((node.ADMIN_CONF,)), JOIN_W, ("files of a control plane",)),
        (observation((node.ETCD_DATA,)), JOIN_CP, ("data of an etcd", node.CA_CERT)),
    ],
)
def test_plan_join_refuses(seen: plan.ObservedNode, wanted: plan.DesiredNode, words: tuple[str, ...]) -> None:
    with pytest.raises(KubeadmError) as caught:
        plan.plan_join(seen, wanted)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("skip", "dns", "there", "marked", "rotatable", "left"),
    [
        ((), True, True, True, True, ()),
        (
            (),
            True,
            False,
            False,
            False,
            (
                "upload-config/kubeadm",
                "upload-config/kubelet",
                "mark-control-plane",
                "bootstrap-token",
                "kubelet-finalize/enable-client-cert-rotation",
                "addon/coredns",
            ),
        ),
        (
            ("addon", "upload-config/kubelet", "kubelet-finalize"),
            True,
            False,
            True,
            False,
            ("upload-config/kubeadm", "bootstrap-token"),
        ),
        (
            ("addon/kube-proxy", "upload-config", "bootstrap-token"),
            True,
            False,
            True,
            True,
            ("addon/coredns",),
        ),
        (("upload-config", "bootstrap-token", "mark-control-plane"), False, False, False, True, ()),
    ],
)
def test_unfinished_phases(
    skip: tuple[str, ...], dns: bool, there: bool, marked: bool, rotatable: bool, left: tuple[str, ...]
) -> None:
    assert plan.unfinished_phases("init", skip, dns, lambda path: there, marked, rotatable) == left


def test_unfinished_join() -> None:
    def look(skip: tuple[str, ...], marked: bool) -> tuple[str, ...]:
        return plan.unfinished_phases("join", skip, True, lambda path: False, marked, False)

    assert look((), False) == ("control-plane-join/mark-control-plane",)
    assert look((), True) == look(("control-plane-join",), False) == ()


ALL = (
    node.KUBELET_CONF,
    node.ADMIN_CONF,
    node.CA_CERT,
    node.CA_KEY,
    *node.CONTROL_PLANE_MANIFESTS,
    node.ETCD_MANIFEST,
    node.ETCD_DATA,
    plan.KUBELET_CONFIG,
)


@pytest.mark.parametrize(
    ("gone", "etcd_data", "credentials", "restored"),
    [
        ((node.CONTROL_PLANE_MANIFESTS[0],), True, True, True),
        ((*node.CONTROL_PLANE_MANIFESTS, node.ETCD_MANIFEST), True, True, True),
        # An interrupted kubeadm: the kubelet was never started, or etcd never was.
        ((node.CONTROL_PLANE_MANIFESTS[0],), True, False, False),
        ((node.ETCD_MANIFEST, node.ETCD_DATA), False, True, False),
        ((node.CONTROL_PLANE_MANIFESTS[0], node.ADMIN_CONF), True, True, False),
        ((node.CONTROL_PLANE_MANIFESTS[0], node.CA_KEY), True, True, False),
        ((), True, True, False),
    ],
)
def test_deleted_manifests(gone: tuple[str, ...], etcd_data: bool, credentials: bool, restored: bool) -> None:
    files = tuple(path for path in ALL if path not in gone)
    local_etcd = node.ETCD_MANIFEST in gone or node.ETCD_MANIFEST in files
    seen = plan.ObservedNode(
        "cp1", node.classify(files, local_etcd), files, etcd_data=etcd_data, credentials=credentials
    )
    assert bool(plan.deleted_manifests(seen)) is restored
