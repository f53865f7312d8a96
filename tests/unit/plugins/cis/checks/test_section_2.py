# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Section 2: etcd with flags, environment variables and a file."""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping

import pytest
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.checks.section_2 import CHECKS

from tests.unit.plugins.cis.fakes import Case, FakeReader, File, process
from tests.unit.support.certificates import authority

PKI = "/etc/kubernetes/pki"
CLUSTER_CA, ETCD_CA, OTHER_CA = authority("kubernetes"), authority("etcd-ca"), authority("other")
FLAGS = {
    "cert-file": f"{PKI}/etcd/server.crt",
    "key-file": f"{PKI}/etcd/server.key",
    "client-cert-auth": "true",
    "trusted-ca-file": f"{PKI}/etcd/ca.crt",
    "peer-cert-file": f"{PKI}/etcd/peer.crt",
    "peer-key-file": f"{PKI}/etcd/peer.key",
    "peer-client-cert-auth": "true",
    "peer-trusted-ca-file": f"{PKI}/etcd/ca.crt",
    "listen-client-urls": "https://127.0.0.1:2379,https://10.0.0.1:2379",
    "listen-peer-urls": "https://10.0.0.1:2380",
}
API_SERVER = process("kube-apiserver", f"--client-ca-file={PKI}/ca.crt", pid=2)
FILES = {
    f"{PKI}/ca.crt": File(CLUSTER_CA.pem, mode=0o644),
    f"{PKI}/etcd/ca.crt": File(ETCD_CA.pem, mode=0o644),
}


def host(
    changes: Mapping[str, str | None] | None = None,
    *more: str,
    files: Mapping[str, File | None] | None = None,
    env: Mapping[str, str] | None = None,
    beside: bool = True,
) -> Callable[[], FakeReader]:
    """kubeadm's etcd with changed flags; None removes one."""
    flags = {**FLAGS, **(changes or {})}
    words = [f"--{name}={value}" for name, value in flags.items() if value is not None]
    running = (process("etcd", *words, *more, env=env), *((API_SERVER,) if beside else ()))
    return lambda: FakeReader(running=running, files=FILES).with_files(files or {})


def by_file(text: str, *flags: str, env: Mapping[str, str] | None = None) -> Callable[[], FakeReader]:
    """An etcd with a configuration file."""
    words = flags or ("--config-file=/etc/etcd/etcd.yaml",)
    return lambda: FakeReader(
        running=(process("etcd", *words, env=env), API_SERVER),
        files={**FILES, "/etc/etcd/etcd.yaml": File(text)},
    )


SECURE_FILE = f"""name: cp1
data-dir: /var/lib/etcd
listen-client-urls: https://10.0.0.1:2379
listen-peer-urls: https://10.0.0.1:2380
client-transport-security:
  cert-file: {PKI}/etcd/server.crt
  key-file: {PKI}/etcd/server.key
  client-cert-auth: true
  trusted-ca-file: {PKI}/etcd/ca.crt
peer-transport-security: {{cert-file: a, key-file: b, client-cert-auth: true, trusted-ca-file: c}}
"""
# All that is wrong in a file, for an etcd that also has flags which would be right.
OPEN_FILE = """client-transport-security:
  auto-tls: true
peer-transport-security:
  auto-tls: true
"""
RIGHT_FLAGS = tuple(f"--{name}={value}" for name, value in FLAGS.items())
FROM_ENV = {"ETCD_" + name.upper().replace("-", "_"): value for name, value in FLAGS.items()}


def _common(check: str) -> list[Case]:
    """Common cases of a check."""
    return [
        Case(check, "pass", "as kubeadm starts it", host(), "pass"),
        Case(check, "pass", "by variables", host(dict.fromkeys(FLAGS), env=FROM_ENV), "pass"),
        Case(check, "pass", "by a file", by_file(SECURE_FILE), "pass", says=("/etc/etcd/etcd.yaml",)),
        Case(
            check,
            "odd",
            "flags are ignored with a file",
            by_file(OPEN_FILE, "--config-file", "/etc/etcd/etcd.yaml", *RIGHT_FLAGS),
            "fail",
            says=("/etc/etcd/etcd.yaml",),
        ),
        Case(
            check,
            "odd",
            "a file by a variable",
            by_file(OPEN_FILE, *RIGHT_FLAGS, env={"ETCD_CONFIG_FILE": "/etc/etcd/etcd.yaml"}),
            "fail",
        ),
        Case(
            check,
            "odd",
            "a file that cannot be read",
            lambda: by_file(SECURE_FILE)().with_files({"/etc/etcd/etcd.yaml": File(unreadable=errno.EACCES)}),
            "error",
            says=("/etc/etcd/etcd.yaml",),
        ),
        Case(
            check,
            "odd",
            "not running",
            lambda: FakeReader(running=(API_SERVER,)),
            "error",
            says=("Start it",),
        ),
        Case(
            check,
            "odd",
            "the worse of two",
            lambda: FakeReader(
                running=(
                    process("etcd", *RIGHT_FLAGS),
                    process("etcd", "--auto-tls", "--peer-auto-tls", pid=9),
                ),
                files=FILES,
            ),
            "fail",
        ),
    ]


