# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules for Grafana over HTTP: what they create, what they leave alone, and what they say."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest

from tests.grafana import conversion
from tests.grafana.conftest import REAL, SPEC, Source, Target
from tests.grafana.server import LOGIN_PAGE, Fault, Server, serve
from tests.grafana.state import Grafana
from tests.unit.support import certificates

CHANGED = {**SPEC, "title": "Cluster overview"}


def _status(result: dict[str, Any]) -> list[str]:
    return [one["status"] for one in result["dashboards"]]


# --- dashboards -------------------------------------------------------------------------------------------------------


def test_a_dashboard_is_created_changed_and_deleted(target: Target) -> None:
    predicted = target.dashboards(("a", SPEC), check=True)
    assert predicted["changed"] and _status(predicted) == ["created"] and predicted["diff"][0]["before"] == ""
    assert target.dashboards(("a", SPEC))["changed"]
    again = target.dashboards(("a", SPEC))
    assert not again["changed"] and _status(again) == ["unchanged"] and "diff" not in again
    assert target.spec("a")["panels"][0]["targets"][0]["legendFormat"] == "{{node}}"
    assert {"managed-by:baremetal.kubernetes", f"cluster:{target.cluster}", "kubernetes"} == set(
        target.spec("a")["tags"]
    )

    predicted = target.dashboards(("a", CHANGED), check=True)
    assert predicted["changed"] and target.spec("a")["title"] == "Overview"
    assert [one["path"] for one in predicted["dashboards"][0]["drift"]] == ["title"]
    assert _status(target.dashboards(("a", CHANGED))) == ["updated"]
    assert target.spec("a")["title"] == "Cluster overview"
    assert not target.dashboards(("a", CHANGED))["changed"]

    absent: dict[str, Any] = {"dashboards": [{"uid": target.uid("a")}], "state": "absent"}
    assert target.run("grafana_dashboard", check=True, **absent)["changed"]
    assert target.run("grafana_dashboard", **absent)["changed"]
    assert not target.run("grafana_dashboard", **absent)["changed"]
    target.ask("GET", f"/api/dashboards/uid/{target.uid('a')}", expected=404)


def test_an_edit_is_reported_and_overwritten_with_force_only(target: Target) -> None:
    target.dashboards(("a", SPEC))
    target.edit("a", title="Mine")
    for check in (True, False):
        result = target.dashboards(("a", SPEC), check=check)
        assert not result["changed"] and result["edited"] == [target.uid("a")]
        assert result["dashboards"][0]["drift"] == [
            {"path": "title", "found": '"Mine"', "expected": '"Overview"'}
        ]
        assert "edited in Grafana (title)" in str(result["warnings"])
        assert (
            '"Mine"' in result["diff"][0]["before"] and "not overwritten" in result["diff"][0]["after_header"]
        )
    assert target.spec("a")["title"] == "Mine"
    assert _status(target.dashboards(("a", SPEC), force=True)) == ["updated"]
    assert target.spec("a")["title"] == "Overview"
    assert not target.dashboards(("a", SPEC))["changed"]


def test_an_edit_is_not_lost_when_the_declaration_changes_too(target: Target) -> None:
    target.dashboards(("a", SPEC))
    target.edit("a", description="ours")
    # Nothing that is declared differs.
    assert _status(target.dashboards(("a", SPEC))) == ["unchanged"]
    result = target.dashboards(("a", CHANGED))
    assert result["edited"] and target.spec("a")["description"] == "ours"
    assert target.run("grafana_dashboard", dashboards=[{"uid": target.uid("a")}], state="absent")["edited"]
    assert target.dashboards(("a", CHANGED), force=True)["changed"]
    assert target.dashboards(("a", {**CHANGED, "title": "Third"}))["changed"]


