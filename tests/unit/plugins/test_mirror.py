# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The content of a mirror, and the directory that a fake skopeo copies images to."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.baremetal.kubernetes.plugins.filter import mirror as filters
from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._mirror import directory, plan
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._mirror.reference import parse_reference

from tests.checkout import ROOT
from tests.unit.support.modules import RunAction

LOCK = yaml.safe_load((ROOT / "roles/cluster/vars/main/releases.yml").read_text(encoding="utf-8"))
DIGEST = "sha256:" + "ab" * 32
OTHER = "sha256:" + "cd" * 32
HOST: dict[str, t.Any] = {
    "components": {"kubelet": "1.36.4", "runc": "1.4.3"},
    "checksums": {},
    "kubernetes_version": "1.36.4",
    "sandbox_image": "registry.k8s.io/pause:3.10.2",
    "cluster_configuration": {},
}
KUBERNETES = [
    "registry.k8s.io/coredns/coredns:v1.14.2",
    "registry.k8s.io/etcd:3.6.8-0",
    "registry.k8s.io/kube-apiserver:v1.36.4",
    "registry.k8s.io/kube-controller-manager:v1.36.4",
    "registry.k8s.io/kube-scheduler:v1.36.4",
    "registry.k8s.io/pause:3.10.2",
]


def listed(*hosts: dict[str, t.Any], **options: t.Any) -> dict[str, list[dict[str, str]]]:
    """The plan for some hosts with the real lock file."""
    values: dict[str, t.Any] = {
        "releases": LOCK["cluster_releases"],
        "image_tags": LOCK["cluster_image_tags"],
        "architectures": ["amd64"],
        **options,
    }
    return plan.plan_mirror(hosts, **values)


@pytest.mark.parametrize(
    ("text", "full", "path", "source"),
    [
        ("registry.k8s.io/pause:3.10", "registry.k8s.io/pause:3.10", None, None),
        ("busybox", "docker.io/library/busybox:latest", None, None),
        ("grafana/grafana:12", "docker.io/grafana/grafana:12", None, None),
        ("localhost/x:1", "localhost/x:1", None, None),
        ("reg.example:5000/a/b:1", "reg.example:5000/a/b:1", None, None),
        (
            f"quay.io/cilium/cilium:v1@{DIGEST}",
            f"quay.io/cilium/cilium:v1@{DIGEST}",
            "quay.io/cilium/cilium:v1",
            f"quay.io/cilium/cilium@{DIGEST}",
        ),
        (f"quay.io/a/b@{DIGEST}", f"quay.io/a/b@{DIGEST}", None, None),
    ],
)
def test_references_are_read_as_runtimes_do(
    text: str, full: str, path: str | None, source: str | None
) -> None:
    reference = parse_reference(text)
    assert (str(reference), reference.path, reference.source) == (full, path or full, source or full)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "UPPER/case",
        "a b",
        "quay.io/x:",
        "quay.io/x@sha256:12",
        "quay.io/x@",
        "../../etc:1",
        "quay.io/../x",
        "/x",
    ],
)
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(OperatorError, match="is no name of an image"):
        parse_reference(text)


def test_list_has_each_thing_once_and_for_each_architecture() -> None:
    found = listed(
        HOST,
        {**HOST, "components": {"kubelet": "1.36.4"}},
        architectures=["amd64", "arm64"],
        charts=[
            {
                "name": "cilium",
                "components": {"helm": "3.18.4", "cilium_chart": "1.19.5"},
                "images": [f"quay.io/cilium/cilium:v1.19.5@{DIGEST}"],
            }
        ],
        images=["busybox:1"],
    )
    kinds = [(file["component"], file["arch"]) for file in found["files"]]
    assert kinds == [
        *[("kubelet", "amd64"), ("kubelet", "arm64"), ("runc", "amd64"), ("runc", "arm64")],
        *[("helm", "amd64"), ("helm", "arm64"), ("cilium_chart", "any")],
    ]
    assert found["files"][1] == {
        "component": "kubelet",
        "version": "1.36.4",
        "arch": "arm64",
        "url": "https://dl.k8s.io/release/v1.36.4/bin/linux/arm64/kubelet",
        "checksum": LOCK["cluster_releases"]["kubelet"]["checksums"]["1.36.4"]["arm64"],
        "path": "dl.k8s.io/release/v1.36.4/bin/linux/arm64/kubelet",
    }
    assert [image["reference"] for image in found["images"]] == [
        "docker.io/library/busybox:1",
        f"quay.io/cilium/cilium:v1.19.5@{DIGEST}",
        *KUBERNETES,
    ]
    assert found["images"][1]["path"] == "quay.io/cilium/cilium:v1.19.5"


