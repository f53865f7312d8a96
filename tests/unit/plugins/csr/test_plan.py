# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which requests for serving certificates are approved: every rule, both ways."""

from __future__ import annotations

import base64
import datetime
import typing as t

import pytest
from ansible_collections.baremetal.kubernetes.plugins.module_utils._csr import plan
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.unit.plugins.csr.fakes import NOW, csr, node, request_pem
from tests.unit.support.certificates import authority, name

INVENTORY = plan.parse_allowed(
    {
        "w1": {"addresses": ["192.0.2.21", "fd00:0:0:0::21"], "names": ["w1.example.org"]},
        "w2": {"addresses": ["192.0.2.22"]},
        "w11": {"addresses": ["192.0.2.31"]},
    }
)
W1 = node(
    "w1",
    ("InternalIP", "192.0.2.21"),
    ("InternalIP", "FD00::0021"),
    ("Hostname", "w1"),
    ("InternalDNS", "w1.example.org"),
)
NODES_ORGANIZATION = ["system:nodes"]


def asked(
    names: tuple[str, ...] = ("w1", "192.0.2.21"),
    common: str | list[str] = "system:node:w1",
    organizations: t.Sequence[str] = ("system:nodes",),
    unit: str = "",
    key: t.Any = None,
    extensions: t.Sequence[x509.ExtensionType] = (),
    **more: t.Any,
) -> dict[str, t.Any]:
    content = request_pem(name(common, organizations, unit), names, key, extensions)
    return csr("w1", request=content, **more)


def with_status(**status: t.Any) -> dict[str, t.Any]:
    return {**csr(), "status": status}


USAGE_RSA = ["key encipherment", "server auth", "digital signature"]
APPROVED: dict[str, dict[str, t.Any]] = {
    "a kubelet's": csr(),
    "with key encipherment": csr(usages=USAGE_RSA),
    "usages twice": csr(usages=["digital signature", "server auth", "server auth"]),
    "address alone": csr(names=["192.0.2.21"]),
    "name alone": csr(names=["w1"]),
    "IPv6, spelled otherwise in request, Node and inventory": csr(names=["w1", "fd00::21"]),
    "further name": csr(names=["w1", "w1.example.org"]),
    "RSA of 2048 bits": asked(key=rsa.generate_private_key(65537, 2048), usages=USAGE_RSA),
    "P-384": asked(key=ec.generate_private_key(ec.SECP384R1())),
    "P-521": asked(key=ec.generate_private_key(ec.SECP521R1())),
    "usages in the content, too": asked(
        extensions=[
            x509.KeyUsage(True, False, True, False, False, False, False, False, False),
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]),
        ]
    ),
    "further groups": csr(groups=["system:nodes", "extra", "system:authenticated"]),
    "just not too old": csr(made=NOW - datetime.timedelta(seconds=3600)),
    "a clock that is behind": csr(made=NOW + datetime.timedelta(seconds=90)),
    "no status": {key: value for key, value in csr().items() if key != "status"},
    "no conditions": with_status(conditions=None),
}


@pytest.mark.parametrize("request_object", APPROVED.values(), ids=APPROVED.keys())
def test_approved(request_object: dict[str, t.Any]) -> None:
    decision = plan.decide(request_object, W1, INVENTORY, NOW)
    assert decision.reasons == ()
    assert decision.verdict == plan.APPROVE
    assert decision.node == "w1"
    assert decision.names


def test_what_is_approved_is_told() -> None:
    decision = plan.decide(csr(names=["192.0.2.21", "w1", "fd00:0::21"]), W1, INVENTORY, NOW)
    assert (decision.request, decision.names) == ("csr-w1", ("w1", "192.0.2.21", "fd00::21"))


def reason_of(request_object: dict[str, t.Any], own: t.Any = W1) -> tuple[str, list[str]]:
    decision = plan.decide(request_object, own, INVENTORY, NOW)
    assert all(reason.text for reason in decision.reasons)
    return decision.verdict, [reason.code for reason in decision.reasons]


