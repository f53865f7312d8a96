# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An ACME server in the cluster (pebble), and a DNS server whose answers a test sets. Neither keeps anything."""

from __future__ import annotations

import base64
import datetime
import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import NameOID

from tests.infra.cluster import Cluster, image_of_lab, running_and_ready
from tests.infra.hosts import REPO, Host
from tests.infra.waiting import wait_for

Json = dict[str, Any]

NAMESPACE = "acme"
PEBBLE, DNS = "ghcr.io/letsencrypt/pebble", "ghcr.io/letsencrypt/pebble-challtestsrv"
PORT, MANAGEMENT, DNS_PORT, DNS_MANAGEMENT = 14000, 15000, 8053, 8055
#: Seconds that a certificate is valid. cert-manager renews it after two thirds of that.
LIFETIME = 180
#: What network policies have to open for it.
OPENINGS = [
    {"name": "acme", "within": [NAMESPACE]},
    {"name": "to-acme", "from": {"namespaces": ["cert-manager"]}, "to": {"namespaces": [NAMESPACE]}},
    {
        "name": "acme-to-ingress",
        "from": {"namespaces": [NAMESPACE]},
        "to": {"namespaces": ["ingress"]},
        "ports": [80, 443],
    },
]
_PRINT = "import ssl,sys,urllib.request as u;c=ssl._create_unverified_context();"


def b64url(data: bytes) -> str:
    """As JSON Web Signatures have it (RFC 7515)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _number(value: int) -> str:
    return b64url(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def jws(key: Any, payload: Json, **protected: str) -> str:
    """A request that is signed by the key of a certificate (RFC 8555, section 7.6).

    :param key: RSA or P-256. :param protected: further fields of the header.
    """
    public = key.public_key().public_numbers()
    if isinstance(key, rsa.RSAPrivateKey):
        algorithm, jwk = "RS256", {"kty": "RSA", "n": _number(public.n), "e": _number(public.e)}
    else:
        x, y = (b64url(value.to_bytes(32, "big")) for value in (public.x, public.y))
        algorithm, jwk = "ES256", {"kty": "EC", "crv": "P-256", "x": x, "y": y}
    header = b64url(json.dumps({"alg": algorithm, "jwk": jwk, **protected}).encode())
    body = b64url(json.dumps(payload).encode())
    signed = f"{header}.{body}".encode()
    if isinstance(key, rsa.RSAPrivateKey):
        signature = key.sign(signed, padding.PKCS1v15(), hashes.SHA256())
    else:
        r, s = decode_dss_signature(key.sign(signed, ec.ECDSA(hashes.SHA256())))
        signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    return json.dumps({"protected": header, "payload": body, "signature": b64url(signature)})


def own_certificate(*names: str) -> tuple[str, str]:
    """A certificate that is its own CA, and its key, in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM).decode()
    form = serialization.PrivateFormat.PKCS8
    return pem, key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


