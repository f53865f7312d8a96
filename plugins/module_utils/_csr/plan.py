# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Decide which requests for serving certificates of kubelets are approved. Pure: objects in, decisions out.

What the signer C(kubernetes.io/kubelet-serving) itself insists on is in the Kubernetes documentation (reference, access
and authorization, certificate signing requests, Kubernetes signers) and in C(ValidateKubeletServingCSR) of
C(pkg/apis/certificates/helpers.go): the organization is C(system:nodes) alone, the common name begins with
C(system:node:), there is a DNS name or an address and neither an email address nor a URI, and the usages are one of two
sets. The API server has verified the request's own signature, and records who made it. What the signer does not check
is whether the names belong to the requester: a node could ask for the name of another, and may write any address into
its own Node object. So both are compared with the inventory here.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import itertools
import re
import typing as t
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone

from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._formats import x509

SIGNER = "kubernetes.io/kubelet-serving"
USER_PREFIX = "system:node:"
NODES_GROUP = "system:nodes"
APPROVE, REFUSE, IGNORE = "approve", "refuse", "ignore"
# The API server took neither approval nor denial.
FAILED = "failed"
# A kubelet waits 15 minutes for its certificate and then discards the key (certificateWaitTimeout in client-go's
# certificate manager), so an older request is of no use to it.
MAX_AGE = 3600

_GROUPS = (NODES_GROUP, "system:authenticated")
# kubeletServingRequiredUsages and kubeletServingRequiredUsagesNoRSA of helpers.go.
_USAGES = (
    frozenset({"digital signature", "key encipherment", "server auth"}),
    frozenset({"digital signature", "server auth"}),
)
_EXTENSIONS = frozenset({x509.SUBJECT_ALT_NAME, x509.KEY_USAGE, x509.EXTENDED_KEY_USAGE})
_CURVES = frozenset({"P-256", "P-384", "P-521", "Ed25519"})
_MIN_RSA_BITS = 2048
# A kubelet asks for the addresses and names of its Node object: five or six.
_MAX_NAMES = 50
# Base64 (of the API) of the longest text that is read, which is base64 itself.
_MAX_ENCODED = x509.MAX_REQUEST_BYTES * 2
# Of what a request says, in messages.
_SHOWN_VALUES, _SHOWN_CHARACTERS = 5, 300
_FINAL = ("Approved", "Denied", "Failed")
_IP_TYPES = ("InternalIP", "ExternalIP", "Hostname")
_DNS_TYPES = ("Hostname", "InternalDNS", "ExternalDNS")
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DNS_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
# What names the API server to Pods, another Service, or whoever asks.
_NO_HOST = re.compile(
    r"kubernetes(?:\..*)?|.*\.svc(?:\..*)?|(?:.*\.)?localhost(?:\.localdomain)?|localhost[46]?(?:\.localdomain[46]?)?"
    r"|ip6-(?:localhost|loopback)"
)


class InventoryError(OperatorError):
    """The allow-list is not usable."""


@dataclass(frozen=True)
class Allowed:
    """The addresses and names that a node may have certificates for.

    :param addresses: in their usual form. :param names: beside the node's own name.
    """

    addresses: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Reason:
    """Why a request is not approved.

    :param code: for programs. :param text: for people.
    """

    code: str
    text: str


@dataclass(frozen=True)
class Decision:
    """The decision about one request.

    :param request: name of the object. :param node: the requester, as far as that is known.
    :param verdict: C(approve), C(refuse), C(ignore) (there is nothing to decide) or C(failed).
    :param names: what it asks to be valid for.
    """

    request: str
    node: str
    verdict: str
    reasons: tuple[Reason, ...] = ()
    names: tuple[str, ...] = ()

    def why(self) -> str:
        """The reasons in one line."""
        return "; ".join(reason.text for reason in self.reasons)


