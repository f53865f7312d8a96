# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Take a release file or an image that a person already has into the cache, instead of downloading or building it.

What is imported has the checksum that upstream published, or the one that the person gives. It is recorded
as imported and kept until the catalogue names another version.
"""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab import images
from lab.artifacts import catalogue as _catalogue
from lab.artifacts import store
from lab.artifacts.builder import imported_recipe
from lab.artifacts.catalogue import (
    IMPORTED,
    Artifact,
    Catalogue,
    FileArtifact,
    ImageArtifact,
    Material,
    label,
)
from lab.artifacts.sources import UnavailableError, checksum, copy_image, published_checksums
from lab.artifacts.store import Item, Record, sha256
from lab.config import LabError, Paths
from lab.images import Registry


def parse(text: str) -> tuple[str, Path]:
    """Name and file of ``NAME=FILE``.

    :raises LabError: it is something else, or there is no such file.
    """
    name, equals, file = text.partition("=")
    if not equals or not name or not file:
        raise LabError(f"{text!r} is not NAME=FILE", "for instance: lab import kubeadm=./kubeadm")
    path = Path(file)
    if not path.is_file():
        raise LabError(f"{name}: there is no file {path}", "check the path")
    return name, path


def import_artifact(
    paths: Paths, name: str, file: Path, trusted: str = "", catalogue: Catalogue | None = None
) -> Item:
    """Verify a file and put it into the cache under an artifact's name.

    :param name: component, or image without its tag, or ``go:BUILD/PROGRAM`` for a program of an image.
    :param file: a release file as upstream publishes it, or an archive of `docker save`, `podman save` or
        skopeo.
    :param trusted: ``sha256:...`` of the file; the published one when empty.
    :raises LabError: there is no such artifact, the file has another checksum, or none is known; artifacts
        are being made.
    """
    listed = catalogue or _catalogue.load()
    if name.startswith("go:"):
        return _import_program(paths, name, file, trusted, listed)
    artifact = next((one for one in listed.artifacts if label(one) == name), None)
    if artifact is None:
        raise LabError(f"no artifact called {name}", "`lab artifacts` lists the names there are")
    _verify(artifact, file, trusted, published_checksums(paths.repo))
    with store.lock(paths.artifacts_cache):
        if isinstance(artifact, FileArtifact):
            digest, size = _place(paths.artifacts_cache / "files" / artifact.path, file)
        else:
            digest, size = _publish(Registry(paths.artifacts_cache / "registry"), artifact, file)
        item = Item(IMPORTED, digest, size, listed.recipe(artifact, IMPORTED))
        Record(paths.artifacts_cache).put(name, item)
    return item


def _import_program(paths: Paths, name: str, file: Path, trusted: str, listed: Catalogue) -> Item:
    """Take a program instead of the one that its build would make. Images with it are made again."""
    try:
        material = Material.parse(name)
    except ValueError as exc:
        raise LabError(
            f"{name}: {exc}", "for instance: lab import go:nfsplugin/nfsplugin=./nfsplugin"
        ) from exc
    build = listed.builds.get(material.owner)
    if build is None or list(build.programs) != [material.path]:
        alone = [
            f"go:{one.name}/{next(iter(one.programs))}"
            for one in listed.builds.values()
            if len(one.programs) == 1
        ]
        raise LabError(
            f"{name} is no program with a build of its own", f"these are: {', '.join(sorted(alone))}"
        )
    found = sha256(file)
    if trusted.removeprefix("sha256:").lower() != found:
        raise LabError(
            f"{file} has SHA-256 {found}, expected {trusted or 'the one that you trust, as nobody publishes it'}",
            f"if you trust this file, run the command again with --checksum sha256:{found}",
        )
    with store.lock(paths.artifacts_cache):
        target = paths.artifacts_cache / "builds" / build.name / "bin" / material.path
        digest, size = _place(target, file)
        target.chmod(0o755)
        record = Record(paths.artifacts_cache)
        item = Item(IMPORTED, digest, size, imported_recipe(build, material.path))
        record.put(name, item)
        for artifact in listed.artifacts:
            if material in artifact.materials:
                record.forget(label(artifact))
    return item


def _verify(artifact: Artifact, file: Path, trusted: str, published: Mapping[str, Any]) -> None:
    found = sha256(file)
    again = f"if you trust this file, run the command again with --checksum sha256:{found}"
    if trusted:
        if trusted.removeprefix("sha256:").lower() != found:
            raise LabError(f"{file} has SHA-256 {found}, expected {trusted}", "check the file and --checksum")
        return
    if not isinstance(artifact, FileArtifact):
        raise LabError(
            f"{label(artifact)} {artifact.version}: upstream publishes no checksum of an archive", again
        )
    try:
        expected = checksum(published, artifact.component, artifact.version, artifact.arch)
    except UnavailableError as exc:
        raise LabError(f"{file}: {exc}", again) from exc
    if expected != found:
        raise LabError(
            f"{file} has SHA-256 {found}; upstream published {expected} for {artifact.component} {artifact.version}",
            f"check that it is {artifact.url}; {again}",
        )


def _place(target: Path, file: Path) -> tuple[str, int]:
    target.parent.mkdir(parents=True, exist_ok=True)
    fd, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    os.close(fd)
    try:
        shutil.copyfile(file, temporary)
        os.chmod(temporary, 0o644)
        os.replace(temporary, target)
    finally:
        Path(temporary).unlink(missing_ok=True)
    return sha256(target), target.stat().st_size


def _publish(registry: Registry, image: ImageArtifact, file: Path) -> tuple[str, int]:
    """Put an image's archive into the registry; skopeo and the registry check every part by its digest."""
    registry.root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=registry.root, prefix=".import.") as directory:
        try:
            copy_image(f"{_transport(file)}:{file.resolve()}", Path(directory))
        except UnavailableError as exc:
            raise LabError(
                f"{file}: {exc}", "give an archive with one image, as `skopeo copy` writes it"
            ) from exc
        manifest = images.adopt(registry, image, Path(directory))
    return manifest.digest.removeprefix("sha256:"), registry.size(image.name, image.version)


def _transport(file: Path) -> str:
    """What skopeo calls the format of an archive."""
    try:
        with tarfile.open(file) as archive:
            return "oci-archive" if "oci-layout" in archive.getnames() else "docker-archive"
    except tarfile.TarError as exc:
        raise LabError(
            f"{file} is no archive of an image: {exc}", "give what `skopeo copy` or `docker save` writes"
        ) from exc
