# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Section 3.2: the audit policy."""

from __future__ import annotations

import errno

import pytest
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.checks import section_3_2
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.host import audit_policy
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.host.audit_policy import (
    GroupResources,
    Policy,
    Request,
    Rule,
)

from tests.unit.plugins.cis.fakes import Case, FakeReader, File
from tests.unit.plugins.cis.planes import AUDIT, CIS, STOCK, api_server, check

PASS, FAIL, ERROR = "pass", "fail", "error"
PATH = f"{CIS}/audit.yaml"


def policy(rules: str, before: str = "") -> dict[str, str]:
    """A policy with other rules."""
    return {PATH: f"apiVersion: audit.k8s.io/v1\nkind: Policy\n{before}rules:\n{rules}"}


def also(rule: str) -> dict[str, str]:
    """The passing policy with a rule before all others."""
    return {PATH: AUDIT.replace("rules:\n", f"rules:\n- {rule}\n")}


CASES = [
    Case("3.2.1", "pass", "a policy", api_server(), PASS, says=("5 rules", "sha256:")),
    Case("3.2.1", "fail", "stock", api_server(base=STOCK), FAIL, says=("nothing is logged",)),
    Case("3.2.1", "odd", "no rules", api_server(put=policy("  []\n")), FAIL, PASS, ("0 rules",)),
    Case("3.2.1", "odd", "gone", api_server(put={PATH: None}), ERROR, says=("No such file",)),
    Case(
        "3.2.1",
        "odd",
        "unreadable",
        api_server(put={PATH: File(unreadable=errno.EACCES)}),
        ERROR,
        says=(PATH,),
    ),
    Case("3.2.1", "odd", "an old version", api_server(put={PATH: AUDIT.replace("/v1", "/v1beta1")}), ERROR),
    Case(
        "3.2.1",
        "odd",
        "last of two",
        api_server("--audit-policy-file", "/no.yaml"),
        ERROR,
        says=("/no.yaml",),
    ),
    Case(
        "3.2.1",
        "odd",
        "unknown field",
        api_server(put=also("{level: None, resource: []}")),
        ERROR,
        says=("rules[0].resource",),
    ),
    Case("3.2.1", "odd", "unknown level", api_server(put=also("{level: All}")), ERROR, says=("not a level",)),
    *(
        Case(
            "3.2.2",
            "odd",
            f"a rule behind {name} in a comment",
            api_server(put={PATH: AUDIT.replace("rules:\n", f"rules: # x{mark}- level: None\n")}),
            ERROR,
            says=("beyond this reader",),
        )
        for name, mark in (("LS", "\u2028"), ("PS", "\u2029"), ("NEL", "\x85"), ("CR", "\r"))
    ),
    Case("3.2.2", "pass", "all of it", api_server(), PASS, says=("kinds of requests",)),
    Case("3.2.2", "pass", "metadata of all", api_server(put=policy("- level: Metadata\n")), PASS),
    Case("3.2.2", "fail", "stock", api_server(base=STOCK), FAIL),
    Case(
        "3.2.2",
        "fail",
        "bodies of all",
        api_server(put=policy("- level: RequestResponse\n")),
        FAIL,
        says=(
            "with secrets: secrets, configmaps, tokenreviews.authentication.k8s.io, serviceaccounts/token",
        ),
    ),
    Case(
        "3.2.2",
        "fail",
        "no rule for most",
        api_server(
            put=policy("- {level: Metadata, resources: [{group: '', resources: [secrets, configmaps]}]}\n")
        ),
        FAIL,
        says=("pods/exec", "no rule matches", "deployments.apps"),
    ),
    Case(
        "3.2.2",
        "fail",
        "configmaps of a namespace",
        api_server(
            put=also("{level: Request, namespaces: [kube-system], resources: [{resources: [configmaps]}]}")
        ),
        FAIL,
        says=("configmaps, rules[0]", "in kube-system", "Request"),
    ),
    Case(
        "3.2.2",
        "odd",
        "subresources are others",
        api_server(put=also("{level: None, resources: [{group: '', resources: [pods/exec]}]}")),
        FAIL,
        says=("not logged: pods/exec.",),
    ),
    Case(
        "3.2.2",
        "odd",
        "a star is no wildcard of verbs",
        api_server(put=also("{level: None, verbs: ['*'], users: ['*']}")),
        PASS,
    ),
    Case(
        "3.2.2",
        "odd",
        "all groups",
        api_server(
            put=also(
                "{level: RequestResponse, resources: [{group: '*', resources: ['*/approval', secrets]}]}"
            )
        ),
        FAIL,
        says=("with secrets: secrets.",),
    ),
    Case(
        "3.2.2",
        "odd",
        "secrets without their core group",
        api_server(put=policy("- {level: Metadata, resources: [{group: apps}]}\n- level: Request\n")),
        FAIL,
        says=("secrets, rules[1]",),
    ),
    Case(
        "3.2.2",
        "odd",
        "no stage is left",
        api_server(
            put=policy(
                "- level: Metadata\n  omitStages: [ResponseComplete]\n", "omitStages: [RequestReceived]\n"
            )
        ),
        FAIL,
        says=("not logged: secrets",),
    ),
    Case(
        "3.2.2",
        "odd",
        "paths are for no resource",
        api_server(put=also("{level: None, nonResourceURLs: ['*']}")),
        PASS,
    ),
    Case(
        "3.2.2",
        "odd",
        "the cluster's own parts may be left out",
        api_server(
            put=also("{level: None, userGroups: [system:nodes], resources: [{resources: [secrets]}]}")
        ),
        PASS,
    ),
    Case(
        "3.2.2",
        "odd",
        "but not with bodies",
        api_server(
            put=also("{level: Request, userGroups: [system:nodes], resources: [{resources: [secrets]}]}")
        ),
        FAIL,
        says=("by a kubelet",),
    ),
    Case(
        "3.2.2",
        "odd",
        "administrators are users",
        api_server(put=also("{level: None, userGroups: ['system:masters']}")),
        FAIL,
        says=("by a member of system:masters",),
    ),
    Case(
        "3.2.2",
        "odd",
        "one object only",
        api_server(
            put=also("{level: None, resources: [{resources: [configmaps], resourceNames: [leader]}]}")
        ),
        PASS,
    ),
    Case("3.2.2", "odd", "not running", lambda: FakeReader(), ERROR),
    Case(
        "3.2.2",
        "odd",
        "unknown stage",
        api_server(put=policy("- level: Metadata\n  omitStages: [All]\n")),
        ERROR,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_verdicts(case: Case) -> None:
    check(case, section_3_2.CHECKS)


EXEC = Request("jane", ("developers",), "create", "pods", "exec", namespace="shop", name="web")


@pytest.mark.parametrize(
    ("rule", "matches"),
    [
        (Rule("None"), True),
        (Rule("None", users=("jane",)), True),
        (Rule("None", users=("john",)), False),
        (Rule("None", groups=("admins", "developers")), True),
        (Rule("None", groups=("admins",)), False),
        (Rule("None", verbs=("get",)), False),
        (Rule("None", namespaces=("shop",)), True),
        (Rule("None", namespaces=("",)), False),
        (Rule("None", urls=("*",)), False),
        (Rule("None", resources=(GroupResources(""),)), True),
        (Rule("None", resources=(GroupResources("apps"),)), False),
        (Rule("None", resources=(GroupResources("*"),)), True),
        (Rule("None", resources=(GroupResources("", ("pods",)),)), False),
        (Rule("None", resources=(GroupResources("", ("pods/exec",)),)), True),
        (Rule("None", resources=(GroupResources("", ("pods/*",)),)), True),
        (Rule("None", resources=(GroupResources("", ("*/exec",)),)), True),
        (Rule("None", resources=(GroupResources("", ("*/attach",)),)), False),
        (Rule("None", resources=(GroupResources("", ("*",)),)), True),
        (Rule("None", resources=(GroupResources("", ("*",), ("web",)),)), True),
        (Rule("None", resources=(GroupResources("", ("*",), ("db",)),)), False),
    ],
)
def test_rules_match_as_in_the_api_server(rule: Rule, matches: bool) -> None:
    assert rule.matches(EXEC) == matches


def test_the_first_rule_counts() -> None:
    rules = Policy((Rule("Metadata", verbs=("get",)), Rule("Request"), Rule("None")))
    assert rules.decide(EXEC) == ("Request", 1)
    assert Policy(rules.rules[:1]).decide(EXEC) == ("None", None)


def test_streams_have_an_additional_stage() -> None:
    omitted = frozenset({"RequestReceived", "ResponseComplete"})
    assert Policy((Rule("Metadata", omitted=omitted),)).decide(EXEC) == ("Metadata", 0)
    assert Policy((Rule("Metadata", omitted=omitted | {"ResponseStarted"}),)).decide(EXEC) == ("None", 0)


def test_failures_are_limited() -> None:
    rules = "".join(
        f"- {{level: Request, verbs: [get], users: [jane@example.org], resources: [{{resources: [r{number}]}}]}}\n"
        for number in range(300)
    )
    result = section_3_2.CHECKS["3.2.2"](api_server(put=policy(rules))())
    assert result.status == FAIL
    assert len(result.evidence) <= 101


def test_levels_are_known() -> None:
    assert audit_policy.LEVELS == ("None", "Metadata", "Request", "RequestResponse")
