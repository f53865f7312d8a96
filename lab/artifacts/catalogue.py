# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lab serves, as data: `lab/catalogue.yml`, read into frozen types and checked as a whole.

What goes into a file, an archive or an image is a *material*, written ``kind:place``:

- ``go:BUILD/PROGRAM``: a program that the Go build of that name makes;
- ``module:BUILD/PATH``: a file or directory of the source of that build's first module;
- ``c:NAME``: a program that a C compiler makes of one file of a module, or of the lab's own;
- ``lab:PATH``: a file of the lab's own, below this package.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import yaml

from lab.config import LabError

KINDS = ("go", "module", "c", "lab")
#: Source of what a person had; see lab/artifacts/importing.py.
IMPORTED = "imported"
LAB = Path(__file__).resolve().parent.parent
CATALOGUE = LAB / "catalogue.yml"
_UNESSENTIAL = frozenset({"seconds", "disk", "optional", "entry", "group"})
#: Fields that came later: unset, they do not count, so that what was made before they existed stays valid.
_LATER = frozenset(
    {"run", "setuid", "documents", "module", "source", "content", "packages", "libraries", "shared"}
)
#: Repository names as the OCI distribution specification allows them, with a registry's name in front.
_REPOSITORY = re.compile(r"[a-z0-9]+([._-][a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)+")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")


@dataclass(frozen=True)
class Material:
    """One input of an artifact.

    :param kind: one of KINDS.
    :param owner: the build or program; for ``lab`` the file.
    :param path: what of it; empty for ``c`` and ``lab``.
    """

    kind: str
    owner: str
    path: str

    @classmethod
    def parse(cls, text: str) -> Material:
        """:raises ValueError: the text names no material."""
        kind, colon, place = text.partition(":")
        if not colon or kind not in KINDS or not place:
            raise ValueError(f"{text!r} must be KIND:PLACE with KIND one of {', '.join(KINDS)}")
        if kind in ("c", "lab"):
            return cls(kind, place, "")
        owner, slash, path = place.partition("/")
        if not slash or not path:
            raise ValueError(f"{text!r} must be {kind}:BUILD/{'PROGRAM' if kind == 'go' else 'PATH'}")
        return cls(kind, owner, path)

    def __str__(self) -> str:
        return f"{self.kind}:{self.owner}" + (f"/{self.path}" if self.path else "")


@dataclass(frozen=True)
class GoBuild:
    """Programs that one `go build` makes, because they share most of their packages.

    :param modules: module path -> version; the first one's go.mod is the base of the wrapper's.
    :param programs: program -> import path of its package main; of a name that ends with ``.test``, the package
        whose test binary it is. None where only files of the module are wanted.
    :param go: oldest Go that can build it, as (1, 26).
    :param cgo: whether C is part of it.
    :param tags: build tags.
    :param stamps: variables set at link time; ``{version}`` and ``{time}`` are the first module's.
    :param link: further linker flags.
    :param module: path of the wrapper, by default ``lab.invalid/`` and the build's name. Packages named ``internal``
        are open to a path below that of their parent only.
    :param staging: version that replaces each ``v0.0.0`` in the first module's go.mod: Kubernetes develops
        those modules in its own tree.
    :param source: directory with programs of the lab's own, which stand in for those of projects that publish no module
        of them: its files are the package of the wrapper's own path, its directories are packages below it. The first
        module lends its go.mod.
    :param content: hash of that directory.
    :param seconds: what the build took on two cores when it was measured; an estimate until this machine has
        its own.
    :param disk: bytes of module and build cache that it takes, roughly.
    """

    name: str
    modules: Mapping[str, str]
    programs: Mapping[str, str]
    go: tuple[int, ...]
    cgo: bool = False
    tags: tuple[str, ...] = ()
    stamps: Mapping[str, str] = field(default_factory=dict)
    link: str = ""
    staging: str = ""
    module: str = ""
    source: str = ""
    content: str = ""
    seconds: float = 60.0
    disk: int = 1_000_000_000

    @property
    def main(self) -> tuple[str, str]:
        """The first module and its version."""
        return next(iter(self.modules.items()))

    @property
    def path(self) -> str:
        """Path of the wrapper's module."""
        return self.module or f"lab.invalid/{self.name}"


