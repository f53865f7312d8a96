# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules for all files of the checkout."""

from __future__ import annotations

import re

import pytest

from tests.gates import repo

LICENCE = "SPDX-License-Identifier: GPL-3.0-or-later"

# Names that must not occur, split so that this file does not contain them: hosts of package registries (which one a
# machine uses is its own configuration), and directories of development machines.
UNWANTED = (
    "pypi" + ".org",
    "pythonhosted" + ".org",
    "proxy.golang" + ".org",
    "sum.golang" + ".org",
    "deb.debian" + ".org",
    "ftp.debian" + ".org",
    "registry.npmjs" + ".org",
    "repo.maven" + ".apache",
    "repo1.maven" + ".org",
    "galaxy.ansible" + ".com",
    "/work" + "/",
    "/var" + "/tmp/",
    ".py" + "env/",
)


def test_python_files_name_their_licence() -> None:
    python = [path for path in repo.files() if path.suffix == ".py" and (repo.REPO / path).stat().st_size]
    assert python
    without = [
        str(path) for path in python if LICENCE not in (repo.REPO / path).read_text(encoding="utf-8")[:600]
    ]
    assert not without, f"expected `{LICENCE}` in the first lines of: {', '.join(without)}"


def test_python_files_postpone_annotations() -> None:
    without = []
    for path in repo.files():
        source = (repo.REPO / path).read_text(encoding="utf-8") if path.suffix == ".py" else ""
        if "\nimport " in source or "\ndef " in source or "\nclass " in source:
            without += [] if "from __future__ import annotations" in source else [str(path)]
    assert not without, f"expected `from __future__ import annotations` in: {', '.join(without)}"


@pytest.mark.parametrize("unwanted", UNWANTED)
def test_no_file_names(unwanted: str) -> None:
    found = []
    for path in repo.files():
        content = (repo.REPO / path).read_text(encoding="utf-8", errors="replace")
        found += [
            f"{path}:{number}: {line.strip()[:120]}"
            for number, line in enumerate(content.splitlines(), start=1)
            if unwanted in line
        ]
    assert not found, "\n".join(found)


def test_no_file_is_a_private_key() -> None:
    key = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----\s+[A-Za-z0-9+/]{16}")
    found = [
        str(p)
        for p in repo.files()
        if key.search((repo.REPO / p).read_text(encoding="utf-8", errors="replace"))
    ]
    assert not found


def test_yaml_files_start_a_document() -> None:
    wrong = [
        str(path)
        for path in repo.files()
        if path.suffix in {".yml", ".yaml"}
        and not (repo.REPO / path).read_text(encoding="utf-8").startswith("---\n")
    ]
    assert not wrong, f"expected `---` as the first line of: {', '.join(wrong)}"


def test_links_in_documents_are_valid() -> None:
    broken = []
    for path in repo.files():
        if path.suffix != ".md":
            continue
        targets = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", (repo.REPO / path).read_text(encoding="utf-8"))
        broken += [
            f"{path}: {target}"
            for target in targets
            if "://" not in target and not (repo.REPO / path.parent / target).exists()
        ]
    assert not broken, "\n".join(broken)
