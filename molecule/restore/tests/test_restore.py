# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The drill: what was there before the backup is there after the restore, what came after is not."""

from __future__ import annotations

import base64
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.infra import age
from tests.infra.cluster import Cluster, Probes, image_of_lab
from tests.infra.fixtures import AGNHOST
from tests.infra.hosts import REPO, Host
from tests.infra.playbook import Playbook
from tests.infra.waiting import wait_for

NAMESPACE = "drill"
SECRET = "what nobody may read"
CLIENT = "/etc/kubernetes/pki/etcd"
DATA = "baremetal.kubernetes.restore : Data | Restore etcd and the keys"


@dataclass(frozen=True)
class Drill:
    """What was made before the backup.

    :param archive: the backup. :param token: of a service account. :param settings: variables of the backup.
    """

    archive: Path
    identity: Path
    token: str
    settings: dict[str, Any]

    @property
    def schedule(self) -> dict[str, Any]:
        """Variables for scheduled backups."""
        names = ("etcd_backup_recipients", "etcd_backup_packages_managed")
        return {name: self.settings[name] for name in names}

    def options(self, archive: Path | None = None) -> tuple[str, ...]:
        path = archive or self.archive
        return ("-e", f"restore_archive={path}", "-e", f"restore_identity={self.identity}")


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("backups")


@pytest.fixture(scope="module")
def restore(inventory: Path, tmp_path_factory: pytest.TempPathFactory) -> Playbook:
    return Playbook(inventory, tmp_path_factory.mktemp("restore"), name="baremetal.kubernetes.restore")


def config_map(cluster: Cluster, name: str) -> None:
    cluster.core.create_namespaced_config_map(NAMESPACE, {"metadata": {"name": name}, "data": {"a": "b"}})


def names(cluster: Cluster) -> set[str]:
    """Names of the ConfigMaps, without the one that every namespace has."""
    found = cluster.query(f"/api/v1/namespaces/{NAMESPACE}/configmaps", "items[].metadata.name")
    return set(found) - {"kube-root-ca.crt"}


