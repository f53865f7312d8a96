# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Requests that are meant to harm: whoever may create them must not stop, slow down or fill the approver."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import time
import tracemalloc
import typing as t
from pathlib import Path

import pytest
from ansible_collections.baremetal.kubernetes.plugins.module_utils._csr import cluster, plan
from ansible_collections.baremetal.kubernetes.plugins.module_utils._formats import der, x509
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.client import Client, Connection
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os import events
from cryptography import x509 as reference
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.plugins.csr import fakes
from tests.unit.plugins.csr.fakes import NOW, csr, node
from tests.unit.plugins.csr.test_daemon import Daemon, Files, api, files, now  # noqa: F401 - fixtures
from tests.unit.support import certificates
from tests.unit.support.servers import ApiServer

SUBJECT = certificates.name("system:node:w1", ["system:nodes"])
REQUEST = certificates.request(SUBJECT, ["w1", "192.0.2.21"], certificates.new_key(), ()).public_bytes(
    Encoding.DER
)
CERTIFICATE = certificates.issue(SUBJECT, issuer=certificates.authority(), names=["w1"]).certificate
ALLOWED = plan.parse_allowed({"w1": {"addresses": ["192.0.2.21"]}})
W1 = node("w1")


def tlv(tag: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    length = bytes([min(len(body), 0x80)])
    if len(body) >= 0x80:
        octets = (len(body).bit_length() + 7) // 8
        length = bytes([0x80 | octets]) + len(body).to_bytes(octets, "big")
    return bytes([tag]) + length + body


def huge_arc(octets: int) -> bytes:
    return tlv(der.OID, b"\x2a" + b"\xff" * octets + b"\x7f")


def nested(depth: int) -> bytes:
    value = b""
    for _level in range(depth):
        value = tlv(der.SEQUENCE, value)
    return value


def request_with(attributes: bytes) -> bytes:
    """A request whose attributes are these bytes; nobody here verifies its signature."""
    info, algorithm, signature = der.single(REQUEST).children()
    fields = info.children()
    head = b"".join(field.raw for field in fields[:3])
    return tlv(der.SEQUENCE, tlv(der.SEQUENCE, head, tlv(0xA0, attributes)), algorithm.raw, signature.raw)


def pem(content: bytes, label: str = "CERTIFICATE REQUEST") -> bytes:
    return (
        f"-----BEGIN {label}-----\n".encode()
        + base64.encodebytes(content)
        + f"-----END {label}-----\n".encode()
    )


EXTENSION_REQUEST = bytes.fromhex("06092a864886f70d01090e")
HOSTILE = {
    "arc of 4,300 digits": tlv(der.SEQUENCE, huge_arc(2100), tlv(der.SET)),
    "arc of 15 KiB": tlv(der.SEQUENCE, huge_arc(15000), tlv(der.SET)),
    "arc of 200 KB": tlv(der.SEQUENCE, huge_arc(200_000), tlv(der.SET)),
    "arc of 1 MiB": tlv(der.SEQUENCE, huge_arc(1024**2), tlv(der.SET)),
    "extension with such an arc": tlv(
        der.SEQUENCE,
        EXTENSION_REQUEST,
        tlv(der.SET, tlv(der.SEQUENCE, tlv(der.SEQUENCE, huge_arc(10_000), tlv(der.OCTET_STRING)))),
    ),
    "nested 3,000 times": tlv(der.SEQUENCE, huge_arc(1), nested(3000)),
    "nested 100,000 times": tlv(der.SEQUENCE, huge_arc(1), b"\x30\x80" * 100_000),
    "thousands of attributes": tlv(der.SEQUENCE, huge_arc(1), tlv(der.SET)) * 1200,
    "a million empty elements": b"\x05\x00" * 500_000,
    "key usage of 10 KiB": tlv(
        der.SEQUENCE,
        EXTENSION_REQUEST,
        tlv(
            der.SET,
            tlv(
                der.SEQUENCE,
                tlv(
                    der.SEQUENCE,
                    bytes.fromhex("0603551d0f"),
                    tlv(der.OCTET_STRING, tlv(der.BIT_STRING, b"\0" + b"\xff" * 10_000)),
                ),
            ),
        ),
    ),
}


@contextlib.contextmanager
def bounded(seconds: float = 0.5, mebibytes: float = 8) -> t.Iterator[None]:
    """What runs here is done in processor time and memory that do not hurt."""
    tracemalloc.start()
    begin = time.process_time()
    try:
        yield
        assert time.process_time() - begin < seconds
        assert tracemalloc.get_traced_memory()[1] < mebibytes * 1024**2
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("attributes", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_request_that_is_meant_to_harm_is_refused(attributes: bytes) -> None:
    hostile = csr(request=pem(request_with(attributes)))
    with bounded():
        decision = plan.decide(hostile, W1, ALLOWED, NOW)
    assert decision.verdict == plan.REFUSE or "thousands" in str(attributes)


@pytest.mark.parametrize("attributes", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_certificate_that_is_meant_to_harm_is_refused(attributes: bytes) -> None:
    info, algorithm, signature = der.single(CERTIFICATE.public_bytes(Encoding.DER)).children()
    fields = info.children()
    extensions = tlv(0xA3, tlv(der.SEQUENCE, attributes))
    whole = tlv(
        der.SEQUENCE,
        tlv(der.SEQUENCE, *(field.raw for field in fields[:7]), extensions),
        algorithm.raw,
        signature.raw,
    )
    with bounded(), pytest.raises(x509.CertificateError):
        x509.parse_der(whole)


def test_a_text_of_beginnings_alone_takes_linear_time() -> None:
    with bounded(), pytest.raises(x509.CertificateError):
        x509.parse_bundle("-----BEGIN CERTIFICATE-----" * 40_000)


def test_what_no_node_made_is_not_read() -> None:
    for spec in ({"username": "eve"}, {"groups": ["system:authenticated"]}, {"username": "system:node:w9"}):
        hostile = csr(request=b"x", **spec)
        hostile["spec"]["request"] = _Untouched()
        decision = plan.decide(hostile, None, ALLOWED, NOW)
        assert decision.verdict in (plan.IGNORE, plan.REFUSE) and decision.names == ()


class _Untouched:
    def __getattribute__(self, name: str) -> t.Any:
        raise AssertionError(f"somebody asked for {name}")


def test_many_names_are_one_reason() -> None:
    hostile = csr(names=[f"n{number}" for number in range(500)])
    decision = plan.decide(hostile, W1, ALLOWED, NOW)
    assert [reason.code for reason in decision.reasons] == ["names"] and len(decision.names) == 50
    odd = plan.decide(csr(names=["w1", *(f"u{number}@x" for number in range(40))]), W1, ALLOWED, NOW)
    assert odd.verdict == plan.REFUSE and len(odd.why()) < 2000


def hostile_requests() -> list[dict[str, t.Any]]:
    return [
        csr(request=pem(request_with(attributes)), made=now(), object_name=f"csr-bad-{number}")
        for number, attributes in enumerate(HOSTILE.values())
    ]


def test_the_approver_goes_on(api: fakes.Api, files: Files) -> None:  # noqa: F811
    own = Daemon(files)
    own.logged()
    api.add(*hostile_requests(), csr(made=now(), object_name="csr-good"))
    for _time in range(3):
        assert own.step() == 30
    assert api.conditions("csr-good") == ["Approved"]
    assert "approved" in own.events()


def test_the_approver_goes_on_after_a_fault_of_ours(
    api: fakes.Api,  # noqa: F811
    files: Files,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever we overlooked costs one request, and never the loop."""
    sound = plan._content

    def broken(asked: t.Any) -> t.Any:
        if asked["metadata"]["name"] == "csr-bad":
            raise RecursionError("overlooked")
        return sound(asked)

    monkeypatch.setattr(plan, "_content", broken)
    own = Daemon(files)
    own.logged()
    api.add(csr(made=now(), object_name="csr-bad"), csr(made=now(), object_name="csr-good"))
    assert own.step() == 30
    assert api.conditions("csr-good") == ["Approved"] and api.conditions("csr-bad") == []
    assert [line.get("codes") for line in own.logged()] == [["failed"], None]

    monkeypatch.setattr(cluster.Requests, "pending", lambda _self: 1 // 0)
    assert [own.step(), own.step()] == [2, 4]
    said = own.logged()
    assert [line["event"] for line in said] == ["failed", "failed"]
    assert said[0]["message"].startswith("ZeroDivisionError") and "test_hostile.py:" in said[0]["where"]


def test_large_requests_are_read_one_by_one_and_dropped(tmp_path: Path) -> None:
    server = ApiServer(token="sesame")
    filler = "A" * 1_300_000
    server.lists[cluster.REQUESTS] = [
        *(csr("w1", request=b"x", object_name=f"csr-{number:02}", made=now()) for number in range(30)),
        csr("w1", object_name="csr-good", made=now()),
    ]
    for one in server.lists[cluster.REQUESTS][:30]:
        one["spec"]["request"] = filler
    server.objects["/api/v1/nodes/w1"] = W1
    client = Client(
        Connection(server.url, None, {"Authorization": "Bearer sesame"}, {}), max_bytes=8 * 1024**2
    )
    requests = cluster.Requests(client, ALLOWED)
    # The server is part of this process, and copies what it sends.
    found = requests.pending()
    server.close()
    assert [decision.verdict for _csr, decision in found] == [plan.REFUSE] * 3 + [plan.APPROVE]
    assert "larger than 16 KiB" in found[0][1].why()
    assert sum(len(one["spec"]["request"]) for one, _decision in found) < 200_000
    limits = [request.query.get("limit") for request in server.requests if request.path == cluster.REQUESTS]
    assert limits[:3] == ["16", "4", "4"]


def test_the_log_of_a_request_is_bounded() -> None:
    stream = io.StringIO()
    events.Log(stream).say("warning", "refused", reason=plan.decide(hostile_names(), W1, ALLOWED, NOW).why())
    assert len(stream.getvalue()) < 20_000 and json.loads(stream.getvalue())


def hostile_names() -> dict[str, t.Any]:
    return csr(names=[f"n{number}" + "x" * 50 for number in range(50)])


# --- fuzzing: never more permissive than the reference ----------------------------------------------------------------

_EDIT = st.tuples(
    st.sampled_from(("set", "insert", "delete", "repeat")),
    st.integers(0, 1000),
    st.binary(min_size=1, max_size=4),
)


def edited(data: bytes, edits: t.Sequence[tuple[str, int, bytes]]) -> bytes:
    for kind, place, new in edits:
        at = place % max(len(data), 1)
        if kind == "set":
            data = data[:at] + new + data[at + len(new) :]
        elif kind == "insert":
            data = data[:at] + new + data[at:]
        elif kind == "delete":
            data = data[:at] + data[at + len(new) :]
        else:
            data = data[:at] + data[at : at + 40] * 3 + data[at + 40 :]
    return data


def request_names(asked: reference.CertificateSigningRequest) -> tuple[tuple[str, ...], tuple[str, ...]]:
    for extension in asked.extensions:
        if isinstance(extension.value, reference.SubjectAlternativeName):
            own = extension.value
            return (
                tuple(own.get_values_for_type(reference.DNSName)),
                tuple(str(one) for one in own.get_values_for_type(reference.IPAddress)),
            )
    return (), ()


@given(st.lists(_EDIT, max_size=4))
def test_requests_are_read_as_the_reference_reads_them(edits: list[tuple[str, int, bytes]]) -> None:
    data = edited(REQUEST, edits)
    with bounded(1):
        decision = plan.decide(csr(request=pem(data)), W1, ALLOWED, NOW)
    if decision.verdict != plan.APPROVE:
        return
    asked = reference.load_der_x509_csr(data)
    assert asked.subject.rfc4514_string() == SUBJECT.rfc4514_string()
    dns, addresses = request_names(asked)
    assert decision.names == (*dns, *addresses)
    assert set(dns) <= {"w1"} and set(addresses) <= {"192.0.2.21"}


@given(st.lists(_EDIT, max_size=4))
def test_certificates_are_read_as_the_reference_reads_them(edits: list[tuple[str, int, bytes]]) -> None:
    data = edited(CERTIFICATE.public_bytes(Encoding.DER), edits)
    with bounded(1):
        try:
            own = x509.parse_der(data)
        except x509.CertificateError:
            return
    try:
        other = reference.load_der_x509_certificate(data)
        common = [
            str(one.value) for one in other.subject.get_attributes_for_oid(reference.NameOID.COMMON_NAME)
        ]
        begin, end = other.not_valid_before_utc, other.not_valid_after_utc
    except (ValueError, UnsupportedAlgorithm):
        # Of what the reference refuses, we read less than it would; nothing is allowed because of that.
        return
    assert own.common_name == (common[-1] if common else "")
    assert (own.not_before, own.not_after) == (begin, end)


@given(st.binary(max_size=600))
def test_bytes_of_any_kind_do_no_harm(data: bytes) -> None:
    for read in (x509.parse_der, x509.parse_request_der):
        with contextlib.suppress(x509.CertificateError):
            read(data)
    for text in (data.decode("latin-1"), pem(data, "CERTIFICATE").decode()):
        with contextlib.suppress(x509.CertificateError):
            x509.parse_bundle(text)
        with contextlib.suppress(x509.CertificateError):
            x509.parse_request_pem(text)
    hostile = csr()
    hostile["spec"]["request"] = base64.b64encode(data).decode()
    assert plan.decide(hostile, W1, ALLOWED, NOW).verdict == plan.REFUSE