def parse_allowed(nodes: t.Any) -> dict[str, Allowed]:
    """Read C({node: {addresses: [...], names: [...]}}); an entry may also say which C(host) of an inventory it is.

    :raises InventoryError: for anything that is not exactly that, for an address or a name that no node can have, and
        for one that two nodes have.
    """
    if not isinstance(nodes, dict):
        raise InventoryError(
            "The nodes are no mapping from node names.", "Give each node's addresses and names."
        )
    found = {_dns_name(name, "a node"): _allowed(name, entry) for name, entry in nodes.items()}
    owners: dict[str, str] = {name: name for name in found}
    for node, own in found.items():
        for one in sorted(own.addresses | own.names):
            if owners.setdefault(one, node) != node:
                raise InventoryError(
                    f"{one} belongs to both {owners[one]} and {node}; each could impersonate the other.",
                    "Give every node its own addresses and names.",
                )
    return found


def _allowed(node: str, entry: t.Any) -> Allowed:
    if not isinstance(entry, dict) or set(entry) - {"addresses", "names", "host"}:
        raise InventoryError(f"Node {node} has something else than addresses and names.", "Give these two.")
    parts: dict[str, list[str]] = {}
    for field in ("addresses", "names"):
        values = entry.get(field) or []
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise InventoryError(f"{field} of node {node} is no list of texts.", "Write it as a list.")
        parts[field] = values
    return Allowed(
        frozenset(_address(value, node) for value in parts["addresses"]),
        frozenset(_dns_name(value, f"node {node}") for value in parts["names"]),
    )


def _address(text: str, node: str) -> str:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise InventoryError(f"{text!r} of node {node} is no IP address.", "Give single addresses.") from None
    mapped = getattr(address, "ipv4_mapped", None)
    if "%" in text or mapped or of_no_host(text):
        raise InventoryError(
            f"{text} of node {node} is no address by which others reach it.", "Give the node's own address."
        )
    return str(address)


def of_no_host(one: str) -> bool:
    """Whether this address or name, in its usual form, can be that of no single host among several."""
    try:
        address = ipaddress.ip_address(one)
    except ValueError:
        return _NO_HOST.fullmatch(one) is not None
    if address.version == 4 and address.is_reserved:
        # Of version 6, what Python calls reserved may be assigned one day.
        return True
    return address.is_loopback or address.is_unspecified or address.is_multicast or address.is_link_local


def _dns_name(text: t.Any, whose: str) -> str:
    if not isinstance(text, str) or len(text) > 253 or not _DNS_NAME.fullmatch(text):
        raise InventoryError(
            f"{text!r} of {whose} is no DNS name in lower case without wildcards.", "Give the whole name."
        )
    if of_no_host(text):
        raise InventoryError(
            f"{text!r} of {whose} is a name of the API server, of a Service or of every host itself, and of no node.",
            "Give the node a name of its own.",
        )
    return text


def failed(decision: Decision, exc: Exception) -> Decision:
    """The decision about a request that could not be approved or denied."""
    why = Reason(f"answer-{getattr(exc, 'status', 'unusable')}", str(exc))
    return replace(decision, verdict=FAILED, reasons=(why,))


def requester(csr: t.Mapping[str, t.Any]) -> str:
    """Name of the node whose kubelet made the request, empty when no node did."""
    name = str((csr.get("spec") or {}).get("username") or "")
    return name[len(USER_PREFIX) :] if name.startswith(USER_PREFIX) else ""


def from_node(csr: t.Mapping[str, t.Any]) -> bool:
    """Whether the identity that the API server has recorded is that of a node."""
    groups = (csr.get("spec") or {}).get("groups") or ()
    return bool(_DNS_NAME.fullmatch(requester(csr))) and all(group in groups for group in _GROUPS)