def test_hosts_of_different_versions_add_up() -> None:
    other = {
        **HOST,
        "components": {"kubelet": "1.36.5"},
        "kubernetes_version": "1.36.5",
        "checksums": {"kubelet": {"1.36.5": {"amd64": "sha256:own"}}},
    }
    tags = {**LOCK["cluster_image_tags"], "1.36.5": {"etcd": "3.6.9-0", "coredns": "v2", "pause": "3.11"}}
    found = listed(HOST, other, image_tags=tags)
    assert [file["version"] for file in found["files"]] == ["1.36.4", "1.4.3", "1.36.5"]
    names = {image["reference"] for image in found["images"]}
    assert {"registry.k8s.io/etcd:3.6.8-0", "registry.k8s.io/etcd:3.6.9-0"} < names


def test_another_mirror_changes_where_files_are_fetched_but_not_their_place() -> None:
    file = listed(HOST, files_url="https://192.0.2.1/")["files"][0]
    assert file["url"] == "https://192.0.2.1/dl.k8s.io/release/v1.36.4/bin/linux/amd64/kubelet"
    assert file["path"] == "dl.k8s.io/release/v1.36.4/bin/linux/amd64/kubelet"


@pytest.mark.parametrize(
    ("configuration", "has", "lacks"),
    [
        (
            {"imageRepository": "r.example/k8s"},
            "r.example/k8s/coredns:v1.14.2",
            "registry.k8s.io/etcd:3.6.8-0",
        ),
        ({"dns": {"imageTag": "v9"}}, "registry.k8s.io/coredns/coredns:v9", KUBERNETES[0]),
        (
            {"etcd": {"local": {"imageRepository": "r.example", "imageTag": "1"}}},
            "r.example/etcd:1",
            KUBERNETES[1],
        ),
        ({"etcd": {"external": {"endpoints": []}}}, KUBERNETES[2], KUBERNETES[1]),
    ],
)
def test_images_follow_the_sites_cluster_configuration(
    configuration: dict[str, t.Any], has: str, lacks: str
) -> None:
    names = {
        image["reference"] for image in listed({**HOST, "cluster_configuration": configuration})["images"]
    }
    assert has in names and lacks not in names


def test_a_digest_wins_over_the_same_tag_without_one() -> None:
    for images in (
        ["a.example/x:1", f"a.example/x:1@{DIGEST}"],
        [f"a.example/x:1@{DIGEST}", "a.example/x:1"],
    ):
        assert listed(HOST, images=images)["images"][0]["reference"] == f"a.example/x:1@{DIGEST}"


@pytest.mark.parametrize(
    ("hosts", "options", "message"),
    [
        ([], {}, "no host of the cluster"),
        ([HOST], {"architectures": []}, "no architecture"),
        (
            [{**HOST, "kubernetes_version": "1.99.0"}],
            {},
            "kubeadm config images list --kubernetes-version v1.99.0",
        ),
        ([HOST], {"architectures": ["riscv64"]}, "There is no checksum of kubelet 1.36.4 for riscv64"),
        (
            [HOST, {**HOST, "checksums": {"kubelet": {"1.36.4": {"amd64": "sha256:own"}}}}],
            {},
            "a mirror can hold one file only",
        ),
        (
            [HOST],
            {"images": [f"a.example/x:1@{DIGEST}", f"a.example/x:1@{OTHER}"]},
            "a mirror can hold one image only",
        ),
    ],
)
def test_what_cannot_be_listed_is_explained(
    hosts: list[dict[str, t.Any]], options: dict[str, t.Any], message: str
) -> None:
    with pytest.raises(OperatorError, match=message):
        listed(*hosts, **options)


def test_lock_file_has_tags_for_every_version_with_checksums() -> None:
    versions = set(LOCK["cluster_releases"]["kubeadm"]["checksums"])
    # A version without checksums can be used with those that a site gives.
    assert versions <= set(LOCK["cluster_image_tags"])
    version = yaml.safe_load((ROOT / "roles/cluster/defaults/main.yml").read_text(encoding="utf-8"))[
        "cluster_kubernetes_version"
    ]
    pause = LOCK["cluster_image_tags"][version]["pause"]
    assert LOCK["cluster_sandbox_image"] == f"registry.k8s.io/pause:{pause}"


