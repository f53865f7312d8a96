# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is done with objects of Grafana, as tables: versions, comparison, marks, decisions and tokens."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._grafana import (
    accounts,
    apis,
    canonical,
    dashboards,
    datasources,
    errors,
    mark,
    plan,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._grafana.accounts import Token
from ansible_collections.baremetal.kubernetes.plugins.module_utils._grafana.mark import Mark
from ansible_collections.baremetal.kubernetes.plugins.module_utils._grafana.plan import Desired, Observed
from hypothesis import given
from hypothesis import strategies as st

# --- versions ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("versions", "first", "second"),
    [
        (("v2", "v1", "v1beta1", "v0alpha1", "v2beta1"), "v1", "v2"),
        (("v1beta1", "v0alpha1", "v2alpha1", "v2beta1"), "v1beta1", "v2beta1"),
        (("v1beta1", "v1beta2", "v1beta10"), "v1beta10", ""),
        (("v0alpha1", "v1alpha1", "v2alpha1"), "", ""),
        (("v1", "v10", "latest", ""), "v1", ""),
        ((), "", ""),
    ],
)
def test_the_best_version_is_chosen(versions: tuple[str, ...], first: str, second: str) -> None:
    found = apis.Discovered("default", {apis.DASHBOARDS: versions})
    assert (found.version(apis.DASHBOARDS), found.version(apis.DASHBOARDS, 2)) == (first, second)
    assert found.version(apis.DIRECTORIES) == ""


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (
            {
                "kind": "APIGroupList",
                "groups": [
                    {
                        "name": "dashboard.grafana.app",
                        "versions": [{"groupVersion": "dashboard.grafana.app/v1", "version": "v1"}],
                        "preferredVersion": {"version": "v1"},
                    }
                ],
            },
            {"dashboard.grafana.app": ("v1",)},
        ),
        ({"groups": None}, {}),
        ({"groups": [{"name": "a", "versions": None}, "b"]}, {"a": ()}),
        ([], {}),
        (None, {}),
    ],
)
def test_groups_are_read(answer: t.Any, found: dict[str, tuple[str, ...]]) -> None:
    assert apis.versions_in(answer) == found


@pytest.mark.parametrize(
    ("number", "name"), [(1, "default"), (7, "org-7"), (None, "default"), ("x", "default")]
)
def test_the_namespace_is_that_of_the_organisation(number: t.Any, name: str) -> None:
    assert apis.namespace_of(number) == name


# --- comparison -------------------------------------------------------------------------------------------------------

PANEL = {"id": 1, "type": "stat", "title": "Nodes", "targets": [{"refId": "A", "expr": "up"}]}
SPEC: dict[str, t.Any] = {"title": "Overview", "tags": ["k8s"], "panels": [PANEL], "schemaVersion": 39}
BUILT_IN = {"builtIn": 1, "name": "Annotations & Alerts"}


@pytest.mark.parametrize(
    ("desired", "live"),
    [
        ({}, {"id": 5, "uid": "x", "version": 7, "schemaVersion": 42}),
        ({}, {"refresh": "5s", "editable": True, "links": []}),
        ({"refresh": "", "links": [], "liveNow": False, "graphTooltip": 0, "description": None}, {}),
        ({"timepicker": {"hidden": False}}, {}),
        ({"annotations": {"list": []}}, {"annotations": {"list": [BUILT_IN]}}),
        ({"annotations": []}, {"annotations": [{"kind": "AnnotationQuery", "spec": {"builtIn": True}}]}),
        ({"tags": ["a", "b"]}, {"tags": ["b", "cluster:prod", "a", "managed-by:baremetal.kubernetes"]}),
        ({"panels": [PANEL]}, {"panels": [{**PANEL, "pluginVersion": "13.3.0", "options": {"x": 1}}]}),
        ({"weight": 1}, {"weight": 1.0}),
    ],
)
def test_what_grafana_adds_is_no_difference(desired: dict[str, t.Any], live: dict[str, t.Any]) -> None:
    assert canonical.differences({**SPEC, **desired}, {**SPEC, **live}) == ()