@dataclass(frozen=True)
class CProgram:
    """A program made of one C file.

    :param source: material (``module:...`` or ``lab:...``) of the file.
    :param flags: compiler flags.
    :param packages: Debian packages with headers and libraries, which are unpacked and not installed.
    :param libraries: of these packages, linked statically.
    :param shared: whether the C library is shared, which a program needs that resolves names; static otherwise.
    :param content: hash of a file of the lab's own.
    """

    name: str
    source: Material
    flags: tuple[str, ...]
    packages: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()
    shared: bool = False
    content: str = ""


@dataclass(frozen=True)
class Tree:
    """A Debian root file system that an image starts from.

    :param packages: on top of what `variant` brings.
    :param exclude: shell patterns of paths that dpkg leaves out.
    :param run: shell commands that run in it once its packages are installed.
    :param remove: shell patterns of paths that are deleted in the end.
    """

    name: str
    suite: str
    variant: str
    packages: tuple[str, ...]
    exclude: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    run: tuple[str, ...] = ()
    seconds: float = 60.0


@dataclass(frozen=True)
class FileArtifact:
    """A release file as upstream names it.

    :param entry: its key in the catalogue: the component, or ``COMPONENT@VERSION`` for a further version of it.
    :param component: its key in the collection's lock file.
    :param arch: Go's name of the processor, or ``noarch``.
    :param url: where upstream has it.
    :param material: the file itself, when it is no archive.
    :param members: path in the archive -> material; the archive is a gzipped tar.
    :param documents: files of YAML that make one stream of documents, in this order, when it is neither.
    :param optional: made only when it is asked for by name: a test needs it, no cluster does.
    :param group: made with the others of this group, when the group is asked for; served once it is there.
    """

    entry: str
    component: str
    version: str
    arch: str
    url: str
    material: Material | None = None
    members: Mapping[str, Material] = field(default_factory=dict)
    optional: bool = False
    group: str = ""
    documents: tuple[Material, ...] = ()

    @property
    def path(self) -> str:
        """Where it lies below the mirror's root: the URL without its scheme."""
        return self.url.removeprefix("https://")

    @property
    def materials(self) -> tuple[Material, ...]:
        return (self.material,) if self.material else (*self.members.values(), *self.documents)


@dataclass(frozen=True)
class ImageFile:
    """A file, or a directory with all in it, of an image.

    :param capabilities: whether it may bind ports below 1024 although not root (as upstream's images do).
    :param setuid: whether it runs with its owner's identity, which is root's.
    """

    material: Material
    capabilities: bool = False
    setuid: bool = False


@dataclass(frozen=True)
class ImageArtifact:
    """A container image under upstream's name.

    :param entry: its key in the catalogue: the name, or ``NAME@TAG`` for a further version of it.
    :param base: ``scratch``, ``static`` (CA certificates, users, /tmp) or the name of a tree.
    :param files: absolute path -> content.
    :param links: absolute path -> what it points to.
    :param directories: absolute paths of further directories (mode 0777 with the sticky bit: writable for
        any user).
    :param group: as of a file.
    """

    entry: str
    name: str
    version: str
    base: str
    files: Mapping[str, ImageFile]
    links: Mapping[str, str] = field(default_factory=dict)
    directories: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    user: str = ""
    workdir: str = ""
    group: str = ""

    @property
    def reference(self) -> str:
        return f"{self.name}:{self.version}"

    @property
    def materials(self) -> tuple[Material, ...]:
        return tuple(file.material for file in self.files.values())


Artifact = FileArtifact | ImageArtifact


def label(artifact: Artifact) -> str:
    """The name of an artifact in the record and for people."""
    return artifact.entry


