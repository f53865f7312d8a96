# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Issuers of an inventory: what is read, what is refused and in which words, and what becomes of them."""

from __future__ import annotations

import base64
import typing as t

import pytest
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cert_manager import declared, issuers

from tests.unit.support import certificates

Json = dict[str, t.Any]

SPACE = "cert-manager-issuers"
CA = certificates.authority("Example")
LEAF = certificates.issue("www.example.org", issuer=CA)
#: Values that no message and no other object than a Secret may have.
TSIG, HMAC = "c2VjcmV0IG9mIFRTSUcgaGVyZQ==", "c2VjcmV0LW9mLWFuLWV4dGVybmFsLWFjY291bnQ"
RFC2136 = {"server": "192.0.2.53", "key_name": "acme", "key": TSIG}


def acme(**values: t.Any) -> Json:
    return {"name": "public", "acme": values}


def solver(**values: t.Any) -> Json:
    return acme(solvers=[values])


def read(*given: t.Any) -> tuple[issuers.Issuer, ...]:
    reading = issuers.read(list(given))
    assert not reading.problems
    return reading.issuers


def objects(*given: t.Any) -> dict[str, Json]:
    """Kind and name -> object, Secrets included."""
    found = read(*given)
    return {
        f"{one['kind']} {one['metadata']['name']}": one
        for one in (*declared.secrets(found, SPACE), *declared.objects(found, SPACE))
    }


def test_lets_encrypt_by_the_default_ingress_class_is_the_default() -> None:
    (only,) = objects(acme()).values()
    assert only == {
        "apiVersion": "cert-manager.io/v1",
        "kind": "ClusterIssuer",
        "metadata": {"name": "public"},
        "spec": {
            "acme": {
                "server": "https://acme-v02.api.letsencrypt.org/directory",
                "privateKeySecretRef": {"name": "public-account"},
                "solvers": [{"http01": {"ingress": {"serviceType": "ClusterIP"}}}],
            }
        },
    }
    assert objects({"name": "public", "acme": None}) == objects(acme())


def test_all_fields_of_acme() -> None:
    found = objects(
        acme(
            server="https://acme.example.org:14000/dir",
            email="admin@example.org",
            ca=CA.pem,
            profile="shortlived",
            preferred_chain="Example Root",
            external_account={"key_id": "kid-1", "key": HMAC},
        )
    )
    spec = found["ClusterIssuer public"]["spec"]["acme"]
    assert spec["server"] == "https://acme.example.org:14000/dir"
    assert base64.b64decode(spec["caBundle"]).decode() == CA.pem
    assert (spec["email"], spec["profile"], spec["preferredChain"]) == (
        "admin@example.org",
        "shortlived",
        "Example Root",
    )
    assert spec["externalAccountBinding"] == {
        "keyID": "kid-1",
        "keySecretRef": {"name": "public-eab", "key": "key"},
    }
    secret = found["Secret public-eab"]
    assert secret["metadata"]["namespace"] == SPACE
    assert base64.b64decode(secret["data"]["key"]).decode() == HMAC


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            {"http01": None, "zones": ["example.org"]},
            {"selector": {"dnsZones": ["example.org"]}, "http01": {"ingress": {"serviceType": "ClusterIP"}}},
        ),
        (
            {"http01": {"ingress_class": "traefik"}, "names": ["www.example.org"]},
            {
                "selector": {"dnsNames": ["www.example.org"]},
                "http01": {"ingress": {"serviceType": "ClusterIP", "ingressClassName": "traefik"}},
            },
        ),
        (
            {"http01": {"gateway": {"name": "web", "namespace": "edge", "listener": "http"}}},
            {
                "http01": {
                    "gatewayHTTPRoute": {
                        "serviceType": "ClusterIP",
                        "parentRefs": [
                            {
                                "group": "gateway.networking.k8s.io",
                                "kind": "Gateway",
                                "name": "web",
                                "namespace": "edge",
                                "sectionName": "http",
                            }
                        ],
                    }
                }
            },
        ),
        (
            {"dns01": {"rfc2136": RFC2136}, "zones": ["example.org", "example.net"]},
            {
                "selector": {"dnsZones": ["example.org", "example.net"]},
                "dns01": {
                    "rfc2136": {
                        "nameserver": "192.0.2.53:53",
                        "protocol": "UDP",
                        "tsigKeyName": "acme",
                        "tsigAlgorithm": "HMACSHA256",
                        "tsigSecretSecretRef": {"name": "public-tsig-0", "key": "key"},
                    }
                },
            },
        ),
        (
            {
                "dns01": {"webhook": {"group": "acme.example.org", "solver": "site", "config": {"ttl": 60}}},
                "names": ["*.example.org"],
            },
            {
                "selector": {"dnsNames": ["*.example.org"]},
                "dns01": {
                    "webhook": {"groupName": "acme.example.org", "solverName": "site", "config": {"ttl": 60}}
                },
            },
        ),
    ],
)
def test_solvers(given: Json, expected: Json) -> None:
    found = objects(solver(**given))
    assert found["ClusterIssuer public"]["spec"]["acme"]["solvers"] == [expected]


