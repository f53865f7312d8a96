# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Volumes on an NFS server that one of the nodes is. Each test needs those before it.

w2 exports by nfs-ganesha, as the lab's kernel has no NFS server. Which programs of csi-driver-nfs run, the lab's
stand-ins or real ones that were imported, is a property of the report.
"""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client

from lab import network
from lab.config import Settings
from tests.infra.cluster import Cluster, image_of_lab
from tests.infra.fixtures import AGNHOST
from tests.infra.hosts import REPO, Host
from tests.infra.network import Platform
from tests.infra.nfs_server import EXPORT, Server
from tests.infra.playbook import Playbook
from tests.infra.storage import Storage, programs
from tests.infra.waiting import wait_for

OWN = "storage-nfs"
DEPLOY = "baremetal.kubernetes.storage_nfs : Deploy csi-driver-nfs and its classes"
CLASSES = "/apis/storage.k8s.io/v1/storageclasses"
VOLUMES = "/api/v1/persistentvolumes"
SNAPSHOTS = "/apis/snapshot.storage.k8s.io/v1"
LABEL = "labelSelector=baremetal.kubernetes/part-of=storage-nfs"


@pytest.fixture(scope="module")
def server(
    hosts: dict[str, Host], cluster: Cluster, playbook: Playbook, tmp_path_factory: pytest.TempPathFactory
) -> Server:
    return Server.on(hosts["w2"], cluster, playbook, tmp_path_factory.mktemp("nfs"))


@pytest.fixture(scope="module")
def platform(playbook: Playbook, server: Server) -> Platform:
    """The playbook with classes of all kinds, and strict network policies."""
    place = {"server": server.address, "path": EXPORT, "mount_options": ["nfsvers=4.2"]}
    values = {
        "network_policy_mode": "enforce",
        "ingress_enabled": False,
        "metrics_server_enabled": False,
        "certificates_enabled": False,
        "storage_nfs_enabled": True,
        "storage_nfs_classes": [
            {**place, "name": "nfs", "default": True},
            {
                **place,
                "name": "soft",
                "mount_options": ["nfsvers=4.2", "soft", "timeo=50", "retrans=1"],
            },
            {**place, "name": "kept", "reclaim_policy": "Retain"},
            {**place, "name": "archived", "on_delete": "archive"},
            {
                **place,
                "name": "named",
                "on_delete": "retain",
                "subdirectory": "${pvc.metadata.namespace}/${pvc.metadata.name}",
            },
        ],
        "storage_nfs_snapshot_classes": [{"name": "nfs-snapshots", "mount_options": ["nfsvers=4.2"], "default": True}],
    }  # fmt: skip
    return Platform(replace(playbook, name="baremetal.kubernetes.platform"), values)


@pytest.fixture(scope="module")
def storage(cluster: Cluster) -> Iterator[Storage]:
    made = Storage(cluster, "shop", image_of_lab(REPO / "lab" / "catalogue.yml", AGNHOST))
    made.create()
    yield made
    made.delete()


def test_which_programs_run(lab: Settings, record_testsuite_property: Any) -> None:
    """For the report: a stand-in proves the role, and not the driver."""
    found = programs(lab.paths)
    for image, source in found.items():
        record_testsuite_property(image, source)
        print(f"{image}: {source}")
    assert "unknown" not in found.values(), found


def test_server_that_does_not_answer_is_refused(platform: Platform, cluster: Cluster, lab: Settings) -> None:
    # The resolver's address answers no NFS.
    address = network.resolver_address(lab.network)
    wrong = [{"name": "nfs", "server": address, "path": EXPORT}]
    run = platform.run(storage_nfs_classes=wrong, storage_nfs_probe_seconds=3).expect(code=2)
    assert "NFS storage cannot be deployed as declared. Nothing was changed." in run.text
    for node in ("cp1", "w1", "w2"):
        assert f"- {node}: {address} cannot be reached on TCP port 2049" in run.text
    assert OWN not in cluster.query("/api/v1/namespaces", "items[].metadata.name")
    assert not run.changed


def test_server_is_deployed(server: Server) -> None:
    server.apply().expect()
    server.apply().expect_quiet()
    assert server.host.check("stat -c %a:%U /srv/kubernetes").strip() == "755:root"


def test_export_that_is_not_there_is_refused(platform: Platform, server: Server) -> None:
    wrong = [{"name": "nfs", "server": server.address, "path": "/srv/other"}]
    run = platform.run(storage_nfs_classes=wrong).expect(code=2)
    assert f"- w1: {server.address} does not export /srv/other to" in run.text
    assert "there is no 'other' in /srv" in run.text and not run.changed


def test_host_outside_the_cluster_cannot_mount(lab: Settings, server: Server, tmp_path: Path) -> None:
    """The machine's end of the lab's network is no node."""
    options = {"exports": [{"server": server.address, "path": EXPORT}], "timeout": 5}
    argv = network.inside(
        lab.paths,
        *(
            "ansible",
            "localhost",
            "-o",
            "-m",
            "baremetal.kubernetes.nfs_export_info",
            "-a",
            json.dumps(options),
        ),
    )
    done = subprocess.run(argv, cwd=REPO, capture_output=True, text=True, timeout=60, check=False)
    assert "does not export /srv/kubernetes to" in done.stdout, done.stdout + done.stderr
    program = lab.paths.artifacts_cache / "builds" / "c" / "mount.nfs"
    mount = network.inside(lab.paths, str(program), f"{server.address}:{EXPORT}", str(tmp_path))
    done = subprocess.run(mount, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 32 and "access denied by server" in done.stderr


def test_check_mode_predicts_and_changes_nothing(platform: Platform, cluster: Cluster) -> None:
    predicted = platform.run("--check").expect()
    assert DEPLOY in {task for _host, task in predicted.changed}
    assert OWN not in cluster.query("/api/v1/namespaces", "items[].metadata.name")


def test_driver_runs_on_all_nodes(platform: Platform, cluster: Cluster, hosts: dict[str, Host]) -> None:
    platform.run().expect()
    platform.run().expect_quiet()
    drivers = cluster.query(
        "/apis/storage.k8s.io/v1/csinodes", "items[].[metadata.name, spec.drivers[].name]"
    )
    assert {name for name, names in drivers if "nfs.csi.k8s.io" in (names or [])} == set(hosts)
    controllers = cluster.pods(OWN, "k8s-app=csi-nfs-controller", "spec.nodeName")
    assert len(controllers) == 2 and len(set(controllers.values())) == 2
    assert set(cluster.query(CLASSES, "items[].metadata.name")) >= {
        *("nfs", "soft", "kept", "archived", "named")
    }


def test_pods_on_two_nodes_share_a_volume(storage: Storage, server: Server) -> None:
    storage.claim("data", "nfs")
    volume = storage.wait_bound("data")
    storage.pod("writer", "w1", "data")
    storage.pod("reader", "cp1", "data")
    storage.wait_running("writer", "reader")
    storage.check("writer", "echo from w1 > /data/note && mkdir /data/sub")
    wait_for(
        "the other node reads it",
        lambda: storage.run("reader", "cat /data/note") == (0, "from w1\n"),
        seconds=10,
    )
    assert server.content(f"{volume}/note") == "from w1\n"
    # fsGroup and the process' own user, on the server's disk.
    assert server.host.check(f"stat -c %u:%g {EXPORT}/{volume}/note").strip() == "1000:2000"


def test_directories_end_as_their_class_says(storage: Storage, server: Server, cluster: Cluster) -> None:
    volumes = {}
    for name in ("kept", "archived", "named"):
        storage.claim(name, name)
        volumes[name] = storage.wait_bound(name)
        server.host.check(f"ls {EXPORT}/{'shop/named' if name == 'named' else volumes[name]}")
        storage.release(name)
    wait_for(
        "volumes of the reclaim policy Delete are gone",
        lambda: (
            not {volumes["archived"], volumes["named"]} & set(cluster.query(VOLUMES, "items[].metadata.name"))
        ),
        seconds=90,
    )
    assert server.exists(f"archived-{volumes['archived']}") and not server.exists(volumes["archived"])
    assert server.exists("shop/named")
    assert cluster.query(f"{VOLUMES}/{volumes['kept']}", "status.phase") == "Released"
    assert server.exists(volumes["kept"])


def test_snapshot_becomes_a_volume(storage: Storage, cluster: Cluster) -> None:
    custom: Any = client.CustomObjectsApi(cluster._client())
    body = {
        "apiVersion": "snapshot.storage.k8s.io/v1",
        "kind": "VolumeSnapshot",
        "metadata": {"name": "one"},
        "spec": {"source": {"persistentVolumeClaimName": "data"}},
    }
    arguments = ("snapshot.storage.k8s.io", "v1", storage.namespace, "volumesnapshots")
    custom.create_namespaced_custom_object(*arguments, body)
    wait_for(
        "the snapshot is ready",
        lambda: (
            cluster.query(f"{SNAPSHOTS}/namespaces/shop/volumesnapshots/one", "status.readyToUse") is True
        ),
        seconds=90,
        evidence=lambda: cluster.events("shop"),
    )
    storage.check("writer", "echo later > /data/note")
    storage.claim(
        "copy", "nfs", {"kind": "VolumeSnapshot", "name": "one", "apiGroup": "snapshot.storage.k8s.io"}
    )
    storage.wait_bound("copy")
    storage.pod("restored", "w2", "copy")
    storage.wait_running("restored")
    assert storage.check("restored", "cat /data/note") == "from w1\n"
    storage.remove("restored")
    custom.delete_namespaced_custom_object(*arguments, "one")
    storage.release("copy")


def test_write_goes_on_when_the_server_comes_back(storage: Storage, server: Server) -> None:
    """A server that is restarted in the middle costs time, and no line."""
    done: dict[str, Any] = {}
    lines = 40

    def write() -> None:
        # Shorter than a call may take, and longer than the restart.
        done["end"] = storage.run(
            "writer",
            f"i=0; while [ $i -lt {lines} ]; do i=$((i+1)); echo $i >> /data/log || exit 1; sleep 0.2; done",
        )

    thread = threading.Thread(target=write)
    thread.start()
    wait_for("it writes", lambda: storage.run("reader", "test -s /data/log")[0] == 0, seconds=20)
    server.stop()
    server.start()
    thread.join(60)
    assert done.get("end") == (0, ""), done
    expected = "".join(f"{number}\n" for number in range(1, lines + 1))
    assert storage.check("reader", "cat /data/log") == expected


def test_exports_follow_the_inventory_without_a_restart(server: Server, platform: Platform) -> None:
    before = server.pid()
    changed = server.apply(nfs_server_clients=["198.51.100.0/24"]).expect()
    assert {host for host, _task in changed.changed} == {"w2"}
    assert server.pid() == before
    assert "198.51.100.0/24" in server.host.check("cat /etc/kubernetes-nfs-server/ganesha.conf")
    platform.run().expect_quiet()
    server.apply().expect()


def test_changed_class_is_made_again(platform: Platform, cluster: Cluster, storage: Storage) -> None:
    """Kubernetes changes no parameter of a class. The volume that exists stays."""
    classes = [dict(one) for one in platform.values["storage_nfs_classes"]]
    classes[0]["permissions"] = "0770"
    before = cluster.query(f"{CLASSES}/nfs", "metadata.uid")
    changed = platform.run(storage_nfs_classes=classes).expect()
    assert {task for _host, task in changed.changed} == {DEPLOY}
    parameters = cluster.query(f"{CLASSES}/nfs", "parameters")
    assert parameters["mountPermissions"] == "0770" and before != cluster.query(
        f"{CLASSES}/nfs", "metadata.uid"
    )
    platform.run(storage_nfs_classes=classes).expect_quiet()
    assert storage.check("reader", "head -1 /data/log") == "1\n"
    removed = platform.run(storage_nfs_classes=classes[:1]).expect()
    assert "StorageClass kept" in removed.text and "kept" not in cluster.query(
        CLASSES, "items[].metadata.name"
    )
    platform.run().expect()


def test_server_that_is_gone_holds_up_no_kubelet_and_no_other_pod(
    storage: Storage, server: Server, cluster: Cluster, playbook: Playbook
) -> None:
    storage.claim("cache", "soft")
    storage.wait_bound("cache")
    storage.pod("gives-up", "w1", "cache")
    storage.wait_running("gives-up")
    server.stop()
    try:
        # Who writes now waits.
        thread = threading.Thread(
            target=lambda: storage.run("writer", "timeout 20 sh -c 'echo x > /data/late'")
        )
        thread.start()
        storage.pod("late", "w1", "data")
        wait_for(
            "the pod's volume cannot be mounted",
            lambda: "FailedMount" in cluster.events("shop"),
            seconds=180,
        )
        assert cluster.ready("w1"), "the kubelet goes on"
        # Other pods of the node start.
        storage.pod("other", "w1")
        storage.wait_running("other")
        storage.remove("late", seconds=180)
        # The drain waits for processes, not for what unmounts after them.
        drain = replace(playbook, name="baremetal.kubernetes.drain_node")
        force = ("-e", "node_drain_force=true", "-e", "node_drain_timeout=90")
        drain.run("--limit", "w1", *force, log="drain.log").expect()
        # A soft mount is given up. A hard one may wait for the server, and its pod with it.
        wait_for(
            "the other pod and that with a soft mount are gone",
            lambda: not {"other", "gives-up"} & set(cluster.pods("shop")),
            seconds=120,
        )
        print("a pod with a hard mount", "waits" if "writer" in cluster.pods("shop") else "is gone")
        assert cluster.ready("w1")
    finally:
        server.start()
        uncordon = replace(playbook, name="baremetal.kubernetes.uncordon_node")
        uncordon.run("--limit", "w1", log="uncordon.log").expect()
    thread.join(60)
    wait_for("the pod with a hard mount is gone", lambda: "writer" not in cluster.pods("shop"), seconds=240)
    storage.release("cache")


def test_it_is_not_removed_while_a_pod_uses_it(platform: Platform, cluster: Cluster) -> None:
    refused = platform.run(storage_nfs_enabled=False).expect(code=2)
    assert "pod shop/reader uses the claim data, expected no pod" in refused.text
    assert OWN in cluster.query("/api/v1/namespaces", "items[].metadata.name")


def test_switched_off_it_leaves_what_holds_data(
    platform: Platform, cluster: Cluster, storage: Storage, server: Server
) -> None:
    storage.remove("reader")
    done = platform.run(storage_nfs_enabled=False).expect()
    left = cluster.query(VOLUMES, "items[?spec.csi.driver=='nfs.csi.k8s.io'].metadata.name")
    assert left and all(f"- {name} (claim" in done.text for name in left)
    assert all(server.exists(name) for name in left)
    platform.run(storage_nfs_enabled=False).expect_quiet()
    for path in (
        "/api/v1/namespaces",
        "/api/v1/serviceaccounts",
        "/api/v1/secrets",
        "/apis/apps/v1/daemonsets",
        "/apis/apps/v1/deployments",
        "/apis/policy/v1/poddisruptionbudgets",
        "/apis/rbac.authorization.k8s.io/v1/clusterroles",
        "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
        "/apis/storage.k8s.io/v1/csidrivers",
        CLASSES,
        f"{SNAPSHOTS}/volumesnapshotclasses",
    ):
        wait_for(
            f"{path} has nothing of it",
            lambda path=path: not cluster.query(f"{path}?{LABEL}", "items"),  # type: ignore[misc]
            seconds=90,
        )


def test_switched_on_again_volumes_work(platform: Platform, storage: Storage) -> None:
    platform.run().expect()
    storage.pod("back", "w1", "data")
    storage.wait_running("back")
    assert storage.check("back", "tail -1 /data/log") == "40\n"


def test_reset_does_not_wait_for_a_server_that_is_gone(
    server: Server, playbook: Playbook, hosts: dict[str, Host]
) -> None:
    """The last test: w1 is no node any more."""
    mounts = "grep -c 'kubernetes.io~csi.*nfs' /proc/mounts || true"
    assert int(hosts["w1"].check(mounts)) > 0
    server.stop()
    reset = replace(playbook, name="baremetal.kubernetes.reset")
    reset.run("--limit", "w1", "-e", "reset_confirm=w1", log="reset.log").expect()
    assert int(hosts["w1"].check(mounts)) == 0
    # The directory itself is a mount of the lab.
    assert hosts["w1"].run("test -e /var/lib/kubelet/config.yaml")[0] != 0
