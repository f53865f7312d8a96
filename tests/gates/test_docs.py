# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documentation builds without a warning and is complete."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.gates import repo

#: Make targets of the Linux kernel.
KERNEL_TARGETS = {"install", "modules_install"}


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The documentation as `make docs` builds it."""
    directory = tmp_path_factory.mktemp("docs") / "html"
    # The build must not use the network: nothing listens on this address.
    proxies = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    repo.run(["python", "-m", "tests.docs", str(directory)], env=proxies)
    return directory


def test_every_page_is_built(pages: Path) -> None:
    guides = {path.stem for path in (repo.REPO / "docs").glob("*.md")}
    assert {"index", "quickstart", "production", "airgap", "recovery", "design"} <= guides
    missing = [name for name in guides if not (pages / f"{name}.html").exists()]
    assert not missing


def test_reference_has_everything(pages: Path) -> None:
    wanted = [f"{name}_role" for name in repo.roles()]
    for kind, directory in (("module", "modules"), ("filter", "filter"), ("callback", "callback")):
        found = (repo.REPO / "plugins" / directory).glob("*.yml" if kind == "filter" else "*.py")
        wanted += [f"{path.stem}_{kind}" for path in found if not path.stem.startswith("_")]
    missing = [name for name in wanted if not (pages / "reference" / f"{name}.html").exists()]
    assert not missing


def test_pages_load_nothing_from_elsewhere(pages: Path) -> None:
    foreign = re.compile(r"<(?:script|img|iframe)[^>]*src=\"https?:|<link[^>]*stylesheet[^>]*href=\"https?:")
    found = [str(page) for page in pages.rglob("*.html") if foreign.search(page.read_text(encoding="utf-8"))]
    assert not found


def test_table_of_checks_is_up_to_date() -> None:
    """`python -m tests.docs_checks` writes it."""
    repo.run(["python", "-m", "tests.docs_checks", "--check"])


def test_table_of_remedies_is_up_to_date() -> None:
    """`python -m tests.docs_remediation` writes it."""
    repo.run(["python", "-m", "tests.docs_remediation", "--check"])


def test_commands_of_the_guides_exist() -> None:
    """Playbooks, make targets and variables of roles in the guides."""
    playbooks = {path.stem for path in (repo.REPO / "playbooks").glob("*.yml")}
    makefile = (repo.REPO / "Makefile").read_text(encoding="utf-8")
    targets = {*KERNEL_TARGETS, *re.findall(r"^([a-z-]+):.*##", makefile, re.M)}
    known = {*repo.roles(), *repo.public_variables(), *_plugins()}
    known |= {name for role in repo.roles() for name in {*repo.defaults(role), *repo.interface(role)}}
    wrong = []
    for path in [*(repo.REPO / "docs").glob("*.md"), repo.REPO / "README.md"]:
        text = path.read_text(encoding="utf-8")
        for name in re.findall(r"ansible-playbook[^\n`]* baremetal\.kubernetes\.([a-z_]+)", text):
            wrong += [] if name in playbooks else [f"{path.name}: there is no playbook {name}"]
        for name in re.findall(r"(?:^|`)make ([a-z_-]+)", text, re.M):
            wrong += [] if name in targets else [f"{path.name}: there is no target {name} of make"]
        prefixes = "|".join(repo.roles())
        for name in re.findall(rf"`((?:{prefixes})_[a-z_]+)(?::[^`]*)?`", text):
            wrong += [] if name in known else [f"{path.name}: no role has the variable {name}"]
    assert not wrong, "\n".join(wrong)


def _plugins() -> set[str]:
    return {path.stem for path in (repo.REPO / "plugins").rglob("*") if path.suffix in {".py", ".yml"}}
