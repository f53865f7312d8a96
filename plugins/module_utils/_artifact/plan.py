# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Decide what has to be downloaded and placed. Pure: no file, no network."""

from __future__ import annotations

import fnmatch
import posixpath
import typing as t
from dataclasses import dataclass, replace

from ansible_collections.baremetal.kubernetes.plugins.module_utils._artifact.model import (
    ABSENT,
    ArtifactError,
    Checksum,
    Contents,
    DirectorySpec,
    FileSpec,
    Found,
)

UNKNOWN = "(known after download)"


@dataclass(frozen=True)
class Target:
    """One path on the host and what must be there.

    :param expected: the digest, or C(None) while the archive's contents are unknown.
    :param member: name inside the archive, C(None) for a plain file.
    :param content: bytes must be replaced. :param attributes: mode or owner must be set.
    """

    spec: FileSpec
    dest: str
    mode: int
    member: str | None
    expected: Checksum | None
    before: Found
    content: bool
    attributes: bool

    @property
    def changed(self) -> bool:
        return self.content or self.attributes


@dataclass(frozen=True)
class DirectoryTarget:
    """One directory and what is to be done with it.

    :param before: what is there; a link to a directory counts as a directory.
    :param purge: files below it that are removed.
    :param vacant: whether it is for data, and holds nothing yet.
    """

    spec: DirectorySpec
    before: Found
    purge: tuple[str, ...] = ()
    vacant: bool = False

    @property
    def attributes(self) -> bool:
        wanted = (self.spec.mode, self.spec.uid, self.spec.gid)
        return (self.before.mode, self.before.uid, self.before.gid) != wanted

    @property
    def changed(self) -> bool:
        return self.before.kind == "absent" or self.attributes or bool(self.purge)


@dataclass(frozen=True)
class Plan:
    """What one call of the module does.

    :param fetch: files that must be downloaded before the rest can be decided or done.
    :param open_ended: archives to unpack whole whose contents are unknown.
    :param directories: the directories that the call asks for.
    """

    targets: tuple[Target, ...]
    fetch: tuple[FileSpec, ...]
    open_ended: tuple[FileSpec, ...] = ()
    directories: tuple[DirectoryTarget, ...] = ()

    @property
    def changed(self) -> bool:
        targets = any(target.changed for target in self.targets)
        return targets or bool(self.open_ended) or any(item.changed for item in self.directories)

    @property
    def replaces(self) -> bool:
        """Whether a file is replaced, or may be."""
        return bool(self.open_ended) or any(target.content for target in self.targets)

    @property
    def decided(self) -> bool:
        """Whether every change is known without a download."""
        return not self.open_ended and all(target.expected is not None for target in self.targets)

    def diff(self, owner_of: t.Callable[[int, int], str]) -> dict[str, str]:
        """Lines C(path digest mode owner:group) of what changes, before and after.

        :param owner_of: names a user id and a group id.
        """
        before: list[str] = []
        after: list[str] = []
        for directory in self.directories:
            wanted, found = directory.spec, directory.before
            if found.kind == "absent" or directory.attributes:
                after.append(f"{wanted.path}/ {wanted.mode:04o} {owner_of(wanted.uid, wanted.gid)}")
                if found.kind != "absent":
                    before.append(f"{wanted.path}/ {found.mode:04o} {owner_of(found.uid, found.gid)}")
            before.extend(directory.purge)
        for target in sorted(self.targets, key=lambda item: item.dest):
            if not target.changed:
                continue
            found = target.before
            algorithm = target.expected.algorithm if target.expected else "sha256"
            if found.kind == "file":
                digest = f"{algorithm}:{found.digests.get(algorithm, '')}"
                before.append(f"{target.dest} {digest} {found.mode:04o} {owner_of(found.uid, found.gid)}")
            elif found.kind != "absent":
                before.append(f"{target.dest} ({found.kind})")
            digest = str(target.expected) if target.expected else f"{algorithm}:{UNKNOWN}"
            after.append(
                f"{target.dest} {digest} {target.mode:04o} {owner_of(target.spec.uid, target.spec.gid)}"
            )
        after.extend(
            f"{spec.unpack_to}/* from {spec.checksum} {spec.mode:04o} {owner_of(spec.uid, spec.gid)}"
            for spec in self.open_ended
        )
        return {
            "before": "".join(f"{line}\n" for line in before),
            "after": "".join(f"{line}\n" for line in after),
        }


