# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Whether a fresh sample of every host arrives in Grafana, and why one does not."""

from __future__ import annotations

import re
import time
import typing as t
from dataclasses import dataclass, field, replace

from ansible_collections.baremetal.kubernetes.plugins.module_utils._redact import redact
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._metrics import causes
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._metrics.expected import (
    Expected,
    Member,
    Pair,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._metrics.grafana import (
    Grafana,
    GrafanaError,
    Sample,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._metrics.jobs import CLUSTER, Job
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._waiting import Waiting

#: Between two rounds; longer when one takes long.
POLL_SECONDS = 2.0
_SHOWN = 300
#: Name of a query -> job, and the series of which each of its nodes has a sample.
SERIES: t.Final[t.Mapping[str, tuple[str, str]]] = {
    "uname": ("node", "node_uname_info"),
    "kubelet": ("kubelet", "kubelet_node_name"),
    "container": ("cadvisor", "container_memory_working_set_bytes"),
}


@dataclass(frozen=True)
class Limits:
    """What is asked for.

    :param max_age: seconds that the last sample may be old. :param clock: seconds that the clock of a host may be off.
    :param nodes: to verify, all when there are none. :param removed: names of nodes that must not have samples.
    """

    max_age: float
    clock: float
    nodes: frozenset[str] = frozenset()
    removed: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Request:
    """What has to arrive.

    :param cluster: label of all its series. :param jobs: that are in use.
    """

    cluster: str
    expected: Expected
    jobs: tuple[Job, ...]
    limits: Limits

    def pairs(self) -> dict[Pair, Member | None]:
        """Job and node, of which C(up) has to be fresh."""
        found = self.expected.pairs(self.jobs)
        if self.limits.nodes:
            return {pair: member for pair, member in found.items() if pair[1] in self.limits.nodes}
        return found


@dataclass(frozen=True, order=True)
class Missing:
    """A series of a node of which no fresh sample arrives.

    :param metric: its name. :param age: seconds since its last sample, None without one. :param found: what there is
        instead. :param cause: why, with what to do about it.
    """

    node: str
    job: str
    metric: str
    found: str
    age: float | None = field(default=None, compare=False)
    cause: str = field(default="", compare=False)

    def line(self) -> str:
        """For people."""
        where = f"node {self.node}, job {self.job}" if self.node else f"job {self.job}"
        return f"{where}: {self.found}" + (f"; {self.cause}" if self.cause else "")

    def as_dict(self) -> dict[str, t.Any]:
        """For a result."""
        return {
            "node": self.node,
            "job": self.job,
            "metric": self.metric,
            "found": self.found,
            "age": self.age,
            "cause": self.cause,
        }


@dataclass(frozen=True, order=True)
class Stale:
    """A series of a node that is not in the cluster, or does not have this job."""

    node: str
    job: str
    age: float = field(compare=False)

    def line(self) -> str:
        """For people."""
        return (
            f"node {self.node}, job {self.job}: a sample of {self.age:.0f} s ago, expected none: the inventory has"
            " no such target"
        )

    def as_dict(self) -> dict[str, t.Any]:
        """For a result."""
        return {"node": self.node, "job": self.job, "age": self.age}


@dataclass
class Seen:
    """What a round has read.

    :param up: pair -> age of the last sample and whether the scrape succeeded, of its best series.
    :param series: name of a query -> node -> age. :param named: node -> what its kubelet calls itself.
    :param clocks: node -> seconds by which its clock is ahead of Prometheus'.
    """

    up: dict[Pair, tuple[float, bool]] = field(default_factory=dict)
    series: dict[str, dict[str, float]] = field(default_factory=dict)
    named: dict[str, str] = field(default_factory=dict)
    clocks: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """The result.

    :param ages: node -> job -> seconds since the last sample, with an empty node for jobs of the whole cluster.
    :param clocks: node -> seconds by which its clock is ahead of Prometheus', of those that are off by too much.
    :param servers: the same of the hosts of Grafana and Prometheus, compared with the controller.
    """

    missing: tuple[Missing, ...]
    stale: tuple[Stale, ...]
    ages: t.Mapping[str, t.Mapping[str, float]]
    clocks: t.Mapping[str, float]
    waited: float
    servers: t.Mapping[str, float] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether all is as expected."""
        return not (self.missing or self.stale or self.clocks)

    def lines(self) -> list[str]:
        """Every finding."""
        return [
            *(one.line() for one in self.missing),
            *(one.line() for one in self.stale),
            *(f"node {node}: its clock is {_off(by)} that of Prometheus" for node, by in self.clocks.items()),
            *(
                f"the clock of the host of {name} is {_off(by)} the controller's"
                for name, by in self.servers.items()
            ),
        ]


def _off(seconds: float) -> str:
    return f"{abs(seconds):.0f} s {'ahead of' if seconds > 0 else 'behind'}"


def escaped(value: str) -> str:
    """A text inside the quotes of PromQL."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def expressions(request: Request) -> dict[str, str]:
    """The queries of one round.

    They read the time of each sample itself; that of the query would say of each one that it is fresh.
    """
    cluster = f'cluster="{escaped(request.cluster)}"'
    if request.limits.nodes:
        # What one node costs must not depend on how many there are.
        names = sorted(request.limits.nodes | request.limits.removed)
        cluster += f',node=~"{escaped("|".join(map(re.escape, names)))}"'
    used = {job.name for job in request.jobs}
    # Of an expression that is no selector, timestamp() would give the time of the query.
    found = {
        name: f"time() - max by (job, node) (timestamp(up{{{cluster}}}) and up{{{cluster}}} == {value})"
        for name, value in (("age", 1), ("down", 0))
    }
    for name, (job, metric) in SERIES.items():
        if job in used:
            own = "node, exported_node" if name == "kubelet" else "node"
            found[name] = f'time() - max by ({own}) (timestamp({metric}{{{cluster},job="{job}"}}))'
    if "node" in used:
        selector = f'node_time_seconds{{{cluster},job="node"}}'
        found["clock"] = f"max by (node) ({selector} - timestamp({selector}))"
    return found


def seen(answers: t.Mapping[str, t.Sequence[Sample]], max_age: float) -> Seen:
    """What the answers say.

    Of several series of one pair, one that fails now counts, else the youngest.

    :param max_age: of a sample that counts.
    """
    result = Seen()
    for name, works in (("age", True), ("down", False)):
        for sample in answers.get(name) or ():
            pair = (sample.labels.get("job", ""), sample.labels.get("node", ""))
            age = round(sample.value, 1)
            known = result.up.get(pair)
            if known is None or age < known[0] or (not works and age <= max_age):
                result.up[pair] = (age, works)
    for name in SERIES:
        ages = result.series.setdefault(name, {})
        for sample in answers.get(name) or ():
            node = sample.labels.get("node", "")
            age = round(sample.value, 1)
            if node not in ages or age < ages[node]:
                ages[node] = age
                if sample.labels.get("exported_node"):
                    result.named[node] = sample.labels["exported_node"]
    for sample in answers.get("clock") or ():
        result.clocks[sample.labels.get("node", "")] = round(sample.value, 1)
    return result


def _collapse(found: Seen, jobs: t.Iterable[Job]) -> None:
    """Give jobs of the whole cluster one pair without a node, whatever their series say."""
    for job in jobs:
        if job.hosts == CLUSTER:
            own = [found.up.pop(pair) for pair in [pair for pair in found.up if pair[0] == job.name]]
            if own:
                found.up[job.name, ""] = min(own, key=lambda one: (not one[1], one[0]))


def _age_text(age: float, limit: float) -> str:
    if age < 0:
        return f"its last sample is {-age:.0f} s in the future"
    return f"its last sample is {age:.0f} s old, expected at most {limit:.0f} s"


def _missing(request: Request, found: Seen) -> t.Iterator[Missing]:
    limit = request.limits.max_age
    series = {job: (name, metric) for name, (job, metric) in SERIES.items()}
    for job, node in request.pairs():
        age, works = found.up.get((job, node), (None, False))
        if age is None:
            yield Missing(node, job, "up", "no sample arrives")
        elif abs(age) > limit:
            yield Missing(node, job, "up", _age_text(age, limit), age)
        elif not works:
            yield Missing(node, job, "up", "its scrape fails", age)
        elif job in series:
            name, metric = series[job]
            own = found.series[name].get(node)
            if own is None:
                yield Missing(node, job, metric, f"its scrape has no series {metric}")
            elif abs(own) > limit:
                yield Missing(node, job, metric, f"{metric}: {_age_text(own, limit)}", own)
            elif name == "kubelet" and found.named.get(node, node) != node:
                told = f"the kubelet at its address is that of the node {found.named[node]}"
                yield Missing(node, job, metric, told, own)


def _stale(request: Request, found: Seen) -> t.Iterator[Stale]:
    every = request.expected.pairs(request.jobs)
    known = {member.name for member in request.expected.members}
    used = {job.name for job in request.jobs if job.hosts != CLUSTER}
    limits = request.limits
    for (job, node), (age, _works) in found.up.items():
        if not node or (job, node) in every or abs(age) > limits.max_age:
            continue
        if limits.nodes and node not in limits.nodes | limits.removed:
            continue
        # Other jobs of a host that is there are the site's own.
        if node not in known or job in used:
            yield Stale(node, job, age)


def evaluate(request: Request, found: Seen, waited: float = 0.0) -> Outcome:
    """Compare what was read with what has to be there."""
    _collapse(found, request.jobs)
    pairs = request.pairs()
    ages: dict[str, dict[str, float]] = {}
    for job, node in pairs:
        if (job, node) in found.up:
            ages.setdefault(node, {})[job] = found.up[job, node][0]
    nodes = {node for _job, node in pairs}
    clocks = {
        node: offset
        for node, offset in sorted(found.clocks.items())
        if node in nodes and abs(offset) > request.limits.clock
    }
    return Outcome(
        tuple(sorted(_missing(request, found))), tuple(sorted(_stale(request, found))), ages, clocks, waited
    )


# --- why ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Diagnosis:
    """What Prometheus says about its targets.

    :param targets: pair -> health and error of its last scrape. :param problem: why that could not be read.
    """

    targets: t.Mapping[Pair, tuple[str, str]] = field(default_factory=dict)
    problem: str = ""


def read_targets(data: t.Any, cluster: str) -> Diagnosis:
    """The field C(data) of C(/api/v1/targets)."""
    found: dict[Pair, tuple[str, str]] = {}
    for target in (data or {}).get("activeTargets") or ():
        labels = target.get("labels") or {}
        if labels.get("cluster") == cluster:
            pair = (str(labels.get("job")), str(labels.get("node", "")))
            error = redact(" ".join(str(target.get("lastError") or "").split()))[:_SHOWN]
            found[pair] = (str(target.get("health")), error)
    return Diagnosis(found)


def _agent_cause(request: Request, one: Missing, outcome: Outcome) -> str:
    dead = {(other.job, other.node) for other in outcome.missing if other.metric == "up"}
    if ("prometheus-agent", one.node) in dead or one.job == "prometheus-agent":
        return (
            f"nothing arrives from the agent on {one.node}: start prometheus-agent there and look at its log, which"
            " says when its remote write is refused"
        )
    if one.age is not None and abs(one.age) <= request.limits.max_age:
        return f"the agent on {one.node} cannot scrape it over loopback: check that it runs there"
    return f"the agent on {one.node} does not send it: look at its log"


def _cause(request: Request, one: Missing, outcome: Outcome, diagnosis: Diagnosis) -> str:
    job = next(job for job in request.jobs if job.name == one.job)
    offset = outcome.clocks.get(one.node)
    clock = f" (its clock is {_off(offset)} that of Prometheus)" if offset else ""
    if one.metric != "up":
        return "the scrape succeeds; look at what it has, and at metric_relabel_configs" + clock
    if job.by_agent:
        return _agent_cause(request, one, outcome) + clock
    if diagnosis.problem:
        return f"the targets of Prometheus could not be read ({diagnosis.problem})"
    target = diagnosis.targets.get((one.job, one.node))
    if target is None and job.hosts == CLUSTER:
        mine = [state for (name, _node), state in diagnosis.targets.items() if name == one.job]
        target = next((state for state in mine if state[1]), mine[0] if mine else None)
    if target is None and not job.port:
        return "Prometheus has found no such pod: check that it runs, and that its metrics are switched on"
    if target is None:
        return (
            "Prometheus has no such target: run the playbook metrics, and look at the log of Prometheus when it has"
            " been run"
        )
    health, error = target
    if error:
        step = causes.step(error)
        return f"lastError: {error}" + (f" ({step})" if step else "") + clock
    if health == "up":
        return (
            "Prometheus scrapes it, Grafana does not see it: check that the data source is this Prometheus"
            + clock
        )
    return "Prometheus has not scraped it yet" + clock


def _clocks(grafana: Grafana, limit: float) -> dict[str, float]:
    """Clocks of Grafana and of Prometheus that are not the controller's."""
    found: dict[str, float] = {}
    try:
        sent = time.time()
        # Without a time of ours, Prometheus evaluates at its own.
        data = grafana.proxied("/api/v1/query", [("query", "time()")])
        prometheus = float(data["result"][1]) - (sent + time.time()) / 2
    except (GrafanaError, KeyError, IndexError, TypeError, ValueError):
        prometheus = 0.0
    for name, offset in (("Grafana", grafana.clock or 0.0), ("Prometheus", prometheus)):
        if abs(offset) > limit:
            found[name] = round(offset, 1)
    return found


def explain(grafana: Grafana, request: Request, outcome: Outcome) -> Outcome:
    """The same with causes. Reads the targets of Prometheus, which are large: at the end only."""
    if not outcome.missing:
        return outcome
    try:
        data = grafana.proxied("/api/v1/targets", [("state", "active")])
        diagnosis = read_targets(data, request.cluster)
    except GrafanaError as exc:
        diagnosis = Diagnosis(problem=exc.message.rstrip("."))
    missing = tuple(replace(one, cause=_cause(request, one, outcome, diagnosis)) for one in outcome.missing)
    return replace(outcome, missing=missing, servers=_clocks(grafana, request.limits.clock))


# --- wait -----------------------------------------------------------------------------------------------------------


def verify(
    grafana: Grafana,
    request: Request,
    deadline: float,
    say: t.Callable[[str], object],
    clock: t.Callable[[], float] = time.monotonic,
    sleep: t.Callable[[float], object] = time.sleep,
) -> Outcome:
    """Ask until everything is fresh.

    :param deadline: seconds, 0 to ask once. :param say: shows a line of progress.
    :raises GrafanaError: when Grafana does not answer: at once for what does not pass, else at the end.
    """
    queries = expressions(request)
    began = clock()
    waiting = Waiting(deadline, say)
    while True:
        asked = clock()
        pause = 0.0
        outcome: Outcome | None = None
        try:
            answers = grafana.query(queries)
            outcome = evaluate(request, seen(answers, request.limits.max_age), round(clock() - began, 1))
            if outcome.complete:
                return outcome
            waiting.still(outcome.lines())
        except GrafanaError as exc:
            if not exc.passing or clock() - began >= deadline:
                raise
            pause = exc.wait
            waiting.still([exc.message])
        if outcome is not None and clock() - began >= deadline:
            return explain(grafana, request, outcome)
        left = deadline - (clock() - began)
        # A large cluster costs Prometheus more: it gets as much time to rest as twice what an answer took.
        sleep(max(0.0, min(left, max(POLL_SECONDS, pause, 2 * (clock() - asked)))))
