# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's side of certificates_plan; the module of the same name documents it."""

from __future__ import annotations

import typing as t
import urllib.parse
from dataclasses import dataclass
from datetime import UTC, datetime

from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._formats import x509
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.client import (
    Client,
    tls_context,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cert_manager import declared, issuers
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api.action import (
    API_OPTIONS,
    PATIENCE,
    ApiAction,
    say,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api.objects import (
    PART_OF,
    patiently,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._options import forms
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._options.convert import shown

Json = dict[str, t.Any]

_GATEWAYS = "/apis/gateway.networking.k8s.io/v1"
_CERT_MANAGER = "/apis/cert-manager.io/v1"
# By which all charts and manifests of cert-manager name it; those of the role have other labels.
_FOREIGN = "/apis/apps/v1/deployments", "labelSelector=app.kubernetes.io%2Fname%3Dcert-manager"


@dataclass(frozen=True)
class _Cluster:
    """What the API server has.

    :param gateway: whether it serves Gateways and HTTPRoutes. :param running: Deployments of another cert-manager.
    :param issuers: ClusterIssuers of others. :param secrets: keys of named Secrets, C(None) for one that is missing.
    :param groups: API groups of webhooks, and whether somebody serves them.
    """

    gateway: bool
    running: tuple[str, ...]
    issuers: frozenset[str]
    secrets: dict[str, frozenset[str] | None]
    groups: dict[str, bool]


def _refuse(problems: t.Sequence[str], next_step: str = "Correct them and run again.") -> None:
    if problems:
        lines = "\n".join(f"- {line}." for line in problems)
        raise OperatorError(
            f"Certificates cannot be issued as declared. Nothing was changed. {next_step}\n{lines}"
        )


def _resolvers(texts: t.Iterable[str]) -> list[str]:
    form = "HOST:PORT of a DNS server, such as 192.0.2.53:53"
    return [
        f"certificates_resolvers has {shown(text)}, expected {form}"
        for text in texts
        if (forms.host_and_port(text) or ("", None))[1] is None
    ]


def _pair(issuer: issuers.Issuer) -> list[str]:
    """Whether a given CA can sign now."""
    kind = issuer.kind
    if not isinstance(kind, issuers.Authority) or not kind.certificate:
        return []
    where = f"certificates_issuers, issuer {issuer.name}: ca"
    end = x509.parse_pem(kind.certificate).not_after
    if end < datetime.now(UTC):
        return [f"{where}.certificate has ended at {end:%Y-%m-%dT%H:%M:%SZ}, expected one that is valid"]
    try:
        tls_context(None, kind.certificate.encode(), kind.key.encode())
    except (ValueError, OSError):  # ssl.SSLError is one
        return [f"{where}.key is not the key of ca.certificate, expected that one"]
    return []


class ActionModule(ApiAction):
    """Reads issuers, and compares them with the cluster."""

    ARGUMENT_SPEC: t.ClassVar[dict[str, t.Any]] = {
        **API_OPTIONS,
        **PATIENCE,
        "issuers": {"type": "raw", "required": True, "no_log": True},
        "default_issuer": {"type": "str", "default": ""},
        "resolvers": {"type": "list", "elements": "str", "default": []},
        "proxies": {"type": "list", "elements": "str", "default": []},
        "namespace": {"type": "str", "required": True},
    }

    def perform(self, params: t.Mapping[str, t.Any], task_vars: t.Mapping[str, t.Any]) -> Json:
        """See C(ControllerAction). What is wrong by itself is told without the API server."""
        reading = issuers.read(params["issuers"])
        problems = [*reading.problems, *_resolvers(params["resolvers"])]
        for issuer in reading.issuers:
            problems += _pair(issuer)
        names = [one.name for one in reading.issuers]
        default = params["default_issuer"]
        if default and default not in names and not reading.problems:
            problems.append(
                f"certificates_default_issuer is {shown(default)}, expected one of certificates_issuers:"
                f" {', '.join(names) or 'it has none'}"
            )
        _refuse(problems)
        self._issuers = reading.issuers
        return super().perform(params, task_vars)

    def work(self, api: Client, params: t.Mapping[str, t.Any]) -> Json:
        """See C(ApiAction)."""
        found = patiently(lambda: self._observe(api, params["namespace"]), params["timeout"], say)
        _refuse(self._problems(found, params["namespace"]))
        names = [one.name for one in self._issuers]
        return {
            "changed": False,
            "default_issuer": params["default_issuer"] or next(iter(names), ""),
            "gateway": found.gateway,
            "gateway_issuers": list(declared.gateways(self._issuers)),
            "egress": declared.egress(declared.reach(self._issuers, params["resolvers"], params["proxies"])),
        }

    def _observe(self, api: Client, namespace: str) -> _Cluster:
        secrets: dict[str, frozenset[str] | None] = {}
        for name in declared.named_secrets(self._issuers):
            secret = api.get(f"/api/v1/namespaces/{namespace}/secrets/{urllib.parse.quote(name)}")
            secrets[name] = frozenset(secret.get("data") or {}) if secret is not None else None
        gateway = api.get(_GATEWAYS) or {}
        served = {str(one.get("name")) for one in gateway.get("resources") or ()}
        known = api.items(f"{_CERT_MANAGER}/clusterissuers") if api.get(_CERT_MANAGER) else ()
        return _Cluster(
            gateway={"gateways", "httproutes"} <= served,
            running=tuple(
                f"{one['metadata']['namespace']}/{one['metadata']['name']}" for one in api.items(*_FOREIGN)
            ),
            issuers=frozenset(
                str(one["metadata"]["name"])
                for one in known
                if (one["metadata"].get("labels") or {}).get(PART_OF) != declared.SET
            ),
            secrets=secrets,
            groups={
                group: api.get(f"/apis/{urllib.parse.quote(group)}") is not None
                for group in declared.webhook_groups(self._issuers)
            },
        )

    def _problems(self, found: _Cluster, namespace: str) -> list[str]:
        problems = [
            f"cert-manager runs in this cluster already (Deployment {name}) and is not this role's: two of them work"
            " against each other; remove that one first, its kinds and Secrets may stay, or set"
            " certificates_enabled: false"
            for name in found.running
        ]
        problems += [
            f"certificates_issuers, issuer {issuer.name}: the cluster has a ClusterIssuer of this name that somebody"
            " else has made, expected another name, or none of it in the cluster"
            for issuer in self._issuers
            if issuer.name in found.issuers
        ]
        for name, (issuer_name, keys) in declared.named_secrets(self._issuers).items():
            where = f"certificates_issuers, issuer {issuer_name}: the Secret {namespace}/{name}"
            has = found.secrets.get(name)
            if has is None:
                problems.append(f"{where} does not exist, expected one with {' and '.join(keys)}")
            elif missing := [key for key in keys if key not in has]:
                told = ", ".join(sorted(has)) or "nothing"
                problems.append(f"{where} has {told}, expected {' and '.join(missing)}")
        for group, name in declared.webhook_groups(self._issuers).items():
            if not found.groups.get(group):
                problems.append(
                    f"certificates_issuers, issuer {name}: nobody serves the API group {group}, expected the webhook of"
                    " a solver (an APIService), deployed before"
                )
        return problems
