# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""service_account_token: when a token is replaced, and the action by real Ansible with this machine as the host."""

from __future__ import annotations

import base64
import json
import stat
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.baremetal.kubernetes.plugins.action import service_account_token as action
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._metrics import token as tokens

from tests.unit.support import ssh
from tests.unit.support.servers import Answer, ApiServer, Request, refused

Json = dict[str, t.Any]
NOW = 1_800_000_000.0
DAY = tokens.DAY
WANTED = tokens.Wanted("metrics", "metrics-scraper", "u1", 30)
ACCOUNT = "/api/v1/namespaces/metrics/serviceaccounts/metrics-scraper"
CA = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


def made(
    issued: float = NOW, days: float = 30, uid: str = "u1", name: str = "metrics-scraper", **more: t.Any
) -> str:
    body = {
        "iat": int(issued),
        "exp": int(issued + days * DAY),
        "kubernetes.io": {"namespace": "metrics", "serviceaccount": {"name": name, "uid": uid}},
        **more,
    }
    parts = [base64.urlsafe_b64encode(json.dumps(one).encode()).decode().rstrip("=") for one in ({}, body)]
    return ".".join([*parts, "c2lnbmVk"])


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (made(), ""),
        (made(NOW - 14 * DAY), ""),
        (made() + "\n", ""),
        # The API server may shorten what is asked for; a run must not ask again and again.
        (made(days=7), ""),
        (made(NOW - 16 * DAY), "it ends in 14.0 days, less than half of its life"),
        (made(NOW - 31 * DAY), "it ended 1.0 days ago"),
        (made(days=365), "it is for 365 days, longer than 30"),
        (made(uid="u0"), "it is of a ServiceAccount of this name that was deleted"),
        (made(name="other"), "it is of the ServiceAccount metrics/other"),
        ("", "there is none"),
        ("\n", "there is none"),
        ("a.b", "what is there is no token of a ServiceAccount"),
        ("a.%%%.c", "what is there is no token of a ServiceAccount"),
        ("a.e30.c", "what is there is no token of a ServiceAccount"),
        ("a.bnVsbA.c", "what is there is no token of a ServiceAccount"),
        (made(iat="x"), "what is there is no token of a ServiceAccount"),
    ],
)
def test_a_token_is_replaced_when_it_has_to_be(found: str, expected: str) -> None:
    assert tokens.reason(found, WANTED, NOW) == expected


class Tokens(ApiServer):
    """An API server that issues tokens and reviews them."""

    def __init__(self) -> None:
        super().__init__(token="sesame")
        self.objects[ACCOUNT] = {"metadata": {"uid": "u1"}}
        self.objects[action.AUTHORITY] = {"data": {"ca.crt": CA}}
        self.issued: list[str] = []
        self.accepts = True

    def handle(self, request: Request) -> Answer:
        if request.method == "POST" and request.path == f"{ACCOUNT}/token":
            days = request.object["spec"]["expirationSeconds"] / DAY
            self.issued.append(made(time.time(), days))
            return Answer(201, {"status": {"token": self.issued[-1]}})
        if request.method == "POST" and request.path.endswith("/tokenreviews"):
            known = self.accepts and request.object["spec"]["token"] in self.issued
            return Answer(201, {"status": {"authenticated": known}})
        return super().handle(request)


@pytest.fixture
def api() -> t.Iterator[Tokens]:
    server = Tokens()
    yield server
    server.close()


class Keep(t.Protocol):
    def __call__(self, *flags: str, **options: t.Any) -> Json: ...


@pytest.fixture
def keep(api: Tokens, tmp_path: Path) -> Keep:
    config = api.kubeconfig(tmp_path / "kubeconfig")

    def run(*flags: str, **options: t.Any) -> Json:
        arguments = {
            "kubeconfig": config,
            "namespace": "metrics",
            "name": "metrics-scraper",
            "path": str(tmp_path / "host/scraper.token"),
            "record": str(tmp_path / "host/record.json"),
            "component": "prometheus",
            "mode": "0640",
            "timeout": 1,
            **options,
        }
        result, printed = ssh.ad_hoc(
            tmp_path, "baremetal.kubernetes.service_account_token", arguments, *flags
        )
        for secret in api.issued:
            assert secret not in printed and secret.rpartition(".")[0] not in printed
        return result

    return run


def test_a_token_is_minted_once_and_kept(api: Tokens, keep: Keep, tmp_path: Path) -> None:
    file = tmp_path / "host/scraper.token"
    predicted = keep("--check", "--diff", "-vvvv")
    assert (predicted["changed"], predicted["reason"], predicted["expires"]) == (True, "there is none", "")
    assert not file.exists() and not api.issued

    first = keep("--diff", "-vvvv")
    assert first["changed"]
    assert first["diff"]["before"] == "there is none\n"
    assert (first["server"], first["ca"]) == (api.url, CA)
    assert file.read_text() == api.issued[0] + "\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert first["expires"].endswith("Z")
    assert '"prometheus"' in (tmp_path / "host/record.json").read_text()

    second = keep("--diff")
    assert (second["changed"], second["reason"], len(api.issued)) == (False, "", 1)
    assert "diff" not in second
    file.chmod(0o644)
    assert keep("--check")["changed"]
    assert keep()["changed"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert len(api.issued) == 1


def test_one_that_the_cluster_refuses_is_replaced(api: Tokens, keep: Keep, tmp_path: Path) -> None:
    keep()
    api.accepts = False
    predicted = keep("--check")
    assert "does not accept it" in predicted["reason"]
    assert len(api.issued) == 1
    replaced = keep()
    assert replaced["changed"] and len(api.issued) == 2
    assert (tmp_path / "host/scraper.token").read_text() == api.issued[1] + "\n"


def test_without_a_service_account(api: Tokens, keep: Keep) -> None:
    del api.objects[ACCOUNT]
    assert keep("--check")["reason"] == "the ServiceAccount metrics/metrics-scraper does not exist yet"
    failed = keep()
    assert "There is no ServiceAccount metrics/metrics-scraper" in failed["msg"]


def test_what_the_api_server_refuses(api: Tokens, keep: Keep) -> None:
    api.answers["POST", f"{ACCOUNT}/token"] = refused(403, "serviceaccounts/token is forbidden")
    failed = keep()
    assert "answered HTTP 403: serviceaccounts/token is forbidden" in failed["msg"]
    api.answers["POST", f"{ACCOUNT}/token"] = Answer(201, {"status": {}})
    assert "has issued no token" in keep()["msg"]
    assert "expected 1 or more" in keep(days=0)["msg"]
    api.objects[action.AUTHORITY] = {"data": {}}
    assert "kube-root-ca.crt" in keep()["msg"]
