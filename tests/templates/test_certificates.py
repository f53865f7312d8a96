# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects of cert-manager, for one node, for two, and for a site with settings of its own."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.templates.documents import Objects, named
from tests.templates.test_rendering import rendered  # noqa: F401 - the fixture

ONE, TWO, OWN = "plain systemd", "three control planes", "air gap with settings of its own"
PROGRAMS = ("cert-manager", "cert-manager-webhook", "cert-manager-cainjector")


@pytest.fixture
def applied(rendered: Callable[[str], Path]) -> Callable[[str], Objects]:  # noqa: F811 - the fixture
    """Gives the objects of a site by kind and name."""
    return lambda site: named(rendered(site), "certificates")


def pod(objects: Objects, name: str) -> dict[str, Any]:
    return objects[f"Deployment {name}"]["spec"]["template"]["spec"]


def arguments(objects: Objects, name: str) -> dict[str, str]:
    """Argument -> value."""
    (container,) = pod(objects, name)["containers"]
    pairs = [argument.removeprefix("--").split("=", 1) for argument in container["args"]]
    assert len({key for key, _ in pairs}) == len(pairs), "an argument that is there twice"
    return dict(pairs)


@pytest.mark.parametrize("name", PROGRAMS)
def test_pods_are_restricted(name: str, applied: Callable[[str], Objects]) -> None:
    objects = applied(TWO)
    spec = pod(objects, name)
    (container,) = spec["containers"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert set(container["resources"]["requests"]) == {"cpu", "memory"}
    assert spec["serviceAccountName"] == name and f"ServiceAccount {name}" in objects
    labels = objects["Namespace cert-manager"]["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


def test_images_are_of_one_version(applied: Callable[[str], Objects]) -> None:
    objects = applied(ONE)
    images = [pod(objects, name)["containers"][0]["image"] for name in PROGRAMS]
    images.append(arguments(objects, "cert-manager")["acme-http01-solver-image"])
    assert len(set(images)) == 4
    assert {image.rpartition(":")[2] for image in images} == {"v1.21.2"}


@pytest.mark.parametrize(("site", "replicas"), [(ONE, 1), (TWO, 2), (OWN, 1)])
def test_replicas_are_no_more_than_nodes(site: str, replicas: int, applied: Callable[[str], Objects]) -> None:
    objects = applied(site)
    for name in PROGRAMS:
        deployment = objects[f"Deployment {name}"]["spec"]
        assert deployment["replicas"] == replicas
        assert (f"PodDisruptionBudget {name}" in objects) == (replicas > 1)
        selected = deployment["selector"]["matchLabels"]
        assert selected.items() <= deployment["template"]["metadata"]["labels"].items()
        if replicas > 1:
            budget = objects[f"PodDisruptionBudget {name}"]["spec"]
            assert budget == {"maxUnavailable": 1, "selector": {"matchLabels": selected}}
            (away,) = pod(objects, name)["affinity"]["podAntiAffinity"][
                "preferredDuringSchedulingIgnoredDuringExecution"
            ]
            assert away["podAffinityTerm"]["labelSelector"]["matchLabels"] == selected
    chosen = [objects[f"Deployment {name}"]["spec"]["selector"]["matchLabels"] for name in PROGRAMS]
    assert len({tuple(sorted(one.items())) for one in chosen}) == 3, "each selects its own pods alone"


def test_arguments_of_the_controller(applied: Callable[[str], Objects]) -> None:
    plain, own = (arguments(applied(site), "cert-manager") for site in (ONE, OWN))
    assert plain["cluster-resource-namespace"] == own["cluster-resource-namespace"] == "cert-manager-issuers"
    assert plain["leader-election-namespace"] == "cert-manager"
    assert plain["cluster-issuer-ambient-credentials"] == "false"
    assert plain["enable-gateway-api"] == "true" and "enable-gateway-api" not in own
    assert not [name for name in plain if "nameservers" in name or name.startswith("default-issuer")]
    assert own["default-issuer-name"] == "internal" and own["default-issuer-kind"] == "ClusterIssuer"
    servers = "192.0.2.53:53,192.0.2.54:53"
    assert own["dns01-recursive-nameservers"] == own["acme-http01-solver-nameservers"] == servers
    assert own["dns01-recursive-nameservers-only"] == "true"


def test_proxy_with_a_password_is_in_a_secret_alone(applied: Callable[[str], Objects]) -> None:
    plain, own = applied(ONE), applied(OWN)
    assert "Secret proxy" not in plain
    (container,) = pod(plain, "cert-manager")["containers"]
    assert container["envFrom"] == []
    data = {key: base64.b64decode(value).decode() for key, value in own["Secret proxy"]["data"].items()}
    assert data["HTTPS_PROXY"] == "http://user:p%40ss@192.0.2.3:3128"
    assert data["HTTP_PROXY"] == "http://192.0.2.3:3128"
    assert set(data["NO_PROXY"].split(",")) == {
        "mirror.example.org", "192.0.2.5", ".svc", ".cluster.local", "198.51.100.0/24", "10.96.0.0/16",
    }  # fmt: skip
    (container,) = pod(own, "cert-manager")["containers"]
    assert container["envFrom"] == [{"secretRef": {"name": "proxy"}}]
    assert "p%40ss" not in str({name: one for name, one in own.items() if name != "Secret proxy"})


def test_webhook_is_called_by_a_name_that_it_has(applied: Callable[[str], Objects]) -> None:
    objects = applied(ONE)
    given = arguments(objects, "cert-manager-webhook")
    for kind in ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"):
        found = objects[f"{kind} cert-manager-webhook"]
        (webhook,) = found["webhooks"]
        service = webhook["clientConfig"]["service"]
        assert f"{service['name']}.{service['namespace']}.svc" in given["dynamic-serving-dns-names"].split(
            ","
        )
        assert webhook["failurePolicy"] == "Fail"
        # cainjector writes it: declared here, it would be removed by every run.
        assert "caBundle" not in webhook["clientConfig"]
        secret = found["metadata"]["annotations"]["cert-manager.io/inject-ca-from-secret"]
        assert secret == (
            f"{given['dynamic-serving-ca-secret-namespace']}/{given['dynamic-serving-ca-secret-name']}"
        )
    (port,) = objects["Service cert-manager-webhook"]["spec"]["ports"]
    ports = {
        one["name"]: one["containerPort"]
        for one in pod(objects, "cert-manager-webhook")["containers"][0]["ports"]
    }
    assert str(ports[port["targetPort"]]) == given["secure-port"]


def rules(objects: Objects, name: str) -> list[dict[str, Any]]:
    return [*objects[name]["rules"]]


def test_rights(applied: Callable[[str], Objects]) -> None:
    objects, own = applied(ONE), applied(OWN)
    every = [
        rule
        for name in objects
        if name.startswith(("Role ", "ClusterRole "))
        for rule in rules(objects, name)
    ]
    assert not [rule for rule in every if "*" in rule["verbs"] + rule["resources"] + rule["apiGroups"]]
    assert not [rule for rule in every if {"bind", "escalate", "impersonate"} & set(rule["verbs"])]
    # Secrets are written by the controller alone, and by the webhook in its own namespace.
    writes = {
        name
        for name in objects
        if name.startswith(("Role ", "ClusterRole "))
        for rule in rules(objects, name)
        if "secrets" in rule["resources"] and {"create", "update", "patch", "delete"} & set(rule["verbs"])
    }
    assert writes == {"ClusterRole cert-manager-controller", "Role cert-manager-webhook"}
    for found, gateway in ((objects, True), (own, False)):
        groups = {
            group
            for rule in rules(found, "ClusterRole cert-manager-controller")
            for group in rule["apiGroups"]
        }
        assert ("gateway.networking.k8s.io" in groups) is gateway
    for program, account in (
        ("controller", PROGRAMS[0]),
        ("webhook", PROGRAMS[1]),
        ("cainjector", PROGRAMS[2]),
    ):
        for kind in ("Role", "ClusterRole"):
            binding = objects[f"{kind}Binding cert-manager-{program}"]
            assert binding["roleRef"] == {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": kind,
                "name": f"cert-manager-{program}",
            }
            assert f"{kind} cert-manager-{program}" in objects
            assert binding["subjects"] == [
                {"kind": "ServiceAccount", "name": account, "namespace": "cert-manager"}
            ]


def test_teams_make_no_orders_and_challenges(applied: Callable[[str], Objects]) -> None:
    """With one of their own they could have credentials of a ClusterIssuer sent anywhere."""
    objects = applied(ONE)
    for name in ("view", "edit"):
        for rule in rules(objects, f"ClusterRole cert-manager-{name}"):
            made = {"orders", "challenges"} & set(rule["resources"])
            assert not (made and "create" in rule["verbs"])
            assert not ("orders" in made and {"update", "patch"} & set(rule["verbs"]))
            assert "clusterissuers" not in rule["resources"]
    labels = objects["ClusterRole cert-manager-edit"]["metadata"]["labels"]
    assert "rbac.authorization.k8s.io/aggregate-to-view" not in labels


def opened(policy: dict[str, Any], way: str) -> set[str]:
    return {
        port["port"] for rule in policy["spec"][way] for to in rule.get("toPorts", ()) for port in to["ports"]
    }


def test_network_policies(applied: Callable[[str], Objects]) -> None:
    objects = applied(ONE)
    controller, webhook, cainjector = (
        objects[f"CiliumNetworkPolicy {name}"] for name in ("controller", "webhook", "cainjector")
    )
    assert opened(controller, "egress") == {"53", "443", "6443"}
    assert opened(webhook, "egress") == opened(cainjector, "egress") == {"6443"}
    assert opened(webhook, "ingress") == {"10250", "6080"} and opened(controller, "ingress") == {"9403"}
    assert cainjector["spec"]["ingress"] == [{}]
    assert objects["NetworkPolicy default-deny"]["spec"]["podSelector"] == {}
    for name, policy in zip(PROGRAMS, (controller, webhook, cainjector), strict=True):
        labels = objects[f"Deployment {name}"]["spec"]["template"]["metadata"]["labels"]
        assert policy["spec"]["endpointSelector"]["matchLabels"].items() <= labels.items()
    solvers = objects["CiliumClusterwideNetworkPolicy cert-manager-http01-solvers"]["spec"]
    assert solvers["egress"] == [{}] and opened({"spec": solvers}, "ingress") == {"8089"}


def test_all_kinds_are_deleted_when_it_is_switched_off(applied: Callable[[str], Objects]) -> None:
    variables = yaml.safe_load(
        (Path(__file__).parents[2] / "roles/certificates/vars/main.yml").read_text(encoding="utf-8")
    )
    pruned = [(one["api_version"], one["kind"]) for one in variables["__certificates_kinds"]]
    every = [*applied(TWO).values(), *applied(OWN).values()]
    assert {(one["apiVersion"], one["kind"]) for one in every} == set(pruned)
    # A webhook that is still called when nobody answers would have every write refused.
    assert {kind for _version, kind in pruned[:2]} == {
        "ValidatingWebhookConfiguration",
        "MutatingWebhookConfiguration",
    }
