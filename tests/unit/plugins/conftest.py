# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How hypothesis searches, and modules and action plugins as a task runs them."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

from tests.unit.support import modules
from tests.unit.support.modules import RunAction, RunModule

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
