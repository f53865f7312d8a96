# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificate signing requests of kubelets, an API server that signs what is approved, and kubelets."""

from __future__ import annotations

import base64
import copy
import datetime
import socket
import threading
import typing as t
from collections.abc import Callable, Sequence

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from tests.unit.support import certificates
from tests.unit.support.certificates import Issued, name
from tests.unit.support.servers import Answer, ApiServer, Request, refused

PEM = serialization.Encoding.PEM
SERVING = "kubernetes.io/kubelet-serving"
USAGES = ("digital signature", "server auth")
NOW = datetime.datetime(2026, 11, 21, 21, 0, tzinfo=datetime.UTC)
REQUESTS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"


def request_pem(
    subject: x509.Name,
    names: Sequence[str],
    key: t.Any = None,
    extensions: Sequence[x509.ExtensionType] = (),
) -> bytes:
    return certificates.request(subject, names, key, extensions).public_bytes(PEM)


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


class Kubelet:
    """Serves a certificate, or none, on the loopback interface."""

    def __init__(self) -> None:
        self.key = certificates.new_key()
        self.context = certificates.server_context()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def serve(self, issued: Issued) -> None:
        key = self.key if issued.key is None else issued.key
        self.context = certificates.server_context(issued.pem + certificates.key_pem(key))

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


class Api(ApiServer):
    """An API server that knows requests for certificates and nodes, and signs what is approved.

    It answers 409 to a change of an old version.
    """

    def __init__(self) -> None:
        super().__init__()
        self.csrs: dict[str, dict[str, t.Any]] = {}
        self.nodes: dict[str, dict[str, t.Any]] = {}
        #: Called before a change is written, as others may change the same object.
        self.before_change: Callable[[str], None] = lambda _name: None
        self.signed: Callable[[str, Issued], None] = lambda _name, _certificate: None

    def add(self, *requests: dict[str, t.Any]) -> None:
        for one in requests:
            self.csrs[one["metadata"]["name"]] = one

    def conditions(self, own: str) -> list[str]:
        return [one["type"] for one in self.csrs[own]["status"].get("conditions", [])]

    def touch(self, own: str) -> None:
        """Another version of the object, as every change makes."""
        metadata = self.csrs[own]["metadata"]
        metadata["resourceVersion"] = str(int(metadata["resourceVersion"]) + 1)

    def handle(self, request: Request) -> Answer:
        where, _slash, own = request.path.rpartition("/")
        if request.method == "GET" and request.path == REQUESTS:
            return self.listed(request, list(self.csrs.values()))
        if request.method == "GET" and where == "/api/v1/nodes":
            return self._one(self.nodes, own)
        if request.method == "GET" and where == REQUESTS:
            return self._one(self.csrs, own)
        if request.method == "PUT" and where.startswith(REQUESTS) and own == "approval":
            return self._change(where.rpartition("/")[2], request.object)
        return super().handle(request)

    @staticmethod
    def _one(objects: dict[str, dict[str, t.Any]], own: str) -> Answer:
        if own not in objects:
            return refused(404, f"{own} not found")
        return Answer(200, copy.deepcopy(objects[own]))

    def _change(self, own: str, body: dict[str, t.Any]) -> Answer:
        self.before_change(own)
        if own not in self.csrs:
            return refused(404, f"{own} not found")
        assert (body["apiVersion"], body["kind"]) == ("certificates.k8s.io/v1", "CertificateSigningRequest")
        stored = self.csrs[own]
        if body["metadata"]["resourceVersion"] != stored["metadata"]["resourceVersion"]:
            return refused(409, "the object has been modified")
        assert body["spec"] == stored["spec"]
        stored["status"]["conditions"] = body["status"]["conditions"]
        self.touch(own)
        if self.conditions(own) == ["Approved"]:
            asked = x509.load_pem_x509_csr(base64.b64decode(stored["spec"]["request"]))
            san = asked.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            issued = certificates.issue(
                asked.subject,
                issuer=self.authority,
                public_key=asked.public_key(),
                # The fake kubelets are on the loopback interface, which no inventory may have.
                names=[*(str(one.value) for one in san), "127.0.0.1"],
            )
            stored["status"]["certificate"] = base64.b64encode(issued.pem.encode()).decode()
            self.signed(own, issued)
        return Answer(200, copy.deepcopy(stored))