REFUSED: dict[str, tuple[dict[str, t.Any], list[str]]] = {
    # Who asks.
    "user of another node": (csr(username="system:node:w2"), ["no-object"]),
    "user of a node that is not listed": (csr(username="system:node:w3"), ["not-in-inventory"]),
    # Subject.
    "common name of another": (asked(common="system:node:w2"), ["common-name"]),
    "common name in other case": (asked(common="system:node:W1"), ["common-name"]),
    "common name that begins so": (asked(common="system:node:w11"), ["common-name"]),
    "common name with a zero byte": (asked(common="system:node:w1\0"), ["common-name"]),
    "common name with space": (asked(common="system:node:w1 "), ["common-name"]),
    "two common names": (asked(common=["system:node:w2", "system:node:w1"]), ["common-name"]),
    "no common name": (asked(common=[]), ["common-name"]),
    "more organizations": (asked(organizations=["system:nodes", "system:masters"]), ["organization"]),
    "organization twice": (asked(organizations=["system:nodes", "system:nodes"]), ["organization"]),
    "other organization": (asked(organizations=["system:masters"]), ["organization"]),
    "no organization": (asked(organizations=[]), ["organization"]),
    "organizational unit": (asked(unit="x"), ["subject"]),
    # Usages.
    "client auth": (csr(usages=["digital signature", "client auth"]), ["usages"]),
    "client auth, too": (csr(usages=["digital signature", "server auth", "client auth"]), ["usages"]),
    "signing": (csr(usages=["cert sign", "digital signature", "server auth"]), ["usages"]),
    "no server auth": (csr(usages=["digital signature", "key encipherment"]), ["usages"]),
    "server auth alone": (csr(usages=["server auth"]), ["usages"]),
    "usages in other case": (csr(usages=["Digital Signature", "Server Auth"]), ["usages"]),
    "no usages": (csr(usages=None), ["usages"]),
    # Names.
    "no names": (csr(names=[]), ["no-names"]),
    "email": (csr(names=["w1", "root@w1"]), ["name-kind"]),
    "email alone": (csr(names=["root@w1"]), ["name-kind", "no-names"]),
    "URI": (csr(names=["w1", "https://w1"]), ["name-kind"]),
    "address of another": (
        csr(names=["w1", "192.0.2.22"]),
        ["address-not-in-inventory", "address-not-in-object"],
    ),
    "one good, one bad": (
        csr(names=["w1", "192.0.2.21", "192.0.2.22"]),
        ["address-not-in-inventory", "address-not-in-object"],
    ),
    # An address in a DNS name is compared as a name.
    "address as a name": (
        asked(names=(), extensions=[x509.SubjectAlternativeName([x509.DNSName("192.0.2.21")])]),
        ["name-not-in-inventory", "name-not-in-object"],
    ),
    "address mapped into IPv6": (
        csr(names=["w1", "::ffff:192.0.2.21"]),
        ["address-not-in-inventory", "address-not-in-object"],
    ),
    "loopback": (csr(names=["w1", "127.0.0.1"]), ["address-not-in-inventory", "address-not-in-object"]),
    "name of another": (csr(names=["w2"]), ["name-not-in-inventory", "name-not-in-object"]),
    "name in other case": (csr(names=["W1"]), ["name-not-in-inventory", "name-not-in-object"]),
    "name that begins so": (csr(names=["w11"]), ["name-not-in-inventory", "name-not-in-object"]),
    "wildcard": (csr(names=["*.example.org"]), ["name-not-in-inventory", "name-not-in-object"]),
    "name with a dot": (csr(names=["w1."]), ["name-not-in-inventory", "name-not-in-object"]),
    "API server": (csr(names=["kubernetes.default.svc"]), ["name-not-in-inventory", "name-not-in-object"]),
    # Content.
    "RSA of 1024 bits": (asked(key=rsa.generate_private_key(65537, 1024)), ["key"]),  # noqa: S505
    "P-224": (asked(key=ec.generate_private_key(ec.SECP224R1())), ["key"]),
    "secp256k1": (asked(key=ec.generate_private_key(ec.SECP256K1())), ["key"]),
    "DSA": (asked(key=dsa.generate_private_key(2048)), ["key"]),
    "CA": (asked(extensions=[x509.BasicConstraints(True, None)]), ["extensions"]),
    "usages in the content": (
        asked(extensions=[x509.KeyUsage(True, False, False, False, False, True, False, False, False)]),
        ["key-usages"],
    ),
    "purposes in the content": (
        asked(extensions=[x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])]),
        ["key-usages"],
    ),
    "no content": (csr(request=b" "), ["unreadable"]),
    "two contents": (
        csr(request=2 * request_pem(name("system:node:w1", NODES_ORGANIZATION), ["w1"])),
        ["unreadable"],
    ),
    "certificate as content": (csr(request=authority().pem.encode()), ["unreadable"]),
    "bytes as content": (csr(request=b"\xff\xfe"), ["unreadable"]),
    # Object.
    "no time": ({**csr(), "metadata": {"name": "csr-w1"}}, ["no-time"]),
}


