# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two clients of others use every endpoint that the modules use, so that the contract server answers as Grafana does.

One is the Python package grafana-client, the other is generated from Grafana's own description of its API.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from lab.artifacts import golang
from lab.config import settings
from tests.grafana.conftest import SPEC, Source, Target

CLIENT = Path(__file__).with_name("client")
PACKAGE = "grafana-client>=5.1,<6"


@pytest.fixture(scope="session")
def package() -> Any:
    """The Python client, in a directory of its own.

    Where it is installed beside the kubernetes package, its urllib3-future takes the place of urllib3, and API servers
    refuse what kubernetes sends (415).
    """
    directory = settings().paths.cache / "python" / "grafana-client-5.1"
    if not directory.is_dir():
        directory.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=directory.parent, prefix=".client.") as work:
            made = Path(work) / "made"
            command = [
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "--no-input",
                "--target",
                str(made),
                PACKAGE,
            ]
            subprocess.run([sys.executable, "-m", "pip", *command], check=True, timeout=600)
            try:
                made.rename(directory)
            except OSError:
                # Another worker was quicker.
                if not directory.is_dir():
                    raise
    # Last, so that the urllib3 of this environment stays what it is.
    sys.path.append(str(directory))
    return importlib.import_module("grafana_client.client")


@pytest.fixture
def refusal(package: Any) -> Any:
    """What the client raises."""
    return package.GrafanaClientError


@pytest.fixture
def api(target: Target, package: Any) -> Any:
    """The Python client."""
    parts = urlsplit(target.url)
    return importlib.import_module("grafana_client.api").GrafanaApi(
        package.TokenAuth(target.token),
        host=parts.hostname or "",
        port=parts.port,
        protocol=parts.scheme,
        url_path_prefix=parts.path.strip("/"),
    )


def test_python_client_and_dashboards(target: Target, api: Any, refusal: Any) -> None:
    uid = target.uid("a")
    assert api.health.check()["version"] and api.organization.get_current_organization()["id"]
    directory = api.folder.create_folder("Kubernetes", uid=target.uid())
    assert directory["uid"] == target.uid()
    spec = {**SPEC, "uid": uid, "tags": [target.cluster]}
    saved = api.dashboard.update_dashboard({"dashboard": spec, "folderUid": target.uid(), "message": "first"})
    assert saved["status"] == "success" and saved["uid"] == uid
    found = api.dashboard.get_dashboard(uid)
    assert found["dashboard"]["title"] == "Overview" and found["meta"]["folderUid"] == target.uid()
    changed = {**found["dashboard"], "title": "Second"}
    assert (
        api.dashboard.update_dashboard({"dashboard": changed, "message": "second"})["version"]
        == saved["version"] + 1
    )
    with pytest.raises(refusal) as caught:
        api.dashboard.update_dashboard({"dashboard": changed})
    assert caught.value.status_code == 412 and caught.value.response["status"] == "version-mismatch"
    history = api.dashboard_versions.get_dashboard_versions(dashboard_uid=uid, limit=5)
    latest = (history["versions"] if isinstance(history, dict) else history)[0]
    assert latest["message"] == "second" and latest["version"] == saved["version"] + 1
    hits = api.search.search_dashboards(tag=target.cluster, type_="dash-db")
    assert [one["uid"] for one in hits] == [uid]
    api.dashboard.delete_dashboard(uid)
    with pytest.raises(refusal):
        api.dashboard.get_dashboard(uid)


def test_python_client_and_directories(target: Target, api: Any, refusal: Any) -> None:
    created = api.folder.create_folder("Kubernetes", uid=target.uid())
    inner = api.folder.create_folder("Inner", uid=target.uid("inner"), parent_uid=target.uid())
    assert inner["parentUid"] == target.uid()
    updated = api.folder.update_folder(target.uid(), title="Renamed", version=created["version"])
    assert (
        updated["title"] == "Renamed" and api.folder.get_folder(target.uid())["version"] == updated["version"]
    )
    with pytest.raises(refusal) as caught:
        api.folder.update_folder(target.uid(), title="Late", version=created["version"])
    assert caught.value.status_code == 412
    with pytest.raises(refusal) as caught:
        api.folder.create_folder("Again", uid=target.uid())
    assert caught.value.status_code in (409, 412)
    for uid in (target.uid("inner"), target.uid()):
        api.folder.delete_folder(uid)