def test_only_own_dashboards_are_pruned(target: Target) -> None:
    other = Target(target.url, target.token, f"{target.cluster}-b", target.server)
    target.dashboards(("a", SPEC), ("b", {**SPEC, "title": "B"}), ("c", {**SPEC, "title": "C"}))
    other.dashboards(("a", SPEC))
    # A copy has the tags of the original.
    copy = {**target.spec("b"), "id": None, "uid": target.uid("copy"), "title": "Copy"}
    target.ask("POST", "/api/dashboards/db", {"dashboard": copy, "overwrite": False})
    target.edit("c", title="Mine")
    predicted = target.dashboards(("a", SPEC), prune=True, check=True)
    result = target.dashboards(("a", SPEC), prune=True)
    expected = {target.uid("a"): "unchanged", target.uid("b"): "deleted", target.uid("c"): "edited"}
    assert {one["uid"]: one["status"] for one in predicted["dashboards"]} == expected
    assert {one["uid"]: one["status"] for one in result["dashboards"]} == expected
    assert target.spec("copy")["title"] == "Copy" and target.spec("c")["title"] == "Mine"
    assert not target.dashboards(("a", SPEC), prune=True)["changed"]
    assert not other.dashboards(("a", SPEC))["changed"]
    everything = target.run("grafana_dashboard", state="absent", force=True)
    assert sorted(one["uid"] for one in everything["dashboards"]) == [target.uid("a"), target.uid("c")]
    assert other.run("grafana_dashboard", state="absent")["changed"]


def test_two_clusters_share_no_object(target: Target, source: Source) -> None:
    other = Target(target.url, target.token, f"{target.cluster}-b", target.server)
    target.dashboards(("a", SPEC))
    listed = [{"uid": target.uid("a"), "spec": SPEC}]
    for force in (False, True):
        refused = other.run("grafana_dashboard", dashboards=listed, force=force, fails=True)
        assert f"belongs to the cluster {target.cluster}" in refused["msg"]
    spec = {"name": target.uid(), "type": "prometheus", "url": source.url}
    target.run("grafana_datasource", uid=target.uid(), spec=spec)
    refused = other.run("grafana_datasource", uid=target.uid(), spec=spec, force=True, fails=True)
    assert f"belongs to the cluster {target.cluster}" in refused["msg"]
    refused = other.run("grafana_datasource", uid=target.uid(), state="absent", fails=True)
    assert f"belongs to the cluster {target.cluster}" in refused["msg"]


def test_a_dashboard_of_somebody_else_is_taken_over_with_force_only(target: Target) -> None:
    mine = {"dashboard": {"uid": target.uid("a"), "title": "Mine"}, "overwrite": False}
    target.ask("POST", "/api/dashboards/db", mine)
    refused = target.dashboards(("b", SPEC), ("a", SPEC), fails=True)
    assert "somebody else has created it" in refused["msg"]
    # All are read before one is written.
    target.ask("GET", f"/api/dashboards/uid/{target.uid('b')}", expected=404)
    assert target.dashboards(("a", SPEC), force=True)["changed"]
    assert not target.dashboards(("a", SPEC))["changed"]


def test_the_directory_of_a_dashboard(target: Target) -> None:
    for name, parent in (("", ""), ("inner", target.uid())):
        uid = target.uid(name)
        created = target.run(
            "grafana_folder", uid=uid, title=f"Kubernetes {uid}", parent=parent, force=bool(name)
        )
        assert created["status"] == "created"
    again = target.run("grafana_folder", title=f"Kubernetes {target.uid()}", parent="")
    assert not again["changed"] and again["uid"] == target.uid()
    target.dashboards(("a", SPEC), folder=target.uid())
    assert not target.dashboards(("a", SPEC), folder=target.uid())["changed"]
    # Without the option a dashboard stays where it is.
    assert not target.dashboards(("a", SPEC))["changed"]
    result = target.dashboards(("a", SPEC), folder=target.uid("inner"))
    assert result["edited"], "somebody may have moved it"
    assert target.dashboards(("a", SPEC), folder=target.uid("inner"), force=True)["changed"]
    assert not target.dashboards(("a", SPEC), folder=target.uid("inner"))["changed"]
    refused = target.run("grafana_folder", state="absent", fails=True)
    assert "not empty" in refused["msg"]
    assert "not empty" in target.run("grafana_folder", state="absent", check=True, fails=True)["msg"]


