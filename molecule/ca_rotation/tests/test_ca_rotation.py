# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A CA rotation on three control planes and a worker, interrupted in each step. Each test needs those before it."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from kubernetes.client.exceptions import ApiException

from tests.infra.certificates import CONTROL_PLANE, KUBELET, PKI, issuer_key
from tests.infra.cluster import Cluster, Probes
from tests.infra.endpoint import server_of
from tests.infra.hosts import Host
from tests.infra.outage import Outage, measured
from tests.infra.playbook import Playbook, Run
from tests.infra.waiting import wait_for

ROLE = "baremetal.kubernetes.ca_rotation : "
#: Seconds that the API may be away while its server restarts on the control plane that has the address.
GAP = 15.0
AUTHORITIES = ("ca", "etcd/ca", "front-proxy-ca")


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the administrator's kubeconfig of before the rotation is kept."""
    return tmp_path_factory.mktemp("before") / "admin.kubeconfig"


@pytest.fixture(scope="module")
def rotate(playbook: Playbook, endpoint: tuple[str, ...]) -> Callable[..., Run]:
    """Runs the playbook, killed in a task when that is given."""
    made = replace(playbook, name="baremetal.kubernetes.rotate_ca")

    def run(*arguments: str, kill: tuple[str, float] | None = None) -> Run:
        if kill is not None:
            step, seconds = kill
            task = f"{ROLE}Control plane | {step}"
            process = made.start(*endpoint, *arguments, log="killed.log")
            # On the second control plane.
            wait_for(
                f"the step {step} has begun on two control planes",
                lambda: process.poll() is not None or made.text("killed.log").count(f"TASK [{task}]") > 1,
                seconds=300,
                interval=0.2,
                evidence=lambda: made.text("killed.log")[-3000:],
            )
            time.sleep(seconds)
            made.kill(process, connections=True)
        return made.run(*endpoint, *arguments, log="rotate.log")

    return run


@pytest.fixture(scope="module")
def other(playbook: Playbook, endpoint: tuple[str, ...]) -> Callable[..., Run]:
    """Runs another playbook."""

    def run(name: str, *arguments: str) -> Run:
        made = replace(playbook, name=f"baremetal.kubernetes.{name}")
        return made.run(*endpoint, *arguments, log=f"{name}.log")

    return run


@pytest.fixture(scope="module")
def watched(address: str, cluster: Cluster) -> Iterator[Outage]:
    """A client that has read the CA before the rotation, asks ten times a second, and never reads it again."""
    former = base64.b64decode(server_of(cluster)["certificate-authority-data"]).decode()
    with measured(address, former) as seen:
        yield seen


def authorities(host: Host, name: str = "ca") -> list[str]:
    """Key identifiers of what a host trusts, in order."""
    text = host.check(f"cat {PKI}/{name}.crt")
    found = x509.load_pem_x509_certificates(text.encode())
    return [
        one.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest.hex() for one in found
    ]


def restarts(cluster: Cluster) -> dict[str, Any]:
    """Containers and their restarts, but for static pods."""
    path = "/api/v1/pods"
    expression = (
        "items[?metadata.ownerReferences[0].kind != 'Node']"
        ".[metadata.uid, metadata.name, status.containerStatuses[].restartCount]"
    )
    return {uid: (name, counts) for uid, name, counts in cluster.query(path, expression)}


def expect_served(watched: Outage, what: str, record_property: Callable[[str, object], None]) -> None:
    longest = max(watched.gaps, default=0.0)
    record_property(f"{what}: longest time without an answer, seconds", round(longest, 1))
    record_property(f"{what}: failed requests", watched.failed)
    watched.gaps.clear()
    watched.failed = 0
    assert longest <= GAP


@pytest.fixture(scope="module")
def start(watched: Outage, running: Probes, cluster: Cluster, before: Path) -> dict[str, Any]:
    """The cluster before the rotation."""
    assert not watched.failed
    before.write_bytes(cluster.kubeconfig.read_bytes())
    return restarts(cluster)


def test_cluster_by_site(site: Callable[..., Run]) -> None:
    site(log="create.log").expect()


def test_prediction_changes_nothing(
    start: dict[str, Any], rotate: Callable[..., Run], hosts: dict[str, Host]
) -> None:
    run = rotate("--check", "--diff").expect()
    assert "ca-rotation: new ca, etcd/ca, front-proxy-ca" in run.text
    for host in hosts.values():
        assert len(authorities(host)) == 1 and host.run("ls /etc/kubernetes/ca-rotation")[0] != 0


def test_left_out_node_is_refused(rotate: Callable[..., Run]) -> None:
    run = rotate("--limit", "control_plane")
    assert run.code != 0 and "leaves out w1" in run.text and "Nothing was changed" in run.text


def test_all_nodes_trust_both(
    rotate: Callable[..., Run],
    other: Callable[..., Run],
    hosts: dict[str, Host],
    planes: dict[str, Host],
    watched: Outage,
    record_property: Callable[[str, object], None],
) -> None:
    began = time.monotonic()
    rotate("-e", "ca_rotation_until=trust", kill=("Trust", 4)).expect()
    record_property("trust, killed once, seconds", round(time.monotonic() - began))
    found = {tuple(authorities(host)) for host in hosts.values()}
    assert len(found) == 1 and len(*found) == 2
    for name in AUTHORITIES:
        assert {len(authorities(host, name)) for host in planes.values()} == {2}
    for playbook in ("site", "renew_certificates", "upgrade"):
        refused = other(playbook)
        assert refused.code != 0 and "rotate_ca" in refused.text, playbook
    rotate("-e", "ca_rotation_until=trust").expect_quiet()
    expect_served(watched, "trust", record_property)


