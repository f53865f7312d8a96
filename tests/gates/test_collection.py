# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection, built, installed and documented."""

from __future__ import annotations

import ast
import json
import re
import shutil
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.gates import repo

#: Top-level names that an installed collection may hold.
INSTALLED = {
    "CHANGELOG.md",
    "FILES.json",
    "LICENSE",
    "MANIFEST.json",
    "README.md",
    "bindep.txt",
    "changelogs",
    "docs",
    "inventories",
    "meta",
    "playbooks",
    "plugins",
    "requirements.txt",
    "requirements.yml",
    "roles",
}


def _plugins(directory: str) -> list[str]:
    suffix = ".yml" if directory == "filter" else ".py"
    found = {path.stem for path in (repo.REPO / "plugins" / directory).glob(f"*{suffix}")}
    return sorted(name for name in found if not name.startswith("_"))


MODULES = _plugins("modules")
FILTERS = _plugins("filter")
PLAYBOOKS = sorted(path.stem for path in (repo.REPO / "playbooks").glob("*.yml"))


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The collection, built from the checkout."""
    directory = tmp_path_factory.mktemp("collection")
    galaxy = repo.load(repo.REPO / "galaxy.yml")
    (directory / "ansible.cfg").touch()
    env = {"ANSIBLE_CONFIG": str(directory / "ansible.cfg")}
    repo.run(["ansible-galaxy", "collection", "build", "--force", "--output-path", str(directory)], env=env)
    return directory / f"{galaxy['namespace']}-{galaxy['name']}-{galaxy['version']}.tar.gz"


@pytest.fixture(scope="session")
def installed(archive: Path) -> Path:
    """The built collection, installed without a network."""
    target = archive.parent / "collections"
    repo.run(
        [
            "ansible-galaxy",
            "collection",
            "install",
            str(archive),
            "--no-deps",
            "--offline",
            "-p",
            str(target),
        ],
        cwd=archive.parent,
        env={"ANSIBLE_CONFIG": str(archive.parent / "ansible.cfg")},
    )
    return target


@pytest.fixture(scope="session")
def content(installed: Path) -> Path:
    return installed / "ansible_collections" / "baremetal" / "kubernetes"


def _environment(installed: Path) -> dict[str, str]:
    return {
        "ANSIBLE_CONFIG": str(installed.parent / "ansible.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": str(installed),
    }


def test_installed_collection_holds_only_what_a_site_runs(content: Path) -> None:
    found = {path.name for path in content.iterdir()}
    assert found <= INSTALLED, f"must not be installed: {sorted(found - INSTALLED)}"
    assert {"LICENSE", "README.md", "meta", "playbooks", "plugins", "roles"} <= found
    inventories = content / "inventories"
    assert {path.name for path in inventories.iterdir()} == {"sample"}
    strange = [
        str(p) for p in content.rglob("*") if p.name == "__pycache__" or p.suffix in {".pyc", ".kubeconfig"}
    ]
    assert not strange


def test_installed_content_reads_nothing_of_the_checkout(content: Path) -> None:
    unwanted = re.compile(r"\b(molecule|tests|lab|inventories)/")
    found = []
    for directory in ("roles", "playbooks", "plugins"):
        for path in (content / directory).rglob("*"):
            # Markdown may refer to these directories.
            if path.is_file() and path.suffix != ".md":
                found += [
                    f"{path.relative_to(content)}: {line.strip()}"
                    for line in path.read_text(encoding="utf-8", errors="replace").splitlines()
                    if unwanted.search(line)
                ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_playbook_is_understood_from_the_installed_collection(
    playbook: str, installed: Path, tmp_path: Path
) -> None:
    repo.run(
        [
            "ansible-playbook",
            "--syntax-check",
            "-i",
            str(repo.REPO / "inventories" / "sample"),
            f"{repo.COLLECTION}.{playbook}",
        ],
        cwd=tmp_path,
        env=_environment(installed),
    )


@pytest.mark.parametrize("role", repo.roles())
def test_role_documentation_renders(role: str, installed: Path, tmp_path: Path) -> None:
    out = repo.run(
        ["ansible-doc", "-t", "role", "--json", f"{repo.COLLECTION}.{role}"],
        tmp_path,
        _environment(installed),
    )
    shown = json.loads(out)[f"{repo.COLLECTION}.{role}"]["entry_points"]
    assert set(shown) == set(repo.specifications(role))


def _documentation(kind: str, name: str, installed: Path, cwd: Path) -> dict[str, Any]:
    fqcn = f"{repo.COLLECTION}.{name}"
    out = repo.run(["ansible-doc", "-t", kind, "--json", fqcn], cwd, _environment(installed))
    found = json.loads(out)
    assert fqcn in found, f"ansible-doc shows nothing for {fqcn}: {out}"
    return dict(found[fqcn])


def _check_texts(shown: dict[str, Any], fqcn: str) -> None:
    assert shown["examples"], "no EXAMPLES"
    assert fqcn in shown["examples"], f"EXAMPLES never call {fqcn}"
    assert yaml.safe_load(shown["examples"]), "EXAMPLES are no YAML"
    assert shown["return"], "no RETURN"
    wrong = []
    for name, value in shown["return"].items():
        wrong += (
            [] if value.get("description") and value.get("type") else [f"{name}: description or type missing"]
        )
    for name, option in shown["doc"].get("options", {}).items():
        wrong += [] if option.get("description") else [f"{name}: no description"]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("name", MODULES)
def test_module_is_documented(name: str, installed: Path, tmp_path: Path) -> None:
    shown = _documentation("module", name, installed, tmp_path)
    _check_texts(shown, f"{repo.COLLECTION}.{name}")
    attributes = shown["doc"].get("attributes", {})
    assert {"check_mode", "diff_mode"} <= set(attributes), "attributes must say check_mode and diff_mode"


@pytest.mark.parametrize("name", FILTERS)
def test_filter_is_documented(name: str, installed: Path, tmp_path: Path) -> None:
    _check_texts(_documentation("filter", name, installed, tmp_path), f"{repo.COLLECTION}.{name}")


def test_galaxy_importer_finds_nothing(archive: Path, tmp_path: Path) -> None:
    """Galaxy publishes the importer's warnings, and refuses a collection with errors."""
    # It runs ansible-doc from PATH, and writes its result into the working directory. It would run ansible-lint, too,
    # with the profile of test_tools: a minute for the same findings.
    out = repo.run(
        [sys.executable, "-m", "galaxy_importer.main", str(archive)],
        cwd=tmp_path,
        env={
            "ANSIBLE_CONFIG": str(archive.parent / "ansible.cfg"),
            "GALAXY_IMPORTER_LOG_LEVEL_MAIN": "INFO",
            "GALAXY_IMPORTER_RUN_ANSIBLE_LINT": "false",
        },
    )
    assert out.rstrip().endswith("Importer processing completed successfully"), out
    found = [line for line in out.splitlines() if re.match("(WARNING|ERROR|CRITICAL):", line)]
    assert not found, "\n".join(found)


