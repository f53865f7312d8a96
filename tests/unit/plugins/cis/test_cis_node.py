# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module cis_node, in its own process, on hosts that are trees of files."""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis import audit
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.model import Result, sort_key
from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.benchmark import catalogue

from tests.unit.plugins.cis.fakes import FakeReader, File, process
from tests.unit.plugins.cis.tree import STATIC_UID, Tree
from tests.unit.support.certificates import authority

Run = Callable[..., dict[str, Any]]
PKI = "/etc/kubernetes/pki"
CONFIG = "/var/lib/kubelet/config.yaml"
CA = authority("kubernetes")
SECRET = "c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IQ=="


@pytest.fixture
def run(tmp_path: Path, run_module: Run) -> Run:
    """Run the module as root, or as another user, on a tree."""

    def call(args: dict[str, Any] | None = None, user: int = 0, **options: Any) -> dict[str, Any]:
        directory = tmp_path / "site"
        directory.mkdir(exist_ok=True)
        (directory / "sitecustomize.py").write_text(f"import os\nos.geteuid = lambda: {user}\n")
        given = {"root": str(tmp_path / "host"), **(args or {})}
        return run_module("cis_node", given, path=[str(directory)], **options)

    return call


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    (tmp_path / "host").mkdir()
    made = Tree(tmp_path / "host")
    made.file("/proc/sys/kernel/hostname", "W1\n")
    return made


def worker(tree: Tree) -> None:
    """A node whose kubelet does not answer."""
    tree.run(
        20,
        "/bin/kubelet",
        ["kubelet", f"--config={CONFIG}", "--kubeconfig=/etc/kubernetes/kubelet.conf", "--port=1"],
    )
    tree.file(
        CONFIG, f"authentication:\n  x509:\n    clientCAFile: {PKI}/ca.crt\nseccompDefault: true\n", 0o644
    )
    tree.file("/etc/kubernetes/kubelet.conf", f"users:\n- user:\n    token: {SECRET}\n")
    tree.file(f"{PKI}/ca.crt", CA.pem, 0o644)


def control_plane(tree: Tree) -> None:
    """A control plane with etcd as static Pods."""
    group = f"/kubepods/burstable/pod{STATIC_UID}/1"
    tree.run(
        30,
        "/usr/local/bin/kube-apiserver",
        [
            "kube-apiserver",
            f"--client-ca-file={PKI}/ca.crt",
            "--encryption-provider-config=/etc/kubernetes/enc.yaml",
            f"--bearer-token={SECRET}",
        ],
        group=group,
    )
    tree.run(
        31,
        "/bin/kube-scheduler",
        ["kube-scheduler", "--kubeconfig=/etc/kubernetes/scheduler.conf"],
        group=group,
    )
    tree.run(32, "/bin/kube-controller-manager", ["kube-controller-manager"], group=group)
    tree.run(
        33,
        "/usr/local/bin/etcd",
        ["etcd", "--data-dir=/var/lib/etcd", f"--trusted-ca-file={PKI}/ca.crt"],
        group=group,
    )
    tree.file("/var/lib/etcd/member/wal/1.wal")
    tree.file("/etc/kubernetes/scheduler.conf")
    key = authority("front-proxy-ca").key_pem
    tree.file(f"{PKI}/ca.key", key, 0o640)
    tree.file(
        "/etc/kubernetes/enc.yaml",
        "kind: EncryptionConfiguration\napiVersion: apiserver.config.k8s.io/v1\nresources:\n- resources: [secrets]\n"
        f"  providers:\n  - secretbox:\n      keys:\n      - name: a\n        secret: {SECRET}\n",
    )
    for name in ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"):
        tree.file(
            f"/etc/kubernetes/manifests/{name}.yaml", f"spec:\n  containers:\n  - command:\n    - {name}\n"
        )


def statuses(result: dict[str, Any]) -> dict[str, str]:
    return {item["id"]: item["status"] for item in result["results"]}