def test_a_directory_is_edited_and_deleted(target: Target) -> None:
    args: dict[str, Any] = {"title": f"Kubernetes {target.cluster}", "description": "of a cluster"}
    assert target.run("grafana_folder", check=True, **args)["changed"]
    assert target.run("grafana_folder", **args)["changed"]
    assert not target.run("grafana_folder", **args)["changed"]
    found = target.ask("GET", f"/api/folders/{target.uid()}")
    target.ask(
        "PUT",
        f"/api/folders/{target.uid()}",
        {"title": f"Mine {target.cluster}", "version": found["version"]},
    )
    result = target.run("grafana_folder", **args)
    assert result["edited"] and not result["changed"] and result["drift"][0]["path"] == "title"
    assert target.run("grafana_folder", force=True, **args)["changed"]
    assert not target.run("grafana_folder", **args)["changed"]
    assert target.run("grafana_folder", state="absent")["changed"]
    assert not target.run("grafana_folder", state="absent")["changed"]


def test_schema_2_is_written_where_grafana_has_it(target: Target) -> None:
    spec = conversion.to_v2({**SPEC, "title": "Second schema"})
    if target.server is not None and not target.server.state.flavour.apis:
        refused = target.dashboards(("a", spec), fails=True)
        assert "expected v2" in refused["msg"] and "schema 1" in refused["msg"]
        return
    assert target.dashboards(("a", spec))["changed"]
    assert not target.dashboards(("a", spec))["changed"]
    assert target.dashboards(("a", {**spec, "title": "Third"}))["changed"]
    assert target.run("grafana_dashboard", state="absent")["changed"]


@pytest.mark.skipif(bool(REAL), reason="saves a dashboard as only the contract server's browser does")
def test_a_dashboard_that_was_saved_in_the_other_schema_is_still_as_declared(
    contract: tuple[Target, Server],
) -> None:
    target, server = contract
    target.dashboards(("a", SPEC))
    stored = server.state.dashboards[target.uid("a")]
    converted = conversion.to_v2(stored.spec)
    server.state.store("dashboards", stored.uid, converted, 2, stored.annotations, "user:1")
    panels = [dict(SPEC["panels"][0])]
    declared = {"title": SPEC["title"], "tags": SPEC["tags"], "panels": panels}
    result = target.dashboards(("a", declared))
    # What is declared has changed as well, so the edit is kept.
    assert result["edited"] and not result["dashboards"][0]["drift"]
    assert target.dashboards(("a", SPEC), force=True)["changed"]


# --- data sources -----------------------------------------------------------------------------------------------------


def _source(target: Target, source: Source, **args: Any) -> dict[str, Any]:
    spec = {
        "name": f"Kubernetes {target.cluster}",
        "type": "prometheus",
        "url": source.url,
        "basicAuth": True,
        "basicAuthUser": "grafana",
        "jsonData": {"httpMethod": "POST", "timeInterval": "30s"},
    }
    secure = {"basicAuthPassword": args.pop("password", "first")}
    result = target.run(
        "grafana_datasource",
        uid=target.uid(),
        spec={**spec, **args.pop("spec", {})},
        secure_data=secure,
        **args,
    )
    told = {key: value for key, value in result.items() if key != "invocation"}
    assert secure["basicAuthPassword"] not in str(told)
    return result


def test_a_data_source_is_created_changed_and_deleted(target: Target, source: Source) -> None:
    predicted = _source(target, source, check=True)
    assert predicted["changed"] and "health" not in predicted
    created = _source(target, source)
    assert created["status"] == "created"
    if target.server is not None:
        assert created["health"]["status"] == "ok"
    again = _source(target, source)
    assert not again["changed"] and "diff" not in again
    assert _source(target, source, spec={"jsonData": {"httpMethod": "GET"}}, check=True)["changed"]
    assert _source(target, source, spec={"jsonData": {"httpMethod": "GET"}})["changed"]
    assert not _source(target, source, spec={"jsonData": {"httpMethod": "GET"}})["changed"]
    source.password = "second"
    assert _source(target, source, spec={"jsonData": {}}, password="second", secure_version="2")["changed"]
    found = _source(target, source, spec={"jsonData": {}}, password="second", secure_version="2")
    assert not found["changed"]
    if target.server is not None:
        assert found["health"]["status"] == "ok"
        assert target.server.state.secure[target.uid()] == {"basicAuthPassword": "second"}
    assert target.run("grafana_datasource", uid=target.uid(), state="absent")["changed"]
    assert not target.run("grafana_datasource", uid=target.uid(), state="absent")["changed"]


