# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kubernetes' program of end-to-end specs, and the command lines that run it."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lab.artifacts import archive as archives

#: Ginkgo's labels (https://onsi.github.io/ginkgo/#spec-labels), which the specs have beside the tags in their text.
CONFORMANCE = "Conformance && !Serial && !Disruptive"
#: What Ginkgo puts before a spec's text when it compares it with an expression (its internal/focus.go).
SUITE = "Kubernetes e2e suite"
#: Seconds that Ginkgo lets all specs take together.
LIMIT = 3 * 3600
#: Where upstream's archive has the two programs.
_MEMBERS = {name: f"kubernetes/test/bin/{name}" for name in ("e2e.test", "ginkgo")}


@dataclass(frozen=True)
class Programs:
    """What runs the specs of one version of Kubernetes.

    :param version: as ``1.36.4``.
    :param e2e: the specs. :param ginkgo: what runs them in several processes. :param kubectl: of the same version.
    """

    version: str
    e2e: Path
    ginkgo: Path
    kubectl: Path


def unpack(archive: Path, directory: Path, version: str, kubectl: Path) -> Programs:
    """Take the programs out of an archive.

    :raises LabError: the archive lacks one.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory.parent) as scratch:
        archives.unpack(archive, Path(scratch), *_MEMBERS.values())
        made = {}
        for name, member in _MEMBERS.items():
            made[name] = (Path(scratch) / member).rename(directory / name)
            made[name].chmod(0o755)
    return Programs(version, made["e2e.test"], made["ginkgo"], kubectl)


def pattern(spec: str) -> str:
    """A regular expression of Go that matches a spec's text alone."""
    # Go's syntax (https://pkg.go.dev/regexp/syntax) allows a backslash before punctuation only; re.escape also quotes
    # blanks.
    quoted = re.sub(r"([^A-Za-z0-9_ ])", r"\\\1", spec)
    return f"^{SUITE} {quoted}$"


def select(focus: Iterable[str], skip: Iterable[str]) -> list[str]:
    """Arguments that select specs, without the prefix that the program itself wants.

    :param focus: regular expressions, one of which a spec must match; all specs without any.
    :param skip: texts of specs that do not run.
    """
    return [
        f"label-filter={CONFORMANCE}",
        *(f"focus={text}" for text in focus),
        *(f"skip={pattern(spec)}" for spec in skip),
    ]


def list_command(programs: Programs, focus: Iterable[str], report: Path) -> list[str]:
    """The command that lists specs in a JUnit report and runs none. It needs no cluster."""
    return [
        str(programs.e2e),
        "--ginkgo.dry-run",
        "--ginkgo.silence-skips",
        f"--ginkgo.junit-report={report}",
        *(f"--ginkgo.{text}" for text in select(focus, ())),
    ]


def run_command(
    programs: Programs,
    kubeconfig: Path,
    processes: int,
    report: Path,
    focus: Iterable[str] = (),
    skip: Iterable[str] = (),
) -> list[str]:
    """The command that runs specs.

    :param processes: how many run at once.
    :param report: the JUnit report that it writes.
    """
    return [
        str(programs.ginkgo),
        "run",
        f"--procs={processes}",
        f"--timeout={LIMIT}s",
        "--no-color",
        "--silence-skips",
        # One line for each spec that has passed, which progress is read from.
        "--force-newlines",
        f"--output-dir={report.parent}",
        f"--junit-report={report.name}",
        *(f"--{text}" for text in select(focus, skip)),
        str(programs.e2e),
        "--",
        f"--kubeconfig={kubeconfig}",
        f"--kubectl-path={programs.kubectl}",
        "--provider=local",
        # What it would collect after each failure takes minutes on a busy cluster.
        "--dump-logs-on-failure=false",
        "--disable-log-dump",
    ]
