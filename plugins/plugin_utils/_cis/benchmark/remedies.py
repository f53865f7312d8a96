# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""What the remedies of checks are made of, and the files that they place on hosts."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

FILE = "file"
CONTROL_PLANE = "control_plane"
KUBELET = "kubelet"
NONE = "none"

API_SERVER = "kube-apiserver"
MANAGER = "kube-controller-manager"
SCHEDULER = "kube-scheduler"
ETCD = "etcd"

#: Where remediation places its files and the audit log. The playbook site uses other paths.
DIRECTORY = "/etc/kubernetes/cis"
AUDIT_POLICY = f"{DIRECTORY}/audit-policy.yaml"
ADMISSION = f"{DIRECTORY}/admission.yaml"
AUTHENTICATION = f"{DIRECTORY}/authentication.yaml"
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
    """What fixes a failing check.

    :param kind: C(file) (the fixes that the audit returned), C(control_plane), C(kubelet) or C(none).
    :param arguments: of components, as the module C(kubeadm_reconfigure) takes them. :param kubelet: fields of the
        KubeletConfiguration; C(None) removes one.
    :param reason: why there is no remedy, or none for some clusters.
    :param needs: a check that has to pass on every host first.
    """

    kind: str
    arguments: tuple[Argument, ...] = ()
    kubelet: t.Mapping[str, t.Any] = field(default_factory=dict)
    reason: str = ""
    needs: str = ""


def _own_volume(name: str, path: str, **more: t.Any) -> dict[str, t.Any]:
    return {"name": name, "hostPath": path, "mountPath": path, **more}


#: Mounts of what the API server reads, and of what it writes.
READ = (_own_volume("cis", DIRECTORY, readOnly=True, pathType="Directory"),)
_WRITTEN = (_own_volume("cis-audit", _LOGS, pathType="DirectoryOrCreate"),)


def value(component: str, name: str, value: str, **more: t.Any) -> Argument:
    """An argument with this value."""
    return {"component": component, "name": name, "value": value, **more}


def words(component: str, name: str, **more: t.Any) -> Argument:
    """An argument that is a list; C(add) and C(remove) are words of it."""
    return {"component": component, "name": name, **more}


def flags(*arguments: Argument) -> Remedy:
    """Arguments of the control plane."""
    return Remedy(CONTROL_PLANE, arguments)


def unset(component: str, *names: str) -> Remedy:
    """Without these arguments: the component's or kubeadm's default passes."""
    return flags(*({"component": component, "name": name, "absent": True} for name in names))


def plugin(name: str, *needed: Argument, **more: t.Any) -> Remedy:
    """An admission plugin that has to be enabled."""
    return flags(*needed, words(API_SERVER, "enable-admission-plugins", add=[name], **more))


def kubelet(**fields: t.Any) -> Remedy:
    """Fields of the KubeletConfiguration."""
    return Remedy(KUBELET, kubelet=fields)


def none(reason: str) -> Remedy:
    """No remedy."""
    return Remedy(NONE, reason=reason)


FILES = Remedy(FILE)
POLICY = none("Only you know which workloads and permissions are intended; a change may break workloads.")

#: Audit logging, for checks that need it.
AUDIT_LOG = (
    value(API_SERVER, "audit-policy-file", AUDIT_POLICY, keep=True, volumes=READ, files=[AUDIT_POLICY]),
    value(API_SERVER, "audit-log-path", f"{_LOGS}/audit.log", keep=True, volumes=_WRITTEN),
)

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

#: Content of the files that remedies place, by path.
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
    # Probes and joining hosts send requests before they have credentials (KEP-4633).
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
