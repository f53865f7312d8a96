# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster of its own for tests of certificate requests: an authority, an API server over HTTPS, and kubelets."""

from __future__ import annotations

import base64
import copy
import datetime
import ipaddress
import json
import socket
import ssl
import tempfile
import threading
import typing as t
import urllib.parse
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PEM = serialization.Encoding.PEM
SERVING = "kubernetes.io/kubelet-serving"
USAGES = ("digital signature", "server auth")
NOW = datetime.datetime(2026, 11, 21, 21, 0, tzinfo=datetime.UTC)
REQUESTS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"


def key_pem(key: t.Any) -> bytes:
    return key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def name(common: str | Sequence[str], organizations: Sequence[str] = (), unit: str = "") -> x509.Name:
    commons = [common] if isinstance(common, str) else common
    return x509.Name(
        [
            *(x509.NameAttribute(NameOID.ORGANIZATION_NAME, one) for one in organizations),
            *(x509.NameAttribute(NameOID.COMMON_NAME, one) for one in commons),
            *([x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit)] if unit else []),
        ]
    )


def alt_names(*names: str) -> list[x509.GeneralName]:
    found: list[x509.GeneralName] = []
    for one in names:
        try:
            found.append(x509.IPAddress(ipaddress.ip_address(one)))
        except ValueError:
            if "@" in one:
                found.append(x509.RFC822Name(one))
            elif "://" in one:
                found.append(x509.UniformResourceIdentifier(one))
            else:
                found.append(x509.DNSName(one))
    return found


def request_pem(
    subject: x509.Name,
    names: Sequence[str],
    key: t.Any = None,
    extensions: Sequence[x509.ExtensionType] = (),
) -> bytes:
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(alt_names(*names)), critical=False)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(key or ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()).public_bytes(PEM)


def csr(
    node: str = "w1",
    names: Sequence[str] = ("w1", "192.0.2.21"),
    *,
    request: bytes | None = None,
    key: t.Any = None,
    made: datetime.datetime = NOW,
    object_name: str = "",
    **spec: t.Any,
) -> dict[str, t.Any]:
    """What a kubelet asks for, as the API server has it."""
    content = request or request_pem(name(f"system:node:{node}", ["system:nodes"]), names, key)
    return {
        "metadata": {
            "name": object_name or f"csr-{node}",
            "creationTimestamp": made.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "resourceVersion": "1",
        },
        "spec": {
            "request": base64.b64encode(content).decode(),
            "signerName": SERVING,
            "username": f"system:node:{node}",
            "groups": ["system:nodes", "system:authenticated"],
            "usages": list(USAGES),
            **spec,
        },
        "status": {},
    }


def node(own: str = "w1", *addresses: tuple[str, str], port: int = 10250) -> dict[str, t.Any]:
    listed = addresses or (("InternalIP", "192.0.2.21"), ("Hostname", own))
    return {
        "metadata": {"name": own},
        "status": {
            "addresses": [{"type": kind, "address": address} for kind, address in listed],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
        },
    }


class Authority:
    """A CA."""

    def __init__(self, common: str = "kubernetes") -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        own = name(common)
        public = self.key.public_key()
        identifier = x509.SubjectKeyIdentifier.from_public_key(public)
        usage = x509.KeyUsage(True, False, True, False, False, True, False, False, False)
        self.certificate = (
            self._builder(own, own, public)
            .add_extension(x509.BasicConstraints(True, None), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(identifier, critical=False)
            .sign(self.key, hashes.SHA256())
        )
        self.pem = self.certificate.public_bytes(PEM)

    @staticmethod
    def _builder(
        subject: x509.Name, issuer: x509.Name, public: t.Any, days: float = 365
    ) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=400))
            .not_valid_after(now + datetime.timedelta(days=days))
        )

    def issue(self, subject: x509.Name, public: t.Any, *names: str, days: float = 365) -> bytes:
        builder = self._builder(subject, self.certificate.subject, public, days)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(alt_names(*names)), critical=False)
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        return (
            builder.add_extension(authority, critical=False).sign(self.key, hashes.SHA256()).public_bytes(PEM)
        )

    def pair(self, subject: x509.Name, *names: str, days: float = 365) -> tuple[bytes, bytes]:
        """Certificate and key."""
        key = ec.generate_private_key(ec.SECP256R1())
        return self.issue(subject, key.public_key(), *names, days=days), key_pem(key)


def server_context(pair: tuple[bytes, bytes] | None, client_ca: bytes | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if pair:
        with tempfile.NamedTemporaryFile() as file:
            file.write(pair[0] + pair[1])
            file.flush()
            context.load_cert_chain(file.name)
    if client_ca:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=client_ca.decode())
    return context


