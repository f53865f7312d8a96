# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""cis_cluster against a small API server, run as Ansible does."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.model import Result
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.client import (
    CredentialsError,
    UnreachableError,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.cluster.audit import (
    CHECKS,
    evaluate_all,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.cluster.snapshot import (
    RESOURCES,
    Snapshot,
    read_snapshot,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api import connect

from tests.unit.plugins.cis.clusters import STOCK, Object, binding, facts, namespace, pod, role, rule, thing
from tests.unit.support.modules import RunAction
from tests.unit.support.servers import Answer, ApiServer, Request, refused

RBAC = "/apis/rbac.authorization.k8s.io/v1"
METADATA = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
PASSWORD = "c3VwZXItc2VjcmV0LXBhc3N3b3Jk"


class Cluster(ApiServer):
    """The API server of a cluster with a bit of everything."""

    def __init__(self) -> None:
        super().__init__(token="sesame")
        #: How many requests for lists it is too busy for.
        self.busy = 0
        self.lists = lists()
        self.objects = objects()

    def handle(self, request: Request) -> Answer:
        if self.busy and request.path not in self.objects:
            self.busy -= 1
            return Answer(429, {})
        return super().handle(request)

    def forbid(self, *paths: str) -> None:
        for path in paths:
            self.answers["GET", path] = refused(403, f"forbidden: {PASSWORD}")


def secret(name: str, where: str, kind: str) -> Object:
    """A Secret with its data, as the API server would return it."""
    applied = {"kubectl.kubernetes.io/last-applied-configuration": json.dumps({"data": {"token": PASSWORD}})}
    written: Object = {"f:data": {".": {}, "f:expiration": {}, "f:token-secret": {}}}
    return {
        "metadata": {
            "name": name,
            "namespace": where,
            "annotations": {**applied, "kubernetes.io/service-account.name": "ci"},
            "managedFields": [{"fieldsV1": written}],
            "creationTimestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        },
        "type": kind,
        "data": {"token": PASSWORD},
    }


def lists() -> dict[str, list[Object]]:
    items: dict[str, list[Object]] = {resource.path: [] for resource in RESOURCES}
    for name in ("clusterroles", "clusterrolebindings", "roles", "rolebindings"):
        items[f"{RBAC}/{name}"] = list(STOCK[name])
    secrets = [
        secret("ci-token", "shop", "kubernetes.io/service-account-token"),
        secret("other", "shop", "Opaque"),
    ]
    joining = secret("bootstrap-token-abcdef", "kube-system", "bootstrap.kubernetes.io/token")
    items.update(
        {
            "/api/v1/namespaces": [
                namespace("default"),
                namespace("kube-system"),
                namespace("shop", "restricted"),
            ],
            "/api/v1/nodes": [thing("Node", "cp1")],
            "/api/v1/pods": [pod("shop/web-1", owner="ReplicaSet/web-5f6")],
            "/apis/apps/v1/replicasets": [
                thing(
                    "ReplicaSet",
                    "web-5f6",
                    "shop",
                    metadata={"ownerReferences": [{"kind": "Deployment", "name": "web", "controller": True}]},
                )
            ],
            "/apis/apps/v1/daemonsets": [
                thing("DaemonSet", "cilium", "net", status={"desiredNumberScheduled": 1})
            ],
            "/apis/apiextensions.k8s.io/v1/customresourcedefinitions": [
                thing("CustomResourceDefinition", "ciliumclusterwidenetworkpolicies.cilium.io"),
                thing("CustomResourceDefinition", "k8sx.constraints.gatekeeper.sh"),
                thing("CustomResourceDefinition", "gone.example.org"),
            ],
            "/apis/cilium.io/v2/ciliumclusterwidenetworkpolicies": [
                {"metadata": {"name": "deny"}, "spec": {"endpointSelector": {}, "ingress": [{}]}}
            ],
            "/apis/constraints.gatekeeper.sh/v1beta1/k8sx": [],
            "/api/v1/secrets": secrets,
            "/api/v1/namespaces/kube-system/secrets": [joining],
        }
    )
    return items


def objects() -> dict[str, Object]:
    return {
        "/version": {"gitVersion": "v1.36.4"},
        "/apis": {
            "groups": [
                {"name": "cilium.io", "preferredVersion": {"groupVersion": "cilium.io/v2"}},
                {
                    "name": "constraints.gatekeeper.sh",
                    "preferredVersion": {"groupVersion": "constraints.gatekeeper.sh/v1beta1"},
                },
            ]
        },
        "/api/v1/namespaces/net/configmaps/cilium-config": {"data": {"enable-policy": "default"}},
    }


@pytest.fixture
def api() -> Iterator[Cluster]:
    running = Cluster()
    yield running
    running.close()


@pytest.fixture
def action(api: Cluster, tmp_path: Path, run_action: RunAction) -> Callable[..., dict[str, Any]]:
    """Run the action against the API server."""

    def run(bearer: str = "", port: int = 0, check: bool = False, **args: Any) -> dict[str, Any]:
        given = {"kubeconfig": api.kubeconfig(tmp_path / "kubeconfig", token=bearer, port=port), **args}
        return run_action("cis_cluster", given, check=check)

    return run


@pytest.fixture
def audit(api: Cluster, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """What the action returns, without its process."""

    def run(*nodes: Object, timeout: float = 15) -> dict[str, Any]:
        snapshot = read_snapshot(
            connect.connect(api.kubeconfig(tmp_path / "kubeconfig"), seconds=timeout), nodes
        )
        return {
            "results": [one.to_dict() for one in evaluate_all(snapshot, ())],
            "missing_permissions": [dict(one) for one in snapshot.missing_permissions],
        }

    return run


def by_id(result: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["id"]: one for one in result["results"]}


Audit = Callable[..., dict[str, Any]]


def test_whole_audit(action: Audit) -> None:
    result = action(nodes=[facts()])
    assert (result["changed"], result.get("failed", False)) == (False, False)
    assert result["kubernetes_version"] == "1.36.4"
    assert [one["id"] for one in result["results"]] == list(CHECKS)
    assert result["missing_permissions"] == []
    assert result["objects"]["pods"] == 1
    verdicts = by_id(result)
    assert not [one for one in result["results"] if one["status"] == "error"]
    assert [one["subject"] for one in verdicts["3.1.2"]["evidence"]] == ["ServiceAccount/shop/ci"]
    assert verdicts["3.1.3"]["status"] == "pass"
    assert verdicts["5.3.1"]["status"] == "pass"
    assert verdicts["5.3.2"]["status"] == "pass"


def test_check_mode(action: Audit) -> None:
    result = action(check=True, nodes=[facts()], checks=["5.1.1"])
    assert (result["changed"], result.get("failed", False)) == (False, False)
    assert by_id(result)["5.1.1"]["status"] == "pass"


def test_content_of_secrets_is_never_requested(api: Cluster, audit: Audit) -> None:
    result = audit(facts())
    asked = [request for request in api.requests if "secrets" in request.target]
    assert len(asked) == 3
    assert {request.headers["Accept"] for request in asked} == {METADATA}
    # Nor is an annotation with their content returned.
    assert PASSWORD not in json.dumps(result)


def test_pages(api: Cluster, audit: Audit) -> None:
    api.page = 7
    path = f"{RBAC}/rolebindings"
    api.lists[path] += [
        binding(f"b{number}", "reader", "User/jane", namespace="shop") for number in range(40)
    ]
    api.lists[f"{RBAC}/clusterroles"].append(role("reader", rule("get", "secrets")))
    result = audit(facts())
    assert len(by_id(result)["5.1.2"]["evidence"]) == 40
    assert sum(request.path == path for request in api.requests) == 8


def test_chosen_checks(action: Audit) -> None:
    assert list(by_id(action(checks=["5.6.4", "5.1.1"]))) == ["5.1.1", "5.6.4"]


def test_without_facts_of_hosts(audit: Audit) -> None:
    verdicts = by_id(audit())
    for check_id in ("5.1.7", "5.2.1", "5.2.2", "5.5.1"):
        assert verdicts[check_id]["status"] == "error"
        assert "Run the playbook cis without --limit" in verdicts[check_id]["message"]


def test_missing_permissions(api: Cluster, audit: Audit) -> None:
    api.forbid(
        f"{RBAC}/rolebindings",
        "/api/v1/namespaces/default/secrets",
        "/api/v1/namespaces/net/configmaps/cilium-config",
    )
    result = audit(facts())
    assert sorted(result["missing_permissions"], key=lambda one: one["resource"]) == [
        {"verb": "get", "group": "", "resource": "configmaps", "namespace": "net"},
        {"verb": "list", "group": "rbac.authorization.k8s.io", "resource": "rolebindings", "namespace": ""},
        {"verb": "list", "group": "", "resource": "secrets", "namespace": "default"},
    ]
    verdicts = by_id(result)
    assert verdicts["5.1.2"]["status"] == "error"
    assert (
        "not allowed to list rolebindings.rbac.authorization.k8s.io in the whole cluster"
        in verdicts["5.1.2"]["message"]
    )
    assert "not allowed to list secrets in the namespace default" in verdicts["5.6.4"]["message"]
    assert "not allowed to get configmaps in the namespace net" in verdicts["5.3.1"]["message"]
    assert verdicts["3.1.2"]["status"] == "fail"
    assert PASSWORD not in json.dumps(result)


def test_no_permissions(api: Cluster, audit: Audit) -> None:
    api.forbid(*api.lists)
    result = audit(facts())
    assert {one["status"] for one in result["results"]} == {"error"}
    assert len(result["missing_permissions"]) == len({resource.path for resource in RESOURCES})


def test_invalid_responses(api: Cluster, audit: Audit) -> None:
    api.answers["GET", "/api/v1/pods"] = Answer(200, "<html>")
    message = by_id(audit(facts()))["5.4.1"]["message"]
    assert "/api/v1/pods answered with something else than JSON" in message


def test_missing_api_resources(api: Cluster, audit: Audit) -> None:
    del api.lists["/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"]
    assert by_id(audit(facts()))["5.2.1"]["status"] == "fail"


def test_busy_server_is_retried(api: Cluster, audit: Audit) -> None:
    api.busy = 2
    result = audit(facts())
    assert not [one for one in result["results"] if one["status"] == "error"]


def test_rejected_credentials(action: Audit) -> None:
    result = action(bearer="other")
    assert result["failed"]
    assert "answered HTTP 401" in result["msg"]
    assert "Fetch the kubeconfig from a control plane again" in result["msg"]
    assert "other" not in result["msg"]
    assert "results" not in result


def test_no_server(action: Audit) -> None:
    result = action(port=1)
    assert result["failed"]
    assert "http://127.0.0.1:1 does not answer: Connection refused" in result["msg"]


def test_timeout(api: Cluster, audit: Audit) -> None:
    api.delay = 0.5
    with pytest.raises(UnreachableError, match="does not answer: timed out"):
        audit(timeout=0.1)


@pytest.mark.parametrize(
    ("text", "word"),
    [("", "empty"), ("{a: [", "parsing"), ("- a", "list"), ("clusters: 3", "cannot be used")],
)
def test_unusable_kubeconfig(text: str, word: str, tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(text)
    with pytest.raises(CredentialsError, match="Fetch it from a control plane") as caught:
        connect.connect(str(path))
    assert str(path) in str(caught.value)
    assert word in str(caught.value)


def test_missing_kubeconfig(tmp_path: Path, run_action: RunAction) -> None:
    path = tmp_path / "kubeconfig"
    result = run_action("cis_cluster", {"kubeconfig": str(path)})
    assert result["failed"]
    assert f"{path} cannot be used" in result["msg"]


@pytest.mark.parametrize(
    ("args", "word"),
    [
        ({"checks": ["5.1.2", "9.9.9"]}, "There is no check of a cluster called 9.9.9"),
        ({"timeout": 0}, "timeout"),
    ],
)
def test_wrong_arguments(args: dict[str, Any], word: str, action: Audit) -> None:
    result = action(**args)
    assert result["failed"]
    assert word in result["msg"]


def test_without_the_library(run_action: RunAction, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connect, "KUBERNETES_ERROR", "ImportError: not here")
    result = run_action("cis_cluster", {"kubeconfig": "x"})
    assert result["failed"]
    assert "Python library" in result["msg"]


def test_without_a_kubeconfig(run_action: RunAction) -> None:
    result = run_action("cis_cluster", {})
    assert result["failed"]
    assert "kubeconfig" in result["msg"]


def test_an_unexpected_exception_is_an_error_of_its_own_check_alone() -> None:
    def broken(_: Snapshot) -> Result:
        raise KeyError("spec")

    checks = {"5.1.1": broken, "5.1.3": lambda _: Result("5.1.3", "pass", "fine")}
    results = evaluate_all(Snapshot(), (), checks)
    assert [one.status for one in results] == ["error", "pass"]
    assert "KeyError: 'spec'" in results[0].message


def test_every_check_of_the_sections_is_there() -> None:
    counts = {"3.1": 3, "5.1": 13, "5.2": 12, "5.3": 2, "5.4": 2, "5.5": 1, "5.6": 4}
    wanted = [f"{section}.{number}" for section, count in counts.items() for number in range(1, count + 1)]
    assert list(CHECKS) == wanted