@pytest.mark.parametrize(
    ("server", "nameserver"),
    [
        ("ns1.example.org", "ns1.example.org:53"),
        ("192.0.2.53:5353", "192.0.2.53:5353"),
        ("[2001:db8::53]", "[2001:db8::53]:53"),
    ],
)
def test_dns_servers_get_their_port(server: str, nameserver: str) -> None:
    found = objects(solver(dns01={"rfc2136": {**RFC2136, "server": server}}, zones=["example.org"]))
    (only,) = found["ClusterIssuer public"]["spec"]["acme"]["solvers"]
    assert only["dns01"]["rfc2136"]["nameserver"] == nameserver


def test_ca_that_cert_manager_makes() -> None:
    found = objects(
        {"name": "internal", "ca": {"years": 2}}, {"name": "other", "ca": {"common_name": "Other"}}
    )
    assert list(found) == [
        "Issuer self-signed",
        "Certificate internal-ca",
        "Certificate other-ca",
        "ClusterIssuer internal",
        "ClusterIssuer other",
    ]
    spec = found["Certificate internal-ca"]["spec"]
    assert spec["isCA"] is True and spec["commonName"] == "internal" and spec["duration"] == "17520h0m0s"
    # What it has issued would not be trusted any more after it was renewed.
    assert spec["privateKey"]["rotationPolicy"] == "Never"
    assert found["ClusterIssuer internal"]["spec"] == {"ca": {"secretName": spec["secretName"]}}
    assert found["Certificate other-ca"]["spec"]["commonName"] == "Other"
    assert {one["metadata"].get("namespace") for one in found.values()} == {SPACE, None}


def test_ca_that_is_given() -> None:
    found = objects({"name": "site", "ca": {"certificate": CA.pem, "key": CA.key_pem}})
    secret = found["Secret site-given"]
    assert secret["type"] == "kubernetes.io/tls"
    assert base64.b64decode(secret["data"]["tls.crt"]).decode() == CA.pem
    assert base64.b64decode(secret["data"]["tls.key"]).decode() == CA.key_pem
    assert found["ClusterIssuer site"]["spec"] == {"ca": {"secretName": "site-given"}}
    # The key of one that was made before must not be overwritten by it.
    assert secret["metadata"]["name"] != declared.made_secret(read({"name": "site", "ca": None})[0])


def test_secrets_of_the_site() -> None:
    given = [
        {"name": "site", "ca": {"secret": "site-ca"}},
        acme(
            external_account={"key_id": "1", "secret": "binding"},
            solvers=[
                {
                    "dns01": {"rfc2136": {"server": "192.0.2.53", "key_name": "acme", "secret": "update"}},
                    "zones": ["a.org"],
                }
            ],
        ),
    ]
    found = objects(*given)
    assert not [name for name in found if name.startswith("Secret")]
    assert found["ClusterIssuer site"]["spec"] == {"ca": {"secretName": "site-ca"}}
    assert declared.named_secrets(read(*given)) == {
        "site-ca": ("site", ("tls.crt", "tls.key")),
        "binding": ("public", ("key",)),
        "update": ("public", ("key",)),
    }


