# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that tests call: built when one needs them, and unpacked in the lab's cache."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console

from lab import artifacts
from lab.artifacts import catalogue
from lab.artifacts.archive import unpack
from lab.config import LabError, Paths, settings


def ensure(
    paths: Paths, console: Console, component: str, name: str, members: Sequence[str], top: bool = False
) -> tuple[str, Path]:
    """Build a release file, and unpack members of it.

    :param component: of the catalogue. :param name: of the directory, before its version.
    :param top: whether the members are in the only directory of the archive.
    :return: the version, and the directory that has the members.
    :raises LabError: when that is not possible; the message has the reasons.
    """
    artifact = catalogue.load().files[component]
    made = artifacts.ensure(paths, console, only=[component])
    archive = made.files_root / artifact.path
    directory = paths.cache / "tools" / f"{name}-{artifact.version}"
    # Complete or missing: it is unpacked elsewhere and renamed.
    if not directory.is_dir() or directory.stat().st_mtime < archive.stat().st_mtime:
        _unpack(archive, directory, members, top)
    return artifact.version, directory


def _unpack(archive: Path, directory: Path, members: Sequence[str], top: bool) -> None:
    directory.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory.parent) as scratch:
        unpack(archive, Path(scratch))
        source = Path(scratch)
        if top:
            (source,) = source.iterdir()
        whole = Path(scratch) / "whole"
        whole.mkdir()
        for name in members:
            (source / name).rename(whole / name)
        shutil.rmtree(directory, ignore_errors=True)
        whole.rename(directory)


def show(name: str, found: Callable[[Paths, Console], Sequence[Path]]) -> int:
    """Print paths, one on each line.

    :param name: of the program, for messages. :param found: builds and finds it.
    """
    try:
        lines = found(settings().paths, Console(stderr=True))
    except LabError as exc:
        print(f"{name}: {exc}", file=sys.stderr)
        return 1
    print(*lines, sep="\n")
    return 0
