# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The actions of certificates, against an API server that applies and answers."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api import in_effect, objects

from tests.unit.support import certificates
from tests.unit.support.applying import Cluster
from tests.unit.support.modules import RunAction
from tests.unit.support.servers import Answer, refused

Json = dict[str, t.Any]

SPACE = "cert-manager-issuers"
CERT_MANAGER, GATEWAY = "/apis/cert-manager.io/v1", "/apis/gateway.networking.k8s.io/v1"
ISSUERS, DEPLOYMENTS = f"{CERT_MANAGER}/clusterissuers", "/apis/apps/v1/deployments"
SECRETS = f"/api/v1/namespaces/{SPACE}/secrets"
CA, OTHER = certificates.authority("Example"), certificates.authority("Other")
TSIG = "c2VjcmV0IG9mIFRTSUcgaGVyZQ=="
READY = {"conditions": [{"type": "Ready", "status": "True", "reason": "ACMEAccountRegistered"}]}
PUBLIC = {
    "name": "public",
    "acme": {
        "solvers": [
            {"http01": {}},
            {
                "dns01": {"rfc2136": {"server": "192.0.2.53", "key_name": "acme", "key": TSIG}},
                "zones": ["a.org"],
            },
        ]
    },
}


@pytest.fixture
def api() -> t.Iterator[Cluster]:
    server = Cluster()
    server.kinds(CERT_MANAGER, Certificate=True, ClusterIssuer=False, Issuer=True)
    server.objects[f"/api/v1/namespaces/{SPACE}"] = {"metadata": {"name": SPACE}}
    yield server
    server.close()


@pytest.fixture
def plan(api: Cluster, tmp_path: Path, run_action: RunAction) -> t.Callable[..., Json]:
    config = api.kubeconfig(tmp_path / "kubeconfig")
    api.answers["GET", ISSUERS] = Answer(200, {"items": [], "metadata": {}})
    api.answers["GET", DEPLOYMENTS] = Answer(200, {"items": [], "metadata": {}})

    def run(*issuers: Json, **options: t.Any) -> Json:
        args = {"kubeconfig": config, "namespace": SPACE, "issuers": list(issuers), "timeout": 1, **options}
        return run_action("certificates_plan", args)

    return run


@pytest.fixture
def apply(
    api: Cluster, tmp_path: Path, run_action: RunAction, monkeypatch: pytest.MonkeyPatch
) -> t.Callable[..., Json]:
    monkeypatch.setattr(objects, "RETRY_SECONDS", 0.01)
    monkeypatch.setattr(in_effect, "POLL_SECONDS", 0.01)
    config = api.kubeconfig(tmp_path / "kubeconfig")

    def run(*issuers: Json, check: bool = False, **options: t.Any) -> Json:
        args = {"kubeconfig": config, "namespace": SPACE, "issuers": list(issuers), "wait": 1, **options}
        return run_action("cluster_issuers", args, check=check)

    return run


def test_plan_of_what_can_work(plan: t.Callable[..., Json], api: Cluster) -> None:
    result = plan(PUBLIC, {"name": "internal", "ca": {"certificate": CA.pem, "key": CA.key_pem}})
    assert not result.get("failed"), result
    assert result["changed"] is False and result["default_issuer"] == "public"
    assert result["gateway"] is False and result["gateway_issuers"] == []
    (rule,) = result["egress"]
    assert {port["port"] for port in rule["toPorts"][0]["ports"]} == {"53", "80", "443"}
    assert TSIG not in json.dumps(result) and "PRIVATE KEY" not in json.dumps(result)
    assert not api.written


def test_plan_without_kinds_and_issuers(plan: t.Callable[..., Json], api: Cluster) -> None:
    del api.objects[CERT_MANAGER]
    result = plan()
    assert result["default_issuer"] == "" and result["egress"] == []
    assert ISSUERS not in [request.path for request in api.requests]


def test_plan_sees_gateway_api(plan: t.Callable[..., Json], api: Cluster) -> None:
    api.objects[GATEWAY] = {"resources": [{"name": "gateways"}, {"name": "httproutes"}]}
    through = {"name": "edge", "acme": {"solvers": [{"http01": {"gateway": {"name": "web"}}}]}}
    result = plan(PUBLIC, through, default_issuer="edge")
    assert result["gateway"] is True and result["gateway_issuers"] == ["edge"]
    assert result["default_issuer"] == "edge"