@pytest.mark.parametrize("value", [{}, None, True])
def test_self_signed(value: t.Any) -> None:
    found = objects({"name": "test", "self_signed": value})
    assert found["ClusterIssuer test"]["spec"] == {"selfSigned": {}}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (None, "entry 1: it is empty (null), expected a dictionary"),
        ({"acme": {}}, "entry 1: name is missing, expected text"),
        ({"name": "A", "acme": {}}, 'issuer "A": name is "A", expected a name of lower-case'),
        ({"name": "a" * 51, "acme": {}}, "its name has 51 characters, expected at most 50"),
        (
            {"name": "a"},
            "it has none of acme, ca, self_signed, expected exactly one of acme, ca or self_signed",
        ),
        ({"name": "a", "acme": {}, "ca": {}}, "it has acme and ca, expected exactly one"),
        ({"name": "a", "vault": {}}, 'it has the key "vault", expected name, acme, ca or self_signed'),
        ({"name": "a", "self_signed": {"days": 3}}, "self_signed has a value, expected {}"),
        ({"name": "a", "acme": []}, "acme is a list, expected a dictionary"),
        (acme(sever="x"), 'acme has the key "sever", expected server, email, ca'),
        (acme(server="http://acme.example.org/dir"), "expected a URL of https without a user"),
        (acme(server="acme.example.org"), 'acme.server is "acme.example.org", expected a URL'),
        (acme(server="https://me:pw@acme.example.org"), "expected a URL of https without a user"),
        (acme(email="nobody"), "expected an email address"),
        (acme(ca="no PEM"), "acme.ca is"),
        (acme(external_account={"key_id": "1"}), "acme.external_account has none of key, secret"),
        (
            acme(external_account={"key_id": "1", "key": "no key"}),
            "expected what the authority gave, in base64url",
        ),
        (
            acme(external_account={"key_id": "1", "key": 17}),
            "acme.external_account.key is a number, expected text",
        ),
        (acme(solvers=[]), "acme.solvers is empty or no list"),
        (acme(solvers=[{"zones": ["a.org"]}]), "acme.solvers[0] has none of http01, dns01"),
        (solver(http01={"class": "traefik"}), 'acme.solvers[0].http01 has the key "class"'),
        (solver(http01={"ingress_class": "a", "gateway": {"name": "b"}}), "ingress_class and gateway"),
        (solver(http01={"gateway": {}}), "acme.solvers[0].http01.gateway.name is missing"),
        (solver(http01={}, names=["*.a.org"]), "expected a solver dns01 for it"),
        (solver(dns01={"rfc2136": RFC2136}), "acme.solvers[0] is dns01 without zones and names"),
        (
            solver(dns01={"route53": {}}, zones=["a.org"]),
            'has the key "route53", expected rfc2136 or webhook',
        ),
        (
            solver(dns01={"rfc2136": {**RFC2136, "server": "http://x"}}, zones=["a.org"]),
            "HOST[:PORT] of a DNS server",
        ),
        (
            solver(dns01={"rfc2136": {**RFC2136, "algorithm": "HMACMD5"}}, zones=["a.org"]),
            "HMACSHA256 or HMACSHA512",
        ),
        (solver(dns01={"rfc2136": {**RFC2136, "secret": "s"}}, zones=["a.org"]), "has key and secret"),
        (
            solver(dns01={"rfc2136": {**RFC2136, "key": "plain"}}, zones=["a.org"]),
            "the secret of a TSIG key in base64",
        ),
        (solver(dns01={"webhook": {"group": "a.org"}}, zones=["a.org"]), "dns01.webhook.solver is missing"),
        (solver(http01={}, zones=["A.org"]), "expected a DNS zone"),
        (solver(http01={}, zones=["a.org", "a.org"]), 'acme.solvers[0].zones has "a.org" twice'),
        (solver(http01={}, zones=[]), "acme.solvers[0].zones is [], expected a list with at least one"),
        (
            acme(solvers=[{"http01": {}}, {"http01": {"ingress_class": "b"}}]),
            "both for all names that no other one",
        ),
        (
            acme(solvers=[{"http01": {}, "zones": ["a.org"]}, {"http01": {}, "zones": ["b.org", "a.org"]}]),
            "acme.solvers[0] and acme.solvers[1] are both for the zone a.org",
        ),
        ({"name": "a", "ca": {"secret": "s", "key": "k"}}, "ca has secret and certificate or key"),
        ({"name": "a", "ca": {"secret": "s", "years": 3}}, "ca has years, expected it only for a CA that"),
        ({"name": "a", "ca": {"certificate": CA.pem}}, "ca.key is missing, expected text"),
        (
            {"name": "a", "ca": {"certificate": LEAF.pem, "key": LEAF.key_pem}},
            "that is none (www.example.org)",
        ),
        ({"name": "a", "ca": {"certificate": CA.pair, "key": CA.key_pem}}, "without a private key"),
        (
            {"name": "a", "ca": {"certificate": CA.pem, "key": "secret"}},
            "one private key in PEM that is not encrypted",
        ),
        ({"name": "a", "ca": {"years": 0}}, "ca.years is 0, expected a whole number from 1 to 30"),
        ({"name": "a", "ca": {"common_name": "x" * 65}}, "ca.common_name has 65 characters"),
    ],
)
def test_wrong_issuers_are_refused(given: t.Any, words: str) -> None:
    reading = issuers.read([given])
    (problem,) = reading.problems
    assert problem.startswith("certificates_issuers, ") and words in problem
    assert not reading.issuers


