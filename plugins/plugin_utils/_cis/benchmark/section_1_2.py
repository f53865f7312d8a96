# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Section 1.2: the API server."""

from __future__ import annotations

from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.benchmark import remedies
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.benchmark.check import (
    API_SERVER,
    AUTOMATED,
    BREAKING,
    MANUAL,
    RESTART,
    Check,
)

_FLAG = "The command line of the running API server"
_AUTHORIZATION = f"{_FLAG}, or the authorizers of its AuthorizationConfiguration when it has one."
_ADMISSION = (
    f"{_FLAG}: the effective admission plugins, including those that are enabled by default, without those"
    " that are"
    " disabled."
)
_SERVED = f"{_FLAG}, whose files exist:"

# The API server refuses an AuthenticationConfiguration with these (k8s.io/apiserver, options/authentication.go).
_OIDC = [
    f"oidc-{name}"
    for name in (
        *("issuer-url", "client-id", "ca-file", "username-claim", "username-prefix", "groups-claim"),
        *("groups-prefix", "required-claim", "signing-algs"),
    )
]
_KEY = "Encryption at rest, its key and where a copy of the key is kept are your decision."


def _api(
    check: str, title: str, method: str, remediation: str, *, remedy: remedies.Remedy, level: int = 1,
    assessment: str = AUTOMATED, risk: str = RESTART,
) -> Check:  # fmt: skip
    return Check(check, title, level, assessment, API_SERVER, method, remediation, risk, remedy)


