# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds materials, and files and images from them, where no source has them ready-made.

Each result is recorded by itself, so that a run after an interruption repeats nothing.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

from lab import images
from lab.artifacts import archive, debian, golang
from lab.artifacts.catalogue import (
    IMPORTED,
    LAB,
    Artifact,
    Catalogue,
    CProgram,
    FileArtifact,
    GoBuild,
    ImageArtifact,
    Material,
    Tree,
    digest,
)
from lab.artifacts.progress import Steps
from lab.artifacts.store import Item, Record, sha256, verified
from lab.config import LabError, Paths
from lab.run import run

#: Debian's name of the machine's processor in paths.
_MULTIARCH = "x86_64-linux-gnu"


class Builder:
    """Builds what the catalogue says.

    :param record: what the cache has.
    """

    def __init__(self, paths: Paths, catalogue: Catalogue, record: Record, steps: Steps) -> None:
        self.paths = paths
        self.catalogue = catalogue
        self.record = record
        self.steps = steps
        self.root = paths.artifacts_cache
        self.registry = images.Registry(self.root / "registry")
        self._guard = threading.Lock()
        self._toolchain: golang.Go | None = None
        self._modules: dict[tuple[str, str], golang.Module] = {}
        self._layers: dict[str, images.Layer] = {}

    def log(self, name: str) -> Path:
        """Where a step's output goes."""
        return self.root / "logs" / f"{name}.log"

    def go(self) -> golang.Go:
        """The toolchain, new enough for every build of the catalogue."""
        with self._guard:
            if self._toolchain is None:
                needed = max(build.go for build in self.catalogue.builds.values())
                self._toolchain = golang.toolchain(self.paths, needed)
            return self._toolchain

    def module(self, build: GoBuild) -> golang.Module:
        """The source of a build's first module."""
        if build.main not in self._modules:
            self._modules[build.main] = self.go().download(*build.main)
        return self._modules[build.main]

    # Programs

    def program_path(self, build: GoBuild, program: str) -> Path:
        return self.root / "builds" / build.name / "bin" / program

    def built(self, build: GoBuild) -> bool:
        """Whether all programs of a build are present and undamaged."""
        return all(self._has(build, name) for name in build.programs)

    def _has(self, build: GoBuild, name: str) -> bool:
        item = self.record.get(f"go:{build.name}/{name}")
        imported = item is not None and item.source == IMPORTED
        recipe = imported_recipe(build, name) if imported else digest(_fields(build))
        return verified(self.program_path(build, name), item, recipe)

    def build(self, build: GoBuild) -> None:
        """Compile all programs of a build.

        :raises LabError: Go failed.
        """
        go = self.go()
        log = self.log(f"go-{build.name}")
        log.unlink(missing_ok=True)
        with self.steps.step(f"{build.name} {build.main[1]} from Go modules", build.seconds):
            made = golang.compile_programs(go, build, self.root / "builds" / build.name, log)
        recipe = digest(_fields(build))
        for name, path in made.items():
            self.record.put(f"go:{build.name}/{name}", Item("go", sha256(path), path.stat().st_size, recipe))

    # Trees and packages

    def tree_path(self, tree: Tree) -> Path:
        return self.root / "trees" / f"{tree.name}.tar"

    def tree_ready(self, tree: Tree) -> bool:
        return verified(self.tree_path(tree), self.record.get(f"tree:{tree.name}"), digest(_fields(tree)))

    def make_tree(self, tree: Tree) -> None:
        """:raises LabError: mmdebstrap failed."""
        log = self.log(f"tree-{tree.name}")
        log.unlink(missing_ok=True)
        path = self.tree_path(tree)
        with self.steps.step(f"{tree.name} from Debian {tree.suite}", tree.seconds):
            debian.make_tree(tree, path, log)
        item = Item("debian", sha256(path), path.stat().st_size, digest(_fields(tree)))
        self.record.put(f"tree:{tree.name}", item)

    def package_path(self, name: str) -> Path:
        return self.root / "packages" / name

    def make_package(self, name: str) -> None:
        """:raises LabError: apt cannot deliver it."""
        with self.steps.step(f"{name} from Debian"):
            debian.unpack_package(name, self.package_path(name), self.log(f"package-{name}"))

    # Files and images

    def material(self, material: Material) -> Path:
        """The file or directory that a material is, made when it is small.

        :raises LabError: it is not available.
        """
        if material.kind == "go":
            return self.program_path(self.catalogue.builds[material.owner], material.path)
        if material.kind == "module":
            path = self.module(self.catalogue.builds[material.owner]).directory / material.path
            if not path.exists():
                raise LabError(f"{material}: no such file in the module", "correct lab/catalogue.yml")
            return path
        if material.kind == "lab":
            return LAB / material.owner
        return self._c_program(self.catalogue.programs[material.owner])

    def _c_program(self, program: CProgram) -> Path:
        target = self.root / "builds" / "c" / program.name
        target.parent.mkdir(parents=True, exist_ok=True)
        source = self.material(program.source)
        partial = target.with_name(f".{target.name}.part")
        for name in program.packages:
            if not self.package_path(name).exists():
                self.make_package(name)
        roots = [self.package_path(name) for name in program.packages]
        run(
            c_command(program, source.name, partial, roots),
            cwd=source.parent,
            log=self.log(f"c-{program.name}"),
        )
        os.replace(partial, target)
        return target

    def file_path(self, artifact: FileArtifact) -> Path:
        return self.root / "files" / artifact.path

    def pack_file(self, artifact: FileArtifact) -> None:
        """Assemble a file from its materials.

        :raises LabError: a material is not available.
        """
        target = self.file_path(artifact)
        target.parent.mkdir(parents=True, exist_ok=True)
        if artifact.material is not None:
            _place(self.material(artifact.material), target)
        elif artifact.documents:
            archive.write_documents(target, [self.material(material) for material in artifact.documents])
        else:
            members = {name: self.material(material) for name, material in artifact.members.items()}
            archive.write_tar_gz(target, members)

    def make_image(self, image: ImageArtifact) -> images.Blob:
        """Build and publish an image.

        :raises LabError: a material is not available.
        """
        files = {path: self.material(file.material) for path, file in image.files.items()}
        tree = (
            self._tree_layer(self.catalogue.trees[image.base]) if image.base in self.catalogue.trees else None
        )
        return images.build(self.registry, image, files, tree)

    def _tree_layer(self, tree: Tree) -> images.Layer:
        with self._guard:
            if tree.name not in self._layers:
                self._layers[tree.name] = images.add_tree(self.registry, self.tree_path(tree))
            return self._layers[tree.name]


