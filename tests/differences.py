# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Differences between the audit and kube-bench on the same cluster: each is listed with its reason, or is a defect.

python -m tests.differences         write docs/cis-kube-bench.md
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

REPO = Path(__file__).resolve().parent.parent
DATA = REPO / "molecule" / "cis" / "files" / "differences.yml"
PAGE = REPO / "docs" / "cis-kube-bench.md"

PASS, FAIL = "pass", "fail"
#: Verdict of kube-bench on a check that it never evaluates.
SILENT = ""
#: Number of checks in its profile cis-1.12 that only have a text for manual review.
SILENT_CHECKS = 28
#: Places of differences: the cluster, and a part of it, workers by their init system.
PLACES = {
    "site/control_plane": "control plane of a cluster by `site`",
    "site/worker/systemd": "worker with systemd, of a cluster by `site`",
    "site/worker/openrc": "worker with OpenRC, of a cluster by `site`",
    "site/cluster": "API of a cluster by `site`",
    "stock/control_plane": "control plane by kubeadm alone",
    "stock/worker/systemd": "worker by kubeadm alone",
    "stock/cluster": "API of a cluster by kubeadm alone",
}
_FIELDS = {"id", "places", "kube_bench", "status", "literal", "reason"}


@dataclass(frozen=True, order=True)
class Difference:
    """Different verdicts on one check in one place.

    :param kube_bench: its verdict. :param status: our effective verdict. :param literal: our literal verdict.
    """

    place: str
    check: str
    kube_bench: str
    status: str
    literal: str

    def __str__(self) -> str:
        return (
            f"{self.place} {self.check}: kube-bench says {self.kube_bench}, the audit says {self.status}"
            f" (literally {self.literal})"
        )


@dataclass(frozen=True)
class Entry:
    """One entry of the file: the same difference, for the same reason, in several places."""

    check: str
    places: tuple[str, ...]
    kube_bench: str
    status: str
    literal: str
    reason: str

    def differences(self) -> Iterator[Difference]:
        for place in self.places:
            yield Difference(place, self.check, self.kube_bench, self.status, self.literal)


def load(path: Path = DATA) -> list[Entry]:
    """The known differences.

    :raises ValueError: when an entry is incomplete, not a difference, or a duplicate.
    """
    entries = []
    seen: set[tuple[str, str]] = set()
    for raw in yaml.safe_load(path.read_text(encoding="utf-8")):
        if set(raw) != _FIELDS:
            raise ValueError(f"{raw}: expected exactly {sorted(_FIELDS)}")
        entry = Entry(
            str(raw["id"]),
            tuple(raw["places"]),
            raw["kube_bench"],
            raw["status"],
            raw["literal"],
            raw["reason"],
        )
        twice = [place for place in entry.places if (entry.check, place) in seen]
        unknown = [place for place in entry.places if place not in PLACES]
        if twice or unknown or not entry.places:
            raise ValueError(f"{entry.check}: places that are unknown: {unknown}, or given twice: {twice}")
        if entry.kube_bench not in (PASS, FAIL) or entry.kube_bench == entry.status == entry.literal:
            raise ValueError(f"{entry.check}: that is not a difference")
        if len(entry.reason) < 20:
            raise ValueError(f"{entry.check}: no reason")
        seen |= {(entry.check, place) for place in entry.places}
        entries.append(entry)
    return entries


def kube_bench_verdicts(report: str) -> dict[str, str]:
    """kube-bench's verdict on each check, from its JSON.

    WARN is a failed test that is not scored, so it is a failure as well; a check that is marked as manual gets WARN
    without being evaluated, which is no verdict.

    :raises ValueError: for another status.
    """
    verdicts = {}
    for control in json.loads(report)["Controls"]:
        for group in control["tests"]:
            for test in group["results"]:
                verdicts[test["test_number"]] = _verdict(test)
    return verdicts


def _verdict(test: Mapping[str, Any]) -> str:
    if test.get("type") == "manual":
        return SILENT
    word = test["status"]
    if word == "PASS":
        return PASS
    if word == "FAIL" or (word == "WARN" and not test["scored"]):
        return FAIL
    raise ValueError(f"kube-bench says {word!r} of {test['test_number']}; expected PASS, FAIL or WARN")


def compare(
    place: str, kube_bench: Mapping[str, str], ours: Mapping[str, tuple[str, str]]
) -> set[Difference]:
    """The differences in one place, of kube-bench's verdict from either of our two verdicts.

    :param kube_bench: verdicts by check. :param ours: status and literal verdict by check.
    :raises ValueError: when the two do not have the same checks.
    """
    if set(kube_bench) != set(ours):
        raise ValueError(f"{place}: only one of both knows {sorted(set(kube_bench) ^ set(ours))}")
    return {
        Difference(place, check, said, *ours[check])
        for check, said in kube_bench.items()
        if said != SILENT and not said == ours[check][0] == ours[check][1]
    }


def verify(cluster: str, found: set[Difference], entries: list[Entry]) -> str:
    """Problems of the list for one cluster; empty when it is correct.

    :param cluster: first part of the places.
    """
    listed = {
        difference
        for entry in entries
        for difference in entry.differences()
        if difference.place.startswith(f"{cluster}/")
    }
    lines = [f"not listed: {difference}" for difference in sorted(found - listed)]
    lines += [f"listed, but not found: {difference}" for difference in sorted(listed - found)]
    return "\n".join(lines)


_HEAD = f"""# Comparison with kube-bench

<!-- Written by `python -m tests.differences` from molecule/cis/files/differences.yml. -->

[kube-bench](https://github.com/aquasecurity/kube-bench) is the best-known program for the CIS Kubernetes Benchmark.
The scenario `cis` compares its version 0.15.6 with the profile `cis-1.12`, which has the same checks as benchmark 2.0,
with [the audit](cis.md) on two clusters: one by the playbook `site`, and one by kubeadm alone. Both must have the same
verdict on every check on every host, effectively and literally, except for what this page lists. A difference that is
not listed, or one that is listed but not found, fails the test.

kube-bench never evaluates {SILENT_CHECKS} of the 131 checks (3.1, 3.2.2, 1.2.20 and most of section 5), so there is
nothing to compare. A failed test that it calls unscored (`WARN`) counts as a failure here.

| check | place | kube-bench | audit | reason |
|---|---|---|---|---|
"""


def page(entries: list[Entry]) -> str:
    """The page of the documentation."""
    rows = [
        f"| {entry.check} | {'; '.join(PLACES[place] for place in entry.places)} | {entry.kube_bench} |"
        f" {_ours(entry)} | {' '.join(entry.reason.split())} |"
        for entry in entries
    ]
    return _HEAD + "\n".join(rows) + "\n"


def _ours(entry: Entry) -> str:
    status = entry.status.replace("_", " ")
    return status if entry.status == entry.literal else f"{status}; literally {entry.literal}"


def main() -> int:
    PAGE.write_text(page(load()), encoding="utf-8")
    print(PAGE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