def test_python_client_and_data_sources(target: Target, api: Any, refusal: Any, source: Source) -> None:
    body = {
        "uid": target.uid(),
        "name": target.uid(),
        "type": "prometheus",
        "access": "proxy",
        "url": source.url,
        "basicAuth": True,
        "basicAuthUser": "grafana",
        "jsonData": {"bmkCluster": target.cluster},
        "secureJsonData": {"basicAuthPassword": source.password},
    }
    assert api.datasource.create_datasource(body)["datasource"]["uid"] == target.uid()
    with pytest.raises(refusal) as caught:
        api.datasource.create_datasource({**body, "uid": target.uid("b")})
    assert caught.value.status_code == 409
    found = api.datasource.get_datasource_by_uid(target.uid())
    assert (
        found["jsonData"] == {"bmkCluster": target.cluster} and found["secureJsonFields"]["basicAuthPassword"]
    )
    changed = {**found, "jsonData": {**found["jsonData"], "httpMethod": "POST"}}
    updated = api.datasource.update_datasource_by_uid(target.uid(), changed)
    assert updated["datasource"]["version"] == found["version"] + 1
    with pytest.raises(refusal) as caught:
        api.datasource.update_datasource_by_uid(target.uid(), changed)
    assert caught.value.status_code == 409
    if target.server is not None:
        # The secret that was not sent again is still there.
        assert api.datasource.health(target.uid())["status"] == "OK"
        answer = api.datasource.smartquery(api.datasource.get_datasource_by_uid(target.uid()), "up")
        assert "success" in str(answer) or "frames" in str(answer)
    api.datasource.delete_datasource_by_uid(target.uid())
    with pytest.raises(refusal) as caught:
        api.datasource.get_datasource_by_uid(target.uid())
    assert caught.value.status_code == 404


def test_python_client_and_service_accounts(target: Target, api: Any) -> None:
    name = target.uid()
    created = api.serviceaccount.create({"name": name, "role": "Viewer"})
    assert api.serviceaccount.search_one(name)["id"] == created["id"]
    api.serviceaccount.update(created["id"], {"name": name, "role": "Editor", "isDisabled": False})
    assert api.serviceaccount.get(created["id"])["role"] == "Editor"
    minted = api.serviceaccount.create_token(created["id"], {"name": f"{name}-t", "secondsToLive": 60})
    assert minted["key"] and [one["id"] for one in api.serviceaccount.get_tokens(created["id"])] == [
        minted["id"]
    ]
    api.serviceaccount.delete_token(created["id"], minted["id"])
    api.serviceaccount.delete(created["id"])


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The client that is generated from Grafana's description, built from its Go module."""
    go = golang.toolchain(settings().paths, (1, 24))
    binary = tmp_path_factory.mktemp("client") / "client"
    subprocess.run(
        [go.binary, "build", "-o", binary, "."],
        cwd=CLIENT,
        env={**os.environ, **go.environment()},
        check=True,
        timeout=900,
    )
    return binary


def test_generated_client(target: Target, program: Path, source: Source) -> None:
    if target.server is not None and target.server.state.flavour.version.startswith("11"):
        pytest.skip("its description is of Grafana 12 and later, which answer with another list of versions")
    done = subprocess.run(
        [program],
        env={
            **os.environ,
            "GRAFANA_URL": target.url,
            "GRAFANA_TOKEN": target.token,
            "GRAFANA_PREFIX": target.uid(),
            "GRAFANA_SOURCE": source.url,
            "GRAFANA_REACHES_SOURCE": "yes" if target.server is not None else "",
            "NO_PROXY": "*",
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "deleteServiceAccount" in done.stdout and "deleteDashboardByUID" in done.stdout
