# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every check of the benchmark has one judge, which is tested with input that passes, that fails, and that is odd."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis import catalogue

from tests.unit.plugins.cis.fakes import KINDS, Case

FOLDER = Path(__file__).parent
SECTIONS = sorted(path.stem.removeprefix("test_") for path in FOLDER.glob("test_section_*.py"))
JUDGES = "ansible_collections.baremetal.kubernetes.plugins.module_utils._cis"


def cases() -> list[Case]:
    """The tables of all sections."""
    modules = [importlib.import_module(f"tests.unit.plugins.cis.test_{section}") for section in SECTIONS]
    return [case for module in modules for case in module.CASES]


def test_every_check_has_one_judge() -> None:
    folder = FOLDER.parents[3] / "plugins" / "module_utils" / "_cis"
    modules = [
        importlib.import_module(f"{JUDGES}.{path.stem}") for path in sorted(folder.glob("section_*.py"))
    ]
    judged = [check for module in modules for check in module.CHECKS]
    assert len(judged) == len(set(judged)) == 131
    assert set(judged) == set(catalogue.CHECKS)


@pytest.mark.parametrize("kind", KINDS)
def test_every_check_is_tested(kind: str) -> None:
    tested = {case.check for case in cases() if case.kind == kind}
    assert set(catalogue.CHECKS) - tested == set()


def test_names_of_cases_tell_them_apart() -> None:
    names = [str(case) for case in cases()]
    assert {name for name in names if names.count(name) > 1} == set()