class Kubelet:
    """Serves a certificate, or none, on the loopback interface."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.context = server_context(None)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def serve(self, certificate: bytes, key: bytes | None = None) -> None:
        self.context = server_context((certificate, key or key_pem(self.key)))

    def _serve(self) -> None:
        while True:
            try:
                plain, _peer = self._socket.accept()
            except OSError:
                return
            try:
                plain.settimeout(5)
                with self.context.wrap_socket(plain, server_side=True) as secure:
                    secure.recv(1)
            except OSError:
                plain.close()

    def close(self) -> None:
        self._socket.close()


class Api:
    """An API server that knows requests for certificates and nodes, and signs what is approved.

    It demands a client certificate of the authority, and answers 409 to a change of an old version.
    """

    def __init__(self) -> None:
        self.authority = Authority()
        self.requests: dict[str, dict[str, t.Any]] = {}
        self.nodes: dict[str, dict[str, t.Any]] = {}
        #: Further objects, by path.
        self.objects: dict[str, dict[str, t.Any]] = {}
        self.asked: list[tuple[str, str]] = []
        #: Answers that go before all others: (method, path without its query) -> (status, message).
        self.answers: dict[tuple[str, str], tuple[int, str]] = {}
        #: Called before a change is written, as others may change the same object.
        self.before_change: Callable[[str], None] = lambda _name: None
        self.signed: Callable[[str, bytes], None] = lambda _name, _certificate: None
        self.page = 500
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args: t.Any) -> None:
                pass

            def answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length)) if length else None
                status, answer = outer.handle(self.command, self.path, body)
                data = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_PUT = answer  # noqa: N815 - names of http.server

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.port = self._http.server_address[1]
        pair = self.authority.pair(name("kube-apiserver"), "127.0.0.1")
        context = server_context(pair, self.authority.pem)
        self._http.socket = context.wrap_socket(
            self._http.socket, server_side=True, do_handshake_on_connect=False
        )
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()

    def kubeconfig(self, path: Path, common: str = "approver", days: float = 365, port: int = 0) -> str:
        certificate, key = self.authority.pair(name(common), days=days)

        def encoded(data: bytes) -> str:
            return base64.b64encode(data).decode()

        path.write_text(
            "apiVersion: v1\nkind: Config\nclusters:\n- cluster:\n"
            f"    certificate-authority-data: {encoded(self.authority.pem)}\n"
            f"    server: https://127.0.0.1:{port or self.port}\n  name: kubernetes\n"
            f"users:\n- name: user\n  user:\n    client-certificate-data: {encoded(certificate)}\n"
            f"    client-key-data: {encoded(key)}\n"
        )
        path.chmod(0o600)
        return str(path)

    def add(self, *requests: dict[str, t.Any]) -> None:
        for one in requests:
            self.requests[one["metadata"]["name"]] = one

    def conditions(self, own: str) -> list[str]:
        return [one["type"] for one in self.requests[own]["status"].get("conditions", [])]

    def touch(self, own: str) -> None:
        """Another version of the object, as every change makes."""
        metadata = self.requests[own]["metadata"]
        metadata["resourceVersion"] = str(int(metadata["resourceVersion"]) + 1)

    def handle(self, method: str, target: str, body: t.Any) -> tuple[int, dict[str, t.Any]]:
        url = urllib.parse.urlsplit(target)
        self.asked.append((method, target))
        if (method, url.path) in self.answers:
            status, message = self.answers[method, url.path]
            return status, {"kind": "Status", "message": message}
        if method == "GET" and url.path in self.objects:
            return 200, copy.deepcopy(self.objects[url.path])
        query = dict(urllib.parse.parse_qsl(url.query))
        if method == "GET" and url.path == REQUESTS:
            selector = query.get("fieldSelector", "").removeprefix("spec.signerName=")
            found = [one for one in self.requests.values() if one["spec"]["signerName"] == selector]
            start = int(query.get("continue", "0").removeprefix("a/b="))
            following = f"a/b={start + self.page}" if start + self.page < len(found) else ""
            items = copy.deepcopy(found[start : start + self.page])
            return 200, {"items": items, "metadata": {"continue": following}}
        if method == "GET" and url.path.startswith("/api/v1/nodes/"):
            return self._one(self.nodes, url.path)
        if method == "GET" and url.path.startswith(REQUESTS):
            return self._one(self.requests, url.path)
        if method == "PUT" and url.path.startswith(REQUESTS) and url.path.endswith("/approval"):
            return self._change(url.path.split("/")[-2], body)
        return 404, {"message": f"{method} {target} is unknown here"}

    @staticmethod
    def _one(objects: dict[str, dict[str, t.Any]], path: str) -> tuple[int, dict[str, t.Any]]:
        own = path.rpartition("/")[2]
        if own not in objects:
            return 404, {"kind": "Status", "message": f"{own} not found"}
        return 200, copy.deepcopy(objects[own])

    def _change(self, own: str, body: dict[str, t.Any]) -> tuple[int, dict[str, t.Any]]:
        self.before_change(own)
        if own not in self.requests:
            return 404, {"message": f"{own} not found"}
        assert (body["apiVersion"], body["kind"]) == ("certificates.k8s.io/v1", "CertificateSigningRequest")
        stored = self.requests[own]
        if body["metadata"]["resourceVersion"] != stored["metadata"]["resourceVersion"]:
            return 409, {"message": "the object has been modified"}
        assert body["spec"] == stored["spec"]
        stored["status"]["conditions"] = body["status"]["conditions"]
        self.touch(own)
        if self.conditions(own) == ["Approved"]:
            asked = x509.load_pem_x509_csr(base64.b64decode(stored["spec"]["request"]))
            san = asked.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            # The fake kubelets are on the loopback interface, which no inventory may have.
            certificate = self.authority.issue(
                asked.subject,
                asked.public_key(),
                *(str(one.value) for one in san),
                "127.0.0.1",
            )
            stored["status"]["certificate"] = base64.b64encode(certificate).decode()
            self.signed(own, certificate)
        return 200, copy.deepcopy(stored)
