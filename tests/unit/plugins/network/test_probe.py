# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Probes of network policies against an API server whose pods start, or do not, and connect as they are told."""

from __future__ import annotations

import copy
import typing as t
from pathlib import Path

import pytest
from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api.execute import Executed
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._network import (
    decide,
    openings,
    policies,
    probe,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._network.probe import Outcome, Pair

from tests.unit.support.modules import RunAction
from tests.unit.support.servers import Answer, ApiServer, Request, refused

Json = dict[str, t.Any]

IMAGE = "registry.k8s.io/e2e-test-images/agnhost:2.63.0"
PODS: list[Json] = [
    {"name": "web", "namespace": "shop", "labels": {"app": "web"}},
    {"name": "api", "namespace": "till", "ports": [8080, 9090]},
]


@pytest.mark.parametrize(
    ("code", "output", "expected"),
    [
        (0, "", "open"),
        (1, "TIMEOUT\n", "denied"),
        (1, "TIMEOUT: read udp 10.0.0.1:5->10.0.0.2:8080: i/o timeout\n", "denied"),
        (1, "OTHER: dial tcp 10.0.0.2:80: connect: no route to host\n", "denied"),
        (1, "OTHER: dial tcp 10.0.0.2:80: connect: operation not permitted\n", "denied"),
        (1, "REFUSED\n", "refused"),
        (1, "DNS: lookup nowhere: no such host\n", "unresolved"),
        (1, "UNKNOWN: bad address\n", "failed"),
        (127, "no such file", "failed"),
    ],
)
def test_outcome_of_a_connection(code: int, output: str, expected: str) -> None:
    assert probe.outcome(code, output).observed == expected


@pytest.mark.parametrize(
    ("target", "address", "expected"),
    [
        ("api", "10.244.1.7", "10.244.1.7:8080"),
        ("api", "fd00::7", "[fd00::7]:8080"),
        ("kube-dns.kube-system.svc:53", "", "kube-dns.kube-system.svc:53"),
    ],
)
def test_command_of_a_probe(target: str, address: str, expected: str) -> None:
    argv = probe.command(Pair("web", target, 8080, "UDP"), address, 2)
    assert argv == ["/agnhost", "connect", expected, "--timeout=2s", "--protocol=udp"]


def test_pod_meets_the_level_restricted() -> None:
    pods, problems = probe.pods_of([{**PODS[1], "node": "w1", "labels": {"app": "api"}}])
    assert not problems
    made = probe.manifest(pods["api"], IMAGE)
    spec = made["spec"]
    assert made["metadata"]["labels"] == {"app": "api", probe.LABEL: "true"}
    assert spec["nodeSelector"] == {"kubernetes.io/hostname": "w1"}
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["activeDeadlineSeconds"] == probe.LIFETIME
    assert spec["automountServiceAccountToken"] is False
    assert [one["args"] for one in spec["containers"]] == [
        ["netexec", f"--http-port={port}", f"--udp-port={port}"] for port in (8080, 9090)
    ]
    for container in spec["containers"]:
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


@pytest.mark.parametrize(
    ("pods", "pairs", "expected"),
    [
        ([{"name": "A", "namespace": "x"}], [], "the name is 'A'"),
        ([{"name": "a", "namespace": "X"}], [], "the namespace is 'X'"),
        ([{"name": "a", "namespace": "x", "ports": [80]}], [], "expected 1024 to 65535: a probe is not root"),
        ([PODS[0], PODS[0]], [], "the name web is there twice"),
        (PODS, [{"from": "db", "to": "web"}], "from is 'db', expected one of web, api"),
        (PODS, [{"from": "web", "to": "db"}], "to is 'db', expected one of web, api, or HOST:PORT"),
    ],
)
def test_options_that_cannot_be_used(pods: list[Json], pairs: list[Json], expected: str) -> None:
    made, problems = probe.pods_of(pods)
    _pairs, more = probe.pairs_of([{"protocol": "TCP", "expected": "open", **one} for one in pairs], made)
    (problem,) = problems + more
    assert expected in problem


def test_pairs_with_the_first_port_and_with_an_address() -> None:
    made, _problems = probe.pods_of(PODS)
    given: list[Json] = [
        {"from": "web", "to": "api"},
        {"from": "web", "to": "api", "port": 9090},
        {"from": "web", "to": "[fd00::1]:443"},
    ]
    pairs, problems = probe.pairs_of([{**one, "protocol": "TCP", "expected": "open"} for one in given], made)
    assert not problems
    assert [(str(one), one.port) for one in pairs] == [
        ("web to api:8080/TCP", 8080),
        ("web to api:9090/TCP", 9090),
        ("web to [fd00::1]:443/TCP", 443),
    ]


@pytest.mark.parametrize(
    ("pod", "expected"),
    [
        ({"status": {"conditions": [{"type": "Ready", "status": "True"}]}}, ""),
        ({"status": {"phase": "Pending"}}, "it is Pending and not ready"),
        ({}, "it is not there and not ready"),
        (
            {
                "status": {
                    "containerStatuses": [{"state": {"waiting": {"reason": "ErrImagePull", "message": "no"}}}]
                }
            },
            "ErrImagePull no",
        ),
        (
            {"status": {"conditions": [{"type": "PodScheduled", "status": "False", "message": "0/3 nodes"}]}},
            "0/3 nodes",
        ),
    ],
)
def test_why_a_pod_is_not_ready(pod: Json, expected: str) -> None:
    assert probe.waiting_for(pod) == expected


@pytest.mark.parametrize(
    ("target", "entities"),
    [("192.0.2.11:443", {"host"}), ("198.51.100.7:443", {"world"}), ("[2001:db8::1]:443", {"world"})],
)
def test_target_that_is_no_probe(target: str, entities: set[str]) -> None:
    found = probe.end_of(target, {"192.0.2.11": frozenset({"host"})})
    assert found is not None and found.entities == entities


def test_target_by_name_is_not_evaluated() -> None:
    assert probe.end_of("mirror.example.org:443", {}) is None


@pytest.mark.parametrize(
    ("seen", "allowed", "parts"),
    [
        (Outcome("open"), True, ("expected denied, found open. By its policies, why",)),
        (Outcome("open"), False, ("They deny it, other than found: Cilium may not have them yet",)),
        (Outcome("refused", "REFUSED"), True, ("a policy lets them through and nothing listens there",)),
        (Outcome("unresolved", "DNS: no"), True, ("for which the source needs DNS",)),
        (Outcome("failed", "UNKNOWN: bad"), True, ("found failed (UNKNOWN: bad)",)),
    ],
)
def test_mismatch_is_explained(seen: Outcome, allowed: bool, parts: tuple[str, ...]) -> None:
    told = probe.explain(
        Pair("web", "api", 8080, expected="denied"), seen, [decide.Decision("egress", allowed, "why")]
    )
    assert told.startswith("web to api:8080/TCP: expected denied")
    assert all(part in told for part in parts)


class Cluster(ApiServer):
    """An API server whose pods are ready at once, and connect as the policies in it allow."""

    def __init__(self) -> None:
        super().__init__(token="sesame")
        for name in ("shop", "till"):
            self.objects[f"/api/v1/namespaces/{name}"] = {"metadata": {"name": name}}
        self.policies: list[Json] = []
        self.status: Json = {"conditions": [{"type": "Ready", "status": "True"}], "podIP": "10.244.1.7"}

    def handle(self, request: Request) -> Answer:
        lists = {
            "/api/v1/namespaces": [one for path, one in self.objects.items() if path.count("/") == 4],
            "/api/v1/nodes": [
                {
                    "metadata": {"name": "cp1", "labels": {"node-role.kubernetes.io/control-plane": ""}},
                    "status": {"addresses": [{"type": "InternalIP", "address": "192.0.2.10"}]},
                }
            ],
            "/api/v1/pods": [one for path, one in self.objects.items() if "/pods/" in path],
            "/apis/networking.k8s.io/v1/networkpolicies": [],
            "/apis/cilium.io/v2/ciliumnetworkpolicies": [],
            "/apis/cilium.io/v2/ciliumclusterwidenetworkpolicies": self.policies,
        }
        if request.method == "GET" and request.path in lists:
            return Answer(200, {"items": copy.deepcopy(lists[request.path])})
        if request.method == "PATCH":
            made = request.object
            if f"/api/v1/namespaces/{made['metadata']['namespace']}" not in self.objects:
                return refused(404, 'namespaces "none" not found')
            self.objects[request.path] = {**made, "status": self.status}
            return Answer(201, self.objects[request.path])
        return super().handle(request)

    @property
    def probes(self) -> list[str]:
        return [path for path in self.objects if "/pods/" in path]


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> t.Iterator[Cluster]:
    monkeypatch.setattr(
        "ansible_collections.baremetal.kubernetes.plugins.plugin_utils._network.probing._POLL", 0.01
    )
    server = Cluster()
    yield server
    server.close()


class Connections:
    """Commands in pods: outcome of C(agnhost connect) by source and target, one after the other."""

    def __init__(self, outcomes: dict[tuple[str, str], list[str]]) -> None:
        self.outcomes = outcomes

    def __call__(
        self, namespace: str, pod: str, argv: t.Sequence[str], seconds: float, container: str
    ) -> Executed:
        left = self.outcomes[pod, argv[2]]
        word = left.pop(0) if len(left) > 1 else left[0]
        return Executed(0 if word == "OPEN" else 1, "", "" if word == "OPEN" else word)


@pytest.fixture
def run(
    cluster: Cluster, tmp_path: Path, run_action: RunAction, monkeypatch: pytest.MonkeyPatch
) -> t.Callable[..., Json]:
    from ansible_collections.baremetal.kubernetes.plugins.action import network_policy_probe

    config = cluster.kubeconfig(tmp_path / "kubeconfig")

    def start(outcomes: dict[tuple[str, str], list[str]], pairs: list[Json], **more: t.Any) -> Json:
        connections = Connections(outcomes)
        monkeypatch.setattr(network_policy_probe, "Execute", lambda *_arguments: connections)
        arguments = {
            "kubeconfig": str(config),
            "image": IMAGE,
            "pods": PODS,
            "pairs": pairs,
            "seconds": 0,
            **more,
        }
        return run_action("network_policy_probe", arguments)

    return start


WEB_TO_API: Json = {"from": "web", "to": "api", "expected": "denied"}
SOURCE = "network-policy-probe-web"


def test_matrix_that_is_as_expected(cluster: Cluster, run: t.Callable[..., Json]) -> None:
    outcomes = {(SOURCE, "10.244.1.7:8080"): ["TIMEOUT"], (SOURCE, "10.244.1.7:9090"): ["OPEN"]}
    result = run(outcomes, [WEB_TO_API, {**WEB_TO_API, "port": 9090, "expected": "open"}])
    assert not result["failed"] and not result["changed"]
    assert result["msg"] == "all 2 connections are as expected"
    assert [one["observed"] for one in result["results"]] == ["denied", "open"]
    assert not cluster.probes


def test_policies_that_cilium_does_not_have_yet(run: t.Callable[..., Json]) -> None:
    outcomes = {(SOURCE, "10.244.1.7:8080"): ["OPEN", "OPEN", "TIMEOUT"]}
    assert not run(outcomes, [WEB_TO_API], seconds=5)["failed"]


def test_mismatch_is_named_with_the_policies_that_decide_it(
    cluster: Cluster, run: t.Callable[..., Json]
) -> None:
    opened = openings.read([{"name": "x", "from": {"namespaces": ["shop"]}, "to": {"namespaces": ["till"]}}])
    cluster.policies = policies.plan("enforce", opened.openings)
    result = run({(SOURCE, "10.244.1.7:8080"): ["OPEN"]}, [WEB_TO_API])
    assert result["failed"]
    (told,) = result["mismatches"]
    assert told == (
        "web to api:8080/TCP: expected denied, found open. By its policies, egress of shop/web is allowed by"
        " CiliumClusterwideNetworkPolicy opening-x; ingress of till/api is allowed by CiliumClusterwideNetworkPolicy"
        " opening-x"
    )
    assert "1 of 1 connections are not as expected" in result["msg"]
    assert not cluster.probes


def test_node_is_no_network_for_cilium(cluster: Cluster, run: t.Callable[..., Json]) -> None:
    opened = openings.read(
        [{"name": "x", "from": {"namespaces": ["shop"]}, "to": {"cidrs": ["192.0.2.0/24"]}}]
    )
    cluster.policies = policies.plan("enforce", opened.openings)
    pair = {"from": "web", "to": "192.0.2.10:6443", "expected": "open"}
    (told,) = run({(SOURCE, "192.0.2.10:6443"): ["TIMEOUT"]}, [pair])["mismatches"]
    assert "egress of shop/web is isolated by CiliumClusterwideNetworkPolicy baseline" in told


def test_probes_that_a_killed_run_has_left_are_removed(cluster: Cluster, run: t.Callable[..., Json]) -> None:
    left = "/api/v1/namespaces/shop/pods/network-policy-probe-old"
    cluster.objects[left] = {"metadata": {"name": "network-policy-probe-old", "namespace": "shop"}}
    run({(SOURCE, "10.244.1.7:8080"): ["TIMEOUT"]}, [WEB_TO_API])
    assert not cluster.probes


def test_probes_are_removed_when_one_does_not_start(cluster: Cluster, run: t.Callable[..., Json]) -> None:
    cluster.status = {"phase": "Pending"}
    result = run({}, [WEB_TO_API], timeout=0)
    assert result["failed"]
    assert "- shop/web: it is Pending and not ready" in result["msg"]
    assert not cluster.probes


def test_namespace_that_is_not_there_is_named(cluster: Cluster, run: t.Callable[..., Json]) -> None:
    result = run({}, [], pods=[{"name": "web", "namespace": "none"}])
    assert 'refuses a pod in the namespace none: namespaces "none" not found' in result["msg"]
    assert not cluster.probes


def test_wrong_options_start_nothing(cluster: Cluster, run: t.Callable[..., Json]) -> None:
    result = run({}, [{**WEB_TO_API, "to": "nowhere"}, {**WEB_TO_API, "from": "nobody"}])
    assert result["msg"].count("\n- ") == 2
    assert not [request for request in cluster.requests if request.method != "GET"]


def test_interrupt_removes_the_probes(
    cluster: Cluster, run: t.Callable[..., Json], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_arguments: t.Any) -> t.NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(Connections, "__call__", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run({}, [WEB_TO_API])
    assert not cluster.probes


def test_unknown_error_removes_the_probes(
    cluster: Cluster, run: t.Callable[..., Json], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_arguments: t.Any) -> t.NoReturn:
        raise OperatorError("no connection to the kubelet")

    monkeypatch.setattr(Connections, "__call__", fails)
    assert "no connection to the kubelet" in run({}, [WEB_TO_API])["msg"]
    assert not cluster.probes
