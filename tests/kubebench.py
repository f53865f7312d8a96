# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""kube-bench, with which the audit is compared: built when a test needs it, and kept in the lab's cache."""

from __future__ import annotations

import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from lab import artifacts
from lab.artifacts import catalogue
from lab.artifacts.archive import unpack
from lab.config import LabError, Paths, settings

NAME = "kube_bench"


@dataclass(frozen=True)
class KubeBench:
    """Paths of the program.

    :param binary: the program, static. :param definitions: the directory for its ``--config-dir``.
    """

    version: str
    binary: Path
    definitions: Path


def ensure(paths: Paths, console: Console) -> KubeBench:
    """Build the program, and unpack it with its definitions.

    :raises LabError: when that is not possible; the message has the reasons.
    """
    artifact = catalogue.load().files[NAME]
    made = artifacts.ensure(paths, console, only=[NAME])
    archive = made.files_root / artifact.path
    directory = paths.cache / "tools" / f"kube-bench-{artifact.version}"
    found = KubeBench(artifact.version, directory / "kube-bench", directory / "cfg")
    # Complete or missing: it is unpacked elsewhere and renamed.
    if not directory.is_dir() or directory.stat().st_mtime < archive.stat().st_mtime:
        _unpack(archive, directory)
    return found


def _unpack(archive: Path, directory: Path) -> None:
    directory.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory.parent) as scratch:
        unpack(archive, Path(scratch))
        whole = Path(scratch) / "whole"
        whole.mkdir()
        for name in ("kube-bench", "cfg"):
            (Path(scratch) / name).rename(whole / name)
        shutil.rmtree(directory, ignore_errors=True)
        whole.rename(directory)


def main() -> int:
    """Print both paths."""
    try:
        found = ensure(settings().paths, Console(stderr=True))
    except LabError as exc:
        print(f"kube-bench: {exc}", file=sys.stderr)
        return 1
    print(found.binary, found.definitions, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
