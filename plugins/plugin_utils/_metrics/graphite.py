# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Whether the series of the nodes arrive in Graphite, read through Grafana as those of Prometheus are."""

from __future__ import annotations

import time
import typing as t

from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._metrics.expected import Expected
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._metrics.grafana import (
    Grafana,
    GrafanaError,
    Sample,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._metrics.verify import (
    POLL_SECONDS,
    Missing,
)

JOB = "graphite"


def path_of(node: str) -> str:
    """A node's name as a part of a path, where dots would separate parts."""
    return node.replace(".", "_")


def missing(
    expected: Expected,
    samples: t.Iterable[Sample],
    target: str,
    now: float,
    max_age: float,
    nodes: t.Collection[str],
) -> tuple[Missing, ...]:
    """The nodes of which no fresh value is there. Pure.

    :param samples: each with the name of its series, a node, and the time of its last value. :param nodes: to look at,
        all when there are none.
    """
    last: dict[str, float] = {}
    for sample in samples:
        name = sample.labels.get("name", "")
        last[name] = max(sample.value, last.get(name, 0.0))
    found = []
    for member in expected.members:
        if nodes and member.name not in nodes:
            continue
        when = last.get(member.name, last.get(path_of(member.name)))
        if when is None:
            found.append(
                Missing(member.name, JOB, target, "Graphite has no value of the last minutes", None, _STEP)
            )
        elif now - when > max_age:
            age = round(now - when, 1)
            text = f"its last value is {age:.0f} s old, expected at most {max_age:.0f} s"
            found.append(Missing(member.name, JOB, target, text, age, _STEP))
    return tuple(found)


_STEP = "look at the log of what sends series to Graphite, and whether Prometheus has them"


def verify(
    grafana: Grafana,
    expected: Expected,
    target: str,
    max_age: float,
    deadline: float,
    nodes: t.Collection[str] = (),
    clock: t.Callable[[], float] = time.monotonic,
    sleep: t.Callable[[float], object] = time.sleep,
) -> tuple[Missing, ...]:
    """Ask until every node has a fresh value, or the time is over.

    :param grafana: with the data source of Graphite. :param deadline: seconds.
    :raises GrafanaError: when Grafana does not answer.
    """
    began = clock()
    while True:
        try:
            samples = grafana.query({JOB: target}, "graphite")[JOB]
            found = missing(expected, samples, target, time.time() + (grafana.clock or 0.0), max_age, nodes)
            if not found or clock() - began >= deadline:
                return found
        except GrafanaError as exc:
            if not exc.passing or clock() - began >= deadline:
                raise
        sleep(max(0.0, min(POLL_SECONDS, deadline - (clock() - began))))
