# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the table of remedies in `docs/cis-remediation.md` from the catalogue.

python -m tests.docs_remediation [--check]       with --check: only check that the page is up to date
"""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests import checkout

REPO = Path(__file__).resolve().parent.parent
PAGE = REPO / "docs" / "cis-remediation.md"
BEGIN = "<!-- begin: made by python -m tests.docs_remediation -->\n"
END = "<!-- end -->\n"


def _argument(item: Mapping[str, Any]) -> str:
    flag = f"--{item['name']}"
    if item.get("value") is not None:
        value = item["value"]
        shown = f"`{flag}={value if len(value) < 60 else value.split(',')[0] + ',...'}`"
        return f"{shown} if it is not set" if item.get("keep") else shown
    if item.get("absent"):
        return f"no `{flag}`"
    parts = [
        f"{word} {', '.join(item[key])}"
        for key, word in (("add", "with"), ("remove", "without"))
        if item.get(key)
    ]
    return f"`{flag}` {' and '.join(parts)}"


def _what(remedy: Any) -> str:
    if remedy.kind == "none":
        return str(remedy.reason)
    if remedy.kind == "file":
        return "mode or owner of files"
    if remedy.kind == "kubelet":
        shown = json.dumps(remedy.kubelet)
        fields = ", ".join(f"`{key}`" for key in remedy.kubelet)
        return f"`{shown}`" if len(shown) < 90 else f"{fields} of the kubelet"
    words = [
        f"{component}: {', '.join(map(_argument, items))}"
        for component, items in itertools.groupby(remedy.arguments, lambda item: item["component"])
    ]
    notes = [f"only if {remedy.needs} passes on all nodes"] if remedy.needs else []
    blocking = sorted({name for item in remedy.arguments for name in item.get("unless", [])})
    if blocking:
        notes.append(f"not with `--{blocking[0]}`" + (" or similar" if len(blocking) > 1 else ""))
    notes += [remedy.reason] if remedy.reason else []
    return "; ".join([*words, *notes])


def _ranges(ids: Sequence[str]) -> str:
    """Consecutive ids as a range."""
    return ids[0] if len(ids) == 1 else f"{ids[0]} to {ids[-1]}"


def lines() -> Iterator[str]:
    """The table."""
    checkout.make_importable()
    from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.benchmark import (
        catalogue,
    )

    yield "| checks | class | remedy |"
    yield "|---|---|---|"
    rows = []
    for check in catalogue.CHECKS.values():
        remedy = check.remedy
        rows.append((check.id, "none" if remedy.kind == "none" else f"`{check.risk}`", _what(remedy)))
    for (shown, what), group in itertools.groupby(rows, lambda row: row[1:]):
        yield f"| {_ranges([row[0] for row in group])} | {shown} | {what} |"


def main(arguments: Sequence[str]) -> int:
    """Write the table, or compare it."""
    found = PAGE.read_text(encoding="utf-8")
    before, _mark, rest = found.partition(BEGIN)
    _old, _mark, after = rest.partition(END)
    wanted = before + BEGIN + "\n".join(lines()) + "\n" + END + after
    if "--check" in arguments:
        if found != wanted:
            print(f"{PAGE} is not up to date: run python -m tests.docs_remediation", file=sys.stderr)
        return int(found != wanted)
    if found != wanted:
        PAGE.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
