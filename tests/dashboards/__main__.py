# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the dashboards, `roles/grafana/files/dashboards`, and the page about them, `docs/dashboards.md`.

python -m tests.dashboards [--check]    with --check: only check that all are up to date
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.dashboards.content import DASHBOARDS

REPO = Path(__file__).resolve().parents[2]
FILES = REPO / "roles" / "grafana" / "files" / "dashboards"
PAGE = REPO / "docs" / "dashboards.md"

INTRODUCTION = """\
<!-- Made by python -m tests.dashboards. Do not edit. -->
# Dashboards

Five dashboards show a cluster in Grafana, by the module `grafana_dashboard`. Each panel answers one question, which is
its description, and links the runbook of the alert that belongs to it. A dashboard shows one cluster, and its title
begins with the cluster's name.

They are generated: to change one for all clusters, edit `tests/dashboards/content.py` and run
`python -m tests.dashboards`. The tests validate them with the schemas of Grafana's package `@grafana/schema`, and every
expression is looked for in Prometheus by `cluster_metrics`: a panel whose metric does not exist is a warning.
"""


def files() -> dict[Path, str]:
    """Every file that is made, with its content."""
    made = {
        FILES / f"{one.name}.json": json.dumps(one.render(), indent=1, sort_keys=True) + "\n"
        for one in DASHBOARDS
    }
    return {**made, PAGE: "\n".join(_page()) + "\n"}


def _page() -> Iterator[str]:
    yield from INTRODUCTION.splitlines()
    for dashboard in DASHBOARDS:
        yield ""
        yield f"## {dashboard.title}"
        yield ""
        yield f"`bmk-<cluster>-{dashboard.name}`. {dashboard.purpose}"
        yield ""
        yield "| panel | question | runbook |"
        yield "|---|---|---|"
        for panel in dashboard.panels:
            yield f"| {panel.title} | {panel.question} | {panel.alert} |"


def main(arguments: Sequence[str]) -> int:
    """Write or check all files."""
    wrong = False
    for path, content in files().items():
        if path.is_file() and path.read_text(encoding="utf-8") == content:
            continue
        if "--check" in arguments:
            print(
                f"{path.relative_to(REPO)} is not up to date: run python -m tests.dashboards", file=sys.stderr
            )
            wrong = True
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
    return int(wrong)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
