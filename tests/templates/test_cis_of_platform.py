# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the playbook platform deploys fails no check of the CIS audit but those that a shipped exemption covers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tests.unit.plugins.conftest  # noqa: F401 - makes the collection importable
from tests.infra import guide
from tests.templates.documents import listed
from tests.templates.test_rendering import rendered  # noqa: F401 - pytest finds it here
from tests.unit.plugins.cis.deployed import Failure, failures

HOST_PORT = "air gap with settings of its own"
Found = Callable[[str, str], set[Failure]]


@pytest.fixture
def found(rendered: Callable[[str], Path]) -> Found:  # noqa: F811 - the fixture
    """Gives what fails because of a document, for a site."""

    def of(document: str, site: str) -> set[Failure]:
        return failures(listed(rendered(site), document))

    return of


@pytest.mark.parametrize(
    ("document", "site"),
    [
        ("ingress", "runs pods"),
        ("ingress", "three control planes"),
        ("ingress", HOST_PORT),
        ("metrics-server-objects", "runs pods"),
    ],
)
def test_nothing_fails_without_a_reason(document: str, site: str, found: Found) -> None:
    assert not {one for one in found(document, site) if not one.accepted}


def manifests(page: str) -> list[dict[str, Any]]:
    """The objects of a guide."""
    return [one for one in guide.yaml_of(page) if "kind" in one]


def test_what_developers_are_told_passes_the_audit() -> None:
    found = manifests("developers.md")
    namespace: dict[str, Any] = {"kind": "Namespace", "metadata": {"name": "shop"}}
    assert not failures([namespace, *found])
    assert {one["metadata"]["namespace"] for one in found} == {"shop"}


def test_what_developers_are_told_fits_together() -> None:
    found = {f"{one['kind']} {one['metadata']['name']}": one["spec"] for one in manifests("developers.md")}
    template = found["Deployment web"]["template"]
    labels, (container,) = template["metadata"]["labels"], template["spec"]["containers"]
    (port,) = container["ports"]
    service = found["Service web"]
    assert service["selector"] == labels == found["PodDisruptionBudget web"]["selector"]["matchLabels"]
    assert service["ports"][0]["targetPort"] == port["name"] == container["readinessProbe"]["httpGet"]["port"]
    policy = found["NetworkPolicy from-ingress"]
    assert policy["podSelector"]["matchLabels"] == labels
    assert policy["ingress"][0]["ports"] == [{"port": port["containerPort"]}]
    (rule,) = found["Ingress web"]["rules"]
    assert rule["http"]["paths"][0]["backend"]["service"] == {"name": "web", "port": {"name": "http"}}
    assert found["Ingress web"]["tls"][0]["hosts"] == [rule["host"]]


def test_host_ports_alone_cost_a_pod_security_level(found: Found) -> None:
    # It has the certificates of all namespaces.
    assert {one.check for one in found("ingress", "runs pods")} == {"5.1.2"}
    assert "5.2.12" in {one.check for one in found("ingress", HOST_PORT)}
