# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Root file systems that the hosts share: Debian trixie, one with systemd, one with OpenRC. And how to make others.

A base is a directory in the cache, named after a hash of its recipe, and read-only for its users: each host
lays its own files over it (overlayfs).
"""

from __future__ import annotations

import contextlib
import fcntl
import glob
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from lab.config import Kind, LabError, Paths
from lab.run import run, write_atomic

SUITE = "trixie"
#: Where Debian's package debian-archive-keyring puts the keys of all suites.
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
#: Room for one base while it is built (packages, unpacked tree); measured 0.25 GB when done.
BYTES_PER_BASE = 700_000_000

#: What an ordinary server has that will become a Kubernetes node. Installing packages on a host is not
#: possible in the lab (there is no way out), so what the roles require of a distribution is here.
COMMON_PACKAGES = (
    "ca-certificates",
    "conntrack",
    "cron-daemon-common",
    "curl",
    "e2fsprogs",
    "ethtool",
    "iproute2",
    "ipset",
    "iptables",
    "iputils-ping",
    "keepalived",
    "kmod",
    "less",
    "libseccomp2",
    "logrotate",
    "mount",
    "netbase",
    "nftables",
    "openssh-server",
    "procps",
    "psmisc",
    "python3",
    "python3-apt",
    "socat",
    "sudo",
    "tzdata",
    "util-linux",
    "xz-utils",
    "zstd",
)

_NOTHING = """#!/usr/sbin/openrc-run
# The machine below takes care of this; other services only need to find the name.
description="Nothing to do in the lab"
depend() {
  # Debian's scripts name what they need without the ending.
  case $RC_SVCNAME in
    checkroot.sh) provide checkroot mtab ;;
    *.sh) provide "${RC_SVCNAME%.sh}" ;;
  esac
}
start() { return 0; }
stop() { return 0; }
"""

#: OpenRC sysinit services of Debian that touch hardware, mount over what the lab's init prepared, or wait for
#: either.
_NEUTRAL_SERVICES = (
    "brightness",
    "checkfs.sh",
    "checkroot-bootclean.sh",
    "checkroot.sh",
    "hwclock.sh",
    "kmod",
    "mount-configfs",
    "mountall.sh",
    "mountall-bootclean.sh",
    "mountdevsubfs.sh",
    "mountkernfs.sh",
    "mountnfs.sh",
    "mountnfs-bootclean.sh",
    "udev",
    "urandom",
)


@dataclass(frozen=True)
class Recipe:
    """How a base is made; its hash names the result.

    :param kind: what it is for; the first part of its name.
    :param packages: on top of Debian's essential ones and apt.
    :param files: text files by path; executable when they start with ``#!``.
    :param links: symbolic links by path.
    :param remove: shell patterns of paths to delete.
    :param commands: run in the new root, in this order, after all else.
    :param suite: Debian's release.
    """

    kind: str
    packages: tuple[str, ...]
    files: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    remove: tuple[str, ...] = ()
    commands: tuple[tuple[str, ...], ...] = ()
    suite: str = SUITE

    @property
    def name(self) -> str:
        parts = asdict(self)
        text = json.dumps([parts.pop("suite"), parts], sort_keys=True)
        return f"{self.kind}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


_COMMON_FILES = {
    "etc/ssh/sshd_config.d/lab.conf": (
        "PermitRootLogin prohibit-password\nPasswordAuthentication no\nUseDNS no\n"
    ),
    # Hosts have no route to other networks; an apt that fails at once is better than one that times out.
    "etc/apt/sources.list": "",
    "etc/hostname": "unset\n",
}
_COMMON_REMOVE = (
    "etc/ssh/ssh_host_*",
    "etc/machine-id",
    "var/lib/dbus/machine-id",
    "etc/apt/sources.list.d/*",
)

RECIPES: dict[Kind, Recipe] = {
    "systemd": Recipe(
        kind="systemd",
        packages=(*COMMON_PACKAGES, "dbus", "libpam-systemd", "systemd", "systemd-sysv"),
        files={
            **_COMMON_FILES,
            # Persistent as on a server, but small.
            "etc/systemd/journald.conf.d/lab.conf": "[Journal]\nStorage=persistent\nSystemMaxUse=64M\n",
        },
        links={
            f"etc/systemd/system/{unit}": "/dev/null"
            for unit in (
                "console-getty.service",
                "apt-daily.timer",
                "apt-daily-upgrade.timer",
                "e2scrub_all.timer",
                "e2scrub_reap.service",
                "systemd-networkd-wait-online.service",
            )
        },
        remove=_COMMON_REMOVE,
        commands=(("systemctl", "enable", "ssh.service"), ("systemctl", "set-default", "multi-user.target")),
    ),
    "openrc": Recipe(
        kind="openrc",
        packages=(
            *COMMON_PACKAGES,
            "initscripts",
            "openrc",
            "sysvinit-core",
            # openssh-server and cron need one that creates users; this one brings no systemd along.
            "systemd-standalone-sysusers",
        ),
        files={
            **_COMMON_FILES,
            **{f"etc/init.d/{name}": _NOTHING for name in _NEUTRAL_SERVICES},
            "etc/rc.conf": (
                'rc_sys="systemd-nspawn"\nrc_parallel="NO"\nrc_logger="YES"\nrc_cgroup_mode="none"\n'
            ),
            # Debian's commands talk to sysvinit; with OpenRC as PID 1 (as on Gentoo) these are OpenRC's.
            "usr/local/sbin/reboot": "#!/bin/sh\nexec openrc-shutdown --reboot now\n",
            "usr/local/sbin/poweroff": "#!/bin/sh\nexec openrc-shutdown --poweroff now\n",
        },
        # As on an OpenRC host, where the service mtab makes it. nfs-ganesha looks for file systems there.
        links={"etc/mtab": "../proc/self/mounts"},
        remove=(
            *_COMMON_REMOVE,
            "etc/runlevels/*/cgroups",
            "etc/runlevels/*/bootlogs",
            "etc/runlevels/*/sudo",
        ),
        commands=(("rc-update", "add", "ssh", "default"),),
    ),
}


def path(paths: Paths, kind: Kind) -> Path:
    """Where the base of a kind is, or will be."""
    return paths.bases / RECIPES[kind].name


def ensure(paths: Paths, kind: Kind) -> Path:
    """The base of a kind, built when it is not in the cache yet.

    :raises LabError: mmdebstrap failed; the message has the end of its output.
    """
    return make(paths.bases, RECIPES[kind])


def make(directory: Path, recipe: Recipe) -> Path:
    """The root file system of a recipe in a directory, built when it is not there yet.

    :raises LabError: mmdebstrap failed; the message has the end of its output.
    """
    target = directory / recipe.name
    if not target.is_dir():
        with _building(directory):
            # Another process may have built it meanwhile.
            if not target.is_dir():
                _build(directory, recipe, target)
    return target


@contextlib.contextmanager
def _building(directory: Path) -> Iterator[None]:
    """Lock a directory: one process at a time may build in it, as all labs share the cache."""
    directory.mkdir(parents=True, exist_ok=True)
    with open(directory / ".lock", "a", encoding="utf-8") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _build(directory: Path, recipe: Recipe, target: Path) -> None:
    if not KEYRING.exists():
        raise LabError(f"{KEYRING} is missing", "install the package debian-archive-keyring")
    partial = directory / f".{recipe.name}.partial"
    log = directory / f"{recipe.name}.log"
    _discard(partial)
    log.unlink(missing_ok=True)
    try:
        run(mmdebstrap_command(recipe, partial, debian_mirror()), log=log)
        customise(recipe, partial)
        for command in recipe.commands:
            run(["chroot", partial, *command], log=log)
    except LabError as exc:
        _discard(partial)
        raise LabError(
            f"base {recipe.kind}: {exc.message}",
            "check that the Debian mirror in apt's configuration is reachable and that the package "
            f"debian-archive-keyring is current; the whole output is in {log}",
        ) from exc
    os.replace(partial, target)


def mmdebstrap_command(recipe: Recipe, target: Path, mirror: str | None) -> list[str]:
    """The command that unpacks a recipe's packages into a directory."""
    command = [
        "mmdebstrap",
        "--mode=root",
        "--variant=minbase",
        f"--include={','.join(recipe.packages)}",
        f"--keyring={KEYRING}",
        '--aptopt=Acquire::Retries "3"',
        "--dpkgopt=path-exclude=/usr/share/man/*",
        "--dpkgopt=path-exclude=/usr/share/locale/*",
        "--dpkgopt=path-exclude=/usr/share/doc/*",
        "--dpkgopt=path-include=/usr/share/doc/*/copyright",
        recipe.suite,
        str(target),
    ]
    return [*command, mirror] if mirror else command


