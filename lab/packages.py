# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian packages of the machine that the lab and its tests use."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

from lab.config import LabError
from lab.run import run

#: For hosts, their network and the mirror. dnsmasq-base and not dnsmasq: the latter starts a service.
#: skopeo is what the playbook `mirror` copies images with, age decrypts backups.
HOSTS = (
    "age",
    "debian-archive-keyring",
    "dnsmasq-base",
    "iproute2",
    "mmdebstrap",
    "openssh-client",
    "skopeo",
    "systemd-container",
    "util-linux",
)
#: For building artifacts, beside Go: runc is linked with libseccomp, pause is C, images start from Debian
#: trees.
ARTIFACTS = (
    "ca-certificates",
    "debian-archive-keyring",
    "gcc",
    "libc6-dev",
    "libseccomp-dev",
    "mmdebstrap",
    "pkg-config",
    "zstd",
)
#: Seconds after which apt's package lists count as old.
STALE_LISTS = 7 * 24 * 3600


def install(names: Iterable[str]) -> None:
    """Install those of the packages that are missing.

    :param names: Debian packages.
    :raises LabError: apt failed.
    """
    names = list(names)
    listing = run(["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n"]).stdout
    missing = missing_packages(names, listing)
    if not missing:
        return
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    command = ["apt-get", "install", "-y", "--no-install-recommends", *missing]
    try:
        if _lists_old():
            run(["apt-get", "update"], env=quiet)
            run(command, env=quiet)
        elif run(command, env=quiet, check=False).returncode != 0:
            # A package that the lists name may have been replaced in the archive since.
            run(["apt-get", "update"], env=quiet)
            run(command, env=quiet)
    except LabError as exc:
        raise LabError(
            f"packages {', '.join(missing)} cannot be installed: {exc.message}",
            "check apt's configuration, install them yourself, then run the command again",
        ) from exc


def _lists_old() -> bool:
    lists = list(Path("/var/lib/apt/lists").glob("*Packages*"))
    return not lists or time.time() - max(file.stat().st_mtime for file in lists) > STALE_LISTS


def missing_packages(names: Iterable[str], listing: str) -> list[str]:
    """Those of the names that are not installed.

    :param listing: output of dpkg-query with one ``name status`` pair in each line.
    """
    installed = {line.split()[0] for line in listing.splitlines() if line.endswith(" installed")}
    return [name for name in dict.fromkeys(names) if name not in installed]
