# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Defaults of a hardened cluster: what it rejects, encrypts and audits."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from kubernetes.client import ApiException

from tests.infra.cluster import Cluster
from tests.infra.hosts import Host
from tests.infra.waiting import wait_for

NAMESPACE = "hardening"


@pytest.fixture(scope="module")
def namespace(cluster: Cluster) -> Iterator[str]:
    """A namespace without any label, with a Secret in it."""
    cluster.core.create_namespace({"metadata": {"name": NAMESPACE}})
    cluster.core.create_namespaced_secret(
        NAMESPACE, {"metadata": {"name": "ours"}, "stringData": {"word": "abracadabra"}}
    )
    yield NAMESPACE
    cluster.core.delete_namespace(NAMESPACE)


@pytest.fixture(scope="module")
def addresses(cluster: Cluster) -> dict[str, str]:
    """Address of each node."""
    return cluster.nodes("status.addresses[?type=='InternalIP'].address | [0]")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/livez", 200),
        ("/readyz", 200),
        ("/api/v1/namespaces/kube-public/configmaps/cluster-info", 200),
        ("/version", 401),
        ("/api/v1/namespaces/kube-public/configmaps", 401),
        ("/readyz/", 401),
        ("/metrics", 401),
    ],
)
def test_anonymous_requests_reach_health_and_cluster_info_only(
    path: str, status: int, addresses: dict[str, str]
) -> None:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    url = f"https://{addresses['cp1']}:6443{path}"
    try:
        with urllib.request.urlopen(url, context=context, timeout=10) as response:
            found = response.status
    except urllib.error.HTTPError as exc:
        found = exc.code
    assert found == status


def _pod(**container: object) -> dict[str, object]:
    own = {"name": "c", "image": "registry.k8s.io/pause:3.10.2", **container}
    return {"metadata": {"name": "refused"}, "spec": {"containers": [own]}}


@pytest.mark.parametrize(
    "pod", [_pod(), _pod(securityContext={"privileged": True})], ids=["without a context", "privileged"]
)
def test_pod_that_is_not_restricted_is_rejected(
    pod: dict[str, object], cluster: Cluster, namespace: str
) -> None:
    with pytest.raises(ApiException) as caught:
        cluster.core.create_namespaced_pod(namespace, pod)
    assert caught.value.status == 403
    assert "restricted" in str(caught.value.body)


def test_service_with_external_ips_is_rejected(cluster: Cluster, namespace: str) -> None:
    service = {
        "metadata": {"name": "refused"},
        "spec": {"ports": [{"port": 80}], "externalIPs": ["192.0.2.80"]},
    }
    with pytest.raises(ApiException) as caught:
        cluster.core.create_namespaced_service(namespace, service)
    assert caught.value.status == 403


def test_secret_is_encrypted_at_rest(cluster: Cluster, namespace: str) -> None:
    (stored,) = cluster.stored(f"/registry/secrets/{namespace}/ours")
    assert stored.startswith(b"k8s:enc:secretbox:v1:key-")
    assert b"abracadabra" not in stored
    read = cluster.core.read_namespaced_secret("ours", namespace)
    assert read.data is not None
    assert set(read.data) == {"word"}


def test_audit_log_has_the_creator_of_a_secret_and_not_its_data(
    cluster: Cluster, namespace: str, hosts: dict[str, Host]
) -> None:
    log = "/var/log/kubernetes/audit/audit.log"
    command = f"grep '/namespaces/{namespace}/secrets' {log} | tail -n 20"
    wait_for("the Secret is in the audit log", lambda: hosts["cp1"].run(command)[1].strip() != "", seconds=30)
    events = [json.loads(line) for line in hosts["cp1"].check(command).splitlines()]
    made = [event for event in events if event["verb"] == "create"]
    assert [event["user"]["username"] for event in made] == ["kubernetes-admin"]
    assert all("requestObject" not in event and "responseObject" not in event for event in events)


def test_kubelet_serving_certificates_are_signed_by_the_cluster(
    hosts: dict[str, Host], addresses: dict[str, str]
) -> None:
    ca = hosts["cp1"].check("cat /etc/kubernetes/pki/ca.crt")
    for name, address in addresses.items():
        context = ssl.create_default_context(cadata=ca)
        context.check_hostname = False
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(f"https://{address}:10250/pods", context=context, timeout=10)
        assert caught.value.code == 401, name


def test_csr_approver_runs_on_every_control_plane(hosts: dict[str, Host]) -> None:
    for host in (host for host in hosts.values() if host.control_plane):
        assert "kubelet-csr-approver" in host.check(
            "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '; true"
        )


@pytest.mark.parametrize("name", ["w1", "w2"], ids=["systemd", "openrc"])
def test_deleted_kubelet_serving_certificate_is_reissued(name: str, hosts: dict[str, Host]) -> None:
    host, current = hosts[name], "/var/lib/kubelet/pki/kubelet-server-current.pem"
    before = host.check(f"readlink {current}")
    restart = "systemctl restart kubelet" if host.init == "systemd" else "rc-service kubelet restart"
    host.check(f"rm /var/lib/kubelet/pki/kubelet-server-*.pem && {restart}")
    wait_for(
        f"the kubelet of {name} has another certificate",
        lambda: host.run(f"readlink -e {current}")[1].strip() not in ("", before.strip()),
        seconds=120,
        evidence=lambda: hosts["cp1"].run("journalctl --no-pager -n 20 -u kubelet-csr-approver")[1],
    )
