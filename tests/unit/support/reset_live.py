# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a node of a private host, run node_reset on it, and print what it said. Never run it elsewhere."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from ansible_collections.baremetal.kubernetes.plugins.module_utils._artifact import record
from ansible_collections.baremetal.kubernetes.plugins.module_utils._artifact.record import PlacedFile, Record

from tests.unit.support.modules import run_module

UNIT = "/etc/systemd/system/containerd.service"
DISK = "/srv/disk"
VOLUMES = f"{DISK}/kubelet/pods/1/volumes"


def write(path: str, text: str = "x") -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text, encoding="utf-8")


def mount(kind: str, point: str, options: str = "") -> None:
    Path(point).mkdir(parents=True, exist_ok=True)
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.mount(b"site", point.encode(), kind.encode(), 0, options.encode()) == 0, point


def prepare() -> None:
    """The kubelet's directory is on another disk, with volumes, one of a server that is down. etcd is the site's."""
    write(UNIT, "# Managed by baremetal.kubernetes: x\n[Service]\nExecStart=/usr/local/bin/containerd\n")
    mount("tmpfs", DISK)
    write(f"{DISK}/precious")
    write(f"{DISK}/kubelet/config.yaml")
    os.symlink(f"{DISK}/kubelet", "/var/lib/kubelet")
    mount("tmpfs", f"{VOLUMES}/a b")
    mount("tmpfs", f"{VOLUMES}/deep/er")
    handle = os.open("/dev/fuse", os.O_RDWR)
    mount("fuse", f"{VOLUMES}/nfs", f"fd={handle},rootmode=40000,user_id=0,group_id=0")
    write("/secure/pki/ca.key")
    write("/etc/kubernetes/kubelet.conf")
    os.symlink("/secure/pki", "/etc/kubernetes/pki")
    write("/var/lib/etcd/member/snap/db")
    write("/etc/fstab", f"site {DISK}/kubelet/site\\040data/ tmpfs noauto\n")
    known = Record(
        files={UNIT: PlacedFile("container_runtime", "5" * 64)}, data={"/var/lib/kubelet": "kubelet"}
    )
    write(record.DEFAULT_PATH, record.render(known))


def main() -> None:
    """Refused first; then in check mode, in earnest, and again."""
    prepare()
    writes = f"handle = open('{DISK}/kubelet/site.db', 'w'); print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", writes], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as db:
        assert db.stdout
        db.stdout.readline()
        results = [run_module("node_reset", {})]
        db.communicate(b"\n")
    write("/etc/fstab", "")
    began = time.monotonic()
    results += [run_module("node_reset", {"grace": 1}, check=check) for check in (True, False, False)]
    left = {
        "seconds": time.monotonic() - began,
        "disk": sorted(os.listdir(DISK)),
        "kubelet": os.listdir("/var/lib/kubelet"),
        "link": os.readlink("/var/lib/kubelet"),
        "mounts": [
            line for line in Path("/proc/self/mountinfo").read_text().splitlines() if f" {DISK}/" in line
        ],
        "kept": [
            path for path in ("/secure/pki/ca.key", "/var/lib/etcd/member/snap/db") if os.path.exists(path)
        ],
        "etc": os.path.exists("/etc/kubernetes"),
    }
    json.dump({"results": results, "left": left}, sys.stdout)


if __name__ == "__main__":
    main()
