# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kubelet CSR approver against a node that was taken over, and on a host without a `python3`."""

from __future__ import annotations

import base64
import ipaddress
import json
import secrets
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tests.infra.cluster import Cluster
from tests.infra.hosts import Host
from tests.infra.playbook import Playbook, Run
from tests.infra.waiting import wait_for

APPROVER = "kubelet-csr-approver"
REQUESTS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
SIGNER = "kubernetes.io/kubelet-serving"
#: Seconds between two looks of the approver, and then some.
LOOK = 45
#: What belongs to the API server of this cluster.
API_SERVER = ["kubernetes", "kubernetes.default.svc", "localhost", "10.96.0.1", "127.0.0.1"]


def _tlv(tag: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    size = len(body).to_bytes(4, "big").lstrip(b"\0") or b"\0"
    return bytes([tag]) + (size if len(body) < 0x80 else bytes([0x80 | len(size)]) + size) + body


def _body(element: bytes) -> bytes:
    skip = 2 + (element[1] & 0x7F if element[1] & 0x80 else 0)
    return element[skip:]


def _request(
    node: str, names: Sequence[str]
) -> tuple[ec.EllipticCurvePrivateKey, x509.CertificateSigningRequest]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "system:nodes"),
            x509.NameAttribute(NameOID.COMMON_NAME, f"system:node:{node}"),
        ]
    )
    alt_names: list[x509.GeneralName] = []
    for name in names:
        try:
            alt_names.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            alt_names.append(x509.DNSName(name))
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    return key, builder.add_extension(x509.SubjectAlternativeName(alt_names), False).sign(
        key, hashes.SHA256()
    )


def asks(node: str, names: Sequence[str]) -> bytes:
    """A request as a kubelet makes it, in PEM."""
    return _request(node, names)[1].public_bytes(Encoding.PEM)


def asks_with_a_huge_identifier(node: str, names: Sequence[str]) -> bytes:
    """One more attribute, whose object identifier has an arc of some 6,300 digits; the signature is right."""
    key, usual = _request(node, names)
    fields = _body(usual.tbs_certrequest_bytes)
    attributes = _attributes(fields)
    head = fields[: len(fields) - len(attributes)]
    attribute = _tlv(0x30, _tlv(0x06, b"\x2a" + b"\xff" * 3000 + b"\x7f"), _tlv(0x31, _tlv(0x05)))
    info = _tlv(0x30, head, _tlv(0xA0, _body(attributes), attribute))
    ecdsa_with_sha256 = _tlv(0x30, bytes.fromhex("06082a8648ce3d040302"))
    signed = _tlv(
        0x30, info, ecdsa_with_sha256, _tlv(0x03, b"\0" + key.sign(info, ec.ECDSA(hashes.SHA256())))
    )
    lines = base64.encodebytes(signed).decode()
    return f"-----BEGIN CERTIFICATE REQUEST-----\n{lines}-----END CERTIFICATE REQUEST-----\n".encode()


def _attributes(fields: bytes) -> bytes:
    """The last field: version, subject and key come before it."""
    at = 0
    rest = fields
    for _field in range(3):
        size, skip = fields[at + 1], 2
        if size & 0x80:
            skip = 2 + (size & 0x7F)
            size = int.from_bytes(fields[at + 2 : at + skip], "big")
        at += skip + size
        rest = fields[at:]
    return rest


@pytest.fixture
def create(hosts: dict[str, Host], cluster: Cluster) -> Iterator[Callable[[str, bytes], str]]:
    """Creates a request with the credentials of a node, as whoever has taken it over would; gives its name."""
    made: list[str] = []

    def call(node: str, content: bytes) -> str:
        name = f"field-{secrets.token_hex(4)}"
        document = {
            "apiVersion": "certificates.k8s.io/v1",
            "kind": "CertificateSigningRequest",
            "metadata": {"name": name},
            "spec": {
                "request": base64.b64encode(content).decode(),
                "signerName": SIGNER,
                "usages": ["digital signature", "server auth"],
            },
        }
        encoded = base64.b64encode(json.dumps(document).encode()).decode()
        made.append(name)
        hosts[node].check(
            f"echo {encoded} | base64 -d"
            " | /usr/local/bin/kubectl --kubeconfig /etc/kubernetes/kubelet.conf create -f -"
        )
        return name

    yield call
    for name in made:
        hosts["cp1"].run(f"/usr/local/bin/kubectl --kubeconfig /etc/kubernetes/admin.conf delete csr {name}")


def _conditions(cluster: Cluster, name: str) -> list[str]:
    return list(cluster.query(f"{REQUESTS}/{name}", "status.conditions[].type") or [])


