# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Whether a host has to boot again. Pure: what was found on the host in, reasons out."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field

#: Words of a release that name another kind of kernel, which no update of this kind leads to.
_FLAVOURS = frozenset(
    """16k 64k aws azure cloud debug gcp hardened kvm kvmsmall lowlatency lts oem preempt realtime rt zen""".split()  # noqa: SIM905 - a line of words
)
_PARTS = re.compile(r"\d+|[a-z]+")
#: An image that was written while the host booted belongs to this boot.
_SLACK_SECONDS = 60.0


@dataclass(frozen=True)
class Kernel:
    """An installed kernel.

    :param release: as of C(uname -r). :param installed_at: when its file was put there, in seconds since the epoch.
    """

    release: str
    installed_at: float


@dataclass(frozen=True)
class Observed:
    """What was found on a host.

    :param running: release of the running kernel. :param booted_at: in seconds since the epoch.
    :param kernels: that are installed. :param loads_modules: whether the running kernel can load modules.
    :param has_modules: whether their directory is there.
    :param modules_changed_at: when a directory beside it was added or removed, C(None) when there is no such place.
    :param flags: file that asks for a reboot -> packages that did so.
    """

    running: str
    booted_at: float
    kernels: tuple[Kernel, ...] = ()
    loads_modules: bool = True
    has_modules: bool = True
    modules_changed_at: float | None = None
    flags: t.Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Reason:
    """Why a host has to boot again.

    :param kind: C(flag), C(newer_kernel), C(replaced_kernel) or C(modules_gone).
    """

    kind: str
    text: str

    def as_dict(self) -> dict[str, str]:
        return {"kind": self.kind, "text": self.text}


def sort_key(release: str) -> tuple[tuple[int, int, str], ...]:
    """Order of releases: numbers by value, C(rc) before what has none, more parts after fewer."""
    parts = [
        (2, int(part), "") if part.isdigit() else (-1 if part == "rc" else 1, 0, part)
        for part in _PARTS.findall(release.lower())
    ]
    # The end of a release: after a candidate, before everything else.
    return (*parts, (0, 0, ""))


def flavour(release: str) -> frozenset[str]:
    """What kind of kernel a release is, by the words that distributions mark it with."""
    words = {
        one for word in re.split(r"[^0-9a-z]+", release.lower()) for one in (word, word.rstrip("0123456789"))
    }
    return frozenset(words & _FLAVOURS)


def newest(running: str, kernels: t.Iterable[Kernel]) -> str:
    """Release of the newest of some kernels that are of the running one's kind; that one when none is newer."""
    same = [one.release for one in kernels if flavour(one.release) == flavour(running)]
    return max([running, *same], key=sort_key)


def _kernel_reasons(observed: Observed) -> t.Iterator[Reason]:
    # What was there when the host booted and was not chosen is not chosen the next time either: the boot loader has its
    # reasons. Otherwise a host with a pinned kernel would reboot in each run.
    since = [one for one in observed.kernels if one.installed_at > observed.booted_at + _SLACK_SECONDS]
    found = newest(observed.running, since)
    if found != observed.running:
        yield Reason(
            "newer_kernel",
            f"kernel {found} was installed after the last boot, and {observed.running} runs",
        )
    elif any(one.release == observed.running for one in since):
        yield Reason(
            "replaced_kernel",
            f"kernel {observed.running} was installed again after the last boot, and its former build runs",
        )


def reasons(observed: Observed) -> tuple[Reason, ...]:
    """Why the host has to boot again; none when it need not."""
    found = []
    for path, packages in sorted(observed.flags.items()):
        names = f" ({', '.join(packages)})" if packages else ""
        found.append(Reason("flag", f"{path} asks for it{names}"))
    found += _kernel_reasons(observed)
    # A kernel that never had a directory, as of a host that loads all modules from its initramfs, is none of ours.
    changed = observed.modules_changed_at
    if (
        observed.loads_modules
        and not observed.has_modules
        and changed is not None
        and changed > observed.booted_at + _SLACK_SECONDS
    ):
        found.append(
            Reason(
                "modules_gone",
                f"the modules of the running kernel {observed.running} were removed after the last boot, so that it"
                " can load no more",
            )
        )
    return tuple(found)
