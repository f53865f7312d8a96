# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host with a fake kubeadm and API server."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from tests.unit.plugins.kubeadm.cluster import Cluster


@pytest.fixture
def cluster(tmp_path: Path) -> t.Iterator[Cluster]:
    made = Cluster(tmp_path)
    yield made
    made.close()
