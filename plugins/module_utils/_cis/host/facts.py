# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Facts of hosts that the checks of the cluster need, and that the API does not have."""

from __future__ import annotations

import base64
import binascii
import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.host import (
    admission,
    audit_policy,
    kubelet,
    structured,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.host.programs import (
    Program,
    Undecided,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.host.reader import API_SERVER, Reader
from ansible_collections.baremetal.kubernetes.plugins.module_utils._formats import x509, yaml

_DIRECTORY = "/etc/kubernetes"
_PKI = f"{_DIRECTORY}/pki"
_T = t.TypeVar("_T")


def cluster_facts(reader: Reader) -> dict[str, t.Any]:
    """Facts of one host; its state never raises."""
    return {
        "api_server": _api_server(reader),
        "kubelet": _kubelet(reader),
        "certificates": _certificates(reader),
    }


def _api_server(reader: Reader) -> dict[str, t.Any] | None:
    processes = reader.processes(API_SERVER)
    if not processes:
        return None
    program = Program(reader, processes[0])
    errors: list[str] = []

    def tried(ask: t.Callable[[Program], _T], otherwise: _T) -> _T:
        try:
            return ask(program)
        except Undecided as exc:
            errors.append(str(exc))
            return otherwise

    plugins = admission.enabled(program)
    return {
        "admission_plugins": sorted(plugins),
        "pod_security": tried(_pod_security, None),
        "image_policy_webhook": "ImagePolicyWebhook" in plugins,
        "audit": tried(_audit, False),
        "encryption": tried(_encryption, None),
        "errors": errors,
    }


def _pod_security(program: Program) -> dict[str, t.Any] | None:
    found = structured.plugin(program, "PodSecurity", "PodSecurityConfiguration")
    return structured.pod_security(found) if found else None


def _audit(program: Program) -> bool:
    path = program.value("audit-policy-file")
    backend = program.value("audit-log-path") or program.value("audit-webhook-config-file")
    if not path or not backend:
        return False
    return bool(audit_policy.read(structured.document(program, path, "Policy")).rules)


def _encryption(program: Program) -> dict[str, list[str]] | None:
    path = program.value("encryption-provider-config")
    if not path:
        return None
    found = structured.document(program, path, "EncryptionConfiguration", "EncryptionConfig")
    # The version of a KMS plugin's API is irrelevant to the checks of the cluster.
    return {"secrets": [name.partition(" ")[0] for name in structured.encryption_of_secrets(found)]}


def _kubelet(reader: Reader) -> dict[str, bool | None] | None:
    known = kubelet.find(reader)
    if known is None:
        return None
    try:
        value = known.seccomp_default().value
    except kubelet.Unknown:
        value = None
    return {"seccomp_default": value if isinstance(value, bool) else None}


# --- certificates ---------------------------------------------------------------------------------------------------


def _certificates(reader: Reader) -> list[dict[str, t.Any]]:
    """Client certificates in kubeadm's files; unreadable ones are omitted."""
    found = []
    for directory, ending in ((_DIRECTORY, ".conf"), (_PKI, ".crt")):
        for fact in reader.walk(directory):
            name = fact.path[len(directory) + 1 :]
            if fact.kind != "file" or "/" in name or not name.endswith(ending):
                continue
            read = _of_kubeconfig if ending == ".conf" else _of_file
            found += [_described(fact.path, pem, ending) for pem in read(reader, fact.path)]
    return [item for item in found if item]


def _text(reader: Reader, path: str) -> str:
    try:
        return reader.read(path).decode()
    except (OSError, UnicodeDecodeError):
        return ""


def _of_file(reader: Reader, path: str) -> list[str]:
    return [_text(reader, path)]


def _of_kubeconfig(reader: Reader, path: str) -> list[str]:
    try:
        whole = yaml.load(_text(reader, path))
    except yaml.YamlError:
        return []
    users = whole.get("users") if isinstance(whole, dict) else None
    found = []
    for item in users if isinstance(users, list) else []:
        user = item.get("user") if isinstance(item, dict) else None
        if not isinstance(user, dict):
            continue
        if user.get("client-certificate-data"):
            try:
                found.append(base64.b64decode(str(user["client-certificate-data"]), validate=True).decode())
            except (binascii.Error, ValueError):
                continue
        elif user.get("client-certificate"):
            found.append(_text(reader, str(user["client-certificate"])))
    return found


def _described(path: str, pem: str, ending: str) -> dict[str, t.Any] | None:
    try:
        certificate = x509.parse_pem(pem)
    except x509.CertificateError:
        return None
    if certificate.is_ca or "client auth" not in certificate.key_usages:
        return None
    return {
        "path": path,
        "common_name": certificate.common_name,
        "organizations": list(certificate.organizations),
        "subject_kind": "kubeconfig" if ending == ".conf" else "file",
    }