@dataclass(frozen=True)
class Catalogue:
    """Everything there is, by name."""

    builds: Mapping[str, GoBuild]
    programs: Mapping[str, CProgram]
    trees: Mapping[str, Tree]
    packages: tuple[str, ...]
    files: Mapping[str, FileArtifact]
    images: Mapping[str, ImageArtifact]

    @property
    def artifacts(self) -> tuple[Artifact, ...]:
        """Everything there is, files first."""
        return (*self.files.values(), *self.images.values())

    @property
    def served(self) -> tuple[Artifact, ...]:
        """What the mirror of every lab serves."""
        return tuple(
            a for a in self.artifacts if not a.group and not (isinstance(a, FileArtifact) and a.optional)
        )

    def named(self, names: Iterable[str]) -> tuple[Artifact, ...]:
        """The artifacts with these labels, or of groups with these names.

        :raises LabError: for a name that is neither.
        """
        wanted = set(names)
        found = tuple(a for a in self.artifacts if label(a) in wanted or a.group in wanted)
        unknown = wanted - {label(a) for a in found} - {a.group for a in found}
        if unknown:
            raise LabError(
                f"no artifact called {', '.join(sorted(unknown))}",
                "`lab artifacts` lists the names there are",
            )
        return found

    def builds_of(self, material: Material) -> tuple[GoBuild, ...]:
        """The builds that must have run before a material is there."""
        if material.kind == "go":
            return (self.builds[material.owner],)
        return ()

    def recipe(self, artifact: Artifact, source: str = "") -> str:
        """A hash of everything in the catalogue that decides an artifact's content.

        Another recipe than the recorded one means that the cached artifact is out of date.

        :param source: where the cached one came from. How it would be built does not concern what was
            imported.
        """
        if source == IMPORTED:
            arch = artifact.arch if isinstance(artifact, FileArtifact) else ""
            return digest([IMPORTED, label(artifact), artifact.version, arch])
        parts: list[Any] = [asdict(artifact)]
        for material in artifact.materials:
            parts.append(str(material))
            if material.kind in ("go", "module"):
                parts.append(asdict(self.builds[material.owner]))
            if material.kind == "c":
                program = self.programs[material.owner]
                parts.append(asdict(program))
                if program.source.kind == "module":
                    parts.append(dict(self.builds[program.source.owner].modules))
        if isinstance(artifact, ImageArtifact) and artifact.base in self.trees:
            parts.append(asdict(self.trees[artifact.base]))
        return digest(parts)


def digest(data: Any) -> str:
    """Short hash of plain data. What changes nothing in a result does not count: measured times and sizes, and whether
    it is made without being asked for."""
    return hashlib.sha256(json.dumps(_essential(data), sort_keys=True).encode()).hexdigest()[:16]


def content(path: Path) -> str:
    """Short hash of a file, or of all files of a directory with their names; empty without."""
    files = sorted(one for one in (path.rglob("*") if path.is_dir() else [path]) if one.is_file())
    if not files:
        return ""
    return digest(
        {str(one.relative_to(path.parent)): hashlib.sha256(one.read_bytes()).hexdigest() for one in files}
    )


def _essential(data: Any) -> Any:
    if isinstance(data, Mapping):
        return {
            key: _essential(value)
            for key, value in data.items()
            if key not in _UNESSENTIAL and (value or key not in _LATER)
        }
    if isinstance(data, list | tuple):
        return [_essential(value) for value in data]
    return data


def load(path: Path = CATALOGUE) -> Catalogue:
    """Read and check a catalogue.

    :raises LabError: it cannot be read, or with all problems.
    """
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as exc:
        raise LabError(f"catalogue {path}: {exc}", "restore the file from the repository") from exc
    return parse(data, str(path))


def parse(data: Any, source: str = "catalogue") -> Catalogue:
    """Turn plain data into a catalogue.

    :raises LabError: with all problems.
    """
    reader = _Reader()
    catalogue = reader.read(data if isinstance(data, dict) else {})
    problems = reader.problems or _problems(catalogue)
    if problems:
        raise LabError(
            f"{source}: " + "; ".join(problems),
            "correct the entries; the fields are in lab/artifacts/catalogue.py",
        )
    return catalogue


