# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Container images, written straight into the storage directory of an OCI registry.

Images follow the OCI image specification 1.1. The directory has the layout of the reference implementation
("distribution", registry/storage/paths.go), which Debian's docker-registry is. Writing it needs no running
registry, every file is named by its content, and an interrupted run leaves nothing that a reader could see: a
tag is the last thing written.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import IO, Any

import certifi

from lab.artifacts.archive import BIND_PORTS, Entry, walk, write_tar
from lab.artifacts.catalogue import ImageArtifact
from lab.artifacts.sources import content_digest
from lab.artifacts.store import CHUNK, sha256
from lab.config import LabError
from lab.run import write_atomic

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+zstd"
#: Level 3 packs as fast as the disk delivers; higher ones save little on stripped programs.
ZSTD = ("zstd", "-q", "-3", "-T0", "-c")
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CERTIFICATES = "etc/ssl/certs/ca-certificates.crt"
_CREATED = "1970-01-01T00:00:00Z"

_USERS = (
    "root:x:0:0:root:/root:/sbin/nologin\n"
    "nobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin\n"
    "nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n"
)
_GROUPS = "root:x:0:\nnobody:x:65534:\ntty:x:5:\nstaff:x:50:\nnonroot:x:65532:\n"


@dataclass(frozen=True)
class Blob:
    """Something a registry keeps under its digest.

    :param digest: ``sha256:...`` of the bytes.
    :param size: how many there are.
    """

    digest: str
    size: int


@dataclass(frozen=True)
class Layer:
    """One layer of an image.

    :param blob: the compressed archive.
    :param diff_id: digest of the archive itself.
    """

    blob: Blob
    diff_id: str


