# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Release files and container images for the lab's mirror, from the best source that can be reached.

Sources in their order: the cache, which has what was imported, too; upstream's releases; and else a build
from Go modules and Debian packages. Nothing is used or served whose checksum was not compared first.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rich.console import Console

from lab import images
from lab.artifacts import catalogue as _catalogue
from lab.artifacts import store
from lab.artifacts.builder import needed_builds, needed_trees
from lab.artifacts.catalogue import Artifact, Catalogue, FileArtifact, label
from lab.artifacts.ensure import LANES, Run, checksums
from lab.artifacts.store import Record
from lab.config import LabError, Paths

#: Disk that one Debian tree takes while and after it is made, bytes; measured.
BYTES_PER_TREE = 1_200_000_000
#: What a packed artifact takes per artifact, bytes, where its size is not known yet; measured mean.
BYTES_PER_ARTIFACT = 60_000_000


@dataclass(frozen=True)
class ArtifactSet:
    """Everything the mirror serves.

    :param files_root: release files as ``<upstream host>/<upstream path>``.
    :param registry_root: storage directory of the registry.
    :param checksums: component, version, architecture -> ``sha256:...``.
    """

    files_root: Path
    registry_root: Path
    checksums: dict[str, dict[str, dict[str, str]]]


@dataclass(frozen=True)
class ArtifactRow:
    """One line of the list of artifacts.

    :param source: cache record's source (imported, upstream, go, debian); empty when it was never made.
    :param size: bytes; 0 when it was never made.
    :param present: whether it is in the cache now (its content is checked by `ensure`, not here).
    """

    name: str
    version: str
    source: str
    size: int
    present: bool


def ensure(
    paths: Paths,
    console: Console,
    only: Sequence[str] | None = None,
    catalogue: Catalogue | None = None,
) -> ArtifactSet:
    """Make every artifact present in the cache and verified.

    :param console: for progress.
    :param only: names of artifacts or groups; everything that is not optional when None.
    :param catalogue: what there is; the lab's own when None.
    :raises LabError: an artifact is not available; the message names it, each source with its reason, and
        what to do.
    """
    listed = catalogue or _catalogue.load()
    with store.lock(paths.artifacts_cache, lambda text: console.print(text, markup=False)):
        run = Run(paths, listed, console)
        run.all(only)
        return ArtifactSet(
            files_root=paths.artifacts_cache / "files",
            registry_root=paths.artifacts_cache / "registry",
            checksums=checksums((f for f in listed.files.values() if not f.optional), run.record),
        )


def image_digests(paths: Paths) -> dict[str, str]:
    """The digest of each image that the mirror serves, by name and tag."""
    return images.Registry(paths.artifacts_cache / "registry").digests()


def status(paths: Paths, catalogue: Catalogue | None = None) -> list[ArtifactRow]:
    """All artifacts of the catalogue as the cache has them."""
    listed = catalogue or _catalogue.load()
    record = Record(paths.artifacts_cache)
    rows = []
    for artifact in listed.artifacts:
        item = record.get(label(artifact))
        rows.append(
            ArtifactRow(
                name=label(artifact),
                version=artifact.version,
                source=item.source if item else "",
                size=item.size if item else 0,
                present=_there(paths, listed, record, artifact),
            )
        )
    return rows


def _there(paths: Paths, listed: Catalogue, record: Record, artifact: Artifact) -> bool:
    item = record.get(label(artifact))
    if item is None or item.recipe != listed.recipe(artifact, item.source):
        return False
    if isinstance(artifact, FileArtifact):
        return (paths.artifacts_cache / "files" / artifact.path).is_file()
    found = images.Registry(paths.artifacts_cache / "registry").manifest(artifact.name, artifact.version)
    return found is not None and found[0] == f"sha256:{item.sha256}"


def required_bytes(paths: Paths, catalogue: Catalogue | None = None) -> int:
    """Disk that making what is missing may take, caches of compilers included, bytes.

    An upper estimate: it assumes that everything missing must be built, and nothing of it has been begun.
    """
    listed = catalogue or _catalogue.load()
    record = Record(paths.artifacts_cache)
    lacking = [artifact for artifact in listed.served if not _there(paths, listed, record, artifact)]
    builds = needed_builds(listed, lacking)
    trees = needed_trees(listed, lacking)
    unbuilt = [b for b in builds if any(record.get(f"go:{b.name}/{name}") is None for name in b.programs)]
    unmade = [t for t in trees if record.get(f"tree:{t.name}") is None]
    return (
        sum(build.disk for build in unbuilt)
        + BYTES_PER_TREE * len(unmade)
        + BYTES_PER_ARTIFACT * len(lacking)
    )


def required_seconds(
    paths: Paths, only: Sequence[str] | None = None, catalogue: Catalogue | None = None
) -> float:
    """How long making what is missing may take on two cores, seconds.

    An upper estimate, as :func:`required_bytes`: nothing of it can be downloaded.

    :param only: names; everything that is not optional when None.
    """
    listed = catalogue or _catalogue.load()
    record = Record(paths.artifacts_cache)
    chosen = listed.served if only is None else listed.named(only)
    lacking = [artifact for artifact in chosen if not _there(paths, listed, record, artifact)]
    builds = needed_builds(listed, lacking)
    unbuilt = [b for b in builds if any(record.get(f"go:{b.name}/{name}") is None for name in b.programs)]
    unmade = [t for t in needed_trees(listed, lacking) if record.get(f"tree:{t.name}") is None]
    # Compilers run in LANES, trees beside them.
    return sum(build.seconds for build in unbuilt) / LANES + sum(tree.seconds for tree in unmade)


def free(paths: Paths, what: Literal["build", "all"]) -> int:
    """Delete from the cache what can be built again.

    :param what: ``build`` deletes what only speeds up a rebuild (caches of Go, sources, Debian trees,
        programs that are packed by now); ``all`` the artifacts too.
    :return: bytes freed.
    :raises LabError: artifacts are being made right now.
    """
    root = paths.artifacts_cache
    targets = [paths.go_cache, paths.go_mod_cache, paths.cache / "gopath"]
    targets += [root / name for name in ("builds", "trees", "logs")]
    if what == "all":
        targets += [root / name for name in ("files", "registry", "packages", "record.json")]
    with store.lock(root):
        freed = sum(disk_usage(target) for target in targets)
        for target in targets:
            _remove(target)
        # Programs have second names among the files: what those still hold was not freed.
        return freed - sum(disk_usage(target) for target in targets)


def disk_usage(path: Path) -> int:
    """Bytes that a file or directory takes on disk; a file with several names counts by the share of those in here."""
    total = 0.0
    for file in [path] if path.is_file() else path.rglob("*"):
        if not file.is_symlink() and file.is_file():
            info = file.stat()
            total += info.st_blocks * 512 / info.st_nlink
    return int(total)


def _remove(path: Path) -> None:
    if path.is_dir():
        # Toolchains and old module caches have read-only directories.
        for directory in [
            path,
            *(entry for entry in path.rglob("*") if entry.is_dir() and not entry.is_symlink()),
        ]:
            directory.chmod(directory.stat().st_mode | 0o700)
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


__all__ = [
    "ArtifactRow",
    "ArtifactSet",
    "LabError",
    "disk_usage",
    "ensure",
    "free",
    "required_bytes",
    "required_seconds",
    "status",
]
