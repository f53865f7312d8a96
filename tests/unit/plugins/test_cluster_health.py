# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""cluster_health: the judgement as a table, and the module against a small API server."""

from __future__ import annotations

import json
import threading
import typing as t
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cluster.health import (
    Expectation,
    Snapshot,
    evaluate,
)

RunModule = t.Callable[..., dict[str, t.Any]]
READYZ = "[+]ping ok\n[+]etcd ok\n[+]etcd-readiness ok\nreadyz check passed\n"


def node(
    name: str, ready: str = "True", role: str | None = None, reason: str = "KubeletReady"
) -> dict[str, t.Any]:
    return {
        "metadata": {"name": name, "labels": {f"node-role.kubernetes.io/{role}": ""} if role else {}},
        "spec": {},
        "status": {
            "conditions": [{"type": "Ready", "status": ready, "reason": reason, "message": "text"}],
            "addresses": [{"type": "InternalIP", "address": "192.0.2.11"}],
            "nodeInfo": {"kubeletVersion": "v1.36.4"},
        },
    }


def pod(component: str, host: str, ready: str = "True") -> dict[str, t.Any]:
    return {
        "metadata": {
            "name": f"{component}-{host}",
            "labels": {"component": component, "tier": "control-plane"},
        },
        "status": {"conditions": [{"type": "Ready", "status": ready, "reason": "ContainersNotReady"}]},
    }


def deployment(name: str, wanted: int | None, have: int, new: int, observed: int = 1) -> dict[str, t.Any]:
    return {
        "metadata": {"name": name, "generation": 1},
        "spec": {"replicas": wanted},
        "status": {"observedGeneration": observed, "availableReplicas": have, "updatedReplicas": new},
    }


def daemonset(name: str, wanted: int, have: int, new: int) -> dict[str, t.Any]:
    return {
        "metadata": {"name": name, "generation": 2},
        "status": {
            "observedGeneration": 2,
            "desiredNumberScheduled": wanted,
            "numberAvailable": have,
            "updatedNumberScheduled": new,
        },
    }


COMPONENTS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd")


def snapshot(**change: t.Any) -> Snapshot:
    values: dict[str, t.Any] = {
        "readyz_status": 200,
        "readyz": READYZ,
        "nodes": (node("cp1", role="control-plane"), node("w1")),
        "static_pods": tuple(pod(component, "cp1") for component in COMPONENTS),
        "deployments": (deployment("coredns", 2, 2, 2),),
        "daemonsets": (daemonset("cilium", 2, 2, 2),),
    }
    return Snapshot(**{**values, **change})


ALL = ("readyz", "nodes", "control_plane", "etcd", "system_pods")


@pytest.mark.parametrize(
    ("seen", "wanted", "objects", "words"),
    [
        (snapshot(), Expectation(("cp1", "w1"), ALL), [], ()),
        (snapshot(), Expectation(), [], ()),
        (snapshot(), Expectation(("cp1",)), [], ()),
        (Snapshot(error="no route"), Expectation((), ALL), ["API server"], ("no route",)),
        (
            snapshot(readyz_status=500, readyz="[+]ping ok\n[-]etcd failed: reason withheld\n"),
            Expectation((), ALL),
            ["API server check etcd"],
            ("failed: reason withheld",),
        ),
        (
            snapshot(readyz_status=500, readyz="[+]etcd ok\n[-]poststarthook/x failed: not finished\n"),
            Expectation((), ("etcd",)),
            [],
            (),
        ),
        (
            snapshot(readyz_status=503, readyz="busy"),
            Expectation(),
            ["API server check readyz"],
            ("HTTP 503 busy",),
        ),
        (
            snapshot(readyz="[+]ping ok\n"),
            Expectation((), ("etcd",)),
            ["API server check etcd"],
            ("does not report",),
        ),
        (
            snapshot(
                nodes=(node("cp1", role="control-plane"), node("w1", "False", reason="KubeletNotReady"))
            ),
            Expectation(("cp1", "w1", "w2")),
            ["node w1", "node w2"],
            ("KubeletNotReady: text", "not registered (nodes: cp1, w1)", "describe node w1"),
        ),
        (
            snapshot(nodes=(node("cp1", role="control-plane"), node("w1", "Unknown"))),
            Expectation(),
            ["node w1"],
            ("Ready is Unknown",),
        ),
        (
            snapshot(nodes=(node("cp1", role="control-plane"), {"metadata": {"name": "w1"}})),
            Expectation(),
            ["node w1"],
            ("no condition Ready yet",),
        ),
        (snapshot(nodes=()), Expectation(), ["nodes", "control plane"], ("at least one",)),
        (
            snapshot(static_pods=(pod("kube-apiserver", "cp1", "False"), pod("etcd", "cp1"))),
            Expectation(),
            [
                "Pod kube-system/kube-apiserver-cp1",
                "Pod kube-system/kube-controller-manager-cp1",
                "Pod kube-system/kube-scheduler-cp1",
            ],
            ("ContainersNotReady", "does not exist", "crictl"),
        ),
        (
            snapshot(
                nodes=(node("cp1", role="control-plane"), node("cp2", role="control-plane")),
                static_pods=tuple(pod(c, h) for h in ("cp1", "cp2") for c in COMPONENTS)[:-1],
            ),
            Expectation(),
            ["Pod kube-system/etcd-cp2"],
            ("does not exist",),
        ),
        (
            snapshot(deployments=(deployment("coredns", None, 0, 1), deployment("operator", 0, 0, 0))),
            Expectation(),
            ["Deployment kube-system/coredns"],
            ("0 of 1 Pods are available",),
        ),
        (
            snapshot(deployments=(deployment("coredns", 1, 1, 1, observed=0),)),
            Expectation(),
            ["Deployment kube-system/coredns"],
            ("not taken up yet",),
        ),
        (
            snapshot(daemonsets=(daemonset("cilium", 3, 3, 1),)),
            Expectation(),
            ["DaemonSet kube-system/cilium"],
            ("3 of 3 Pods are available, 1 are of the newest version",),
        ),
        (snapshot(daemonsets=(daemonset("cilium", 3, 1, 1),)), Expectation((), ("readyz",)), [], ()),
    ],
)
def test_evaluate(seen: Snapshot, wanted: Expectation, objects: list[str], words: tuple[str, ...]) -> None:
    verdict = evaluate(seen, wanted)
    assert [item.object for item in verdict.unmet] == objects
    text = "\n".join(item.line() for item in verdict.unmet)
    for word in words:
        assert word in text