@pytest.mark.parametrize(
    ("issuers", "options", "words"),
    [
        ([{"name": "a"}], {}, "it has none of acme, ca, self_signed"),
        ([PUBLIC], {"default_issuer": "other"}, 'is "other", expected one of certificates_issuers: public'),
        ([PUBLIC], {"resolvers": ["192.0.2.1"]}, "certificates_resolvers has"),
        (
            [{"name": "a", "ca": {"certificate": CA.pem, "key": OTHER.key_pem}}],
            {},
            "issuer a: ca.key is not the key of ca.certificate",
        ),
        (
            [
                {
                    "name": "a",
                    "ca": {
                        "certificate": certificates.issue(
                            "Old", ca=True, key=CA.key, end=certificates.ENDED
                        ).pem,
                        "key": CA.key_pem,
                    },
                }
            ],
            {},
            "ca.certificate has ended at 2020-02-01T00:00:00Z",
        ),
    ],
)
def test_what_is_wrong_by_itself_is_told_without_the_api(
    plan: t.Callable[..., Json], api: Cluster, issuers: list[Json], options: Json, words: str
) -> None:
    result = plan(*issuers, **options)
    assert result["failed"] and words in result["msg"] and "Nothing was changed" in result["msg"]
    assert "PRIVATE KEY" not in json.dumps(result)
    assert not api.requests


def test_what_the_cluster_lacks_is_told_at_once(plan: t.Callable[..., Json], api: Cluster) -> None:
    api.objects[f"{SECRETS}/half"] = {"data": {"tls.crt": ""}}
    result = plan(
        {"name": "none", "ca": {"secret": "missing"}},
        {"name": "half", "ca": {"secret": "half"}},
        {
            "name": "hook",
            "acme": {
                "solvers": [{"dns01": {"webhook": {"group": "a.org", "solver": "s"}}, "zones": ["a.org"]}]
            },
        },
    )
    assert result["failed"] and result["msg"].count("\n- ") == 3
    assert (
        f"the Secret {SPACE}/missing does not exist, expected one with tls.crt and tls.key" in result["msg"]
    )
    assert f"the Secret {SPACE}/half has tls.crt, expected tls.key" in result["msg"]
    assert "nobody serves the API group a.org" in result["msg"]


def test_what_others_have_made_is_not_taken_over(plan: t.Callable[..., Json], api: Cluster) -> None:
    theirs = {"metadata": {"name": "public"}}
    own = {
        "metadata": {"name": "internal", "labels": {"baremetal.kubernetes/part-of": "certificates-issuers"}}
    }
    api.answers["GET", ISSUERS] = Answer(200, {"items": [theirs, own], "metadata": {}})
    running = {"metadata": {"name": "cert-manager", "namespace": "tls"}}
    api.answers["GET", DEPLOYMENTS] = Answer(200, {"items": [running], "metadata": {}})
    result = plan(PUBLIC, {"name": "internal", "ca": {}})
    assert result["failed"] and result["msg"].count("\n- ") == 2
    assert "Deployment tls/cert-manager" in result["msg"]
    assert "issuer public: the cluster has a ClusterIssuer of this name" in result["msg"]


def test_issuers_are_applied_once(apply: t.Callable[..., Json], api: Cluster) -> None:
    internal = {"name": "internal", "ca": {}}
    predicted = apply(PUBLIC, internal, check=True)
    assert predicted["changed"] and not api.written
    api.statuses = {"public": [READY], "internal": [READY]}
    result = apply(PUBLIC, internal)
    assert not result.get("failed"), result
    assert (
        result["objects"]
        == predicted["objects"]
        == [
            f"Secret {SPACE}/public-tsig-1",
            f"Issuer {SPACE}/self-signed",
            f"Certificate {SPACE}/internal-ca",
            "ClusterIssuer public",
            "ClusterIssuer internal",
        ]
    )
    assert TSIG not in json.dumps(result) and "(hidden" in json.dumps(result["diff"])
    again = apply(PUBLIC, internal)
    assert again["changed"] is False and not again["objects"]


