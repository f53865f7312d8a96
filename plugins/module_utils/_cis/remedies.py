# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""What mends each check, or why nothing but a person can."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis import catalogue

FILE = "file"
CONTROL_PLANE = "control_plane"
KUBELET = "kubelet"
NONE = "none"

API_SERVER = "kube-apiserver"
MANAGER = "kube-controller-manager"
SCHEDULER = "kube-scheduler"
ETCD = "etcd"

#: Where files lie that remediation brings, and the audit log. A cluster of the playbook site has places of its own.
FOLDER = "/etc/kubernetes/cis"
AUDIT_POLICY = f"{FOLDER}/audit-policy.yaml"
ADMISSION = f"{FOLDER}/admission.yaml"
AUTHENTICATION = f"{FOLDER}/authentication.yaml"
_LOGS = "/var/log/kubernetes/cis-audit"

CIPHERS = (
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305",
)

Argument = t.Mapping[str, t.Any]


@dataclass(frozen=True)
class Remedy:
    """What mends one check.

    :param kind: C(file) (what the audit returned as its fixes), C(control_plane), C(kubelet) or C(none).
    :param arguments: of components, as the module C(kubeadm) takes them. :param kubelet: fields of the
        KubeletConfiguration; C(None) takes one away.
    :param reason: why there is no remedy, or none for some clusters.
    :param needs: a check that every host must pass before.
    """

    kind: str
    arguments: tuple[Argument, ...] = ()
    kubelet: t.Mapping[str, t.Any] = field(default_factory=dict)
    reason: str = ""
    needs: str = ""


def _own_volume(name: str, path: str, **more: t.Any) -> dict[str, t.Any]:
    return {"name": name, "hostPath": path, "mountPath": path, **more}


_READ = (_own_volume("cis", FOLDER, readOnly=True, pathType="Directory"),)
_WRITTEN = (_own_volume("cis-audit", _LOGS, pathType="DirectoryOrCreate"),)


def _value(component: str, name: str, value: str, **more: t.Any) -> Argument:
    return {"component": component, "name": name, "value": value, **more}


def _flags(*arguments: Argument) -> Remedy:
    return Remedy(CONTROL_PLANE, arguments)


def _unset(component: str, *names: str) -> Remedy:
    return _flags(*({"component": component, "name": name, "absent": True} for name in names))


def _words(component: str, name: str, **more: t.Any) -> Argument:
    return {"component": component, "name": name, **more}


def _plugin(name: str, *needed: Argument, **more: t.Any) -> Remedy:
    return _flags(*needed, _words(API_SERVER, "enable-admission-plugins", add=[name], **more))


def _field(**fields: t.Any) -> Remedy:
    return Remedy(KUBELET, kubelet=fields)


def _none(reason: str) -> Remedy:
    return Remedy(NONE, reason=reason)


_MODE = Remedy(FILE)
_POLICY_FILE = _value(
    API_SERVER, "audit-policy-file", AUDIT_POLICY, keep=True, volumes=_READ, files=[AUDIT_POLICY]
)
_LOG = (_POLICY_FILE, _value(API_SERVER, "audit-log-path", f"{_LOGS}/audit.log", keep=True, volumes=_WRITTEN))
_SERVING = {"serverTLSBootstrap": True, "tlsCertFile": None, "tlsPrivateKeyFile": None}
# What conditions for anonymous requests cannot stand beside (k8s.io/apiserver, options/authentication.go).
_OIDC = [
    f"oidc-{name}"
    for name in (
        *("issuer-url", "client-id", "ca-file", "username-claim", "username-prefix", "groups-claim"),
        *("groups-prefix", "required-claim", "signing-algs"),
    )
]

_KEY = "Whether and with which key Secrets are encrypted is yours to decide, and where a copy of the key is kept."
_POLICY = "What in the cluster may stay as it is, only you know; a change may stop workloads."