@pytest.mark.parametrize(
    ("live", "found"),
    [
        ({"title": "Mine"}, ["title"]),
        ({"title": None}, ["title"]),
        ({"tags": ["k8s", "more"]}, ["tags[1]"]),
        ({"tags": []}, ["tags[0]"]),
        ({"panels": [PANEL, PANEL]}, ["panels[1]"]),
        ({"panels": []}, ["panels[0]"]),
        ({"panels": [{**PANEL, "targets": [{"refId": "A", "expr": "down"}]}]}, ["panels[0].targets[0].expr"]),
        ({"panels": {}}, ["panels"]),
    ],
)
def test_what_is_declared_and_otherwise_is_named(live: dict[str, t.Any], found: list[str]) -> None:
    assert [one.path for one in canonical.differences(SPEC, {**SPEC, **live})] == found


def test_true_is_not_one() -> None:
    assert [one.path for one in canonical.differences({"a": True, "b": 1}, {"a": 1, "b": True})] == ["a", "b"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=12,
)
SPECS = st.dictionaries(st.sampled_from(["title", "tags", "panels", "annotations", "x"]), JSON, max_size=5)


@given(SPECS, SPECS)
def test_a_spec_never_differs_from_itself_with_more(spec: dict[str, t.Any], more: dict[str, t.Any]) -> None:
    assert canonical.differences(spec, spec) == ()
    assert canonical.differences(spec, {**more, **spec}) == ()
    assert canonical.spec_hash(spec) == canonical.spec_hash(dict(reversed(spec.items())))


def test_the_hash_is_of_the_content() -> None:
    assert canonical.spec_hash(SPEC) == canonical.spec_hash(
        {**SPEC, "id": 4, "version": 3, "schemaVersion": 42}
    )
    assert canonical.spec_hash(SPEC) != canonical.spec_hash({**SPEC, "title": "Mine"})
    assert len(canonical.spec_hash(SPEC)) == 16


# --- marks ------------------------------------------------------------------------------------------------------------

HASH = canonical.spec_hash(SPEC)
OURS = mark.message_of("u", HASH)
TAGS = mark.tags_of("prod")


@pytest.mark.parametrize(
    ("annotations", "generation", "found"),
    [
        ({}, 3, Mark()),
        ({mark.CLUSTER: "prod", mark.SPEC_HASH: HASH, mark.GENERATION: "3"}, 3, Mark("prod", HASH, False)),
        ({mark.CLUSTER: "prod", mark.SPEC_HASH: HASH, mark.GENERATION: "3"}, 4, Mark("prod", HASH, True)),
        ({mark.CLUSTER: "prod", mark.SPEC_HASH: HASH}, 4, Mark("prod", HASH, None)),
        ({mark.CLUSTER: "prod", mark.GENERATION: "x"}, 4, Mark("prod", "", None)),
        ({mark.CLUSTER: "prod", mark.GENERATION: "3"}, 0, Mark("prod", "", None)),
    ],
)
def test_the_mark_in_annotations(annotations: dict[str, str], generation: int, found: Mark) -> None:
    assert mark.from_annotations(annotations, generation) == found


@pytest.mark.parametrize(
    ("tags", "messages", "found"),
    [
        ([], [OURS], Mark()),
        (["cluster:prod"], [OURS], Mark()),
        ([*TAGS, "cluster:other"], [OURS], Mark()),
        (TAGS, [OURS], Mark("prod", HASH, False)),
        (TAGS, ["", OURS], Mark("prod", HASH, True)),
        (TAGS, [OURS, "", OURS], Mark("prod", HASH, False)),
        # A copy has the tags, and messages about another one at most.
        (TAGS, [mark.message_of("other", HASH)], Mark("prod", "", True)),
        (TAGS, [], Mark("prod", "", True)),
        (TAGS, None, Mark("prod", "", None)),
    ],
)
def test_the_mark_in_tags(tags: list[str], messages: list[str] | None, found: Mark) -> None:
    assert mark.from_tags("u", tags, messages) == found


# --- decisions --------------------------------------------------------------------------------------------------------