CHECKS: tuple[Check, ...] = (
    _api(
        "1.2.1",
        "Anonymous requests are refused or limited to health endpoints",
        f"{_FLAG}, and the conditions in its AuthenticationConfiguration. Effectively, limiting anonymous"
        " requests to"
        " health paths passes; literally, profiles before cis-2.1 require that they are disabled.",
        "Give the API server an AuthenticationConfiguration whose anonymous.conditions name /livez, /readyz and"
        " /healthz. With --anonymous-auth=false the probes of kubeadm's manifest fail.",
        assessment=MANUAL,
        risk=BREAKING,
        remedy=remedies.flags(
            remedies.value(
                remedies.API_SERVER,
                "authentication-config",
                remedies.AUTHENTICATION,
                keep=True,
                unless=_OIDC,
                volumes=remedies.READ,
                files=[remedies.AUTHENTICATION],
            ),
            {"component": remedies.API_SERVER, "name": "anonymous-auth", "absent": True},
        ),
    ),
    _api(
        "1.2.2",
        "Static token files are not used",
        f"{_FLAG}: --token-auth-file is not set.",
        "Remove --token-auth-file and give its users certificates, an OpenID provider or service accounts.",
        risk=BREAKING,
        remedy=remedies.unset(remedies.API_SERVER, "token-auth-file"),
    ),
    _api(
        "1.2.3",
        "External IPs of Services are denied (DenyServiceExternalIPs)",
        f"{_ADMISSION} A validating admission policy that denies spec.externalIPs counts as well.",
        "Add DenyServiceExternalIPs to --enable-admission-plugins.",
        assessment=MANUAL,
        risk=BREAKING,
        remedy=remedies.plugin("DenyServiceExternalIPs"),
    ),
    _api(
        "1.2.4",
        "The API server authenticates to kubelets with a client certificate",
        f"{_FLAG}: --kubelet-client-certificate and --kubelet-client-key are set, and both files exist.",
        "Set both flags; kubeadm names the files apiserver-kubelet-client.",
        remedy=remedies.unset(remedies.API_SERVER, "kubelet-client-certificate", "kubelet-client-key"),
    ),
    _api(
        "1.2.5",
        "The API server verifies kubelet serving certificates",
        f"{_FLAG}: --kubelet-certificate-authority is set to a file with a CA.",
        "First make every kubelet serve a certificate issued by the cluster's CA (4.2.9), then set the"
        " flag: otherwise"
        " logs, exec and port-forward stop working.",
        risk=BREAKING,
        remedy=remedies.Remedy(
            remedies.CONTROL_PLANE,
            (
                remedies.value(
                    remedies.API_SERVER, "kubelet-certificate-authority", "/etc/kubernetes/pki/ca.crt"
                ),
            ),
            needs="4.2.9",
        ),
    ),
    _api(
        "1.2.6",
        "The authorization mode AlwaysAllow is not used",
        f"{_AUTHORIZATION} AlwaysAllow is not among them.",
        "Remove AlwaysAllow and authorize with Node and RBAC.",
        risk=BREAKING,
        remedy=remedies.flags(
            remedies.words(
                remedies.API_SERVER,
                "authorization-mode",
                remove=["AlwaysAllow"],
                unless=["authorization-config"],
            )
        ),
    ),
    _api(
        "1.2.7",
        "The authorization mode Node is used",
        f"{_AUTHORIZATION} Node is among them.",
        "Add Node to --authorization-mode, or an authorizer of type Node to the configuration.",
        remedy=remedies.flags(
            remedies.words(
                remedies.API_SERVER, "authorization-mode", add=["Node"], unless=["authorization-config"]
            )
        ),
    ),
    _api(
        "1.2.8",
        "The authorization mode RBAC is used",
        f"{_AUTHORIZATION} RBAC is among them.",
        "Add RBAC to --authorization-mode, or an authorizer of type RBAC to the configuration.",
        remedy=remedies.flags(
            remedies.words(
                remedies.API_SERVER, "authorization-mode", add=["RBAC"], unless=["authorization-config"]
            )
        ),
    ),
    _api(
        "1.2.9",
        "The event rate is limited (EventRateLimit)",
        f"{_ADMISSION} The file of --admission-control-config-file has its limits.",
        "Add EventRateLimit to --enable-admission-plugins, and its limits to the admission configuration.",
        assessment=MANUAL,
        remedy=remedies.plugin(
            "EventRateLimit",
            remedies.value(
                remedies.API_SERVER,
                "admission-control-config-file",
                remedies.ADMISSION,
                keep=True,
                volumes=remedies.READ,
                files=[remedies.ADMISSION],
            ),
            # An existing configuration would need the limits, or the API server does not start.
            unless=["admission-control-config-file"],
        ),
    ),
    _api(
        "1.2.10",
        "The admission plugin AlwaysAdmit is disabled",
        _ADMISSION,
        "Remove AlwaysAdmit from --enable-admission-plugins.",
        remedy=remedies.flags(
            remedies.words(remedies.API_SERVER, "enable-admission-plugins", remove=["AlwaysAdmit"])
        ),
    ),
    _api(
        "1.2.11",
        "Images are pulled with the Pod's own credentials (AlwaysPullImages)",
        _ADMISSION,
        "Add AlwaysPullImages to --enable-admission-plugins. Pods then do not start while the registry is"
        " unavailable.",
        assessment=MANUAL,
        risk=BREAKING,
        remedy=remedies.plugin("AlwaysPullImages"),
    ),
    _api(
        "1.2.12",
        "The admission plugin ServiceAccount is enabled",
        _ADMISSION,
        "Remove ServiceAccount from --disable-admission-plugins.",
        level=2,
        remedy=remedies.flags(
            remedies.words(remedies.API_SERVER, "disable-admission-plugins", remove=["ServiceAccount"])
        ),
    ),
    _api(
        "1.2.13",
        "The admission plugin NamespaceLifecycle is enabled",
        _ADMISSION,
        "Remove NamespaceLifecycle from --disable-admission-plugins.",
        level=2,
        remedy=remedies.flags(
            remedies.words(remedies.API_SERVER, "disable-admission-plugins", remove=["NamespaceLifecycle"])
        ),
    ),
    _api(
        "1.2.14",
        "The admission plugin NodeRestriction is enabled",
        _ADMISSION,
        "Add NodeRestriction to --enable-admission-plugins.",
        level=2,
        remedy=remedies.plugin(
            "NodeRestriction",
            remedies.words(remedies.API_SERVER, "disable-admission-plugins", remove=["NodeRestriction"]),
        ),
    ),
    _api(
        "1.2.15",
        "Profiling of the API server is disabled",
        f"{_FLAG}: --profiling=false; its default is true.",
        "Set --profiling=false.",
        remedy=remedies.flags(remedies.value(remedies.API_SERVER, "profiling", "false")),
    ),
    _api(
        "1.2.16",
        "Audit logging is enabled",
        f"{_FLAG}: --audit-log-path is set together with a policy, without which nothing is logged."
        " Effectively,"
        " a webhook passes as well.",
        "Set --audit-log-path and --audit-policy-file, and mount both into the Pod: without the mounts the"
        " API server"
        " does not start.",
        remedy=remedies.flags(*remedies.AUDIT_LOG),
    ),
    _api(
        "1.2.17",
        "Audit logs are kept for at least 30 days",
        f"{_FLAG}: --audit-log-maxage. Effectively 0 passes, which keeps them forever: the default before"
        " 1.36, then 366.",
        "Set --audit-log-maxage=30 or more.",
        remedy=remedies.flags(
            *remedies.AUDIT_LOG, remedies.value(remedies.API_SERVER, "audit-log-maxage", "30")
        ),
    ),
    _api(
        "1.2.18",
        "At least 10 rotated audit logs are kept",
        f"{_FLAG}: --audit-log-maxbackup. Effectively 0 passes, which keeps all: the default before 1.36,"
        " then 100.",
        "Set --audit-log-maxbackup=10 or more.",
        remedy=remedies.flags(
            *remedies.AUDIT_LOG, remedies.value(remedies.API_SERVER, "audit-log-maxbackup", "10")
        ),
    ),
    _api(
        "1.2.19",
        "Audit logs are rotated at 100 MB or later",
        f"{_FLAG}: --audit-log-maxsize. Effectively its default, 100, passes.",
        "Set --audit-log-maxsize=100 or more.",
        remedy=remedies.flags(
            *remedies.AUDIT_LOG, remedies.value(remedies.API_SERVER, "audit-log-maxsize", "100")
        ),
    ),
    _api(
        "1.2.20",
        "The request timeout is appropriate",
        f"{_FLAG}: --request-timeout is between one second and a few minutes; its default is 60 s.",
        "Remove --request-timeout, or set it to what your slowest request needs.",
        assessment=MANUAL,
        remedy=remedies.unset(remedies.API_SERVER, "request-timeout"),
    ),
    _api(
        "1.2.21",
        "Tokens of deleted service accounts are rejected",
        f"{_FLAG}: --service-account-lookup is not false.",
        "Remove --service-account-lookup=false.",
        remedy=remedies.unset(remedies.API_SERVER, "service-account-lookup"),
    ),
    _api(
        "1.2.22",
        "Service account tokens are verified with a dedicated key",
        f"{_FLAG}: --service-account-key-file is set, and the file exists.",
        "Set --service-account-key-file to the public key of the key pair that signs tokens.",
        remedy=remedies.unset(remedies.API_SERVER, "service-account-key-file"),
    ),
    _api(
        "1.2.23",
        "The API server authenticates to etcd with a client certificate",
        f"{_SERVED} --etcd-certfile and --etcd-keyfile.",
        "Set both flags; kubeadm names the files apiserver-etcd-client.",
        remedy=remedies.unset(remedies.API_SERVER, "etcd-certfile", "etcd-keyfile"),
    ),
    _api(
        "1.2.24",
        "The API server serves a configured TLS certificate",
        f"{_SERVED} --tls-cert-file and --tls-private-key-file. Without them it generates a certificate that no"
        " client can verify.",
        "Set both flags; kubeadm names the files apiserver.",
        remedy=remedies.unset(remedies.API_SERVER, "tls-cert-file", "tls-private-key-file"),
    ),
    _api(
        "1.2.25",
        "The API server verifies client certificates against a CA",
        f"{_SERVED} --client-ca-file.",
        "Set --client-ca-file to the cluster's CA.",
        remedy=remedies.unset(remedies.API_SERVER, "client-ca-file"),
    ),
    _api(
        "1.2.26",
        "The API server verifies the certificate of etcd",
        f"{_SERVED} --etcd-cafile.",
        "Set --etcd-cafile to the CA of etcd.",
        remedy=remedies.unset(remedies.API_SERVER, "etcd-cafile"),
    ),
    _api(
        "1.2.27",
        "Secrets are encrypted at rest",
        f"{_FLAG}: --encryption-provider-config; effectively, that file must encrypt Secrets.",
        "Place the same EncryptionConfiguration on all control planes, set the flag on one after the other,"
        " then"
        " rewrite all Secrets. Keep a copy of the key: without it a backup of etcd cannot be used.",
        assessment=MANUAL,
        risk=BREAKING,
        remedy=remedies.none(f"{_KEY} The playbook site enables it for clusters that it creates."),
    ),
    _api(
        "1.2.28",
        "Encryption at rest uses a strong provider",
        "In the EncryptionConfiguration, the first provider of the first block that covers Secrets: aescbc,"
        " kms or"
        " secretbox; effectively aesgcm fails, as its keys have to be rotated often.",
        "Make secretbox or kms (v2) the first provider for Secrets, and rewrite all Secrets.",
        assessment=MANUAL,
        risk=BREAKING,
        remedy=remedies.none(f"{_KEY} The playbook site enables it for clusters that it creates."),
    ),
    _api(
        "1.2.29",
        "The API server offers strong TLS ciphers only",
        f"{_FLAG}: --tls-cipher-suites and --tls-min-version. Without a list, Go's own choice counts"
        " effectively, which"
        " has no weak cipher, as does TLS 1.3, to which the list does not apply.",
        "Set --tls-cipher-suites to AEAD suites with ECDHE; one of TLS_ECDHE_*_AES_128_GCM_SHA256 must stay for"
        " HTTP/2.",
        assessment=MANUAL,
        remedy=remedies.flags(
            remedies.value(remedies.API_SERVER, "tls-cipher-suites", ",".join(remedies.CIPHERS))
        ),
    ),
    _api(
        "1.2.30",
        "The expiration of service account tokens is not extended",
        f"{_FLAG}: --service-account-extend-token-expiration=false; its default is true, which extends an hour"
        " to a year.",
        "Set the flag to false. Programs that never re-read their token are rejected after an hour.",
        risk=BREAKING,
        remedy=remedies.flags(
            remedies.value(remedies.API_SERVER, "service-account-extend-token-expiration", "false")
        ),
    ),
)
