# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A Grafana of the tests with a Prometheus behind it, as a transport or over HTTP."""

from __future__ import annotations

import json
import time
import typing as t
import urllib.parse
from dataclasses import dataclass, field

from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._metrics.expected import (
    Expected,
    Member,
    Pair,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._metrics.grafana import (
    Answer,
    Grafana,
    NoAnswerError,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._metrics.jobs import DEFAULT, Job, selected

Json = dict[str, t.Any]
PROXY = "/api/datasources/proxy/uid/"
SERIES = ("uname", "kubelet", "container")

CP1 = Member("cp1", "cp1", "192.0.2.11", "control_plane")
W1 = Member("w1", "w1", "192.0.2.21", "worker")
M1 = Member("m1", "m1", "192.0.2.41", "metrics", True)
EXPECTED = Expected((CP1, M1, W1), ())
JOBS: tuple[Job, ...] = selected(DEFAULT, {})


def frame(labels: t.Mapping[str, str], value: float | None, name: str = "") -> Json:
    """One series as Grafana's backend gives it for an instant query."""
    fields = [
        {"name": "Time", "type": "time", "typeInfo": {"frame": "time.Time"}},
        {"name": "Value", "type": "number", "labels": dict(labels)},
    ]
    return {"schema": {"name": name, "fields": fields}, "data": {"values": [[1_790_000_000_000], [value]]}}


@dataclass
class Site:
    """What Prometheus has.

    :param ages: pair -> seconds since the last sample of C(up). :param down: pairs whose scrape fails.
    :param without: query and node without a series. :param clocks: of hosts, ahead of Prometheus.
    :param errors: pair -> lastError. :param gone: pairs without a target. :param named: node -> name of its kubelet.
    :param names: all metrics. :param broken: an answer to every request instead, by method and path.
    """

    ages: dict[Pair, float] = field(default_factory=dict)
    down: set[Pair] = field(default_factory=set)
    without: set[tuple[str, str]] = field(default_factory=set)
    clocks: dict[str, float] = field(default_factory=dict)
    errors: dict[Pair, str] = field(default_factory=dict)
    gone: set[Pair] = field(default_factory=set)
    named: dict[str, str] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    graphite: dict[str, float] = field(default_factory=dict)
    cluster: str = "site-a"
    broken: Answer | str = ""
    time: float = 0.0
    requests: list[tuple[str, str, t.Any]] = field(default_factory=list)

    def __call__(self, method: str, path: str, body: t.Any = None) -> Answer:
        """See C(Transport)."""
        self.requests.append((method, path, body))
        if isinstance(self.broken, Answer):
            return self.broken
        if self.broken:
            raise NoAnswerError(self.broken)
        parts = urllib.parse.urlsplit(path)
        if parts.path == "/api/ds/query":
            return self.answer({"results": {one["refId"]: self._result(one) for one in body["queries"]}})
        assert parts.path.startswith(PROXY)
        uid, _, own = parts.path.removeprefix(PROXY).partition("/")
        assert uid == f"bmk-{self.cluster}"
        return self.answer({"status": "success", "data": self._api(own)})

    def answer(self, value: t.Any) -> Answer:
        return Answer(200, json.dumps(value), {"content-type": "application/json"})

    def grafana(self, datasource: str = "") -> Grafana:
        return Grafana(self, "https://grafana.example.org", datasource or f"bmk-{self.cluster}")

    def _api(self, path: str) -> t.Any:
        if path == "api/v1/label/__name__/values":
            return self.names
        if path == "api/v1/query":
            return {"resultType": "scalar", "result": [0, str(time.time() + self.time)]}
        assert path == "api/v1/targets", path
        return {
            "activeTargets": [
                {
                    "labels": {"cluster": self.cluster, "job": job, "node": node},
                    "health": "down" if (job, node) in self.errors else "up",
                    "lastError": self.errors.get((job, node), ""),
                }
                for job, node in self.ages
                if (job, node) not in self.gone
            ]
        }

    def _result(self, query: Json) -> Json:
        name = query["refId"]
        if query["datasource"]["type"] == "graphite":
            frames = [
                {
                    **frame({}, None, node),
                    "data": {
                        "values": [[when * 1000 - 60000, when * 1000, when * 1000 + 60000], [1.0, 1.0, None]]
                    },
                }
                for node, when in self.graphite.items()
            ]
            return {"status": 200, "frames": frames}
        assert query["expr"] and query["instant"] is True
        frames = []
        if name in ("age", "down"):
            for pair, age in self.ages.items():
                if (pair in self.down) == (name == "down"):
                    labels = {"job": pair[0], **({"node": pair[1]} if pair[1] else {})}
                    frames.append(frame(labels, age))
        elif name in SERIES:
            job = {"uname": "node", "kubelet": "kubelet", "container": "cadvisor"}[name]
            for (own, node), age in self.ages.items():
                if own == job and (own, node) not in self.down and (name, node) not in self.without:
                    told = {"exported_node": self.named.get(node, node)} if name == "kubelet" else {}
                    frames.append(frame({"node": node, **told}, age))
        elif name == "clock":
            frames = [frame({"node": n}, self.clocks.get(n, 0.1)) for job, n in self.ages if job == "node"]
        return {"status": 200, "frames": frames}


def site(expected: Expected = EXPECTED, jobs: t.Iterable[Job] = JOBS, **values: t.Any) -> Site:
    """A site of which everything arrives."""
    return Site(ages=dict.fromkeys(expected.pairs(jobs), 12.0), **values)
