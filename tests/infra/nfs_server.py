# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An NFS server on a host of the lab. nfs-ganesha serves, as the lab's kernel has no NFS server."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import yaml

from tests.infra.cluster import Cluster
from tests.infra.hosts import Host, run_lab
from tests.infra.playbook import Playbook, Run
from tests.infra.waiting import wait_for

EXPORT = "/srv/kubernetes"
SERVICE = "kubernetes-nfs-server"
PROGRAM = "/usr/bin/ganesha.nfsd"


class Server:
    """The NFS server on a host of the lab, by the playbook `nfs_server`."""

    def __init__(self, host: Host, address: str, playbook: Playbook, directory: Path) -> None:
        self.host = host
        self.address = address
        extra = directory / "nfs_server.yml"
        groups: dict[str, Any] = {"all": {"children": {"nfs_server": {"hosts": {host.name: {}}}}}}
        extra.write_text(yaml.safe_dump(groups), encoding="utf-8")
        self._inventory = ("-i", str(extra))
        self._playbook = replace(playbook, name="baremetal.kubernetes.nfs_server")
        self.values: dict[str, Any] = {
            "nfs_server_provider": "ganesha",
            "nfs_server_exports": [{"path": EXPORT}],
        }

    @classmethod
    def on(cls, host: Host, cluster: Cluster, playbook: Playbook, directory: Path) -> Self:
        """A host with nfs-ganesha, which nothing has configured yet.

        :param directory: for its inventory.
        """
        run_lab("install", host.name, "nfs-ganesha", "nfs-ganesha-vfs")
        address = cluster.nodes("status.addresses[?type=='InternalIP'] | [0].address")[host.name]
        return cls(host, address, playbook, directory)

    def apply(self, *arguments: str, **more: Any) -> Run:
        values = json.dumps({**self.values, **more})
        return self._playbook.run(*self._inventory, "--diff", *arguments, "-e", values, log="nfs_server.log")

    def pid(self) -> int:
        (pid,) = self.host.pids(PROGRAM)
        return pid

    def stop(self) -> None:
        """End it; nothing starts it again."""
        self.host.check(f"rc-service {SERVICE} stop")
        wait_for("the server is gone", lambda: not self.host.pids(PROGRAM), seconds=30)

    def start(self) -> None:
        self.host.check(f"rc-service {SERVICE} start")

    def content(self, path: str) -> str:
        return self.host.check(f"cat {EXPORT}/{path}")

    def exists(self, path: str) -> bool:
        return self.host.run(f"test -e {EXPORT}/{path}")[0] == 0
