# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build the documentation: the pages of `docs/` and a reference of modules, filters and roles, as HTML.

    python -m tests.docs [DIRECTORY]    DIRECTORY is build/docs by default

Every warning is an error. Nothing is fetched from a network.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
COLLECTION = "baremetal.kubernetes"
REFERENCE = [
    "--use-current",
    "--squash-hierarchy",
    "--fail-on-error",
    "--cleanup",
    "everything",
    "--no-indexes",
]


def build(output: Path) -> None:
    """Build all pages.

    :param output: directory that receives them; replaced when the build succeeds.
    :raises subprocess.CalledProcessError: a page has a warning, or the documentation of a plugin is not
        right.
    """
    with tempfile.TemporaryDirectory(prefix="bmk-docs-") as work:
        # A copy, for the reference is written between the pages.
        source, pages = Path(work, "source"), Path(work, "html")
        shutil.copytree(REPO / "docs", source, ignore=shutil.ignore_patterns("__pycache__"))
        reference = source / "reference"
        reference.mkdir(mode=0o755)
        environment = {
            **os.environ,
            "ANSIBLE_CONFIG": str(REPO / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": str(REPO / ".venv" / "collections"),
            "LC_ALL": "C.UTF-8",
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        }
        _run(
            [str(BIN / "antsibull-docs"), "collection", *REFERENCE, "--dest-dir", str(reference), COLLECTION],
            environment,
        )
        _run(
            [str(BIN / "sphinx-build"), "-q", "-W", "--keep-going", "-b", "html", str(source), str(pages)],
            environment,
        )
        shutil.rmtree(pages / ".doctrees", ignore_errors=True)
        shutil.rmtree(output, ignore_errors=True)
        output.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(pages, output)


def _run(argv: Sequence[str], environment: dict[str, str]) -> None:
    subprocess.run(argv, cwd=REPO, env=environment, stdin=subprocess.DEVNULL, check=True)


def main(arguments: Sequence[str]) -> int:
    """Build into the given directory, and print where the first page is."""
    output = Path(arguments[0]) if arguments else REPO / "build" / "docs"
    try:
        build(output.resolve())
    except subprocess.CalledProcessError as exc:
        print(
            f"`{Path(exc.cmd[0]).name}` ended with code {exc.returncode}; its messages are above.",
            file=sys.stderr,
        )
        return 1
    print(f"The documentation is {output / 'index.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