def test_an_edit_of_a_data_source_is_reported(target: Target, source: Source) -> None:
    _source(target, source)
    found = target.ask("GET", f"/api/datasources/uid/{target.uid()}")
    target.ask("PUT", f"/api/datasources/uid/{target.uid()}", {**found, "url": "http://192.0.2.1:9090"})
    result = _source(target, source)
    assert result["edited"] and not result["changed"]
    assert [one["path"] for one in result["drift"] if one["path"] == "url"] == ["url"]
    assert _source(target, source, force=True)["changed"]
    assert not _source(target, source)["changed"]


def test_a_wrong_password_that_somebody_has_saved_is_found(target: Target, source: Source) -> None:
    if target.server is None:
        pytest.skip("a real Grafana does not reach this data source")
    _source(target, source)
    path = f"/api/datasources/uid/{target.uid()}"
    found = target.ask("GET", path)
    target.ask("PUT", path, {**found, "secureJsonData": {"basicAuthPassword": "wrong"}})
    result = _source(target, source)
    assert result["edited"] and result["health"]["status"] == "error"
    assert result["drift"][0]["path"] == "secureJsonData" and "401" in result["drift"][0]["found"]
    assert _source(target, source, force=True)["health"]["status"] == "ok"
    assert not _source(target, source)["changed"]


def test_a_name_that_another_data_source_has(target: Target, source: Source) -> None:
    taken = {
        "name": f"bmk-{target.cluster} taken",
        "uid": target.uid("x"),
        "type": "prometheus",
        "url": source.url,
    }
    target.ask("POST", "/api/datasources", {**taken, "access": "proxy"})
    refused = _source(target, source, spec={"name": taken["name"]}, fails=True)
    assert "HTTP 409" in refused["msg"] and "choose another name" in refused["msg"]


@pytest.mark.skipif(bool(REAL), reason="a provisioned data source needs a file of Grafana's host")
def test_a_provisioned_data_source_is_refused(contract: tuple[Target, Server], source: Source) -> None:
    target, server = contract
    _source(target, source)
    server.state.datasources[target.uid()]["readOnly"] = True
    assert not _source(target, source)["changed"]
    refused = _source(target, source, spec={"url": "http://192.0.2.1"}, fails=True)
    assert "provisioned by a file of Grafana" in refused["msg"]


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"name": "a", "type": "prometheus"}, "no url"),
        ({"name": "a", "type": "b", "url": "c", "password": "d"}, "unknown fields password"),
        ({"name": "a", "type": "b", "url": "c", "jsonData": {"bmkCluster": "x"}}, "bmkCluster"),
    ],
)
def test_a_data_source_that_cannot_be_declared(
    contract: tuple[Target, Server], spec: dict[str, Any], told: str
) -> None:
    refused = contract[0].run("grafana_datasource", uid="a", spec=spec, fails=True)
    assert told in refused["msg"] and not contract[1].requests


# --- service accounts -------------------------------------------------------------------------------------------------


