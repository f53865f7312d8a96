# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Section 4: kubelet and kube-proxy with flags, files, drop-ins and /configz."""

from __future__ import annotations

import errno
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import yaml
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.checks import (
    section_4_1,
    section_4_2,
    section_4_3,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.host import durations, kubelet

from tests.unit.plugins.cis.fakes import Case, FakeReader, File, process
from tests.unit.support.certificates import ENDED, authority, issue

CHECKS = {**section_4_1.CHECKS, **section_4_2.CHECKS, **section_4_3.CHECKS}

CONFIG = "/var/lib/kubelet/config.yaml"
DROP_INS = "/etc/kubernetes/kubelet.conf.d"
CA_FILE = "/etc/kubernetes/pki/ca.crt"
UNIT = "/etc/systemd/system/kubelet.service"
INIT = "/etc/init.d/kubelet"
ARGUMENTS = (
    "--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf",
    "--kubeconfig=/etc/kubernetes/kubelet.conf",
    f"--config={CONFIG}",
    f"--config-dir={DROP_INS}",
)
CLUSTER, OTHER = authority("kubernetes"), authority("corporate")
BY_CLUSTER = issue("system:node:w1", issuer=CLUSTER)
GOOD = {
    "apiVersion": "kubelet.config.k8s.io/v1beta1",
    "kind": "KubeletConfiguration",
    "authentication": {
        "anonymous": {"enabled": False},
        "webhook": {"cacheTTL": "0s", "enabled": True},
        "x509": {"clientCAFile": CA_FILE},
    },
    "authorization": {"mode": "Webhook"},
    "podPidsLimit": 4096,
    "rotateCertificates": True,
    "seccompDefault": True,
    "serverTLSBootstrap": True,
    "streamingConnectionIdleTimeout": "0s",
    "tlsCipherSuites": ["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"],
}
# What a kubelet of these settings answers: all defaults filled in, zero values left out.
LIVE: dict[str, Any] = {
    **GOOD,
    "streamingConnectionIdleTimeout": "4h0m0s",
    "eventRecordQPS": 50,
    "makeIPTablesUtilChains": True,
}
FILES = {
    CONFIG: File(yaml.safe_dump(GOOD)),
    CA_FILE: File(CLUSTER.pem, mode=0o644),
    "/etc/kubernetes/kubelet.conf": File(),
    UNIT: File(),
    "/proc/sys/kernel/hostname": File("w1\n"),
    "/var/lib/kubelet/kubeadm-flags.env": File(),
}
PROXY_CONFIG = "/var/lib/kube-proxy/config.conf"
PROXY = process("kube-proxy", f"--config={PROXY_CONFIG}", "--hostname-override=w1", pid=30)
PROXY_FILE = (
    "kind: KubeProxyConfiguration\nclientConnection:\n  kubeconfig: /var/lib/kube-proxy/kubeconfig.conf\n"
)
#: Without what a client certificate would answer: settings are worked out.
HOST = FakeReader(
    running=(process("kubelet", *ARGUMENTS, pid=20),),
    files=FILES,
    served={10250: BY_CLUSTER.der},
    config="forbidden",
)


def edited(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with changes by dotted names; ... removes one."""
    result = yaml.safe_load(yaml.safe_dump(base))
    for path, value in changes.items():
        *steps, last = path.split(".")
        inner = result
        for step in steps:
            inner = inner.setdefault(step, {})
        if value is ...:
            inner.pop(last, None)
        else:
            inner[last] = value
    return result


def host(
    changes: Mapping[str, Any] | None = None,
    *arguments: str,
    files: Mapping[str, File | None] | None = None,
    **fields: Any,
) -> Callable[[], FakeReader]:
    """A host whose kubelet has other settings in its file, and further flags."""
    running = (process("kubelet", *ARGUMENTS, *arguments, pid=20),)
    own = {CONFIG: File(yaml.safe_dump(edited(GOOD, changes or {}))), **(files or {})}
    return lambda: HOST.with_(running=running, **fields).with_files(own)


def live(
    changes: Mapping[str, Any] | None = None, *arguments: str, **fields: Any
) -> Callable[[], FakeReader]:
    """A host whose kubelet answers on /configz."""
    given = host(None, *arguments, **fields)
    return lambda: given().with_(config=edited(LIVE, changes or {}))


def _self_made(files: Mapping[str, File | None] | None = None) -> Callable[[], FakeReader]:
    """A host whose kubelet has a self-signed certificate, and answers on /configz."""
    directory = "/var/lib/kubelet/pki"
    made = {"tlsCertFile": f"{directory}/kubelet.crt", "tlsPrivateKeyFile": f"{directory}/kubelet.key"}
    shown = issue("w1@1", issuer=authority("w1-ca@1")).der
    given = host({"serverTLSBootstrap": ...}, files=files, served={10250: shown})
    return lambda: given().with_(config=edited(LIVE, {"serverTLSBootstrap": ..., **made}))


def dropped(text: str, name: str = "50-site.conf") -> dict[str, File | None]:
    return {f"{DROP_INS}/{name}": File(text)}


def without() -> FakeReader:
    """A host without a kubelet."""
    return FakeReader(files={CA_FILE: File(CLUSTER.pem)})


def written(text: str) -> Callable[[], FakeReader]:
    """The kubelet of a file, as somebody wrote it, that does not answer."""
    given = HOST.with_(running=(process("kubelet", *ARGUMENTS, pid=20),))
    return lambda: given.with_files({CONFIG: File(f"{text}\n")})


def flags_only(*arguments: str) -> Callable[[], FakeReader]:
    """A kubelet without a configuration file."""
    return lambda: HOST.with_(running=(process("kubelet", *arguments),)).with_files({CONFIG: None})


@dataclass(frozen=True)
class Refusing(FakeReader):
    """A kubelet that fails every handshake, as before its CSR is approved."""

    def served_certificate(self, address: str, port: int) -> bytes:
        raise ssl.SSLError(1, f"tlsv1 alert internal error of {address}:{port}")


def refusing(changes: Mapping[str, Any]) -> Callable[[], FakeReader]:
    given = host(changes)()
    return lambda: Refusing(running=given.running, files=given.files, config="forbidden")


def _files(mode_id: str, owner_id: str, path: str, fixed: int = 0o600) -> list[Case]:
    worse = 0o664 if fixed == 0o644 else 0o644
    return [
        Case(
            mode_id,
            "pass",
            "as it should be",
            host(files={path: File(FILES[path].content, mode=fixed)}),
            "pass",
        ),
        Case(
            mode_id,
            "fail",
            "open to others",
            host(files={path: File(FILES[path].content, mode=worse)}),
            "fail",
            says=(path, f"{worse:04o}"),
        ),
        Case(mode_id, "odd", "unreadable", host(files={path: File(kind="unreachable")}), "error"),
        Case(owner_id, "pass", "root", host(), "pass"),
        Case(
            owner_id,
            "fail",
            "another owner",
            host(files={path: File(FILES[path].content, uid=1, gid=2, mode=fixed)}),
            "fail",
            says=(path, "1:2"),
        ),
        Case(owner_id, "odd", "unreadable", host(files={path: File(kind="unreachable")}), "error"),
    ]


NO_UNIT: dict[str, File | None] = {UNIT: None}
OPENRC: dict[str, File | None] = {**NO_UNIT, "/run/openrc": File(kind="directory"), INIT: File(mode=0o700)}
SERVICE_CASES = [
    Case(
        "4.1.1",
        "odd",
        "a drop-in of a package",
        host(files={"/usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf": File(mode=0o644)}),
        "fail",
        says=("10-kubeadm.conf",),
    ),
    Case(
        "4.1.1",
        "odd",
        "a drop-in that is overridden",
        host(
            files={
                "/usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf": File(mode=0o644),
                "/etc/systemd/system/kubelet.service.d/10-kubeadm.conf": File(mode=0o600),
            }
        ),
        "pass",
    ),
    Case(
        "4.1.1",
        "odd",
        "a drop-in that is masked",
        host(
            files={
                "/usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf": File(mode=0o644),
                "/etc/systemd/system/kubelet.service.d/10-kubeadm.conf": File(
                    mode=0o666, kind="other", link="/dev/null"
                ),
            }
        ),
        "pass",
    ),
    Case(
        "4.1.1",
        "odd",
        "the unit of a package below one of the site",
        host(files={"/usr/lib/systemd/system/kubelet.service": File(mode=0o644)}),
        "pass",
    ),
    Case(
        "4.1.1",
        "odd",
        "one file under two names",
        host(
            files={
                **NO_UNIT,
                "/usr/lib/systemd/system/kubelet.service": File(mode=0o600),
                "/lib/systemd/system/kubelet.service": File(mode=0o600),
            }
        ),
        "pass",
        says=("1 file(s) have",),
    ),
    Case("4.1.1", "odd", "a script of OpenRC", host(files=OPENRC), "pass", literal="fail", says=(INIT,)),
    Case(
        "4.1.1",
        "odd",
        "a script that all can read",
        host(files={**OPENRC, INIT: File(mode=0o755)}),
        "fail",
        says=("0755", "0700"),
    ),
    Case(
        "4.1.1",
        "odd",
        "its settings",
        host(files={**OPENRC, "/etc/conf.d/kubelet": File(mode=0o644)}),
        "fail",
        says=("/etc/conf.d/kubelet",),
    ),
    Case("4.1.2", "odd", "a script of a user", host(files={**OPENRC, INIT: File(mode=0o700, uid=9)}), "fail"),
    Case(
        "4.1.1", "odd", "started by something else", host(files=NO_UNIT), "manual", says=("what starts it",)
    ),
    Case("4.1.2", "odd", "nothing of a node", without, "error"),
]


def proxy(
    text: str = PROXY_FILE, files: Mapping[str, File | None] | None = None, *arguments: str
) -> Callable[[], FakeReader]:
    """kubeadm's kube-proxy."""
    running = (process("kube-proxy", *arguments, pid=30) if arguments else PROXY,)
    return lambda: FakeReader(
        running=running,
        seen_by={
            "kube-proxy": {
                PROXY_CONFIG: File(text, mode=0o644, link="..data/config.conf"),
                "/var/lib/kube-proxy/kubeconfig.conf": File(mode=0o644, link="..data/kubeconfig.conf"),
            }
        },
    ).with_files(files or {})


PROXY_KUBECONFIG = "/etc/kubernetes/proxy.conf"
OWN_KUBECONFIG = f"clientConnection:\n  kubeconfig: {PROXY_KUBECONFIG}\n"
PROXY_CASES = [
    Case("4.1.3", "pass", "owner only", proxy(OWN_KUBECONFIG, {PROXY_KUBECONFIG: File()}), "pass"),
    Case(
        "4.1.3",
        "fail",
        "open to others",
        proxy(OWN_KUBECONFIG, {PROXY_KUBECONFIG: File(mode=0o644)}),
        "fail",
        says=(PROXY_KUBECONFIG,),
    ),
    Case(
        "4.1.3",
        "odd",
        "by a flag",
        proxy("", {"/etc/p.conf": File(mode=0o640)}, "--kubeconfig", "/etc/p.conf"),
        "fail",
        says=("/etc/p.conf",),
    ),
    Case(
        "4.1.3",
        "odd",
        "of a ConfigMap",
        proxy(),
        "not_applicable",
        says=("ConfigMap", "..data/kubeconfig.conf"),
    ),
    Case("4.1.3", "odd", "of its account", proxy("kind: KubeProxyConfiguration\n"), "not_applicable"),
    Case("4.1.3", "odd", "no kube-proxy", host(), "not_applicable", says=("No kube-proxy",)),
    Case("4.1.3", "odd", "a file beyond the reader", proxy("a: *b\n"), "error", says=(PROXY_CONFIG,)),
    Case("4.1.4", "pass", "root", proxy(OWN_KUBECONFIG, {PROXY_KUBECONFIG: File()}), "pass"),
    Case(
        "4.1.4",
        "fail",
        "of a user",
        proxy(OWN_KUBECONFIG, {PROXY_KUBECONFIG: File(uid=8)}),
        "fail",
        says=("8:0",),
    ),
    Case("4.1.4", "odd", "of a ConfigMap", proxy(), "not_applicable"),
    Case("4.1.4", "odd", "no kube-proxy", host(), "not_applicable"),
    Case("4.3.1", "pass", "the default", proxy(), "pass", says=("not set",)),
    Case("4.3.1", "pass", "IPv6", proxy('metricsBindAddress: "[::1]:10249"\n'), "pass"),
    Case(
        "4.3.1",
        "fail",
        "all addresses",
        proxy("metricsBindAddress: 0.0.0.0:10249\n"),
        "fail",
        literal="pass",
        says=("0.0.0.0:10249",),
    ),
    Case("4.3.1", "fail", "by a flag", proxy("", None, "--metrics-bind-address=0.0.0.0"), "fail"),
    Case(
        "4.3.1",
        "odd",
        "a flag that the file overrides",
        proxy(
            "metricsBindAddress: 127.0.0.1\n",
            None,
            f"--config={PROXY_CONFIG}",
            "--metrics-bind-address=0.0.0.0:10249",
        ),
        "pass",
        literal="fail",
    ),
    Case("4.3.1", "odd", "no kube-proxy", host(), "not_applicable"),
    Case(
        "4.3.1",
        "odd",
        "an address like loopback",
        proxy("metricsBindAddress: 127.0.0.1.example.org:1\n"),
        "fail",
        "pass",
    ),
    Case(
        "4.3.1",
        "odd",
        "a file that is gone",
        proxy("", None, "--config=/etc/gone.conf"),
        "error",
        says=("/etc/gone.conf",),
    ),
]

CONFIG_CASES = [
    Case(
        "4.1.9",
        "odd",
        "a drop-in",
        host(files={f"{DROP_INS}/50-host.conf": File("kind: KubeletConfiguration\n", mode=0o644)}),
        "fail",
        literal="pass",
        says=("50-host.conf",),
    ),
    Case(
        "4.1.9",
        "odd",
        "what kubeadm adds",
        host(files={"/var/lib/kubelet/instance-config.yaml": File(mode=0o644)}),
        "fail",
        literal="pass",
        says=("instance-config.yaml",),
    ),
    Case(
        "4.1.9",
        "odd",
        "another directory of the kubelet",
        host({}, "--root-dir=/data/kubelet/", files={"/data/kubelet/kubeadm-flags.env": File(mode=0o604)}),
        "fail",
        literal="pass",
        says=("/data/kubelet/kubeadm-flags.env",),
    ),
    Case("4.1.9", "odd", "a file that is gone", host(files={CONFIG: None}), "error", says=(CONFIG,)),
    Case(
        "4.1.9",
        "odd",
        "flags alone",
        lambda: flags_only("--kubeconfig=/etc/kubernetes/kubelet.conf")().with_files(
            {"/var/lib/kubelet/kubeadm-flags.env": None}
        ),
        "not_applicable",
    ),
    Case("4.1.9", "odd", "not running", lambda: HOST.with_(running=()), "pass", says=(CONFIG,)),
    Case("4.1.9", "odd", "nothing of a node", without, "error", says=("Start it",)),
    Case(
        "4.1.10",
        "odd",
        "a drop-in of a user",
        host(files={f"{DROP_INS}/5.conf": File(uid=4)}),
        "fail",
    ),
    Case(
        "4.1.5",
        "odd",
        "another place",
        host({}, "--kubeconfig=/srv/k.conf", files={"/srv/k.conf": File(mode=0o666)}),
        "fail",
        says=("/srv/k.conf",),
    ),
    Case("4.1.5", "odd", "without an API server", flags_only("--config", CONFIG), "not_applicable"),
    Case("4.1.6", "odd", "not running", without, "error", says=("Start it",)),
    Case(
        "4.1.7",
        "odd",
        "a CA by a flag",
        host({}, "--client-ca-file", "/srv/ca.crt", files={"/srv/ca.crt": File(mode=0o666)}),
        "fail",
        says=("/srv/ca.crt",),
    ),
    Case(
        "4.1.7",
        "odd",
        "a CA of a drop-in",
        host(
            files={
                **dropped("authentication:\n  x509:\n    clientCAFile: /srv/ca.crt\n"),
                "/srv/ca.crt": File(mode=0o646),
            }
        ),
        "fail",
        says=("/srv/ca.crt",),
    ),
    Case("4.1.7", "odd", "no CA", host({"authentication.x509": ...}), "not_applicable"),
    Case(
        "4.1.8",
        "odd",
        "files beyond the reader",
        host(files={CONFIG: File("a: &b c\n")}),
        "error",
        says=(CONFIG,),
    ),
]


def _field(
    check: str,
    path: str,
    good: Any,
    bad: Any,
    flag: tuple[str, str],
    *,
    literal_of_bad: str = "",
    says: tuple[str, ...] = (),
) -> list[Case]:
    """Common cases of a field from a file, a drop-in, a flag and /configz.

    :param flag: the flag with a good value, and with a bad one.
    """
    good_flag, bad_flag = flag
    drop_in = yaml.safe_dump(edited({}, {path: bad}))
    other = yaml.safe_dump(edited({}, {path: good}))
    return [
        Case(check, "pass", "its file", host({path: good}), "pass", says=(CONFIG,)),
        Case(check, "pass", "its own answer", live({path: good}), "pass", says=("/configz",)),
        Case(
            check,
            "pass",
            "a flag over its file",
            host({path: bad}, good_flag),
            "pass",
            says=("process kubelet",),
        ),
        Case(check, "fail", "its file", host({path: bad}), "fail", literal_of_bad, (CONFIG, *says)),
        Case(
            check,
            "fail",
            "its own answer",
            _live_and_written(path, bad),
            "fail",
            literal_of_bad,
            ("/configz",),
        ),
        Case(check, "fail", "a flag over its file", host({path: good}, bad_flag), "fail", literal_of_bad),
        Case(
            check,
            "odd",
            "a drop-in over its file",
            host({path: good}, files=dropped(drop_in)),
            "fail",
            literal_of_bad,
            (f"{DROP_INS}/50-site.conf",),
        ),
        Case(
            check,
            "odd",
            "the last of two drop-ins",
            host({path: good}, files={**dropped(drop_in, "10-a.conf"), **dropped(other, "9-b.conf")}),
            "pass",
            says=("9-b.conf",),
        ),
        Case(
            check,
            "odd",
            "a file that is no drop-in",
            host({path: good}, files=dropped(drop_in, "50-site.conf.bak")),
            "pass",
        ),
        Case(
            check,
            "odd",
            "the last of two flags",
            host({path: good}, good_flag, bad_flag),
            "fail",
            literal_of_bad,
        ),
        Case(check, "odd", "not running", without, "error", says=("Start it",)),
        Case(
            check,
            "odd",
            "a file that cannot be read",
            host(files={CONFIG: File(unreadable=errno.EACCES)}),
            "error",
            says=(CONFIG, "forbidden"),
        ),
        Case(
            check,
            "odd",
            "its answer, and no file",
            lambda: live({path: good})().with_files({CONFIG: File(unreadable=errno.EIO)}),
            "pass",
        ),
        Case(
            check,
            "odd",
            "JSON",
            host(files={CONFIG: File(_json(edited(GOOD, {path: bad})))}),
            "fail",
            literal_of_bad,
        ),
    ]


def _json(value: Any) -> str:
    return str(yaml.safe_dump(value, default_flow_style=True, width=100000))


def _live_and_written(path: str, value: Any) -> Callable[[], FakeReader]:
    """The kubelet's /configz is its file."""
    return lambda: host({path: value})().with_(config=edited(LIVE, {path: value}))


WEAK = "TLS_RSA_WITH_AES_128_CBC_SHA"
SUITE = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"
CASES: list[Case] = [
    *_files("4.1.1", "4.1.2", UNIT),
    *SERVICE_CASES,
    *PROXY_CASES,
    *_files("4.1.5", "4.1.6", "/etc/kubernetes/kubelet.conf"),
    *_files("4.1.7", "4.1.8", CA_FILE, 0o644),
    *_files("4.1.9", "4.1.10", CONFIG),
    *CONFIG_CASES,
    *_field(
        "4.2.1",
        "authentication.anonymous.enabled",
        False,
        True,
        ("--anonymous-auth=false", "--anonymous-auth"),
        says=("accepts anonymous",),
    ),
    Case(
        "4.2.1",
        "odd",
        "the default of a file",
        host({"authentication.anonymous": ...}),
        "pass",
        literal="fail",
    ),
    Case(
        "4.2.1", "odd", "the default without a file", flags_only(), "fail", says=("default of the kubelet",)
    ),
    Case("4.2.1", "odd", "no truth value", host({}, "--anonymous-auth=perhaps"), "error", says=("perhaps",)),
    Case(
        "4.2.1",
        "odd",
        "a drop-in takes it away",
        host(
            {"authentication.anonymous.enabled": True}, files=dropped("authentication:\n  anonymous: null\n")
        ),
        "pass",
        literal="fail",
    ),
    *_field(
        "4.2.2",
        "authorization.mode",
        "Webhook",
        "AlwaysAllow",
        ("--authorization-mode=Webhook", "--authorization-mode=AlwaysAllow"),
    ),
    Case("4.2.2", "odd", "the default of a file", host({"authorization": ...}), "pass"),
    Case("4.2.2", "odd", "empty", host({"authorization.mode": ""}), "pass"),
    Case("4.2.2", "odd", "the default without a file", flags_only(), "fail"),
    Case("4.2.3", "pass", "its file", host(), "pass", says=(CA_FILE,)),
    Case("4.2.3", "pass", "its own answer", live(), "pass", says=("/configz",)),
    Case("4.2.3", "fail", "none", host({"authentication.x509": ...}), "fail", says=("not set",)),
    Case(
        "4.2.3", "odd", "a file that is gone", host(files={CA_FILE: None}), "fail", says=("does not exist",)
    ),
    Case("4.2.3", "odd", "a flag", flags_only("--client-ca-file", CA_FILE), "pass"),
    Case(
        "4.2.3",
        "odd",
        "a drop-in takes it away",
        host(files=dropped("authentication: {x509: null}\n")),
        "fail",
    ),
    Case("4.2.3", "odd", "not running", without, "error"),
    *_field(
        "4.2.4", "readOnlyPort", 0, 10255, ("--read-only-port=0", "--read-only-port=10255"), says=("10255",)
    ),
    Case("4.2.4", "odd", "the default of a file", host(), "pass"),
    Case("4.2.4", "odd", "the default without a file", flags_only(), "fail", says=("10255",)),
    *(
        Case("4.2.4", "odd", f"its file has {text}", written(f"readOnlyPort: {text}"), status)
        for text, status in (
            ("0x0", "pass"),
            ("0b0", "pass"),
            ("0o0", "error"),
            ("'0'", "error"),
            ("0x2_80F", "fail"),
        )
    ),
    *(
        Case("4.2.8", "odd", f"its file has {text}", written(f"eventRecordQPS: {text}"), status, literal)
        for text, status, literal in (
            ("0x32", "pass", ""),
            ("062", "pass", ""),
            ("5e1", "error", ""),
            ("true", "error", ""),
            ("0x0", "fail", "pass"),
        )
    ),
    *(
        Case("4.2.13", "odd", f"its file has {text}", written(f"podPidsLimit: {text}"), status, literal)
        for text, status, literal in (
            ("0x1000", "pass", ""),
            ("1_000", "pass", ""),
            ("-0x1", "fail", "pass"),
            ("1:0", "error", ""),
        )
    ),
    Case("4.2.1", "odd", "a string", written("authentication: {anonymous: {enabled: 'false'}}"), "error"),
    Case(
        "4.2.11",
        "odd",
        "a gate as Go writes it",
        host({}, "--feature-gates=RotateKubeletServerCertificate=1"),
        "pass",
    ),
    Case("4.2.4", "odd", "no number", host({}, "--read-only-port=none"), "error"),
    Case(
        "4.2.5",
        "pass",
        "its file",
        host({"streamingConnectionIdleTimeout": "5m"}),
        "pass",
        says=("5m", CONFIG),
    ),
    Case(
        "4.2.5",
        "fail",
        "a flag",
        host({}, "--streaming-connection-idle-timeout=0"),
        "fail",
        says=("never closed",),
    ),
    Case("4.2.5", "fail", "its own answer", live({"streamingConnectionIdleTimeout": "0s"}), "fail"),
    Case(
        "4.2.5", "odd", "a flag with a unit", host({}, "--streaming-connection-idle-timeout", "0m0s"), "fail"
    ),
    Case(
        "4.2.5",
        "odd",
        "zero in a file is the default",
        host({"streamingConnectionIdleTimeout": "0s"}),
        "pass",
        says=("means the kubelet's default", "4h0m0s"),
    ),
    Case("4.2.5", "odd", "not set", host({"streamingConnectionIdleTimeout": ...}), "pass"),
    Case(
        "4.2.5",
        "odd",
        "no duration",
        host({"streamingConnectionIdleTimeout": "soon"}),
        "error",
        says=("soon",),
    ),
    *_field(
        "4.2.6",
        "makeIPTablesUtilChains",
        True,
        False,
        ("--make-iptables-util-chains", "--make-iptables-util-chains=false"),
    ),
    Case("4.2.6", "odd", "the default", host(), "pass"),
    Case("4.2.7", "pass", "not set", host(), "pass"),
    Case(
        "4.2.7", "fail", "another name", host({}, "--hostname-override=node-7"), "fail", says=("node-7", "w1")
    ),
    Case(
        "4.2.7", "odd", "the name of the host", host({}, "--hostname-override", "W1"), "pass", literal="fail"
    ),
    Case("4.2.7", "odd", "empty", host({}, "--hostname-override="), "pass"),
    Case(
        "4.2.7",
        "odd",
        "a host without a name",
        host({}, "--hostname_override=x", files={"/proc/sys/kernel/hostname": None}),
        "fail",
        says=("unknown",),
    ),
    Case("4.2.7", "odd", "not running", without, "error"),
    *_field("4.2.8", "eventRecordQPS", 50, 0, ("--event-qps=5", "--event-qps=0"), literal_of_bad="pass"),
    Case("4.2.8", "odd", "the default", host(), "pass", says=("50",)),
    Case("4.2.8", "odd", "so few that events are lost", host({"eventRecordQPS": 1}), "fail", literal="pass"),
    Case("4.2.9", "pass", "by the cluster", host(), "pass", literal="fail", says=("kubernetes", "not after")),
    Case(
        "4.2.9",
        "pass",
        "own files by another CA",
        host(
            {"tlsCertFile": "/s.crt", "tlsPrivateKeyFile": "/s.key", "serverTLSBootstrap": False},
            served={10250: issue("w1", issuer=OTHER).der},
        ),
        "pass",
        says=("corporate",),
    ),
    Case(
        "4.2.9",
        "fail",
        "signed by itself",
        host({"serverTLSBootstrap": False}, served={10250: issue("w1@1", issuer=authority("w1-ca@1")).der}),
        "fail",
        says=("w1-ca@1",),
    ),
    Case(
        "4.2.9",
        "fail",
        "own files that sign themselves",
        host({}, "--tls-cert-file=/a", "--tls-private-key-file=/b", served={10250: authority("w1").der}),
        "fail",
        literal="pass",
    ),
    Case(
        "4.2.9",
        "fail",
        "files that the kubelet generated, and reports as its configuration",
        _self_made(),
        "fail",
        says=("w1-ca@1", "self-signed", "issued by the cluster's CA"),
    ),
    Case(
        "4.2.9",
        "odd",
        "files that the kubelet made, and none that says so",
        _self_made({CONFIG: File("kind: [")}),
        "fail",
    ),
    Case("4.2.9", "fail", "no certificate yet", refusing({}), "fail", says=("approve",)),
    Case(
        "4.2.9",
        "odd",
        "a request that was not approved",
        host(served={10250: authority("w1").der}),
        "fail",
        says=("approve",),
    ),
    Case(
        "4.2.9",
        "odd",
        "a CA of the same name",
        host(served={10250: issue("w1", issuer=authority("kubernetes")).der}),
        "fail",
    ),
    Case(
        "4.2.9",
        "odd",
        "ended",
        host(served={10250: issue("w1", issuer=CLUSTER, end=ENDED).der}),
        "fail",
        says=("2020-02-01",),
    ),
    Case("4.2.9", "odd", "no answer", host(served={}), "error", says=("127.0.0.1:10250",)),
    Case("4.2.9", "odd", "no handshake, and none expected", refusing({"serverTLSBootstrap": False}), "error"),
    Case(
        "4.2.9",
        "odd",
        "another port",
        host({"port": 4194}, served={4194: BY_CLUSTER.der}),
        "pass",
        literal="fail",
    ),
    Case(
        "4.2.9",
        "odd",
        "a port by a flag",
        host({}, "--port=4195", served={4195: BY_CLUSTER.der}),
        "pass",
        literal="fail",
    ),
    Case("4.2.9", "odd", "no CA to compare with", host(files={CA_FILE: None}), "error", says=(CA_FILE,)),
    Case("4.2.9", "odd", "not running", without, "error"),
    *_field(
        "4.2.10",
        "rotateCertificates",
        True,
        False,
        ("--rotate-certificates=true", "--rotate-certificates=false"),
    ),
    Case("4.2.10", "odd", "off by default", host({"rotateCertificates": ...}), "fail", literal="pass"),
    Case("4.2.11", "pass", "its file", host(), "pass"),
    Case(
        "4.2.11", "pass", "a flag", host({"serverTLSBootstrap": ...}, "--rotate-server-certificates"), "pass"
    ),
    Case("4.2.11", "fail", "files that the kubelet made", _self_made(), "fail", literal="pass"),
    Case("4.2.11", "fail", "not asked for", host({"serverTLSBootstrap": ...}), "fail", literal="pass"),
    Case(
        "4.2.11",
        "fail",
        "the gate is off",
        host({"featureGates": {"RotateKubeletServerCertificate": False}}),
        "fail",
        says=("feature gate",),
    ),
    Case(
        "4.2.11",
        "odd",
        "gates of a flag and of a file",
        host(
            {"featureGates": {"RotateKubeletServerCertificate": True}},
            "--feature-gates=A=true,RotateKubeletServerCertificate=false",
        ),
        "fail",
    ),
    Case(
        "4.2.11",
        "odd",
        "a gate of a drop-in beside another",
        host(
            {"featureGates": {"X": True}},
            "--feature-gates=Y=true",
            files=dropped("featureGates: {RotateKubeletServerCertificate: false}\n"),
        ),
        "fail",
    ),
    Case("4.2.11", "odd", "all of stage beta off", host({"featureGates": {"AllBeta": False}}), "fail"),
    Case(
        "4.2.11",
        "odd",
        "own files",
        host({"serverTLSBootstrap": False, "tlsCertFile": "/s.crt", "tlsPrivateKeyFile": "/s.key"}),
        "manual",
        literal="pass",
        says=("/s.crt",),
    ),
    Case("4.2.11", "odd", "not running", without, "error"),
    *_field(
        "4.2.12",
        "tlsCipherSuites",
        [SUITE],
        [SUITE, WEAK],
        (f"--tls-cipher-suites={SUITE}", f"--tls-cipher-suites={SUITE},{WEAK}"),
        says=(WEAK,),
    ),
    Case("4.2.12", "odd", "not set", host({"tlsCipherSuites": ...}), "pass", literal="fail"),
    Case(
        "4.2.12",
        "odd",
        "TLS 1.3 alone",
        host({"tlsCipherSuites": ..., "tlsMinVersion": "VersionTLS13"}),
        "pass",
        literal="fail",
    ),
    Case(
        "4.2.12",
        "odd",
        "a full name",
        host({"tlsCipherSuites": ["TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"]}),
        "pass",
        literal="fail",
    ),
    Case(
        "4.2.12",
        "odd",
        "an unknown name",
        host({"tlsCipherSuites": ["TLS_X"]}),
        "fail",
        says=("TLS_X",),
    ),
    *_field(
        "4.2.13", "podPidsLimit", 4096, -1, ("--pod-max-pids=100", "--pod-max-pids=-1"), literal_of_bad="pass"
    ),
    Case("4.2.13", "odd", "not set", host({"podPidsLimit": ...}), "fail", says=("any number",)),
    Case("4.2.13", "odd", "zero", host({"podPidsLimit": 0}), "fail", literal="pass"),
    Case("4.2.14", "pass", "its file", host(), "pass", says=("RuntimeDefault",)),
    Case("4.2.14", "pass", "its own answer", live(), "pass"),
    Case(
        "4.2.14", "fail", "off", host({"seccompDefault": False}), "fail", literal="pass", says=("Unconfined",)
    ),
    Case("4.2.14", "fail", "not set", host({"seccompDefault": ...}), "fail"),
    Case("4.2.14", "odd", "a flag is enough", live({"seccompDefault": False}, "--seccomp-default"), "pass"),
    Case("4.2.14", "odd", "a flag switches nothing off", host({}, "--seccomp-default=false"), "pass"),
    Case(
        "4.2.14",
        "odd",
        "a word is no value of a flag",
        host({"seccompDefault": ...}, "--seccomp-default", "false"),
        "pass",
    ),
    Case("4.2.14", "odd", "not running", without, "error"),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_verdicts(case: Case) -> None:
    result = CHECKS[case.check](case.given())
    text = result.message + " " + " ".join(str(item.to_dict()) for item in result.evidence)
    assert (result.id, result.status, result.literal) == (case.check, case.status, case.literal), text
    for words in case.says:
        assert words in text, text


def test_every_check_has_a_case() -> None:
    assert {case.check for case in CASES} == set(CHECKS) and len(CHECKS) == 25


def test_changed_file_needs_a_restart() -> None:
    reader = host({"podPidsLimit": 100})().with_(config=LIVE)
    result = CHECKS["4.2.13"](reader)
    assert result.status == "pass" and "4096" in result.message
    assert [(item.source, item.observed, item.expected) for item in result.evidence] == [
        (kubelet.LIVE, 4096, "more than 0"),
        (CONFIG, 100, "effective after a restart of the kubelet"),
    ]
    same = CHECKS["4.2.5"](live()())
    assert [item.expected for item in same.evidence] == ["more than 0", ""]


def test_fixes_keep_a_script_executable() -> None:
    result = CHECKS["4.1.1"](
        host(files={**OPENRC, INIT: File(mode=0o755), "/etc/conf.d/kubelet": File(mode=0o644)})()
    )
    assert {fix.path: fix.mode for fix in result.fixes} == {INIT: 0o700, "/etc/conf.d/kubelet": 0o600}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0.0),
        ("0s", 0.0),
        ("4h0m0s", 14400.0),
        ("1.5h", 5400.0),
        ("250ms", 0.25),
        ("-5m", -300.0),
        ("1h2", None),
        ("", None),
        ("h", None),
        ("5", None),
    ],
)
def test_durations_of_go(text: str, expected: float | None) -> None:
    assert durations.seconds(text) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, ("127.0.0.1", 10250)),
        ({"address": "0.0.0.0", "port": 0}, ("127.0.0.1", 10250)),  # noqa: S104 - nothing listens
        ({"address": "::"}, ("::1", 10250)),
        ({"address": "10.0.0.5", "port": 4194}, ("10.0.0.5", 4194)),
    ],
)
def test_endpoint_of_a_kubelet(values: dict[str, Any], expected: tuple[str, int]) -> None:
    reader = host(values)()
    assert kubelet.from_files(reader, reader.processes("kubelet")[0]).endpoint() == expected


def test_drop_ins_are_read_in_the_kubelets_order() -> None:
    names = ("b.conf", "a.conf/x.conf", "a/z.conf", "a/y.conf", "c.yaml", "10.conf", "9.conf")
    reader = HOST.with_files({f"{DROP_INS}/{name}": File("") for name in names})
    found = [fact.path[len(DROP_INS) + 1 :] for fact in kubelet.drop_ins(reader, DROP_INS, None)]
    assert found == ["10.conf", "9.conf", "a/y.conf", "a/z.conf", "a.conf/x.conf", "b.conf"]


def test_directory_of_static_pods() -> None:
    assert kubelet.static_pod_path(HOST) == ("/etc/kubernetes/manifests", "")
    assert kubelet.static_pod_path(host({"staticPodPath": "/a"}, "--pod-manifest-path=/b")()) == ("/b", "")
    assert kubelet.static_pod_path(live({"staticPodPath": "/c"})()) == ("/c", "")
    assert kubelet.static_pod_path(FakeReader()) == ("/etc/kubernetes/manifests", "")
    directory, problem = kubelet.static_pod_path(written("staticPodPath: &a /d")())
    assert directory == "/etc/kubernetes/manifests" and f"{CONFIG} could not be read" in problem
