# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Merging, exemptions, drift and policy."""

from __future__ import annotations

import dataclasses
import datetime
from typing import Any

import pytest
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.benchmark import catalogue, profiles
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.report import (
    drift,
    exemptions,
    files,
    merge,
    model,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.report import json as as_json
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.report.policy import (
    Policy,
    accepted,
    headline,
    message,
)

NOW = datetime.datetime(2026, 11, 21, 20, 0, tzinfo=datetime.UTC)
TIME = "2026-11-21T19:59:00Z"


def result(check: str, status: str = "pass", *evidence: dict[str, str], literal: str = "") -> dict[str, Any]:
    return {
        "id": check,
        "status": status,
        "literal": literal or status,
        "message": f"{check} is {status}",
        "evidence": list(evidence),
        "fixes": [],
    }


def audit(components: tuple[str, ...], *different: dict[str, Any]) -> dict[str, Any]:
    """An audit in which everything passes, except the given results."""
    found = {
        check.id: result(check.id) for component in components for check in catalogue.of_component(component)
    }
    found.update({item["id"]: item for item in different})
    return {"time": TIME, "node": "n1", "components": list(components), "results": list(found.values())}


def node(*different: dict[str, Any]) -> dict[str, Any]:
    return audit(("node",), *different)


def cluster(*different: dict[str, Any]) -> dict[str, Any]:
    return {**audit(("cluster",), *different), "kubernetes_version": "v1.35.1"}


def fail(subject: str = "", namespace: str = "", status: str = "fail") -> dict[str, str]:
    return {
        "source": "/apis",
        "key": "spec",
        "observed": "bad",
        "expected": "good",
        "status": status,
        "subject": subject,
        "namespace": namespace,
    }


def made(**parts: Any) -> model.Report:
    given: dict[str, Any] = {
        "hosts": {"w1": node(), "w2": node()},
        "expected": {},
        "audit": cluster(),
        "cluster": "prod-a",
        "profile": profiles.PROFILES["cis-2.0"],
        "time": NOW,
        **parts,
    }
    given["exemptions"], problems = exemptions.read_exemptions(given.get("exemptions", []))
    given["attestations"], more = exemptions.read_attestations(given.get("attestations", []))
    assert not problems + more
    return merge.merge(merge.Input(**given))


def row(report: model.Report, check: str, host: str = "") -> model.Row:
    return next(item for item in report.rows if (item.check, item.host) == (check, host))


def exemption(**parts: Any) -> dict[str, Any]:
    return {
        "profile": "cis-2.0",
        "id": "5.2.5",
        "reason": "Because.",
        "owner": "Ann",
        "expires": "2027-01-31",
        **parts,
    }


def attestation(**parts: Any) -> dict[str, Any]:
    return {"id": "5.6.1", "statement": "We looked.", "owner": "Ann", "expires": "2027-01-31", **parts}


# Merging


def test_everything_passes() -> None:
    report = made()
    assert {item.status for item in report.rows} == {"pass"}
    assert [item.check for item in report.rows][:2] == ["3.1.1", "3.1.2"]
    assert len(report.rows) == 2 * 25 + 37
    assert not report.notices and not report.warnings
    assert report.kubernetes_version == "1.35.1"


BROKEN: list[tuple[str, Any, str]] = [
    ("missing", None, "was not audited: there is no result"),
    (
        "unreachable",
        {"unreachable": True, "msg": "Connection timed out"},
        "could not be reached: Connection timed out",
    ),
    ("failed", {"failed": True, "msg": "No Python"}, "The audit of the host failed: No Python"),
    ("failed with results", {**node(), "failed": True}, "failed, and no reason was given"),
    ("skipped", {"skipped": True, "changed": False}, "was skipped"),
    ("text", "gone", "its result cannot be read"),
    ("empty", {}, "its result has no verdicts."),
    ("odd results", {"results": "all fine"}, "its result has no verdicts."),
    (
        "failed_when: false",
        {"failed": False, "msg": "No kubelet here."},
        "has no verdicts: No kubelet here.",
    ),
]


@pytest.mark.parametrize(
    ("registered", "says"), [case[1:] for case in BROKEN], ids=[case[0] for case in BROKEN]
)
def test_host_without_results_is_an_error_everywhere(registered: Any, says: str) -> None:
    report = made(
        hosts={"w1": node(), "cp1": registered},
        expected={"cp1": ["control_plane", "etcd", "node"], "w1": ["node"]},
    )
    rows = [item for item in report.rows if item.host == "cp1"]
    assert len(rows) == 94
    assert {(item.status, item.effective, item.literal) for item in rows} == {("error",) * 3}
    assert all(says in item.message for item in rows)
    assert any("1 of 2 hosts could not be audited: cp1" in notice for notice in report.notices)
    assert model.summary(report)["hosts_not_audited"] == ["cp1"]


def test_half_of_the_hosts_unreachable() -> None:
    names = [f"w{number}" for number in range(10)]
    lost = {"unreachable": True, "msg": "No route to host"}
    report = made(hosts={name: node() if number % 2 else lost for number, name in enumerate(names)})
    found = model.summary(report)
    assert found["results"]["error"] == 5 * 25
    assert found["results"]["pass"] == 5 * 25 + 37
    assert found["hosts_not_audited"] == names[::2]
    # Every check of a node is in error somewhere, so none of them counts as passed.
    assert found["checks"]["error"] == 25


def test_expected_host_without_a_result_is_an_error() -> None:
    report = made(hosts={}, expected={"w9": ["node"]})
    assert {item.host for item in report.rows} == {"w9", ""}


def test_unexpected_host_counts_as_well() -> None:
    report = made(hosts={"w1": node(result("4.2.1", "fail"))}, expected={"w2": ["node"]})
    assert row(report, "4.2.1", "w1").status == "fail"


@pytest.mark.parametrize(
    "audited", [None, {"failed": True, "msg": "kubeconfig: No such file"}, {"results": None}]
)
def test_cluster_without_results(audited: Any) -> None:
    report = made(audit=audited)
    rows = [item for item in report.rows if not item.host]
    assert len(rows) == 37
    assert {item.status for item in rows} == {"error"}
    assert not model.summary(report)["cluster_audited"]
    assert any("luster" in notice for notice in report.notices)


def test_missing_result_is_an_error() -> None:
    silent = node()
    silent["results"] = [item for item in silent["results"] if item["id"] != "4.2.6"]
    found = row(made(hosts={"w1": silent}), "4.2.6", "w1")
    assert (found.status, found.message) == ("error", "The audit has no result for this check.")


def test_missing_component_is_an_error() -> None:
    found = row(made(hosts={"cp1": node()}, expected={"cp1": ["etcd", "node"]}), "2.1", "cp1")
    assert found.status == "error"
    assert "Expected etcd on this host, but the audit found node" in found.message


def test_unexpected_results_are_kept() -> None:
    report = made(hosts={"cp1": audit(("etcd", "node"), result("2.1", "fail"))}, expected={"cp1": ["node"]})
    assert row(report, "2.1", "cp1").status == "fail"


@pytest.mark.parametrize(
    ("odd", "status"),
    [
        ({"id": "4.2.6", "status": "wonderful"}, "error"),
        ({"id": "4.2.6"}, "error"),
        ({"id": "4.2.6", "status": "pass", "literal": "yes"}, "error"),
        ({"id": "4.2.6", "status": "pass", "evidence": None}, "pass"),
        ({"id": "4.2.6", "status": "pass", "evidence": ["text", {"source": None}]}, "pass"),
    ],
)
def test_odd_verdicts_never_pass(odd: dict[str, Any], status: str) -> None:
    assert row(made(hosts={"w1": node(odd)}), "4.2.6", "w1").status == status


def test_unknown_checks_are_reported() -> None:
    report = made(hosts={"w1": node(result("4.9.9"))})
    assert any("A verdict on 4.9.9" in warning and "w1" in warning for warning in report.warnings)


def test_two_verdicts_on_one_check() -> None:
    twice = node()
    twice["results"] += [result("4.2.6", "fail", fail()), result("4.2.6")]
    found = row(made(hosts={"w1": twice}), "4.2.6", "w1")
    assert (found.status, len(found.evidence)) == ("fail", 1)


def test_literal_verdicts_count_if_selected() -> None:
    hosts = {"cp1": audit(("control_plane",), result("1.2.1", "pass", literal="fail"))}
    assert row(made(hosts=hosts), "1.2.1", "cp1").status == "pass"
    found = row(made(hosts=hosts, basis="literal"), "1.2.1", "cp1")
    assert (found.status, found.effective, found.literal) == ("fail", "pass", "fail")
    newest = made(hosts=hosts, basis="literal", profile=profiles.PROFILES["cis-2.1"])
    assert row(newest, "1.2.1", "cp1").status == "pass"


def test_notices_about_the_version_come_first() -> None:
    report = made(kubernetes_version="v1.37.0")
    assert "1.37.0 is outside the declared scope" in report.notices[0]


def test_scores_are_never_rounded_up() -> None:
    assert model.score({**model.counts([]), "pass": 9999, "fail": 1}) == 99.9
    assert model.score({**model.counts([]), "manual": 5}) is None
    assert model.score({**model.counts([]), "pass": 5, "exempt": 3}) == 100.0
    assert model.score({**model.counts([]), "pass": 1, "error": 1}) == 50.0


# Exemptions


def pods(*evidence: dict[str, str], **parts: Any) -> model.Report:
    return made(audit=cluster(result("5.2.5", "fail", *evidence)), **parts)


def test_all_failing_evidence_covered() -> None:
    report = pods(
        fail("DaemonSet/mon/agent", "mon"),
        fail("Pod/x/y", "x", status="pass"),
        exemptions=[exemption(namespaces=["mon"])],
    )
    found = row(report, "5.2.5")
    assert (found.status, found.effective) == ("exempt", "fail")
    assert [bool(proof.exempt) for proof in found.evidence] == [True, False]
    assert found.exemptions == (report.exemptions[0].entry.key,)
    assert (report.exemptions[0].state, report.exemptions[0].count) == ("used", 1)


def test_partly_covered_evidence_still_fails() -> None:
    report = pods(
        fail("DaemonSet/mon/agent", "mon"),
        fail("Pod/shop/x", "shop"),
        exemptions=[exemption(namespaces=["mon"])],
    )
    found = row(report, "5.2.5")
    assert found.status == "fail"
    assert [bool(proof.exempt) for proof in found.evidence] == [True, False]


def test_two_exemptions_together() -> None:
    report = pods(
        fail("DaemonSet/mon/agent", "mon"),
        fail("Pod/shop/x", "shop"),
        exemptions=[exemption(namespaces=["mon"]), exemption(subjects=["Pod/shop/*"])],
    )
    assert row(report, "5.2.5").status == "exempt"
    assert [use.state for use in report.exemptions] == ["used", "used"]


def test_omitted_findings_are_not_covered_by_subjects() -> None:
    rest = {"source": "/api", "key": "", "observed": "and 12 more", "expected": "", "status": "fail"}
    assert (
        row(pods(fail("Pod/mon/x", "mon"), rest, exemptions=[exemption(namespaces=["*"])]), "5.2.5").status
        == "fail"
    )
    assert row(pods(fail("Pod/mon/x", "mon"), rest, exemptions=[exemption()]), "5.2.5").status == "exempt"


def test_a_failure_without_evidence() -> None:
    assert row(pods(exemptions=[exemption()]), "5.2.5").status == "exempt"
    assert row(pods(exemptions=[exemption(subjects=["*"])]), "5.2.5").status == "fail"


def test_expired_exemption_covers_nothing_and_is_listed_first() -> None:
    report = pods(fail("Pod/mon/x", "mon"), exemptions=[exemption(expires="2026-11-20")])
    assert row(report, "5.2.5").status == "fail"
    assert report.exemptions[0].state == "expired"
    assert "expired on 2026-11-20" in report.notices[0] and "1 results would need it" in report.notices[0]
    assert not report.warnings
    assert (
        message(report, Policy().counted(report), Policy(), "")
        .splitlines()[1]
        .startswith("Note: The exemption")
    )


def test_valid_exemption_precedes_an_expired_one() -> None:
    report = pods(
        fail("Pod/mon/x", "mon"),
        exemptions=[exemption(expires="2026-01-01"), exemption(namespaces=["mon"])],
    )
    assert row(report, "5.2.5").status == "exempt"


def test_unused_exemptions_warn() -> None:
    report = made(exemptions=[exemption(), exemption(id="1.1.1", profile="cis-1.12")])
    assert [use.state for use in report.exemptions] == ["unused"]
    assert len(report.warnings) == 1
    assert "of 5.2.5 by Ann covers nothing" in report.warnings[0]


def test_shipped_exemptions_may_be_unused() -> None:
    entries, problems = exemptions.read_exemptions([exemption(expires=None)], shipped=True)
    assert not problems
    given = merge.Input({}, {}, cluster(), "a", profiles.PROFILES["cis-2.0"], NOW, exemptions=entries)
    assert not merge.merge(given).warnings


@pytest.mark.parametrize("status", ["error", "manual", "pass"])
def test_only_failures_can_be_exempt(status: str) -> None:
    report = made(audit=cluster(result("5.2.5", status, fail("Pod/mon/x", "mon"))), exemptions=[exemption()])
    assert row(report, "5.2.5").status == status


def test_hosts_of_an_exemption() -> None:
    hosts = {"w1": node(result("4.2.6", "fail", fail())), "x1": node(result("4.2.6", "fail", fail()))}
    report = made(hosts=hosts, exemptions=[exemption(id="4.2.6", hosts=["w*"])])
    assert row(report, "4.2.6", "w1").status == "exempt"
    assert row(report, "4.2.6", "x1").status == "fail"


def test_attestations_answer_manual_checks() -> None:
    report = made(audit=cluster(result("5.6.1", "manual")), attestations=[attestation()])
    found = row(report, "5.6.1")
    assert (found.status, found.effective) == ("pass", "manual")
    assert found.evidence[-1][:4] == ("attestation", "Ann", "We looked.", "until 2027-01-31")


@pytest.mark.parametrize("status", ["fail", "error", "not_applicable"])
def test_attestations_answer_nothing_else(status: str) -> None:
    report = made(audit=cluster(result("5.6.1", status)), attestations=[attestation()])
    assert row(report, "5.6.1").status == status
    assert "attestation of 5.6.1 by Ann covers nothing" in report.warnings[0]


def test_an_expired_attestation() -> None:
    report = made(audit=cluster(result("5.6.1", "manual")), attestations=[attestation(expires="2026-01-01")])
    assert row(report, "5.6.1").status == "manual"
    assert "The attestation of 5.6.1 by Ann expired" in report.notices[0]


# Drift


def before(report: model.Report) -> drift.Before:
    return drift.read("".join(as_json.render(report)))


def test_drift() -> None:
    old = made(
        hosts={
            "w1": node(
                result("4.2.6", "fail", fail()),
                result("4.2.8", "manual"),
                result("4.2.1", "pass", fail(status="pass")),
            ),
            "gone": node(),
        }
    )
    now = made(
        hosts={
            "w1": node(
                result("4.2.5", "fail", fail()),
                result("4.2.7", "error"),
                result("4.2.8", "pass"),
                result("4.2.1", "pass", {**fail(status="pass"), "observed": "other"}),
            ),
            "new": node(result("4.2.5", "fail", fail())),
        }
    )
    found = drift.compare(before(old), now)
    assert [tuple(change) for change in found.failed] == [
        ("4.2.5", "w1", "pass", "fail"),
        ("4.2.7", "w1", "pass", "error"),
    ]
    assert [tuple(change) for change in found.fixed] == [("4.2.6", "w1", "fail", "pass")]
    assert [tuple(change) for change in found.other] == [("4.2.8", "w1", "manual", "pass")]
    assert [tuple(change) for change in found.evidence] == [("4.2.1", "w1", "pass", "pass")]
    assert (found.new_hosts, found.gone_hosts) == (("new",), ("gone",))
    assert found.since == "2026-11-21T20:00:00Z"


def test_becoming_exempt_is_not_a_fix() -> None:
    old = pods(fail("Pod/mon/x", "mon"))
    found = drift.compare(before(old), pods(fail("Pod/mon/x", "mon"), exemptions=[exemption()]))
    assert not found.fixed
    assert [tuple(change) for change in found.other] == [("5.2.5", "", "fail", "exempt")]


def test_same_results_are_no_drift() -> None:
    report = pods(fail("Pod/mon/x", "mon"), exemptions=[exemption()], attestations=[attestation()])
    later = dataclasses.replace(report, time=NOW + datetime.timedelta(days=1))
    assert set(drift.compare(before(report), later).counts().values()) == {0}


@pytest.mark.parametrize(
    "other",
    [{"cluster": "prod-b"}, {"basis": "literal"}, {"profile": profiles.PROFILES["cis-1.12"]}],
    ids=["cluster", "basis", "profile"],
)
def test_reports_of_another_scope_are_not_compared(other: dict[str, Any]) -> None:
    found = drift.compare(before(made(**other)), made())
    assert not found.since
    assert "not compared" in found.note


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": 99}', '{"schema": 1}', "null", "<html>"])
def test_invalid_report(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        drift.read(text)


# Policy


def test_policy() -> None:
    report = made(
        hosts={"w1": node(result("4.2.6", "fail"), result("4.2.8", "fail"), result("4.2.4", "error"))},
        audit=cluster(result("5.6.1", "manual")),
    )

    def ids(**parts: Any) -> list[str]:
        return [item.check for item in Policy(**parts).counted(report)]

    assert ids() == ["4.2.4", "4.2.6", "4.2.8"]
    assert ids(levels=(1,)) == ["4.2.4", "4.2.6"]
    assert ids(statuses=("fail",)) == ["4.2.6", "4.2.8"]
    assert ids(statuses=("manual",)) == ["5.6.1"]
    assert ids(automated_only=True) == ["4.2.6"]
    assert ids(statuses=()) == []
    rows = Policy().counted(report)
    assert Policy(threshold=2).broken(rows)
    assert not Policy(threshold=3).broken(rows)
    assert headline(report, rows) == "CIS audit of prod-a by cis-2.0: 1 error, 2 fail of 62 results."


def test_message_of_an_accepted_report() -> None:
    report = made(hosts={"w1": node()}, audit=cluster())
    report = dataclasses.replace(report, rows=(report.rows[0]._replace(status="exempt"), *report.rows[1:]))
    numbers = "CIS audit of prod-a by cis-2.0: 1 exempt, 61 pass of 62 results."
    assert accepted(report, "/x/cis.html") == f"{numbers}\nFull report: /x/cis.html"
    assert accepted(report, "") == numbers


def test_message_lists_failures_with_hosts() -> None:
    names = [f"w{number}" for number in range(10)]
    hosts: dict[str, Any] = {name: node(result("4.2.6", "fail")) for name in names}
    report = made(hosts={**hosts, "dead": {"unreachable": True, "msg": "timeout"}})
    text = message(report, Policy().counted(report), Policy(), "/x/cis.html")
    assert "error on all checks - dead: The host could not be reached: timeout" in text
    assert (
        "fail 4.2.6 (level 1) The kubelet manages its iptables chains"
        " - w0, w1, w2, w3, w4, w5, w6, w7 and 2 more: 4.2.6 is fail" in text
    )
    assert text.endswith("Full report: /x/cis.html")
    assert len(text.splitlines()) == 5


def test_long_message_is_shortened() -> None:
    report = made(
        hosts={}, audit=cluster(*(result(check.id, "fail") for check in catalogue.of_component("cluster")))
    )
    report = dataclasses.replace(
        report,
        rows=tuple(item._replace(message=f"{item.message} {n}") for n in range(3) for item in report.rows),
    )
    text = message(report, Policy().counted(report), Policy(), "")
    assert len(text.splitlines()) == 42
    assert text.endswith("... and 71 more.")


def test_files_are_private_except_metrics(tmp_path: Any) -> None:
    directory = tmp_path / "new" / "cis"
    written = files.write(made(), str(directory), list(files.FORMATS))
    modes = {path.name: path.stat().st_mode & 0o777 for path in directory.iterdir()}
    assert set(written) == set(files.FORMATS)
    assert modes.pop("cis.prom") == 0o644
    assert set(modes.values()) == {0o600}
    assert directory.stat().st_mode & 0o777 == 0o700
