# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Install Debian packages on a running host, which has no route to an archive: the machine downloads them for it."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from lab import bases, host
from lab.artifacts.catalogue import digest
from lab.config import LabError, Paths, Settings
from lab.run import run
from lab.state import HostRecord

#: Asked by maintainer scripts before they start a service: what starts on a host is up to who configures it.
_POLICY = "/usr/sbin/policy-rc.d"
_DOWNLOAD = """
set -eu
mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" "$2/root"
mount --rbind /dev "$2/root/dev"
mount -t proc proc "$2/root/proc"
cp /etc/resolv.conf "$2/root/etc/resolv.conf"
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $3 $4 main" >"$2/root/etc/apt/sources.list"
shift 4
chroot "$WORK/root" apt-get --quiet update
chroot "$WORK/root" apt-get --quiet --yes --no-install-recommends --download-only install "$@"
"""
_INSTALL = f"""
set -eu
directory=$(mktemp -d)
trap 'rm -rf "$directory" {_POLICY}' EXIT
tar -x -C "$directory"
printf '#!/bin/sh\\nexit 101\\n' >{_POLICY}
chmod 755 {_POLICY}
DEBIAN_FRONTEND=noninteractive dpkg --install --force-confdef --force-confold "$directory"/*.deb
"""


def cache(paths: Paths, base: str, names: Sequence[str]) -> Path:
    """Where the packages of a call are kept."""
    return paths.cache / "debs" / f"{base}-{digest(sorted(names))}"


def download(paths: Paths, base: str, names: Sequence[str]) -> list[Path]:
    """Packages, and what they depend on and a base lacks, checked by the base's own apt.

    :param base: name of the base.
    :raises LabError: the archive does not have them, or cannot be reached.
    """
    target = cache(paths, base, names)
    if not target.is_dir():
        mirror = bases.debian_mirror()
        if mirror is None:
            raise LabError(
                "this machine's apt has no Debian archive", "add one to its configuration (sources.list(5))"
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        log = target.with_suffix(".log")
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".debs.") as directory:
            work = Path(directory)
            for part in ("upper", "work", "root"):
                (work / part).mkdir()
            arguments = [str(paths.bases / base), directory, mirror, bases.SUITE, *names]
            # Of its own mount namespace, so that nothing is left when it is interrupted.
            run(
                ["unshare", "--mount", "--propagation", "private", "sh", "-c", _DOWNLOAD, "sh", *arguments],
                env={"WORK": directory, "DEBIAN_FRONTEND": "noninteractive"},
                log=log,
            )
            found = work / "found"
            found.mkdir()
            for file in (work / "upper/var/cache/apt/archives").glob("*.deb"):
                shutil.copy2(file, found)
            try:
                found.rename(target)
            except OSError:
                # Another lab has downloaded the same packages meanwhile.
                if not target.is_dir():
                    raise
    return sorted(target.glob("*.deb"))


def install(settings: Settings, record: HostRecord, names: Sequence[str]) -> list[str]:
    """Install packages on a running host; their services are not started.

    :return: names of the files that were installed.
    :raises LabError: they cannot be downloaded or installed.
    """
    files = download(settings.paths, record.base, names)
    if not files:
        return []
    command = host.ssh_command(settings, record, ["sh", "-c", _INSTALL])
    packed = ["tar", "-c", "-C", str(files[0].parent), *(file.name for file in files)]
    with subprocess.Popen(packed, stdout=subprocess.PIPE) as source:
        done = subprocess.run(command, stdin=source.stdout, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabError(
            f"{record.name}: dpkg ended with {done.returncode} for {shlex.join(names)}:\n"
            + (done.stdout + done.stderr)[-2000:],
            "correct the names of the packages, or the host's state",
        )
    print(done.stderr, end="", file=sys.stderr)
    return [file.name for file in files]
