# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Print where the lab keeps the kubectl that belongs to its cluster."""

from __future__ import annotations

import sys
from pathlib import Path

from lab.config import LabError, settings


def path() -> Path:
    """Where it is.

    :raises LabError: the lab has not put it there yet.
    """
    files = settings().paths.artifacts_cache / "files" / "dl.k8s.io" / "release"
    found = sorted(files.glob("*/bin/linux/*/kubectl"))
    if not found:
        raise LabError(
            f"kubectl: nothing below {files}; expected a file that `lab up` puts there: run `make lab`"
        )
    return found[-1]


def main() -> int:
    try:
        print(path())
    except LabError as exc:
        print(exc, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