def test_a_token_is_minted_once_and_renewed(target: Target, tmp_path: Path) -> None:
    path = tmp_path / "credentials" / "token"
    args = {"name": f"bmk-{target.cluster}", "token_path": str(path), "token_days": 30}

    def run(**more: Any) -> dict[str, Any]:
        result = target.run("grafana_service_account", **{**args, **more})
        if path.exists():
            assert path.read_text().strip() not in str(result)
        return result

    predicted = run(check=True)
    assert predicted["changed"] and predicted["minted"] and not path.exists()
    created = run()
    assert created["status"] == "created" and stat.S_IMODE(path.stat().st_mode) == 0o600
    first = path.read_text()
    again = run()
    assert not again["changed"] and not again["minted"] and path.read_text() == first
    assert again["token_name"] == created["token_name"] and again["expires"][:10] == created["expires"][:10]

    path.chmod(0o644)
    assert run()["changed"] and stat.S_IMODE(path.stat().st_mode) == 0o600
    # 30 days are less than a third of 100.
    renewed = run(token_days=100)
    assert "less than a third" in renewed["minted"] and path.read_text() != first
    number = next(
        one["id"]
        for one in target.ask("GET", f"/api/serviceaccounts/search?query={args['name']}")["serviceAccounts"]
    )
    tokens = target.ask("GET", f"/api/serviceaccounts/{number}/tokens")
    assert [one["name"] for one in tokens] == [renewed["token_name"]]
    path.write_text("glsa_wrong\n")
    assert "does not accept" in run(token_days=100)["minted"]
    assert run(token_days=100, role="Editor")["status"] == "updated"
    assert run(state="absent")["changed"] and not path.exists()
    assert not run(state="absent")["changed"]


def test_no_token_is_minted_for_a_file_that_cannot_be_written(
    contract: tuple[Target, Server], tmp_path: Path
) -> None:
    target, server = contract
    (tmp_path / "file").touch()
    refused = target.run(
        "grafana_service_account", name="a", token_path=str(tmp_path / "file" / "token"), fails=True
    )
    assert "cannot be" in refused["msg"] and not server.state.accounts


# --- what goes wrong --------------------------------------------------------------------------------------------------