def _said(host: Host) -> list[dict[str, Any]]:
    """What the approver has logged, newest last."""
    command = (
        f"journalctl -u {APPROVER} -o cat --no-pager -n 200"
        if host.init == "systemd"
        else f"tail -n 200 /var/log/{APPROVER}.log"
    )
    lines = host.check(command).splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


def _codes(host: Host, request: str) -> list[str]:
    found = [line for line in _said(host) if line.get("request") == request]
    return list(found[-1].get("codes") or ["approved"]) if found else []


def _process(host: Host) -> str:
    return host.check(f"systemctl show -p MainPID --value {APPROVER}").strip()


def test_a_node_that_was_taken_over_gets_only_its_own_certificate(
    hosts: dict[str, Host], cluster: Cluster, create: Callable[[str, bytes], str]
) -> None:
    plane = hosts["cp1"]
    address = cluster.nodes("status.addresses[?type=='InternalIP'].address | [0]")
    before = _process(plane)
    hostile = create("w1", asks_with_a_huge_identifier("w1", ["w1", address["w1"]]))
    server = create("w1", asks("w1", ["w1", address["w1"], *API_SERVER, address["cp1"]]))
    other = create("w1", asks("w1", ["w2", address["w2"]]))
    good = create("w1", asks("w1", ["w1", address["w1"]]))
    wait_for(
        "the approver approves the node's own request",
        lambda: "Approved" in _conditions(cluster, good),
        seconds=LOOK,
        evidence=lambda: plane.log(APPROVER),
    )
    wait_for("it tells why not the others", lambda: _codes(plane, other), seconds=10)
    assert [_conditions(cluster, one) for one in (hostile, server, other)] == [[], [], []]
    assert _codes(plane, hostile) == ["unreadable"]
    assert set(_codes(plane, server)) >= {"address-not-in-inventory", "name-not-in-inventory"}
    assert set(_codes(plane, other)) >= {"address-not-in-inventory", "name-not-in-inventory"}
    assert _process(plane) == before != "0", "it was not restarted"


def _role(playbook: Playbook, tmp_path: Path) -> Run:
    """The role alone, on the control planes."""
    play = {
        "name": "Deploy the kubelet CSR approver",
        "hosts": "control_plane",
        "gather_facts": False,
        "become": True,
        "roles": ["baremetal.kubernetes.kubelet_csr_approver"],
        "vars": {"node_new_member": False},
    }
    path = tmp_path / "approver.yml"
    path.write_text(yaml.safe_dump([play], sort_keys=False), encoding="utf-8")
    return Playbook(playbook.inventory, playbook.directory, str(path)).run(log="approver.log")


def test_the_python_of_ansible_is_that_of_the_approver(
    hosts: dict[str, Host], playbook: Playbook, tmp_path: Path
) -> None:
    """Some hosts have a /usr/bin/python3.13 and no python3. With one, the service names what survives an update."""
    plane = hosts["cp1"]
    version = plane.check("readlink -f /usr/bin/python3").strip()
    plane.check("mv /usr/bin/python3 /usr/bin/python3.away")
    try:
        run = _role(playbook, tmp_path)
        run.expect()
        wait_for("it runs", lambda: plane.run(f"systemctl is-active {APPROVER}")[0] == 0, seconds=10)
        assert f'"{version}"' in plane.check(f"systemctl cat {APPROVER}")
    finally:
        plane.check("mv /usr/bin/python3.away /usr/bin/python3")
    _role(playbook, tmp_path).expect()
    assert '"/usr/bin/python3"' in plane.check(f"systemctl cat {APPROVER}")
    wait_for("it runs", lambda: plane.run(f"systemctl is-active {APPROVER}")[0] == 0, seconds=10)


def test_a_host_cannot_change_the_address_that_it_joined_with(
    hosts: dict[str, Host], playbook: Playbook, tmp_path: Path
) -> None:
    worker, plane = hosts["w1"], hosts["cp1"]
    kept = plane.check(f"cat /etc/baremetal-kubernetes/{APPROVER}.json")
    entry = json.loads(kept)["nodes"]["w1"]
    assert entry["host"] == "w1" and "10.96.0.1" not in entry["addresses"]
    route = worker.check("ip -4 route show default").strip()
    interface = route.split(" dev ")[1].split()[0]
    worker.check(f"ip addr add 10.96.0.1/32 dev {interface} && ip route replace {route} src 10.96.0.1")
    try:
        run = Playbook(playbook.inventory, playbook.directory, "baremetal.kubernetes.preflight").run(
            log="pin.log"
        )
        run.expect(code=2)
        assert "10.96.0.1" in run.text and "cluster_node_address" in run.text
    finally:
        worker.check(f"ip route replace {route}; ip addr del 10.96.0.1/32 dev {interface}")
    assert plane.check(f"cat /etc/baremetal-kubernetes/{APPROVER}.json") == kept
