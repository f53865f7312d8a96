# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is removed from texts that are shown, and what stays."""

from __future__ import annotations

import base64
import time

import pytest
from ansible_collections.baremetal.kubernetes.plugins.module_utils._redact import HIDDEN, redact, shown_url
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.support import certificates

TOKEN = "abcdef.0123456789abcdef"
KEY = "0123456789abcdef" * 4
ISSUED = certificates.issue("x")
JWT = "eyJhbGciOiJSUzI1NiIsImtpZCI6IngifQ.eyJpc3MiOiJrdWJlcm5ldGVzIn0.c2lnbmF0dXJlLXdpdGgtYnl0ZXM"
SECRETBOX = base64.b64encode(bytes(range(200, 232))).decode()
AES = base64.b64encode(bytes(range(200, 216))).decode()


@pytest.mark.parametrize(
    "secret",
    [
        ISSUED.key_pem,
        "\n".join(f"+    {line}" for line in ISSUED.key_pem.splitlines()),
        ISSUED.key_pem.replace("PRIVATE KEY", "RSA PRIVATE KEY"),
        ISSUED.key_pem.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY")[:120],
        ISSUED.key_pem.replace("\n", "\\n"),
        ISSUED.key_pem.splitlines()[1],
        certificates.encoded(ISSUED.key_pem),
        JWT,
        JWT.rpartition(".")[0],
        TOKEN,
        KEY,
        KEY.upper(),
        SECRETBOX,
        AES,
    ],
    # Keys differ in every process.
    ids=lambda secret: f"{len(secret)} characters",
)
@pytest.mark.parametrize(
    "around", ["{}", "client-key-data: {}\n", '{{"token": "{}"}}', "error: {} is wrong", "--x={}"]
)
def test_secrets_by_their_form(secret: str, around: str) -> None:
    shown = redact(around.format(secret))
    assert HIDDEN in shown
    for line in secret.splitlines():
        assert len(line) < 12 or "PRIVATE KEY" in line or line.strip("+ ") not in shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("password: hunter", "password: <hidden>"),
        ('{"password": "hunter two"}', '{"password": "<hidden> two"}'),
        ("db_passwd=hunter2 next", "db_passwd=<hidden> next"),
        ("token: s3same-street", "token: <hidden>"),
        ("client-secret=abc123def", "client-secret=<hidden>"),
        ("api_key: 'abc123def'", "api_key: '<hidden>'"),
        ("certificateKey: 0123456789", "certificateKey: <hidden>"),
        ("tlsBootstrapToken: abc.123456", "tlsBootstrapToken: <hidden>"),
        ("Authorization: Bearer abc123.def456-ghi", "Authorization: Bearer <hidden>"),
        ("Proxy-Authorization: Basic dXNlcjpwYXNzd29yZDE=", "Proxy-Authorization: Basic <hidden>"),
        ("https://user:pa55@proxy.example.org:3128/", "https://<hidden>@proxy.example.org:3128/"),
        ("http_proxy=http://token@192.0.2.1", "http_proxy=http://<hidden>@192.0.2.1"),
        ("HTTPS_PROXY: http://DOMAIN%5cuser:p%40ss@proxy:80", "HTTPS_PROXY: http://<hidden>@proxy:80"),
        ("GET https://s3/x?X-Amz-Signature=0f0f0f0f&a=1", "GET https://s3/x?X-Amz-Signature=<hidden>&a=1"),
    ],
)
def test_secrets_by_their_name_and_place(text: str, shown: str) -> None:
    assert redact(text) == shown
    assert redact(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        f"sha256:{KEY}",
        f"registry.k8s.io/kube-apiserver@sha256:{KEY}",
        "id v1.36.4",
        f"{TOKEN}x",
        "--tls-private-key-file=/etc/kubernetes/pki/apiserver.key",
        "--service-account-key-file=/etc/kubernetes/pki/sa.pub",
        "--authorization-mode=Node,RBAC",
        "/var/lib/kubelet/pods/0f0f0f0f/volumes/kubernetes.io/projected/token",
        "/usr/local/share/kubernetes/patches/controllers/manager/configuration/files",
        "The token expired: create another",
        "invalid token: unexpected end",
        "secret: names",
        "secretName: kubernetes-dashboard-certs-1",
        "https://192.0.2.10:6443/healthz?timeout=10s",
        "etcdserver: request timed out, possibly due to previous leader failure",
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        ISSUED.pem.splitlines()[0],
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text) == text


def test_given_values() -> None:
    text = f"token {TOKEN} key {KEY} hash sha256:{KEY} id v1.36.4 and {TOKEN}x"
    assert redact(text) == f"token <hidden> key <hidden> hash sha256:{KEY} id v1.36.4 and {TOKEN}x"
    assert redact("pass word", ["word", None, ""]) == "pass <hidden>"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://mirror.example.org/f/kubelet", "https://mirror.example.org/f/kubelet"),
        ("https://user:pass@mirror:8443/f", "https://<hidden>@mirror:8443/f"),
        ("https://mirror/f?sig=abc&x=1#y", "https://mirror/f?<hidden>"),
        ("file:///srv/f", "file:///srv/f"),
        ("http://[::1", "<hidden>"),
    ],
)
def test_urls(url: str, shown: str) -> None:
    assert shown_url(url) == shown


@given(
    st.text(max_size=300), st.sampled_from([SECRETBOX, TOKEN, KEY, JWT, ISSUED.key_pem]), st.text(max_size=50)
)
def test_any_surroundings(before: str, secret: str, after: str) -> None:
    assert secret not in redact(f"{before} {secret} {after}")


@given(st.text())
def test_a_second_time_changes_nothing(text: str) -> None:
    once = redact(text)
    assert redact(once) == once


@pytest.mark.parametrize(
    "piece",
    [
        "-",
        "a-",
        "token",
        "token=",
        "?a=",
        "http://",
        "http://a",
        "A",
        "aA1",
        "=",
        "eyJ",
        "-----BEGIN ",
        "a.",
        "a:",
        "LS0tLS1CRUdJTi",
    ],
)
def test_time_is_bounded(piece: str) -> None:
    began = time.monotonic()
    redact(piece * (200_000 // len(piece)))
    assert time.monotonic() - began < 2
