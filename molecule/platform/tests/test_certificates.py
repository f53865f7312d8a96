# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates of an ACME server that live for minutes, and of a CA of the cluster. Each test needs those before it."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import NameOID
from kubernetes import client

from tests.infra.acme import LIFETIME, NAMESPACE, OPENINGS, Acme, fingerprint
from tests.infra.cluster import Cluster, image_of_lab
from tests.infra.fixtures import AGNHOST
from tests.infra.hosts import REPO, Host
from tests.infra.network import Platform
from tests.infra.playbook import Playbook
from tests.infra.waiting import wait_for

Json = dict[str, Any]

DEPLOY = "baremetal.kubernetes.certificates : Deploy cert-manager"
ISSUERS = "baremetal.kubernetes.certificates : Apply the issuers"
SHOP, SPACE = "shop", "cert-manager-issuers"
CLUSTER_ISSUERS = "/apis/cert-manager.io/v1/clusterissuers"
#: Value that must be nowhere but in its Secret.
TSIG = "c2VjcmV0IG9mIHRoZSBzY2VuYXJpbyBwbGF0Zm9ybQ=="


@dataclass(frozen=True)
class Web:
    """A namespace of a team, with a web server, Ingresses for it, and the certificates that they get."""

    cluster: Cluster

    def create(self) -> None:
        """The namespace, a pod that serves HTTP, and its Service."""
        core = self.cluster.core
        core.create_namespace({"metadata": {"name": SHOP}})
        container = {
            "name": "web",
            "image": image_of_lab(REPO / "lab" / "catalogue.yml", AGNHOST),
            "args": ["netexec", "--http-port=8080", "--udp-port=-1"],
            "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        }
        core.create_namespaced_pod(
            SHOP,
            {
                "metadata": {"name": "web", "labels": {"app": "web"}},
                "spec": {
                    "containers": [container],
                    "securityContext": {
                        "runAsNonRoot": True,
                        "runAsUser": 65534,
                        "seccompProfile": {"type": "RuntimeDefault"},
                    },
                    "terminationGracePeriodSeconds": 1,
                },
            },
        )
        ports = [{"port": 80, "targetPort": 8080}]
        core.create_namespaced_service(
            SHOP, {"metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}, "ports": ports}}
        )

    @staticmethod
    def _ingress(name: str, host: str, annotations: dict[str, str]) -> Json:
        backend = {"service": {"name": "web", "port": {"number": 80}}}
        path = {"path": "/", "pathType": "Prefix", "backend": backend}
        return {
            "metadata": {"name": name, "annotations": annotations},
            "spec": {
                "tls": [{"hosts": [host], "secretName": f"{name}-tls"}],
                "rules": [{"host": host, "http": {"paths": [path]}}],
            },
        }

    def ask(self, name: str, host: str, **annotations: str) -> None:
        """Create an Ingress that wants a certificate.

        :param annotations: by default the one that every issuer's default is for.
        """
        given = annotations or {"kubernetes.io/tls-acme": "true"}
        self.cluster.networking.create_namespaced_ingress(SHOP, self._ingress(name, host, given))

    def rename(self, name: str, host: str) -> None:
        """Give an Ingress another host name."""
        body = {"spec": self._ingress(name, host, {})["spec"]}
        self.cluster.networking.patch_namespaced_ingress(name, SHOP, body)

    def pair(self, name: str) -> tuple[x509.Certificate, Any]:
        """The certificate of an Ingress, and its key. :raises KeyError: there is none yet."""
        secret = self.cluster.query(f"/api/v1/namespaces/{SHOP}/secrets/{name}-tls", "data")
        pem, key = (base64.b64decode(secret[entry]) for entry in ("tls.crt", "tls.key"))
        return x509.load_pem_x509_certificate(pem), serialization.load_pem_private_key(key, None)

    def issued(self, name: str, host: str, seconds: float = 90, former: str = "") -> x509.Certificate:
        """Wait for the certificate of an Ingress.

        :param host: that it has to be for. :param former: fingerprint of the one that it must not be.
        """

        def new() -> x509.Certificate | None:
            found, _key = self.pair(name)
            names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            right = host in names.get_values_for_type(x509.DNSName)
            return found if right and fingerprint(found) != former else None

        found = wait_for(
            f"a certificate for {host}",
            new,
            seconds=seconds,
            evidence=lambda: f"{self.told()}\n{self.cluster.events(SHOP)}",
        )
        assert found is not None
        return found

    def told(self) -> str:
        """What is under way, as the API has it."""
        base = f"/apis/acme.cert-manager.io/v1/namespaces/{SHOP}"
        found = [
            self.cluster.query(f"{base}/{plural}", "items[].[metadata.name, status]")
            for plural in ("orders", "challenges")
        ]
        return str(found)


def served(host: Host, address: str, name: str, port: int = 30443) -> str:
    """Fingerprint of the certificate that the ingress controller serves for a name."""
    shown = host.check(
        f"openssl s_client -connect {address}:{port} -servername {name} </dev/null 2>/dev/null"
        " | openssl x509 -noout -fingerprint -sha256"
    )
    return shown.strip().rpartition("=")[2].replace(":", "").lower()


@pytest.fixture(scope="module")
def acme(cluster: Cluster) -> Iterator[Acme]:
    running = Acme(cluster)
    yield running
    running.delete()


@pytest.fixture(scope="module")
def web(cluster: Cluster) -> Iterator[Web]:
    made = Web(cluster)
    yield made
    cluster.core.delete_namespace(SHOP)


@pytest.fixture(scope="module")
def platform(playbook: Playbook, acme: Acme) -> Platform:
    """The playbook, with strict network policies: challenges have to work with them."""
    values = {
        "network_policy_mode": "enforce",
        "network_openings": [
            *OPENINGS,
            {
                "name": "web",
                "from": {"namespaces": ["ingress"]},
                "to": {"namespaces": [SHOP], "pods": {"app": "web"}},
                "ports": [8080],
            },
        ],
        "metrics_server_enabled": False,
        "certificates_resolvers": [acme.resolver],
        "certificates_issuers": [{"name": "internal", "ca": {"common_name": "Lab CA"}}],
    }
    return Platform(replace(playbook, name="baremetal.kubernetes.platform"), values)


@pytest.fixture(scope="module")
def listed(playbook: Playbook) -> Playbook:
    """The playbook that lists certificates."""
    return replace(playbook, name="baremetal.kubernetes.issued_certificates")


def issuer(acme: Acme, **values: Any) -> Json:
    return {"name": "pebble", "acme": {"server": acme.server, "ca": acme.ca, **values}}


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"certificates_issuers": [{"name": "a", "acmee": {}}]}, 'it has the key "acmee"'),
        (
            {"certificates_issuers": [{"name": "a", "acme": {"server": "http://acme.example.org/dir"}}]},
            "expected a URL of https",
        ),
        (
            {"certificates_issuers": [{"name": "a", "ca": {"secret": "nobody-s"}}]},
            f"the Secret {SPACE}/nobody-s does not exist",
        ),
        ({"certificates_default_issuer": "other"}, 'certificates_default_issuer is "other"'),
    ],
)
def test_wrong_issuers_change_nothing(platform: Platform, values: Json, words: str) -> None:
    run = platform.run(**values).expect(code=2)
    # Results are printed as JSON.
    assert words in run.text.replace('\\"', '"') and "Nothing was changed" in run.text
    assert not run.changed