def _transport(prefix: str, key_pair: str, auth: str, auto: str) -> list[Case]:
    urls = "listen-peer-urls" if prefix else "listen-client-urls"
    cert, key = f"{prefix}cert-file", f"{prefix}key-file"
    flag, trusted = f"{prefix}client-cert-auth", f"{prefix}trusted-ca-file"
    self_signed = f"{prefix}auto-tls"
    return [
        Case(key_pair, "fail", "no key", host({key: None}), "fail", says=(f"--{key}", "not set")),
        Case(key_pair, "fail", "no certificate", host({cert: None}), "fail"),
        Case(
            key_pair,
            "odd",
            "one address without TLS",
            host({urls: "https://10.0.0.1:1,http://10.0.0.1:2"}),
            "fail",
            literal="pass",
            says=("http://10.0.0.1:2", "without TLS"),
        ),
        Case(
            key_pair, "odd", "the address that etcd takes itself", host({urls: None}), "fail", literal="pass"
        ),
        Case(key_pair, "odd", "an empty value", host({cert: ""}), "fail"),
        Case(auth, "fail", "not asked for", host({flag: "false", trusted: None}), "fail"),
        Case(auth, "odd", "a bare flag", host({flag: None}, f"--{flag}"), "pass"),
        Case(
            auth,
            "odd",
            "a CA is enough for etcd",
            host({flag: None}),
            "pass",
            literal="fail",
            says=("the flag is not set",),
        ),
        Case(auth, "odd", "the last of two", host({trusted: None}, f"--{flag}=false"), "fail"),
        Case(
            auth,
            "odd",
            "the flag takes precedence over the variable",
            host({flag: "false", trusted: None}, env={"ETCD_" + flag.upper().replace("-", "_"): "true"}),
            "fail",
        ),
        Case(
            auth,
            "odd",
            "another listener without TLS",
            host(
                {"listen-client-http-urls": "http://0.0.0.0:2382"}
                if not prefix
                else {urls: "http://10.0.0.1:1"}
            ),
            "fail",
            literal="pass",
            says=("without TLS",),
        ),
        Case(auth, "odd", "http is never asked", host({urls: "http://10.0.0.1:1"}), "fail", literal="pass"),
        Case(auto, "pass", "said to be off", host({self_signed: "false"}), "pass"),
        Case(
            auto,
            "fail",
            "in use",
            host({self_signed: "true", cert: None, key: None}),
            "fail",
            says=("generates its own",),
        ),
        Case(
            auto,
            "odd",
            "ignored with a certificate",
            host({}, f"--{self_signed}"),
            "pass",
            literal="fail",
            says=("ignores",),
        ),
        Case(
            auto,
            "odd",
            "by a variable",
            host({cert: None, key: None}, env={"ETCD_" + self_signed.upper().replace("-", "_"): "1"}),
            "fail",
        ),
    ]


SHARED = {f"{PKI}/etcd/ca.crt": File(CLUSTER_CA.pem)}
CASES: list[Case] = [
    *(case for check in ("2.1", "2.2", "2.3", "2.4", "2.5", "2.6", "2.7") for case in _common(check)),
    Case(
        "2.1",
        "odd",
        "where it stands",
        host({"cert-file": None}, env=FROM_ENV),
        "pass",
        says=("ETCD_CERT_FILE",),
    ),
    *_transport("", "2.1", "2.2", "2.3"),
    *_transport("peer-", "2.4", "2.5", "2.6"),
    Case(
        "2.7",
        "fail",
        "the same file",
        host({"trusted-ca-file": f"{PKI}/ca.crt"}),
        "fail",
        says=("trusts the cluster's CA",),
    ),
    Case("2.7", "fail", "no CA", host({"trusted-ca-file": None}), "fail", says=("not set",)),
    Case("2.7", "odd", "a copy of the cluster's CA", host(files=SHARED), "fail", literal="pass"),
    Case(
        "2.7",
        "odd",
        "one of several in a file",
        host(files={f"{PKI}/etcd/ca.crt": File(OTHER_CA.pem + ETCD_CA.pem + CLUSTER_CA.pem)}),
        "fail",
        literal="pass",
    ),
    Case(
        "2.7",
        "odd",
        "the container has another file",
        lambda: host()().with_(seen_by={"etcd": {f"{PKI}/etcd/ca.crt": File(CLUSTER_CA.pem)}}),
        "fail",
        literal="pass",
    ),
    Case(
        "2.7",
        "odd",
        "a host of its own with a kubelet",
        lambda: FakeReader(
            running=(
                process("etcd", *RIGHT_FLAGS),
                process("kubelet", "--config=/var/lib/kubelet/config.yaml"),
            ),
            files={
                **SHARED,
                "/var/lib/kubelet/config.yaml": File(
                    "authentication:\n  x509:\n    clientCAFile: /var/lib/kubelet/ca.crt\n"
                ),
                "/var/lib/kubelet/ca.crt": File(CLUSTER_CA.pem),
            },
        ),
        "fail",
        literal="pass",
        says=("clientCAFile of kubelet",),
    ),
    Case(
        "2.7",
        "odd",
        "a host of its own without anything",
        host(beside=False, files={f"{PKI}/ca.crt": None}),
        "manual",
        says=("compare the fingerprint", "sha256"),
    ),
    Case(
        "2.7", "odd", "a CA that is gone", host(files={f"{PKI}/etcd/ca.crt": None}), "error", says=("ca.crt",)
    ),
    Case("2.7", "odd", "no certificate in it", host(files={f"{PKI}/etcd/ca.crt": File("empty")}), "error"),
    Case(
        "2.7",
        "odd",
        "the other is gone",
        host(files={f"{PKI}/ca.crt": None}),
        "error",
        says=(f"{PKI}/ca.crt",),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_verdicts(case: Case) -> None:
    result = CHECKS[case.check](case.given())
    text = result.message + " " + " ".join(str(item.to_dict()) for item in result.evidence)
    assert (result.id, result.status, result.literal) == (case.check, case.status, case.literal), text
    for words in case.says:
        assert words in text


def test_every_check_has_a_case() -> None:
    assert {case.check for case in CASES} == set(CHECKS) and len(CHECKS) == 7
