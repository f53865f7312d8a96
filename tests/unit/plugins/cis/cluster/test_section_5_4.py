# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Section 5.4: Secrets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.cluster.section_5_4 import CHECKS
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.cluster.snapshot import Snapshot

from tests.unit.plugins.cis.clusters import Object, cluster, container, definition, evaluate, facts, pod
from tests.unit.plugins.cis.fakes import Case

VARIABLE = {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}}
ALL_KEYS = {"secretRef": {"name": "settings"}}
CSI = "secretproviderclasses.secrets-store.csi.x-k8s.io"


def encrypted(*providers: str) -> Object:
    return facts(api_server={"encryption": {"secrets": list(providers)} if providers else None})


def running(*containers: Object, **spec: Any) -> Callable[[], Snapshot]:
    return lambda: cluster(pod("shop/web", *containers, **spec))


CASES: list[Case] = [
    Case("5.4.1", "pass", "a plain variable", running(container(env=[{"name": "A", "value": "b"}])), "pass"),
    Case(
        "5.4.1",
        "fail",
        "a variable",
        running(container(env=[VARIABLE])),
        "fail",
        says=("Pod/shop/web", "PASSWORD from Secret db"),
    ),
    Case(
        "5.4.1", "fail", "all keys", running(container(envFrom=[ALL_KEYS])), "fail", says=("Secret settings",)
    ),
    Case(
        "5.4.1",
        "odd",
        "an init container",
        running(container(), initContainers=[container("migrate", env=[VARIABLE])]),
        "fail",
        says=("container migrate",),
    ),
    Case(
        "5.4.1",
        "odd",
        "a ConfigMap, a volume with a Secret, and a Pod that is done",
        lambda: cluster(
            pod(
                "shop/web",
                container(envFrom=[{"configMapRef": {"name": "settings"}}]),
                volumes=[{"name": "db", "secret": {"secretName": "db"}}],
            ),
            pod("shop/done", container(env=[VARIABLE]), phase="Failed"),
        ),
        "pass",
    ),
    Case(
        "5.4.1",
        "odd",
        "Pods may not be read",
        lambda: cluster(unseen={"pods": "The credentials may not list pods"}),
        "error",
    ),
    Case(
        "5.4.2",
        "pass",
        "a driver mounts them",
        lambda: cluster(definition(CSI), more={CSI: ({"metadata": {"name": "vault"}},)}),
        "pass",
        says=(CSI,),
    ),
    Case(
        "5.4.2",
        "pass",
        "a KMS keeps the keys",
        lambda: cluster(nodes=(encrypted("kms", "identity"),)),
        "pass",
    ),
    Case(
        "5.4.2",
        "fail",
        "nothing is found, which needs a manual review",
        lambda: cluster(nodes=(encrypted("secretbox", "identity"),)),
        "manual",
        says=("Decide whether",),
    ),
    Case(
        "5.4.2",
        "odd",
        "installed and not used",
        lambda: cluster(definition(CSI), nodes=(facts(),)),
        "manual",
    ),
    Case(
        "5.4.2",
        "odd",
        "a KMS for reading only, and on one of two API servers",
        lambda: cluster(nodes=(encrypted("kms"), encrypted("secretbox", "kms"))),
        "manual",
    ),
    Case("5.4.2", "odd", "hosts are not known", lambda: cluster(), "manual", says=("Run the playbook cis",)),
    Case(
        "5.4.2",
        "odd",
        "definitions may not be read",
        lambda: cluster(unseen={"customresourcedefinitions": "The credentials may not list definitions"}),
        "error",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_check(case: Case) -> None:
    evaluate(case, CHECKS)
