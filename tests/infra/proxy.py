# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian's HAProxy as the load balancer of a site."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from lab import packages
from tests.infra.waiting import wait_for

PROGRAM = Path("/usr/sbin/haproxy")
#: Asked by the scripts of a package whether its service may start; 101 means no (invoke-rc.d).
_POLICY = Path("/usr/sbin/policy-rc.d")


def install() -> None:
    """Install HAProxy where it is missing, without its service."""
    if PROGRAM.exists():
        return
    own = not _POLICY.exists()
    if own:
        _POLICY.write_text("#!/bin/sh\nexit 101\n", encoding="utf-8")
        _POLICY.chmod(0o755)
    try:
        packages.install(["haproxy"])
    finally:
        if own:
            _POLICY.unlink()


def configuration(listen: str, targets: Sequence[str], port: int, health: int = 0) -> str:
    """Of a proxy that tells its targets the client's address by the PROXY protocol.

    :param listen: its address and port. :param targets: addresses. :param port: of the targets.
    :param health: port of the targets that is asked for ``/ping``; without one, they are only connected to.
    """
    check = f"check inter 500ms fall 1 rise 1{f' port {health}' if health else ''}"
    servers = [
        f"    server target{number} {target}:{port} send-proxy-v2 {check}"
        for number, target in enumerate(targets, 1)
    ]
    # Health checks bring no PROXY header to a port of their own.
    asked = ["    option httpchk GET /ping"] if health else []
    return "\n".join(
        [
            "defaults",
            "    mode tcp",
            "    timeout connect 2s",
            "    timeout client 30s",
            "    timeout server 30s",
            "listen ingress",
            f"    bind {listen}",
            "    balance roundrobin",
            *asked,
            *servers,
            "",
        ]
    )


@contextlib.contextmanager
def running(directory: Path, text: str) -> Iterator[Path]:
    """HAProxy with a configuration while the block runs.

    :param directory: for its files.
    :return: its log.
    """
    install()
    config, log = directory / "haproxy.cfg", directory / "haproxy.log"
    config.write_text(text, encoding="utf-8")
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(PROGRAM), "-db", "-f", str(config)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_for("HAProxy runs", lambda: process.poll() is None and log.exists(), seconds=5)
        yield log
    finally:
        process.terminate()
        process.wait(timeout=10)
