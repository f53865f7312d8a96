# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Words that a Kubernetes or Ansible engineer would not use, with the field's term for each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.gates import repo

#: Between the words of a phrase: blanks, the end of a line with a comment sign, or what joins words in a name.
_GAP = r"[\s_#>-]+"
#: What must not occur -> what to write. Underscores separate words, so names of variables and functions count, too.
WORDS: dict[str, str] = {
    r"mend(?:ed|ing|s)?": "remediate, fix or repair",
    r"judg(?:e|es|ed|ing|e?ments?)": "evaluate, check or verdict",
    r"speakers?": "delegate",
    r"speak(?:s|ing)? for the cluster": "the delegate",
    r"folders?": "directory",
    r"anew": "again or from scratch",
    r"shall": "must or has to",
    r"lets? in": "join or allow",
    r"(?:give|gives|giving|given|gave) the cluster its network": "install the CNI",
    r"settle": "cluster-wide steps",
    r"half done": "incomplete or partially joined",
    r"form(?:s|ed|ing)? (?:a|the) control plane": "initialise the control plane",
    r"by hand": "manual edit or manually",
    r"(?:lead|leads|leading|led) out of": "disable or remove",
    r"forerunners?": "predecessor",
    r"(?:take|takes|taking|taken|took) up again": "continue or complete",
}
#: Names of tasks and plays are imperative and say what is done.
TASK_NAME = re.compile(r"^\s*-?\s*name:\s*(?:\S+ \| )?see (?:that|whether)\b", re.IGNORECASE | re.MULTILINE)
#: Other people's texts, and this list.
FOREIGN = ("LICENSE", "tests/reports/schemas/*", "tests/unit/plugins/cis/data/*", "tests/gates/test_words.py")
#: Legitimate uses: pattern of the path, a part of the line, and the reason.
ALLOWED: tuple[tuple[str, str, str], ...] = (
    ("plugins/*grafana*", "older", "Grafana calls it so, in its API as well as in its pages"),
    ("tests/grafana/*", "older", "the same"),
    ("docs/grafana.md", "older", "the same"),
    ("roles/grafana/*", "older", "the same"),
    ("molecule/metrics/*", "older", "the same"),
    ("inventories/sample/*", "grafana", "the same"),
    ("inventories/sample/*", "Grafana", "the same"),
    ("changelogs/fragments/15-*.yml", "Grafana", "the same"),
    ("changelogs/fragments/15-*.yml", "grafana_folder", "the name of a module"),
    ("meta/runtime.yml", "grafana_folder", "the name of a module"),
)


def _texts() -> Iterator[tuple[Path, str]]:
    """Text files of the checkout that are written for this project."""
    for path in repo.files():
        if any(fnmatch(str(path), pattern) for pattern in FOREIGN):
            continue
        try:
            yield path, (repo.REPO / path).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue


TEXTS = list(_texts())


def _lines(text: str, pattern: re.Pattern[str]) -> Iterator[tuple[int, str]]:
    """Number and text of each line where the pattern matches."""
    for match in pattern.finditer(text):
        number = text.count("\n", 0, match.start()) + 1
        yield number, text.splitlines()[number - 1].strip()


def _occurrences(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{path}:{number}: {line[:140]}"
        for path, text in TEXTS
        for number, line in _lines(text, pattern)
        if not any(fnmatch(str(path), where) and part in line for where, part, _reason in ALLOWED)
    ]


def _whole(words: str) -> re.Pattern[str]:
    """The words as a whole, on one line or over two."""
    return re.compile(rf"(?<![A-Za-z]){words.replace(' ', _GAP)}(?![A-Za-z])", re.IGNORECASE)


@pytest.mark.parametrize(("words", "instead"), WORDS.items(), ids=WORDS)
def test_word_is_not_used(words: str, instead: str) -> None:
    found = _occurrences(_whole(words))
    assert not found, f"write {instead} instead:\n" + "\n".join(found)


def test_task_names_say_what_is_done() -> None:
    found = _occurrences(TASK_NAME)
    assert not found, "write what is verified, as in `Verify the cluster`:\n" + "\n".join(found)


def test_allowed_lines_exist() -> None:
    used = [
        (where, part)
        for where, part, _reason in ALLOWED
        if any(fnmatch(str(path), where) and part in text for path, text in TEXTS)
    ]
    assert used == [(where, part) for where, part, _reason in ALLOWED]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Mended files", True),
        ("judge_host(host)", True),
        ("test_folder", True),
        ("changed by\n# hand", True),
        ("what is half-done", True),
        ("recommended, amend, shallow, subfolder", False),
        ("by handlers", False),
    ],
)
def test_patterns(text: str, found: bool) -> None:
    assert any(_whole(words).search(text) for words in WORDS) is found