class Registry:
    """A registry's storage directory.

    :param root: what the registry's configuration calls rootdirectory.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._base = root / "docker" / "registry" / "v2"

    def blob_path(self, digest: str) -> Path:
        algorithm, _colon, value = digest.partition(":")
        return self._base / "blobs" / algorithm / value[:2] / value / "data"

    def _repository(self, name: str) -> Path:
        return self._base / "repositories" / name

    def put(self, data: bytes) -> Blob:
        """Keep bytes."""
        blob = Blob(content_digest(data), len(data))
        write_atomic(self.blob_path(blob.digest), data)
        return blob

    def put_file(self, file: Path, digest: str = "") -> Blob:
        """Keep a file, which is moved.

        :param digest: the file's digest where the caller knows it.
        """
        blob = Blob(digest or f"sha256:{sha256(file)}", file.stat().st_size)
        path = self.blob_path(blob.digest)
        path.parent.mkdir(parents=True, exist_ok=True)
        file.chmod(0o644)
        os.replace(file, path)
        return blob

    def tag(self, name: str, tag: str, manifest: bytes, parts: Iterable[str]) -> Blob:
        """Publish a manifest whose parts have been put.

        :param parts: digests of its config and layers.
        """
        repository = self._repository(name)
        for digest in parts:
            write_atomic(repository / "_layers" / _as_path(digest) / "link", digest)
        blob = self.put(manifest)
        tags = repository / "_manifests" / "tags" / tag
        write_atomic(repository / "_manifests" / "revisions" / _as_path(blob.digest) / "link", blob.digest)
        write_atomic(tags / "index" / _as_path(blob.digest) / "link", blob.digest)
        write_atomic(tags / "current" / "link", blob.digest)
        return blob

    def manifest(self, name: str, tag: str) -> tuple[str, bytes] | None:
        """Digest and bytes of what a tag names, None when there is none."""
        link = self._repository(name) / "_manifests" / "tags" / tag / "current" / "link"
        try:
            digest = link.read_text(encoding="utf-8").strip()
            return digest, self.blob_path(digest).read_bytes()
        except FileNotFoundError:
            return None

    def digests(self) -> dict[str, str]:
        """The digest of each image, by name and tag."""
        repositories = self._base / "repositories"
        return {
            f"{tag.parent.parent.parent.relative_to(repositories)}:{tag.name}": found[0]
            for tag in sorted(self._base.glob("repositories/**/_manifests/tags/*"))
            if (found := self.manifest(str(tag.parent.parent.parent.relative_to(repositories)), tag.name))
        }

    def untag(self, name: str, tag: str) -> None:
        """Stop serving a tag."""
        shutil.rmtree(self._repository(name) / "_manifests" / "tags" / tag, ignore_errors=True)

    def problem(self, name: str, tag: str, known: dict[str, str] | None = None) -> str:
        """What is wrong with an image, read in full: empty when each part has the digest and size it must have.

        :param known: digests of files that were read already, by digest asked for; images share layers.
        """
        found = self.manifest(name, tag)
        if found is None:
            return f"{name}:{tag} is not there"
        known = {} if known is None else known
        digest, data = found
        if content_digest(data) != digest:
            return f"{name}:{tag}: the manifest is not {digest}"
        for part in descriptors(json.loads(data)):
            path = self.blob_path(part.digest)
            if not path.is_file() or path.stat().st_size != part.size:
                return f"{name}:{tag}: {part.digest} is missing or has another size than {part.size}"
            if part.digest not in known:
                known[part.digest] = f"sha256:{sha256(path)}"
            if known[part.digest] != part.digest:
                # Never served again, and never taken for a complete layer.
                path.unlink()
                return f"{name}:{tag}: {part.digest} has the content of {known[part.digest]}"
        return ""

    def size(self, name: str, tag: str) -> int:
        """Bytes that a node downloads for an image."""
        found = self.manifest(name, tag)
        return sum(part.size for part in descriptors(json.loads(found[1]))) if found else 0

    def prune(self, keep: Iterable[tuple[str, str]]) -> int:
        """Remove the tags and blobs that no kept image needs.

        :param keep: names and tags.
        :return: bytes freed.
        """
        wanted = set(keep)
        digests: set[str] = set()
        for name, tag in wanted:
            if found := self.manifest(name, tag):
                digests |= {found[0], *(part.digest for part in descriptors(json.loads(found[1])))}
        for current in self._base.glob("repositories/**/_manifests/tags/*"):
            name = str(current.parent.parent.parent.relative_to(self._base / "repositories"))
            if (name, current.name) not in wanted:
                shutil.rmtree(current)
        freed = 0
        for data in self._base.glob("blobs/sha256/*/*/data"):
            if f"sha256:{data.parent.name}" not in digests:
                freed += data.stat().st_size
                shutil.rmtree(data.parent)
        return freed


def _as_path(digest: str) -> str:
    return digest.replace(":", "/")


def descriptors(manifest: Mapping[str, Any]) -> list[Blob]:
    """Config and layers of an image manifest."""
    return [Blob(part["digest"], part["size"]) for part in (manifest["config"], *manifest["layers"])]


class _Tee(io.RawIOBase):
    """Hashes what it passes on."""

    def __init__(self, sink: IO[bytes]) -> None:
        self.sink = sink
        self.hash = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.hash.update(data)
        return self.sink.write(data)


def add_layer(registry: Registry, entries: Iterable[Entry]) -> Layer:
    """Pack entries as a layer.

    :raises LabError: zstd failed.
    """
    return _pack(registry, lambda sink: write_tar(sink, entries))


def add_tree(registry: Registry, tar: Path) -> Layer:
    """Pack an existing tar as a layer."""

    def copy(sink: IO[bytes]) -> None:
        with tar.open("rb") as source:
            shutil.copyfileobj(source, sink, CHUNK)

    return _pack(registry, copy)


def _pack(registry: Registry, produce: Any) -> Layer:
    registry.root.mkdir(parents=True, exist_ok=True)
    fd, name = tempfile.mkstemp(dir=registry.root, prefix=".layer.")
    temporary = Path(name)
    try:
        with os.fdopen(fd, "wb") as output:
            packer = subprocess.Popen(ZSTD, stdin=subprocess.PIPE, stdout=output, stderr=subprocess.PIPE)
            assert packer.stdin is not None and packer.stderr is not None  # noqa: S101 - pipes were asked for
            tee = _Tee(packer.stdin)
            try:
                with packer.stdin:
                    produce(tee)
            except BrokenPipeError:
                pass  # zstd's error follows
            message = packer.stderr.read().decode(errors="replace")
            if packer.wait() != 0:
                raise LabError(
                    f"zstd ended with code {packer.returncode}: {message.strip()}", "check free disk space"
                )
        return Layer(registry.put_file(temporary), f"sha256:{tee.hash.hexdigest()}")
    finally:
        temporary.unlink(missing_ok=True)


def static_entries() -> list[Entry]:
    """What a static program expects around it, as in the distroless images that upstream starts from."""
    return [
        Entry("etc", directory=True, mode=0o755),
        Entry("etc/passwd", content=_USERS.encode()),
        Entry("etc/group", content=_GROUPS.encode()),
        Entry("etc/nsswitch.conf", content=b"hosts: files dns\n"),
        Entry("etc/ssl", directory=True, mode=0o755),
        Entry("etc/ssl/certs", directory=True, mode=0o755),
        Entry(CERTIFICATES, source=Path(certifi.where())),
        Entry("home", directory=True, mode=0o755),
        Entry("home/nonroot", directory=True, mode=0o777),
        Entry("tmp", directory=True, mode=0o1777),
    ]


def entries(image: ImageArtifact, files: Mapping[str, Path]) -> Iterator[Entry]:
    """The entries of an image's own layer.

    :param files: path in the image -> file or directory.
    """
    made: set[str] = set()
    for path in sorted((*image.files, *image.links, *image.directories)):
        name = path.lstrip("/")
        # A tree has its directories, with modes that must stay; a registry's client makes those that are
        # missing.
        if image.base in ("scratch", "static"):
            for parent in reversed(PurePosixPath(name).parents):
                if str(parent) not in (".", *made):
                    made.add(str(parent))
                    yield Entry(str(parent), directory=True, mode=0o755)
        if path in image.links:
            yield Entry(name, link=image.links[path])
        elif path in image.directories:
            made.add(name)
            yield Entry(name, directory=True, mode=0o1777)
        else:
            file = image.files[path]
            for entry in walk(name, files[path]):
                if file.capabilities and entry.source:
                    entry = replace(entry, capabilities=BIND_PORTS)
                yield replace(entry, mode=entry.mode | stat.S_ISUID) if file.setuid else entry


def config(image: ImageArtifact, layers: Iterable[Layer]) -> dict[str, Any]:
    """The image's configuration, in the OCI format."""
    process: dict[str, Any] = {"Env": [PATH, *image.environment]}
    if image.base == "static":
        process["Env"].append(f"SSL_CERT_FILE=/{CERTIFICATES}")
    named = {
        "Entrypoint": list(image.entrypoint),
        "Cmd": list(image.command),
        "User": image.user,
        "WorkingDir": image.workdir,
    }
    process |= {key: value for key, value in named.items() if value}
    return {
        "created": _CREATED,
        "architecture": "amd64",
        "os": "linux",
        "config": process,
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
    }


