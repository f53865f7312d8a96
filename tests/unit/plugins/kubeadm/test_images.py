# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Images are verified by their digests before kubeadm starts anything."""

from __future__ import annotations

import json
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm import images
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.plan import KubeadmError

from tests.unit.plugins.kubeadm.cluster import Cluster, init_args
from tests.unit.support.modules import RunModule

PAUSE, ETCD = "registry.k8s.io/pause:3.10.2", "registry.k8s.io/etcd:3.6.8-0"
GOOD, BAD = "sha256:" + "a" * 64, "sha256:" + "b" * 64


class Runtime:
    """crictl and what containerd has.

    :param present: digests by reference. :param served: what the registry serves.
    """

    def __init__(self, present: dict[str, str], served: dict[str, str]) -> None:
        self.present = present
        self.served = served
        self.calls: list[str] = []

    def __call__(self, argv: t.Sequence[str], seconds: float = 30.0) -> tuple[int, str]:
        self.calls.append(" ".join(argv))
        if argv[1] == "images":
            listed = [
                {"id": "x", "repoTags": [name], "repoDigests": [f"{name.rpartition(':')[0]}@{digest}"]}
                for name, digest in self.present.items()
            ]
            return 0, f"warning: old\n{json.dumps({'images': listed})}\nanother warning\n"
        if argv[1] == "rmi":
            del self.present[argv[2]]
            return 0, ""
        if argv[2] not in self.served:
            return 1, "not found"
        self.present[argv[2]] = self.served[argv[2]]
        return 0, ""


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> t.Callable[..., Runtime]:
    def made(present: dict[str, str], served: dict[str, str]) -> Runtime:
        fake = Runtime(present, served)
        monkeypatch.setattr(images, "command", fake)
        return fake

    return made


def test_only_what_is_missing_or_differs_is_pulled(runtime: t.Callable[..., Runtime]) -> None:
    fake = runtime({PAUSE: GOOD, ETCD: BAD}, {ETCD: GOOD})
    images.ensure("cp1", {PAUSE: GOOD, ETCD: GOOD}, 600)
    assert fake.calls == ["crictl images -o json", f"crictl pull {ETCD}", "crictl images -o json"]
    images.ensure("cp1", {PAUSE: GOOD, ETCD: GOOD}, 600)
    assert fake.calls[3:] == ["crictl images -o json"]
    images.ensure("cp1", {}, 600)
    assert len(fake.calls) == 4


def test_another_image_is_refused_and_removed(runtime: t.Callable[..., Runtime]) -> None:
    fake = runtime({}, {PAUSE: BAD, ETCD: BAD})
    with pytest.raises(
        KubeadmError, match=f"cp1: {PAUSE} has the digest {BAD}, expected {GOOD}; {ETCD} has"
    ) as caught:
        images.ensure("cp1", {PAUSE: GOOD, ETCD: GOOD}, 600)
    assert "cluster_image_digests" in str(caught.value)
    assert fake.present == {}


def test_the_digest_of_another_repository_does_not_count(runtime: t.Callable[..., Runtime]) -> None:
    runtime({}, {PAUSE: GOOD})
    with pytest.raises(KubeadmError):
        images.ensure("cp1", {PAUSE: BAD}, 600)
    assert images._of({PAUSE: (f"registry.k8s.io/pause-x@{GOOD}", f"example.org/pause@{GOOD}")}, PAUSE) == []


def test_an_image_that_cannot_be_pulled_is_told(runtime: t.Callable[..., Runtime]) -> None:
    runtime({}, {})
    with pytest.raises(KubeadmError, match="cannot be pulled; crictl said: not found"):
        images.ensure("cp1", {PAUSE: GOOD}, 600)


@pytest.mark.parametrize("output", ["", "connection refused", "{", '{"images": [1]}', "{}x"])
def test_what_crictl_says_may_be_anything(monkeypatch: pytest.MonkeyPatch, output: str) -> None:
    monkeypatch.setattr(images, "command", lambda argv, seconds=30.0: (1, output))
    with pytest.raises(KubeadmError, match="cannot be"):
        images.ensure("cp1", {PAUSE: GOOD}, 600)


def test_kubeadm_is_not_run_before(cluster: Cluster, run_module: RunModule) -> None:
    """Without a container runtime that answers, nothing can be verified."""
    refused = run_module("kubeadm", {**init_args(cluster), "images": {PAUSE: GOOD}})
    assert refused["failed"] and "the images of containerd cannot be listed" in refused["msg"]
    assert cluster.argv == []


def test_missing_images_are_found_by_tag_and_by_digest(runtime: t.Callable[..., Runtime]) -> None:
    runtime({PAUSE: GOOD}, {})
    repository = PAUSE.rpartition(":")[0]
    assert images.missing("w1", [PAUSE, f"{PAUSE}@{GOOD}", f"{repository}@{GOOD}"]) == []
    lacking = [ETCD, f"{PAUSE}@{BAD}", "mirror:5000/pause@" + GOOD]
    assert images.missing("w1", [*lacking, ETCD]) == lacking


def wait_text(path: Path, lines: int) -> list[str]:
    """What the detached process has written, once it has done all."""
    for _ in range(600):
        if path.exists() and len(found := path.read_text().splitlines()) == lines:
            return found
        time.sleep(0.05)
    raise AssertionError(f"{path}: {path.read_text() if path.exists() else 'was never written'}")


@pytest.fixture
def crictl(tmp_path: Path) -> Path:
    """A crictl that has one image, and notes what it is told to pull, once there is a file C(go). Its notes."""
    notes = tmp_path / "notes"
    listed = {"images": [{"repoTags": [PAUSE], "repoDigests": []}]}
    program = tmp_path / "crictl"
    program.write_text(
        f"#!/bin/sh\nif [ $1 = images ]; then echo '{json.dumps(listed)}'; exit; fi\n"
        f'while [ ! -e {tmp_path}/go ]; do sleep 0.05; done\necho "$2" >> {notes}\nexit 1\n'
    )
    program.chmod(0o755)
    # The module's process looks for programs here.
    (tmp_path / "sitecustomize.py").write_text(
        f"from {images.__name__.rpartition('._kubeadm')[0]}._os import programs\n"
        f"programs.SEARCH_PATH = ({str(tmp_path)!r}, *programs.SEARCH_PATH)\n"
    )
    return notes


def test_images_are_pulled_when_the_module_has_ended(crictl: Path, run_module: RunModule) -> None:
    path = [str(crictl.parent)]
    more = "quay.io/site's/cni:1; touch x"
    result = run_module("image_prefetch", {"images": [PAUSE, ETCD, more]}, path=path)
    assert (result["changed"], result["images"]) == (True, [ETCD, more])
    assert not crictl.exists()
    (crictl.parent / "go").touch()
    assert wait_text(crictl, 2) == [ETCD, more], "the second one, too, though the first has failed"


def test_nothing_is_pulled_in_check_mode(crictl: Path, run_module: RunModule) -> None:
    def prefetch(image: str, *, check: bool = False) -> dict[str, t.Any]:
        return run_module("image_prefetch", {"images": [image]}, check=check, path=[str(crictl.parent)])

    assert prefetch(PAUSE)["changed"] is False
    assert prefetch(ETCD, check=True)["images"] == [ETCD]
    (crictl.parent / "crictl").write_text("#!/bin/sh\nexit 1\n")
    assert prefetch(PAUSE, check=True)["images"] == [PAUSE], "a host without containerd"
    assert "cannot be listed" in prefetch(PAUSE)["msg"]
    (crictl.parent / "go").touch()
    time.sleep(0.5)
    assert not crictl.exists()
