# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host as a tree of files, with a /proc of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

HOST_NETWORK = "net:[4026531840]"
STATIC_UID = "bd7ed02d4b0b4021cbfb36fdbcc46e60"
POD_UID = "4b521e14-e605-4bd4-bcf5-ee9056ce7d03"


class Tree:
    """Makes files and processes below a directory."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.run(1, "/sbin/init", ["/sbin/init"])

    def file(self, path: str, text: str | bytes = "", mode: int = 0o600, under: str = "") -> Path:
        made = self.root / under.lstrip("/") / path.lstrip("/")
        made.parent.mkdir(parents=True, exist_ok=True)
        made.write_bytes(text if isinstance(text, bytes) else text.encode())
        made.chmod(mode)
        return made

    def link(self, path: str, target: str, under: str = "") -> None:
        made = self.root / under.lstrip("/") / path.lstrip("/")
        made.parent.mkdir(parents=True, exist_ok=True)
        made.symlink_to(target)

    def run(
        self,
        pid: int,
        exe: str | None,
        argv: Sequence[str] = (),
        *,
        group: str = "/system.slice/x.service",
        network: str = HOST_NETWORK,
        mounts: str = "",
        env: Mapping[str, str] | None = None,
        root: str = "",
        cwd: str = "/",
    ) -> None:
        """A process; its files are those of the host, or of a directory."""
        directory = self.root / "proc" / str(pid)
        (directory / "ns").mkdir(parents=True)
        (directory / "cmdline").write_bytes(b"".join(word.encode() + b"\0" for word in argv))
        (directory / "cgroup").write_text(f"1:name=systemd:{group}\n0::{group}\n")
        (directory / "mountinfo").write_text(mounts)
        (directory / "environ").write_text("".join(f"{key}={value}\0" for key, value in (env or {}).items()))
        (directory / "ns" / "net").symlink_to(network)
        (directory / "root").symlink_to(self.root / root.lstrip("/"))
        (directory / "cwd").symlink_to(cwd)
        if exe is not None:
            (directory / "exe").symlink_to(exe)
