# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From whatever the cache holds to all artifacts present and verified."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from rich.console import Console

from lab import images
from lab.artifacts.builder import Builder, needed_builds, needed_trees
from lab.artifacts.catalogue import IMPORTED, Artifact, Catalogue, FileArtifact, label
from lab.artifacts.progress import Steps
from lab.artifacts.sources import (
    Attempt,
    UnavailableError,
    Upstream,
    checksum,
    copy_image,
    missing,
    published_checksums,
)
from lab.artifacts.store import Item, Record, sha256, verified
from lab.config import LabError, Paths

#: Compilers at once. Two builds keep two cores busy where one would wait for downloads or the linker.
LANES = 2
TODO = (
    "make one of the sources above available (internet access, or the language's and Debian's package registries "
    "that go and apt are set to), or give what you have with `lab import NAME=FILE`; then run the command again: "
    "what is there is kept"
)


class Run:
    """One run: what is missing, and where it comes from.

    :param console: for progress.
    """

    def __init__(
        self, paths: Paths, catalogue: Catalogue, console: Console, upstream: Upstream | None = None
    ) -> None:
        self.catalogue = catalogue
        self.console = console
        self.root = paths.artifacts_cache
        self.record = Record(self.root)
        self.steps = Steps(console, self.record)
        self.upstream = upstream or Upstream()
        self.published = published_checksums(paths.repo)
        self.builder = Builder(paths, catalogue, self.record, self.steps)
        self.registry = self.builder.registry
        self._known_blobs: dict[str, str] = {}

    def all(self, only: Sequence[str] | None) -> None:
        """Provide every artifact (or those named) from the first source that has it.

        :raises LabError: one is not available; the message names it and each source's reason.
        """
        chosen = self.catalogue.served if only is None else self.catalogue.named(only)
        with self.steps.shown():
            lacking = [a for a in chosen if not self.present(a)]
            attempts = {label(a): self._ready_made(a) for a in self._probed(lacking)}
            left = [a for a in lacking if attempts[label(a)]]
            self._build_all(left, attempts)
            self._packages()
            if only is None:
                self.registry.prune((i.name, i.version) for i in self.catalogue.images.values())
        if self.steps.times:
            self.console.print(self.steps.table())

    def present(self, artifact: Artifact) -> bool:
        """Whether the cache has it, complete and up to date. What is damaged is removed and reported."""
        item = self.record.get(label(artifact))
        recipe = self.catalogue.recipe(artifact, item.source if item else "")
        if isinstance(artifact, FileArtifact):
            path = self.builder.file_path(artifact)
            existed = path.exists()
            good = verified(path, item, recipe)
            if existed and not good and item and item.recipe == recipe:
                self._say(f"{label(artifact)}: the cached file was damaged and has been removed")
            return good
        problem = self.registry.problem(artifact.name, artifact.version, self._known_blobs)
        if not problem and item and item.recipe == recipe:
            found = self.registry.manifest(artifact.name, artifact.version)
            if found and found[0] == f"sha256:{item.sha256}":
                return True
        elif problem and item and item.recipe == recipe:
            self._say(f"{problem}; it is made again")
        self.registry.untag(artifact.name, artifact.version)
        return False

    def _say(self, text: str) -> None:
        self.console.print(text, markup=False, highlight=False)

    def _probed(self, lacking: Sequence[Artifact]) -> Sequence[Artifact]:
        """Ask all upstream hosts at once, so that a machine without internet waits once and not per host."""
        urls = [
            a.url if isinstance(a, FileArtifact) else f"https://{a.name.split('/')[0]}/v2/" for a in lacking
        ]
        self.upstream.probe(urls)
        return lacking

    def _ready_made(self, artifact: Artifact) -> list[Attempt]:
        """Try upstream.

        :return: why nothing delivered; empty when something did.
        """
        attempts = [Attempt("cache", "not there, or not what this version of the catalogue makes")]
        try:
            self._from_upstream(artifact)
        except UnavailableError as exc:
            return [*attempts, Attempt("upstream", str(exc))]
        self._note(artifact, "upstream")
        return []

    def _from_upstream(self, artifact: Artifact) -> None:
        if isinstance(artifact, FileArtifact):
            self.upstream.require(artifact.url)
            wanted = checksum(self.published, artifact.component, artifact.version, artifact.arch)
            with self.steps.step(f"{artifact.component} {artifact.version} from upstream"):
                self.upstream.download(artifact.url, self.builder.file_path(artifact), wanted)
            return
        self.upstream.require(f"https://{artifact.name.split('/')[0]}/v2/")
        with (
            tempfile.TemporaryDirectory(dir=self.root, prefix=".image.") as directory,
            self.steps.step(f"{artifact.reference} from upstream"),
        ):
            copy_image(f"docker://{artifact.reference}", Path(directory))
            images.adopt(self.registry, artifact, Path(directory))

    def _build_all(self, left: Sequence[Artifact], attempts: dict[str, list[Attempt]]) -> None:
        """Make materials, several at once, then the artifacts; one that fails does not stop the others."""
        failures: dict[str, LabError] = {}
        with ThreadPoolExecutor(LANES) as compilers, ThreadPoolExecutor(1) as packer:
            futures: dict[str, Future[None]] = {}
            for tree in needed_trees(self.catalogue, left):
                if not self.builder.tree_ready(tree):
                    futures[tree.name] = packer.submit(self.builder.make_tree, tree)
            for build in needed_builds(self.catalogue, left):
                if not self.builder.built(build):
                    futures[build.name] = compilers.submit(self.builder.build, build)
            for name, future in futures.items():
                try:
                    future.result()
                except LabError as exc:
                    failures[name] = exc
        lost: list[LabError] = []
        for artifact in left:
            try:
                self._make(artifact, attempts[label(artifact)], failures)
            except LabError as exc:
                lost.append(exc)
        if lost:
            raise LabError("\n".join(exc.message for exc in lost), lost[0].hint)

    def _make(self, artifact: Artifact, attempts: list[Attempt], failures: dict[str, LabError]) -> None:
        needs = [build.name for build in needed_builds(self.catalogue, [artifact])]
        needs += [tree.name for tree in needed_trees(self.catalogue, [artifact])]
        attempts += [
            Attempt(f"building {name}", failures[name].message) for name in needs if name in failures
        ]
        if any(name in failures for name in needs):
            raise missing(label(artifact), artifact.version, attempts, TODO)
        try:
            with self.steps.step(f"pack {label(artifact)} {artifact.version}"):
                if isinstance(artifact, FileArtifact):
                    self.builder.pack_file(artifact)
                else:
                    self.builder.make_image(artifact)
        except LabError as exc:
            attempts.append(Attempt("packing", exc.message))
            raise missing(label(artifact), artifact.version, attempts, exc.hint or TODO) from exc
        self._note(artifact, IMPORTED if self._has_imported(artifact) else origin(artifact))

    def _has_imported(self, artifact: Artifact) -> bool:
        """Whether a program of it was imported, and so the artifact is what a person had."""
        items = [self.record.get(str(material)) for material in artifact.materials]
        return any(item is not None and item.source == IMPORTED for item in items)

    def _note(self, artifact: Artifact, source: str) -> None:
        recipe = self.catalogue.recipe(artifact, source)
        if isinstance(artifact, FileArtifact):
            path = self.builder.file_path(artifact)
            item = Item(source, sha256(path), path.stat().st_size, recipe)
        else:
            found = self.registry.manifest(artifact.name, artifact.version)
            if found is None:
                raise LabError(
                    f"{artifact.reference} was made but is not in the registry", "run the command again"
                )
            size = self.registry.size(artifact.name, artifact.version)
            item = Item(source, found[0].removeprefix("sha256:"), size, recipe)
        self.record.put(label(artifact), item)

    def _packages(self) -> None:
        for name in self.catalogue.packages:
            if not self.builder.package_path(name).is_dir():
                self.builder.make_package(name)


def origin(artifact: Artifact) -> str:
    """Which kind of source a built artifact comes from, for the list of artifacts."""
    kinds = {material.kind for material in artifact.materials}
    return "go" if kinds & {"go", "module"} else "debian"


def checksums(files: Iterable[FileArtifact], record: Record) -> dict[str, dict[str, dict[str, str]]]:
    """Component, version, architecture -> ``sha256:...`` of what the cache has."""
    result: dict[str, dict[str, dict[str, str]]] = {}
    for file in files:
        if item := record.get(label(file)):
            result.setdefault(file.component, {}).setdefault(file.version, {})[file.arch] = (
                f"sha256:{item.sha256}"
            )
    return result