MANIFESTS = f"""
---
kind: DaemonSet
spec:
  template:
    spec:
      initContainers:
        - {{image: "quay.io/cilium/cilium:v1@{DIGEST}"}}
      containers:
        - {{image: "quay.io/cilium/cilium:v1@{DIGEST}"}}
        - {{image: quay.io/cilium/cilium-envoy:v2}}
---
kind: CustomResourceDefinition
spec: {{properties: {{image: text, other: {{image: {{type: string}}}}}}}}
---
kind: ConfigMap
data: {{image: ""}}
---
"""


PAUSE = "registry.k8s.io/pause:3.10.2"


def test_known_digests_pin_what_is_copied() -> None:
    found = listed(
        HOST, digests={PAUSE: DIGEST, "registry.k8s.io/etcd:3.6.8-0": ""}, images=["example.org/pause:3.10.2"]
    )
    references = [image["reference"] for image in found["images"]]
    assert f"{PAUSE}@{DIGEST}" in references
    assert "registry.k8s.io/etcd:3.6.8-0" in references
    # Another image of the same name is not the same image.
    assert "example.org/pause:3.10.2" in references


@pytest.mark.parametrize(
    ("role", "configuration", "expected"),
    [
        ("worker", {}, {PAUSE: DIGEST}),
        ("control_plane", {}, {PAUSE: DIGEST, "registry.k8s.io/etcd:3.6.8-0": OTHER}),
        ("control_plane", {"etcd": {"external": {"endpoints": ["https://192.0.2.1:2379"]}}}, {PAUSE: DIGEST}),
        (
            "control_plane",
            {"imageRepository": "example.org/k8s"},
            {PAUSE: DIGEST, "example.org/k8s/pause:3.10.2": DIGEST, "example.org/k8s/etcd:3.6.8-0": OTHER},
        ),
    ],
)
def test_nodes_verify_what_they_run_first(
    role: str, configuration: dict[str, t.Any], expected: dict[str, str]
) -> None:
    digests = {
        PAUSE: DIGEST,
        "registry.k8s.io/etcd:3.6.8-0": OTHER,
        "registry.k8s.io/coredns/coredns:v1.14.2": "",
    }
    options: dict[str, t.Any] = {
        "image_tags": LOCK["cluster_image_tags"],
        "configuration": configuration,
        "sandbox_image": PAUSE,
        "digests": digests,
    }
    assert plan.node_images(role, "1.36.4", **options) == expected
    # Of a version that is not known, what is known by its name.
    assert plan.node_images("control_plane", "1.99.0", **options)[PAUSE] == DIGEST
    assert plan.node_images("worker", "1.36.4", **options, required=True) == {PAUSE: DIGEST}
    with pytest.raises(
        OperatorError, match=r"kube-apiserver:v1\.36\.4.*cluster_require_image_digests is true"
    ):
        plan.node_images("control_plane", "1.36.4", **options, required=True)


@pytest.mark.parametrize(
    "digests", [{PAUSE: "sha256:1"}, {PAUSE: 1}, {"no name": DIGEST}, {f"{PAUSE}@{DIGEST}": DIGEST}]
)
def test_what_is_no_digest_is_refused(digests: dict[str, t.Any]) -> None:
    with pytest.raises(OperatorError):
        listed(HOST, digests=digests)


def test_lock_file_has_digests_of_its_own_tags() -> None:
    known = LOCK["__cluster_image_lock"]
    digests = plan.node_images(
        "control_plane",
        "1.36.4",
        image_tags=LOCK["cluster_image_tags"],
        configuration={},
        sandbox_image=LOCK["cluster_sandbox_image"],
        digests=known,
    )
    assert digests == known


def test_images_of_manifests() -> None:
    assert filters.manifest_images(list(yaml.safe_load_all(MANIFESTS))) == [
        "quay.io/cilium/cilium-envoy:v2",
        f"quay.io/cilium/cilium:v1@{DIGEST}",
    ]
    with pytest.raises(AnsibleFilterError, match="takes a list of documents"):
        filters.manifest_images("a: b")


def test_filter_passes_options_and_errors_on() -> None:
    releases, tags = LOCK["cluster_releases"], LOCK["cluster_image_tags"]
    assert filters.mirror_list([HOST], releases, tags, architectures=["arm64"])["files"][0]["arch"] == "arm64"
    with pytest.raises(AnsibleFilterError, match="no host of the cluster"):
        filters.mirror_list([], releases, tags, architectures=["arm64"])
    with pytest.raises(AnsibleFilterError, match="takes a list"):
        filters.mirror_list("x", releases, tags)