def _json(data: Any) -> bytes:
    return json.dumps(data, separators=(",", ":")).encode()


def build(
    registry: Registry,
    image: ImageArtifact,
    files: Mapping[str, Path],
    tree: Layer | None = None,
) -> Blob:
    """Make an image and publish it under its name and tag.

    :param files: path in the image -> file or directory.
    :param tree: layer of the tree that it starts from.
    :return: its manifest.
    :raises LabError: packing failed.
    """
    layers = [] if tree is None else [tree]
    if image.base == "static":
        layers.append(add_layer(registry, static_entries()))
    layers.append(add_layer(registry, entries(image, files)))
    settings = registry.put(_json(config(image, layers)))
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": {"mediaType": CONFIG_TYPE, "digest": settings.digest, "size": settings.size},
        "layers": [
            {"mediaType": LAYER_TYPE, "digest": layer.blob.digest, "size": layer.blob.size}
            for layer in layers
        ],
    }
    parts = [settings.digest, *(layer.blob.digest for layer in layers)]
    return registry.tag(image.name, image.version, _json(manifest), parts)


def adopt(registry: Registry, image: ImageArtifact, directory: Path) -> Blob:
    """Publish an image that skopeo copied into a directory (format ``dir``: manifest.json and one file per blob).

    :raises LabError: a part is missing or has another digest than the manifest says.
    """
    manifest = (directory / "manifest.json").read_bytes()
    parts = descriptors(json.loads(manifest))
    for part in parts:
        file = directory / part.digest.partition(":")[2]
        if not file.is_file() or f"sha256:{sha256(file)}" != part.digest:
            raise LabError(f"{image.reference}: {part.digest} was not copied whole", "run the command again")
    for part in {part.digest: part for part in parts}.values():
        registry.put_file(directory / part.digest.partition(":")[2], part.digest)
    return registry.tag(image.name, image.version, manifest, [part.digest for part in parts])