def imported_recipe(build: GoBuild, program: str) -> str:
    """The recipe of a program that a person had: how it would be built does not concern it."""
    return digest([IMPORTED, build.name, program, dict(build.modules)])


def c_command(program: CProgram, source: str, target: Path, roots: Sequence[Path]) -> list[str]:
    """The command line that compiles a C program.

    :param roots: where its packages are unpacked.
    """
    # -s and a fixed name of the source: the same compiler makes the same bytes anywhere.
    command = ["gcc", *([] if program.shared else ["-static"]), "-s", *program.flags]
    command += [f"-I{root}/usr/include" for root in roots] + ["-o", str(target), source]
    if program.libraries:
        command += [f"-L{root}/usr/lib/{_MULTIARCH}" for root in roots]
        names = [f"-l{name}" for name in program.libraries]
        command += ["-Wl,-Bstatic", *names, "-Wl,-Bdynamic"] if program.shared else names
    return command


def _fields(entry: GoBuild | Tree) -> dict[str, object]:
    return dict(vars(entry))


def _place(source: Path, target: Path) -> None:
    """Hard-link a file, or copy it where the file system has no links. Neither is written again."""
    fd, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    os.close(fd)
    os.unlink(temporary)
    try:
        os.link(source, temporary)
    except OSError:
        shutil.copy2(source, temporary)
    os.replace(temporary, target)
    # Replacing a link by another to the same file leaves both.
    Path(temporary).unlink(missing_ok=True)


def needed_builds(catalogue: Catalogue, artifacts: Sequence[Artifact]) -> list[GoBuild]:
    """The builds that artifacts are made of, in the catalogue's order."""
    names = {build.name for a in artifacts for m in a.materials for build in catalogue.builds_of(m)}
    return [build for name, build in catalogue.builds.items() if name in names]


def needed_trees(catalogue: Catalogue, artifacts: Sequence[Artifact]) -> list[Tree]:
    """The trees that images start from."""
    names = {a.base for a in artifacts if isinstance(a, ImageArtifact)}
    return [tree for name, tree in catalogue.trees.items() if name in names]
