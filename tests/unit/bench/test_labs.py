# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When the hosts of a benchmark are idle, and what a playbook has left."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench import labs
from tests.bench.measure import BenchError
from tests.infra.fixtures import NEXT, next_version


class Hosts:
    """Hosts that work for some time, with a clock of their own.

    :param busy: seconds until they have nothing to do.
    """

    def __init__(self, busy: float) -> None:
        self.busy = busy
        self.now = 0.0

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def worked(self) -> float:
        return 2.0 * min(self.now, self.busy) + 0.4 * self.now


@pytest.mark.parametrize(
    ("busy", "idle", "waited"),
    [(0.0, True, labs.LOOK), (12.0, True, 20.0), (1000.0, False, labs.PATIENCE)],
)
def test_hosts_are_waited_for_until_they_are_idle(busy: float, idle: bool, waited: float) -> None:
    hosts = Hosts(busy)
    assert labs.wait_idle(hosts.worked, sleep=hosts.sleep, clock=hosts.clock) is idle
    assert hosts.now == waited


def test_one_file(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"0 files called \*\.age; expected one"):
        labs.one_file(tmp_path, "*.age")
    (tmp_path / "a.age").touch()
    assert labs.one_file(tmp_path, "*.age") == tmp_path / "a.age"
    (tmp_path / "b.age").touch()
    with pytest.raises(BenchError, match="2 files"):
        labs.one_file(tmp_path, "*.age")


def test_a_node_is_upgraded_to_the_version_that_the_lab_can_make() -> None:
    assert next_version().startswith(NEXT.removeprefix("kubernetes-"))
