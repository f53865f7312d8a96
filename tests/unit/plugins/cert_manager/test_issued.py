# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Why a certificate is not issued: from what cert-manager has made for it, the most precise reason in one line."""

from __future__ import annotations

import typing as t
from datetime import UTC, datetime

import pytest
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cert_manager import issued

Json = dict[str, t.Any]

NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)


def condition(kind: str, status: str, reason: str = "", message: str = "") -> Json:
    return {"type": kind, "status": status, "reason": reason, "message": message}


def certificate(*conditions: Json, **status: t.Any) -> Json:
    return {
        "metadata": {"namespace": "shop", "name": "web", "uid": "c1"},
        "spec": {
            "secretName": "web-tls",
            "dnsNames": ["shop.example.org"],
            "issuerRef": {"kind": "ClusterIssuer", "name": "public"},
        },
        "status": {"conditions": list(conditions), **status},
    }


def owned(owner: str, uid: str, created: str = "2026-11-30T11:00:00Z", **fields: t.Any) -> Json:
    metadata = {"uid": uid, "creationTimestamp": created, "ownerReferences": [{"uid": owner}]}
    return {"metadata": metadata, **fields}


def request(*conditions: Json, created: str = "2026-11-30T11:00:00Z") -> Json:
    return owned("c1", "r1", created, status={"conditions": list(conditions)})


def order(state: str, reason: str = "") -> Json:
    return owned("r1", "o1", status={"state": state, "reason": reason})


def challenge(state: str, reason: str = "", name: str = "shop.example.org", **spec: t.Any) -> Json:
    return owned(
        "o1",
        name,
        spec={"type": "HTTP-01", "dnsName": name, **spec},
        status={"state": state, "reason": reason},
    )


READY = condition("Ready", "True", "Ready", "Certificate is up to date")
NOT_READY = condition("Ready", "False", "DoesNotExist", "Issuing certificate as Secret does not exist")
ISSUING = condition("Issuing", "True", "DoesNotExist", "Issuing certificate as Secret does not exist")
FAILED = condition("Issuing", "False", "Failed", "The certificate request has failed to complete")
PENDING = condition("Ready", "False", "Pending", "Waiting on certificate issuance from order shop/web-1")
ISSUER = {
    "kind": "ClusterIssuer",
    "metadata": {"name": "public"},
    "status": {"conditions": [condition("Ready", "True")]},
}


def problem(one: Json, **found: t.Any) -> str:
    (row,) = issued.report(issued.Found([one], **{"issuers": [ISSUER], **found}), NOW)
    assert "\n" not in row.line(NOW)
    return row.problem


def test_certificate_in_order() -> None:
    one = certificate(READY, notAfter="2027-02-28T12:00:00Z", renewalTime="2027-01-29T12:00:00Z")
    (row,) = issued.report(issued.Found([one], issuers=[ISSUER]), NOW)
    assert row.problem == "" and row.issuer == "ClusterIssuer public" and row.names == ("shop.example.org",)
    assert row.line(NOW).split() == [
        "shop/web", "2027-02-28T12:00:00Z", "90", "days", "ClusterIssuer", "public", "in", "order",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("challenges", "expected"),
    [
        (
            [challenge("pending", "Waiting for HTTP-01 challenge propagation:\n wrong status code '404'")],
            "HTTP-01 challenge for shop.example.org is pending: Waiting for HTTP-01 challenge propagation: wrong status"
            " code '404'",
        ),
        ([challenge("", "")], "HTTP-01 challenge for shop.example.org is not begun"),
        (
            [
                challenge("valid"),
                challenge("invalid", "403 unauthorized", "b.org", type="DNS-01", wildcard=True),
            ],
            "DNS-01 challenge for *.b.org is invalid: 403 unauthorized",
        ),
    ],
)
def test_challenge_says_it_most_precisely(challenges: list[Json], expected: str) -> None:
    told = problem(
        certificate(NOT_READY, ISSUING),
        requests=[request(PENDING)],
        orders=[order("pending")],
        challenges=challenges,
    )
    assert told == expected


def test_order_without_challenges() -> None:
    reason = "Failed to create Order: 400 urn:ietf:params:acme:error:accountDoesNotExist: unknown account"
    told = problem(
        certificate(NOT_READY, ISSUING), requests=[request(PENDING)], orders=[order("errored", reason)]
    )
    assert told == f"order is errored: {reason}"


