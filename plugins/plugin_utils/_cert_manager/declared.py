# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Make objects of cert-manager 1.21 from issuers, and say what its controller has to reach for them. Pure."""

from __future__ import annotations

import base64
import typing as t
import urllib.parse
from dataclasses import dataclass

from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cert_manager.issuers import (
    Acme,
    Authority,
    Credential,
    Http01,
    Issuer,
    Rfc2136,
    Solver,
    Webhook,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._options import forms

Json = dict[str, t.Any]

CERT_MANAGER = "cert-manager.io/v1"
GATEWAY = "gateway.networking.k8s.io"
#: The set that all these objects are part of, by which it is known whose a ClusterIssuer is.
SET = "certificates-issuers"
#: Signs the CAs that cert-manager makes; it has no key of its own.
SELF_SIGNED = "self-signed"
#: Key of a Secret with one value.
VALUE = "key"
_NAMESPACE = "k8s:io.kubernetes.pod.namespace"
_YEAR_HOURS = 365 * 24
_DNS_PORT, _HTTP_PORT, _HTTPS_PORT = 53, 80, 443


@dataclass(frozen=True)
class Reach:
    """What the controller connects to.

    :param ports: port and protocol, at any address. :param namespaces: whose pods it reaches at any port, as Cilium
        knows the port of a pod, and an inventory that of a Service.
    """

    ports: tuple[tuple[int, str], ...]
    namespaces: tuple[str, ...]


def account_secret(issuer: Issuer) -> str:
    """Name of the Secret in which cert-manager keeps the key of the ACME account."""
    return f"{issuer.name}-account"


def made_secret(issuer: Issuer) -> str:
    """Name of the Secret of a CA that cert-manager makes."""
    return f"{issuer.name}-ca"


def _given_secret(issuer: Issuer) -> str:
    # Another name than that of a made CA, whose key would be lost otherwise.
    return f"{issuer.name}-given"


def _account_binding_secret(issuer: Issuer) -> str:
    return f"{issuer.name}-eab"


def _tsig_secret(issuer: Issuer, number: int) -> str:
    return f"{issuer.name}-tsig-{number}"


def _b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _secret(name: str, namespace: str, values: t.Mapping[str, str], kind: str = "Opaque") -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "type": kind,
        "data": {key: _b64(value) for key, value in values.items()},
    }


def _solvers(issuer: Issuer) -> t.Iterator[tuple[int, Solver]]:
    if isinstance(issuer.kind, Acme):
        yield from enumerate(issuer.kind.solvers)


def secrets(issuers: t.Iterable[Issuer], namespace: str) -> list[Json]:
    """Secrets of what an inventory has, with their values.

    :param namespace: of cert-manager's cluster resources.
    """
    found = []
    for issuer in issuers:
        kind = issuer.kind
        if isinstance(kind, Authority) and kind.certificate:
            pair = {"tls.crt": kind.certificate, "tls.key": kind.key}
            found.append(_secret(_given_secret(issuer), namespace, pair, "kubernetes.io/tls"))
        if isinstance(kind, Acme) and kind.external_account and not kind.external_account.key.secret:
            value = {VALUE: kind.external_account.key.value}
            found.append(_secret(_account_binding_secret(issuer), namespace, value))
        found += [
            _secret(_tsig_secret(issuer, number), namespace, {VALUE: solver.method.key.value})
            for number, solver in _solvers(issuer)
            if isinstance(solver.method, Rfc2136) and not solver.method.key.secret
        ]
    return found


