# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's side of issued_certificates_info; the module of the same name documents it."""

from __future__ import annotations

import typing as t
from datetime import UTC, datetime

from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.client import Client
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cert_manager import issued
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api.action import (
    API_OPTIONS,
    PATIENCE,
    ApiAction,
    say,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api.objects import patiently

Json = dict[str, t.Any]

_CERT_MANAGER, _ACME = "/apis/cert-manager.io/v1", "/apis/acme.cert-manager.io/v1"


def observe(api: Client, namespace: str) -> issued.Found:
    """Read what cert-manager has. Without its kinds, there is nothing.

    :param namespace: only of this one; empty for all.
    """
    scope = f"/namespaces/{namespace}" if namespace else ""

    def read(base: str, plural: str, kind: str = "", inside: str = scope) -> list[Json]:
        return [{**one, "kind": kind} if kind else one for one in api.items(f"{base}{inside}/{plural}")]

    if api.get(_CERT_MANAGER) is None or api.get(_ACME) is None:
        return issued.Found(())
    return issued.Found(
        certificates=read(_CERT_MANAGER, "certificates"),
        requests=read(_CERT_MANAGER, "certificaterequests"),
        orders=read(_ACME, "orders"),
        challenges=read(_ACME, "challenges"),
        issuers=[
            *read(_CERT_MANAGER, "clusterissuers", "ClusterIssuer", ""),
            *read(_CERT_MANAGER, "issuers", "Issuer"),
        ],
    )


def row(one: issued.Issued) -> Json:
    """A certificate as the module returns it."""

    def time(value: datetime | None) -> str:
        return value.strftime("%Y-%m-%dT%H:%M:%SZ") if value else ""

    return {
        "namespace": one.namespace,
        "name": one.name,
        "issuer": one.issuer,
        "names": list(one.names),
        "secret": one.secret,
        "not_after": time(one.end),
        "renewal": time(one.renewal),
        "problem": one.problem,
    }


class ActionModule(ApiAction):
    """Lists certificates, and why those are not issued that are not."""

    ARGUMENT_SPEC: t.ClassVar[dict[str, t.Any]] = {
        **API_OPTIONS,
        **PATIENCE,
        "namespace": {"type": "str", "default": ""},
    }

    def work(self, api: Client, params: t.Mapping[str, t.Any]) -> Json:
        """See C(ApiAction)."""
        found = patiently(lambda: observe(api, params["namespace"]), params["timeout"], say)
        now = datetime.now(UTC)
        rows = issued.report(found, now)
        return {
            "changed": False,
            "certificates": [row(one) for one in rows],
            "lines": [one.line(now) for one in rows],
            "failing": sum(bool(one.problem) for one in rows),
        }