def test_check_mode_predicts_and_changes_nothing(platform: Platform, cluster: Cluster) -> None:
    predicted = platform.run("--check").expect()
    assert {DEPLOY, ISSUERS} <= {task for _host, task in predicted.changed}
    assert "cert-manager" not in cluster.query("/api/v1/namespaces", "items[].metadata.name")


def test_ca_of_the_cluster_is_made_and_ready(platform: Platform, cluster: Cluster) -> None:
    platform.run().expect()
    assert cluster.query(CLUSTER_ISSUERS, "items[].metadata.name") == ["internal"]
    secret = cluster.query(f"/api/v1/namespaces/{SPACE}/secrets/internal-ca", 'data."tls.crt"')
    found = x509.load_pem_x509_certificate(base64.b64decode(secret))
    assert found.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "Lab CA"


def test_second_run_changes_nothing(platform: Platform) -> None:
    platform.run().expect_quiet()


def test_replicas_are_on_different_nodes(cluster: Cluster) -> None:
    for component in ("controller", "webhook", "cainjector"):
        selector = f"app.kubernetes.io/component={component}"
        nodes = cluster.pods("cert-manager", selector, "spec.nodeName")
        assert len(nodes) == 2 and len(set(nodes.values())) == 2


def test_account_is_registered_and_secrets_are_nowhere_else(
    platform: Platform, acme: Acme, cluster: Cluster, tmp_path: Path
) -> None:
    acme.create()
    update = {"rfc2136": {"server": "192.0.2.53", "key_name": "lab", "key": TSIG}}
    solvers = [{"http01": {}}, {"dns01": update, "zones": ["dns.example.org"]}]
    internal = {"name": "internal", "ca": {"common_name": "Lab CA"}}
    done = platform.change(certificates_issuers=[issuer(acme, solvers=solvers), internal])
    assert {task for _host, task in done.changed} == {DEPLOY, ISSUERS}, "the default issuer is another one"
    assert TSIG not in done.text and base64.b64encode(TSIG.encode()).decode() not in done.text
    # In a file, as of an inventory: so verbose, Ansible repeats its own command line.
    values = tmp_path / "values.json"
    values.write_text(json.dumps(platform.values), encoding="utf-8")
    assert TSIG not in platform.playbook.run("-e", f"@{values}", "-vvvv", log="verbose.log").expect().text
    status = f"{CLUSTER_ISSUERS}/pebble"
    assert cluster.query(status, "status.conditions[?type=='Ready'].status") == ["True"]
    assert cluster.query(status, "status.acme.uri").startswith("https://pebble.")
    assert f"{SPACE}/pebble-account" in [
        f"{SPACE}/{name}"
        for name in cluster.query(f"/api/v1/namespaces/{SPACE}/secrets", "items[].metadata.name")
    ]


