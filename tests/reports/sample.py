# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sample reports, also for manual review: python -m tests.reports.sample KIND DIRECTORY"""

from __future__ import annotations

import dataclasses
import datetime
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / ".venv" / "collections"))

from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.benchmark import profiles
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.report import (
    drift,
    exemptions,
    files,
    merge,
    model,
)

from tests.bench import simulate

NOW = datetime.datetime(2026, 11, 21, 20, 0, tzinfo=datetime.UTC)
#: Hosts by kind of report; `hostile` has malicious hosts.
KINDS = {"small": 3, "large": 500, "hostile": 2}
ATTACK = (
    "</script><script>window.attacked = 1</script><img src=x onerror='window.attacked = 2'> \"'&amp; \x1b[31m"
)
REASON = "It measures the network of the host."


def _decisions() -> list[dict[str, Any]]:
    common = {"profile": "cis-2.0", "owner": "Platform team", "expires": "2027-06-30"}
    covered = [check for check in profiles.PROFILES["cis-2.0"].checks if check.startswith(("4.2.", "5.2."))]
    return [
        *({**common, "id": check, "reason": REASON, "namespaces": ["monitoring"]} for check in covered),
        *(
            {**common, "id": check, "reason": "The lab is small.", "hosts": ["cp*", "w1"]}
            for check in covered
        ),
        {**common, "id": "1.1.12", "reason": "etcd runs as root here.", "expires": "2026-06-30"},
        {**common, "id": "1.1.1", "reason": "Never needed.", "hosts": ["nobody"]},
    ]


def _hosts(kind: str, seed: int) -> dict[str, Any]:
    if kind == "small":
        return {
            "cp1": simulate.host_result("cp1", seed=seed),
            "w1": simulate.host_result("w1", ("node",), seed),
            "w2": {"unreachable": True, "msg": "ssh: connect to host w2 port 22: Connection timed out"},
        }
    hosts: dict[str, Any] = {
        name: simulate.host_result(name, seed=seed) for name in simulate.names(KINDS[kind])
    }
    if kind == "hostile":
        hosts = {f"{ATTACK}{number}": result for number, result in enumerate(hosts.values())}
        for result in hosts.values():
            result["node"] = ATTACK
            for item in result["results"]:
                item["message"] += ATTACK
                for proof in item["evidence"]:
                    proof.update(dict.fromkeys(("source", "key", "observed", "expected", "subject"), ATTACK))
    return hosts


def report(kind: str, seed: int = 0) -> model.Report:
    """A report of one kind."""
    found, problems = exemptions.read_exemptions(_decisions())
    answer = {"id": "5.6.1", "statement": "Reviewed.", "owner": "Ann", "expires": "2027-06-30"}
    answers, more = exemptions.read_attestations([answer])
    if problems or more:
        raise ValueError(problems + more)
    return merge.merge(
        merge.Input(
            hosts=_hosts(kind, seed),
            expected={"w2": ["node"]} if kind == "small" else {},
            audit=simulate.cluster_result(seed, 60),
            cluster=ATTACK if kind == "hostile" else "prod-a",
            profile=profiles.PROFILES["cis-2.0"],
            time=NOW + datetime.timedelta(days=seed),
            tool_version="0.1.0",
            exemptions=found,
            attestations=answers,
        )
    )


def write(kind: str, directory: Path) -> None:
    """All files, compared with a report of the previous day."""
    before = drift.read("".join(files.FORMATS["json"].render(report(kind))))
    now = report(kind, 1)
    files.write(
        dataclasses.replace(now, drift=drift.compare(before, now)), str(directory), list(files.FORMATS)
    )


if __name__ == "__main__":
    write(sys.argv[1], Path(sys.argv[2]))