DESIRED = Desired("dashboard", "u", SPEC)
OTHER = {**SPEC, "title": "Mine"}
LACKS = canonical.Difference("secureJsonData.basicAuthPassword", "nothing", "a secret")


@pytest.mark.parametrize(
    ("observed", "force", "action"),
    [
        (None, False, plan.CREATE),
        (Observed("u", SPEC, Mark("prod", HASH, False)), False, plan.UNCHANGED),
        (Observed("u", SPEC, Mark("prod", HASH, True)), False, plan.UNCHANGED),
        # Nobody has saved it: Grafana shows what was written in its own way.
        (Observed("u", OTHER, Mark("prod", HASH, False)), False, plan.UNCHANGED),
        (Observed("u", OTHER, Mark("prod", HASH, True)), False, plan.EDITED),
        (Observed("u", OTHER, Mark("prod", HASH, None)), False, plan.EDITED),
        (Observed("u", OTHER, Mark("prod", HASH, True)), True, plan.UPDATE),
        # What is declared has changed.
        (Observed("u", OTHER, Mark("prod", "0" * 16, False)), False, plan.UPDATE),
        (Observed("u", SPEC, Mark("prod", "0" * 16, False)), False, plan.UPDATE),
        (Observed("u", OTHER, Mark("prod", "0" * 16, None)), False, plan.UPDATE),
        (Observed("u", OTHER, Mark("prod", "0" * 16, True)), False, plan.EDITED),
        (Observed("u", OTHER, Mark("prod", "0" * 16, True)), True, plan.UPDATE),
        # Neither is known, as the history cannot be read.
        (Observed("u", SPEC, Mark("prod")), False, plan.UNCHANGED),
        (Observed("u", OTHER, Mark("prod")), False, plan.EDITED),
        (Observed("u", SPEC, Mark("prod", HASH, False), suspicions=(LACKS,)), False, plan.UPDATE),
        (Observed("u", SPEC, Mark("prod", HASH, True), suspicions=(LACKS,)), False, plan.EDITED),
        (Observed("u", OTHER), True, plan.UPDATE),
        (Observed("u", SPEC, Mark("prod", HASH, False), manager="repo x"), False, plan.UNCHANGED),
    ],
)
def test_what_is_done(observed: Observed | None, force: bool, action: str) -> None:
    assert plan.decide(DESIRED, observed, "prod", force).action == action


@pytest.mark.parametrize(
    ("observed", "force", "told"),
    [
        (Observed("u", SPEC, Mark("other", HASH, False)), True, "belongs to the cluster other"),
        (Observed("u", SPEC), False, "force=true"),
        (Observed("u", OTHER, Mark("prod", HASH, True), manager="repo x"), True, "provisioned by repo x"),
    ],
)
def test_what_is_refused(observed: Observed, force: bool, told: str) -> None:
    with pytest.raises(OperatorError, match=told):
        plan.decide(DESIRED, observed, "prod", force)
    if "provisioned" not in told:
        with pytest.raises(OperatorError, match=told):
            plan.decide_absent("dashboard", observed, "prod", force)


@pytest.mark.parametrize(
    ("observed", "force", "action"),
    [
        (None, False, plan.UNCHANGED),
        (Observed("u", SPEC, Mark("prod", HASH, False)), False, plan.DELETE),
        (Observed("u", SPEC, Mark("prod", HASH, True)), False, plan.EDITED),
        (Observed("u", SPEC, Mark("prod", HASH, True)), True, plan.DELETE),
    ],
)
def test_what_is_deleted(observed: Observed | None, force: bool, action: str) -> None:
    assert plan.decide_absent("dashboard", observed, "prod", force).action == action


def test_a_dashboard_that_was_moved_is_an_edit() -> None:
    wanted = Desired("dashboard", "u", SPEC, "bmk-prod")
    assert (
        plan.decide(wanted, Observed("u", SPEC, Mark("prod", HASH, False), "bmk-prod"), "prod").action
        == plan.UNCHANGED
    )
    decision = plan.decide(wanted, Observed("u", SPEC, Mark("prod", HASH, False), ""), "prod")
    assert decision.action == plan.EDITED and decision.drift[-1].found == '""'


