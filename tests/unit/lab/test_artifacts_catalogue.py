# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.artifacts import catalogue
from lab.artifacts.builder import c_command
from lab.artifacts.catalogue import CProgram, Material
from lab.config import LabError

SMALL: dict[str, Any] = {
    "builds": {
        "demo": {
            "modules": {"example.com/demo": "v1.2.3"},
            "programs": {"demo": "example.com/demo/cmd/demo"},
            "go": "1.26",
            "stamps": {"main.version": "{version}"},
        }
    },
    "programs": {"tiny": {"source": "module:demo/tiny.c", "flags": ["-Os"]}},
    "trees": {"base": {"suite": "trixie", "variant": "minbase", "packages": ["bash"]}},
    "files": {
        "demo": {
            "version": "1.2.3",
            "url": "https://example.com/v{version}/demo-{arch}",
            "material": "go:demo/demo",
        }
    },
    "images": {
        "example.com/demo": {
            "version": "v1.2.3",
            "base": "base",
            "files": {"/demo": {"material": "go:demo/demo", "capabilities": True}, "/tiny": "c:tiny"},
        }
    },
}


def changed(*path: str, value: Any) -> dict[str, Any]:
    data = copy.deepcopy(SMALL)
    place = data
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return data


def test_the_lab_s_own_catalogue_is_sound() -> None:
    listed = catalogue.load()

    # What the collection's lock file names must all be served.
    assert {file.component for file in listed.served if isinstance(file, catalogue.FileArtifact)} == {
        "kubeadm", "kubelet", "kubectl", "containerd", "runc", "cni_plugins", "crictl", "helm", "cilium_chart",
    }  # fmt: skip
    assert listed.files["kubelet"].path == "dl.k8s.io/release/v1.36.4/bin/linux/amd64/kubelet"
    assert listed.images["registry.k8s.io/etcd"].reference == "registry.k8s.io/etcd:3.6.8-0"


def test_its_addresses_are_those_of_the_collection_s_lock_file() -> None:
    lock_file = catalogue.CATALOGUE.parent.parent / "roles" / "cluster" / "vars" / "main" / "releases.yml"
    releases = yaml.safe_load(lock_file.read_text(encoding="utf-8"))["cluster_releases"]

    for file in catalogue.load().files.values():
        if file.optional:
            assert file.component not in releases
            continue
        release = releases[file.component]
        assert file.url == release["url"].format(version=file.version, arch=file.arch)
        # What is built here in place of a release that nobody could download has checksums of its own.
        assert file.group or file.version in release["checksums"]


def test_programs_of_cert_manager_are_one_file() -> None:
    """So a node has one layer for four images."""
    listed = catalogue.load()
    images = {
        name.rpartition("-")[2]: image for name, image in listed.images.items() if "/cert-manager-" in name
    }

    assert set(images) == {"acmesolver", "cainjector", "controller", "webhook"}
    assert all(image.entrypoint == ("/cert-manager", name) for name, image in images.items())
    assert len({str(image.files) for image in images.values()}) == 1
    main = (catalogue.LAB / "programs" / "cert_manager" / "main.go").read_text(encoding="utf-8")
    assert all(f'"{name}":' in main for name in images)


def test_what_is_optional_is_not_served() -> None:
    listed = catalogue.parse(changed("files", "demo", "optional", value=True))

    assert [catalogue.label(artifact) for artifact in listed.artifacts] == ["demo", "example.com/demo"]
    assert [catalogue.label(artifact) for artifact in listed.served] == ["example.com/demo"]


def test_a_group_holds_further_versions_and_is_made_by_its_name() -> None:
    data = copy.deepcopy(SMALL)
    data["files"]["demo@1.3.0"] = {**data["files"]["demo"], "version": "1.3.0", "group": "next"}
    data["images"]["example.com/demo@v1.3.0"] = {
        **data["images"]["example.com/demo"], "version": "v1.3.0", "group": "next",
    }  # fmt: skip

    listed = catalogue.parse(data)

    assert [catalogue.label(artifact) for artifact in listed.served] == ["demo", "example.com/demo"]
    named = listed.named(["next"])
    assert [catalogue.label(artifact) for artifact in named] == ["demo@1.3.0", "example.com/demo@v1.3.0"]
    file, image = named
    assert isinstance(file, catalogue.FileArtifact)
    assert isinstance(image, catalogue.ImageArtifact)
    assert (file.component, file.url) == ("demo", "https://example.com/v1.3.0/demo-amd64")
    assert image.reference == "example.com/demo:v1.3.0"
    assert listed.named(["demo", "next"]) == (listed.files["demo"], *named)
    with pytest.raises(LabError, match="no artifact called other"):
        listed.named(["demo", "other"])


