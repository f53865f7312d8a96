# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A hardened control plane, whose arguments and files cases change."""

from __future__ import annotations

import datetime
import functools
from collections.abc import Callable, Mapping

from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.model import Result
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.unit.plugins.cis.fakes import Case, FakeReader, File, process
from tests.unit.support.certificates import issue

PKI = "/etc/kubernetes/pki"
CIS = "/etc/kubernetes/cis"


@functools.cache
def certificate(name: str, organization: str = "", ca: bool = False, client: bool = False) -> str:
    """PEM of a certificate that signs itself."""
    start = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    usage = ExtendedKeyUsageOID.CLIENT_AUTH if client else ExtendedKeyUsageOID.SERVER_AUTH
    return issue(
        name,
        [organization] if organization else [],
        begin=start,
        end=start + datetime.timedelta(days=365),
        extensions=[x509.BasicConstraints(ca, None), *([] if ca else [x509.ExtendedKeyUsage([usage])])],
        bare=True,
    ).pem


AUTHENTICATION = """\
apiVersion: apiserver.config.k8s.io/v1
kind: AuthenticationConfiguration
anonymous:
  enabled: true
  conditions:
  - path: /livez
  - path: /readyz
  - path: /healthz
  - path: /api/v1/namespaces/kube-public/configmaps/cluster-info
"""
AUTHORIZATION = """\
apiVersion: apiserver.config.k8s.io/v1
kind: AuthorizationConfiguration
authorizers:
- {type: Node, name: node}
- {type: RBAC, name: rbac}
"""
ADMISSION = """\
apiVersion: apiserver.config.k8s.io/v1
kind: AdmissionConfiguration
plugins:
- name: EventRateLimit
  configuration:
    apiVersion: eventratelimit.admission.k8s.io/v1alpha1
    kind: Configuration
    limits: [{type: Server, qps: 50, burst: 100}, {type: Namespace, qps: 5, burst: 10, cacheSize: 100}]
- name: PodSecurity
  path: pod-security.yaml
"""
POD_SECURITY = """\
apiVersion: pod-security.admission.config.k8s.io/v1
kind: PodSecurityConfiguration
defaults: {enforce: baseline, warn: restricted}
exemptions: {namespaces: [kube-system]}
"""
ENCRYPTION = """\
apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
- resources: [secrets]
  providers:
  - secretbox: {keys: [{name: key1, secret: YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXoxMjM0NTY=}]}
  - identity: {}
"""
AUDIT = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: None
  users: [system:kube-proxy]
  verbs: [watch]
  resources: [{group: "", resources: [endpoints, services]}]
- level: None
  nonResourceURLs: [/healthz*, /livez*, /readyz*]
- level: Metadata
  resources:
  - {group: "", resources: [secrets, configmaps, serviceaccounts/token]}
  - {group: authentication.k8s.io, resources: [tokenreviews]}
- level: Request
  verbs: [create, update, patch, delete]
