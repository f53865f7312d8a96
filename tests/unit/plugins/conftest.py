# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Make the checkout importable as C(ansible_collections.baremetal.kubernetes)."""

from __future__ import annotations

import importlib.util
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.unit.support import modules
from tests.unit.support.modules import RunAction, RunModule

ROOT = Path(__file__).resolve().parents[3]


def _collections_tree() -> Path:
    """The tree that `make` links into the virtual environment, or one of our own for a bare C(pytest)."""
    linked = ROOT / ".venv" / "collections"
    if (linked / "ansible_collections" / "baremetal" / "kubernetes" / "plugins").is_dir():
        return linked
    tree = Path(tempfile.mkdtemp(prefix="bmk-unit-"))
    namespace = tree / "ansible_collections" / "baremetal"
    namespace.mkdir(parents=True)
    (namespace / "kubernetes").symlink_to(ROOT)
    return tree


def _importable() -> bool:
    try:
        return importlib.util.find_spec("ansible_collections.baremetal.kubernetes.plugins") is not None
    except ModuleNotFoundError:
        return False


if not _importable():
    sys.path.insert(0, str(_collections_tree()))
    importlib.invalidate_caches()
    sys.modules.pop("ansible_collections", None)


# The same examples in every run and on every machine, so that a change fails by itself alone. To search further,
# run pytest with `--hypothesis-profile=search`. A busy machine is slow by itself, so examples have no deadline.
settings.register_profile(
    "repeatable",
    max_examples=200,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.register_profile("search", settings.get_profile("repeatable"), max_examples=20000, derandomize=False)
settings.load_profile("repeatable")


@pytest.fixture
def run_module() -> RunModule:
    """Run a module of the collection in its own process, with its arguments on standard input."""
    return modules.run_module


@pytest.fixture
def run_action() -> RunAction:
    """Run an action plugin of the collection that contacts no host, as a task would."""
    return modules.run_action