def test_all_problems_are_told_at_once() -> None:
    reading = issuers.read([acme(), acme(), {"name": "b"}, {"name": "c", "acme": {"server": "x"}}])
    assert len(reading.problems) == 3
    assert "its name is there twice" in reading.problems[0]
    assert issuers.read({"a": 1}).problems == ("certificates_issuers is no list, expected a list of issuers",)


@pytest.mark.parametrize(
    "given",
    [
        acme(external_account={"key_id": "1", "key": f"{HMAC} "}),
        solver(dns01={"rfc2136": {**RFC2136, "key": f"{TSIG}="}}, zones=["a.org"]),
        {"name": "a", "ca": {"certificate": CA.pem, "key": CA.key_pem * 2}},
        {"name": "a", "ca": {"certificate": CA.pair, "key": CA.key_pem}},
        acme(ca=CA.pair),
        acme(ca=CA.key_pem),
        {"name": "a", "ca": {"certificate": CA.key_pem, "key": CA.key_pem}},
    ],
)
def test_no_problem_quotes_a_secret(given: Json) -> None:
    (problem,) = issuers.read([given]).problems
    line = CA.key_pem.splitlines()[1]
    assert not [secret for secret in (HMAC, TSIG, line, "PRIVATE KEY-----") if secret in problem]


def test_secrets_are_in_secrets_alone() -> None:
    found = read(
        {"name": "site", "ca": {"certificate": CA.pem, "key": CA.key_pem}},
        acme(
            external_account={"key_id": "1", "key": HMAC},
            solvers=[{"dns01": {"rfc2136": RFC2136}, "zones": ["a.org"]}],
        ),
    )
    text = f"{found!r} {declared.objects(found, SPACE)!r}"
    for secret in (HMAC, TSIG, CA.key_pem.splitlines()[1]):
        assert secret not in text and base64.b64encode(secret.encode()).decode() not in text


@pytest.mark.parametrize(
    ("given", "resolvers", "ports", "namespaces"),
    [
        ([], [], [], []),
        ([{"name": "a", "ca": {}}], [], [], []),
        ([acme()], [], [(80, "TCP"), (443, "TCP")], []),
        (
            [acme(server="https://acme.example.org:14000/dir")],
            [],
            [(80, "TCP"), (443, "TCP"), (14000, "TCP")],
            [],
        ),
        (
            [acme(server="https://acme.pki.svc.cluster.local/dir")],
            ["dns.pki.svc.cluster.local:53"],
            [(80, "TCP"), (443, "TCP")],
            ["pki"],
        ),
        (
            [
                acme(
                    server="https://acme.pki.svc:8443/dir",
                    solvers=[
                        {"dns01": {"rfc2136": {**RFC2136, "server": "192.0.2.53:5353"}}, "zones": ["a.org"]}
                    ],
                )
            ],
            [],
            [(53, "TCP"), (53, "UDP"), (5353, "TCP"), (5353, "UDP")],
            ["pki"],
        ),
        ([acme()], ["192.0.2.1:53"], [(53, "TCP"), (53, "UDP"), (80, "TCP"), (443, "TCP")], []),
    ],
)
def test_what_the_controller_has_to_reach(
    given: list[Json], resolvers: list[str], ports: list[t.Any], namespaces: list[str]
) -> None:
    found = declared.reach(read(*given), resolvers)
    assert list(found.ports) == ports and list(found.namespaces) == namespaces
    rules = declared.egress(found)
    assert len(rules) == bool(ports) + bool(namespaces)
    if ports:
        assert rules[0]["toPorts"][0]["ports"][0] == {"port": str(ports[0][0]), "protocol": ports[0][1]}
    if namespaces:
        assert rules[-1]["toEndpoints"] == [{"matchLabels": {"k8s:io.kubernetes.pod.namespace": "pki"}}]


def test_proxies_have_to_be_reached() -> None:
    found = declared.reach(read(), [], ["http://192.0.2.3:3128", "https://proxy.example.org"])
    assert list(found.ports) == [(443, "TCP"), (3128, "TCP")]


def test_what_issuers_need_beside_secrets() -> None:
    found = read(
        solver(http01={"gateway": {"name": "web"}}),
        {
            "name": "b",
            "acme": {
                "solvers": [{"dns01": {"webhook": {"group": "g.org", "solver": "s"}}, "zones": ["a.org"]}]
            },
        },
    )
    assert declared.gateways(found) == ("public",)
    assert declared.webhook_groups(found) == {"g.org": "b"}
