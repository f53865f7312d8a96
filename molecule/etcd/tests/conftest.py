# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the scenario: playbooks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.infra.fixtures import cluster, hosts, inventory, lab, playbook, variables  # noqa: F401 - pytest finds them here
from tests.infra.playbook import Playbook, Run


@pytest.fixture(scope="session")
def run(playbook: Playbook) -> Callable[..., Run]:  # noqa: F811 - the fixture
    """Runs a playbook of the collection."""

    def start(name: str, *arguments: str) -> Run:
        return replace(playbook, name=f"baremetal.kubernetes.{name}").run(*arguments, log=f"{name}.log")

    return start