def debian_mirror() -> str | None:
    """The archive this machine's apt takes Debian from, None when it has none."""
    done = run(
        ["apt-get", "indextargets", "--format", "$(ORIGIN)|$(LABEL)|$(COMPONENT)|$(REPO_URI)"], check=False
    )
    return parse_mirror(done.stdout) if done.returncode == 0 else None


def parse_mirror(listing: str) -> str | None:
    """The first URL of Debian's main archive (not the security one) in apt's list of indexes."""
    for line in listing.splitlines():
        origin, label, component, address = line.split("|", 3)
        if (origin, label, component) == ("Debian", "Debian", "main"):
            return address.rstrip("/")
    return None


def customise(recipe: Recipe, root: Path) -> None:
    """Put a recipe's own files, links and removals into an unpacked root."""
    for pattern in recipe.remove:
        # Not Path.glob, which passes over links that lead nowhere as seen from outside the root.
        for found in glob.glob(pattern, root_dir=root):
            (root / found).unlink()
    for name, text in recipe.files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(file, text, mode=0o755 if text.startswith("#!") else 0o644)
    for name, destination in recipe.links.items():
        link = root / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(destination)


def use(paths: Paths, base: str, user: str, directory: Path) -> None:
    """Record that a host uses a base.

    :param base: the base's name.
    :param user: the host, unique among all labs.
    :param directory: the host's own files; the record counts as long as they exist.
    """
    write_atomic(paths.bases / "users" / base / user, f"{directory}\n")