def test_a_worker_has_the_checks_of_section_4(tree: Tree, run: Run) -> None:
    worker(tree)
    result = run()
    assert not result.get("failed"), result
    assert result["changed"] is False and result["components"] == ["node"] and result["node"] == "w1"
    assert [item["id"] for item in result["results"]] == sorted(audit.OF["node"], key=sort_key)
    found = statuses(result)
    assert (found["4.1.9"], found["4.2.1"], found["4.2.9"], found["4.3.1"]) == (
        "fail",
        "pass",
        "error",
        "not_applicable",
    )
    (fix,) = next(item for item in result["results"] if item["id"] == "4.1.9")["fixes"]
    assert fix == {"path": CONFIG, "mode": "0600", "uid": None, "gid": None}
    moment = datetime.datetime.strptime(result["time"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=datetime.UTC)
    assert abs((datetime.datetime.now(datetime.UTC) - moment).total_seconds()) < 120
    assert result["facts"]["api_server"] is None


def test_control_plane_has_all_checks_of_a_host_and_no_secret_is_returned(tree: Tree, run: Run) -> None:
    worker(tree)
    control_plane(tree)
    result = run(check=True)
    assert result["components"] == ["control_plane", "etcd", "node"] and result["changed"] is False
    assert list(statuses(result)) == sorted(audit.CHECKS, key=sort_key)
    found = statuses(result)
    assert (found["1.1.21"], found["1.1.1"], found["2.7"]) == ("fail", "pass", "fail")
    assert not [item for item in result["results"] if "The check broke" in item["message"]]
    text = json.dumps(result)
    assert SECRET not in text and "PRIVATE KEY" not in text


def test_external_etcd_has_its_files_and_section_2(tree: Tree, run: Run) -> None:
    tree.run(33, "/usr/bin/etcd", ["/usr/bin/etcd", "--data-dir=/srv/etcd"])
    tree.file("/srv/etcd/x")
    result = run()
    assert result["components"] == ["etcd"]
    assert set(statuses(result)) == {*audit.section_2.CHECKS, *audit.section_1_1.OF_ETCD}


def test_selected_checks_only(tree: Tree, run: Run) -> None:
    worker(tree)
    assert list(statuses(run({"checks": ["4.2.10", "4.1.9", "1.1.1"]}))) == ["4.1.9", "4.2.10"]
    assert len(run({"sections": ["4.2"]})["results"]) == 14
    assert len(run({"sections": ["4.3"], "checks": ["4.2.1"]})["results"]) == 2


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({"checks": ["4.2.99"]}, ["4.2.99", "Choose from: 1.1.1, 1.1.2,", "4.2.10, 4.2.11"]),
        ({"checks": ["5.1.1"]}, ["5.1.1"]),
        ({"sections": ["4.2.1x", "4"]}, ["4.2.1x", "1, 1.1, 1.2, 1.3, 1.4, 2, 3, 3.2, 4, 4.1, 4.2, 4.3."]),
        ({"components": ["worker"]}, ["worker", "control_plane"]),
        ({"root": "/nonexistent"}, ["/nonexistent", "no /proc"]),
    ],
)
def test_invalid_arguments(tree: Tree, run: Run, args: dict[str, Any], words: list[str]) -> None:
    worker(tree)
    result = run(args)
    assert result["failed"] and "results" not in result
    for word in words:
        assert word in result["msg"]


def test_other_users_than_root_are_refused(tree: Tree, run: Run) -> None:
    worker(tree)
    result = run(user=1000)
    assert result["failed"] and "become: true" in result["msg"]


def test_host_without_a_cluster_is_refused(tree: Tree, run: Run) -> None:
    result = run()
    assert result["failed"] and "no process, no static Pod" in result["msg"]


def test_missing_component_has_errors_for_all_its_checks(tree: Tree, run: Run) -> None:
    result = run({"components": ["node", "etcd", "control_plane"]})
    found = statuses(result)
    assert set(found) == set(audit.CHECKS)
    assert set(found.values()) == {"error", "not_applicable"}
    errors = [item for item in result["results"] if item["status"] == "error"]
    assert {"1.1.1", "1.1.11", "1.2.1", "1.3.1", "1.4.1", "2.1", "4.1.9", "4.2.1"} <= {
        item["id"] for item in errors
    }
    silent = {item["id"] for item in errors if not re.search(r"does not run|Start", item["message"])}
    assert silent == {"4.1.1", "4.1.2"}


def test_a_static_pod_that_does_not_run_is_still_a_component(tree: Tree, run: Run) -> None:
    tree.file("/etc/kubernetes/manifests/etcd.yaml", "spec:\n  containers:\n  - command:\n    - etcd\n")
    result = run()
    assert result["components"] == ["etcd"] and statuses(result)["2.1"] == "error"
    assert statuses(result)["1.1.7"] == "pass"


def test_every_check_of_a_host_is_described() -> None:
    """By component as well, so that a report knows which results of a host are missing."""
    for component in audit.COMPONENTS:
        described = {check.id for check in catalogue.of_component(component)}
        assert described <= set(audit.OF[component])
    assert set(audit.CHECKS) <= set(catalogue.CHECKS)


def test_unexpected_exception_is_an_error_of_its_own_check(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(reader: object) -> Result:
        raise KeyError("surprise")

    monkeypatch.setattr(audit, "CHECKS", {**audit.CHECKS, "4.2.1": broken})
    reader = FakeReader(running=(process("kubelet"),))
    found = {result.id: result for result in audit.run(reader, ["node"], list(audit.CHECKS))}
    assert found["4.2.1"].status == "error" and "KeyError: 'surprise'" in found["4.2.1"].message
    assert found["4.2.2"].status == "fail" and len(found) == 25


def test_unexpected_exception_in_facts_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(reader: object) -> dict[str, Any]:
        raise ValueError("surprise")

    monkeypatch.setattr(audit.facts, "cluster_facts", broken)
    found = audit.facts_of(FakeReader())
    assert found["api_server"] is None and "ValueError: surprise" in found["unread"][0]["reason"]


def test_the_name_of_a_node() -> None:
    host = FakeReader(files={"/proc/sys/kernel/hostname": File("Host-1\n")})
    assert audit.node_name(host) == "host-1"
    assert (
        audit.node_name(host.with_(running=(process("kubelet", "--hostname-override=Node.A"),))) == "node.a"
    )
    assert audit.node_name(FakeReader()) == ""


def test_selection_of_checks() -> None:
    assert audit.select([], []) == sorted(audit.CHECKS, key=sort_key)
    assert audit.select(["2"], ["1.1.1"]) == ["1.1.1", *sorted(audit.section_2.CHECKS, key=sort_key)]
    assert "1.1.10" not in audit.select(["1.1.1"], [])
    with pytest.raises(OperatorError):
        audit.select(["1.1.1.1"], [])
