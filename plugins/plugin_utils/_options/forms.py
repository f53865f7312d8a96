# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""The form that the text of an option must have, by the rules of the programs that read it. Pure.

Kubernetes checks names when an object with them is created, kubeadm in the middle of an installation, and a registry
that is written as a URL only answers with an error of HTTP. Names of the cluster cannot be changed later.
"""

from __future__ import annotations

import ipaddress
import re
import typing as t
import urllib.parse

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_SUBDOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
# A component of a repository in the distribution specification of OCI.
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_VERSION = re.compile(r"(?:0|[1-9]\d*)(?:\.(?:0|[1-9]\d*)){2}(?:[-+][0-9A-Za-z.+-]+)?", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_SPLIT = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\[\]:/\s]+)(?::(?P<port>[0-9]{1,5}))?")

NAME_FORM = (
    "lower-case letters, digits, '-' and '.', each part at most 63 characters, beginning and ending with a letter or"
    " digit (RFC 1123)"
)


def is_subdomain(text: str) -> bool:
    """Whether Kubernetes takes a text as a name (IsDNS1123Subdomain)."""
    return len(text) <= 253 and _SUBDOMAIN.fullmatch(text) is not None


def is_address(text: str) -> bool:
    """Whether a text is an IP address, without a zone."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return "%" not in text


def _suggestion(text: str, correct: t.Callable[[str], str]) -> str:
    """The same value in lower case, where that is all that is wrong."""
    lower = text.lower()
    return f": {lower}" if lower != text and not correct(lower) else ""


def _host_problem(host: str) -> str:
    """Why a text is neither a name nor an address; empty for one of them."""
    if host.startswith("["):
        inner = host[1:-1]
        return "" if is_address(inner) and ":" in inner else "an IPv6 address in the brackets"
    # Names of digits alone are addresses with a typing error.
    if re.fullmatch(r"[0-9.]+", host):
        return "" if is_address(host) else "an IP address"
    return "" if is_subdomain(host) else f"an IP address or a name of {NAME_FORM}"


def host_and_port(text: str) -> tuple[str, int | None] | None:
    """Host, without brackets, and port of C(HOST[:PORT]); C(None) for another form."""
    match = _SPLIT.fullmatch(text)
    if match is None or _host_problem(match["host"]):
        return None
    port = int(match["port"]) if match["port"] else None
    if port is not None and not 0 < port < 65536:
        return None
    return match["host"].strip("[]"), port


def endpoint(text: str) -> str:
    """As kubeadm's controlPlaneEndpoint. Our own clients want the port, too."""
    form = "HOST:PORT, such as k8s.example.org:6443 or [2001:db8::1]:6443"
    if "://" in text:
        return f"{form}, without {text.partition('://')[0]}://"
    match = _SPLIT.fullmatch(text)
    if match is None:
        return form
    wrong = _host_problem(match["host"])
    if wrong:
        return f"{form}, with {wrong}{_suggestion(text, endpoint)}"
    if not match["port"] or not 0 < int(match["port"]) < 65536:
        return f"{form}, with a port from 1 to 65535"
    return ""


def registry(text: str) -> str:
    """An address of a registry, as it stands before the name of an image."""
    form = "HOST[:PORT][/PATH], such as registry.example.org:5000 or registry.example.org/mirror"
    if "://" in text:
        return f"{form}, without {text.partition('://')[0]}://"
    host, _slash, path = text.partition("/")
    if host_and_port(host) is None:
        return f"{form}{_suggestion(text, registry)}"
    if "/" in text and not re.fullmatch(rf"{_COMPONENT}(?:/{_COMPONENT})*", path):
        return f"{form}, with a path of lower-case letters, digits, '.', '_' and '-' and no slash at its end"
    return ""


def registry_host(text: str) -> str:
    """The host of a registry, as images name it."""
    return "" if host_and_port(text) else "HOST[:PORT] of a registry, such as quay.io"


def url(text: str) -> str:
    """A URL of HTTP, without what a path could not be appended to."""
    form = "a URL, such as https://mirror.example.org/files"
    if re.search(r"[\s\"'\\<>^`{|}]", text):
        return f"{form}, without white space and quotes"
    try:
        parts = urllib.parse.urlsplit(text)
        known = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return form
    if parts.scheme not in {"http", "https"} or not known:
        return form
    return f"{form}, without ? and #" if parts.query or parts.fragment else ""


def version(text: str) -> str:
    """A version as the lock file has it."""
    form = "MAJOR.MINOR.PATCH, such as 1.36.4"
    if _VERSION.fullmatch(text):
        return ""
    return f"{form}, without v: {text[1:]}" if text[:1] in "vV" and _VERSION.fullmatch(text[1:]) else form


def subdomain(text: str) -> str:
    """A name of Kubernetes."""
    return "" if is_subdomain(text) else f"a name of {NAME_FORM}{_suggestion(text, subdomain)}"


def label(text: str) -> str:
    """A namespace."""
    if re.fullmatch(_LABEL, text):
        return ""
    return f"a name of at most 63 lower-case letters, digits and '-' (RFC 1123){_suggestion(text, label)}"


def certificate_name(text: str) -> str:
    """An entry of certSANs, as kubeadm takes it."""
    name = text.removeprefix("*.")
    return "" if is_address(text) or is_subdomain(name) else f"an IP address or a name of {NAME_FORM}"


def address(text: str) -> str:
    """An IP address."""
    return "" if is_address(text) else "an IP address, such as 192.0.2.11"


def cluster_name(text: str) -> str:
    """It is in names of files, contexts and reports."""
    return "" if _NAME.fullmatch(text) else "letters, digits, '.', '_' and '-', at most 63 characters"


#: Option -> what is wrong with a text, empty when nothing is. An empty text is always right, as it means none.
FORMS: dict[str, t.Callable[[str], str]] = {
    "api_endpoint_address": address,
    "cluster_dns_domain": subdomain,
    "cluster_endpoint": endpoint,
    "cluster_files_url": url,
    "cluster_kubernetes_version": version,
    "cluster_name": cluster_name,
    "cluster_node_address": address,
    "cluster_node_name": subdomain,
    "cluster_registry": registry,
    "cluster_versions": version,
    "container_runtime_mirrored_registries": registry_host,
    "control_plane_cert_sans": certificate_name,
    "control_plane_pod_security_exempt": label,
    "mirror_files_url": url,
    "mirror_registry": registry,
    "network_isolated_namespaces": label,
    "preflight_urls": lambda text: url(text.replace("{arch}", "amd64").partition("?")[0]),
}
#: Options that cannot be without a value.
NEEDED = ("cluster_dns_domain", "cluster_kubernetes_version", "cluster_name")


def problem(name: str, value: t.Any) -> tuple[str, str] | None:
    """The text of an option, or in it, whose form is wrong, and the form that is expected.

    :param value: a text, or texts in a list or as the values of a dictionary.
    """
    form = FORMS.get(name)
    if form is None:
        return None
    texts = value.values() if isinstance(value, t.Mapping) else [value] if isinstance(value, str) else value
    for text in texts:
        if not text and name not in NEEDED:
            continue
        expected = form(text) if isinstance(text, str) else "text"
        if expected:
            return text, expected
    return None
