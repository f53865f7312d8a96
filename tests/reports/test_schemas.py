# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports are valid by the schemas that others publish."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import xmlschema

SCHEMAS = Path(__file__).parent / "schemas"


@pytest.fixture(scope="module")
def junit() -> xmlschema.XMLSchema:
    """The schema that Jenkins reads JUnit by."""
    return xmlschema.XMLSchema(str(SCHEMAS / "junit-10.xsd"))


@pytest.mark.parametrize("kind", ["small", "hostile"])
def test_junit(folder: Callable[[str], Path], junit: xmlschema.XMLSchema, kind: str) -> None:
    assert not list(junit.iter_errors(str(folder(kind) / "cis.junit.xml")))


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("<testcase name=", "<testcase title="),
        ("<failure ", "<broken "),
        ('<testsuite name="', '<testsuite x="'),
    ],
)
def test_the_schema_finds_mistakes(
    folder: Callable[[str], Path], junit: xmlschema.XMLSchema, right: str, wrong: str
) -> None:
    text = (folder("small") / "cis.junit.xml").read_text(encoding="utf-8")
    assert right in text
    changed = text.replace(right, wrong).replace(
        "</failure>", "</broken>" if "broken" in wrong else "</failure>"
    )
    assert list(junit.iter_errors(changed.partition("?>\n")[2]))