def test_reference_can_be_generated(content: Path, tmp_path: Path) -> None:
    """Documentation of plugins and roles: schema, markup, and references."""
    source = tmp_path / "ansible_collections" / "baremetal" / "kubernetes"
    shutil.copytree(content, source)
    # antsibull-docs reads a checkout; an installed collection has a manifest instead of galaxy.yml.
    shutil.copy(repo.REPO / "galaxy.yml", source)
    repo.run(["antsibull-docs", "lint-collection-docs", "--plugin-docs", str(source)], cwd=source)


def test_execution_environment_has_what_a_controller_needs(
    archive: Path, installed: Path, tmp_path: Path
) -> None:
    found = yaml.safe_load(repo.run(["ansible-builder", "introspect", str(installed)]))
    lines = (repo.REPO / "requirements.txt").read_text(encoding="utf-8").splitlines()
    wanted = {line.partition("<")[0].partition(">")[0] for line in lines if line[:1].isalpha()}
    # ansible-builder leaves out PyYAML, a dependency of ansible-core.
    assert {re.split("[<>=]", line)[0] for line in found["python"]} == wanted - {"PyYAML"}
    assert any("openssh" in line for line in found["system"])
    # The example expects the archive where `make build` writes it.
    for directory in ("build", "docs"):
        (tmp_path / directory).mkdir()
    shutil.copy(archive, tmp_path / "build")
    example = shutil.copy(repo.REPO / "docs" / "execution-environment.yml", tmp_path / "docs")
    repo.run(["ansible-builder", "create", "-f", str(example), "-c", str(tmp_path / "context")])
    assert (tmp_path / "context" / "_build" / "collections" / archive.name).exists()
    requirements = repo.load(tmp_path / "context" / "_build" / "requirements.yml")
    assert [entry["name"] for entry in requirements["collections"]] == [f"collections/{archive.name}"]


