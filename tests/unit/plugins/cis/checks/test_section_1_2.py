# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Section 1.2: the API server."""

from __future__ import annotations

import errno

import pytest
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.checks import section_1_2
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.host import durations

from tests.unit.plugins.cis.fakes import Case, FakeReader, File, process
from tests.unit.plugins.cis.planes import (
    ADMISSION,
    API_SERVER,
    AUTHENTICATION,
    AUTHORIZATION,
    CIS,
    ENCRYPTION,
    PKI,
    STOCK,
    api_server,
    certificate,
    check,
    files,
    words,
)

PASS, FAIL, ERROR = "pass", "fail", "error"
NONE = "not_applicable"
AUTHN, AUTHZ = f"{CIS}/authentication.yaml", f"{CIS}/authorization.yaml"
ADM, ENC = f"{CIS}/admission.yaml", f"{CIS}/encryption.yaml"
PLUGINS = "NodeRestriction,DenyServiceExternalIPs,EventRateLimit,AlwaysPullImages"
LIMITS = "[{type: Server, qps: 50, burst: 100}, {type: Namespace, qps: 5, burst: 10, cacheSize: 100}]"


def anonymous(text: str) -> dict[str, str]:
    return {AUTHN: AUTHENTICATION.partition("anonymous:")[0] + text}


def encryption(*blocks: str) -> dict[str, str]:
    return {ENC: ENCRYPTION.partition("resources:")[0] + "resources:\n" + "".join(f"- {b}\n" for b in blocks)}


def two_servers() -> FakeReader:
    good = process("kube-apiserver", *words(API_SERVER, {}))
    bad = process("kube-apiserver", *words(STOCK, {}), pid=2000)
    return FakeReader((good, bad), files())


SECRETBOX = "secretbox: {keys: [{name: k, secret: YQ==}]}"
GONE = {f"{PKI}/ca.crt": None}
NO_CA = {f"{PKI}/ca.crt": certificate("kube-apiserver")}