@pytest.mark.parametrize(("request_object", "codes"), REFUSED.values(), ids=REFUSED.keys())
def test_refused(request_object: dict[str, t.Any], codes: list[str]) -> None:
    own = W1 if request_object["spec"]["username"] == "system:node:w1" else None
    assert reason_of(request_object, own) == (plan.REFUSE, codes)


def test_damaged_base64() -> None:
    broken = csr()
    broken["spec"]["request"] = "?" + broken["spec"]["request"]
    assert reason_of(broken) == (plan.REFUSE, ["unreadable"])
    broken["spec"]["request"] = None
    assert reason_of(broken) == (plan.REFUSE, ["unreadable"])


IGNORED: dict[str, tuple[dict[str, t.Any], str]] = {
    "client signer": (csr(signerName="kubernetes.io/kube-apiserver-client-kubelet"), "other-signer"),
    "signer that begins so": (csr(signerName="kubernetes.io/kubelet-serving2"), "other-signer"),
    "approved": (with_status(conditions=[{"type": "Approved", "status": "True"}]), "decided"),
    "denied": (with_status(conditions=[{"type": "Denied", "status": "True"}]), "decided"),
    "failed": (with_status(conditions=[{"type": "Failed", "status": "True"}]), "decided"),
    "signed": (with_status(certificate="LS0t"), "decided"),
    # Who asks.
    "another user": (csr(username="system:serviceaccount:default:x"), "no-node"),
    "administrator": (csr(username="kubernetes-admin"), "no-node"),
    "no user": (csr(username=None), "no-node"),
    "prefix alone": (csr(username="system:node:"), "no-node"),
    "prefix in other case": (csr(username="System:Node:w1"), "no-node"),
    "prefix and no name of a node": (csr(username="system:node:w1\n"), "no-node"),
    "not in system:nodes": (csr(groups=["system:authenticated"]), "no-node"),
    "not authenticated": (csr(groups=["system:nodes"]), "no-node"),
    "group that begins so": (csr(groups=["system:nodes:x", "system:authenticated"]), "no-node"),
    "no groups": (csr(groups=None), "no-node"),
    "too old": (csr(made=NOW - datetime.timedelta(seconds=3601)), "stale"),
}


@pytest.mark.parametrize(("request_object", "code"), IGNORED.values(), ids=IGNORED.keys())
def test_ignored(request_object: dict[str, t.Any], code: str) -> None:
    assert reason_of(request_object) == (plan.IGNORE, [code])


def test_node_and_inventory_must_both_agree() -> None:
    """A node writes its own addresses, so neither side is enough."""
    both = csr(names=["w1", "192.0.2.21"])
    lying = node(
        "w1", ("InternalIP", "192.0.2.21"), ("InternalIP", "192.0.2.22"), ("InternalDNS", "api.example.org")
    )
    assert reason_of(both, lying) == (plan.APPROVE, [])
    assert reason_of(csr(names=["192.0.2.22"]), lying) == (plan.REFUSE, ["address-not-in-inventory"])
    assert reason_of(csr(names=["api.example.org"]), lying) == (plan.REFUSE, ["name-not-in-inventory"])
    bare = node("w1", ("InternalIP", "192.0.2.29"))
    assert reason_of(both, bare) == (plan.REFUSE, ["address-not-in-object"])
    assert reason_of(csr(names=["w1.example.org"]), bare) == (plan.REFUSE, ["name-not-in-object"])
    assert reason_of(csr(names=["w1"]), bare) == (plan.APPROVE, [])
    assert reason_of(both, {"metadata": {"name": "w1"}, "status": {}}) == (
        plan.REFUSE,
        ["address-not-in-object"],
    )


def test_types_of_addresses_count() -> None:
    """An address given as a DNS name of the Node is none of its addresses, and the other way round."""
    swapped = node(
        "w1", ("InternalDNS", "192.0.2.21"), ("InternalIP", "w1.example.org"), ("Other", "192.0.2.21")
    )
    assert reason_of(csr(names=["192.0.2.21"]), swapped) == (plan.REFUSE, ["address-not-in-object"])
    assert reason_of(csr(names=["w1.example.org"]), swapped) == (plan.REFUSE, ["name-not-in-object"])
    by_hostname = node("w1", ("Hostname", "192.0.2.21"), ("ExternalDNS", "w1.example.org"))
    assert reason_of(csr(names=["192.0.2.21", "w1.example.org"]), by_hostname) == (plan.APPROVE, [])
    external = node("w1", ("ExternalIP", "192.0.2.21"))
    assert reason_of(csr(names=["192.0.2.21"]), external) == (plan.APPROVE, [])


