# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports are valid by published schemas."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.reports import published

JUNIT, SARIF, OSCAL = published.FORMS
RESULTS = "assessment-results"


@pytest.mark.parametrize("kind", ["small", "hostile"])
def test_report_is_valid(directory: Callable[[str], Path], kind: str) -> None:
    assert published.mistakes_of_directory(directory(kind)) == {name: [] for name in published.FORMS}


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("<testcase name=", "<testcase title="),
        ("<failure ", "<broken "),
        ('<testsuite name="', '<testsuite x="'),
    ],
)
def test_xml_schema_finds_mistakes(directory: Callable[[str], Path], right: str, wrong: str) -> None:
    text = (directory("small") / JUNIT).read_text(encoding="utf-8")
    assert right in text
    changed = text.replace(right, wrong).replace(
        "</failure>", "</broken>" if "broken" in wrong else "</failure>"
    )
    assert published.mistakes(JUNIT, changed)


@pytest.mark.parametrize(
    ("name", "path", "wrong", "complaint"),
    [
        pytest.param(SARIF, ("version",), "2.0", "is not one of", id="sarif version"),
        pytest.param(SARIF, ("runs", 0, "results", 0, "level"), "bad", "is not one of", id="sarif level"),
        pytest.param(SARIF, ("runs", 0, "tool"), {}, "'driver' is a required", id="sarif driver"),
        pytest.param(OSCAL, (RESULTS, "uuid"), "1", "does not match", id="oscal uuid"),
        pytest.param(OSCAL, (RESULTS, "metadata", "x"), 1, "Additional properties", id="oscal unknown"),
        pytest.param(
            OSCAL,
            (RESULTS, "results", 0, "findings", 0, "target", "target-id"),
            "1 2",
            "does not match",
            id="oscal token",
        ),
    ],
)
def test_json_schemas_find_mistakes(
    directory: Callable[[str], Path], name: str, path: tuple[str | int, ...], wrong: object, complaint: str
) -> None:
    document: Any = json.loads((directory("small") / name).read_text(encoding="utf-8"))
    place = document
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = wrong
    found = published.mistakes(name, json.dumps(document))
    assert any(complaint in mistake for mistake in found), found