- level: Metadata
"""
SCHEDULER = """\
apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
enableProfiling: false
"""

API_SERVER: Mapping[str, str] = {
    "admission-control-config-file": f"{CIS}/admission.yaml",
    "audit-log-maxage": "30",
    "audit-log-maxbackup": "10",
    "audit-log-maxsize": "100",
    "audit-log-path": "/var/log/kubernetes/audit.log",
    "audit-policy-file": f"{CIS}/audit.yaml",
    "authentication-config": f"{CIS}/authentication.yaml",
    "authorization-mode": "Node,RBAC",
    "client-ca-file": f"{PKI}/ca.crt",
    "enable-admission-plugins": "NodeRestriction,DenyServiceExternalIPs,EventRateLimit,AlwaysPullImages",
    "encryption-provider-config": f"{CIS}/encryption.yaml",
    "etcd-cafile": f"{PKI}/etcd/ca.crt",
    "etcd-certfile": f"{PKI}/apiserver-etcd-client.crt",
    "etcd-keyfile": f"{PKI}/apiserver-etcd-client.key",
    "etcd-servers": "https://127.0.0.1:2379",
    "kubelet-certificate-authority": f"{PKI}/ca.crt",
    "kubelet-client-certificate": f"{PKI}/apiserver-kubelet-client.crt",
    "kubelet-client-key": f"{PKI}/apiserver-kubelet-client.key",
    "profiling": "false",
    "service-account-extend-token-expiration": "false",
    "service-account-key-file": f"{PKI}/sa.pub",
    "tls-cert-file": f"{PKI}/apiserver.crt",
    "tls-cipher-suites": "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "tls-private-key-file": f"{PKI}/apiserver.key",
}
#: What kubeadm 1.36 gives the API server, of the flags that checks read.
STOCK: Mapping[str, str] = {
    name: value
    for name, value in API_SERVER.items()
    if name.startswith(
        ("client-", "etcd-", "kubelet-client", "service-account-key", "tls-cert", "tls-private")
    )
    or name == "authorization-mode"
} | {"enable-admission-plugins": "NodeRestriction"}
MANAGER: Mapping[str, str] = {
    "bind-address": "127.0.0.1",
    "profiling": "false",
    "root-ca-file": f"{PKI}/ca.crt",
    "service-account-private-key-file": f"{PKI}/sa.key",
    "terminated-pod-gc-threshold": "1000",
    "use-service-account-credentials": "true",
}


def files() -> dict[str, File]:
    """Files of the hardened control plane."""
    ca, etcd_ca = certificate("kubernetes", ca=True), certificate("etcd-ca", ca=True)
    client = certificate("kube-apiserver-kubelet-client", "system:masters", client=True)
    texts = {
        f"{PKI}/ca.crt": ca,
        f"{PKI}/etcd/ca.crt": etcd_ca,
        f"{PKI}/apiserver.crt": certificate("kube-apiserver"),
        f"{PKI}/apiserver-kubelet-client.crt": client,
        f"{PKI}/apiserver-etcd-client.crt": certificate("kube-apiserver-etcd-client", client=True),
        **{
            f"{PKI}/{name}": "key"
            for name in (
                "apiserver.key",
                "apiserver-kubelet-client.key",
                "apiserver-etcd-client.key",
                "sa.pub",
                "sa.key",
            )
        },
        f"{CIS}/authentication.yaml": AUTHENTICATION,
        f"{CIS}/authorization.yaml": AUTHORIZATION,
        f"{CIS}/admission.yaml": ADMISSION,
        f"{CIS}/pod-security.yaml": POD_SECURITY,
        f"{CIS}/encryption.yaml": ENCRYPTION,
        f"{CIS}/audit.yaml": AUDIT,
        f"{CIS}/scheduler.yaml": SCHEDULER,
    }
    return {path: File(text) for path, text in texts.items()}


def words(flags: Mapping[str, str], changes: Mapping[str, str | None]) -> list[str]:
    """Arguments; a flag that is None is removed."""
    merged = {**flags, **{name.replace("_", "-"): value for name, value in changes.items()}}
    return [f"--{name}={value}" for name, value in merged.items() if value is not None]


def api_server(
    *more: str,
    put: Mapping[str, File | str | None] | None = None,
    base: Mapping[str, str] = API_SERVER,
    **flags: str | None,
) -> Callable[[], FakeReader]:
    """A host with an API server.

    :param more: arguments behind all others. :param put: files that differ; None takes one away.
    :param flags: flags that differ, with underscores.
    """

    def make() -> FakeReader:
        running = process("kube-apiserver", *words(base, flags), *more)
        changed = {path: File(file) if isinstance(file, str) else file for path, file in (put or {}).items()}
        return FakeReader((running,), files()).with_files(changed)

    return make


def manager(
    *more: str, put: Mapping[str, File | str | None] | None = None, **flags: str | None
) -> Callable[[], FakeReader]:
    """A host with a controller manager."""

    def make() -> FakeReader:
        running = process("kube-controller-manager", *words(MANAGER, flags), *more)
        changed = {path: File(file) if isinstance(file, str) else file for path, file in (put or {}).items()}
        return FakeReader((running,), files()).with_files(changed)

    return make


def scheduler(
    *arguments: str, put: Mapping[str, File | str | None] | None = None
) -> Callable[[], FakeReader]:
    """A host with a scheduler."""

    def make() -> FakeReader:
        changed = {path: File(file) if isinstance(file, str) else file for path, file in (put or {}).items()}
        return FakeReader((process("kube-scheduler", *arguments),), files()).with_files(changed)

    return make


def check(case: Case, checks: Mapping[str, Callable[[FakeReader], Result]]) -> None:
    """Evaluate a case, and compare the result."""
    result = checks[case.check](case.given())
    told = f"{result.message} " + " ".join(str(evidence.to_dict()) for evidence in result.evidence)
    assert result.id == case.check
    assert (result.status, result.literal or result.status) == (case.status, case.literal or case.status), (
        told
    )
    assert result.evidence, "a verdict without evidence"
    for words_ in case.says:
        assert words_ in told
    assert result.to_dict()["message"]