def test_what_is_not_declared_any_more_is_deleted(apply: t.Callable[..., Json], api: Cluster) -> None:
    api.statuses = {"public": [READY], "internal": [READY]}
    apply(PUBLIC, {"name": "internal", "ca": {}})
    # What cert-manager has made, and what the site keeps itself.
    for name in ("internal-ca", "public-account", "site"):
        api.objects[f"{SECRETS}/{name}"] = {"metadata": {"name": name, "namespace": SPACE}}
    result = apply(PUBLIC)
    assert result["objects"] == [
        "ClusterIssuer internal",
        f"Certificate {SPACE}/internal-ca",
        f"Issuer {SPACE}/self-signed",
    ]
    result = apply()
    assert result["objects"] == ["ClusterIssuer public", f"Secret {SPACE}/public-tsig-1"]
    assert {path for path in api.objects if path.startswith(SECRETS)} == {
        f"{SECRETS}/{name}" for name in ("internal-ca", "public-account", "site")
    }
    assert apply()["changed"] is False


def test_issuer_that_is_not_ready_is_told_in_one_line(apply: t.Callable[..., Json], api: Cluster) -> None:
    message = "Failed to register ACME account: 400 urn:ietf:params:acme:error:malformed:\n  no such account"
    condition = {
        "type": "Ready",
        "status": "False",
        "reason": "ErrRegisterACMEAccount",
        "message": message,
    }
    api.statuses = {"public": [{"conditions": [condition]}]}
    result = apply(PUBLIC)
    assert result["failed"] and "\n" not in result["msg"]
    assert (
        "Not in effect after 1 s: ClusterIssuer public: not Ready (ErrRegisterACMEAccount: Failed to register ACME"
        " account: 400 urn:ietf:params:acme:error:malformed: no such account)" in result["msg"]
    )
    assert TSIG not in result["msg"]


def test_webhook_that_does_not_answer_yet_is_asked_again(apply: t.Callable[..., Json], api: Cluster) -> None:
    """Until cainjector has written its CA, the API server cannot verify it."""
    late = refused(500, 'failed calling webhook "webhook.cert-manager.io": x509: unknown authority')
    api.answers["PATCH", f"{ISSUERS}/public"] = [late, late]
    api.statuses = {"public": [READY]}
    assert apply(PUBLIC)["changed"]


def test_issuers_that_cannot_be_read_change_nothing(apply: t.Callable[..., Json], api: Cluster) -> None:
    result = apply(PUBLIC, {"name": "a"})
    assert result["failed"] and "Nothing was changed" in result["msg"] and not api.requests


def test_certificates_are_listed(api: Cluster, tmp_path: Path, run_action: RunAction) -> None:
    acme = "/apis/acme.cert-manager.io/v1"
    api.kinds(acme, Order=True, Challenge=True)
    certificate = {
        "metadata": {"namespace": "shop", "name": "web", "uid": "1"},
        "spec": {
            "secretName": "web",
            "dnsNames": ["a.org"],
            "issuerRef": {"kind": "ClusterIssuer", "name": "p"},
        },
        "status": {"notAfter": "2049-01-01T00:00:00Z", **READY},
    }
    api.lists |= {
        f"{CERT_MANAGER}/certificates": [certificate],
        f"{CERT_MANAGER}/certificaterequests": [],
        f"{CERT_MANAGER}/issuers": [],
        ISSUERS: [],
        f"{acme}/orders": [],
        f"{acme}/challenges": [],
    }
    args = {"kubeconfig": api.kubeconfig(tmp_path / "kubeconfig")}
    result = run_action("issued_certificates_info", args)
    assert not result.get("failed"), result
    assert result["failing"] == 0 and result["changed"] is False
    assert result["certificates"] == [
        {
            "namespace": "shop",
            "name": "web",
            "issuer": "ClusterIssuer p",
            "names": ["a.org"],
            "secret": "web",
            "not_after": "2049-01-01T00:00:00Z",
            "renewal": "",
            "problem": "",
        }
    ]
    del api.objects[acme]
    assert run_action("issued_certificates_info", args)["certificates"] == []