def test_ingress_gets_https_by_one_annotation(web: Web, cluster: Cluster, hosts: dict[str, Host]) -> None:
    web.create()
    web.ask("front", "shop.example.org")
    found = web.issued("front", "shop.example.org")
    lifetime = (found.not_valid_after_utc - found.not_valid_before_utc).total_seconds()
    assert abs(lifetime - LIFETIME) <= 2
    address = cluster.nodes("status.addresses[?type=='InternalIP'] | [0].address")["w1"]
    wait_for(
        "the ingress controller serves it",
        lambda: (
            served(hosts["w1"], address, "shop.example.org")
            == fingerprint(web.issued("front", "shop.example.org"))
        ),
        seconds=30,
    )


def test_who_answers_a_challenge_is_gone_after_it(cluster: Cluster) -> None:
    wait_for(
        "no pod and no Ingress of a challenge is left",
        lambda: (
            set(cluster.pods(SHOP)) == {"web"}
            and cluster.query(
                f"/apis/networking.k8s.io/v1/namespaces/{SHOP}/ingresses", "items[].metadata.name"
            )
            == ["front"]
        ),
        seconds=30,
    )


def test_gateway_gets_https_by_one_annotation(web: Web, cluster: Cluster) -> None:
    gateways: Any = client.CustomObjectsApi(cluster.core.api_client)
    listener = {
        "name": "https",
        "port": 443,
        "protocol": "HTTPS",
        "hostname": "edge.example.org",
        "tls": {"certificateRefs": [{"name": "edge-tls"}]},
    }
    gateways.create_namespaced_custom_object(
        "gateway.networking.k8s.io",
        "v1",
        SHOP,
        "gateways",
        {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "Gateway",
            "metadata": {"name": "edge", "annotations": {"cert-manager.io/cluster-issuer": "internal"}},
            "spec": {"gatewayClassName": "traefik", "listeners": [listener]},
        },
    )
    found = web.issued("edge", "edge.example.org")
    assert found.issuer.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "Lab CA"


