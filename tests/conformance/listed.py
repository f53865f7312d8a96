# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Conformance specs that the lab does not pass or cannot run: each is listed with its reason, or is a failure.

python -m tests.conformance.listed         write docs/conformance.md's table
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

REPO = Path(__file__).resolve().parents[2]
DATA = Path(__file__).resolve().parent / "left_out.yml"
PAGE = REPO / "docs" / "conformance.md"
#: Clusters that the specs run on, in their order, with what the table calls them.
CLUSTERS = {"site": "cluster by `site`", "upgraded": "cluster after `upgrade`"}
#: The generated part of the page is between these lines.
BEGIN, END = "<!-- begin: left out -->", "<!-- end: left out -->"
_FIELDS = {"spec", "pattern", "clusters", "image", "reason"}


@dataclass(frozen=True)
class Entry:
    """One entry of the file.

    :param spec: text of the one spec that it is about, with its tags in square brackets; empty with a pattern.
    :param pattern: regular expression that matches the whole text of each spec that it is about.
    :param clusters: where it applies.
    :param image: image that the specs need and the lab does not have: they do not run. Empty: they run and fail.
    :param reason: why the image cannot be had, or what in the lab makes the specs fail.
    """

    spec: str
    pattern: str
    clusters: tuple[str, ...]
    image: str
    reason: str

    @property
    def name(self) -> str:
        return self.spec or self.pattern

    def covers(self, spec: str) -> bool:
        """Whether it is about the spec with this text."""
        return spec == self.spec if self.spec else re.fullmatch(self.pattern, spec) is not None


def parse(data: Any) -> tuple[Entry, ...]:
    """Entries of plain data.

    :raises ValueError: an entry is not of the form above; the message names it and what is wrong.
    """
    if not isinstance(data, list):
        raise ValueError(f"expected a list of entries, found {type(data).__name__}")
    entries = tuple(_entry(number, item) for number, item in enumerate(data, start=1))
    names = [entry.name for entry in entries]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"listed twice: {'; '.join(twice)}")
    return entries


def _entry(number: int, item: Any) -> Entry:
    if not isinstance(item, Mapping) or not set(item) <= _FIELDS:
        raise ValueError(f"entry {number}: expected a mapping with {', '.join(sorted(_FIELDS))}")
    if ("spec" in item) == ("pattern" in item):
        raise ValueError(f"entry {number}: expected either spec or pattern")
    clusters = tuple(item.get("clusters", CLUSTERS))
    if not clusters or set(clusters) - set(CLUSTERS):
        raise ValueError(f"entry {number}: clusters must be of {', '.join(CLUSTERS)}")
    reason = " ".join(str(item.get("reason", "")).split())
    if not reason:
        raise ValueError(f"entry {number}: the reason is missing")
    try:
        re.compile(item.get("pattern", ""))
    except re.error as exc:
        raise ValueError(f"entry {number}: {item['pattern']!r} is no regular expression: {exc}") from exc
    return Entry(item.get("spec", ""), item.get("pattern", ""), clusters, item.get("image", ""), reason)


def load(path: Path = DATA) -> tuple[Entry, ...]:
    """The list.

    :raises ValueError: as :func:`parse`.
    """
    return parse(yaml.safe_load(path.read_text(encoding="utf-8")))


def applicable(entries: Iterable[Entry], cluster: str) -> tuple[Entry, ...]:
    """The entries that apply to a cluster."""
    return tuple(entry for entry in entries if cluster in entry.clusters)


def left_out(entries: Sequence[Entry], specs: Iterable[str]) -> dict[str, Entry]:
    """The specs that do not run, with the entry that says so."""
    without = [entry for entry in entries if entry.image]
    found = {spec: next((entry for entry in without if entry.covers(spec)), None) for spec in specs}
    return {spec: entry for spec, entry in found.items() if entry}


def table(entries: Iterable[Entry]) -> str:
    """The generated part of the page."""
    lines = ["| spec | cluster | reason |", "|---|---|---|"]
    for entry in entries:
        where = (
            "both"
            if set(entry.clusters) == set(CLUSTERS)
            else ", ".join(map(CLUSTERS.__getitem__, entry.clusters))
        )
        image = f"Does not run, as the image `{entry.image}` is missing: " if entry.image else ""
        name = entry.name.replace("|", "\\|")
        lines.append(f"| `{name}` | {where} | {image}{entry.reason} |")
    return "\n".join(lines if len(lines) > 2 else ["None: every spec runs and passes."])


def page(text: str, entries: Iterable[Entry]) -> str:
    """The page with its generated part replaced.

    :raises ValueError: the lines around that part are not there.
    """
    head, begin, rest = text.partition(BEGIN)
    _old, end, foot = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{PAGE.name}: expected the lines {BEGIN} and {END}")
    return f"{head}{BEGIN}\n\n{table(entries)}\n\n{END}{foot}"


def main() -> int:
    """Write the table into the page."""
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), load()), encoding="utf-8")
    print(PAGE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