def test_action_group_lists_every_module() -> None:
    runtime = repo.load(repo.REPO / "meta" / "runtime.yml")
    assert MODULES
    grafana = [name for name in MODULES if name.startswith("grafana_")]
    assert runtime["action_groups"] == {"grafana": grafana, "kubernetes": MODULES}
    assert runtime["requires_ansible"] == ">=2.19.0"


def _used_collections() -> set[str]:
    used = set()
    for path in repo.files():
        if path.parts[0] in {"roles", "playbooks", "plugins"} and path.suffix in {".yml", ".j2", ".py"}:
            text = (repo.REPO / path).read_text(encoding="utf-8")
            if path.suffix != ".py":
                used |= set(re.findall(r"\b((?:community|ansible|kubernetes)\.[a-z]+)\.[a-z_]+", text))
            imports = re.findall(r"ansible_collections\.([a-z]+\.[a-z]+)\b", text)
            used |= {name for name in imports if not name.startswith("baremetal.")}
    # Without parts of ansible-core and names that only look like collections.
    return {
        name
        for name in used
        if name.split(".")[1] in {"core", "posix", "general", "crypto", "utils", "docker", "network"}
    }


def test_dependencies_are_those_that_are_used() -> None:
    galaxy = repo.load(repo.REPO / "galaxy.yml")
    requirements = repo.load(repo.REPO / "requirements.yml")["collections"]
    assert set(galaxy["dependencies"]) == _used_collections()
    assert {entry["name"]: entry["version"] for entry in requirements} == galaxy["dependencies"]


def test_python_requirements_agree() -> None:
    project = tomllib.loads((repo.REPO / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = (repo.REPO / "requirements.txt").read_text(encoding="utf-8").splitlines()
    wanted = {line for line in lines if line and not line.startswith("#")}
    assert wanted
    assert wanted <= set(project["dependencies"])


def test_python_requirements_cover_what_plugins_import() -> None:
    lines = (repo.REPO / "requirements.txt").read_text(encoding="utf-8").splitlines()
    declared = {
        re.split(r"[^A-Za-z0-9_.-]", line)[0].lower().replace("-", "_")
        for line in lines
        if line[:1].isalnum()
    }
    # The only package here whose module has another name.
    declared |= {"yaml"} if "pyyaml" in declared else set()
    own = {*sys.stdlib_module_names, "ansible", "ansible_collections"}
    imported = set()
    for path in sorted((repo.REPO / "plugins").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                imported.add(node.module.partition(".")[0])
            elif isinstance(node, ast.Call) and ast.unparse(node.func) == "importlib.import_module":
                imported.add(ast.literal_eval(node.args[0]).partition(".")[0])
    assert {"kubernetes", "tomli_w"} <= imported - own <= declared


def test_version_is_the_same_everywhere() -> None:
    project = tomllib.loads((repo.REPO / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == repo.load(repo.REPO / "galaxy.yml")["version"]
