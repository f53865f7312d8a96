# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Root file systems and single programs from Debian packages, none of which is installed on the machine."""

from __future__ import annotations

import os
import shlex
import shutil
from pathlib import Path

from lab import bases
from lab.artifacts.catalogue import Tree
from lab.config import LabError
from lab.run import run


def tree_command(tree: Tree, target: Path, mirror: str | None) -> list[str]:
    """The command that makes a tar of a tree.

    :param mirror: Debian archive; mmdebstrap's default when None.
    """
    command = [
        "mmdebstrap",
        "--mode=root",
        f"--variant={tree.variant}",
        f"--include={','.join(tree.packages)}",
        f"--keyring={bases.KEYRING}",
        '--aptopt=Acquire::Retries "3"',
        *(f"--dpkgopt=path-exclude={pattern}" for pattern in tree.exclude),
    ]
    # Commands and patterns are the shell's, and come from the catalogue, not from outside.
    command += [f'--customize-hook=chroot "$1" sh -ec {shlex.quote(text)}' for text in tree.run]
    if tree.remove:
        # Relative to the root.
        command.append(f'--customize-hook=cd "$1" && rm -rf -- {" ".join(tree.remove)}')
    command += [tree.suite, str(target)]
    return [*command, mirror] if mirror else command


def make_tree(tree: Tree, target: Path, log: Path) -> None:
    """Make the tar of a tree.

    :raises LabError: mmdebstrap failed; the message has the end of its output.
    """
    partial = target.with_name(f"{target.name}.part.tar")
    partial.unlink(missing_ok=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        # All files get the same time, so that the same packages give the same bytes.
        run(tree_command(tree, partial, bases.debian_mirror()), log=log, env={"SOURCE_DATE_EPOCH": "0"})
    except LabError as exc:
        partial.unlink(missing_ok=True)
        raise LabError(
            f"Debian tree {tree.name}: {exc.message}",
            f"check that the Debian mirror in apt's configuration is reachable; the whole output is in {log}",
        ) from exc
    os.replace(partial, target)


def unpack_package(name: str, target: Path, log: Path) -> None:
    """Download a package, checked by apt, and unpack it into a directory.

    :raises LabError: apt does not have it.
    """
    work = target.with_name(f".{target.name}.part")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    # apt drops root's rights for downloads and wants to write here.
    work.chmod(0o777)
    if run(["apt-get", "download", name], cwd=work, log=log, check=False).returncode != 0:
        run(["apt-get", "update"], log=log, check=False)
        run(["apt-get", "download", name], cwd=work, log=log)
    (package,) = work.glob(f"{name}_*.deb")
    root = work / "root"
    run(["dpkg-deb", "-x", package, root], log=log)
    shutil.rmtree(target, ignore_errors=True)
    os.replace(root, target)
    shutil.rmtree(work)