def unpacked_names(spec: FileSpec, contents: Contents) -> dict[str, str]:
    """Where each regular file of an archive goes when it is unpacked whole: member name -> path on the host.

    :raises ArtifactError: when nothing is left to unpack, or two members would share one path.
    """
    names: dict[str, str] = {}
    taken: dict[str, str] = {}
    for member in sorted(contents):
        parts = member.split("/")[spec.strip :]
        relative = "/".join(parts)
        if not relative or any(fnmatch.fnmatchcase(relative, pattern) for pattern in spec.exclude):
            continue
        dest = posixpath.join(str(spec.unpack_to), relative)
        if dest in taken:
            raise ArtifactError(
                f"{spec.name}: {taken[dest]} and {member} of {spec.shown_url} would both be placed at {dest}.",
                "Lower strip or exclude one of them.",
            )
        taken[dest] = member
        names[member] = dest
    if not names:
        raise ArtifactError(
            f"{spec.name}: nothing of {spec.shown_url} is left to unpack"
            f" (regular files: {len(contents)}, strip: {spec.strip}).",
            "Correct strip and exclude.",
        )
    return names


def _target(
    spec: FileSpec, dest: str, mode: int, member: str | None, expected: Checksum | None, found: Found
) -> Target:
    if found.kind in ("directory", "other"):
        raise ArtifactError(
            f"{spec.name}: {dest} is a {'directory' if found.kind == 'directory' else 'special file'},"
            " expected a regular file or nothing.",
            "Move it away, or choose another path.",
        )
    if found.kind == "file" and expected is not None:
        content = found.digests.get(expected.algorithm) != expected.digest
    else:
        content = True
    attributes = found.kind == "file" and (found.mode, found.uid, found.gid) != (mode, spec.uid, spec.gid)
    return Target(spec, dest, mode, member, expected, found, content, attributes)


def _targets(spec: FileSpec, found: t.Mapping[str, Found], contents: Contents | None) -> list[Target]:
    if spec.dest is not None:
        seen = found.get(spec.dest, ABSENT)
        return [_target(spec, spec.dest, spec.mode, None, spec.checksum, seen)]
    wanted = [(member.source, member.dest, member.mode) for member in spec.members]
    if spec.unpack_to is not None and contents is not None:
        wanted = [(source, dest, spec.mode) for source, dest in unpacked_names(spec, contents).items()]
    targets = []
    for source, dest, mode in wanted:
        expected = None
        if contents is not None:
            if source not in contents:
                names = ", ".join(sorted(contents)[:20]) or "none"
                raise ArtifactError(
                    f"{spec.name}: {spec.shown_url} has no regular file {source}; it has: {names}.",
                    "Correct the name of the member.",
                )
            expected = Checksum("sha256", contents[source].sha256)
        targets.append(_target(spec, dest, mode, source, expected, found.get(dest, ABSENT)))
    return targets


def plan_files(
    specs: t.Sequence[FileSpec],
    found: t.Mapping[str, Found],
    known: t.Mapping[str, Contents],
    have: t.Collection[str] = (),
    directories: t.Sequence[DirectoryTarget] = (),
) -> Plan:
    """Plan a call.

    Once from the record and, where that does not tell what an archive holds, once more after the download.

    :param found: path -> what is there; a path that is missing here is absent.
    :param known: checksum of an archive -> its regular files, from the record or from this run.
    :param have: checksums that are already downloaded and verified.
    :param directories: the directories of the call, as they were found.
    :raises ArtifactError: when two files share a path, a member is missing, or a directory is in the way.
    """
    targets: list[Target] = []
    fetch: list[FileSpec] = []
    open_ended: list[FileSpec] = []
    owners: dict[str, str] = {}
    for spec in specs:
        contents = known.get(str(spec.checksum)) if spec.is_archive else None
        own = _targets(spec, found, contents)
        for target in own:
            if target.dest in owners:
                raise ArtifactError(
                    f"{target.dest} is asked for by {owners[target.dest]} and again by {spec.name}.",
                    "Give every path once.",
                )
            owners[target.dest] = spec.name
        unknown = spec.unpack_to is not None and contents is None
        if unknown:
            open_ended.append(spec)
        missing = spec.content is None and str(spec.checksum) not in have
        if missing and (unknown or any(target.content for target in own)):
            fetch.append(spec)
        targets.extend(own)
    for directory in directories:
        path, kind = directory.spec.path, directory.before.kind
        if kind not in ("absent", "directory"):
            raise ArtifactError(
                f"{path} is a {kind}, expected a directory or nothing.",
                "Move it away, or choose another path.",
            )
        if path in owners:
            raise ArtifactError(
                f"{path} is asked for as a directory and by {owners[path]}.",
                "Give every path once.",
            )
    kept = tuple(
        replace(item, purge=tuple(path for path in item.purge if path not in owners)) for item in directories
    )
    return Plan(tuple(targets), tuple(fetch), tuple(open_ended), kept)


def needed_to_decide(plan: Plan, occupied: t.Collection[str]) -> tuple[FileSpec, ...]:
    """The downloads without which check mode could not tell the truth: archives of unknown content, partly in place.

    :param occupied: directories with something in them.
    """
    undecided = {
        target.spec for target in plan.targets if target.expected is None and target.before.kind == "file"
    }
    undecided |= {spec for spec in plan.open_ended if spec.unpack_to in occupied}
    return tuple(spec for spec in plan.fetch if spec in undecided)
