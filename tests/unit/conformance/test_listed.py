# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest

from lab.artifacts import catalogue
from tests.conformance import listed
from tests.conformance.listed import Entry

ONE: dict[str, Any] = {"spec": "[a] one [Conformance]", "reason": "The lab has\n  no modules."}


def test_the_list_is_sound() -> None:
    entries = listed.load()

    there = {image.reference for image in catalogue.load().images.values()}
    assert not [entry.name for entry in entries if entry.image in there]
    # Narrow: an expression that matches any spec would hide all failures.
    assert not [entry.name for entry in entries if entry.covers("[sig-x] Y should z [Conformance]")]


def test_the_page_shows_the_list() -> None:
    text = listed.PAGE.read_text(encoding="utf-8")

    assert listed.page(text, listed.load()) == text, "run: python -m tests.conformance.listed"


def test_fields_are_read() -> None:
    first, second = listed.parse(
        [ONE, {**ONE, "spec": "[b] two", "clusters": ["upgraded"], "image": "r/i:1"}]
    )

    assert first == Entry(ONE["spec"], "", ("site", "upgraded"), "", "The lab has no modules.")
    assert (second.clusters, second.image) == (("upgraded",), "r/i:1")
    assert listed.applicable([first, second], "site") == (first,)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, "expected a list"),
        (["x"], "entry 1: expected a mapping"),
        ([{**ONE, "surprise": 1}], "entry 1: expected a mapping"),
        ([ONE, {"reason": "x"}], "entry 2: expected either spec or pattern"),
        ([{**ONE, "pattern": "x"}], "expected either spec or pattern"),
        ([{"pattern": "(", "reason": "x"}], "no regular expression"),
        ([{**ONE, "reason": " "}], "the reason is missing"),
        ([{**ONE, "clusters": ["other"]}], "clusters must be of site, upgraded"),
        ([{**ONE, "clusters": []}], "clusters must be of"),
        ([ONE, ONE], "listed twice"),
    ],
)
def test_mistakes_are_named(data: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        listed.parse(data)


@pytest.mark.parametrize(
    ("entry", "spec", "covers"),
    [
        ({"spec": "[a] one [x]"}, "[a] one [x]", True),
        ({"spec": "[a] one [x]"}, "[a] one [x] [Slow]", False),
        ({"pattern": r"\[a\] (one|two) .*"}, "[a] two [x]", True),
        ({"pattern": r"\[a\] (one|two)"}, "[a] two [x]", False),
        ({"pattern": r"two"}, "[a] two", False),
    ],
)
def test_an_entry_is_about_whole_texts(entry: dict[str, str], spec: str, covers: bool) -> None:
    (made,) = listed.parse([{**entry, "reason": "x"}])

    assert made.covers(spec) is covers


def test_only_what_lacks_an_image_does_not_run() -> None:
    image, fails = listed.parse(
        [{"pattern": "a.*", "image": "r/i:1", "reason": "x"}, {"spec": "b", "reason": "y"}]
    )

    assert listed.left_out([image, fails], ["a1", "a2", "b", "c"]) == {"a1": image, "a2": image}


def test_the_generated_part_of_a_page_is_replaced() -> None:
    entries = listed.parse(
        [
            {**ONE, "clusters": ["site"]},
            {"pattern": "a|b", "image": "r/i:1", "reason": "Nobody has it."},
        ]
    )
    page = f"# A\n\n{listed.BEGIN}\nold\n{listed.END}\nrest\n"

    made = listed.page(page, entries)

    assert made.startswith("# A\n") and made.endswith("rest\n") and "old" not in made
    assert "| `[a] one [Conformance]` | cluster by `site` | The lab has no modules. |" in made
    assert "| `a\\|b` | both | Does not run, as the image `r/i:1` is missing: Nobody has it. |" in made
    assert listed.page(made, entries) == made
    assert "None: every spec runs and passes." in listed.page(page, [])
    with pytest.raises(ValueError, match="expected the lines"):
        listed.page("# A\n", entries)