# --- data sources -----------------------------------------------------------------------------------------------------


def test_a_hash_of_a_password_is_nowhere() -> None:
    spec = {"name": "a", "type": "prometheus", "url": "https://a"}
    hashes = {
        datasources.desired("u", spec, datasources.Secure(data, version)).hash
        for data, version in [
            ({"basicAuthPassword": "one"}, ""),
            ({"basicAuthPassword": "two"}, ""),
            ({"basicAuthPassword": "two"}, "2"),
            ({"tlsCACert": "-----BEGIN CERTIFICATE-----\nA"}, ""),
            ({"tlsCACert": "-----BEGIN CERTIFICATE-----\nB"}, ""),
        ]
    }
    assert len(hashes) == 4


# --- service accounts -------------------------------------------------------------------------------------------------

NOW = 1_800_000_000.0
DAY = accounts.DAY


@pytest.mark.parametrize(
    ("tokens", "in_file", "accepted", "reason"),
    [
        ([], False, False, "no token in the file"),
        ([Token(1, "a", NOW + 60 * DAY)], False, False, "no token in the file"),
        ([Token(1, "a", NOW + 60 * DAY)], True, False, "does not accept"),
        ([], True, True, "no token of this name"),
        ([Token(1, "a", NOW + 60 * DAY, expired=True)], True, True, "no token of this name"),
        ([Token(1, "a", NOW - 1)], True, True, "no token of this name"),
        ([Token(1, "a", NOW + 29 * DAY)], True, True, "less than a third"),
        ([Token(1, "a", NOW + 31 * DAY)], True, True, ""),
        ([Token(1, "a", NOW + 1 * DAY), Token(2, "b", NOW + 60 * DAY)], True, True, ""),
        ([Token(1, "a", 0)], True, True, "less than a third"),
    ],
)
def test_when_a_token_is_minted(tokens: list[Token], in_file: bool, accepted: bool, reason: str) -> None:
    found, _token = accounts.reason_to_mint(tokens, in_file, accepted, 90, NOW)
    assert reason in accounts.REASONS.get(found, "") and bool(found) == bool(reason)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2027-01-15T08:00:00Z", NOW),
        ("2027-01-15T08:00:00.123456Z", NOW),
        ("2027-01-15T09:00:00+01:00", NOW),
        ("2027-01-15T03:30:00-04:30", NOW),
        ("0001-01-01T00:00:00Z", 0.0),
        ("soon", 0.0),
        (None, 0.0),
    ],
)
def test_times_of_tokens(text: str | None, seconds: float) -> None:
    assert accounts._seconds(text) == seconds


def test_names_of_tokens() -> None:
    name = accounts.token_name("bmk-prod", NOW)
    assert name == "bmk-prod-20270115080000"
    assert accounts._is_own(name, "bmk-prod") and not accounts._is_own(name, "bmk")
    assert not accounts._is_own("bmk-prod-mine", "bmk-prod")


# --- what goes wrong --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.RefusedError),
        (401, errors.TokenError),
        (403, errors.PermissionDeniedError),
        (404, errors.MissingError),
        (409, errors.ConflictError),
        (412, errors.ConflictError),
        (429, errors.BusyError),
        (503, errors.ServerError),
        (418, errors.GrafanaError),
    ],
)
def test_each_status_has_an_error_of_its_own(status: int, kind: type[errors.GrafanaError]) -> None:
    error = errors.refusal(
        "GET", "https://g/api/x?token=abcdefghij", status, "told glsa_secret", "glsa_secret"
    )
    assert type(error) is kind and error.status == status and error.next_step
    assert "secret" not in str(error) and "abcdefghij" not in str(error)


@pytest.mark.parametrize("uid", ["", "a b", "a/b", "ä", "a" * 41])
def test_a_uid_that_grafana_would_not_take(uid: str) -> None:
    with pytest.raises(OperatorError, match="at most 40"):
        dashboards.check_uid(uid)
