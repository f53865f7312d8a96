# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What arrives in Grafana, and what is said about what does not."""

from __future__ import annotations

import json
import typing as t
from dataclasses import replace

import pytest
from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._metrics import causes, graphite
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._metrics.grafana import (
    Answer,
    Grafana,
    GrafanaError,
    HttpTransport,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._metrics.jobs import selected
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._metrics.verify import (
    Limits,
    Outcome,
    Request,
    expressions,
    verify,
)

from tests.unit.support.grafana import EXPECTED, JOBS, M1, Site, frame, site

LIMITS = Limits(max_age=90, clock=30)


def request(**limits: t.Any) -> Request:
    return Request("site-a", EXPECTED, JOBS, replace(LIMITS, **limits))


class Clock:
    """Time that passes while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += max(seconds, 0.01)


def run(
    found: Site, deadline: float = 0, wanted: Request | None = None, clock: Clock | None = None
) -> Outcome:
    clock = clock or Clock()
    return verify(found.grafana(), wanted or request(), deadline, lambda _line: None, clock, clock.sleep)


def test_everything_arrives() -> None:
    found = site()
    outcome = run(found)
    assert outcome.complete and outcome.lines() == []
    assert outcome.ages["w1"] == {"node": 12.0, "kubelet": 12.0, "cadvisor": 12.0, "probes": 12.0}
    assert set(outcome.ages["cp1"]) >= {"etcd", "kube-scheduler", "prometheus-agent", "apiserver"}
    assert set(outcome.ages["m1"]) == {"node", "prometheus"}
    # One request, and the large list of targets is not asked for.
    assert [path for _method, path, _body in found.requests] == ["/api/ds/query"]


def test_queries() -> None:
    body = json.dumps(run(site(cluster="site-a")).waited)
    assert body == "0.0"
    queries = expressions(request())
    assert queries["down"] == (
        'time() - max by (job, node) (timestamp(up{cluster="site-a"}) and up{cluster="site-a"} == 0)'
    )
    assert set(queries) == {"age", "down", "uname", "kubelet", "container", "clock"}
    # A gate for one node asks for one node.
    some = expressions(request(nodes=frozenset({"w1.example.org"}), removed=frozenset({"w2"})))
    assert 'node=~"w1\\\\.example\\\\.org|w2"' in some["age"]
    only = Request("a", EXPECTED, selected(["etcd"], {}), LIMITS)
    assert set(expressions(only)) == {"age", "down"}


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {
                "down": {("node", "w1")},
                "errors": {("node", "w1"): "dial tcp 192.0.2.21:9100: connect: connection refused"},
            },
            "node w1, job node: its scrape fails; lastError: dial tcp 192.0.2.21:9100: connect: connection refused"
            " (nothing listens there: start the service on the host and look at its log)",
        ),
        (
            {"down": {("kubelet", "w1")}, "errors": {("kubelet", "w1"): "context deadline exceeded"}},
            "node w1, job kubelet: its scrape fails; lastError: context deadline exceeded (no answer: a network policy"
            " or a firewall drops the packets, or the host is overloaded or off)",
        ),
        (
            {"without": {("container", "w1")}},
            "node w1, job cadvisor: its scrape has no series container_memory_working_set_bytes; the scrape succeeds;"
            " look at what it has, and at metric_relabel_configs",
        ),
        (
            {"named": {"w1": "w2"}},
            "node w1, job kubelet: the kubelet at its address is that of the node w2; the scrape succeeds; look at what"
            " it has, and at metric_relabel_configs",
        ),
        (
            {"clocks": {"w1": 3600.0}},
            "node w1: its clock is 3600 s ahead of that of Prometheus",
        ),
    ],
)
def test_finding(changes: dict[str, t.Any], line: str) -> None:
    assert run(site(**changes)).lines() == [line]


def test_pair_without_a_target() -> None:
    found = site()
    del found.ages["node", "w1"]
    (line,) = run(found).lines()
    assert line.startswith(
        "node w1, job node: no sample arrives; Prometheus has no such target: run the playbook"
    )


def test_node_without_a_pod() -> None:
    wanted = Request("site-a", EXPECTED, selected(["cilium-agent"], {}), LIMITS)
    (line,) = run(Site(ages={("cilium-agent", "cp1"): 1.0}), wanted=wanted).lines()
    assert line.startswith("node w1, job cilium-agent: no sample arrives; Prometheus has found no such pod")


def test_old_sample() -> None:
    found = site()
    found.ages["apiserver", "cp1"] = 200.0
    (line,) = run(found).lines()
    assert line == (
        "node cp1, job apiserver: its last sample is 200 s old, expected at most 90 s; Prometheus scrapes it, Grafana"
        " does not see it: check that the data source is this Prometheus"
    )


def test_dead_agent_is_told_from_a_dead_component() -> None:
    found = site()
    found.down.add(("etcd", "cp1"))
    (line,) = run(found).lines()
    assert "the agent on cp1 cannot scrape it over loopback" in line
    for job in ("etcd", "kube-scheduler", "kube-controller-manager", "prometheus-agent"):
        found.ages[job, "cp1"] = 240.0
    lines = run(found).lines()
    assert len(lines) == 4
    assert all("nothing arrives from the agent on cp1" in line for line in lines)


def test_clock_explains_what_an_agent_does_not_send() -> None:
    found = site(clocks={"cp1": -3600.0})
    for job in ("etcd", "kube-scheduler", "kube-controller-manager", "prometheus-agent"):
        del found.ages[job, "cp1"]
    lines = run(found).lines()
    assert lines[0].endswith("(its clock is 3600 s behind that of Prometheus)")
    assert lines[-1] == "node cp1: its clock is 3600 s behind that of Prometheus"


def test_clock_of_prometheus() -> None:
    found = site(time=3600.0)
    del found.ages["node", "w1"]
    outcome = run(found)
    assert outcome.servers["Prometheus"] == pytest.approx(3600, abs=5)
    assert "the clock of the host of Prometheus is 3600 s ahead of the controller's" in outcome.lines()


def test_unreadable_targets_are_told() -> None:
    found = site()
    del found.ages["node", "w1"]
    grafana = found.grafana()
    full = grafana.proxied

    def refuse(path: str, parameters: t.Sequence[tuple[str, str]] = ()) -> t.Any:
        found.broken = Answer(403, json.dumps({"message": "no access"}))
        try:
            return full(path, parameters)
        finally:
            found.broken = ""

    grafana.proxied = refuse
    outcome = verify(grafana, request(), 0, lambda _line: None)
    assert "the targets of Prometheus could not be read (Grafana at https://grafana.example.org answered" in (
        outcome.missing[0].cause
    )


@pytest.mark.parametrize(
    ("pair", "stale"),
    [
        (("node", "w9"), True),
        (("site-job", "w9"), True),
        (("etcd", "w1"), True),
        (("site-job", "w1"), False),
        (("cilium-agent", "w1"), False),
        (("coredns", "w1"), False),
    ],
)
def test_stale(pair: tuple[str, str], stale: bool) -> None:
    found = site()
    found.ages[pair] = 5.0
    outcome = run(found)
    assert [(one.job, one.node) for one in outcome.stale] == ([pair] if stale else [])
    found.ages[pair] = 200.0
    assert not run(found).stale, "it ends by itself"


def test_removed_node_is_waited_for() -> None:
    found = site()
    found.ages["node", "w9"] = 5.0
    clock = Clock()

    def sleep(seconds: float) -> None:
        clock.sleep(seconds)
        if clock.now > 60:
            found.ages.pop(("node", "w9"), None)

    limits = request(nodes=frozenset({"cp1"}), removed=frozenset({"w9"}))
    outcome = verify(found.grafana(), limits, 120, lambda _line: None, clock, sleep)
    assert outcome.complete and 60 < outcome.waited < 70


def test_only_some_nodes_are_verified() -> None:
    found = site()
    for pair in [pair for pair in found.ages if pair[1] == "cp1"]:
        del found.ages[pair]
    found.ages["node", "w8"] = 1.0
    assert run(found, wanted=request(nodes=frozenset({"w1"}))).complete


def test_job_of_the_whole_cluster_needs_one_sample() -> None:
    wanted = Request("site-a", EXPECTED, selected(["coredns"], {}), LIMITS)
    found = Site(ages={("coredns", "w1"): 4.0, ("coredns", "cp1"): 5.0}, down={("coredns", "w1")})
    outcome = run(found, wanted=wanted)
    assert outcome.complete and outcome.ages == {"": {"coredns": 5.0}}
    found.down.add(("coredns", "cp1"))
    found.errors["coredns", "cp1"] = "no such host"
    (line,) = run(found, wanted=wanted).lines()
    assert line.startswith(
        "job coredns: its scrape fails; lastError: no such host (its name cannot be resolved"
    )


def test_of_two_series_the_failing_one_counts() -> None:
    found = site()

    def doubled(method: str, path: str, body: t.Any = None) -> Answer:
        answer = found(method, path, body)
        value = json.loads(answer.text)
        if "results" in value:
            value["results"]["down"]["frames"] = [frame({"job": "node", "node": "w1"}, 20.0)]
        return found.answer(value)

    outcome = verify(Grafana(doubled, "https://g", "bmk-site-a"), request(), 0, lambda _line: None)
    assert [(one.job, one.node, one.found) for one in outcome.missing] == [("node", "w1", "its scrape fails")]


# --- answers of Grafana ---------------------------------------------------------------------------------------------


def json_answer(status: int, value: t.Any, **headers: str) -> Answer:
    return Answer(status, json.dumps(value), {"content-type": "application/json", **headers})


HTML = Answer(200, "<!DOCTYPE html><html><title>Log in</title>", {"content-type": "text/html; charset=utf-8"})


@pytest.mark.parametrize(
    ("broken", "passing", "told"),
    [
        (
            json_answer(401, {"message": "Invalid API key"}),
            False,
            "HTTP 401: Invalid API key. It does not accept the token",
        ),
        (json_answer(403, {"message": "no access"}), False, "HTTP 403: no access. The token may not do this"),
        (
            json_answer(404, {"message": "Data source not found"}),
            False,
            "Data source not found. Expected the data source",
        ),
        (json_answer(409, {"message": "conflict"}), False, "HTTP 409: conflict. Somebody else changes it"),
        (json_answer(412, {"message": "version"}), False, "HTTP 412: version. Somebody else changed it"),
        (
            json_answer(429, {"message": "slow down"}, **{"retry-after": "7"}),
            True,
            "HTTP 429: slow down. It asks to wait",
        ),
        (json_answer(500, {"message": "boom"}), True, "HTTP 500: boom. Look at its log"),
        (Answer(502, "<html>bad gateway", {"content-type": "text/html"}), True, "HTTP 502. Look at its log"),
        (HTML, False, "with a page for browsers (HTTP 200), expected JSON. A login proxy"),
        (replace(HTML, status=401), False, "with a page for browsers (HTTP 401)"),
        (
            Answer(302, "", {"location": "https://sso.example.org/x?a=b"}),
            False,
            "redirects POST /api/ds/query to https://sso",
        ),
        (Answer(200, "hello", {}), False, "with something else than JSON"),
        (json_answer(200, {"message": "?"}), False, "with something else than JSON"),
        (
            "Grafana does not answer: Connection refused. Check it.",
            True,
            "does not answer: Connection refused. Check",
        ),
        (
            json_answer(200, {"results": {}}),
            True,
            "answered the query age of the data source bmk-site-a with nothing",
        ),
        (
            json_answer(400, {"results": {"age": {"error": "401 Unauthorized", "status": 401}}}),
            False,
            "the data source bmk-site-a answered a query with an error: 401 Unauthorized. Prometheus refuses the data",
        ),
        (
            json_answer(500, {"results": {"age": {"error": "dial tcp: connection refused", "status": 502}}}),
            True,
            "dial tcp: connection refused. Look at the data source in Grafana",
        ),
        (
            json_answer(200, {"results": {"age": {"error": "x509: certificate has expired", "status": 502}}}),
            False,
            "Check the data source's CA",
        ),
    ],
)
def test_answer_of_grafana(broken: Answer | str, passing: bool, told: str) -> None:
    clock = Clock()
    with pytest.raises(GrafanaError) as caught:
        run(site(broken=broken), 30, clock=clock)
    assert told in str(caught.value)
    assert (clock.now >= 30) is passing, "what may pass is asked again until the deadline, and nothing else"
    if isinstance(broken, Answer) and broken.status == 429:
        assert clock.slept[0] == 7


def test_grafana_that_comes_back() -> None:
    found = site(broken="Connection refused")
    clock = Clock()

    def sleep(seconds: float) -> None:
        clock.sleep(seconds)
        found.broken = ""

    assert verify(found.grafana(), request(), 30, lambda _line: None, clock, sleep).complete


def test_secrets_of_an_answer_are_hidden() -> None:
    told = json_answer(400, {"message": "header Authorization: Bearer glsa_0123456789abcdef0123"})
    with pytest.raises(GrafanaError) as caught:
        run(site(broken=told))
    assert "glsa_0123456789" not in str(caught.value)


def test_table_of_all_series() -> None:
    """One frame whose columns of texts are labels."""
    fields = [
        {"name": "Time", "type": "time"},
        {"name": "job", "type": "string"},
        {"name": "node", "type": "string"},
        {"name": "Value", "type": "number"},
    ]
    values = [[1, 1], ["node", "node"], ["w1", "w2"], [3.0, None]]
    table = {"schema": {"fields": fields}, "data": {"values": values}}
    answer = json_answer(200, {"results": {"a": {"status": 200, "frames": [table]}}})
    (sample,) = Grafana(lambda *_args: answer, "https://g", "x").query({"a": "up"})["a"]
    assert (sample.labels, sample.value) == ({"job": "node", "node": "w1"}, 3.0)


@pytest.mark.parametrize("url", ["grafana.example.org", "ftp://g", "https://user:secret@g", "https://"])
def test_url_is_checked(url: str) -> None:
    with pytest.raises(OperatorError, match=r"expected http\(s\)://HOST|expected none, as a URL") as caught:
        HttpTransport(url, "token")
    assert "secret" not in str(caught.value)


def test_ca_is_checked() -> None:
    with pytest.raises(OperatorError, match="/none, which is no file"):
        HttpTransport("https://g", "token", ca="/none")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            "tls: failed to verify certificate: x509: certificate has expired or is not yet valid",
            "renews certificates",
        ),
        ("x509: certificate signed by unknown authority", "another CA"),
        ("x509: certificate is valid for 192.0.2.1, not 192.0.2.2", "for other addresses"),
        ("remote error: tls: certificate required", "refuses the certificate of Prometheus"),
        ("server returned HTTP status 401 Unauthorized", "mints a new token"),
        ("server returned HTTP status 403 Forbidden", "grants nodes/metrics"),
        ("server returned HTTP status 500", "look at its log"),
        ("dial tcp: i/o timeout", "drops the packets"),
        ("connect: no route to host", "off or not connected"),
        ("something new", ""),
    ],
)
def test_causes(error: str, told: str) -> None:
    assert told in causes.step(error)
    assert bool(causes.step(error)) is bool(told)


# --- Graphite -------------------------------------------------------------------------------------------------------


def test_graphite(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graphite.time, "time", lambda: 1_790_000_300.0)
    found = site(graphite={"cp1": 1_790_000_290.0, "w1": 1_790_000_000.0, "other": 1.0})
    clock = Clock()
    missing = graphite.verify(found.grafana("g"), EXPECTED, "x.*", 180, 20, (), clock, clock.sleep)
    assert [(one.node, one.found) for one in missing] == [
        (M1.name, "Graphite has no value of the last minutes"),
        ("w1", "its last value is 300 s old, expected at most 180 s"),
    ]
    assert clock.now >= 20
    assert graphite.verify(found.grafana("g"), EXPECTED, "x.*", 180, 20, {"cp1"}) == ()
    query = found.requests[-1][2]["queries"][0]
    assert (query["target"], query["datasource"]) == ("x.*", {"type": "graphite", "uid": "g"})