def test_missing_node() -> None:
    assert reason_of(csr(), None) == (plan.REFUSE, ["no-object"])
    assert reason_of(csr(), node("w2")) == (plan.REFUSE, ["no-object"])
    assert reason_of(csr("w3", ["w3"]), node("w3")) == (plan.REFUSE, ["not-in-inventory"])


def test_every_reason_is_told() -> None:
    bad = asked(names=("192.0.2.22", "root@w1"), organizations=["system:masters"], usages=["any"])
    decision = plan.decide(bad, W1, INVENTORY, NOW)
    assert [reason.code for reason in decision.reasons] == [
        "usages",
        "organization",
        "name-kind",
        "address-not-in-inventory",
        "address-not-in-object",
    ]
    assert "192.0.2.22" in decision.why() and "root@w1" in decision.why()


@pytest.mark.parametrize(
    "broken", [{}, {"spec": None}, {"metadata": None, "spec": {}}, {"spec": {"signerName": plan.SIGNER}}]
)
def test_odd_objects_do_no_harm(broken: dict[str, t.Any]) -> None:
    assert plan.decide(broken, None, INVENTORY, NOW).verdict in (plan.IGNORE, plan.REFUSE)


def test_ed25519_is_good_enough() -> None:
    own = ed25519.Ed25519PrivateKey.generate()
    content = request_pem(name("system:node:w1", NODES_ORGANIZATION), ["w1"], own)
    assert reason_of(csr(request=content)) == (plan.APPROVE, [])


@pytest.mark.parametrize(
    ("nodes", "says"),
    [
        (None, "no mapping"),
        (["w1"], "no mapping"),
        ({"W1": {}}, "'W1' of a node is no DNS name in lower case"),
        ({"*": {}}, "without wildcards"),
        ({"": {}}, "no DNS name"),
        ({1: {}}, "no DNS name"),
        ({"w1": None}, "something else than addresses and names"),
        ({"w1": {"adresses": []}}, "something else than addresses and names"),
        ({"w1": {"addresses": "192.0.2.1"}}, "no list of texts"),
        ({"w1": {"addresses": [3221225985]}}, "no list of texts"),
        ({"w1": {"addresses": ["192.0.2.0/24"]}}, "no IP address"),
        ({"w1": {"addresses": ["192.0.2.01"]}}, "no IP address"),
        ({"w1": {"addresses": ["127.0.0.1"]}}, "by which others reach it"),
        ({"w1": {"addresses": ["::"]}}, "by which others reach it"),
        ({"w1": {"addresses": ["::ffff:192.0.2.1"]}}, "by which others reach it"),
        ({"w1": {"addresses": ["fe80::1%eth0"]}}, "by which others reach it"),
        ({"w1": {"addresses": ["224.0.0.1"]}}, "by which others reach it"),
        ({"w1": {"names": ["*.example.org"]}}, "without wildcards"),
        ({"w1": {"names": ["w1.example.org."]}}, "no DNS name"),
        ({"w1": {"addresses": ["fd00::1"]}, "w2": {"addresses": ["fd00:0::1"]}}, "belongs to both w1 and w2"),
        ({"w1": {"names": ["x"]}, "w2": {"names": ["x"]}}, "belongs to both w1 and w2"),
        ({"w1": {"names": ["w2"]}, "w2": {}}, "belongs to both w2 and w1"),
    ],
)
def test_unusable_inventories(nodes: t.Any, says: str) -> None:
    with pytest.raises(plan.InventoryError, match=says.replace("*", r"\*")):
        plan.parse_allowed(nodes)


def test_an_inventory() -> None:
    found = plan.parse_allowed(
        {"w1": {"addresses": ["FD00::0:1", "192.0.2.1"], "names": ["w1", "w1.x"]}, "w2": {}}
    )
    assert found["w1"] == plan.Allowed(frozenset({"fd00::1", "192.0.2.1"}), frozenset({"w1", "w1.x"}))
    assert found["w2"] == plan.Allowed()


def test_requester() -> None:
    assert plan.requester(csr("w1")) == "w1"
    assert plan.requester({"spec": {"username": "x:system:node:w1"}}) == ""
    assert plan.requester({}) == ""


def test_content_is_what_the_api_has() -> None:
    """The helper makes what a kubelet makes."""
    own = base64.b64decode(csr()["spec"]["request"])
    assert x509.load_pem_x509_csr(own).is_signature_valid
