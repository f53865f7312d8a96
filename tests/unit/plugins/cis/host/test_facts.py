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
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.unit.plugins.cis.fakes import FakeReader, File, process
from tests.unit.plugins.cis.planes import CIS, PKI, STOCK, api_server, certificate
from tests.unit.support.certificates import authority, issue

CA = authority("kubernetes")
CLIENT, SERVER = (
    x509.ExtendedKeyUsage([usage])
    for usage in (ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH)
)
BOTH = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH])
ADMIN = certificate("kubernetes-admin", "kubeadm:cluster-admins", client=True)


def client(name: str, group: str) -> str:
    return issue(name, [group], issuer=CA, extensions=[CLIENT]).pem


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
        "unread": [],
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


def entry(path: str, name: str, group: str, kind: str = "kubeconfig") -> dict[str, Any]:
    return {"path": path, "common_name": name, "organizations": [group], "subject_kind": kind}


def test_certificates_of_the_cluster() -> None:
    admin = client("kubernetes-admin", "kubeadm:cluster-admins")
    files = {
        "/etc/kubernetes/admin.conf": File(kubeconfig(embedded(admin))),
        "/etc/kubernetes/kubelet.conf": File(kubeconfig("{client-certificate: /var/lib/kubelet/pki/c.pem}")),
        "/var/lib/kubelet/pki/c.pem": File(
            client("system:node:one", "system:nodes") + "-----BEGIN EC PRIVATE KEY-----\n"
        ),
        "/etc/kubernetes/token.conf": File(kubeconfig("{token: abc}")),
        "/etc/kubernetes/list.conf": File("[]\n"),
        "/etc/kubernetes/odd.conf": File("users: [1, {user: 2}, {user: {client-certificate: /none}}]\n"),
        "/etc/kubernetes/tmp/old.kubeconfig": File(kubeconfig(embedded(admin))),
        "/etc/kubernetes/users/bundle": File(client("jane", "ops") + CA.pem + client("joe", "dev")),
        "/etc/kubernetes/manifests/kube-apiserver.yaml": File("- --kubelet-client-certificate=/x.crt\n"),
        f"{PKI}/ca.crt": File(CA.pem),
        f"{PKI}/sa.pub": File("-----BEGIN PUBLIC KEY-----\n"),
        f"{PKI}/any.crt": File(issue("any", ["system:masters"], issuer=CA).pem),
        f"{PKI}/apiserver.crt": File(issue("kube-apiserver", issuer=CA, extensions=[SERVER]).pem),
        f"{PKI}/etcd/server.crt": File(issue("cp1", issuer=authority("etcd-ca"), extensions=[BOTH]).pem),
    }
    facts = cluster_facts(FakeReader(files=files))
    assert facts["unread"] == []
    assert facts["certificates"] == [
        entry("/etc/kubernetes/admin.conf", "kubernetes-admin", "kubeadm:cluster-admins"),
        entry("/etc/kubernetes/kubelet.conf", "system:node:one", "system:nodes"),
        entry(f"{PKI}/any.crt", "any", "system:masters", "file"),
        entry("/etc/kubernetes/tmp/old.kubeconfig", "kubernetes-admin", "kubeadm:cluster-admins"),
        entry("/etc/kubernetes/users/bundle", "jane", "ops", "file"),
        entry("/etc/kubernetes/users/bundle", "joe", "dev", "file"),
    ]


def test_wrapped_base64_is_read_as_in_go() -> None:
    wrapped = "".join(f"      {line}\n" for line in base64.encodebytes(ADMIN.encode()).decode().splitlines())
    text = f"users:\n- user:\n    client-certificate-data: |\n{wrapped}"
    facts = cluster_facts(FakeReader(files={"/etc/kubernetes/super-admin.conf": File(text)}))
    assert [item["common_name"] for item in facts["certificates"]] == ["kubernetes-admin"]
    assert facts["unread"] == []


@pytest.mark.parametrize(
    ("path", "file", "reason"),
    [
        (
            "/etc/kubernetes/super-admin.conf",
            File("users:\n- user: {client-certificate-data: &a eA==}\n"),
            "line 2",
        ),
        (
            "/etc/kubernetes/super-admin.conf",
            File('users:\n- user: {client-certificate-data: "eA\n  =="}\n'),
            "line 2",
        ),
        ("/etc/kubernetes/damaged.conf", File(kubeconfig("{client-certificate-data: '*'}")), "not base64"),
        (
            "/etc/kubernetes/damaged.conf",
            File(kubeconfig("{client-certificate-data: eA==}")),
            "no PEM certificate",
        ),
        ("/etc/kubernetes/jane.yaml", File("? client-certificate-data: x\n"), "line 1"),
        ("/etc/kubernetes/closed.conf", File(unreadable=errno.EACCES), "cannot be read"),
        ("/etc/kubernetes/text.conf", File(b"\xff\xfea\x00"), "codec"),
        ("/etc/kubernetes/gone", File(kind="unreachable"), "Permission denied"),
        (f"{PKI}/jane.crt", File(b"\xff"), "no PEM certificate"),
        (f"{PKI}/jane.crt", File("-----BEGIN CERTIFICATE-----\neA==\n-----END CERTIFICATE-----\n"), ""),
        (f"{PKI}/ca.crt", File("none"), "no PEM certificate"),
    ],
)
def test_what_cannot_be_read_is_unknown(path: str, file: File, reason: str) -> None:
    facts = cluster_facts(FakeReader(files={path: file}))
    assert facts["certificates"] == []
    assert {item["path"] for item in facts["unread"]} == {path}
    assert reason in facts["unread"][0]["reason"]