@dataclass(frozen=True)
class Acme:
    """The two servers in a namespace of their own.

    :param cluster: where they run.
    """

    cluster: Cluster

    @cached_property
    def _pair(self) -> tuple[str, str]:
        return own_certificate(f"pebble.{NAMESPACE}.svc.cluster.local")

    @property
    def ca(self) -> str:
        """PEM of who signed the certificate of the server itself."""
        return self._pair[0]

    @property
    def server(self) -> str:
        """URL of the directory."""
        return f"https://pebble.{NAMESPACE}.svc.cluster.local:{PORT}/dir"

    @property
    def resolver(self) -> str:
        """Address of the DNS server."""
        return f"dns.{NAMESPACE}.svc.cluster.local:53"

    def create(self) -> None:
        """Start both."""
        core = self.cluster.core
        core.create_namespace({"metadata": {"name": NAMESPACE}})
        core.create_namespaced_service(
            NAMESPACE, self._service("dns", {53: DNS_PORT, DNS_MANAGEMENT: DNS_MANAGEMENT})
        )
        core.create_namespaced_service(
            NAMESPACE, self._service("pebble", {PORT: PORT, MANAGEMENT: MANAGEMENT})
        )
        pem, key = self._pair
        core.create_namespaced_secret(
            NAMESPACE,
            {
                "metadata": {"name": "pebble"},
                "stringData": {"cert.pem": pem, "key.pem": key, "config.json": self._config()},
            },
        )
        core.create_namespaced_pod(NAMESPACE, self._dns())
        self._start()

    def _config(self) -> str:
        profile = {"description": "minutes", "validityPeriod": LIFETIME}
        return json.dumps(
            {
                "pebble": {
                    "listenAddress": f"0.0.0.0:{PORT}",
                    "managementListenAddress": f"0.0.0.0:{MANAGEMENT}",
                    "certificate": "/etc/pebble/cert.pem",
                    "privateKey": "/etc/pebble/key.pem",
                    "httpPort": 80,
                    "tlsPort": 443,
                    "retryAfter": {"authz": 1, "order": 1},
                    "keyAlgorithm": "ecdsa",
                    "profiles": {"default": profile},
                }
            }
        )

    def _start(self) -> None:
        self.cluster.core.create_namespaced_pod(NAMESPACE, self._pebble())
        wait_for(
            "the ACME server and its DNS server run",
            lambda: all(running_and_ready(self._pod(name)) for name in ("pebble", "dns")),
            seconds=120,
            evidence=lambda: self.cluster.events(NAMESPACE),
        )

    def restart(self) -> None:
        """Start the ACME server again: it has forgotten all accounts, orders and certificates, its CA included."""
        self.cluster.core.delete_namespaced_pod("pebble", NAMESPACE, grace_period_seconds=0)
        wait_for("the former one is gone", lambda: "pebble" not in self.cluster.pods(NAMESPACE), seconds=60)
        self._start()

    def delete(self) -> None:
        """Delete both, without waiting."""
        self.cluster.core.delete_namespace(NAMESPACE)

    def _pod(self, name: str) -> Any:
        return self.cluster.query(f"/api/v1/namespaces/{NAMESPACE}/pods/{name}", "@")

    def _service(self, name: str, ports: dict[int, int]) -> Json:
        listed: list[Json] = []
        for port, target in ports.items():
            protocols = ("UDP", "TCP") if port == 53 else ("TCP",)
            listed += [
                {"name": f"p{port}-{one.lower()}", "port": port, "targetPort": target, "protocol": one}
                for one in protocols
            ]
        return {"metadata": {"name": name}, "spec": {"selector": {"app": name}, "ports": listed}}

    @staticmethod
    def _restricted(name: str, image: str, arguments: list[str], port: int, **more: Any) -> Json:
        container = {
            "name": name,
            "image": image_of_lab(REPO / "lab" / "catalogue.yml", image),
            "args": arguments,
            "readinessProbe": {"tcpSocket": {"port": port}, "periodSeconds": 1},
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            },
            **more.pop("container", {}),
        }
        spec = {
            "containers": [container],
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 65532,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "terminationGracePeriodSeconds": 1,
            **more,
        }
        return {"metadata": {"name": name, "labels": {"app": name}}, "spec": spec}

    def _dns(self) -> Json:
        address = self.cluster.query("/api/v1/namespaces/ingress/services/traefik", "spec.clusterIP")
        arguments = [
            f"-dnsserver=:{DNS_PORT}",
            f"-management=:{DNS_MANAGEMENT}",
            f"-defaultIPv4={address}",
            *("-defaultIPv6=", "-http01=", "-https01=", "-tlsalpn01=", "-doh="),
        ]
        return self._restricted("dns", DNS, arguments, DNS_MANAGEMENT)

    def _pebble(self) -> Json:
        resolver = self.cluster.query(f"/api/v1/namespaces/{NAMESPACE}/services/dns", "spec.clusterIP")
        environment = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0", "PEBBLE_AUTHZREUSE": "0"}
        return self._restricted(
            "pebble",
            PEBBLE,
            ["-config=/etc/pebble/config.json", f"-dnsserver={resolver}:53"],
            PORT,
            container={
                "env": [{"name": name, "value": value} for name, value in environment.items()],
                "volumeMounts": [{"name": "own", "mountPath": "/etc/pebble", "readOnly": True}],
            },
            volumes=[{"name": "own", "secret": {"secretName": "pebble"}}],
        )

    def set_address(self, name: str, address: str) -> None:
        """Have the DNS server answer with an address; all other names have that of the ingress controller."""
        self._proxied("POST", f"http:dns:{DNS_MANAGEMENT}", "add-a", {"host": name, "addresses": [address]})

    def status_of(self, certificate: x509.Certificate) -> str:
        """What the ACME server says of a certificate: C(Valid) or C(Revoked)."""
        path = f"cert-status-by-serial/{certificate.serial_number:x}"
        return str(json.loads(self._proxied("GET", f"https:pebble:{MANAGEMENT}", path))["Status"])

    def _proxied(self, method: str, service: str, path: str, body: Json | None = None) -> str:
        """Ask a Service through the API server, as the machine of the tests reaches no pod."""
        api = self.cluster.core.api_client
        url = f"{api.configuration.host}/api/v1/namespaces/{NAMESPACE}/services/{service}/proxy/{path}"
        data = json.dumps(body) if body else None
        answer = api.rest_client.pool_manager.request(method, url, body=data)
        text: str = answer.data.decode()
        assert answer.status == 200, f"{method} {url}: {answer.status} {text}"
        return text

    def revoke(self, host: Host, certificate: x509.Certificate, key: Any) -> None:
        """Revoke a certificate by its own key, as somebody would whose key was stolen.

        :param host: a node, from which pods are reached.
        """
        address = self._pod("pebble")["status"]["podIP"]
        root = f"https://{address}:{PORT}"
        nonce = host.check(
            f'python3 -c \'{_PRINT}print(u.urlopen("{root}/nonce-plz",context=c).headers["Replay-Nonce"])\''
        ).strip()
        der = certificate.public_bytes(serialization.Encoding.DER)
        url = f"{root}/revoke-cert"
        request = jws(key, {"certificate": b64url(der), "reason": 1}, nonce=nonce, url=url)
        encoded = base64.b64encode(request.encode()).decode()
        host.check(
            f"python3 -c '{_PRINT}import base64;"
            f'r=u.Request("{url}",base64.b64decode("{encoded}"),{{"Content-Type":"application/jose+json"}});'
            "u.urlopen(r,context=c)'"
        )


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 of a certificate, in hexadecimal."""
    return hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER)).hexdigest()