def test_the_group_has_what_kubeadm_of_its_version_runs() -> None:
    found = {catalogue.label(artifact) for artifact in catalogue.load().named(["kubernetes-1.37"])}

    assert found == {
        *(f"{name}@1.37.1" for name in ("kubeadm", "kubelet", "kubectl")),
        *(
            f"registry.k8s.io/kube-{name}@v1.37.1"
            for name in ("apiserver", "controller-manager", "scheduler")
        ),
        "registry.k8s.io/etcd@3.7.0-0",
        "registry.k8s.io/coredns/coredns@v1.14.6",
    }


def test_fields_are_read() -> None:
    listed = catalogue.parse(SMALL)

    assert listed.files["demo"].url == "https://example.com/v1.2.3/demo-amd64"
    assert listed.builds["demo"].go == (1, 26)
    assert listed.images["example.com/demo"].files["/demo"].capabilities
    assert listed.programs["tiny"].source == Material("module", "demo", "tiny.c")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (changed("files", "demo", "material", value="go:other/demo"), "there is no build other"),
        (changed("files", "demo", "material", value="go:demo/other"), "has no program other"),
        (changed("files", "demo", "material", value="cargo:demo/x"), "must be KIND:PLACE"),
        (changed("files", "demo", "url", value="http://example.com/x"), "must be an https address"),
        (
            changed("files", "demo", "members", value={"x": "go:demo/demo"}),
            "exactly one of material, members and documents",
        ),
        (
            changed("files", "demo", "documents", value=["module:demo/a.yaml"]),
            "exactly one of material, members and documents",
        ),
        (changed("files", "demo", "surprise", value=1), "surprise"),
        (changed("images", "example.com/demo", "base", value="other"), "there is no tree other"),
        (changed("images", "example.com/demo", "version", value="a b"), "cannot be a tag"),
        (changed("images", "example.com/demo", "files", value={"x": "c:tiny"}), "absolute path"),
        (changed("images", "example.com/demo", "files", value={"/../x": "c:tiny"}), "absolute path"),
        (
            changed("images", "example.com/demo", "files", value={"/x": "c:other"}),
            "there is no program other",
        ),
        (changed("programs", "tiny", "source", value="module:other/x.c"), "there is no build other"),
        (changed("builds", "demo", "modules", value={}), "must not be empty"),
        ({**SMALL, "extra": {}}, "unknown section extra"),
    ],
)
def test_mistakes_are_named(data: dict[str, Any], message: str) -> None:
    with pytest.raises(LabError, match=message):
        catalogue.parse(data)


def test_all_mistakes_are_named_at_once() -> None:
    data = changed("files", "demo", "url", value="http://example.com/x")
    data["images"]["example.com/demo"]["base"] = "other"

    with pytest.raises(LabError) as caught:
        catalogue.parse(data)

    assert "https address" in caught.value.message
    assert "no tree other" in caught.value.message


def test_the_same_path_cannot_be_served_twice() -> None:
    data = copy.deepcopy(SMALL)
    data["files"]["again"] = dict(data["files"]["demo"])

    with pytest.raises(LabError, match="served twice"):
        catalogue.parse(data)


@pytest.mark.parametrize(
    ("path", "value", "changes_file"),
    [
        (("builds", "demo", "tags"), ["x"], True),
        (("builds", "demo", "modules"), {"example.com/demo": "v1.2.4"}, True),
        (("builds", "demo", "seconds"), 5, False),
        (("builds", "demo", "disk"), 5, False),
        (("files", "demo", "optional"), True, False),
        (("files", "demo", "group"), "next", False),
        (("trees", "base", "packages"), ["dash"], False),
    ],
)
def test_a_recipe_follows_what_decides_the_content(
    path: tuple[str, ...], value: Any, changes_file: bool
) -> None:
    before, after = catalogue.parse(SMALL), catalogue.parse(changed(*path, value=value))

    same = before.recipe(before.files["demo"]) == after.recipe(after.files["demo"])
    assert same is not changes_file


