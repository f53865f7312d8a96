# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What keepalived asks before a host may have the virtual IP address."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.handover import FLAG

SCRIPT = Path(__file__).resolve().parents[2] / "roles" / "api_endpoint" / "templates" / "check-api-server.j2"


@pytest.mark.parametrize(
    ("ready", "age", "allowed"),
    [
        (True, None, True),
        (False, None, False),
        # Another control plane should have it while the API server of this one restarts.
        (True, 5, False),
        # The run that left the file was killed.
        (True, 180, True),
        (False, 180, False),
    ],
)
def test_host_may_have_the_address(tmp_path: Path, ready: bool, age: int | None, allowed: bool) -> None:
    script = tmp_path / "check"
    curl = "/bin/true" if ready else "/bin/false"
    script.write_text(SCRIPT.read_text(encoding="utf-8").replace("{{ __api_endpoint_curl }}", curl))
    if age is not None:
        flag = Path(f"{tmp_path}{FLAG}")
        flag.parent.mkdir(parents=True)
        flag.touch()
        os.utime(flag, (time.time() - age,) * 2)
    done = subprocess.run(
        ["sh", "-eu", str(script), str(tmp_path)], capture_output=True, text=True, check=False, timeout=20
    )
    assert (done.returncode == 0, done.stderr) == (allowed, "")
