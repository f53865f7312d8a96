# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every check of the benchmark is evaluated once, and tested with input that passes, that fails and that is odd."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.benchmark import catalogue

from tests.unit.plugins.cis.fakes import KINDS, Case

TESTS = Path(__file__).parents[1]
PLUGINS = TESTS.parents[3] / "plugins"
COLLECTION = "ansible_collections.baremetal.kubernetes.plugins"
#: Where checks are evaluated: on hosts, and on the controller.
PACKAGES = ("module_utils/_cis/checks", "plugin_utils/_cis/cluster")


def cases() -> list[Case]:
    """The tables of all sections."""
    names = sorted(
        ".".join(path.relative_to(TESTS).with_suffix("").parts) for path in TESTS.glob("*/test_section_*.py")
    )
    modules = [importlib.import_module(f"tests.unit.plugins.cis.{name}") for name in names]
    return [case for module in modules for case in module.CASES]


def test_every_check_is_evaluated_by_one_section() -> None:
    modules = [
        importlib.import_module(f"{COLLECTION}.{package.replace('/', '.')}.{path.stem}")
        for package in PACKAGES
        for path in sorted((PLUGINS / package).glob("section_*.py"))
    ]
    evaluated = [check for module in modules for check in module.CHECKS]
    assert len(evaluated) == len(set(evaluated)) == 131
    assert set(evaluated) == set(catalogue.CHECKS)


@pytest.mark.parametrize("kind", KINDS)
def test_every_check_is_tested(kind: str) -> None:
    tested = {case.check for case in cases() if case.kind == kind}
    assert set(catalogue.CHECKS) - tested == set()


def test_names_of_cases_are_unique() -> None:
    names = [str(case) for case in cases()]
    assert {name for name in names if names.count(name) > 1} == set()