def test_an_image_s_recipe_follows_its_tree_and_its_c_sources() -> None:
    before = catalogue.parse(SMALL)
    image = before.images["example.com/demo"]

    for other in (
        changed("trees", "base", "packages", value=["dash"]),
        changed("programs", "tiny", "flags", value=["-O2"]),
    ):
        after = catalogue.parse(other)
        assert before.recipe(image) != after.recipe(after.images["example.com/demo"])


@pytest.mark.parametrize(
    ("path", "unset", "value"),
    [
        (("trees", "base", "run"), [], ["true"]),
        (
            ("images", "example.com/demo", "files"),
            None,
            {"/demo": {"material": "go:demo/demo", "setuid": True}},
        ),
    ],
)
def test_a_field_that_came_later_counts_when_it_is_set(path: tuple[str, ...], unset: Any, value: Any) -> None:
    def recipe(data: dict[str, Any]) -> str:
        listed = catalogue.parse(data)
        return listed.recipe(listed.images["example.com/demo"])

    assert recipe(changed(*path, value=value)) != recipe(SMALL)
    if unset is not None:
        assert recipe(changed(*path, value=unset)) == recipe(SMALL)


def test_unset_fields_leave_what_is_cached_valid() -> None:
    listed = catalogue.parse(SMALL)
    tree = vars(listed.trees["base"])

    assert catalogue.digest(tree) == catalogue.digest({k: v for k, v in tree.items() if k != "run"})


def test_the_conformance_group_has_specs_of_both_minor_versions_and_no_cluster_s_images() -> None:
    listed = catalogue.load()
    found = listed.named(["conformance"])

    files = [artifact for artifact in found if isinstance(artifact, catalogue.FileArtifact)]
    versions = {listed.files[name].version for name in ("kubectl", "kubectl@1.37.1")}
    assert {file.version for file in files} == versions
    assert all(file.optional for file in files)
    images = {artifact.name for artifact in found if isinstance(artifact, catalogue.ImageArtifact)}
    assert all(name.startswith("registry.k8s.io/e2e-test-images/") for name in images)


def test_a_file_that_is_no_yaml_is_told(tmp_path: Any) -> None:
    file = tmp_path / "catalogue.yml"
    file.write_text("a: [", encoding="utf-8")

    with pytest.raises(LabError, match="catalogue"):
        catalogue.load(file)


def test_own_sources_decide_what_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "LAB", tmp_path)
    (tmp_path / "own/tool").mkdir(parents=True)
    (tmp_path / "own/tool/main.go").write_text("package main", encoding="utf-8")
    (tmp_path / "own.c").write_text("int main;", encoding="utf-8")

    def recipe() -> str:
        listed = catalogue.parse(
            {
                "builds": {
                    "tool": {
                        "modules": {"example.com/lends": "v1"},
                        "source": "own",
                        "programs": {"tool": "lab.invalid/tool/tool"},
                    }
                },
                "programs": {"own": {"source": "lab:own.c", "libraries": ["z"], "shared": True}},
                "images": {
                    "example.com/tool": {
                        "version": "v1",
                        "base": "static",
                        "files": {"/tool": "go:tool/tool", "/own": "c:own"},
                    }
                },
            }
        )
        return listed.recipe(listed.images["example.com/tool"])

    first = recipe()
    assert recipe() == first
    (tmp_path / "own.c").write_text("int main();", encoding="utf-8")
    second = recipe()
    assert second != first
    (tmp_path / "own/tool/more.go").write_text("package main", encoding="utf-8")
    assert recipe() != second


def test_own_source_must_exist() -> None:
    with pytest.raises(LabError, match=r"lab:programs/none\.c: the lab has no such file"):
        catalogue.parse({"programs": {"own": {"source": "lab:programs/none.c"}}})


def test_commands_of_c_programs(tmp_path: Path) -> None:
    shared = CProgram("own", Material.parse("lab:own.c"), ("-O2",), ("libz-dev",), ("z",), True)
    assert c_command(shared, "own.c", tmp_path / "own", [tmp_path]) == [
        *("gcc", "-s", "-O2", f"-I{tmp_path}/usr/include", "-o", str(tmp_path / "own"), "own.c"),
        *(f"-L{tmp_path}/usr/lib/x86_64-linux-gnu", "-Wl,-Bstatic", "-lz", "-Wl,-Bdynamic"),
    ]
    static = CProgram("pause", Material.parse("module:k/pause.c"), ("-Os",))
    assert c_command(static, "pause.c", Path("/p"), []) == [
        "gcc",
        "-static",
        "-s",
        "-Os",
        "-o",
        "/p",
        "pause.c",
    ]