JSON = {"content-type": "application/json"}
HTML = {"content-type": "text/html"}
FAULTS: dict[str, tuple[Fault, tuple[str, ...]]] = {
    "401": (Fault(401, '{"message":"Invalid API key"}'), ("HTTP 401: Invalid API key", "wrong, expired")),
    "403": (
        Fault(403, '{"message":"Permissions needed: dashboards:write"}', match="/apis/.*", method="POST"),
        ("HTTP 403: Permissions needed: dashboards:write", "role Admin"),
    ),
    "409": (
        Fault(
            409,
            '{"kind":"Status","status":"Failure","message":"already exists"}',
            match="/apis/.*",
            method="POST",
        ),
        ("HTTP 409: already exists", "run again"),
    ),
    "412": (
        Fault(
            412,
            '{"message":"changed by someone else","status":"version-mismatch"}',
            match="/apis/.*",
            method="POST",
        ),
        ("HTTP 412: changed by someone else (version-mismatch)", "run again"),
    ),
    "429": (Fault(429, '{"message":"slow down"}', count=99), ("HTTP 429: slow down", "raise the limit")),
    "500": (Fault(500), ("HTTP 500: Internal Server Error", "log of Grafana")),
    "502": (
        Fault(502, "<html><title>Bad Gateway</title></html>", HTML),
        ("HTTP 502 with an HTML page ('Bad Gateway')",),
    ),
    "html": (Fault(200, LOGIN_PAGE, HTML), ("'Sign in to Example SSO'", "login page")),
    "html as json": (Fault(200, LOGIN_PAGE, JSON), ("'Sign in to Example SSO'", "login page")),
    "redirect": (
        Fault(302, "", {"location": "https://sso.example.org/auth?state=secret"}),
        ("a redirect to https://sso.example.org/auth", "login proxy"),
    ),
    "text": (Fault(200, "ok", {"content-type": "text/plain"}), ("something else than JSON",)),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_grafana_may_answer_is_named(contract: tuple[Target, Server], name: str) -> None:
    target, server = contract
    fault, told = FAULTS[name]
    server.faults = [fault]
    result = target.dashboards(("a", SPEC), fails=True)
    assert all(text in result["msg"] for text in told), result["msg"]
    assert server.url in result["msg"] and "state=secret" not in result["msg"]
    server.faults = []
    assert target.dashboards(("a", SPEC))["changed"]


def test_a_grafana_that_limits_requests_is_waited_for(contract: tuple[Target, Server]) -> None:
    target, server = contract
    server.faults = [Fault(429, "{}", {"retry-after": "1"}, count=2)]
    assert target.dashboards(("a", SPEC))["changed"]


def test_no_answer(contract: tuple[Target, Server]) -> None:
    target, server = contract
    server.faults = [Fault(silent=5)]
    result = target.run("grafana_folder", title="a", timeout=1, fails=True)
    assert "does not answer" in result["msg"] and "timed out" in result["msg"]
    closed = Target("http://127.0.0.1:9", target.token, "prod")
    assert "Connection refused" in closed.run("grafana_folder", title="a", fails=True)["msg"]


def test_the_certificate_is_verified(tmp_path: Path) -> None:
    authority = certificates.authority("site")
    issued = certificates.issue("grafana", issuer=authority, names=["127.0.0.1"])
    (tmp_path / "ca.crt").write_text(authority.pem)
    (tmp_path / "tls.crt").write_text(issued.pem)
    (tmp_path / "tls.key").write_text(issued.key_pem)
    state = Grafana()
    pair: dict[str, Any] = {
        "ssl_certfile": str(tmp_path / "tls.crt"),
        "ssl_keyfile": str(tmp_path / "tls.key"),
    }
    with serve(state, **pair) as server:
        target = Target(server.url, state.admin, "prod", server)
        refused = target.run("grafana_folder", title="a", fails=True)
        assert "does not answer" in refused["msg"] and "grafana_ca" in refused["msg"] and not server.requests
        assert target.run("grafana_folder", title="a", ca=str(tmp_path / "ca.crt"))["changed"]


def test_what_nobody_declares_of_a_data_source_stays(contract: tuple[Target, Server], source: Source) -> None:
    target, _server = contract
    _source(target, source)
    path = f"/api/datasources/uid/{target.uid()}"
    target.ask("PUT", path, {**target.ask("GET", path), "isDefault": True})
    assert not _source(target, source)["changed"]
    assert _source(target, source, spec={"jsonData": {}}, force=True)["changed"]
    assert target.ask("GET", path)["isDefault"] is True


def test_somebody_saves_between_reading_and_writing(contract: tuple[Target, Server]) -> None:
    target, server = contract
    target.dashboards(("a", SPEC))
    stored = server.state.dashboards[target.uid("a")]
    identify = server._identify

    def meanwhile(request: Any) -> tuple[str, str]:
        if request.method == "PUT":
            stored.resource_version += 100
        return identify(request)

    server._identify = meanwhile  # type: ignore[method-assign]
    result = target.dashboards(("a", CHANGED), fails=True)
    assert "HTTP 409" in result["msg"] and "modified" in result["msg"] and stored.spec["title"] == "Overview"


def test_a_viewer_is_told_which_permission_is_missing(contract: tuple[Target, Server]) -> None:
    target, server = contract
    account = server.state.add_account("viewer", "Viewer")
    viewer = Target(target.url, server.state.mint(account, "t", 60).key, "prod")
    result = viewer.run("grafana_folder", title="a", fails=True)
    assert "HTTP 403" in result["msg"] and "Permissions needed: folders:create" in result["msg"]


@pytest.mark.parametrize(
    ("args", "told"),
    [
        ({"url": "grafana.example.org"}, "expected http(s)://HOST"),
        ({"url": "https://admin:pw@grafana.example.org"}, "grafana_token"),
        ({"token": ""}, "token is empty"),
        ({"token": "a\nb"}, "no token has"),
        ({"ca": "/nonexistent"}, "which is no file"),
        ({"timeout": 0}, "expected 1 second or more"),
        ({"cluster": "a b"}, "cluster is 'a b'"),
        ({"uid": "a" * 41}, "at most 40"),
    ],
)
def test_options_that_cannot_be_used(
    contract: tuple[Target, Server], args: dict[str, Any], told: str
) -> None:
    result = contract[0].run("grafana_folder", title="a", fails=True, **args)
    assert told in result["msg"] and "pw" not in result["msg"] and not contract[1].requests


def test_a_run_without_change_asks_little(contract: tuple[Target, Server]) -> None:
    target, server = contract
    specs = [(name, {**SPEC, "title": name}) for name in "abcde"]
    target.dashboards(*specs, prune=True)
    server.requests.clear()
    target.dashboards(*specs, prune=True)
    assert {method for method, _path in server.requests} == {"GET"} and len(server.requests) == 8
