# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the table of all checks, `docs/cis-checks.md`, from the catalogue.

python -m tests.docs_checks [--check]       with --check: only check that the page is up to date
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType

REPO = Path(__file__).resolve().parent.parent
PAGE = REPO / "docs" / "cis-checks.md"

RISKS = {
    "file_mode": "files",
    "restart": "restart",
    "breaking": "breaking",
    "none": "decision",
}


INTRODUCTION = """\
With other versions of Kubernetes the checks are evaluated all the same, and every report says that the benchmark was
not written for them. Levels below are those of `{default}`. *Effectively* and *literally* are about the two verdicts of
a check, on the effective configuration and by the wording of the benchmark.

- **L**: level. **A** or **M**: whether the benchmark calls the check automated or manual. The collection evaluates most
  of the manual ones as well; the others have the status `manual`, with what to review.
- **Risk** of remediation: `files` changes modes or owners of files, `restart` restarts a component, `breaking` may
  break clients or workloads, `decision` needs yours.
"""


def _modules() -> tuple[ModuleType, ModuleType, ModuleType]:
    """The catalogue; imported here, as the checkout has to come first."""
    tree = REPO / ".venv" / "collections"
    if str(tree) not in sys.path:
        sys.path.insert(0, str(tree))
    from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.benchmark import (
        catalogue,
        profiles,
    )
    from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.report import shipped

    return catalogue, profiles, shipped


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("*", "\\*").replace("<", "&lt;")


def lines() -> Iterator[str]:
    """The page, line by line."""
    catalogue, profiles, shipped = _modules()
    yield "<!-- Made by python -m tests.docs_checks. Do not edit. -->"
    yield "# All checks of the CIS audit"
    yield ""
    yield f"How the collection evaluates the {len(catalogue.CHECKS)} checks, and what to do when one fails. Ids are"
    yield "those of the CIS Kubernetes Benchmark; all texts are the collection's own. This is not a certification."
    yield ""
    yield "| profile | benchmark | Kubernetes | |"
    yield "|---|---|---|---|"
    for profile in profiles.PROFILES.values():
        scope = f"{profile.kubernetes[0]} to {profile.kubernetes[-1]}" if profile.kubernetes else "not known"
        notes = ["default"] if profile.name == profiles.DEFAULT else []
        notes += ["provisional"] if profile.provisional else []
        notes += [f"{check} is level {level}" for check, level in profile.levels.items()]
        notes += [
            f"the literal verdict of {check} is the effective one" for check in sorted(profile.accepts_intent)
        ]
        yield f"| `{profile.name}` | {profile.benchmark} | {scope} | {'; '.join(notes)} |"
    yield ""
    yield from INTRODUCTION.format(default=profiles.DEFAULT).splitlines()
    for group, title in catalogue.SECTIONS.items():
        members = [check for check in catalogue.CHECKS.values() if check.group == group]
        if not members:
            continue
        yield ""
        yield f"## {group} {title}"
        yield ""
        yield "| id | L | | check | evaluation | remediation | risk |"
        yield "|---|---|---|---|---|---|---|"
        for check in members:
            cells = (
                check.id,
                str(check.level),
                check.assessment[0].upper(),
                _cell(check.title),
                _cell(check.method),
                _cell(check.remediation),
                RISKS[check.risk],
            )
            yield f"| {' | '.join(cells)} |"
    if shipped.EXEMPTIONS:
        yield ""
        yield "## Shipped exemptions"
        yield ""
        yield "For what the collection deploys itself. `cis_shipped_exemptions: false` disables them."
        yield ""
        yield "| id | scope | reason |"
        yield "|---|---|---|"
        for entry in shipped.EXEMPTIONS:
            scope = "; ".join(
                f"{name} {', '.join(f'`{item}`' for item in entry[name])}"
                for name in ("hosts", "namespaces", "subjects")
                if entry.get(name)
            )
            yield f"| {entry['id']} | {scope or 'everywhere'} | {_cell(' '.join(entry['reason'].split()))} |"


def text() -> str:
    """The whole page."""
    return "\n".join(lines()) + "\n"


def main(arguments: Sequence[str]) -> int:
    """Write the page, or compare it."""
    wanted = text()
    found = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    if "--check" in arguments:
        if found != wanted:
            print(f"{PAGE} is not up to date: run python -m tests.docs_checks", file=sys.stderr)
        return int(found != wanted)
    if found != wanted:
        PAGE.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
