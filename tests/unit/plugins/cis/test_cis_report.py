# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""cis_report, as Ansible runs it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.baremetal.kubernetes.plugins.action import cis_report

from tests.bench import simulate

ROOT = Path(__file__).resolve().parents[4]
Report = Callable[..., dict[str, Any]]


@pytest.fixture
def play(tmp_path: Path) -> Report:
    """Run a play with tasks before the report; returns the result of the report."""

    def run(
        arguments: dict[str, Any], *flags: str, before: str = "", variables: Any = None
    ) -> dict[str, Any]:
        task = {
            "baremetal.kubernetes.cis_report": arguments,
            "register": "__report",
            "ignore_errors": True,
        }
        plays: list[dict[str, Any]] = [
            {
                "hosts": "localhost",
                "gather_facts": False,
                "tasks": [
                    task,
                    {
                        "ansible.builtin.copy": {
                            "content": "{{ __report | to_json }}",
                            "dest": str(tmp_path / "result.json"),
                            "mode": "0600",
                        },
                        "check_mode": False,
                    },
                ],
            }
        ]
        if before:
            plays.insert(0, {"hosts": "audited", "gather_facts": False, "tasks": yaml.safe_load(before)})
        (tmp_path / "play.yml").write_text(yaml.safe_dump(plays))
        (tmp_path / "vars.json").write_text(json.dumps(variables or {}))
        (tmp_path / "inventory").write_text("[audited]\ncp1\nw1\n")
        done = subprocess.run(
            ["ansible-playbook", "-i", "inventory", "-e", "@vars.json", *flags, "play.yml"],
            cwd=tmp_path,
            env={
                **os.environ,
                "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
                "ANSIBLE_TRANSPORT": "local",
                "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
                "ANSIBLE_LOCAL_TEMP": str(tmp_path / "tmp"),
                "ANSIBLE_NOCOLOR": "true",
                "ANSIBLE_FORCE_COLOR": "false",
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            },
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        result = tmp_path / "result.json"
        assert result.exists(), done.stdout + done.stderr
        found: dict[str, Any] = json.loads(result.read_text())
        result.unlink()
        return {**found, "output": done.stdout + done.stderr}

    return run


def arguments(tmp_path: Path, **more: Any) -> dict[str, Any]:
    return {
        "hosts": "{{ audited_hosts }}",
        "cluster": "{{ audited_cluster }}",
        "cluster_name": "prod-a",
        "dest": str(tmp_path / "cis"),
        "timestamp": "2026-11-21T20:00:00Z",
        **more,
    }


VARIABLES = {
    "audited_hosts": {
        "cp1": simulate.host_result("cp1"),
        "w1": {"unreachable": True, "msg": "timed out", "changed": False},
    },
    "audited_cluster": simulate.cluster_result(objects=3),
}


def test_files_are_written_before_it_fails(play: Report, tmp_path: Path) -> None:
    given = arguments(tmp_path, expected={"cp1": ["control_plane", "etcd", "node"], "w1": ["node"]})
    found = play(given, variables=VARIABLES)
    assert found["failed"] and not found["changed"]
    assert "error on all checks - w1: The host could not be reached: timed out" in found["msg"]
    assert sorted(path.name for path in (tmp_path / "cis").iterdir()) == [
        "cis.html", "cis.json", "cis.junit.xml", "cis.oscal.json", "cis.prom", "cis.sarif",
    ]  # fmt: skip
    assert found["summary"]["results"]["error"] >= 25
    assert found["summary"]["hosts_not_audited"] == ["w1"]
    assert found["drift"]["note"] == "There is no previous report to compare with."
    assert any("outside the declared scope" in notice for notice in found["notices"])
    assert "outside the declared scope" in found["output"]
    # The second run compares with the first, and changes nothing either.
    found = play({**given, "fail_on": {"statuses": []}}, variables=VARIABLES)
    assert not found["failed"] and not found["changed"]
    assert found["drift"]["since"] == "2026-11-21T20:00:00Z"
    assert set(found["drift"]["counts"].values()) == {0}


def test_check_mode_writes_nothing(play: Report, tmp_path: Path) -> None:
    found = play(arguments(tmp_path), "--check", variables=VARIABLES)
    assert found["failed"] and not found["changed"]
    assert not (tmp_path / "cis").exists()


BEFORE = """
- ansible.builtin.set_fact:
    __cis_node: "{{ audited_hosts[inventory_hostname] }}"
  when: inventory_hostname == 'cp1'
"""


def test_results_by_the_name_of_a_variable(play: Report, tmp_path: Path) -> None:
    given = arguments(
        tmp_path, variable="__cis_node", expected={"cp1": ["node"], "w1": ["node"], "nobody": ["node"]}
    )
    del given["hosts"]
    found = play(given, before=BEFORE, variables=VARIABLES)
    assert "summary" in found, found["msg"]
    assert found["summary"]["hosts_not_audited"] == ["nobody", "w1"]
    # What each host may tell Prometheus.
    by_host = found["host_results"]
    assert by_host["cp1"]["checks"]["pass"] > 10 and by_host["w1"]["checks"]["pass"] == 0
    rows = sum(number for host in by_host.values() for number in host["checks"].values())
    assert 0 < rows <= sum(found["summary"]["results"].values())
    assert {host["time"] for host in by_host.values()} == {by_host["cp1"]["time"]}
    assert "nobody, w1: The host was not audited: there is no result." in found["msg"]
    assert found["summary"]["sections"]["1.1"]["pass"] > 10


EXEMPTION = {"profile": "cis-2.0", "id": "4.2.6", "reason": "x", "owner": "Ann", "expires": "2027-01-01"}


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"profile": "cis-9"}, "There is no profile cis-9. Choose from: cis-1.12, cis-2.0, cis-2.1."),
        ({"exemptions": [{**EXEMPTION, "id": "4.2.99"}]}, "there is no check 4.2.99 in cis-2.0"),
        ({"exemptions": [EXEMPTION, {**EXEMPTION, "reason": ""}]}, "entry 2 (4.2.6): reason is missing"),
        ({"attestations": [{"id": "5.6.1"}]}, "attestations, entry 1 (5.6.1): statement is missing"),
        ({"expected": {"w1": ["worker"]}}, "expected a list of control_plane, etcd, node"),
        ({"timestamp": "yesterday"}, "timestamp is yesterday, expected a time"),
    ],
    ids=lambda value: value if isinstance(value, str) else next(iter(value)),
)
def test_invalid_input_is_refused(more: dict[str, Any], says: str) -> None:
    params = ArgumentSpecValidator(cis_report.ARGUMENT_SPEC).validate(more).validated_parameters
    with pytest.raises(cis_report.RefusedError, match=re.escape(says)):
        cis_report.read_input(params, {}, None, "")