def _blob(path: Path, data: bytes) -> dict[str, t.Any]:
    digest = hashlib.sha256(data).hexdigest()
    (path / digest).write_bytes(data)
    return {"digest": f"sha256:{digest}", "size": len(data)}


def write_image(path: Path, architectures: t.Sequence[str], index: bool = True) -> str:
    """An image as skopeo's transport `dir` writes it; returns its digest."""
    path.mkdir(parents=True)
    entries = []
    raw = b""
    for architecture in architectures:
        kind = "application/vnd.oci.image.config.v1+json"
        config = _blob(path, json.dumps({"architecture": architecture, "os": "linux"}).encode())
        layer = _blob(path, f"layer {architecture}".encode())
        raw = json.dumps({"config": {"mediaType": kind, **config}, "layers": [layer]}).encode()
        digest = hashlib.sha256(raw).hexdigest()
        if index:
            (path / f"{digest}.manifest.json").write_bytes(raw)
        entries.append(
            {"digest": f"sha256:{digest}", "platform": {"os": "linux", "architecture": architecture}}
        )
    if index:
        raw = json.dumps({"manifests": entries}).encode()
    (path / "manifest.json").write_bytes(raw)
    return f"sha256:{hashlib.sha256(raw).hexdigest()}"


@pytest.mark.parametrize("index", [True, False])
def test_complete_image_is_seen(tmp_path: Path, index: bool) -> None:
    architectures = ["amd64", "arm64"] if index else ["amd64"]
    digest = write_image(tmp_path / "image", architectures, index)
    assert directory.read_image(str(tmp_path / "image")) == directory.Found(
        "", digest, frozenset(architectures)
    )


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda image: (image / "manifest.json").unlink(), "it is not there"),
        (lambda image: (image / "manifest.json").write_text("{"), "cannot be read"),
        (lambda image: (image / "manifest.json").write_text("[]"), "cannot be read"),
        (lambda image: next(image.glob("*.manifest.json")).unlink(), "is missing"),
        (lambda image: next(image.glob("*.manifest.json")).write_text("{}"), "has other content"),
        (lambda image: _layer(image).unlink(), "is missing"),
        (lambda image: _layer(image).write_text("short"), "has 5 bytes, expected 11"),
    ],
)
def test_broken_image_is_seen(tmp_path: Path, spoil: t.Callable[[Path], object], problem: str) -> None:
    image = tmp_path / "image"
    write_image(image, ["amd64"])
    spoil(image)
    assert problem in directory.read_image(str(image)).problem


def _layer(image: Path) -> Path:
    return image / hashlib.sha256(b"layer amd64").hexdigest()


def test_only_what_is_missing_or_different_is_copied() -> None:
    wanted = [parse_reference(text) for text in ("a.example/x:1", "a.example/y:1", f"a.example/z:1@{DIGEST}")]
    found = {
        "a.example/x:1": directory.Found("", OTHER),
        "a.example/y:1": directory.Found("it is not there"),
        "a.example/z:1": directory.Found("", OTHER),
    }
    copies = directory.plan_copies(wanted, found, "")
    assert [copy.source for copy in copies] == ["a.example/y:1", f"a.example/z@{DIGEST}"]
    assert [copy.source for copy in directory.plan_copies(wanted, found, "r.example:5000/")] == [
        "r.example:5000/a.example/y:1",
        f"r.example:5000/a.example/z@{DIGEST}",
    ]


#: Copies from a directory that stands for all registries, and logs its calls.
SKOPEO = """#!/bin/sh
echo "$*" >>"{root}/calls"
for last; do :; done
for source; do case $source in docker://*) from=${{source#docker://}};; esac; done
if [ ! -d "{root}/registry/$from" ]; then echo "manifest unknown" >&2; exit 1; fi
cp -r "{root}/registry/$from" "${{last#dir:}}"
"""


class Site:
    """A registry, a skopeo and a directory for images."""

    def __init__(self, root: Path, run_action: RunAction) -> None:
        self.root, self.directory, self._run = root, root / "out" / "images", run_action
        self.skopeo = root / "skopeo"
        self.skopeo.write_text(SKOPEO.format(root=root))
        self.skopeo.chmod(0o755)

    def publish(self, name: str, *architectures: str) -> str:
        return write_image(self.root / "registry" / name, architectures)

    def run(self, *images: str, check: bool = False, **options: t.Any) -> dict[str, t.Any]:
        arguments = {
            "images": list(images),
            "directory": str(self.directory),
            "skopeo": str(self.skopeo),
            **options,
        }
        return self._run("image_directory", arguments, check=check)

    def calls(self) -> list[str]:
        calls = self.root / "calls"
        return calls.read_text().splitlines() if calls.exists() else []