_API_SERVER: dict[str, Remedy] = {
    "1.2.1": _flags(
        _value(
            API_SERVER,
            "authentication-config",
            AUTHENTICATION,
            keep=True,
            unless=_OIDC,
            volumes=_READ,
            files=[AUTHENTICATION],
        ),
        {"component": API_SERVER, "name": "anonymous-auth", "absent": True},
    ),
    "1.2.2": _unset(API_SERVER, "token-auth-file"),
    "1.2.3": _plugin("DenyServiceExternalIPs"),
    "1.2.4": _unset(API_SERVER, "kubelet-client-certificate", "kubelet-client-key"),
    "1.2.5": Remedy(
        CONTROL_PLANE,
        (_value(API_SERVER, "kubelet-certificate-authority", "/etc/kubernetes/pki/ca.crt"),),
        needs="4.2.9",
    ),
    "1.2.6": _flags(
        _words(API_SERVER, "authorization-mode", remove=["AlwaysAllow"], unless=["authorization-config"])
    ),
    "1.2.7": _flags(_words(API_SERVER, "authorization-mode", add=["Node"], unless=["authorization-config"])),
    "1.2.8": _flags(_words(API_SERVER, "authorization-mode", add=["RBAC"], unless=["authorization-config"])),
    "1.2.9": _plugin(
        "EventRateLimit",
        _value(
            API_SERVER,
            "admission-control-config-file",
            ADMISSION,
            keep=True,
            volumes=_READ,
            files=[ADMISSION],
        ),
        # A configuration that is there would have to have the limits, or the API server does not start.
        unless=["admission-control-config-file"],
    ),
    "1.2.10": _flags(_words(API_SERVER, "enable-admission-plugins", remove=["AlwaysAdmit"])),
    "1.2.11": _plugin("AlwaysPullImages"),
    "1.2.12": _flags(_words(API_SERVER, "disable-admission-plugins", remove=["ServiceAccount"])),
    "1.2.13": _flags(_words(API_SERVER, "disable-admission-plugins", remove=["NamespaceLifecycle"])),
    "1.2.14": _plugin(
        "NodeRestriction", _words(API_SERVER, "disable-admission-plugins", remove=["NodeRestriction"])
    ),
    "1.2.15": _flags(_value(API_SERVER, "profiling", "false")),
    "1.2.16": _flags(*_LOG),
    "1.2.17": _flags(*_LOG, _value(API_SERVER, "audit-log-maxage", "30")),
    "1.2.18": _flags(*_LOG, _value(API_SERVER, "audit-log-maxbackup", "10")),
    "1.2.19": _flags(*_LOG, _value(API_SERVER, "audit-log-maxsize", "100")),
    "1.2.20": _unset(API_SERVER, "request-timeout"),
    "1.2.21": _unset(API_SERVER, "service-account-lookup"),
    "1.2.22": _unset(API_SERVER, "service-account-key-file"),
    "1.2.23": _unset(API_SERVER, "etcd-certfile", "etcd-keyfile"),
    "1.2.24": _unset(API_SERVER, "tls-cert-file", "tls-private-key-file"),
    "1.2.25": _unset(API_SERVER, "client-ca-file"),
    "1.2.26": _unset(API_SERVER, "etcd-cafile"),
    "1.2.27": _none(f"{_KEY} The playbook site does it for clusters that it makes."),
    "1.2.28": _none(f"{_KEY} The playbook site does it for clusters that it makes."),
    "1.2.29": _flags(_value(API_SERVER, "tls-cipher-suites", ",".join(CIPHERS))),
    "1.2.30": _flags(_value(API_SERVER, "service-account-extend-token-expiration", "false")),
    "3.2.1": _flags(*_LOG),
    "3.2.2": Remedy(
        CONTROL_PLANE,
        _LOG,
        reason="A policy that is there stays: which rules it gets is for whoever wrote it to say.",
    ),
}

_MANAGERS: dict[str, Remedy] = {
    "1.3.1": _flags(_value(MANAGER, "terminated-pod-gc-threshold", "1000")),
    "1.3.2": _flags(_value(MANAGER, "profiling", "false")),
    "1.3.3": _unset(MANAGER, "use-service-account-credentials"),
    "1.3.4": _unset(MANAGER, "service-account-private-key-file"),
    "1.3.5": _unset(MANAGER, "root-ca-file"),
    "1.3.6": _flags(_words(MANAGER, "feature-gates", remove=["RotateKubeletServerCertificate=false"])),
    "1.3.7": _unset(MANAGER, "bind-address"),
    "1.4.1": _flags(_value(SCHEDULER, "profiling", "false")),
    "1.4.2": _unset(SCHEDULER, "bind-address"),
    "2.1": _unset(ETCD, "cert-file", "key-file"),
    "2.2": _unset(ETCD, "client-cert-auth", "trusted-ca-file"),
    "2.3": _unset(ETCD, "auto-tls"),
    "2.4": _unset(ETCD, "peer-cert-file", "peer-key-file"),
    "2.5": _unset(ETCD, "peer-client-cert-auth", "peer-trusted-ca-file"),
    "2.6": _unset(ETCD, "peer-auto-tls"),
    "2.7": _unset(ETCD, "trusted-ca-file"),
}

