# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Save the lab's cluster, or go back to a saved one, and wait until it is ready.

python -m tests.infra.snapshots save NAME
python -m tests.infra.snapshots restore NAME
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import yaml

from lab.config import settings
from tests.infra.cluster import Cluster, now, running_and_ready
from tests.infra.waiting import wait_for

REPO = Path(__file__).resolve().parents[2]
#: Seconds that a cluster may take from power-on to ready.
READY = 300


def waiting(cluster: Cluster, since: object) -> list[str]:
    """What is not ready yet. Conditions and leases of before the loss of power do not count."""
    nodes = [
        f"node {name}"
        for name in cluster.nodes()
        if not (cluster.alive_since(name, since) and cluster.ready(name))  # type: ignore[arg-type]
    ]
    pods = [f"pod {name}" for name, pod in cluster.pods("kube-system").items() if not running_and_ready(pod)]
    return nodes + pods


def main(argv: Sequence[str]) -> int:
    """Run what the command line says.

    :return: 0 when all nodes and pods of kube-system are ready, 1 when a step failed, 2 for a wrong command line.
    """
    if len(argv) != 2 or argv[0] not in ("save", "restore"):
        print(f"usage: tests.infra.snapshots save|restore NAME, found {' '.join(argv)!r}", file=sys.stderr)
        return 2
    began = time.monotonic()
    moment = now()
    if code := subprocess.run([sys.executable, "-m", "lab", *argv], cwd=REPO, check=False).returncode:
        return code
    lab = settings()
    defaults = (REPO / "roles" / "cluster" / "defaults" / "main.yml").read_text(encoding="utf-8")
    name = yaml.safe_load(defaults)["cluster_name"]
    cluster = Cluster(lab.paths.inventory / ".credentials" / f"{name}.kubeconfig")

    def ready() -> bool:
        found = waiting(cluster, moment)
        if found:
            raise RuntimeError(f"waiting for {', '.join(found)}")
        return True

    try:
        wait_for("the cluster is ready", ready, seconds=READY)
    except AssertionError as exc:
        print(f"lab {argv[0]} {argv[1]}: {exc}", file=sys.stderr)
        return 1
    print(f"the cluster is ready {time.monotonic() - began:.1f} s after `lab {argv[0]}` began")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