def test_certificate_is_renewed_before_it_ends(web: Web) -> None:
    former = web.issued("front", "shop.example.org")
    renewed = web.issued("front", "shop.example.org", seconds=LIFETIME, former=fingerprint(former))
    # While the former one was still valid.
    assert renewed.not_valid_before_utc < former.not_valid_after_utc


def test_certificates_are_listed(listed: Playbook, web: Web) -> None:
    run = listed.run(log="listed.log").expect_quiet()
    assert re.search(r"shop/front-tls\s+\S+Z\s+\d+ min\s+ClusterIssuer pebble\s+in order", run.text)
    assert re.search(rf"{SPACE}/internal-ca\s+\S+Z\s+\d+ days\s+Issuer self-signed\s+in order", run.text)


def test_expiry_is_a_metric(cluster: Cluster) -> None:
    selector = "app.kubernetes.io/component=controller"
    api = cluster.core.api_client
    texts = []
    for name in cluster.pods("cert-manager", selector):
        path = f"/api/v1/namespaces/cert-manager/pods/{name}:9402/proxy/metrics"
        answer = api.rest_client.pool_manager.request("GET", f"{api.configuration.host}{path}")
        texts.append(answer.data.decode())
    # The replica that leads knows them.
    assert any(
        re.search(r'certmanager_certificate_expiration_timestamp_seconds\{[^}]*name="front-tls"', text)
        for text in texts
    )


def test_changed_host_name_gets_a_certificate(web: Web) -> None:
    web.rename("front", "store.example.org")
    web.issued("front", "store.example.org")


def test_revoked_certificate_is_replaced(
    web: Web, acme: Acme, cluster: Cluster, hosts: dict[str, Host]
) -> None:
    found, key = web.pair("front")
    assert acme.status_of(found) == "Valid"
    acme.revoke(hosts["w1"], found, key)
    assert acme.status_of(found) == "Revoked"
    cluster.core.delete_namespaced_secret("front-tls", SHOP)
    web.issued("front", "store.example.org", former=fingerprint(found))


def test_failing_challenge_is_told_in_one_line(web: Web, acme: Acme, listed: Playbook) -> None:
    # Of the addresses for documentation (RFC 5737): nobody has it.
    acme.set_address("lost.example.org", "192.0.2.1")
    web.ask("lost", "lost.example.org")

    def told() -> str:
        text = listed.run(log="listed.log").expect_quiet().text
        match = re.search(r"shop/lost-tls\s+no certificate yet\s+ClusterIssuer pebble\s+(.*)", text)
        return match[1] if match and "challenge for" in match[1] else ""

    line = wait_for("the reason is listed", told, seconds=120, evidence=web.told)
    assert (
        "HTTP-01 challenge for lost.example.org is pending: Waiting for HTTP-01 challenge propagation: "
        in line
    )


def test_expired_account_is_told_and_replaced(
    web: Web, acme: Acme, cluster: Cluster, listed: Playbook
) -> None:
    acme.restart()
    web.ask("late", "late.example.org")

    def told() -> str:
        text = listed.run(log="listed.log").expect_quiet().text
        match = re.search(r"shop/late-tls\s+no certificate yet\s+ClusterIssuer pebble\s+(.*)", text)
        return match[1] if match and "order is" in match[1] else ""

    assert "accountDoesNotExist" in wait_for("the reason is listed", told, seconds=120, evidence=web.told)
    # As the guide says.
    former = cluster.query(f"{CLUSTER_ISSUERS}/pebble", "status.acme.lastPrivateKeyHash")
    cluster.core.delete_namespaced_secret("pebble-account", SPACE)
    wait_for(
        "another account is registered",
        lambda: cluster.query(f"{CLUSTER_ISSUERS}/pebble", "status.acme.lastPrivateKeyHash") != former,
        seconds=60,
    )
    web.ask("later", "later.example.org")
    web.issued("later", "later.example.org")


