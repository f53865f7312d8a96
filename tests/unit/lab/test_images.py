# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

from lab import images
from lab.artifacts.catalogue import ImageArtifact, ImageFile, Material
from lab.config import LabError
from lab.images import Registry

pytestmark = pytest.mark.skipif(shutil.which("zstd") is None, reason="zstd packs the layers")
PROGRAM = Material("go", "demo", "demo")


def image(**fields: Any) -> ImageArtifact:
    defaults: dict[str, Any] = {
        "entry": "registry.example/demo",
        "name": "example.com/group/demo",
        "version": "v1",
        "base": "static",
        "files": {"/usr/local/bin/demo": ImageFile(PROGRAM, capabilities=True)},
        "links": {"/usr/local/bin/alias": "demo"},
        "directories": ("/uploads",),
        "entrypoint": ("/usr/local/bin/demo",),
        "command": ("run",),
        "environment": ("A=b",),
        "user": "65532:65532",
    }
    return ImageArtifact(**{**defaults, **fields})


@pytest.fixture
def program(tmp_path: Path) -> Path:
    file = tmp_path / "demo"
    file.write_bytes(b"\x7fELF demo")
    file.chmod(0o755)
    return file


def build(root: Path, program: Path, artifact: ImageArtifact | None = None) -> Registry:
    registry = Registry(root)
    images.build(registry, artifact or image(), {"/usr/local/bin/demo": program})
    return registry


def unpacked(registry: Registry, digest: str) -> bytes:
    return subprocess.run(["zstd", "-dc", registry.blob_path(digest)], check=True, capture_output=True).stdout


def parts(registry: Registry) -> tuple[dict[str, Any], dict[str, Any]]:
    found = registry.manifest("example.com/group/demo", "v1")
    assert found is not None
    manifest = json.loads(found[1])
    return manifest, json.loads(registry.blob_path(manifest["config"]["digest"]).read_bytes())


def test_digests_sizes_and_diff_ids_agree(tmp_path: Path, program: Path) -> None:
    registry = build(tmp_path / "registry", program)

    manifest, config = parts(registry)
    for part in (manifest["config"], *manifest["layers"]):
        data = registry.blob_path(part["digest"]).read_bytes()
        assert part["size"] == len(data)
        assert part["digest"] == f"sha256:{hashlib.sha256(data).hexdigest()}"
    assert len(manifest["layers"]) == 2
    assert config["rootfs"]["diff_ids"] == [
        f"sha256:{hashlib.sha256(unpacked(registry, layer['digest'])).hexdigest()}"
        for layer in manifest["layers"]
    ]
    assert {layer["mediaType"] for layer in manifest["layers"]} == {
        "application/vnd.oci.image.layer.v1.tar+zstd"
    }
    assert manifest["mediaType"] == "application/vnd.oci.image.manifest.v1+json"
    assert registry.problem("example.com/group/demo", "v1") == ""


def test_the_configuration_is_upstream_s(tmp_path: Path, program: Path) -> None:
    _manifest, config = parts(build(tmp_path / "registry", program))

    assert (config["os"], config["architecture"]) == ("linux", "amd64")
    assert config["config"]["Entrypoint"] == ["/usr/local/bin/demo"]
    assert config["config"]["Cmd"] == ["run"]
    assert config["config"]["User"] == "65532:65532"
    assert "A=b" in config["config"]["Env"]
    # kubeadm's manifests name programs without their directory.
    assert "/usr/local/bin" in dict(e.split("=", 1) for e in config["config"]["Env"])["PATH"].split(":")


def test_the_layers_hold_programs_and_what_they_expect(tmp_path: Path, program: Path) -> None:
    registry = build(tmp_path / "registry", program)
    manifest, _config = parts(registry)

    members: dict[str, tarfile.TarInfo] = {}
    for layer in manifest["layers"]:
        with tarfile.open(fileobj=io.BytesIO(unpacked(registry, layer["digest"]))) as archive:
            members |= {member.name: member for member in archive}

    assert members["usr/local/bin/demo"].mode == 0o755
    assert "SCHILY.xattr.security.capability" in members["usr/local/bin/demo"].pax_headers
    assert members["usr/local/bin/alias"].linkname == "demo"
    assert members["usr/local"].isdir()
    assert members["tmp"].mode == 0o1777
    assert members["uploads"].mode == 0o1777
    assert members["etc/ssl/certs/ca-certificates.crt"].size > 100_000
    assert {"etc/passwd", "etc/group", "etc/nsswitch.conf"} <= set(members)


def test_a_program_can_run_as_its_owner(tmp_path: Path, program: Path) -> None:
    artifact = image(files={"/usr/local/bin/demo": ImageFile(PROGRAM, setuid=True)})
    manifest, _config = parts(build(tmp_path / "registry", program, artifact))

    data = unpacked(build(tmp_path / "registry", program, artifact), manifest["layers"][-1]["digest"])
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        member = archive.getmember("usr/local/bin/demo")
    assert (member.mode, member.uid) == (0o4755, 0)
    assert not member.pax_headers


