# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Without the mirror: hosts cannot reach upstream, and the error says so.

Runs after the test that no host resolves an upstream name, because here one does.
"""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from lab.config import Settings
from lab.network import queries_log
from tests.infra.hosts import REPO, Host

DEST = "/tmp/kubectl-from-upstream"


def _upstream_file(component: str, version: str) -> dict[str, str]:
    """URL and published checksum of a release file, from the collection's lock file."""
    lock = yaml.safe_load((REPO / "roles/cluster/vars/main/releases.yml").read_text(encoding="utf-8"))
    release = lock["cluster_releases"][component]
    url = release["url"].format(version=version, arch="amd64")
    return {"url": url, "checksum": release["checksums"][version]["amd64"]}


@pytest.mark.parametrize("name", ["w1", "w2"])
def test_upstream_is_not_reachable(
    name: str, hosts: dict[str, Host], inventory: Path, variables: dict[str, str], lab: Settings
) -> None:
    file = {
        "name": "kubectl",
        "dest": DEST,
        **_upstream_file("kubectl", variables["cluster_kubernetes_version"]),
    }
    arguments = json.dumps({"files": [file], "retries": 0, "timeout": 10})
    done = subprocess.run(
        ["ansible", "-i", str(inventory), name, "-m", "baremetal.kubernetes.artifact", "-a", arguments],
        cwd=REPO,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    answer = done.stdout + done.stderr
    assert done.returncode != 0, answer
    assert "FAILED!" in answer and "kubectl" in answer and "dl.k8s.io" in answer, answer
    assert hosts[name].run(f"test -e {DEST}")[0] != 0
    queries = queries_log(lab.paths).read_text(encoding="utf-8")
    assert re.search(r"query\[\w+\] dl\.k8s\.io from ", queries), "the resolver got no query"
