# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules and alerts of the role prometheus, by promtool: series for which each fires, and for which it does not."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from lab.config import settings
from tests import promtool
from tests.gates import repo

RULES = repo.REPO / "roles" / "prometheus" / "files" / "rules"
CASES: dict[str, dict[str, Any]] = yaml.safe_load(
    Path(__file__).with_name("cases.yml").read_text(encoding="utf-8")
)
RUNBOOKS = repo.REPO / "docs" / "runbooks.md"
SHORT = {
    "NODE": 'cluster="blue",node="w1",role="worker"',
    "PLANE": 'cluster="blue",node="cp1",role="control_plane"',
}
SEVERITIES = {"critical", "warning", "info"}
#: When an alert is looked at, in minutes, unless its case says otherwise.
LOOK = 30


def rules() -> Iterator[dict[str, Any]]:
    """Every rule of the role."""
    for path in sorted(RULES.glob("*.yml")):
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]:
            yield from group["rules"]


ALERTS = {rule["alert"]: rule for rule in rules() if "alert" in rule}


@pytest.fixture(scope="session")
def program() -> Path:
    return promtool.ensure(settings().paths, Console(stderr=True)).promtool


def run(program: Path, *arguments: str) -> str:
    environment = {**os.environ, "GOMAXPROCS": "2"}
    done = subprocess.run(
        [str(program), *arguments], capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_promtool_accepts_the_rules(program: Path) -> None:
    run(program, "check", "rules", "--lint=all", "--lint-fatal", *map(str, sorted(RULES.glob("*.yml"))))


def test_every_alert_has_a_case() -> None:
    assert list(CASES) == list(dict.fromkeys(CASES))
    assert set(CASES) == set(ALERTS)
    assert all({"fires", "quiet", "labels", "says"} <= set(case) for case in CASES.values())


@pytest.mark.parametrize("name", ALERTS)
def test_alert_is_complete(name: str) -> None:
    alert = ALERTS[name]
    assert re.fullmatch(r"([A-Z][a-z]+)+", name)
    assert alert["labels"]["severity"] in SEVERITIES
    assert set(alert["annotations"]) == {"summary", "description", "runbook_url"}
    assert alert["annotations"]["runbook_url"] == f"@runbooks@#{name.lower()}"
    assert not alert["annotations"]["summary"].endswith(".")
    assert alert["annotations"]["description"].endswith(".")


def test_runbooks_are_those_of_the_alerts() -> None:
    sections = re.findall(r"^### (\w+)$", RUNBOOKS.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(sections) == sorted(ALERTS)


def _series(short: Mapping[str, Any]) -> list[dict[str, str]]:
    found = []
    for series, values in short.items():
        name, _brace, labels = series.partition("{")
        for word, long in SHORT.items():
            labels = re.sub(rf"\b{word}\b", long, labels)
        # YAML reads 0x30 as a number.
        text = values if isinstance(values, str) else f"0x{values:x}"
        found.append({"series": f"{name}{{{labels}", "values": text})
    return found


def _tested(name: str, case: Mapping[str, Any], fires: bool) -> dict[str, Any]:
    """The unit test of promtool for one case."""
    at = int(case.get("at", LOOK))
    labels = {"alertname": name, "alertstate": "firing", "severity": ALERTS[name]["labels"]["severity"]}
    labels |= case["labels"]
    shown = ", ".join(f'{key}="{value}"' for key, value in labels.items())
    expected = [{"labels": f"ALERTS{{{shown}}}", "value": 1}] if fires else []
    query = f'ALERTS{{alertname="{name}",alertstate="firing"}}'
    return {
        "interval": "1m",
        "name": f"{name} {'fires' if fires else 'is quiet'}",
        "input_series": _series(case["fires" if fires else "quiet"]),
        "promql_expr_test": [{"expr": query, "eval_time": f"{at}m", "exp_samples": expected}],
    }


def test_alerts_fire_and_do_not_fire(program: Path, tmp_path: Path) -> None:
    tests = [_tested(name, case, fires) for name, case in CASES.items() for fires in (True, False)]
    document = {
        "rule_files": [str(path) for path in sorted(RULES.glob("*.yml"))],
        "evaluation_interval": "1m",
        "fuzzy_compare": True,
        "tests": tests,
    }
    file = tmp_path / "tests.yml"
    file.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    run(program, "test", "rules", str(file))


def test_texts_say_what_an_operator_needs(program: Path, tmp_path: Path) -> None:
    """promtool prints the alerts that it did not expect, with their texts."""
    tests = []
    for name, case in CASES.items():
        test = _tested(name, case, True)
        del test["promql_expr_test"]
        test["alert_rule_test"] = [{"eval_time": f"{case.get('at', LOOK)}m", "alertname": name}]
        tests.append(test)
    document = {
        "rule_files": [str(path) for path in sorted(RULES.glob("*.yml"))],
        "evaluation_interval": "1m",
        "tests": tests,
    }
    file = tmp_path / "tests.yml"
    file.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    done = subprocess.run(
        [str(program), "test", "rules", str(file)], capture_output=True, text=True, check=False
    )
    printed = done.stdout + done.stderr
    assert "error executing template" not in printed
    parts = re.split(r"\balertname: (\w+), time:", printed)
    texts: dict[str, str] = {}
    for name, text in zip(parts[1::2], parts[2::2], strict=True):
        texts[name] = texts.get(name, "") + text
    wrong = [
        f"{name}: {words!r} is not in {texts.get(name, '')[:800]}"
        for name, case in CASES.items()
        for words in case["says"]
        if words not in texts.get(name, "")
    ]
    assert not wrong, "\n".join(wrong)
