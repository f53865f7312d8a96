# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the operations after the creation of a cluster take, each beside its bare path where there is one.

Both paths of an operation start from the same snapshot, so that they find the same hosts, files and pods.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace

from lab import host
from lab.config import Settings
from lab.state import HostRecord
from tests.bench import plan
from tests.bench.labs import fresh, one_file, run_lab, snapshot
from tests.bench.measure import BenchError, Lab
from tests.bench.phases import Phases
from tests.infra import age
from tests.infra.fixtures import NEXT, next_version

#: The worker that joins and leaves, with systemd like the one that is upgraded.
JOINING, UPGRADED = "w3", "w1"
#: What a host and the controller encrypt with.
AGE = "/usr/bin/age"


def artifacts() -> None:
    """Have the lab serve the version that a node is upgraded to; made from source the first time.

    :raises BenchError: it cannot be had.
    """
    run_lab("artifacts", NEXT)


def _install(settings: Settings, record: HostRecord, program: str) -> None:
    """Copy a program of this machine, as hosts of the lab cannot install packages."""
    target = f"/usr/local/bin/{program.rpartition('/')[2]}"
    argv = host.ssh_command(settings, record, ["sh", "-c", f"cat > {target} && chmod 0755 {target}"])
    with open(program, "rb") as content:
        done = subprocess.run(argv, stdin=content, capture_output=True, check=False, timeout=60)
    if done.returncode != 0:
        raise BenchError(f"{record.name}: {program} cannot be copied: {done.stderr.decode(errors='replace')}")


class Lifecycle:
    """The operations of one round, on the cluster that `site` has created last.

    :param phases: whose plan has been captured from that cluster.
    :param number: of the round.
    :param arch: Go's name of the hosts' architecture.
    """

    def __init__(self, phases: Phases, number: int, arch: str) -> None:
        self.phases = phases
        self.wanted = phases.wanted
        self.number = number
        self.arch = arch
        self.site = plan.Site.load(self.wanted.paths.inventory)

    def _playbook(self, lab: Lab, name: str, playbook: str, *arguments: str) -> None:
        self.phases.playbook(lab, name, self.number, playbook, *arguments)

    def _script(self, lab: Lab, name: str, script: str, *arguments: str) -> None:
        self.phases.script(lab, name, self.number, script, *arguments)

    def run(self) -> None:
        """All of them. Afterwards the lab has a cluster that was restored.

        :raises BenchError: one failed.
        :raises RuntimeError: a host did not answer as expected.
        """
        lab = snapshot(self.wanted, "save", "created")
        archive = self.backup(lab)
        self.add_and_remove()
        self.upgrade(snapshot(self.wanted, "restore", "created"))
        # Last, as new hosts are a new lab.
        lab = fresh(self.wanted)
        self._playbook(lab, "restore on empty hosts", "restore", *archive)

    def backup(self, lab: Lab) -> tuple[str, ...]:
        """Back up, and go back to that.

        :return: the arguments of a restore.
        """
        (first,) = [record for record in lab.hosts if record.role == "control_plane"]
        _install(self.wanted, first, AGE)
        directory = self.phases.work / f"backup-{self.number}"
        directory.mkdir()
        identity = directory / "key"
        recipient = age.recipient(identity)
        options = {
            "etcd_backup_recipients": [recipient],
            "etcd_backup_destination": str(directory),
            "etcd_backup_packages_managed": False,
        }
        self._playbook(lab, "backup", "backup", "-e", json.dumps(options))
        self._script(lab, "backup", "backup", recipient)
        values = {
            "restore_archive": str(one_file(directory, "*.tar.gz.age")),
            "restore_identity": str(identity),
            "restore_confirm": self.site.cluster_name,
        }
        restore = ("-e", json.dumps(values))
        self._playbook(lab, "roll back", "restore", *restore)
        return restore

    def add_and_remove(self) -> None:
        """A worker joins and leaves, by each path."""
        snapshot(self.wanted, "restore", "created")
        run_lab("add", JOINING, "--kind", "systemd", "--role", "worker")
        lab = snapshot(self.wanted, "save", "waiting")
        self._playbook(lab, "add a worker", "add_node", "--limit", JOINING)
        (joined,) = [record for record in lab.hosts if record.name == JOINING]
        plan.capture_host(self.wanted, joined, self.phases.plan)
        plan.write_addresses(lab.hosts, self.phases.plan)
        self._playbook(lab, "remove a worker", "remove_node", "-e", f"node_remove_confirm={JOINING}")
        lab = snapshot(self.wanted, "restore", "waiting")
        self._script(lab, "add a worker", "add", JOINING)
        self._script(lab, "remove a worker", "remove", JOINING)

    def upgrade(self, lab: Lab) -> None:
        """A control plane, and then a worker by each path. The backup before it is a phase of its own."""
        version = next_version()
        arguments = ("-e", json.dumps({"cluster_kubernetes_version": version, "upgrade_backup": False}))
        self._playbook(lab, "upgrade the control plane", "upgrade", *arguments, "--limit", "control_plane")
        lab = snapshot(self.wanted, "save", "upgraded")
        self._playbook(lab, "upgrade a worker", "upgrade", *arguments, "--limit", UPGRADED)
        lab = snapshot(self.wanted, "restore", "upgraded")
        changed = replace(self.site, variables={**self.site.variables, "cluster_kubernetes_version": version})
        settings = self.phases.plan / "settings.sh"
        former = settings.read_text(encoding="utf-8")
        settings.write_text(plan.settings_text(changed, lab.hosts, self.arch), encoding="utf-8")
        try:
            self._script(lab, "upgrade a worker", "upgrade", UPGRADED)
        finally:
            settings.write_text(former, encoding="utf-8")