class Api:
    """Serves a snapshot as an API server would."""

    def __init__(self, seen: Snapshot) -> None:
        self.seen = seen
        #: What is served from the second question on.
        self.then: Snapshot | None = None
        self.page = 500
        self.asked: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *args: t.Any) -> None:
                pass

            def do_GET(self) -> None:
                outer.asked.append(self.path)
                if self.headers.get("Authorization") != "Bearer sesame":
                    self.reply(401, b"{}")
                    return
                url = urllib.parse.urlsplit(self.path)
                if url.path == "/readyz":
                    if outer.then and sum(path.startswith("/readyz") for path in outer.asked) > 1:
                        outer.seen = outer.then
                    self.reply(outer.seen.readyz_status, outer.seen.readyz.encode())
                    return
                kind = url.path.rpartition("/")[2]
                items = {
                    "nodes": outer.seen.nodes,
                    "pods": outer.seen.static_pods,
                    "deployments": outer.seen.deployments,
                    "daemonsets": outer.seen.daemonsets,
                }[kind]
                start = int(dict(urllib.parse.parse_qsl(url.query)).get("continue", 0))
                stop = start + outer.page
                following = str(stop) if stop < len(items) else ""
                body = {"items": items[start:stop], "metadata": {"continue": following}}
                self.reply(200, json.dumps(body).encode())

            def reply(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._http.server_address[1]
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()


@pytest.fixture
def api() -> t.Iterator[Api]:
    running = Api(snapshot())
    yield running
    running.close()


def kubeconfig(folder: Path, port: int, bearer: str = "sesame") -> str:
    path = folder / "kubeconfig"
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "u", "user": {"token": bearer}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    path.write_text(json.dumps(document))
    return str(path)


def test_healthy_cluster(api: Api, tmp_path: Path, run_module: RunModule) -> None:
    api.page = 1
    result = run_module(
        "cluster_health", {"kubeconfig": kubeconfig(tmp_path, api.port), "nodes": ["cp1", "w1"]}
    )
    assert (result["changed"], result["ready"], result["unmet"]) == (False, True, [])
    assert result["nodes"][0] == {
        "name": "cp1",
        "ready": True,
        "reason": "",
        "version": "1.36.4",
        "addresses": ["192.0.2.11"],
        "roles": ["control-plane"],
        "schedulable": True,
    }
    assert [item["name"] for item in result["nodes"]] == ["cp1", "w1"]
    assert any("labelSelector=tier%3Dcontrol-plane" in path for path in api.asked)


def test_waits_until_ready(api: Api, tmp_path: Path, run_module: RunModule) -> None:
    api.seen = snapshot(nodes=(node("cp1", "False", role="control-plane"),))
    api.then = snapshot()
    result = run_module(
        "cluster_health", {"kubeconfig": kubeconfig(tmp_path, api.port), "wait": True, "timeout": 60}
    )
    assert result["ready"] is True
    assert result["waited"] > 1


def test_lists_everything_at_the_end(api: Api, tmp_path: Path, run_module: RunModule) -> None:
    api.seen = snapshot(
        nodes=(node("cp1", "False", role="control-plane"),), daemonsets=(daemonset("cilium", 2, 0, 0),)
    )
    args = {"kubeconfig": kubeconfig(tmp_path, api.port), "nodes": ["w9"], "wait": True, "timeout": 1}
    result = run_module("cluster_health", args)
    assert result["failed"]
    assert result["ready"] is False
    assert [item["object"] for item in result["unmet"]] == ["node w9", "DaemonSet kube-system/cilium"]
    for item in result["unmet"]:
        for part in item.values():
            assert part in result["msg"]


def test_wrong_credentials_and_dead_server(api: Api, tmp_path: Path, run_module: RunModule) -> None:
    result = run_module("cluster_health", {"kubeconfig": kubeconfig(tmp_path, api.port, "wrong")})
    assert result["failed"]
    assert "refuses the credentials (HTTP 401)" in result["msg"]
    assert "wrong" not in result["msg"]
    result = run_module("cluster_health", {"kubeconfig": kubeconfig(tmp_path, 1)})
    assert result["failed"]
    assert "http://127.0.0.1:1 does not answer: Connection refused" in result["msg"]


def test_unusable_kubeconfig(tmp_path: Path, run_module: RunModule) -> None:
    path = tmp_path / "absent"
    result = run_module("cluster_health", {"kubeconfig": str(path)})
    assert result["failed"]
    assert str(path) in result["msg"]


def test_without_the_library(tmp_path: Path, run_module: RunModule) -> None:
    (tmp_path / "kubernetes").mkdir()
    (tmp_path / "kubernetes/__init__.py").write_text("raise ImportError('not here')\n")
    result = run_module("cluster_health", {}, path=[str(tmp_path)])
    assert result["failed"]
    assert "kubernetes" in result["msg"]
    assert "Python library" in result["msg"]