CASES = [
    # 1.2.1
    Case("1.2.1", "pass", "off", api_server("--anonymous-auth=false", authentication_config=None), PASS),
    Case("1.2.1", "pass", "health paths", api_server(), PASS, FAIL, ("/livez", "cluster-info", "sha256:")),
    Case("1.2.1", "fail", "stock", api_server(base=STOCK), FAIL, says=("not set",)),
    Case(
        "1.2.1",
        "fail",
        "another path",
        api_server(put={AUTHN: AUTHENTICATION + "  - path: /version\n"}),
        FAIL,
        says=("/version",),
    ),
    Case(
        "1.2.1",
        "odd",
        "a word behind the flag is none",
        api_server("--anonymous-auth", "false", base=STOCK),
        FAIL,
    ),
    Case(
        "1.2.1",
        "odd",
        "given twice",
        api_server("--anonymous-auth=false", "--anonymous_auth=true", base=STOCK),
        FAIL,
        says=("false, then true",),
    ),
    Case("1.2.1", "odd", "file says nothing", api_server(put=anonymous("jwt: []\n")), FAIL),
    Case(
        "1.2.1",
        "odd",
        "file says nothing, flag does",
        api_server("--anonymous-auth=false", put=anonymous("jwt: []\n")),
        PASS,
    ),
    Case(
        "1.2.1",
        "odd",
        "off in the file",
        api_server(put=anonymous("anonymous: {enabled: false}\n")),
        PASS,
        FAIL,
    ),
    Case("1.2.1", "odd", "no conditions", api_server(put=anonymous("anonymous: {enabled: on}\n")), FAIL),
    Case("1.2.1", "odd", "nothing in it is off", api_server(put=anonymous("anonymous: {}\n")), PASS, FAIL),
    Case(
        "1.2.1",
        "odd",
        "a path that only begins like one",
        api_server(put=anonymous("anonymous: {enabled: true, conditions: [{path: /healthzzz}]}\n")),
        FAIL,
    ),
    Case(
        "1.2.1",
        "odd",
        "unknown field",
        api_server(put=anonymous("anonymous: {enabled: false, condition: []}\n")),
        ERROR,
        says=("unknown field anonymous.condition",),
    ),
    Case(
        "1.2.1",
        "odd",
        "unknown kind",
        api_server(put={AUTHN: AUTHORIZATION}),
        ERROR,
        says=("AuthorizationConfiguration", "expected AuthenticationConfiguration"),
    ),
    Case(
        "1.2.1", "odd", "missing file", api_server(put={AUTHN: None}), ERROR, says=("No such file", "mounted")
    ),
    Case(
        "1.2.1",
        "odd",
        "unreadable file",
        api_server(put={AUTHN: File(unreadable=errno.EACCES)}),
        ERROR,
        says=(AUTHN, "as root"),
    ),
    Case(
        "1.2.1",
        "odd",
        "beyond the reader",
        api_server(put=anonymous("anonymous: &a {}\n")),
        ERROR,
        says=("line 3",),
    ),
    Case("1.2.1", "odd", "two documents", api_server(put={AUTHN: AUTHENTICATION + "---\na: 1\n"}), ERROR),
    Case("1.2.1", "odd", "binary", api_server(put={AUTHN: File(b"\xff\xfe")}), ERROR, says=("not text",)),
    Case(
        "1.2.1",
        "odd",
        "relative path",
        api_server(authentication_config="authn.yaml"),
        ERROR,
        says=("absolute",),
    ),
    Case("1.2.1", "odd", "not running", lambda: FakeReader(), ERROR, says=("No kube-apiserver runs",)),
    Case("1.2.1", "odd", "two processes", two_servers, FAIL),
    # 1.2.2
    Case("1.2.2", "pass", "none", api_server(), PASS),
    Case(
        "1.2.2",
        "fail",
        "a file",
        api_server(token_auth_file="/etc/tokens.csv"),
        FAIL,
        says=("/etc/tokens.csv",),
    ),
    Case("1.2.2", "odd", "empty is none", api_server(token_auth_file=""), PASS),
    Case("1.2.2", "odd", "old spelling", api_server("-token_auth_file", "/etc/tokens.csv"), FAIL),
    # 1.2.3
    Case("1.2.3", "pass", "on", api_server(), PASS),
    Case("1.2.3", "fail", "stock", api_server(base=STOCK), FAIL, says=("NodeRestriction", "policy")),
    Case(
        "1.2.3",
        "odd",
        "lists add up",
        api_server("--enable-admission-plugins", "DenyServiceExternalIPs", base=STOCK),
        PASS,
    ),
    Case(
        "1.2.3",
        "odd",
        "part of a name",
        api_server(enable_admission_plugins="NoDenyServiceExternalIPs"),
        FAIL,
    ),
    # 1.2.4
    Case("1.2.4", "pass", "both", api_server(), PASS),
    Case(
        "1.2.4",
        "fail",
        "no key",
        api_server(kubelet_client_key=None),
        FAIL,
        says=("--kubelet-client-key", "not set"),
    ),
    Case(
        "1.2.4",
        "odd",
        "file is gone",
        api_server(put={f"{PKI}/apiserver-kubelet-client.key": None}),
        FAIL,
        PASS,
        ("no such file",),
    ),
    Case(
        "1.2.4",
        "odd",
        "unreadable",
        api_server(put={f"{PKI}/apiserver-kubelet-client.key": File(kind="unreachable")}),
        ERROR,
        says=("Permission denied",),
    ),
    # 1.2.5
    Case("1.2.5", "pass", "a CA", api_server(), PASS, says=("kubernetes",)),
    Case("1.2.5", "fail", "stock", api_server(base=STOCK), FAIL),
    Case("1.2.5", "fail", "file is gone", api_server(put=GONE), FAIL, PASS, ("no such file",)),
    Case("1.2.5", "odd", "no CA", api_server(put=NO_CA), FAIL, PASS, ("not a CA",)),
    Case("1.2.5", "odd", "no certificate", api_server(put={f"{PKI}/ca.crt": "key"}), FAIL, PASS),
    Case(
        "1.2.5",
        "odd",
        "a directory",
        api_server(kubelet_certificate_authority=PKI),
        FAIL,
        PASS,
        ("directory",),
    ),
    Case(
        "1.2.5",
        "odd",
        "several, one is a CA",
        api_server(put={f"{PKI}/ca.crt": certificate("kube-apiserver") + certificate("kubernetes", ca=True)}),
        PASS,
    ),
    Case(
        "1.2.5",
        "odd",
        "only the container sees it",
        lambda: api_server(put=GONE)().with_(
            seen_by={"kube-apiserver": {f"{PKI}/ca.crt": File(certificate("kubernetes", ca=True))}}
        ),
        PASS,
    ),
    # 1.2.6
    Case("1.2.6", "pass", "flag", api_server(), PASS),
    Case("1.2.6", "fail", "allowed", api_server(authorization_mode="AlwaysAllow"), FAIL),
    Case(
        "1.2.6", "fail", "neither", api_server(authorization_mode=None), FAIL, says=("not set: AlwaysAllow",)
    ),
    Case(
        "1.2.6",
        "odd",
        "configuration",
        api_server(authorization_mode=None, authorization_config=AUTHZ),
        PASS,
        FAIL,
        ("Node, RBAC",),
    ),
    Case("1.2.6", "odd", "added by a second flag", api_server("--authorization-mode", "AlwaysAllow"), FAIL),
    Case(
        "1.2.6",
        "odd",
        "allowed in the configuration",
        api_server(
            authorization_mode=None,
            authorization_config=AUTHZ,
            put={AUTHZ: AUTHORIZATION + "- {type: AlwaysAllow, name: all}\n"},
        ),
        FAIL,
    ),
    Case(
        "1.2.6",
        "odd",
        "unknown type",
        api_server(
            authorization_mode=None,
            authorization_config=AUTHZ,
            put={AUTHZ: AUTHORIZATION + "- {type: Maybe, name: m}\n"},
        ),
        ERROR,
        says=("Maybe",),
    ),
    # 1.2.7
    Case("1.2.7", "pass", "flag", api_server(), PASS),
    Case("1.2.7", "fail", "not there", api_server(authorization_mode="RBAC"), FAIL),
    Case(
        "1.2.7",
        "odd",
        "configuration",
        api_server(authorization_mode=None, authorization_config=AUTHZ),
        PASS,
        FAIL,
    ),
    # 1.2.8
    Case("1.2.8", "pass", "flag", api_server(), PASS),
    Case("1.2.8", "fail", "not there", api_server(authorization_mode="Node,Webhook"), FAIL),
    Case(
        "1.2.8", "odd", "two flags", api_server("--authorization-mode=RBAC", authorization_mode="Node"), PASS
    ),
    Case(
        "1.2.8",
        "odd",
        "empty configuration",
        api_server(
            authorization_mode=None,
            authorization_config=AUTHZ,
            put={AUTHZ: AUTHORIZATION.partition("- ")[0]},
        ),
        ERROR,
        says=("no authorizers",),
    ),
    # 1.2.9
    Case("1.2.9", "pass", "limits", api_server(), PASS, says=("Server: 50 per second",)),
    Case("1.2.9", "fail", "stock", api_server(base=STOCK), FAIL),
    Case("1.2.9", "fail", "no configuration", api_server(admission_control_config_file=None), FAIL, PASS),
    Case(
        "1.2.9",
        "odd",
        "no limits",
        api_server(put={ADM: ADMISSION.replace(LIMITS, "[]")}),
        FAIL,
        PASS,
        ("none",),
    ),
    Case(
        "1.2.9",
        "odd",
        "a limit of 0",
        api_server(put={ADM: ADMISSION.replace("qps: 5,", "qps: 0,")}),
        FAIL,
        PASS,
    ),
    Case(
        "1.2.9",
        "odd",
        "limits in a file beside it",
        api_server(
            put={
                ADM: ADMISSION.partition("  configuration:")[0] + "  path: events.yaml\n",
                f"{CIS}/events.yaml": "apiVersion: eventratelimit.admission.k8s.io/v1alpha1\nkind: Configuration\n"
                "limits:\n- type: User\n  qps: 1\n  burst: 2\n",
            }
        ),
        PASS,
        says=(f"{CIS}/events.yaml",),
    ),
    Case("1.2.9", "odd", "unknown type", api_server(put={ADM: ADMISSION.replace("Server", "Serve")}), ERROR),
    Case("1.2.9", "odd", "file is gone", api_server(put={ADM: None}), ERROR, says=("No such file",)),
    # 1.2.10
    Case("1.2.10", "pass", "off", api_server(), PASS),
    Case("1.2.10", "fail", "on", api_server("--enable-admission-plugins=AlwaysAdmit"), FAIL),
    Case("1.2.10", "odd", "old flag", api_server("--admission-control=AlwaysAdmit"), FAIL, PASS),
    Case("1.2.10", "odd", "disabled by name", api_server(disable_admission_plugins="AlwaysAdmit"), PASS),
    # 1.2.11
    Case("1.2.11", "pass", "on", api_server(), PASS),
    Case("1.2.11", "fail", "stock", api_server(base=STOCK), FAIL),
    Case(
        "1.2.11",
        "odd",
        "space form",
        api_server("--enable_admission_plugins", "AlwaysPullImages", base=STOCK),
        PASS,
    ),
    # 1.2.12
    Case("1.2.12", "pass", "default", api_server(base=STOCK), PASS),
    Case("1.2.12", "fail", "disabled", api_server(disable_admission_plugins="Priority,ServiceAccount"), FAIL),
    Case(
        "1.2.12",
        "odd",
        "old flag without it",
        api_server("--admission-control=NamespaceLifecycle", enable_admission_plugins=None),
        FAIL,
        PASS,
        ("--admission-control=NamespaceLifecycle",),
    ),
    # 1.2.13
    Case("1.2.13", "pass", "default", api_server(base=STOCK), PASS),
    Case("1.2.13", "fail", "disabled", api_server("--disable-admission-plugins=NamespaceLifecycle"), FAIL),
    Case(
        "1.2.13",
        "odd",
        "disabled and enabled: the program takes the second",
        api_server(
            "--disable-admission-plugins=NamespaceLifecycle", "--enable-admission-plugins=NamespaceLifecycle"
        ),
        PASS,
        FAIL,
    ),
    # 1.2.14
    Case("1.2.14", "pass", "stock", api_server(base=STOCK), PASS),
    Case("1.2.14", "fail", "not enabled", api_server(enable_admission_plugins=None), FAIL, says=("no flag",)),
    Case(
        "1.2.14", "odd", "last of two lists", api_server("--enable-admission-plugins=NodeRestriction"), PASS
    ),
    # 1.2.15
    Case("1.2.15", "pass", "off", api_server(), PASS),
    Case("1.2.15", "fail", "stock", api_server(base=STOCK), FAIL, says=("not set",)),
    Case("1.2.15", "odd", "off, then on", api_server("--profiling"), FAIL, says=("false, then true",)),
    Case("1.2.15", "odd", "Go's other words", api_server(profiling="F"), PASS),
    Case("1.2.15", "odd", "no truth value", api_server(profiling="no"), ERROR, says=("not a boolean",)),
    # 1.2.16
    Case("1.2.16", "pass", "a file", api_server(), PASS, says=("/var/log/kubernetes/audit.log",)),
    Case("1.2.16", "fail", "stock", api_server(base=STOCK), FAIL),
    Case("1.2.16", "fail", "no policy", api_server(audit_policy_file=None), FAIL, PASS, ("no audit policy",)),
    Case(
        "1.2.16",
        "odd",
        "a webhook",
        api_server(audit_log_path=None, audit_webhook_config_file="/etc/webhook.conf"),
        PASS,
        FAIL,
        ("webhook",),
    ),
    Case(
        "1.2.16",
        "odd",
        "standard output",
        api_server("--audit-log-path", "-"),
        PASS,
        says=("standard output",),
    ),
    # 1.2.17
    Case("1.2.17", "pass", "enough", api_server(), PASS),
    Case("1.2.17", "fail", "too little", api_server(audit_log_maxage="7"), FAIL),
    Case("1.2.17", "fail", "stock", api_server(base=STOCK), FAIL, says=("Audit logging is disabled",)),
    Case("1.2.17", "odd", "0 is for ever", api_server(audit_log_maxage="0"), PASS, FAIL, ("forever",)),
    Case("1.2.17", "odd", "not set is long", api_server(audit_log_maxage=None), PASS, FAIL, ("366",)),
    Case("1.2.17", "odd", "twice", api_server("--audit-log-maxage", "7"), FAIL, says=("30, then 7",)),
    Case("1.2.17", "odd", "standard output", api_server(audit_log_path="-"), NONE, PASS),
    Case("1.2.17", "odd", "no number", api_server(audit_log_maxage="30d"), ERROR, says=("not a number",)),
    # 1.2.18
    Case("1.2.18", "pass", "enough", api_server(), PASS),
    Case("1.2.18", "fail", "too few", api_server(audit_log_maxbackup="2"), FAIL),
    Case(
        "1.2.18", "odd", "0 is all", api_server(audit_log_maxbackup="0"), PASS, FAIL, ("all logs are kept",)
    ),
    Case(
        "1.2.18",
        "odd",
        "a webhook",
        api_server(audit_log_path=None, audit_log_maxbackup=None, audit_webhook_config_file="/etc/w"),
        NONE,
        FAIL,
        ("webhook",),
    ),
    # 1.2.19
    Case("1.2.19", "pass", "enough", api_server(), PASS),
    Case("1.2.19", "fail", "too small", api_server(audit_log_maxsize="10"), FAIL),
    Case("1.2.19", "odd", "0 has no end", api_server(audit_log_maxsize="0"), FAIL, says=("1.36",)),
    Case("1.2.19", "odd", "not set is 100", api_server(audit_log_maxsize=None), PASS, FAIL),
    Case(
        "1.2.19",
        "odd",
        "of no log",
        api_server(audit_log_path=None),
        FAIL,
        PASS,
        says=("Audit logging is disabled",),
    ),
    # 1.2.20
    Case("1.2.20", "pass", "default", api_server(), PASS, says=("60s",)),
    Case("1.2.20", "pass", "the longest", api_server(request_timeout="5m0s"), PASS),
    Case("1.2.20", "fail", "too long", api_server(request_timeout="1h"), FAIL, says=("300s",)),
    Case("1.2.20", "fail", "0", api_server(request_timeout="0"), FAIL),
    Case("1.2.20", "odd", "milliseconds", api_server(request_timeout="500ms"), FAIL),
    Case("1.2.20", "odd", "parts", api_server(request_timeout="1m1.5s"), PASS, says=("61.5",)),
    Case("1.2.20", "odd", "no unit", api_server(request_timeout="60"), ERROR, says=("not a duration",)),
    # 1.2.21
    Case("1.2.21", "pass", "default", api_server(), PASS),
    Case("1.2.21", "fail", "off", api_server(service_account_lookup="false"), FAIL),
    Case("1.2.21", "odd", "bare", api_server("--service-account-lookup"), PASS),
    Case(
        "1.2.21",
        "odd",
        "on, then off",
        api_server("--service-account-lookup", "--service-account-lookup=0"),
        FAIL,
    ),
    # 1.2.22
    Case("1.2.22", "pass", "a key", api_server(), PASS),
    Case("1.2.22", "fail", "none", api_server(service_account_key_file=None), FAIL),
    Case(
        "1.2.22",
        "odd",
        "the second of two is gone",
        api_server("--service-account-key-file=/etc/old.pub"),
        FAIL,
        PASS,
        ("/etc/old.pub: no such file",),
    ),
    Case(
        "1.2.22",
        "odd",
        "an external signer",
        api_server(service_account_key_file=None, service_account_signing_endpoint="/run/signer.sock"),
        PASS,
        FAIL,
        ("signer",),
    ),
    # 1.2.23
    Case("1.2.23", "pass", "both", api_server(), PASS),
    Case("1.2.23", "fail", "none", api_server(etcd_certfile=None, etcd_keyfile=None), FAIL),
    Case(
        "1.2.23",
        "odd",
        "no TLS",
        api_server(etcd_servers="http://127.0.0.1:2379"),
        FAIL,
        PASS,
        ("without TLS",),
    ),
    Case("1.2.23", "odd", "file is gone", api_server(etcd_keyfile="/no.key"), FAIL, PASS, ("/no.key",)),
    # 1.2.24
    Case("1.2.24", "pass", "both", api_server(), PASS),
    Case("1.2.24", "fail", "none", api_server(tls_cert_file=None), FAIL),
    Case("1.2.24", "odd", "empty", api_server("--tls-private-key-file="), FAIL, says=("then (empty)",)),
    # 1.2.25
    Case("1.2.25", "pass", "a CA", api_server(), PASS),
    Case("1.2.25", "fail", "none", api_server(client_ca_file=None), FAIL),
    Case(
        "1.2.25",
        "odd",
        "unreadable",
        api_server(put={f"{PKI}/ca.crt": File(unreadable=errno.EACCES)}),
        ERROR,
        says=("ca.crt",),
    ),
    # 1.2.26
    Case("1.2.26", "pass", "a CA", api_server(), PASS, says=("etcd-ca",)),
    Case("1.2.26", "fail", "none", api_server(etcd_cafile=None), FAIL),
    *(
        Case(
            check_id,
            "odd",
            "an override without TLS",
            api_server(
                "--etcd-servers-overrides=/events#https://a:1;https://b:1,/secrets#https://a:1;HTTP://b:1"
            ),
            FAIL,
            PASS,
            ("etcd-servers-overrides", "HTTP://b:1"),
        )
        for check_id in ("1.2.23", "1.2.26")
    ),
    Case(
        "1.2.26",
        "odd",
        "overrides with TLS",
        api_server("--etcd-servers-overrides=/events#https://a:1;https://b:1"),
        PASS,
    ),
    Case("1.2.26", "odd", "one of two without TLS", api_server("--etcd-servers=http://[::1]:1"), FAIL, PASS),
    # 1.2.27
    Case("1.2.27", "pass", "secretbox", api_server(), PASS, says=("secretbox, identity",)),
    Case("1.2.27", "fail", "stock", api_server(base=STOCK), FAIL),
    Case(
        "1.2.27",
        "odd",
        "identity first",
        api_server(
            put=encryption(f"{{resources: [secrets], providers: [{{identity: {{}}}}, {{{SECRETBOX}}}]}}")
        ),
        FAIL,
        PASS,
    ),
    Case(
        "1.2.27",
        "odd",
        "only configmaps",
        api_server(put=encryption(f"{{resources: [configmaps], providers: [{{{SECRETBOX}}}]}}")),
        FAIL,
        PASS,
        ("none for secrets",),
    ),
    Case(
        "1.2.27",
        "odd",
        "a name of Kubernetes 1.12",
        api_server(
            put={
                ENC: ENCRYPTION.replace("Configuration", "Config").replace("apiserver.config.k8s.io/v1", "v1")
            }
        ),
        PASS,
    ),
    # 1.2.28
    Case("1.2.28", "pass", "secretbox", api_server(), PASS),
    Case(
        "1.2.28",
        "fail",
        "identity for secrets, secretbox for configmaps",
        api_server(
            put=encryption(
                "{resources: [secrets], providers: [{identity: {}}]}",
                f"{{resources: [configmaps], providers: [{{{SECRETBOX}}}]}}",
            )
        ),
        FAIL,
    ),
    Case(
        "1.2.28",
        "fail",
        "aesgcm",
        api_server(put=encryption("{resources: [secrets], providers: [{aesgcm: {keys: []}}]}")),
        FAIL,
        says=("aesgcm",),
    ),
    Case(
        "1.2.28",
        "odd",
        "all of a group, by kms",
        api_server(
            put=encryption(
                "{resources: ['*.'], providers: [{kms: {apiVersion: v2, name: k, endpoint: unix:///k}}]}"
            )
        ),
        PASS,
        says=("kms v2",),
    ),
    Case(
        "1.2.28",
        "odd",
        "a name counts before all",
        api_server(
            put=encryption(
                "{resources: [secrets], providers: [{identity: {}}]}",
                f"{{resources: ['*.*'], providers: [{{{SECRETBOX}}}]}}",
            )
        ),
        FAIL,
    ),
    Case(
        "1.2.28",
        "odd",
        "unknown provider",
        api_server(put=encryption("{resources: [secrets], providers: [{rot13: {}}]}")),
        ERROR,
        says=("rot13",),
    ),
    Case(
        "1.2.28",
        "odd",
        "two providers in one",
        api_server(put=encryption("{resources: [secrets], providers: [{identity: {}, aescbc: {}}]}")),
        ERROR,
        says=("2 providers",),
    ),
    # 1.2.29
    Case("1.2.29", "pass", "a list", api_server(), PASS),
    Case(
        "1.2.29", "fail", "one is weak", api_server("--tls-cipher-suites=TLS_RSA_WITH_AES_128_CBC_SHA"), FAIL
    ),
    Case(
        "1.2.29", "fail", "an old version", api_server(tls_min_version="VersionTLS11"), FAIL, PASS, ("TLS11",)
    ),
    Case("1.2.29", "odd", "Go's choice", api_server(tls_cipher_suites=None), PASS, FAIL, ("Go's defaults",)),
    Case(
        "1.2.29",
        "odd",
        "TLS 1.3 has a list of its own",
        api_server(tls_cipher_suites="TLS_RSA_WITH_AES_128_CBC_SHA", tls_min_version="VersionTLS13"),
        PASS,
        FAIL,
    ),
    # 1.2.30
    Case("1.2.30", "pass", "off", api_server(), PASS),
    Case("1.2.30", "fail", "stock", api_server(base=STOCK), FAIL, says=("year",)),
    Case(
        "1.2.30",
        "odd",
        "off, then on",
        api_server("--service-account-extend-token-expiration"),
        FAIL,
        says=("false, then true",),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_verdicts(case: Case) -> None:
    check(case, section_1_2.CHECKS)


def test_all_checks_exist() -> None:
    assert list(section_1_2.CHECKS) == [f"1.2.{number}" for number in range(1, 31)]


def test_hardened_api_server_passes_all() -> None:
    reader = api_server()()
    failed = {check for check, evaluate in section_1_2.CHECKS.items() if evaluate(reader).status != PASS}
    assert not failed


def test_stock_api_server_has_known_failures() -> None:
    reader = api_server(base=STOCK)()
    results = {check: evaluate(reader) for check, evaluate in section_1_2.CHECKS.items()}
    failed = {check.removeprefix("1.2.") for check, result in results.items() if result.status != PASS}
    assert failed == {"1", "3", "5", "9", "11", "15", "16", "17", "18", "19", "27", "28", "30"}


def test_no_key_is_returned() -> None:
    bad = ENCRYPTION.replace("- identity: {}", "- secret: c2VjcmV0c2VjcmV0")
    reader = api_server(put={ENC: bad})()
    told = str(section_1_2.CHECKS["1.2.28"](reader).to_dict())
    assert "c2VjcmV0" not in told
    assert "YWJjZGVm" not in told


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("1m0s", 60.0),
        ("0", 0.0),
        ("-1s", -1.0),
        ("1.5h", 5400.0),
        ("1", None),
        ("s", None),
        ("1s ", None),
        ("", None),
    ],
)
def test_durations(text: str, wanted: float | None) -> None:
    assert durations.seconds(text) == wanted
