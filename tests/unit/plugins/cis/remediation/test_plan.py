# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Remedies of checks, and plans with them."""

from __future__ import annotations

import datetime
import typing as t

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.baremetal.kubernetes.plugins.filter import cis as filters
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis import model
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.checks import section_3_2
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm import settings_plan
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.benchmark import catalogue, remedies
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.benchmark.check import (
    AUTOMATED,
    FILE_MODE,
    NONE,
    Check,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.remediation import plan as remediation

from tests.unit.plugins.cis.planes import CIS, api_server

TODAY = datetime.date(2026, 11, 21)


def result(check_id: str, status: str = "fail", **more: t.Any) -> dict[str, t.Any]:
    return {"id": check_id, "status": status, "message": "so", "evidence": [], "fixes": [], **more}


def served(status: str = "pass", by_cluster: str = "true") -> dict[str, t.Any]:
    evidence = [{"source": "127.0.0.1:10250", "key": model.BY_CLUSTER, "observed": by_cluster}]
    return result("4.2.9", status, evidence=evidence)


def audit(
    *results: dict[str, t.Any], components: tuple[str, ...] = ("control_plane", "node")
) -> dict[str, t.Any]:
    return {"components": list(components), "results": list(results)}


def plan(hosts: dict[str, t.Any], *words: str, **more: t.Any) -> dict[str, t.Any]:
    return remediation.plan(hosts, words, today=TODAY, **more)


# --- remedies ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("check", catalogue.CHECKS.values(), ids=lambda check: check.id)
def test_every_check_has_a_remedy_or_a_reason(check: Check) -> None:
    remedy = check.remedy
    assert bool(remedy.arguments) == (remedy.kind == remedies.CONTROL_PLANE)
    assert bool(remedy.kubelet) == (remedy.kind == remedies.KUBELET)
    if remedy.kind == remedies.NONE:
        assert remedy.reason.endswith(".")
    else:
        assert check.risk != NONE
    assert (remedy.kind == remedies.FILE) == (check.risk == FILE_MODE)


def test_every_automated_check_of_a_host_has_a_remedy() -> None:
    lacking = [
        check.id
        for check in catalogue.CHECKS.values()
        if check.assessment == AUTOMATED and check.remedy.kind == remedies.NONE
    ]
    assert lacking == []


@pytest.mark.parametrize("check_id", catalogue.CHECKS)
def test_arguments_are_valid_for_the_module(check_id: str) -> None:
    found = settings_plan.desired_arguments(catalogue.CHECKS[check_id].remedy.arguments)
    assert {path for request in found for path in request.files} <= set(remedies.CONTENTS)


def test_files_are_in_mounted_volumes() -> None:
    for check in catalogue.CHECKS.values():
        for argument in check.remedy.arguments:
            for path in argument.get("files", []):
                assert argument["value"] == path
                assert any(path.startswith(volume["mountPath"] + "/") for volume in argument["volumes"])


def test_audit_policy_passes_the_audit() -> None:
    text = yaml.safe_dump(remedies.CONTENTS[remedies.AUDIT_POLICY], sort_keys=False)
    host = api_server(put={f"{CIS}/audit.yaml": text})()
    for check_id in ("3.2.1", "3.2.2"):
        assert section_3_2.CHECKS[check_id](host).status == model.PASS


# --- selection --------------------------------------------------------------------------------------------------------


def test_selection_is_by_id_and_by_class() -> None:
    assert remediation.select(["1.2.15", "1.1.12"]) == ["1.1.12", "1.2.15"]
    chosen = remediation.select(["breaking"])
    assert "1.2.5" in chosen
    assert {catalogue.CHECKS[check_id].risk for check_id in chosen} == {"breaking"}
    everything = remediation.select(remediation.CLASSES)
    assert set(everything) == {check.id for check in catalogue.CHECKS.values() if check.risk != "none"}


@pytest.mark.parametrize("words", [["1.2.99"], ["none"], ["restarts"], ["1.2"], "restart", 7])
def test_unknown_checks_and_classes_are_refused(words: t.Any) -> None:
    with pytest.raises(remediation.SelectionError) as caught:
        remediation.select(words)
    if isinstance(words, list):
        assert words[0] in str(caught.value)
        assert "file_mode, restart, breaking" in str(caught.value)
        assert "1.2.15" in str(caught.value)
    with pytest.raises(AnsibleFilterError):
        filters.cis_remediation({}, words)


# --- planning ---------------------------------------------------------------------------------------------------------


def test_nothing_fails() -> None:
    made = plan({"cp1": audit(result("1.2.15", "pass"))}, "restart", "file_mode", "breaking")
    assert (made["checks"], made["arguments"], made["files"], made["skipped"]) == ([], [], [], [])
    assert made["kubelet_configuration"] == {}
    assert made["hosts"] == {"cp1": {"fixes": [], "etcd_user": False}}


def test_only_selected_checks_are_remediated() -> None:
    hosts = {"cp1": audit(result("1.2.15"), result("1.3.2"), result("4.2.13"))}
    made = plan(hosts, "1.3.2")
    assert made["checks"] == ["1.3.2"]
    assert [(item["component"], item["name"]) for item in made["arguments"]] == [
        ("kube-controller-manager", "profiling")
    ]


def test_fixes_are_per_host_with_each_path_once() -> None:
    mode = {"path": "/a", "mode": "0600", "uid": None, "gid": None}
    owner = {"path": "/a", "mode": None, "uid": 0, "gid": 0}
    hosts = {
        "cp1": audit(result("4.1.9", fixes=[mode]), result("4.1.10", fixes=[owner])),
        "w1": audit(result("4.1.9", fixes=[{**mode, "path": "/b"}]), components=("node",)),
    }
    made = plan(hosts, "file_mode")
    assert made["hosts"]["cp1"]["fixes"] == [{"path": "/a", "mode": "0600", "uid": 0, "gid": 0}]
    assert [fix["path"] for fix in made["hosts"]["w1"]["fixes"]] == ["/b"]


def test_stricter_of_two_modes_wins() -> None:
    fixes = [{"path": "/a", "mode": mode, "uid": None, "gid": None} for mode in ("0640", "0604")]
    made = plan({"h": audit(result("4.1.5", fixes=fixes[:1]), result("4.1.9", fixes=fixes[1:]))}, "file_mode")
    assert made["hosts"]["h"]["fixes"][0]["mode"] == "0600"


def test_file_without_a_fix_is_skipped_with_the_reason() -> None:
    made = plan({"h": audit(result("4.1.9"))}, "file_mode")
    assert made["checks"] == []
    assert made["skipped"][0]["hosts"] == ["h"]
    assert made["skipped"][0]["reason"].endswith("so")


def test_user_etcd_is_created_where_the_owner_fails() -> None:
    made = plan({"a": audit(result("1.1.12")), "b": audit(result("1.1.12", "pass"))}, "file_mode")
    assert [made["hosts"][host]["etcd_user"] for host in "ab"] == [True, False]


def test_audit_log_is_configured_once_with_its_policy() -> None:
    hosts = {"cp1": audit(*(result(f"1.2.{number}") for number in range(16, 20)), result("3.2.1"))}
    made = plan(hosts, "restart")
    names = [item["name"] for item in made["arguments"]]
    assert len(names) == len(set(names)) == 5
    assert [item["path"] for item in made["files"]] == [remedies.AUDIT_POLICY]
    text = filters.cis_remediation(hosts, ["restart"])["files"][0]["content"]
    assert yaml.safe_load(text) == remedies.CONTENTS[remedies.AUDIT_POLICY]


@pytest.mark.parametrize(
    ("others", "remediated"), [((), False), (("1.2.16",), True), (("3.2.1",), True), (("1.2.15",), False)]
)
def test_existing_audit_policy_is_not_replaced(others: tuple[str, ...], remediated: bool) -> None:
    made = plan({"cp1": audit(*map(result, (*others, "3.2.2")))}, "restart")
    assert ("3.2.2" in made["checks"]) is remediated
    assert ("3.2.2" in [item["id"] for item in made["skipped"]]) is not remediated


def test_fields_of_kubelets_are_merged() -> None:
    hosts = {
        "cp1": audit(result("4.2.1"), result("4.2.3")),
        "w1": audit(result("4.2.13"), result("4.2.11"), components=("node",)),
    }
    made = plan(hosts, "restart", "breaking")
    configuration = made["kubelet_configuration"]
    assert configuration["authentication"] == {
        "anonymous": {"enabled": False},
        "x509": {"clientCAFile": "/etc/kubernetes/pki/ca.crt"},
    }
    assert configuration["podPidsLimit"] == 4096
    assert configuration["serverTLSBootstrap"] is True
    assert made["serving"]


@pytest.mark.parametrize(
    ("worker", "waiting"),
    [
        (audit(served(), components=("node",)), False),
        (audit(served("fail", "false"), components=("node",)), True),
        # Files of another CA: the check passes, and an API server that has the cluster's would refuse them.
        (audit(served("pass", "false"), components=("node",)), True),
        (audit(served("manual"), components=("node",)), True),
        (audit(result("4.2.9", "pass"), components=("node",)), True),
        (audit(components=("node",)), True),
        # It was not audited: unreachable, or the module failed.
        ({}, True),
        ({"unreachable": True}, True),
        # An external etcd has no kubelet.
        (audit(components=("etcd",)), False),
    ],
)
def test_kubelets_are_verified_only_if_all_can_be(worker: dict[str, t.Any], waiting: bool) -> None:
    made = plan({"cp1": audit(result("1.2.5"), served()), "w1": worker}, "1.2.5")
    assert made["waiting"] == (["1.2.5"] if waiting else [])
    assert bool(made["arguments"]) is not waiting
    assert ("w1" in "".join(item["reason"] for item in made["skipped"])) is waiting


def test_checks_without_a_remedy_are_skipped() -> None:
    made = plan({"cp1": audit(result("1.2.27"))}, "breaking", "5.1.1")
    assert made["checks"] == []
    assert [item["id"] for item in made["skipped"]] == ["1.2.27", "5.1.1"]
    assert all(item["reason"] for item in made["skipped"])


def exemption(**more: t.Any) -> dict[str, t.Any]:
    return {
        "profile": "cis-2.0",
        "id": "1.2.11",
        "reason": "r",
        "owner": "o",
        "expires": "2027-01-01",
        **more,
    }


@pytest.mark.parametrize(
    ("entry", "remediated"),
    [
        (exemption(), False),
        (exemption(hosts=["cp*"]), False),
        (exemption(hosts=["w*"]), True),
        (exemption(expires="2026-01-01"), True),
        (exemption(profile="cis-2.1"), True),
        (exemption(id="1.2.15"), True),
        ({"id": "1.2.11"}, True),
    ],
)
def test_exempt_failures_are_not_remediated(entry: dict[str, t.Any], remediated: bool) -> None:
    made = plan({"cp1": audit(result("1.2.11"))}, "breaking", exempt=[entry])
    assert bool(made["checks"]) is remediated


def test_literal_verdict_counts_if_selected() -> None:
    hosts = {"cp1": audit(result("4.2.13", "pass", literal="fail"))}
    assert plan(hosts, "restart")["checks"] == []
    assert plan(hosts, "restart", basis="literal")["checks"] == ["4.2.13"]
    with pytest.raises(remediation.SelectionError, match=r"cis-2\.0"):
        plan(hosts, "restart", profile="cis-9")


def test_plan_needs_hosts() -> None:
    with pytest.raises(AnsibleFilterError, match="by host"):
        filters.cis_remediation([], ["restart"])
