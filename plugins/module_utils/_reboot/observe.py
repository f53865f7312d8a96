# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Read from a host what tells whether it has to boot again. All paths are below a root directory."""

from __future__ import annotations

import contextlib
import glob
import os
import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._daemon.manager import start_time
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node.membership import read_text, under
from ansible_collections.baremetal.kubernetes.plugins.module_utils._reboot.plan import Kernel, Observed

#: Files by which package managers ask for a reboot: Debian's and Ubuntu's, and SUSE's.
FLAGS = ("/run/reboot-required", "/run/reboot-needed")
_PACKAGES = ".pkgs"
MODULES = "/lib/modules"
_BOOT_ID = "/proc/sys/kernel/random/boot_id"
#: Where images of kernels are, R standing for the release: Debian, RHEL, SUSE and Gentoo; Arch and RHEL beside the
#: modules; boot loader entries, and unified images, of systemd's kernel-install.
_IMAGES = (
    "/boot/vmlinuz-R",
    "/boot/vmlinux-R",
    "/boot/Image-R",
    "/boot/kernel-R",
    "/boot/kernel-genkernel-*-R",
    "/lib/modules/R/vmlinuz",
    "/boot/*/R/linux",
    "/efi/*/R/linux",
    "/boot/efi/*/R/linux",
    "/boot/EFI/Linux/*R.efi",
    "/efi/EFI/Linux/*R.efi",
    "/boot/efi/EFI/Linux/*R.efi",
)
_BY_NAME = ("/boot/vmlinuz-", "/boot/vmlinux-", "/boot/Image-", "/boot/kernel-")


def _changed_at(path: str) -> float | None:
    """When a file was put where it is. Its modification time would be that of its build."""
    with contextlib.suppress(OSError):
        return os.stat(path).st_ctime
    return None


def _image(root: str, release: str) -> float | None:
    """When the image of a release was put there, C(None) when none is found."""
    patterns = [under(glob.escape(root), pattern.replace("R", glob.escape(release))) for pattern in _IMAGES]
    found = [_changed_at(path) for pattern in patterns for path in glob.glob(pattern)]
    return max((one for one in found if one is not None), default=None)


def _releases(root: str) -> set[str]:
    """Releases that have modules or, as a kernel without any has none, an image with their name."""
    found = set()
    with contextlib.suppress(OSError):
        found |= {
            name
            for name in os.listdir(under(root, MODULES))
            if os.path.exists(under(root, f"{MODULES}/{name}/modules.dep"))
        }
    for prefix in _BY_NAME:
        for path in glob.glob(f"{glob.escape(under(root, prefix))}*"):
            name = path[len(under(root, prefix)) :]
            # Arch's vmlinuz-linux, a rescue image, and what was kept of the last one.
            if name[:1].isdigit() and not name.endswith((".old", ".bak", ".sig", ".hmac")):
                found.add(name)
    return found


def kernels(root: str, running: str) -> tuple[Kernel, ...]:
    """The installed kernels.

    A release without an image is no kernel that could boot, unless that of the running one is not found either, as on
    hosts whose /boot is not mounted: then the index of its modules tells when it was installed.
    """
    images = {release: _image(root, release) for release in sorted(_releases(root) | {running})}
    mounted = images[running] is not None
    found = []
    for release, at in images.items():
        when = at if mounted else at or _changed_at(under(root, f"{MODULES}/{release}/modules.dep"))
        if when is not None:
            found.append(Kernel(release, when))
    return tuple(found)


def _flags(root: str) -> dict[str, tuple[str, ...]]:
    found = {}
    for path in FLAGS:
        if os.path.exists(under(root, path)):
            listed = (read_text(root, path + _PACKAGES) or "").split()
            found[path] = tuple(dict.fromkeys(listed))
    return found


def boot_id(root: str) -> str:
    """The id of this boot, which the kubelet reports as well; empty when it cannot be read."""
    return (read_text(root, _BOOT_ID) or "").strip()


def observe(root: str, running: str) -> Observed:
    """What tells whether the host has to boot again.

    :param running: release of the running kernel.
    """
    booted_at = start_time(1, root)
    return Observed(
        running=running,
        # Without it, nothing counts as newer than this boot.
        booted_at=float("inf") if booted_at is None else booted_at,
        kernels=kernels(root, running),
        loads_modules=os.path.exists(under(root, "/proc/modules")),
        has_modules=os.path.isdir(under(root, f"{MODULES}/{running}")),
        modules_changed_at=_changed_at(under(root, MODULES)),
        flags=_flags(root),
    )


def reboot_command(root: str) -> str:
    """The command that reboots where C(shutdown) does not, empty elsewhere.

    OpenRC's own init does not listen to sysvinit's C(shutdown), which distributions may install beside it.
    """
    init = (read_text(root, "/proc/1/comm") or "").strip()
    if init == "openrc-init":
        for path in ("/sbin/openrc-shutdown", "/usr/sbin/openrc-shutdown"):
            if os.access(under(root, path), os.X_OK):
                return f"{path} --reboot now"
    return ""


def shown(observed: Observed) -> dict[str, t.Any]:
    """The installed kernels as a return value."""
    return {"running": observed.running, "installed": [one.release for one in observed.kernels]}