class _Reader:
    """Builds the types from plain data and collects what does not fit."""

    def __init__(self) -> None:
        self.problems: list[str] = []

    def read(self, data: Mapping[str, Any]) -> Catalogue:
        unknown = set(data) - {"builds", "programs", "trees", "packages", "files", "images"}
        self.problems += [f"unknown section {name}" for name in sorted(unknown)]
        return Catalogue(
            builds=self._section(data, "builds", self._build),
            programs=self._section(data, "programs", self._program),
            trees=self._section(data, "trees", self._tree),
            packages=tuple(data.get("packages") or ()),
            files=self._section(data, "files", self._file),
            images=self._section(data, "images", self._image),
        )

    def _section(self, data: Mapping[str, Any], section: str, make: Any) -> dict[str, Any]:
        result = {}
        for name, entry in (data.get(section) or {}).items():
            try:
                result[name] = make(name, dict(entry))
            except (TypeError, ValueError, KeyError, AttributeError) as exc:
                self.problems.append(f"{section}/{name}: {exc}")
        return result

    @staticmethod
    def _build(name: str, entry: dict[str, Any]) -> GoBuild:
        entry["go"] = tuple(int(part) for part in str(entry.get("go", "1.21")).split("."))
        entry["tags"] = tuple(entry.get("tags", ()))
        if "source" in entry:
            entry["content"] = content(LAB / entry["source"])
        build = GoBuild(name=name, **entry)
        if not build.modules:
            raise ValueError("modules must not be empty")
        return build

    @staticmethod
    def _program(name: str, entry: dict[str, Any]) -> CProgram:
        source = Material.parse(entry.pop("source"))
        for key in ("packages", "libraries"):
            entry[key] = tuple(entry.get(key, ()))
        if source.kind == "lab":
            entry["content"] = content(LAB / source.owner)
        return CProgram(name, source, tuple(entry.pop("flags", ())), **entry)

    @staticmethod
    def _tree(name: str, entry: dict[str, Any]) -> Tree:
        for key in ("packages", "exclude", "run", "remove"):
            entry[key] = tuple(entry.get(key, ()))
        return Tree(name=name, **entry)

    @staticmethod
    def _file(name: str, entry: dict[str, Any]) -> FileArtifact:
        version, arch = str(entry["version"]), entry.get("arch", "amd64")
        entry.update(version=version, arch=arch, url=entry["url"].format(version=version, arch=arch))
        material = entry.pop("material", None)
        members = {path: Material.parse(text) for path, text in entry.pop("members", {}).items()}
        documents = tuple(Material.parse(text) for text in entry.pop("documents", ()))
        return FileArtifact(
            entry=name,
            component=name.partition("@")[0],
            material=Material.parse(material) if material else None,
            members=members,
            documents=documents,
            **entry,
        )

    @staticmethod
    def _image(name: str, entry: dict[str, Any]) -> ImageArtifact:
        entry["version"] = str(entry["version"])
        files = {}
        for path, value in entry.pop("files", {}).items():
            fields = {"material": value} if isinstance(value, str) else dict(value)
            files[path] = ImageFile(Material.parse(fields.pop("material")), **fields)
        for key in ("directories", "entrypoint", "command", "environment"):
            entry[key] = tuple(entry.get(key, ()))
        return ImageArtifact(entry=name, name=name.partition("@")[0], files=files, **entry)


def _problems(catalogue: Catalogue) -> list[str]:
    """What no single entry shows: references that lead nowhere and names that cannot be served."""
    problems = []
    for artifact in catalogue.artifacts:
        problems += [
            f"{label(artifact)}: {text}" for m in artifact.materials if (text := _lost(catalogue, m))
        ]
    for program in catalogue.programs.values():
        if text := _lost(catalogue, program.source):
            problems.append(f"{program.name}: {text}")
    for file in catalogue.files.values():
        problems += [f"{file.component}: {text}" for text in _file_problems(file)]
    for image in catalogue.images.values():
        problems += [f"{image.name}: {text}" for text in _image_problems(image, catalogue.trees)]
    paths = [file.path for file in catalogue.files.values()]
    problems += [f"{path} is served twice" for path in sorted({p for p in paths if paths.count(p) > 1})]
    return problems


def _lost(catalogue: Catalogue, material: Material) -> str:
    if material.kind in ("go", "module") and material.owner not in catalogue.builds:
        return f"{material}: there is no build {material.owner}"
    if material.kind == "go" and material.path not in catalogue.builds[material.owner].programs:
        return f"{material}: the build {material.owner} has no program {material.path}"
    if material.kind == "c" and material.owner not in catalogue.programs:
        return f"{material}: there is no program {material.owner}"
    if material.kind == "lab" and not (LAB / material.owner).is_file():
        return f"{material}: the lab has no such file"
    return ""


def _file_problems(file: FileArtifact) -> Iterable[str]:
    if not file.url.startswith("https://") or ".." in file.path:
        yield f"{file.url} must be an https address without '..'"
    if sum(map(bool, (file.material, file.members, file.documents))) != 1:
        yield "exactly one of material, members and documents must be given"
    for path in file.members:
        if path.startswith("/") or ".." in path.split("/"):
            yield f"member {path} must be a relative path without '..'"


def _image_problems(image: ImageArtifact, trees: Mapping[str, Tree]) -> Iterable[str]:
    if not _REPOSITORY.fullmatch(image.name):
        yield "not REGISTRY/REPOSITORY in lower case"
    if not _TAG.fullmatch(image.version):
        yield f"{image.version} cannot be a tag"
    if image.base not in ("scratch", "static") and image.base not in trees:
        yield f"there is no tree {image.base}"
    for path in (*image.files, *image.links, *image.directories):
        if not path.startswith("/") or ".." in path.split("/"):
            yield f"{path} must be an absolute path without '..'"