def user_of(host: Host, token: str) -> str:
    """Who the API server says that a token is."""
    review = json.dumps({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"})
    answer = host.check(
        f"curl -sk -X POST -H 'Authorization: Bearer {token}' -H 'Content-Type: application/json' -d '{review}'"
        " https://127.0.0.1:6443/apis/authentication.k8s.io/v1/selfsubjectreviews"
    )
    return str(json.loads(answer)["status"]["userInfo"]["username"])


@pytest.fixture(scope="module")
def drill(inventory: Path, cluster: Cluster, hosts: dict[str, Host], directory: Path) -> Drill:
    """Objects, and then a backup of them."""
    core = cluster.core
    core.create_namespace({"metadata": {"name": NAMESPACE}})
    config_map(cluster, "before")
    core.create_namespaced_secret(NAMESPACE, {"metadata": {"name": "secret"}, "stringData": {"a": SECRET}})
    core.create_namespaced_service_account(NAMESPACE, {"metadata": {"name": "robot"}})
    token = core.create_namespaced_service_account_token(
        "robot", NAMESPACE, {"spec": {"expirationSeconds": 7200}}
    )
    probes = Probes(
        cluster, "probes-drill", image_of_lab(REPO / "lab" / "catalogue.yml", AGNHOST), tuple(hosts)
    )
    probes.create()
    probes.wait_ready(120, evidence=lambda: "")
    age.install(hosts["cp1"])
    identity = directory / "backup.key"
    options = {
        "etcd_backup_recipients": [age.recipient(identity)],
        "etcd_backup_destination": str(directory),
        "etcd_backup_packages_managed": False,
    }
    backup = Playbook(inventory, directory, name="baremetal.kubernetes.backup")
    backup.run("-e", json.dumps(options), log="backup.log").expect()
    (archive,) = directory.glob("*.tar.gz.age")
    config_map(cluster, "after")
    return Drill(archive, identity, str(token.status.token), options)


def test_archive_is_private_and_leaves_nothing_on_the_host(drill: Drill, hosts: dict[str, Host]) -> None:
    assert drill.archive.stat().st_mode & 0o777 == 0o600
    data = drill.archive.read_bytes()
    assert data.startswith(b"age-encryption.org")
    assert SECRET.encode() not in data
    left = hosts["cp1"].check(
        "find / -xdev -name '*.tar.gz.age*' -o -xdev -name 'snapshot.db' | head; ls /var/lib/baremetal-kubernetes"
    )
    assert left.split() == ["artifacts.json"]


def test_a_killed_backup_leaves_no_plain_text(
    drill: Drill, inventory: Path, hosts: dict[str, Host], directory: Path
) -> None:
    cp1, other = hosts["cp1"], directory / "other"
    other.mkdir()
    backup = Playbook(inventory, directory, name="baremetal.kubernetes.backup")
    values = ("-e", json.dumps({**drill.settings, "etcd_backup_destination": str(other)}))
    plain = "find / -xdev -name snapshot.db"
    process = backup.start(*values, log="killed.log")
    wait_for("the snapshot is written", lambda: cp1.check(plain), seconds=120, interval=0.1)
    backup.kill(process, connections=True)
    wait_for("the snapshot is gone", lambda: not cp1.check(plain), seconds=60)
    assert not list(other.glob("*.age")), "an archive has its name when it is whole"
    backup.run(*values, log="after.log").expect()
    assert len(list(other.glob("*.age"))) == 1
    assert cp1.check("ls /var/lib/baremetal-kubernetes").split() == ["artifacts.json"]


def test_a_control_plane_makes_backups_by_itself(
    drill: Drill, inventory: Path, hosts: dict[str, Host], directory: Path
) -> None:
    cp1, service = hosts["cp1"], "kubernetes-etcd-backup"
    cp1.check("mkdir -p /var/lib/node_exporter/textfile")
    harden = Playbook(inventory, directory, name="baremetal.kubernetes.harden")
    options = {**drill.schedule, "etcd_backup_interval": 6}
    refused = harden.run("-e", "etcd_backup_interval=6", log="refused.log").expect(code=2)
    assert "etcd_backup_recipients is empty" in refused.text
    assert refused.changed == set()
    predicted = harden.run("--check", "-e", json.dumps(options), log="predicted.log").expect()
    run = harden.run("-e", json.dumps(options), log="schedule.log").expect()
    assert run.changed == predicted.changed
    find = "find /var/backups/kubernetes -name '*.age' -not -name '.*'"
    (path,) = wait_for("the first backup", lambda: cp1.check(find).split(), seconds=90)
    assert cp1.check(f"stat -c '%a %U' {path} /var/backups/kubernetes").split() == [
        "600",
        "root",
        "700",
        "root",
    ]
    metrics = wait_for(
        "its metrics",
        lambda: cp1.check("cat /var/lib/node_exporter/textfile/*etcd_backup.prom || true"),
        seconds=30,
    )
    assert "baremetal_kubernetes_etcd_backup_last_attempt_success 1" in metrics
    made = base64.b64decode(cp1.check(f"base64 -w0 {path}"))
    assert {"manifest.json", "etcd/snapshot.db"} <= age.listed(made, drill.identity)
    # It makes the next one in six hours, also when it is started again.
    cp1.check(f"systemctl restart {service}")
    harden.run("-e", json.dumps(options), log="again.log").expect_quiet()
    assert cp1.check(find).split() == [path]
    health = Playbook(inventory, directory, name="baremetal.kubernetes.health").run(log="health.log").expect()
    assert path in health.text
    assert "[backup]" not in health.text
    harden.run(log="remove.log").expect()
    assert cp1.run(f"systemctl cat {service}")[0] != 0
    assert cp1.check(find).split() == [path], "archives stay"
    harden.run(log="quiet.log").expect_quiet()
    cp1.check("rm -r /var/backups/kubernetes /var/lib/node_exporter")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("-e", "cluster_name=other"), "is of the cluster"),
        (("-e", "cluster_service_cidr=10.111.0.0/16"), "cluster_service_cidr is"),
        ((), "restore_confirm is"),
    ],
)
def test_what_does_not_fit_is_refused(
    change: tuple[str, ...], message: str, drill: Drill, restore: Playbook, cluster: Cluster
) -> None:
    run = restore.run(*drill.options(), *change).expect(code=2)
    assert message in run.text
    assert "Nothing was changed" in run.text
    assert run.changed == set()
    assert names(cluster) == {"before", "after"}


