# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every format, also with malicious input."""

from __future__ import annotations

import dataclasses
import datetime
import json
import re
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

import pytest
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.benchmark import profiles
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.report import (
    drift,
    exemptions,
    files,
    merge,
    model,
)

from tests.bench import simulate

NOW = datetime.datetime(2026, 11, 21, 20, 0, tzinfo=datetime.UTC)

EXEMPTIONS = [
    {
        "profile": "cis-2.0",
        "id": check,
        "reason": "It measures the network.",
        "owner": 'Ann "the boss" \\ team',
        "expires": "2027-01-31",
    }
    for check in profiles.PROFILES["cis-2.0"].checks
    if check.startswith(("4.2.", "5.2."))
]

#: What no output may hold as it is.
HOSTILE = (
    "<script>alert(1)</script>",
    "]]><x/>",
    "</script><img src=x onerror=alert(1)>",
    "\"'><b>&amp;",
    "\x1b[31mred\x00\x07\x85",
    "\udcff\udfff\ufffe",
    "\u202egnp.exe\u2028",
    "line one\nline two\ttabbed\r",
    "${jndi:ldap://x} {{ 7 * 7 }} {% raw %}",
)
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA7\n-----END RSA PRIVATE KEY-----"
SECRETS = (
    PEM,
    "bearer eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl",
    "abcdef.0123456789abcdef",
    "secret: c2VjcmV0c2VjcmV0c2VjcmV0",
)
LEAKS = ("MIIEpAIBAAKCAQEA7", "eyJzdWIiOiJ4In0", "0123456789abcdef", "c2VjcmV0c2VjcmV0c2VjcmV0")


def hostile(texts: tuple[str, ...]) -> merge.Input:
    """Malicious texts in all fields from outside."""
    text = " ".join(texts)
    hosts: dict[str, Any] = {
        f"{name}-{number}": simulate.host_result("n") for number, name in enumerate(texts)
    }
    for result in hosts.values():
        result.update(node=text, time=text)
        for item in result["results"]:
            item["message"] = text
            for proof in item["evidence"]:
                proof.update(
                    dict.fromkeys(("source", "key", "observed", "expected", "subject", "namespace"), text)
                )
                proof["digest"] = text
    hosts["dead " + text] = {"unreachable": True, "msg": text}
    entry = {"profile": "cis-2.0", "id": "4.2.6", "reason": text, "owner": text, "expires": "2027-01-31"}
    found, problems = exemptions.read_exemptions([entry])
    assert not problems
    return merge.Input(
        hosts=hosts,
        expected={"missing " + text: ["node"]},
        audit={"failed": True, "msg": text, "kubernetes_version": text},
        cluster=text,
        profile=profiles.PROFILES["cis-2.0"],
        time=NOW,
        exemptions=found,
    )


@pytest.fixture(scope="module")
def report() -> model.Report:
    """Three hosts, one of them unreachable, with exemptions and drift."""

    def made(seed: int) -> model.Report:
        found, problems = exemptions.read_exemptions(EXEMPTIONS)
        assert not problems
        return merge.merge(
            merge.Input(
                hosts={
                    "cp1": simulate.host_result("cp1", seed=seed),
                    "w1": simulate.host_result("w1", ("node",), seed),
                    "w2": {"unreachable": True, "msg": "No route to host"},
                },
                expected={"w2": ["node"]},
                audit=simulate.cluster_result(seed, 30),
                cluster="prod-a",
                profile=profiles.PROFILES["cis-2.0"],
                time=NOW,
                tool_version="0.1.0",
                exemptions=found,
            )
        )

    before = drift.read("".join(files.FORMATS["json"].render(made(1))))
    now = made(2)
    return dataclasses.replace(now, drift=drift.compare(before, now))


def text_of(report: model.Report, name: str) -> str:
    return "".join(files.FORMATS[name].render(report))