def test_the_same_input_gives_the_same_image(tmp_path: Path, program: Path) -> None:
    one = build(tmp_path / "one", program).manifest("example.com/group/demo", "v1")
    program.touch()
    two = build(tmp_path / "two", program).manifest("example.com/group/demo", "v1")

    assert one == two


def test_an_image_on_a_tree_keeps_the_tree_s_directories(tmp_path: Path, program: Path) -> None:
    tar = tmp_path / "tree.tar"
    with tarfile.open(tar, "w") as archive:
        archive.addfile(tarfile.TarInfo("hello"))
    registry = Registry(tmp_path / "registry")
    tree = images.add_tree(registry, tar)

    images.build(registry, image(base="tree"), {"/usr/local/bin/demo": program}, tree)

    manifest, config = parts(registry)
    assert config["rootfs"]["diff_ids"][0] == f"sha256:{hashlib.sha256(tar.read_bytes()).hexdigest()}"
    with tarfile.open(fileobj=io.BytesIO(unpacked(registry, manifest["layers"][1]["digest"]))) as archive:
        assert "usr" not in archive.getnames()


def test_a_damaged_layer_is_found_and_never_served(tmp_path: Path, program: Path) -> None:
    registry = build(tmp_path / "registry", program)
    manifest, _config = parts(registry)
    layer = registry.blob_path(manifest["layers"][1]["digest"])
    data = bytearray(layer.read_bytes())
    data[-1] ^= 1
    layer.write_bytes(data)

    assert "has the content of" in registry.problem("example.com/group/demo", "v1")
    assert not layer.exists()
    assert "missing" in registry.problem("example.com/group/demo", "v1")


def test_an_absent_image_and_a_damaged_manifest_are_problems(tmp_path: Path, program: Path) -> None:
    registry = build(tmp_path / "registry", program)

    assert "not there" in registry.problem("example.com/group/demo", "v2")
    found = registry.manifest("example.com/group/demo", "v1")
    assert found is not None
    registry.blob_path(found[0]).write_bytes(found[1] + b" ")
    assert "manifest is not" in registry.problem("example.com/group/demo", "v1")
    registry.untag("example.com/group/demo", "v1")
    assert registry.manifest("example.com/group/demo", "v1") is None


def test_digests_are_listed_by_name_and_tag(tmp_path: Path, program: Path) -> None:
    registry = build(tmp_path / "registry", program)
    found = registry.manifest("example.com/group/demo", "v1")
    assert found and registry.digests() == {"example.com/group/demo:v1": found[0]}
    assert Registry(tmp_path / "none").digests() == {}


def test_what_no_image_needs_is_removed(tmp_path: Path, program: Path) -> None:
    registry = build(tmp_path / "registry", program)
    images.build(registry, image(version="v0", entrypoint=()), {"/usr/local/bin/demo": program})
    stray = registry.put(b"of an image that was replaced")

    freed = registry.prune([("example.com/group/demo", "v1")])

    assert freed >= stray.size
    assert not registry.blob_path(stray.digest).exists()
    assert registry.manifest("example.com/group/demo", "v0") is None
    assert registry.problem("example.com/group/demo", "v1") == ""


def test_a_copied_image_is_taken_over_unchanged(tmp_path: Path, program: Path) -> None:
    directory = tmp_path / "copied"
    directory.mkdir()
    blobs = [b'{"config": 1}', b"layer"]
    described = [
        {"digest": f"sha256:{hashlib.sha256(blob).hexdigest()}", "size": len(blob)} for blob in blobs
    ]
    for blob in blobs:
        (directory / hashlib.sha256(blob).hexdigest()).write_bytes(blob)
    manifest = json.dumps({"config": described[0], "layers": [described[1]]}).encode()
    (directory / "manifest.json").write_bytes(manifest)
    registry = Registry(tmp_path / "registry")

    images.adopt(registry, image(), directory)

    found = registry.manifest("example.com/group/demo", "v1")
    assert found == (f"sha256:{hashlib.sha256(manifest).hexdigest()}", manifest)
    assert registry.problem("example.com/group/demo", "v1") == ""


def test_a_copied_image_with_a_wrong_part_is_refused(tmp_path: Path) -> None:
    directory = tmp_path / "copied"
    directory.mkdir()
    (directory / ("0" * 64)).write_bytes(b"other")
    part = {"digest": "sha256:" + "0" * 64, "size": 5}
    (directory / "manifest.json").write_text(json.dumps({"config": part, "layers": []}), encoding="utf-8")
    registry = Registry(tmp_path / "registry")

    with pytest.raises(LabError, match="was not copied whole"):
        images.adopt(registry, image(), directory)

    assert registry.manifest("example.com/group/demo", "v1") is None


def test_a_missing_program_leaves_no_image(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "registry")

    with pytest.raises(FileNotFoundError):
        images.build(registry, image(), {"/usr/local/bin/demo": tmp_path / "absent"})

    assert registry.manifest("example.com/group/demo", "v1") is None
    assert not list((tmp_path / "registry").glob(".layer.*"))
