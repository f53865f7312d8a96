# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the scenario."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from lab.config import Settings
from tests import kubebench
from tests.infra import cis
from tests.infra.cis import Audit
from tests.infra.fixtures import cluster, hosts, inventory, lab, playbook, variables  # noqa: F401 - pytest finds them here
from tests.infra.playbook import Playbook


@pytest.fixture(scope="session")
def auditing(inventory: Path, tmp_path_factory: pytest.TempPathFactory) -> Playbook:  # noqa: F811 - pytest's way
    """The playbook cis."""
    return Playbook(inventory, tmp_path_factory.mktemp("cis"), name=cis.AUDIT)


@pytest.fixture(scope="session")
def remediating(inventory: Path, tmp_path_factory: pytest.TempPathFactory) -> Playbook:  # noqa: F811 - pytest's way
    """The playbook cis_remediate."""
    return Playbook(inventory, tmp_path_factory.mktemp("cis-remediate"), name=cis.REMEDIATE)


@pytest.fixture(scope="session")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Directory of consecutive reports."""
    return tmp_path_factory.mktemp("reports")


@pytest.fixture(scope="session")
def first(auditing: Playbook, reports: Path) -> Audit:
    """The first audit of the cluster."""
    return cis.audit(auditing, reports)


@pytest.fixture(scope="session")
def kube_bench(lab: Settings) -> kubebench.KubeBench:  # noqa: F811 - pytest's way
    return kubebench.ensure(lab.paths, Console(stderr=True))