@pytest.mark.parametrize(
    "more", [{"formats": ["pdf"]}, {"fail_on": {"levels": [3]}}, {"whatever": 1}], ids=str
)
def test_arguments_are_checked(more: dict[str, Any]) -> None:
    assert ArgumentSpecValidator(cis_report.ARGUMENT_SPEC).validate(more).error_messages


def test_all_problems_are_reported_before_anything_is_written(play: Report, tmp_path: Path) -> None:
    wrong = [
        {**EXEMPTION, "id": "4.2.99"},
        {**EXEMPTION, "reason": ""},
        {**EXEMPTION, "expires": "2001-01-01"},
    ]
    found = play(arguments(tmp_path, exemptions=wrong), variables=VARIABLES)
    assert found["failed"]
    assert "there is no check 4.2.99" in found["msg"] and "reason is missing" in found["msg"]
    assert not (tmp_path / "cis").exists()
    found = play(arguments(tmp_path, variable="__cis_node"), variables=VARIABLES)
    assert found["msg"].endswith("Give either hosts, or variable with expected.")


def test_expired_exemption_is_reported_and_fails(play: Report, tmp_path: Path) -> None:
    past = [{**EXEMPTION, "id": check, "expires": "2001-01-01"} for check in ("4.2.6", "4.2.7")]
    found = play(arguments(tmp_path, exemptions=past), variables=VARIABLES)
    assert "The exemption of 4.2.6 by Ann expired on 2001-01-01" in found["msg"]
    assert (tmp_path / "cis" / "cis.html").exists()


def test_unwritable_and_unreadable_files_are_reported(play: Report, tmp_path: Path) -> None:
    (tmp_path / "cis").write_text("a file")
    found = play(arguments(tmp_path), variables=VARIABLES)
    assert found["failed"]
    assert f"{tmp_path}/cis cannot be written: File exists" in found["msg"]
    (tmp_path / "cis").unlink()
    (tmp_path / "cis").mkdir()
    (tmp_path / "cis" / "cis.json").write_text("not a report")
    found = play(arguments(tmp_path), variables=VARIABLES)
    assert "cannot be read" in found["drift"]["note"]
    assert json.loads((tmp_path / "cis" / "cis.json").read_text())["schema"] == 1