def test_wrong_url_is_told_in_one_line(platform: Platform, acme: Acme, cluster: Cluster) -> None:
    wrong = {"name": "wrong", "acme": {"server": acme.server.replace("/dir", "/nothing"), "ca": acme.ca}}
    issuers = platform.values["certificates_issuers"]
    run = platform.run(certificates_issuers=[*issuers, wrong], __certificates_issuers_wait=20).expect(code=2)
    assert "Not in effect after 20 s: ClusterIssuer wrong: not Ready (ErrRegisterACMEAccount: " in run.text
    done = platform.run().expect()
    assert {task for _host, task in done.changed} == {ISSUERS}
    assert "wrong" not in cluster.query(CLUSTER_ISSUERS, "items[].metadata.name")


def test_changed_values_roll_out(platform: Platform, cluster: Cluster) -> None:
    platform.change(certificates_replicas=1, certificates_default_issuer="internal")
    path = "/apis/apps/v1/namespaces/cert-manager/deployments/cert-manager"
    assert cluster.query(path, "spec.replicas") == 1
    assert "--default-issuer-name=internal" in cluster.query(path, "spec.template.spec.containers[0].args")
    budgets = "/apis/policy/v1/namespaces/cert-manager/poddisruptionbudgets"
    assert not cluster.query(budgets, "items")


def test_switched_off_it_leaves_what_holds_data(platform: Platform, cluster: Cluster) -> None:
    platform.run(certificates_enabled=False, ingress_enabled=False).expect()
    # Also while its pods have not ended yet.
    platform.run(certificates_enabled=False, ingress_enabled=False).expect_quiet()
    for part in ("certificates", "certificates-issuers"):
        label = f"labelSelector=baremetal.kubernetes/part-of={part}"
        for path in (
            "/api/v1/namespaces",
            "/api/v1/secrets",
            "/api/v1/serviceaccounts",
            "/api/v1/services",
            "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations",
            "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations",
            "/apis/apps/v1/deployments",
            "/apis/cert-manager.io/v1/certificates",
            "/apis/cert-manager.io/v1/issuers",
            CLUSTER_ISSUERS,
            "/apis/cilium.io/v2/ciliumclusterwidenetworkpolicies",
            "/apis/cilium.io/v2/ciliumnetworkpolicies",
            "/apis/networking.k8s.io/v1/networkpolicies",
            "/apis/policy/v1/poddisruptionbudgets",
            "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
            "/apis/rbac.authorization.k8s.io/v1/clusterroles",
            "/apis/rbac.authorization.k8s.io/v1/rolebindings",
            "/apis/rbac.authorization.k8s.io/v1/roles",
        ):
            wait_for(
                f"{path} has nothing of it",
                lambda path=path, label=label: not cluster.query(f"{path}?{label}", "items"),  # type: ignore[misc]
                seconds=60,
            )
    wait_for(
        "the namespaces of the programs are gone",
        lambda: (
            not {"cert-manager", "ingress"}
            & set(cluster.query("/api/v1/namespaces", "items[].metadata.name"))
        ),
        seconds=90,
    )
    kept = cluster.query(f"/api/v1/namespaces/{SPACE}/secrets", "items[].metadata.name")
    assert {"internal-ca", "pebble-account"} <= set(kept)
    assert cluster.query(f"/apis/cert-manager.io/v1/namespaces/{SHOP}/certificates", "length(items)") > 0


def test_switched_on_again_it_has_the_same_ca(platform: Platform, cluster: Cluster, acme: Acme) -> None:
    path = f"/api/v1/namespaces/{SPACE}/secrets/internal-ca"
    former = cluster.query(path, "data")
    platform.run().expect()
    assert cluster.query(path, "data") == former
    platform.run().expect_quiet()
    platform.run(certificates_enabled=False, ingress_enabled=False).expect()
    assert NAMESPACE in cluster.query("/api/v1/namespaces", "items[].metadata.name")