def relevant(csr: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Of a request what C(decide) reads, without a content that is too large for it."""
    metadata, spec, status = (csr.get(part) or {} for part in ("metadata", "spec", "status"))
    content = spec.get("request")
    return {
        "metadata": {name: metadata.get(name) for name in ("name", "creationTimestamp")},
        "spec": {
            **{name: spec.get(name) for name in ("signerName", "username", "groups", "usages")},
            "request": content[: _MAX_ENCODED + 1] if isinstance(content, str) else None,
        },
        "status": {"conditions": status.get("conditions"), "certificate": status.get("certificate")},
    }


def undecided(csr: t.Mapping[str, t.Any]) -> bool:
    """Whether it is for the kubelet-serving signer and still pending."""
    status = csr.get("status") or {}
    conditions = {condition.get("type") for condition in status.get("conditions") or ()}
    return (
        (csr.get("spec") or {}).get("signerName") == SIGNER
        and not conditions.intersection(_FINAL)
        and not status.get("certificate")
    )


def decide(
    csr: t.Mapping[str, t.Any],
    node: t.Mapping[str, t.Any] | None,
    allowed: t.Mapping[str, Allowed],
    now: datetime,
    max_age: int = MAX_AGE,
) -> Decision:
    """Decide about one request.

    :param csr: C(CertificateSigningRequest) of C(certificates.k8s.io/v1), as the API has it.
    :param node: the Node object of C(requester(csr)), C(None) when there is none.
    :param allowed: the inventory. :param now: with time zone. :param max_age: seconds after which it is ignored.
    """
    name = str((csr.get("metadata") or {}).get("name") or "")
    own = requester(csr)
    if not undecided(csr):
        return Decision(name, own, IGNORE, (_decided(csr),))
    age = _age(csr, now)
    if age is not None and age > timedelta(seconds=max_age):
        hours = age.total_seconds() / 3600
        return Decision(
            name,
            own,
            IGNORE,
            (Reason("stale", f"it was made {hours:.1f} h ago, and the kubelet no longer waits for it"),),
        )
    if not from_node(csr):
        username = (csr.get("spec") or {}).get("username")
        return Decision(name, own, IGNORE, (Reason("no-node", f"{username!r} made it, and not a node"),))
    unknown = tuple(_node_reasons(own, node, allowed))
    if unknown:
        # Nothing that it could ask for would be approved, so its content is not read.
        return Decision(name, own, REFUSE, unknown)
    reasons = list(_usage_reasons((csr.get("spec") or {}).get("usages") or ()))
    if age is None:
        reasons.append(Reason("no-time", "it does not say when it was made"))
    try:
        request = _content(csr)
    except x509.CertificateError as exc:
        return Decision(
            name, own, REFUSE, (*reasons, Reason("unreadable", f"its content cannot be read: {exc}"))
        )
    reasons += _subject_reasons(request, own)
    reasons += _content_reasons(request)
    names = (*request.names.dns, *request.names.ips)
    if request.names.count > _MAX_NAMES:
        reasons.append(
            Reason("names", f"it asks for {request.names.count} names, expected at most {_MAX_NAMES}")
        )
        names = names[:_MAX_NAMES]
    else:
        reasons += _name_reasons(request.names, own, node or {}, allowed[own])
    return Decision(name, own, REFUSE if reasons else APPROVE, tuple(reasons), names)


def _decided(csr: t.Mapping[str, t.Any]) -> Reason:
    signer = str((csr.get("spec") or {}).get("signerName") or "")
    if signer != SIGNER:
        return Reason("other-signer", f"it is for the signer {signer}")
    return Reason("decided", "it is already decided about")


def _age(csr: t.Mapping[str, t.Any], now: datetime) -> timedelta | None:
    try:
        made = datetime.strptime(str(csr["metadata"]["creationTimestamp"]), "%Y-%m-%dT%H:%M:%SZ")
    except (KeyError, TypeError, ValueError):
        return None
    return now - made.replace(tzinfo=timezone.utc)


def _content(csr: t.Mapping[str, t.Any]) -> x509.Request:
    encoded = (csr.get("spec") or {}).get("request")
    if not isinstance(encoded, str):
        raise x509.CertificateError("there is none")
    if len(encoded) > _MAX_ENCODED:
        raise x509.CertificateError(f"it is larger than {x509.MAX_REQUEST_BYTES // 1024} KiB")
    try:
        text = base64.b64decode(encoded, validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        raise x509.CertificateError("it is no PEM text") from None
    return x509.parse_request_pem(text)


def _usage_reasons(usages: t.Sequence[str]) -> t.Iterator[Reason]:
    if frozenset(usages) not in _USAGES:
        yield Reason(
            "usages",
            f"it is for [{', '.join(map(str, usages))}], expected digital signature and server auth, with or without"
            " key encipherment",
        )


def _node_reasons(
    name: str, node: t.Mapping[str, t.Any] | None, allowed: t.Mapping[str, Allowed]
) -> t.Iterator[Reason]:
    if name not in allowed:
        yield Reason("not-in-inventory", f"the inventory has no node {name!r}")
    elif node is None or (node.get("metadata") or {}).get("name") != name:
        yield Reason("no-object", f"the cluster has no node {name!r}")


def _subject_reasons(request: x509.Request, name: str) -> t.Iterator[Reason]:
    wanted = USER_PREFIX + name
    if request.common_names != (wanted,):
        yield Reason("common-name", f"its common name is {_shown(request.common_names)}, expected {wanted}")
    if request.organizations != (NODES_GROUP,):
        yield Reason(
            "organization", f"its organization is {_shown(request.organizations)}, expected {NODES_GROUP}"
        )
    others = {own for own, _value in request.subject} - {x509.COMMON_NAME, x509.ORGANIZATION}
    if others:
        yield Reason("subject", f"its subject has attributes that no kubelet gives: {_shown(sorted(others))}")


def _content_reasons(request: x509.Request) -> t.Iterator[Reason]:
    names = request.names
    odd = (*names.emails, *names.uris, *names.others)
    if odd:
        yield Reason("name-kind", f"it asks for more than DNS names and IP addresses: {_shown(odd)}")
    if not names.dns and not names.ips:
        yield Reason("no-names", "it asks for neither a DNS name nor an IP address")
    key = request.key
    if key.kind not in _CURVES and not (key.kind == "RSA" and key.size >= _MIN_RSA_BITS):
        yield Reason("key", f"its key is {key}, expected RSA of {_MIN_RSA_BITS} bits, P-256 or better")
    others = sorted(set(request.extensions) - _EXTENSIONS)
    if others:
        yield Reason("extensions", f"it asks for extensions that no kubelet asks for: {_shown(others)}")
    usages = sorted(set(request.key_usages or ()) - _USAGES[0])
    if usages:
        yield Reason("key-usages", f"its content asks for {_shown(usages)}")


def _name_reasons(
    names: x509.AltNames, name: str, node: t.Mapping[str, t.Any], allowed: Allowed
) -> t.Iterator[Reason]:
    in_node = {x509.canonical_name(one) for one in _reported(node, _IP_TYPES)}
    for address in names.ips:
        # The node writes its own addresses; only with the inventory do they prove something.
        if address not in allowed.addresses:
            yield Reason("address-not-in-inventory", f"the inventory does not give {address} to this node")
        if address not in in_node:
            yield Reason("address-not-in-object", f"the Node object does not have the address {address}")
    known = {name, *_reported(node, _DNS_TYPES)}
    for one in names.dns:
        if one not in {name, *allowed.names}:
            yield Reason(
                "name-not-in-inventory", f"the inventory does not give the name {one!r} to this node"
            )
        if one not in known:
            yield Reason("name-not-in-object", f"the Node object does not have the name {one!r}")


def _reported(node: t.Mapping[str, t.Any], types: t.Collection[str]) -> set[str]:
    addresses = (node.get("status") or {}).get("addresses") or ()
    return {str(entry.get("address") or "") for entry in addresses if entry.get("type") in types}


def _shown(values: t.Iterable[str]) -> str:
    shown = [repr(value[:_SHOWN_CHARACTERS]) for value in itertools.islice(values, _SHOWN_VALUES + 1)]
    return ", ".join(shown[:_SHOWN_VALUES] + ["..."] * (len(shown) > _SHOWN_VALUES)) or "missing"