def users(paths: Paths, base: str = "*") -> list[Path]:
    """Directories of existing hosts, of all labs, that use a base (or any)."""
    notes = sorted((paths.bases / "users").glob(f"{base}/*"))
    directories = [Path(note.read_text(encoding="utf-8").strip()) for note in notes]
    return [directory for directory in directories if directory.is_dir()]


def prune(paths: Paths) -> list[Path]:
    """Remove bases of older recipes that no host uses, and what interrupted builds left.

    :return: what was removed.
    """
    current = {recipe.name for recipe in RECIPES.values()}
    removed = []
    with _building(paths.bases):
        for entry in sorted(paths.bases.iterdir()):
            name = entry.name.removesuffix(".log")
            if name in (".lock", "users") or name in current or users(paths, name):
                continue
            if entry.is_dir():
                _discard(entry)
            else:
                entry.unlink()
            removed.append(entry)
    return removed


def _discard(directory: Path) -> None:
    if not directory.exists():
        return
    # mmdebstrap mounts /proc, /sys and devices into the tree while it works, and may have been killed.
    points = [
        line.split()[4] for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    ]
    for point in reversed(points):
        if Path(point).is_relative_to(directory) and Path(point) != directory:
            run(["umount", "--lazy", point])
    shutil.rmtree(directory)
