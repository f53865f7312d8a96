# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Facts of hosts that the checks of the cluster need, and that the API does not have."""

from __future__ import annotations

import base64
import binascii
import posixpath
import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.host import (
    admission,
    audit_policy,
    keys,
    kubelet,
    structured,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.host.programs import (
    Program,
    Undecided,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.host.reader import (
    API_SERVER,
    FileFact,
    Reader,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._formats import x509, yaml

_DIRECTORY = "/etc/kubernetes"
_PKI = f"{_DIRECTORY}/pki"
# Usages of the extension keyUsage; all others are extended ones.
_BASIC = frozenset(
    {
        *(
            "digital signature",
            "content commitment",
            "key encipherment",
            "data encipherment",
            "key agreement",
        ),
        *("cert sign", "crl sign", "encipher only", "decipher only"),
    }
)
_T = t.TypeVar("_T")


def cluster_facts(reader: Reader) -> dict[str, t.Any]:
    """Facts of one host; its state never raises."""
    certificates, unread = _certificates(reader)
    return {
        "api_server": _api_server(reader),
        "kubelet": _kubelet(reader),
        "certificates": certificates,
        "unread": unread,
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


class _Unread(Exception):  # noqa: N818 - an answer, not an error of this program
    """A file may hold a client certificate, but could not be read; the text says why."""


def _certificates(reader: Reader) -> tuple[list[dict[str, t.Any]], list[dict[str, str]]]:
    """Client certificates in kubeadm's directory, by content, and files that could not be read.

    Certificates of other authorities, such as etcd's, mean nothing to the API server.
    """
    trusted, unread = _authorities(reader)
    found: list[dict[str, t.Any]] = []
    for fact in reader.walk(_DIRECTORY):
        held, reason = _tried(reader, fact, trusted)
        found += held
        if reason:
            unread.append({"path": fact.path, "reason": reason})
    return found, unread


def _tried(
    reader: Reader, fact: FileFact, trusted: list[x509.Certificate]
) -> tuple[list[dict[str, t.Any]], str]:
    """Certificates in a file, and why it could not be read."""
    if fact.error or fact.kind != "file":
        return [], fact.error
    try:
        return _held(reader, fact.path, trusted), ""
    except _Unread as exc:
        return [], str(exc)


def _authorities(reader: Reader) -> tuple[list[x509.Certificate], list[dict[str, str]]]:
    """The authorities that the API server trusts; empty, which filters nothing, when they are not known."""
    paths = [(f"{_PKI}/ca.crt", None)]
    for process in reader.processes(API_SERVER):
        path = Program(reader, process).value("client-ca-file")
        if path:
            paths = [(path, process)]
    try:
        return x509.parse_bundle(reader.read(*paths[0]).decode("ascii", "replace")), []
    except FileNotFoundError:
        return [], []
    except (OSError, x509.CertificateError) as exc:
        return [], [{"path": paths[0][0], "reason": _reason(exc)}]


def _reason(exc: Exception) -> str:
    return exc.strerror or str(exc) if isinstance(exc, OSError) else str(exc)


def _data(reader: Reader, path: str) -> bytes:
    try:
        return keys.content(reader, path)
    except OSError as exc:
        raise _Unread(_reason(exc)) from exc


def _held(reader: Reader, path: str, trusted: list[x509.Certificate]) -> list[dict[str, t.Any]]:
    data = _data(reader, path)
    kubeconfig = keys.names_certificate(data) or (path.endswith(".conf") and bool(data))
    if kubeconfig:
        texts = _of_kubeconfig(reader, path, data)
    elif b"-----BEGIN CERTIFICATE-----" in data:
        texts = [data.decode("ascii", "replace")]
    elif path.endswith(".crt"):
        raise _Unread("no PEM certificate")
    else:
        return []
    return [
        {
            "path": path,
            "common_name": certificate.common_name,
            "organizations": list(certificate.organizations),
            "subject_kind": "kubeconfig" if kubeconfig else "file",
        }
        for text in texts
        for certificate in _parsed(text)
        if _is_client(certificate) and (not trusted or any(x509.issued_by(certificate, ca) for ca in trusted))
    ]


def _parsed(text: str) -> list[x509.Certificate]:
    try:
        return x509.parse_bundle(text)
    except x509.CertificateError as exc:
        raise _Unread(str(exc)) from exc


def _is_client(certificate: x509.Certificate) -> bool:
    """Whether Go takes it as a client certificate: without any extended usage, it may be used for everything."""
    extended = {
        usage for usage in certificate.key_usages if usage not in _BASIC and not usage.startswith("bit ")
    }
    return not certificate.is_ca and (not extended or bool(extended & {"client auth", "any"}))


def _of_kubeconfig(reader: Reader, path: str, data: bytes) -> list[str]:
    """The client certificates of a kubeconfig. :raises _Unread: for what Kubernetes may read, and this does not."""
    try:
        whole = yaml.load(data.decode())
    except (yaml.YamlError, UnicodeDecodeError) as exc:
        raise _Unread(str(exc)) from exc
    users = whole.get("users") if isinstance(whole, dict) else None
    found = []
    for item in users if isinstance(users, list) else []:
        user = item.get("user") if isinstance(item, dict) else None
        if not isinstance(user, dict):
            continue
        if user.get("client-certificate-data"):
            # Go's decoder leaves out line breaks.
            text = str(user["client-certificate-data"]).replace("\n", "").replace("\r", "")
            try:
                found.append(base64.b64decode(text, validate=True).decode("ascii", "replace"))
            except (binascii.Error, ValueError) as exc:
                raise _Unread("client-certificate-data is not base64") from exc
        elif user.get("client-certificate"):
            named = posixpath.join(posixpath.dirname(path), str(user["client-certificate"]))
            if reader.stat(named).kind != "missing" or reader.stat(named).error:
                found.append(_data(reader, named).decode("ascii", "replace"))
    return found
