# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Section 3.1: authentication of users."""

from __future__ import annotations

import datetime
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.cluster.section_3_1 import CHECKS
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.cluster.snapshot import Snapshot

from tests.unit.plugins.cis.clusters import binding, client_certificate, cluster, evaluate, facts, thing
from tests.unit.plugins.cis.fakes import Case
from tests.unit.support.certificates import encoded, issue
from tests.unit.support.certificates import name as authority_name

NOW = datetime.datetime(2026, 11, 21, 12, 0, tzinfo=datetime.UTC)
CLIENT = "kubernetes.io/kube-apiserver-client"


@cache
def certificate(name: str, *groups: str) -> str:
    """Base64 of a PEM certificate, as in the status of a CSR."""
    end = NOW + datetime.timedelta(days=1)
    return encoded(
        issue(name, groups, issuer=authority_name("kubernetes"), begin=NOW, end=end, bare=True).pem
    )


def request(name: str, text: str, signer: str = CLIENT) -> dict[str, Any]:
    return thing(
        "CertificateSigningRequest",
        name,
        spec={"signerName": signer, "username": "kubernetes-admin"},
        status={"certificate": text} if text else {},
    )


ADMIN = client_certificate("/etc/kubernetes/admin.conf", "kubernetes-admin", "kubeadm:cluster-admins")


def account_token(**metadata: Any) -> Snapshot:
    secret = thing("Secret", "ci-token", "shop", metadata=metadata)
    return cluster(more={"secrets:service-account-token": (secret,)})


def token(hours: float, fields: tuple[str, ...] = ("expiration", "token-id")) -> Snapshot:
    created = (NOW - datetime.timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ")
    secret = thing(
        "Secret",
        "bootstrap-token-abcdef",
        "kube-system",
        metadata={"creationTimestamp": created, "dataFields": list(fields)},
    )
    return replace(cluster(more={"secrets:bootstrap-token": (secret,)}), time=NOW)


JOINERS = "Group/system:bootstrappers:kubeadm:default-node-token"

CASES: list[Case] = [
    Case(
        "3.1.1",
        "pass",
        "nothing found, which proves nothing",
        lambda: cluster(nodes=(facts(certificates=[ADMIN]),)),
        "manual",
        says=("admin.conf", "identity provider", "kubernetes-admin"),
    ),
    Case(
        "3.1.1",
        "fail",
        "certificate of a person issued by the API",
        lambda: cluster(request("jane", certificate("jane", "developers")), nodes=(facts(),)),
        "fail",
        says=("User/jane", "developers", "certificatesigningrequests/jane"),
    ),
    Case(
        "3.1.1",
        "fail",
        "certificate of a person in a file on a host",
        lambda: cluster(nodes=(facts(certificates=[client_certificate("/root/.kube/joe.conf", "joe")]),)),
        "fail",
        says=("User/joe", "/root/.kube/joe.conf"),
    ),
    Case(
        "3.1.1",
        "odd",
        "requests of kubelets, and one that was not approved",
        lambda: cluster(
            request("csr-1", certificate("system:node:w1", "system:nodes"), "kubernetes.io/kubelet-serving"),
            request("csr-2", ""),
            request("csr-3", certificate("system:node:w1", "system:nodes")),
            nodes=(facts(),),
        ),
        "manual",
    ),
    Case(
        "3.1.1",
        "odd",
        "a user in a binding may have any way to log in",
        lambda: cluster(binding("devs", "view", "User/jane"), nodes=(facts(),)),
        "manual",
        says=("User/jane has ClusterRole/view",),
    ),
    Case(
        "3.1.1",
        "odd",
        "a kubeconfig that could not be read",
        lambda: cluster(
            nodes=(facts(unread=[{"path": "/etc/kubernetes/jane.conf", "reason": "line 3: x"}]),)
        ),
        "error",
        says=("/etc/kubernetes/jane.conf", "line 3: x"),
    ),
    Case(
        "3.1.1",
        "odd",
        "a certificate that cannot be read",
        lambda: cluster(request("strange", encoded(b"no PEM")), nodes=(facts(),)),
        "fail",
        says=("(unreadable, requested by kubernetes-admin)",),
    ),
    Case("3.1.1", "odd", "no facts of hosts", lambda: cluster(), "manual", says=("Run the playbook cis",)),
    Case("3.1.2", "pass", "no token that lasts", lambda: cluster(), "pass", says=("5.1.13",)),
    Case(
        "3.1.2",
        "fail",
        "a token of an account",
        lambda: account_token(annotations={"kubernetes.io/service-account.name": "ci"}),
        "fail",
        says=("ServiceAccount/shop/ci", "never, as far as"),
    ),
    Case(
        "3.1.2",
        "odd",
        "a token that is used, of an account that is not named",
        lambda: account_token(labels={"kubernetes.io/legacy-token-last-used": "2026-11-20"}),
        "fail",
        says=("2026-11-20", "ServiceAccount/shop/unknown"),
    ),
    Case("3.1.3", "pass", "no token", lambda: cluster(), "pass"),
    Case("3.1.3", "pass", "a young token", lambda: token(1), "pass", says=("younger than a day",)),
    Case(
        "3.1.3",
        "fail",
        "a token that never expires",
        lambda: token(1, ("token-id",)),
        "fail",
        says=("never",),
    ),
    Case(
        "3.1.3",
        "fail",
        "joining gives the right to see everything",
        lambda: cluster(binding("oops", "view", "Group/system:bootstrappers")),
        "fail",
        says=("ClusterRoleBinding/oops gives Group/system:bootstrappers ClusterRole/view",),
    ),
    Case("3.1.3", "odd", "a token that lasts for days", lambda: token(80), "fail", says=("is 80 hours old",)),
    Case(
        "3.1.3",
        "odd",
        "without a record of the fields, age alone decides",
        lambda: token(1, ()),
        "pass",
    ),
    Case(
        "3.1.3",
        "odd",
        "a binding of kubeadm with another role",
        lambda: cluster(
            binding("kubeadm:get-nodes", "cluster-admin", JOINERS),
        ),
        "fail",
        says=("ClusterRole/cluster-admin",),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_check(case: Case) -> None:
    evaluate(case, CHECKS)