def test_failed_attempts_are_counted() -> None:
    told = problem(
        certificate(NOT_READY, FAILED, failedIssuanceAttempts=3),
        requests=[request(condition("Ready", "False", "Failed", "order is invalid"))],
        orders=[order("invalid")],
        challenges=[challenge("invalid", "no answer")],
    )
    assert told == "3 failed attempts, HTTP-01 challenge for shop.example.org is invalid: no answer"


def test_newest_request_counts() -> None:
    former = request(condition("Ready", "False", "Failed", "former"), created="2026-11-30T10:00:00Z")
    newest = request(condition("Ready", "False", "Pending", "newest"))
    assert problem(certificate(NOT_READY, ISSUING), requests=[former, newest]) == "Pending: newest"


def test_refused_request() -> None:
    denied = request(
        condition("Denied", "True", "Policy", "not in this namespace"), condition("Ready", "False", "Denied")
    )
    told = problem(certificate(NOT_READY, ISSUING), requests=[denied])
    assert told == "request is refused: Policy: not in this namespace"


@pytest.mark.parametrize(
    ("issuers", "expected"),
    [
        ([], "ClusterIssuer public does not exist"),
        (
            [{**ISSUER, "status": {"conditions": [condition("Ready", "False", "ErrInitIssuer", "no key")]}}],
            "ClusterIssuer public is not Ready: ErrInitIssuer: no key",
        ),
        ([{**ISSUER, "status": {}}], "ClusterIssuer public is not Ready: no status yet"),
        (
            # One of a namespace with the same name is another one.
            [
                {
                    "kind": "Issuer",
                    "metadata": {"name": "public", "namespace": "shop"},
                    "status": ISSUER["status"],
                }
            ],
            "ClusterIssuer public does not exist",
        ),
    ],
)
def test_issuer_comes_before_its_requests(issuers: list[Json], expected: str) -> None:
    assert problem(certificate(NOT_READY, ISSUING), requests=[request(PENDING)], issuers=issuers) == expected


def test_issuers_of_other_software_are_not_looked_for() -> None:
    one = certificate(NOT_READY, ISSUING)
    one["spec"]["issuerRef"]["group"] = "example.org"
    assert problem(one, issuers=[], requests=[request(PENDING)]).startswith("Pending: ")


def test_certificate_of_which_nothing_was_made_yet() -> None:
    assert problem(certificate()) == "cert-manager has not looked at it yet"
    told = problem(certificate(NOT_READY, ISSUING))
    assert told == "DoesNotExist: Issuing certificate as Secret does not exist"


def test_what_was_not_renewed_and_what_has_expired() -> None:
    ends = {"renewalTime": "2026-11-30T10:00:00Z"}
    late = certificate(READY, ISSUING, notAfter="2026-11-30T13:00:00Z", **ends)
    told = problem(late, requests=[request(PENDING)], orders=[order("pending")])
    assert told == "not renewed since 2026-11-30T10:00:00Z, order is pending"
    expired = certificate(
        condition("Ready", "False", "Expired", "x"), notAfter="2026-11-30T11:00:00Z", **ends
    )
    (row,) = issued.report(issued.Found([expired], issuers=[ISSUER]), NOW)
    assert row.problem == "expired, Expired: x"
    assert "2026-11-30T11:00:00Z  expired" in row.line(NOW)


def test_problems_come_first_and_then_what_ends_first() -> None:
    def named(name: str, *conditions: Json, **status: t.Any) -> Json:
        one = certificate(*conditions, **status)
        return {**one, "metadata": {**one["metadata"], "name": name, "uid": name}}

    rows = issued.report(
        issued.Found(
            [
                named("late", READY, notAfter="2027-03-01T00:00:00Z"),
                named("soon", READY, notAfter="2026-12-01T12:00:00Z"),
                named("bad", NOT_READY, ISSUING),
            ],
            issuers=[ISSUER],
        ),
        NOW,
    )
    assert [row.name for row in rows] == ["bad", "soon", "late"]
    assert "no certificate yet" in rows[0].line(NOW) and "24 h" in rows[1].line(NOW)


def test_long_messages_are_cut() -> None:
    told = problem(
        certificate(NOT_READY, ISSUING), requests=[request(PENDING)], orders=[order("errored", "x" * 2000)]
    )
    assert len(told) < 500 and told.endswith("...")