class Page(HTMLParser):
    """The page as a browser parses it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self._script = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._script = tag == "script"
        if self._script:
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self._script = self._script and tag != "script"

    def handle_data(self, data: str) -> None:
        if self._script:
            self.scripts[-1] += data


# JSON


def test_json_has_everything(report: model.Report) -> None:
    found = json.loads(text_of(report, "json"))
    assert len(found["results"]) == len(report.rows)
    assert len(found["checks"]) == 131
    assert found["summary"]["results"] == model.counts(row.status for row in report.rows)
    for item in found["results"]:
        assert all(
            {"source", "key", "observed", "expected", "host", "time"} <= set(proof)
            for proof in item["evidence"]
        )
    assert {item["host"] for item in found["results"]} == {"", "cp1", "w1", "w2"}
    assert found["notices"][0].startswith("Kubernetes 1.36.4 is outside")
    assert found["drift"]["since"] == "2026-11-21T20:00:00Z"
    lines = text_of(report, "json").splitlines()
    assert sum('"fingerprint": ' in line for line in lines) == len(report.rows)


def test_json_round_trip(report: model.Report) -> None:
    before = drift.read(text_of(report, "json"))
    assert len(before.rows) == len(report.rows)
    assert set(drift.compare(before, report).counts().values()) == {0}


# JUnit

OUTCOMES = {
    "fail": "failure",
    "error": "error",
    "exempt": "skipped",
    "manual": "skipped",
    "not_applicable": "skipped",
}


def test_junit(report: model.Report) -> None:
    suites = ElementTree.fromstring(text_of(report, "junit"))  # noqa: S314 - our own
    assert [suite.get("name") for suite in suites] == ["cp1", "w1", "w2", "cluster prod-a"]
    cases = {
        (suite.get("name"), (case.get("name") or "").split()[0]): case
        for suite in suites
        for case in suite.iter("testcase")
    }
    assert len(cases) == len(report.rows)
    for row in report.rows:
        case = cases[report.place_title(row.host), row.check]
        assert [child.tag for child in case] == ([OUTCOMES[row.status]] if row.status in OUTCOMES else [])
        for child in case:
            assert child.get("message")
            assert (child.get("message") or "").startswith("exempt: It measures") is (row.status == "exempt")
    for suite in [*suites, suites]:
        for attribute, tag in (("failures", "failure"), ("errors", "error"), ("tests", "testcase")):
            assert int(suite.get(attribute) or 0) == sum(1 for _ in suite.iter(tag))
    notice = suites.find("testsuite/properties/property[@name='notice']")
    assert notice is not None and "outside the declared scope" in (notice.get("value") or "")


# SARIF

KINDS = {
    "pass": "pass",
    "fail": "fail",
    "exempt": "fail",
    "manual": "review",
    "not_applicable": "notApplicable",
    "error": "open",
}


def test_sarif(report: model.Report) -> None:
    found = json.loads(text_of(report, "sarif"))
    run = found["runs"][0]
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == list(report.checks)
    assert len(run["results"]) == len(report.rows)
    for row, item in zip(report.rows, run["results"], strict=True):
        assert (item["ruleId"], item["kind"]) == (row.check, KINDS[row.status])
        assert run["tool"]["driver"]["rules"][item["ruleIndex"]]["id"] == row.check
        assert (item["level"] == "none") is (row.status not in ("fail", "exempt"))
        assert ("suppressions" in item) is (row.status == "exempt")
        assert item["locations"][0]["logicalLocations"][0]["name"] == report.place_title(row.host)
    reasons = [item["suppressions"][0]["justification"] for item in run["results"] if "suppressions" in item]
    assert reasons and all("It measures the network." in reason for reason in reasons)
    invocation = run["invocations"][0]
    assert invocation["executionSuccessful"] is False
    notes = [note["message"]["text"] for note in invocation["toolExecutionNotifications"]]
    assert "w2: The host could not be reached: No route to host" in notes


def test_fingerprints_are_stable(report: model.Report) -> None:
    def prints(made: model.Report) -> list[str]:
        results = json.loads(text_of(made, "sarif"))["runs"][0]["results"]
        return [item["fingerprints"]["checkAndHost/v1"] for item in results]

    changed = [row._replace(status="fail", message="other", evidence=()) for row in report.rows]
    later = dataclasses.replace(report, time=NOW + datetime.timedelta(days=3), rows=tuple(changed))
    assert prints(report) == prints(later)
    assert len(set(prints(report))) == len(report.rows)


# OSCAL


def test_oscal(report: model.Report) -> None:
    found = json.loads(text_of(report, "oscal"))["assessment-results"]
    result = found["results"][0]
    assert len(result["findings"]) == 131
    observations = {item["uuid"]: item for item in result["observations"]}
    risks = {item["uuid"]: item for item in result["risks"]}
    subjects = {item["uuid"] for item in result["local-definitions"]["inventory-items"]}
    subjects.add(result["local-definitions"]["components"][0]["uuid"])
    seen = 0
    worst = {
        identifier: model.worst(row.status for row in rows) for identifier, rows in report.by_check().items()
    }
    for finding in result["findings"]:
        check = finding["target"]["target-id"].removeprefix("cis-")
        own = [observations[item["observation-uuid"]] for item in finding["related-observations"]]
        seen += sum(len(item["subjects"]) for item in own)
        assert {item["subject-uuid"] for observation in own for item in observation["subjects"]} <= subjects
        satisfied = finding["target"]["status"]["state"] == "satisfied"
        assert satisfied is (worst[check] in ("pass", "not_applicable"))
        related = [risks[item["risk-uuid"]]["status"] for item in finding.get("related-risks", [])]
        assert ("open" in related) is any(row.status == "fail" for row in report.by_check()[check])
    assert seen == len(report.rows)
    assert "deviation-approved" in {item["status"] for item in risks.values()}
    identifiers = re.findall(r'"uuid": "([^"]+)"', text_of(report, "oscal"))
    assert len(identifiers) == len(set(identifiers))
    assert text_of(report, "oscal") == text_of(report, "oscal")


# Prometheus

SAMPLE = re.compile(r'([a-z0-9_]+)\{((?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)*)\} (-?[0-9.e+]+)')


def samples(text: str) -> dict[str, float]:
    """Samples by name and labels; every line must be one or a comment of the two kinds."""
    found: dict[str, float] = {}
    declared: set[str] = set()
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _hash, _type, name, kind = line.split()
            assert kind == "gauge" and name not in declared
            declared.add(name)
        elif not line.startswith("# HELP "):
            match = SAMPLE.fullmatch(line)
            assert match, line
            assert match[1] in declared
            assert f"{match[1]}{{{match[2]}}}" not in found
            found[f"{match[1]}{{{match[2]}}}"] = float(match[3])
    assert text.endswith("\n")
    return found


def test_prometheus(report: model.Report) -> None:
    found = samples(text_of(report, "prometheus"))
    name = 'k8s_cis_check_status{cluster="prod-a",node="w2",profile="cis-2.0",check_id="4.2.9",level="1"}'
    assert found[name] == -1
    assert sum(key.startswith("k8s_cis_check_status{") for key in found) == len(report.rows)
    assert sum(value for key, value in found.items() if key.startswith("k8s_cis_checks{")) == len(report.rows)
    ends = {
        value for key, value in found.items() if key.startswith("k8s_cis_exemption_expiry_timestamp_seconds{")
    }
    assert ends == {datetime.datetime(2027, 2, 1, tzinfo=datetime.UTC).timestamp()}
    assert found['k8s_cis_last_scan_timestamp_seconds{cluster="prod-a",profile="cis-2.0"}'] == NOW.timestamp()
    assert found['k8s_cis_host_audited{cluster="prod-a",node="w2"}'] == 0


# HTML


def data_of(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Page(text).scripts[0])
    return found


def test_html_has_every_result(report: model.Report) -> None:
    data = data_of(text_of(report, "html"))
    assert sum(len(rows) for rows in data["rows"].values()) == len(report.rows)
    for check, rows in report.by_check().items():
        for row, (host, status, text, evidence, _literal, _change) in zip(
            rows, data["rows"][check], strict=True
        ):
            assert (data["hosts"][host] if host >= 0 else "") == row.host
            assert data["statuses"][status] == row.status
            assert data["strings"][text] == row.message
            assert len(evidence) == len(row.evidence)


def test_html_is_self_contained(report: model.Report) -> None:
    page = Page(text_of(report, "html"))
    references = [
        value
        for _tag, attributes in page.tags
        for name, value in attributes.items()
        if name in ("src", "href")
    ]
    assert references == ["data:,"]
    policy = next(attributes["content"] for tag, attributes in page.tags if attributes.get("http-equiv"))
    assert (
        policy is not None
        and policy.startswith("default-src 'none'; style-src 'sha256-")
        and "unsafe" not in policy
    )
    assert not [
        name
        for _tag, attributes in page.tags
        for name in attributes
        if name == "style" or name.startswith("on")
    ]


def test_html_shows_failures_without_javascript(report: model.Report) -> None:
    text = text_of(report, "html").partition('<script type="application/json"')[0]
    for row in report.rows:
        if row.status in ("fail", "error", "manual"):
            assert row.message.replace("'", "&#x27;") in text


def test_rows_of_500_hosts_are_not_in_the_document() -> None:
    """The page has as many elements as there are checks and hosts, not as there are results."""

    def elements(number: int) -> int:
        hosts = {name: simulate.host_result(name) for name in simulate.names(number)}
        given = merge.Input(hosts, {}, simulate.cluster_result(), "a", profiles.PROFILES["cis-2.0"], NOW)
        return len(Page(text_of(merge.merge(given), "html")).tags)

    assert elements(60) - elements(30) <= 30 * 20


# What hosts say is not to be trusted


@pytest.fixture(scope="module", params=[HOSTILE, SECRETS], ids=["hostile", "secrets"])
def attacked(request: pytest.FixtureRequest) -> model.Report:
    """A report with malicious input."""
    return merge.merge(hostile(request.param))


@pytest.mark.parametrize("name", files.FORMATS)
def test_no_format_breaks_or_leaks(attacked: model.Report, name: str) -> None:
    text = text_of(attacked, name)
    text.encode("utf-8")
    assert not re.search(
        "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\ud800-\udfff\ufffe\uffff]", text
    )
    assert not [leak for leak in LEAKS if leak in text]
    if name == "junit":
        suites = ElementTree.fromstring(text)  # noqa: S314 - that it can be parsed is the test
        assert sum(1 for _ in suites.iter("testcase")) == len(attacked.rows)
        known = {
            "testsuites",
            "testsuite",
            "testcase",
            "properties",
            "property",
            "failure",
            "error",
            "skipped",
        }
        assert {element.tag for element in suites.iter()} <= known
    elif name == "prometheus":
        samples(text)
    elif name == "html":
        page = Page(text)
        assert [tag for tag, _attributes in page.tags].count("script") == 2
        assert not {"img", "b-", "x", "iframe", "object"} & {tag for tag, _attributes in page.tags}
        assert not [value for _tag, attributes in page.tags for value in attributes if value.startswith("on")]
        assert data_of(text)["strings"]
    else:
        assert json.loads(text)


@pytest.mark.parametrize("name", files.FORMATS)
def test_an_empty_report(name: str) -> None:
    """No hosts: errors of the cluster, and no division by zero."""
    given = merge.Input({}, {}, None, "a", profiles.PROFILES["cis-2.0"], NOW)
    assert text_of(merge.merge(given), name)
