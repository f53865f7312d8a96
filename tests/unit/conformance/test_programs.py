# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import io
import re
import tarfile
from pathlib import Path

import pytest

from lab.config import LabError
from tests.conformance import programs
from tests.conformance.programs import Programs

MADE = Programs("1.36.4", Path("/w/e2e.test"), Path("/w/ginkgo"), Path("/f/kubectl"))
SPEC = "[sig-network] DNS should resolve a.b (it's 50%), etc. [Conformance]"


def test_a_spec_is_matched_alone() -> None:
    # The subset of both syntaxes that the pattern uses means the same in Python and in Go.
    found = re.compile(programs.pattern(SPEC))

    assert found.search(f"Kubernetes e2e suite {SPEC}")
    assert not found.search(f"Kubernetes e2e suite {SPEC.replace('a.b', 'aab')}")
    assert not found.search(f"Kubernetes e2e suite {SPEC} [Slow]")
    # Go refuses an escaped letter, digit, blank or underscore that has no meaning to it.
    assert not re.search(r"\\[A-Za-z0-9_ ]", found.pattern)


def test_the_list_needs_no_cluster() -> None:
    assert programs.list_command(MADE, ["DNS"], Path("/w/list.xml")) == [
        "/w/e2e.test",
        "--ginkgo.dry-run",
        "--ginkgo.silence-skips",
        "--ginkgo.junit-report=/w/list.xml",
        "--ginkgo.label-filter=Conformance && !Serial && !Disruptive",
        "--ginkgo.focus=DNS",
    ]


def test_the_run_selects_the_same_specs_but_those_left_out() -> None:
    argv = programs.run_command(MADE, Path("/i/config"), 6, Path("/o/junit.xml"), ["DNS", "Pods"], ["[x] y"])

    assert argv[:3] == ["/w/ginkgo", "run", "--procs=6"]
    own, theirs = argv[: argv.index("/w/e2e.test")], argv[argv.index("--") + 1 :]
    assert [text for text in own if text.startswith(("--label-filter", "--focus", "--skip"))] == [
        "--label-filter=Conformance && !Serial && !Disruptive",
        "--focus=DNS",
        "--focus=Pods",
        r"--skip=^Kubernetes e2e suite \[x\] y$",
    ]
    # Ginkgo puts a report into its output directory by its name there.
    assert {"--output-dir=/o", "--junit-report=junit.xml"} <= set(own)
    assert {"--kubeconfig=/i/config", "--kubectl-path=/f/kubectl"} <= set(theirs)


def pack(archive: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(archive, "w:gz") as sink:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o644
            sink.addfile(entry, io.BytesIO(content))
    return archive


def test_two_programs_are_taken_out_of_upstream_s_archive(tmp_path: Path) -> None:
    members = {
        f"kubernetes/test/bin/{name}": name.encode() for name in ("e2e.test", "ginkgo", "e2e_node.test")
    }
    archive = pack(tmp_path / "tests.tar.gz", {**members, "kubernetes/README": b"x"})

    made = programs.unpack(archive, tmp_path / "made", "1.36.4", Path("/f/kubectl"))

    assert (made.e2e.read_bytes(), made.ginkgo.read_bytes()) == (b"e2e.test", b"ginkgo")
    assert sorted(path.name for path in (tmp_path / "made").iterdir()) == ["e2e.test", "ginkgo"]
    assert all(path.stat().st_mode & 0o777 == 0o755 for path in (made.e2e, made.ginkgo))


def test_an_archive_without_a_program_is_refused(tmp_path: Path) -> None:
    archive = pack(tmp_path / "tests.tar.gz", {"kubernetes/test/bin/e2e.test": b"x"})

    with pytest.raises(LabError, match="ginkgo"):
        programs.unpack(archive, tmp_path / "made", "1.36.4", Path("/f/kubectl"))