def test_certificates_are_of_the_new_ca(
    rotate: Callable[..., Run],
    hosts: dict[str, Host],
    planes: dict[str, Host],
    watched: Outage,
    before: Path,
    record_property: Callable[[str, object], None],
) -> None:
    former = {name: authorities(planes["cp1"], name)[0] for name in AUTHORITIES}
    began = time.monotonic()
    rotate("-e", "ca_rotation_until=sign", kill=("Sign", 6)).expect()
    record_property("sign, killed once, seconds", round(time.monotonic() - began))
    for host in hosts.values():
        # kubeadm writes super-admin.conf on the first control plane only.
        known = {**(CONTROL_PLANE if host.control_plane else {}), **KUBELET}
        for path, issuer in known.items():
            if path.endswith("super-admin.conf") and host.name != "cp1":
                continue
            assert issuer_key(host, path) != former[issuer], (host.name, path)
    # What was issued before is still accepted.
    assert Cluster(before).core.list_node()
    rotate("-e", "ca_rotation_until=sign").expect_quiet()
    expect_served(watched, "sign", record_property)


def test_former_ca_is_forgotten(
    rotate: Callable[..., Run],
    hosts: dict[str, Host],
    planes: dict[str, Host],
    watched: Outage,
    cluster: Cluster,
    before: Path,
    record_property: Callable[[str, object], None],
) -> None:
    new = authorities(planes["cp1"])[0]
    began = time.monotonic()
    run = rotate(kill=("Finish", 4)).expect()
    record_property("finish, killed once, seconds", round(time.monotonic() - began))
    for host in hosts.values():
        assert authorities(host) == [new]
        assert host.run("ls /etc/kubernetes/ca-rotation /etc/kubernetes/pki/ca-rotation-signing.crt")[0] != 0
        assert host.run("ls -d /etc/kubernetes/.ca-rotation*")[0] != 0
    for host in planes.values():
        assert host.check(f"cat {PKI}/ca.key") not in run.text
    cluster.reconnect()
    # Signed by the former CA; the API server itself is still trusted, by its cross-signed certificate.
    with pytest.raises(ApiException) as caught:
        Cluster(before).core.list_node()
    assert caught.value.status == 401
    assert Cluster(cluster.kubeconfig).core.list_node()
    expect_served(watched, "finish", record_property)


def test_no_pod_has_restarted_and_all_work(
    start: dict[str, Any],
    cluster: Cluster,
    running: Probes,
    hosts: dict[str, Host],
    record_property: Callable[[str, object], None],
) -> None:
    """CoreDNS and Cilium have read the former CA alone, and still learn of a new Service."""
    now = Cluster(cluster.kubeconfig)
    found = restarts(now)
    # The operator ends when it cannot renew its lease for ten seconds, as while the virtual IP address moves.
    expected = {uid: one for uid, one in start.items() if not one[0].startswith("cilium-operator-")}
    assert {uid: found.get(uid) for uid in expected} == expected
    record_property(
        "restarts of Cilium's operator",
        sum(sum(counts) for name, counts in found.values() if name.startswith("cilium-operator-")),
    )
    body = {
        "metadata": {"name": "later"},
        "spec": {"selector": {"app": "probe"}, "ports": [{"port": 80, "targetPort": running.PORT}]},
    }
    now.core.create_namespaced_service(running.namespace, body)
    probe = replace(running, cluster=now)
    for node in hosts:
        wait_for(
            f"the new Service answers on {node}",
            lambda node=node: probe.connects(node, f"later.{running.namespace}.svc.cluster.local:80"),  # type: ignore[misc]
            seconds=60,
        )
    # The controller manager has told the new CA to every namespace.
    text = now.core.read_namespaced_config_map("kube-root-ca.crt", running.namespace).data["ca.crt"]
    assert text.count("BEGIN CERTIFICATE") == 1 and text == hosts["cp1"].check(f"cat {PKI}/ca.crt")


def test_host_joins_with_the_new_ca(
    other: Callable[..., Run], hosts: dict[str, Host], cluster: Cluster, running: Probes
) -> None:
    # It has no controller, and a drain refuses to delete it.
    Cluster(cluster.kubeconfig).core.delete_namespaced_pod(running.name("w1"), running.namespace)
    other("remove_node", "-e", "node_remove_confirm=w1").expect()
    other("add_node").expect()
    assert authorities(hosts["w1"]) == authorities(hosts["cp1"])
    assert Cluster(cluster.kubeconfig).ready("w1")


def test_site_then_changes_nothing(other: Callable[..., Run]) -> None:
    # add_node tells one control plane of the node, and site the others (docs/nodes.md).
    allow_list = "baremetal.kubernetes.kubelet_csr_approver : Deploy | Place program, allow-list and service"
    assert {task for _host, task in other("site").expect().changed} <= {allow_list}
    other("site").expect_quiet()
    other("health").expect()
