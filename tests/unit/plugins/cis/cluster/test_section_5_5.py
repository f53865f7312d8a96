# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Section 5.5: image admission."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.cluster.section_5_5 import CHECKS
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.cluster.snapshot import Snapshot

from tests.unit.plugins.cis.clusters import Object, cluster, definition, evaluate, facts, thing
from tests.unit.plugins.cis.fakes import Case

PLUGIN = facts(plugins=("ImagePolicyWebhook", "PodSecurity"))
KYVERNO = "clusterpolicies.kyverno.io"
SIGSTORE = "clusterimagepolicies.policy.sigstore.dev"
IMAGES = "imagevalidatingpolicies.policies.kyverno.io"


def hook(name: str, *resources: str) -> Object:
    return thing(
        "ValidatingWebhookConfiguration",
        name,
        webhooks=[{"name": "x", "rules": [{"resources": list(resources)}]}],
    )


def found(resource: str, spec: Object, *hooks: Object) -> Callable[[], Snapshot]:
    item: Object = {"metadata": {"name": "signed"}, "spec": spec}
    return lambda: cluster(definition(resource), *hooks, nodes=(facts(),), more={resource: (item,)})


def verify(action: str, own: str | None = None) -> Object:
    check: Object = {"imageReferences": ["*"], **({"failureAction": own} if own else {})}
    return {"validationFailureAction": action, "rules": [{"name": "signed", "verifyImages": [check]}]}


CASES: list[Case] = [
    Case("5.5.1", "pass", "the admission plugin", lambda: cluster(nodes=(PLUGIN,)), "pass"),
    Case(
        "5.5.1",
        "pass",
        "Kyverno",
        found(KYVERNO, verify("Enforce"), hook("kyverno-resource-validating-webhook-cfg", "*")),
        "pass",
        "fail",
        says=("ClusterPolicy/signed",),
    ),
    Case(
        "5.5.1",
        "odd",
        "nothing in the API, which leaves the container runtime",
        lambda: cluster(nodes=(facts(),)),
        "manual",
        "fail",
        says=("image verifiers of containerd",),
    ),
    Case("5.5.1", "fail", "on one of two", lambda: cluster(nodes=(PLUGIN, facts())), "fail"),
    Case(
        "5.5.1",
        "odd",
        "Kyverno only reports",
        found(KYVERNO, verify("Audit"), hook("kyverno-resource-validating-webhook-cfg", "*")),
        "manual",
        "fail",
    ),
    Case(
        "5.5.1",
        "odd",
        "Kyverno enforces by the rule alone",
        found(KYVERNO, verify("Audit", "Enforce"), hook("kyverno-resource-validating-webhook-cfg", "*")),
        "pass",
        "fail",
    ),
    Case("5.5.1", "odd", "Kyverno is not asked", found(KYVERNO, verify("Enforce")), "manual", "fail"),
    Case(
        "5.5.1",
        "odd",
        "a policy of Kyverno about images",
        found(IMAGES, {"validationActions": ["Deny"]}, hook("kyverno-resource-validating-webhook-cfg")),
        "pass",
        "fail",
        says=("ImageValidatingPolicy/signed",),
    ),
    Case(
        "5.5.1",
        "odd",
        "sigstore",
        found(SIGSTORE, {}, hook("policy.sigstore.dev", "pods")),
        "pass",
        "fail",
        says=("ClusterImagePolicy/signed",),
    ),
    Case(
        "5.5.1",
        "odd",
        "sigstore without a policy, which lets everything pass",
        lambda: cluster(hook("policy.sigstore.dev", "pods"), nodes=(facts(),)),
        "manual",
        "fail",
    ),
    Case(
        "5.5.1",
        "odd",
        "another program that verifies signatures",
        lambda: cluster(hook("connaisseur-webhook", "pods"), nodes=(facts(),)),
        "pass",
        "fail",
    ),
    Case(
        "5.5.1",
        "odd",
        "a webhook about Pods that is not known",
        lambda: cluster(hook("our-own", "pods"), nodes=(facts(),)),
        "manual",
        "fail",
        says=("our-own",),
    ),
    Case(
        "5.5.1",
        "odd",
        "a webhook about something else",
        lambda: cluster(hook("certificates", "ingresses"), nodes=(facts(),)),
        "manual",
        "fail",
    ),
    Case("5.5.1", "odd", "hosts are not known", lambda: cluster(), "error", says=("Run the playbook cis",)),
    Case(
        "5.5.1",
        "odd",
        "webhooks may not be read",
        lambda: cluster(nodes=(PLUGIN,), unseen={"validatingwebhookconfigurations": "may not list"}),
        "error",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_check(case: Case) -> None:
    evaluate(case, CHECKS)
