# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel settings of the machine that the lab changes, and restores.

Hosts share the kernel's limits on inotify: each systemd, kubelet and containerd takes several instances,
and the default of 128 is for all processes of root together. All labs of a machine share the change; the
first one records the values before it, and the last one to go restores them.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from lab.config import Settings
from lab.run import write_atomic

#: Least values, by the setting's name below /proc/sys.
LEAST = {"fs/inotify/max_user_instances": 1024, "fs/inotify/max_user_watches": 524288}


@dataclass
class Note:
    """The values before, and the labs that need the change.

    :param values: earlier values.
    :param labs: state directories of the labs; one that no longer exists does not count.
    """

    values: dict[str, str] = field(default_factory=dict)
    labs: list[str] = field(default_factory=list)


def setting(name: str) -> Path:
    """The file of a kernel setting."""
    return Path("/proc/sys", name)


def raise_limits(settings: Settings) -> None:
    """Raise each limit that is lower than the lab needs; recorded first, so that `down` can restore it."""
    with _note(settings) as (note, file):
        own = str(settings.paths.state)
        if own not in note.labs:
            note.labs.append(own)
        for name, least in LEAST.items():
            if setting(name).exists() and int(setting(name).read_text()) < least:
                note.values.setdefault(name, setting(name).read_text().strip())
        write_atomic(file, json.dumps(asdict(note)))
        for name in note.values:
            if int(setting(name).read_text()) < LEAST[name]:
                setting(name).write_text(str(LEAST[name]))


def restore_limits(settings: Settings) -> None:
    """Restore the limits unless another lab still needs them."""
    with _note(settings) as (note, file):
        own = str(settings.paths.state)
        note.labs = [lab for lab in note.labs if lab != own and Path(lab).is_dir()]
        if note.labs:
            write_atomic(file, json.dumps(asdict(note)))
            return
        for name, value in note.values.items():
            with contextlib.suppress(OSError):
                setting(name).write_text(value)
        file.unlink(missing_ok=True)


@contextlib.contextmanager
def _note(settings: Settings) -> Iterator[tuple[Note, Path]]:
    """The record, which is in the cache because all labs share that, and its file."""
    file = settings.paths.cache / "machine.json"
    settings.paths.cache.mkdir(parents=True, exist_ok=True)
    with open(settings.paths.cache / "machine.lock", "a", encoding="utf-8") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        try:
            note = Note(**json.loads(file.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            note = Note()
        yield note, file
