# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts of hosts for the audit of a cluster."""

from __future__ import annotations

import base64
import errno
import json
from typing import Any

import pytest
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.host.facts import cluster_facts

from tests.unit.plugins.cis.fakes import FakeReader, File, process
from tests.unit.plugins.cis.planes import CIS, PKI, STOCK, api_server, certificate

ADMIN = certificate("kubernetes-admin", "kubeadm:cluster-admins", client=True)
NODE = certificate("system:node:one", "system:nodes", client=True)


def kubeconfig(user: str) -> str:
    return f"apiVersion: v1\nkind: Config\nclusters: []\nusers:\n- name: a\n  user: {user}\n"


def embedded(pem: str) -> str:
    return f'{{client-certificate-data: "{base64.b64encode(pem.encode()).decode()}", client-key-data: eA==}}'


def test_a_hardened_control_plane() -> None:
    facts = cluster_facts(api_server()())
    server = facts["api_server"]
    assert {"NodeRestriction", "PodSecurity", "EventRateLimit"} <= set(server["admission_plugins"])
    assert server["pod_security"]["defaults"]["enforce"] == "baseline"
    assert server["pod_security"]["exemptions"] == {
        "usernames": [],
        "runtimeClasses": [],
        "namespaces": ["kube-system"],
    }
    assert {key: server[key] for key in ("image_policy_webhook", "audit", "encryption", "errors")} == {
        "image_policy_webhook": False,
        "audit": True,
        "encryption": {"secrets": ["secretbox", "identity"]},
        "errors": [],
    }
    assert facts["kubelet"] is None
    json.dumps(facts)


def test_a_stock_control_plane() -> None:
    server = cluster_facts(api_server(base=STOCK)())["api_server"]
    assert (server["pod_security"], server["audit"], server["encryption"]) == (None, False, None)
    assert server["errors"] == []


def test_a_worker() -> None:
    reader = FakeReader((process("kubelet"),), config={"seccompDefault": True})
    assert cluster_facts(reader) == {
        "api_server": None,
        "kubelet": {"seccomp_default": True},
        "certificates": [],
    }


@pytest.mark.parametrize("config", [{}, {"seccompDefault": "yes"}])
def test_kubelet_with_unknown_seccomp_default(config: Any) -> None:
    facts = cluster_facts(FakeReader((process("kubelet"),), config=config))
    assert facts["kubelet"] == {"seccomp_default": None}


@pytest.mark.parametrize(
    ("arguments", "file", "expected"),
    [
        ((), File(), False),
        (("--seccomp-default",), File(), True),
        (("--config=/k.yaml",), File("seccompDefault: true\n"), True),
        (("--config=/k.yaml",), File("seccompDefault: *anchor\n"), None),
    ],
)
def test_kubelet_without_configz(arguments: tuple[str, ...], file: File, expected: bool | None) -> None:
    reader = FakeReader((process("kubelet", *arguments),), files={"/k.yaml": file}, config="refused")
    assert cluster_facts(reader)["kubelet"] == {"seccomp_default": expected}


def test_image_policy_webhook() -> None:
    server = cluster_facts(api_server("--enable-admission-plugins=ImagePolicyWebhook")())["api_server"]
    assert server["image_policy_webhook"] is True


def test_unreadable_files_are_reported() -> None:
    put = {
        f"{CIS}/{name}.yaml": File(unreadable=errno.EACCES) for name in ("admission", "audit", "encryption")
    }
    server = cluster_facts(api_server(put=dict(put))())["api_server"]
    assert (server["pod_security"], server["audit"], server["encryption"]) == (None, False, None)
    assert [
        f"{CIS}/{name}.yaml" in text
        for name, text in zip(("admission", "audit", "encryption"), server["errors"], strict=True)
    ] == [True] * 3


def test_kms_has_no_version() -> None:
    text = (
        "{apiVersion: apiserver.config.k8s.io/v1, kind: EncryptionConfiguration,"
        " resources: [{resources: [secrets], providers: [{kms: {apiVersion: v2}}]}]}"
    )
    server = cluster_facts(api_server(put={f"{CIS}/encryption.yaml": text})())["api_server"]
    assert server["encryption"] == {"secrets": ["kms"]}


def test_certificates() -> None:
    files = {
        "/etc/kubernetes/admin.conf": File(kubeconfig(embedded(ADMIN))),
        "/etc/kubernetes/kubelet.conf": File(kubeconfig("{client-certificate: /var/lib/kubelet/pki/c.pem}")),
        "/var/lib/kubelet/pki/c.pem": File(NODE + "-----BEGIN EC PRIVATE KEY-----\n"),
        "/etc/kubernetes/token.conf": File(kubeconfig("{token: abc}")),
        "/etc/kubernetes/damaged.conf": File(kubeconfig("{client-certificate-data: '*'}")),
        "/etc/kubernetes/anchor.conf": File("users: &a []\n"),
        "/etc/kubernetes/list.conf": File("[]\n"),
        "/etc/kubernetes/odd.conf": File("users: [1, {user: 2}, {user: {client-certificate: /none}}]\n"),
        "/etc/kubernetes/closed.conf": File(unreadable=errno.EACCES),
        "/etc/kubernetes/tmp/old.conf": File(kubeconfig(embedded(ADMIN))),
        f"{PKI}/ca.crt": File(certificate("kubernetes", ca=True)),
        f"{PKI}/apiserver.crt": File(certificate("kube-apiserver")),
        f"{PKI}/apiserver-kubelet-client.crt": File(certificate("client", "system:masters", client=True)),
        f"{PKI}/jane.crt": File(b"\xff"),
    }
    assert cluster_facts(FakeReader(files=files))["certificates"] == [
        {
            "path": "/etc/kubernetes/admin.conf",
            "common_name": "kubernetes-admin",
            "organizations": ["kubeadm:cluster-admins"],
            "subject_kind": "kubeconfig",
        },
        {
            "path": "/etc/kubernetes/kubelet.conf",
            "common_name": "system:node:one",
            "organizations": ["system:nodes"],
            "subject_kind": "kubeconfig",
        },
        {
            "path": f"{PKI}/apiserver-kubelet-client.crt",
            "common_name": "client",
            "organizations": ["system:masters"],
            "subject_kind": "file",
        },
    ]