def test_a_damaged_backup_is_refused(
    drill: Drill, restore: Playbook, directory: Path, cluster: Cluster
) -> None:
    whole = drill.archive.read_bytes()
    damaged = directory / "damaged.tar.gz.age"
    for data in (whole[: len(whole) // 2], whole[:-5000] + b"x" * 100 + whole[-4900:]):
        damaged.write_bytes(data)
        run = restore.run(*drill.options(damaged)).expect(code=2)
        assert "cannot be decrypted" in run.text
        assert run.changed == set()
    assert names(cluster) == {"before", "after"}


def test_empty_hosts_become_the_cluster(
    drill: Drill,
    restore: Playbook,
    inventory: Path,
    cluster: Cluster,
    variables: dict[str, Any],
    directory: Path,
    record_property: Any,
) -> None:
    confirm = str(variables["cluster_name"])
    reset = Playbook(inventory, directory, name="baremetal.kubernetes.reset")
    reset.run("-e", f"reset_confirm={confirm}", log="reset.log").expect()
    assert not cluster.kubeconfig.exists()
    # Preflight would refuse it on hosts that have the former version.
    other = restore.run(
        *drill.options(), "-e", f"restore_confirm={confirm}", "-e", "cluster_kubernetes_version=1.37.1"
    )
    assert "expected the same minor version" in other.expect(code=2).text
    assert other.changed == set()
    values = (*drill.options(), "-e", f"restore_confirm={confirm}")
    # The controller dies as soon as it has begun to change the host.
    process = restore.start(*values, log="killed.log")
    assert restore.wait_task(process, [DATA], log="killed.log") == DATA
    time.sleep(1)
    restore.kill(process, connections=True)
    began = time.monotonic()
    restore.run(*values).expect()
    record_property("seconds", round(time.monotonic() - began, 1))


def verify(drill: Drill, cluster: Cluster, hosts: dict[str, Host]) -> None:
    """All of the drill."""
    # The client of the lost cluster has its old credentials.
    again = Cluster(cluster.kubeconfig)
    assert names(again) == {"before"}
    found = again.query(f"/api/v1/namespaces/{NAMESPACE}/secrets/secret", "data.a")
    assert base64.b64decode(found).decode() == SECRET
    for name in hosts:
        wait_for(f"{name} is ready", lambda name=name: again.ready(name), seconds=60)  # type: ignore[misc]
    assert user_of(hosts["cp1"], drill.token) == f"system:serviceaccount:{NAMESPACE}:robot"
    assert b"k8s:enc:secretbox" in again.stored(f"/registry/secrets/{NAMESPACE}/secret")[0]
    image = image_of_lab(REPO / "lab" / "catalogue.yml", AGNHOST)
    probes = Probes(again, "probes-drill", image, tuple(hosts))
    probes.wait_ready(120, evidence=lambda: "\n".join(host.logs() for host in hosts.values()))
    for source in hosts:
        for target in hosts:
            # Its address is read again each time: the API has that of the backup until the kubelet corrects it.
            wait_for(
                f"the probe on {source} connects to {target}",
                lambda source=source, target=target: probes.connects(source, probes.address(target)),  # type: ignore[misc]
                seconds=90,
            )


def test_all_of_it_works(drill: Drill, cluster: Cluster, hosts: dict[str, Host], playbook: Playbook) -> None:
    verify(drill, cluster, hosts)
    playbook.run().expect_quiet()


def test_a_second_restore_changes_nothing(
    drill: Drill, restore: Playbook, cluster: Cluster, variables: dict[str, Any]
) -> None:
    config_map(Cluster(cluster.kubeconfig), "later")
    restore.run(*drill.options(), "-e", f"restore_confirm={variables['cluster_name']}").expect_quiet()
    assert names(Cluster(cluster.kubeconfig)) == {"before", "later"}


def test_a_running_cluster_is_rolled_back(
    drill: Drill,
    restore: Playbook,
    playbook: Playbook,
    cluster: Cluster,
    hosts: dict[str, Host],
    variables: dict[str, Any],
) -> None:
    confirm = f"restore_confirm={variables['cluster_name']}"
    restore.run(*drill.options(), "-e", confirm, "-e", "restore_force=true").expect()
    verify(drill, cluster, hosts)
    playbook.run().expect_quiet()
    assert "before-restore-" in hosts["cp1"].check("ls /var/lib/etcd")


def test_the_member_that_is_left_becomes_the_cluster(
    restore: Playbook, playbook: Playbook, cluster: Cluster, hosts: dict[str, Host], variables: dict[str, Any]
) -> None:
    """A member that never comes takes the quorum away: one of two is no majority."""
    again = Cluster(cluster.kubeconfig)
    config_map(again, "last")
    argv = ["etcdctl", f"--cacert={CLIENT}/ca.crt", f"--cert={CLIENT}/peer.crt", f"--key={CLIENT}/peer.key"]
    code, output = again.execute(
        "kube-system", "etcd-cp1", [*argv, "member", "add", "lost", "--peer-urls=https://192.0.2.99:2380"]
    )
    assert code == 0, output
    confirm = f"restore_confirm={variables['cluster_name']}"
    run = restore.run("-e", "restore_survivor=w1", "-e", confirm).expect(code=2)
    assert "w1 is no control plane of the inventory with data of etcd" in run.text
    restore.run("-e", "restore_survivor=cp1", "-e", confirm).expect()
    assert names(Cluster(cluster.kubeconfig)) == {"before", "last"}
    playbook.run().expect_quiet()
