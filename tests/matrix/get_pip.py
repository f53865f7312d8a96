# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Put pip into an empty virtual environment, with nothing but the package registry.

ansible-test makes its environments without pip and runs a script that it downloads from a server of its own, unless
it finds one under that name in its cache. This one takes its place: Python's bundled pip installs the wanted version.
"""

from __future__ import annotations

import subprocess
import sys

if __name__ == "__main__":
    # ansible-test names the packages with their versions, and options that the bundled pip has no need of.
    wanted = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    subprocess.run([sys.executable, "-m", "ensurepip"], check=True, stdout=subprocess.DEVNULL)
    install = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--quiet"]
    subprocess.run([*install, *wanted], check=True)