_KUBELET: dict[str, Remedy] = {
    "4.2.1": _field(authentication={"anonymous": {"enabled": False}}),
    "4.2.2": _field(authorization={"mode": "Webhook"}),
    "4.2.3": _field(authentication={"x509": {"clientCAFile": "/etc/kubernetes/pki/ca.crt"}}),
    "4.2.4": _field(readOnlyPort=None),
    "4.2.5": _field(streamingConnectionIdleTimeout="4h0m0s"),
    "4.2.6": _field(makeIPTablesUtilChains=True),
    "4.2.7": _none(
        "A node keeps its name for as long as it is in the cluster; drain it, reset it and join it anew."
    ),
    "4.2.8": _field(eventRecordQPS=50),
    "4.2.9": _field(**_SERVING),
    "4.2.10": _field(rotateCertificates=True),
    "4.2.11": _field(**_SERVING, featureGates={"RotateKubeletServerCertificate": None}),
    "4.2.12": _field(tlsMinVersion="VersionTLS12", tlsCipherSuites=list(CIPHERS)),
    "4.2.13": _field(podPidsLimit=4096),
    "4.2.14": _field(seccompDefault=True),
    "4.3.1": _none(
        "kube-proxy is configured by its ConfigMap, which addons other than kubeadm's write as well."
    ),
}


def _remedy(check: catalogue.Check) -> Remedy:
    for table in (_API_SERVER, _MANAGERS, _KUBELET):
        if check.id in table:
            return table[check.id]
    return _MODE if check.risk == catalogue.FILE_MODE else _none(_POLICY)


#: By id, for all checks of the catalogue.
REMEDIES: t.Mapping[str, Remedy] = {check.id: _remedy(check) for check in catalogue.CHECKS.values()}

#: The one whose remedy needs a user on the host before there is a fix.
ETCD_USER_CHECK = "1.1.12"
#: Those after which the requests of kubelets must be approved.
SERVING_CHECKS = ("4.2.9", "4.2.11")


# --- files ------------------------------------------------------------------------------------------------------------

_HEALTH = ["/healthz*", "/livez*", "/readyz*", "/version"]


def _resources(group: str, *names: str) -> dict[str, t.Any]:
    return {"group": group, "resources": list(names)} if names else {"group": group}


_AUDIT_RULES: list[dict[str, t.Any]] = [
    {
        "level": "Metadata",
        "resources": [
            _resources("", "secrets", "configmaps", "serviceaccounts/token"),
            _resources("authentication.k8s.io", "tokenreviews"),
            _resources(
                "certificates.k8s.io", "certificatesigningrequests", "certificatesigningrequests/approval"
            ),
        ],
    },
    {"level": "None", "nonResourceURLs": _HEALTH},
    {
        "level": "None",
        "resources": [
            _resources("coordination.k8s.io", "leases"),
            _resources("", "events"),
            _resources("events.k8s.io", "events"),
        ],
    },
    {
        "level": "None",
        "users": ["system:kube-controller-manager", "system:kube-scheduler", "system:apiserver"],
        "verbs": ["get", "list", "watch"],
    },
    {"level": "None", "userGroups": ["system:nodes"], "verbs": ["get", "list", "watch"]},
    {
        "level": "None",
        "userGroups": ["system:nodes"],
        "verbs": ["patch", "update"],
        "resources": [_resources("", "nodes/status", "pods/status")],
    },
    {
        "level": "Request",
        "verbs": ["create", "update", "patch", "delete", "deletecollection"],
        "resources": [
            _resources("rbac.authorization.k8s.io"),
            _resources("networking.k8s.io"),
            _resources("admissionregistration.k8s.io"),
        ],
    },
    {"level": "Metadata"},
]

#: What stands in the files that remedies bring, by path.
CONTENTS: t.Mapping[str, t.Mapping[str, t.Any]] = {
    AUDIT_POLICY: {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": _AUDIT_RULES,
    },
    ADMISSION: {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "AdmissionConfiguration",
        "plugins": [
            {
                "name": "EventRateLimit",
                "configuration": {
                    "apiVersion": "eventratelimit.admission.k8s.io/v1alpha1",
                    "kind": "Configuration",
                    "limits": [
                        {"type": "Server", "qps": 5000, "burst": 20000},
                        {"type": "Namespace", "qps": 50, "burst": 200, "cacheSize": 4096},
                        {"type": "User", "qps": 50, "burst": 200, "cacheSize": 4096},
                    ],
                },
            }
        ],
    },
    # Probes ask for health, and a host that joins reads the cluster's CA, before they have credentials (KEP-4633).
    AUTHENTICATION: {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "AuthenticationConfiguration",
        "anonymous": {
            "enabled": True,
            "conditions": [
                {"path": "/livez"},
                {"path": "/readyz"},
                {"path": "/healthz"},
                {"path": "/api/v1/namespaces/kube-public/configmaps/cluster-info"},
            ],
        },
    },
}