@pytest.fixture
def site(tmp_path: Path, run_action: RunAction) -> Site:
    return Site(tmp_path, run_action)


def test_images_are_copied_once(site: Site) -> None:
    digest = site.publish("a.example/x:1", "amd64", "arm64")
    site.publish("a.example/y:2", "amd64", "arm64")
    wanted = ("a.example/x:1", "a.example/y:2")
    planned = site.run(*wanted, check=True)
    assert planned["changed"] and planned["copied"] == 2 and not site.directory.exists() and not site.calls()
    first = site.run(*wanted, architectures=["amd64", "arm64"])
    assert first["images"][0] == {
        "reference": "a.example/x:1",
        "path": str(site.directory / "a.example/x:1"),
        "digest": digest,
        "changed": True,
    }
    assert all("--all --preserve-digests" in call for call in site.calls())
    second = site.run(*wanted, architectures=["amd64", "arm64"])
    assert second["changed"] is False and len(site.calls()) == 2
    assert [path.name for path in site.directory.parent.iterdir()] == ["images"], "the work directory is left"


def test_run_goes_on_where_it_failed(site: Site) -> None:
    site.publish("a.example/x:1", "amd64")
    failed = site.run("a.example/x:1", "a.example/y:2")
    assert failed["failed"] and "a.example/y:2 could not be copied" in failed["msg"]
    assert "manifest unknown" in failed["msg"]
    assert not (site.directory / "a.example/y:2").exists()
    site.publish("a.example/y:2", "amd64")
    done = site.run("a.example/x:1", "a.example/y:2")
    assert [image["changed"] for image in done["images"]] == [False, True]


def test_what_a_killed_run_left_is_removed(site: Site) -> None:
    site.publish("a.example/x:1", "amd64")
    left = site.directory.parent / ".images.unfinished"
    write_image(left / "image", ["arm64"])
    (left / "old").mkdir()
    assert site.run("a.example/x:1", architectures=["amd64"])["copied"] == 1
    assert not left.exists()


def test_two_runs_do_not_write_to_one_directory(site: Site) -> None:
    site.publish("a.example/x:1", "amd64")
    left = site.directory.parent / ".images.unfinished"
    left.mkdir(parents=True)
    handle = os.open(left, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        assert "Another run is writing to" in site.run("a.example/x:1")["msg"]
    finally:
        os.close(handle)


def test_broken_image_is_replaced(site: Site) -> None:
    site.publish("a.example/x:1", "amd64")
    site.run("a.example/x:1")
    _layer(site.directory / "a.example/x:1").write_text("short")
    again = site.run("a.example/x:1")
    assert again["copied"] == 1 and "has 5 bytes" in again["diff"]["before"]
    assert not directory.read_image(str(site.directory / "a.example/x:1")).problem


def test_wrong_digest_gets_no_name(site: Site) -> None:
    site.publish(f"a.example/x@{DIGEST}", "amd64")
    failed = site.run(f"a.example/x:1@{DIGEST}")
    assert failed["failed"] and f"expected {DIGEST}" in failed["msg"]
    assert not (site.directory / "a.example/x:1").exists()


@pytest.mark.parametrize("present", [False, True])
def test_missing_architecture_is_told(site: Site, present: bool) -> None:
    site.publish("a.example/x:1", "amd64")
    if present:
        site.run("a.example/x:1")
    failed = site.run("a.example/x:1", architectures=["amd64", "arm64"])
    assert failed["failed"] and "has no image for linux on arm64, only for amd64" in failed["msg"]


def test_registry_with_a_ca_is_trusted(site: Site) -> None:
    site.publish("r.example:5000/a.example/x:1", "amd64")
    authority = site.root / "ca.pem"
    authority.write_text("certificate")
    done = site.run("a.example/x:1", source_registry="r.example:5000", ca_path=str(authority))
    assert done["copied"] == 1
    assert "--src-cert-dir" in site.calls()[0]
    assert (site.directory / "a.example/x:1/manifest.json").exists()


def test_errors_say_what_to_do(site: Site) -> None:
    assert "Install the distribution's package skopeo" in site.run("a.example/x:1", skopeo="no-skopeo")["msg"]
    assert "is no name of an image" in site.run("a b")["msg"]
    site.publish("a.example/x:1", "amd64")
    assert "The CA file /nowhere" in site.run("a.example/x:1", ca_path="/nowhere")["msg"]
