# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""The collection's record on a host: what archives hold, and which files and directories a component has placed.

An installed archive need not be downloaded again to be compared, and a reset removes what is recorded and nothing else.
The functions are pure; C(journal) reads and writes the file.
"""

from __future__ import annotations

import json
import typing as t
from dataclasses import dataclass, field, replace

from ansible_collections.baremetal.kubernetes.plugins.module_utils._artifact.model import (
    Contents,
    MemberFacts,
)

FORMAT = 3
DEFAULT_PATH = "/var/lib/baremetal-kubernetes/artifacts.json"


@dataclass(frozen=True)
class PlacedFile:
    """A file that a component of the collection has placed.

    :param sha256: of what is in place, empty until it was placed for the first time.
    :param pending: of what an interrupted call was about to place, empty otherwise.
    :param release: whether it is a release file, and not one of given content.
    """

    component: str
    sha256: str = ""
    pending: str = ""
    release: bool = False

    @property
    def digests(self) -> tuple[str, ...]:
        """SHA-256 of what may be in place."""
        return tuple(digest for digest in (self.sha256, self.pending) if digest)


@dataclass(frozen=True)
class Record:
    """What the record holds, in the order in which it was recorded.

    :param archives: checksum of an archive -> its regular files.
    :param files: path -> the file. :param directories: path of a directory that was created -> its component.
    :param data: path of a directory that was created or found empty -> the component whose data is in it.
    :param temporary: directories in which a call keeps unfinished files while it is at work.
    :param damaged: the file is there and cannot be read.
    """

    archives: t.Mapping[str, Contents] = field(default_factory=dict)
    files: t.Mapping[str, PlacedFile] = field(default_factory=dict)
    directories: t.Mapping[str, str] = field(default_factory=dict)
    data: t.Mapping[str, str] = field(default_factory=dict)
    temporary: tuple[str, ...] = ()
    damaged: bool = False


@dataclass(frozen=True)
class Placement:
    """What one call places for a component.

    :param files: path -> SHA-256; empty while only a download could tell.
    :param changing: those of C(files) that are replaced. :param releases: those that are release files.
    :param created: directories that are created. :param data: those for data that are created or empty.
    :param removed: files that are removed.
    """

    component: str
    files: t.Mapping[str, str]
    changing: frozenset[str] = frozenset()
    releases: frozenset[str] = frozenset()
    created: tuple[str, ...] = ()
    data: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


def announce(record: Record, placement: Placement) -> Record:
    """The record while the placement is at work: a run that is killed leaves no file that the record does not know."""
    files = dict(record.files)
    for path in placement.files:
        if path in placement.changing:
            files[path] = PlacedFile(
                placement.component,
                files[path].sha256 if path in files else "",
                placement.files[path],
                path in placement.releases,
            )
    created = dict.fromkeys(placement.created, placement.component)
    data = dict.fromkeys(placement.data, placement.component)
    return replace(
        record,
        files=files,
        directories={**record.directories, **created},
        data={**data, **record.data},
    )


def complete(record: Record, placement: Placement, archives: t.Mapping[str, Contents]) -> Record:
    """The record once everything of the placement is in place."""
    files = dict(record.files)
    for path, digest in placement.files.items():
        files[path] = PlacedFile(placement.component, digest, "", path in placement.releases)
    for path in placement.removed:
        files.pop(path, None)
    created = dict.fromkeys(placement.created, placement.component)
    return replace(
        record,
        archives={**record.archives, **archives},
        files=files,
        directories={**record.directories, **created},
        data={**dict.fromkeys(placement.data, placement.component), **record.data},
        temporary=(),
    )


def reconcile(
    record: Record,
    before: Record,
    placement: Placement,
    digests: t.Mapping[str, str],
    present: t.Collection[str],
) -> Record:
    """The record after a placement that failed: what was put back is as before, what did get into place is recorded.

    :param digests: path -> SHA-256 of what is there now. :param present: directories that are there now.
    """
    files, directories, data = dict(record.files), dict(record.directories), dict(record.data)
    for path in placement.changing:
        if digests.get(path) and digests[path] == placement.files[path]:
            files[path] = replace(files[path], sha256=digests[path], pending="")
        elif path in before.files:
            files[path] = before.files[path]
        else:
            files.pop(path, None)
    for path in placement.created:
        if path not in present and path not in before.directories:
            directories.pop(path, None)
            data.pop(path, None)
    return replace(record, files=files, directories=directories, data=data, temporary=())


def parse(text: str) -> Record:
    """Read a record. One that cannot be read counts as empty, and says so.

    What it costs is one download of each archive: its content is never trusted beyond what it says of an archive with
    exactly that checksum.
    """
    try:
        raw = json.loads(text)
        if raw["format"] != FORMAT:
            return Record(damaged=True)
        return Record(
            archives={
                checksum: {
                    name: MemberFacts(sha256=str(facts["sha256"]), size=int(facts["size"]))
                    for name, facts in members.items()
                }
                for checksum, members in raw["archives"].items()
            },
            files={str(path): _placed(entry) for path, entry in raw["files"].items()},
            directories={str(path): str(component) for path, component in raw["directories"].items()},
            data={str(path): str(component) for path, component in raw["data"].items()},
            temporary=tuple(str(path) for path in raw["temporary"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return Record(damaged=True)


def _placed(entry: t.Mapping[str, t.Any]) -> PlacedFile:
    return PlacedFile(
        component=str(entry["component"]),
        sha256=str(entry["sha256"]),
        pending=str(entry.get("pending", "")),
        release=bool(entry.get("release", False)),
    )


def render(record: Record) -> str:
    """The record as text. Paths keep their order, for a reset removes in the opposite one."""
    document = {
        "format": FORMAT,
        "archives": {
            checksum: {
                name: {"sha256": facts.sha256, "size": facts.size} for name, facts in sorted(members.items())
            }
            for checksum, members in sorted(record.archives.items())
        },
        "files": {
            path: {
                "component": file.component,
                "sha256": file.sha256,
                **({"pending": file.pending} if file.pending else {}),
                **({"release": True} if file.release else {}),
            }
            for path, file in record.files.items()
        },
        "directories": dict(record.directories),
        "data": dict(record.data),
        "temporary": list(record.temporary),
    }
    return json.dumps(document, indent=1) + "\n"