def named_secrets(issuers: t.Iterable[Issuer]) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Secrets that the site keeps itself: name -> who needs it, and the keys that it must have."""
    found: dict[str, tuple[str, tuple[str, ...]]] = {}
    for issuer in issuers:
        kind = issuer.kind
        if isinstance(kind, Authority) and kind.secret:
            found[kind.secret] = (issuer.name, ("tls.crt", "tls.key"))
        credentials: list[Credential] = []
        if isinstance(kind, Acme) and kind.external_account:
            credentials.append(kind.external_account.key)
        credentials += [
            solver.method.key for _number, solver in _solvers(issuer) if isinstance(solver.method, Rfc2136)
        ]
        found |= {one.secret: (issuer.name, (VALUE,)) for one in credentials if one.secret}
    return found


def _selector(solver: Solver) -> Json:
    selector = {
        **({"dnsZones": list(solver.zones)} if solver.zones else {}),
        **({"dnsNames": list(solver.names)} if solver.names else {}),
    }
    return {"selector": selector} if selector else {}


def _http01(method: Http01) -> Json:
    # The Services of who answers are reached from inside only; cert-manager would take a port of each node otherwise.
    if method.gateway is None:
        named = {"ingressClassName": method.ingress_class} if method.ingress_class else {}
        return {"ingress": {"serviceType": "ClusterIP", **named}}
    gateway = method.gateway
    parent = {
        "group": GATEWAY,
        "kind": "Gateway",
        "name": gateway.name,
        **({"namespace": gateway.namespace} if gateway.namespace else {}),
        **({"sectionName": gateway.listener} if gateway.listener else {}),
    }
    return {"gatewayHTTPRoute": {"serviceType": "ClusterIP", "parentRefs": [parent]}}


def _nameserver(text: str) -> str:
    """C(HOST:PORT), with the port that is left out."""
    host, port = forms.host_and_port(text) or (text, None)
    return f"{f'[{host}]' if ':' in host else host}:{port or _DNS_PORT}"


def _solver(issuer: Issuer, number: int, solver: Solver) -> Json:
    method = solver.method
    if isinstance(method, Http01):
        return {**_selector(solver), "http01": _http01(method)}
    if isinstance(method, Webhook):
        config = {"config": dict(method.config)} if method.config else {}
        webhook = {"groupName": method.group, "solverName": method.solver, **config}
        return {**_selector(solver), "dns01": {"webhook": webhook}}
    reference = {"name": method.key.secret or _tsig_secret(issuer, number), "key": VALUE}
    update = {
        "nameserver": _nameserver(method.server),
        "protocol": method.protocol,
        "tsigKeyName": method.key_name,
        "tsigAlgorithm": method.algorithm,
        "tsigSecretSecretRef": reference,
    }
    return {**_selector(solver), "dns01": {"rfc2136": update}}


def _acme(issuer: Issuer, acme: Acme) -> Json:
    spec: Json = {
        "server": acme.server,
        "privateKeySecretRef": {"name": account_secret(issuer)},
        "solvers": [_solver(issuer, number, solver) for number, solver in _solvers(issuer)],
    }
    if acme.email:
        spec["email"] = acme.email
    if acme.ca:
        spec["caBundle"] = _b64(acme.ca)
    if acme.profile:
        spec["profile"] = acme.profile
    if acme.preferred_chain:
        spec["preferredChain"] = acme.preferred_chain
    if account := acme.external_account:
        spec["externalAccountBinding"] = {
            "keyID": account.key_id,
            "keySecretRef": {"name": account.key.secret or _account_binding_secret(issuer), "key": VALUE},
        }
    return spec


def _object(kind: str, name: str, spec: Json, namespace: str = "") -> Json:
    return {
        "apiVersion": CERT_MANAGER,
        "kind": kind,
        "metadata": {"name": name, **({"namespace": namespace} if namespace else {})},
        "spec": spec,
    }


def _made_ca(issuer: Issuer, authority: Authority, namespace: str) -> Json:
    """The Certificate of a CA. Its key stays when it is renewed, so what it has issued is valid by both."""
    spec = {
        "isCA": True,
        "commonName": authority.common_name or issuer.name,
        "secretName": made_secret(issuer),
        "duration": f"{authority.years * _YEAR_HOURS}h0m0s",
        "privateKey": {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Never"},
        "usages": ["cert sign", "crl sign", "digital signature"],
        "issuerRef": {"group": "cert-manager.io", "kind": "Issuer", "name": SELF_SIGNED},
    }
    return _object("Certificate", made_secret(issuer), spec, namespace)


def _cluster_issuer(issuer: Issuer) -> Json:
    kind = issuer.kind
    if isinstance(kind, Acme):
        return _object("ClusterIssuer", issuer.name, {"acme": _acme(issuer, kind)})
    if isinstance(kind, Authority):
        name = (
            made_secret(issuer) if kind.is_made else (kind.secret if kind.secret else _given_secret(issuer))
        )
        return _object("ClusterIssuer", issuer.name, {"ca": {"secretName": name}})
    return _object("ClusterIssuer", issuer.name, {"selfSigned": {}})


def objects(issuers: t.Sequence[Issuer], namespace: str) -> list[Json]:
    """All objects of issuers but Secrets, in the order in which they need each other.

    :param namespace: of cert-manager's cluster resources.
    """
    made = [
        _made_ca(issuer, issuer.kind, namespace)
        for issuer in issuers
        if isinstance(issuer.kind, Authority) and issuer.kind.is_made
    ]
    signer = [_object("Issuer", SELF_SIGNED, {"selfSigned": {}}, namespace)] if made else []
    return [*signer, *made, *(_cluster_issuer(issuer) for issuer in issuers)]


def _place(host: str, port: int, protocols: t.Sequence[str]) -> tuple[set[tuple[int, str]], set[str]]:
    """One host and port: a Service of the cluster by its namespace, all else by the port."""
    parts = host.split(".")
    if len(parts) >= 3 and parts[2] == "svc":
        return set(), {parts[1]}
    return {(port, protocol) for protocol in protocols}, set()


def reach(issuers: t.Iterable[Issuer], resolvers: t.Iterable[str], proxies: t.Iterable[str] = ()) -> Reach:
    """What the controller connects to beside the API server and the DNS of the cluster.

    It tries each challenge itself before the authority does: it reads the answer of HTTP-01 at the name (port 80, and
    443 where that is redirected), and asks the DNS servers of the zone for that of DNS-01.

    :param resolvers: DNS servers that it asks for both instead. :param proxies: URLs, for HTTP.
    """
    ports: set[tuple[int, str]] = set()
    namespaces: set[str] = set()

    def add(host: str, port: int, *protocols: str) -> None:
        more, inside = _place(host, port, protocols)
        ports.update(more)
        namespaces.update(inside)

    for issuer in issuers:
        if not isinstance(issuer.kind, Acme):
            continue
        url = urllib.parse.urlsplit(issuer.kind.server)
        add(url.hostname or "", url.port or _HTTPS_PORT, "TCP")
        for _number, solver in _solvers(issuer):
            if isinstance(solver.method, Http01):
                ports |= {(_HTTP_PORT, "TCP"), (_HTTPS_PORT, "TCP")}
                continue
            ports |= {(_DNS_PORT, "UDP"), (_DNS_PORT, "TCP")}
            if isinstance(solver.method, Rfc2136):
                host, port = forms.host_and_port(solver.method.server) or ("", None)
                add(host, port or _DNS_PORT, "UDP", "TCP")
    for proxy in map(urllib.parse.urlsplit, proxies):
        add(
            proxy.hostname or "",
            proxy.port or (_HTTPS_PORT if proxy.scheme == "https" else _HTTP_PORT),
            "TCP",
        )
    for resolver in resolvers:
        host, port = forms.host_and_port(resolver) or ("", None)
        add(host, port or _DNS_PORT, "UDP", "TCP")
    return Reach(tuple(sorted(ports)), tuple(sorted(namespaces)))


def egress(found: Reach) -> list[Json]:
    """Rules of a CiliumNetworkPolicy for that. Nodes and pods have ports of these numbers as well as the internet."""
    ports = [{"port": str(port), "protocol": protocol} for port, protocol in found.ports]
    inside = [{"matchLabels": {_NAMESPACE: name}} for name in found.namespaces]
    return [
        *([{"toEntities": ["all"], "toPorts": [{"ports": ports}]}] if ports else []),
        *([{"toEndpoints": inside}] if inside else []),
    ]


def gateways(issuers: t.Iterable[Issuer]) -> tuple[str, ...]:
    """Names of issuers whose challenges are answered through a Gateway."""
    return tuple(
        issuer.name
        for issuer in issuers
        if any(
            isinstance(solver.method, Http01) and solver.method.gateway
            for _number, solver in _solvers(issuer)
        )
    )


def webhook_groups(issuers: t.Iterable[Issuer]) -> dict[str, str]:
    """API groups of webhook solvers -> the issuer that needs it."""
    return {
        solver.method.group: issuer.name
        for issuer in issuers
        for _number, solver in _solvers(issuer)
        if isinstance(solver.method, Webhook)
    }
