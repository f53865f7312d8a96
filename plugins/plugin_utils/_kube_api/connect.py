# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Connect to the API server of any kubeconfig, which the kubernetes package reads."""

from __future__ import annotations

import traceback
import typing as t
from dataclasses import replace
from pathlib import Path

from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.client import (
    Client,
    Connection,
    CredentialsError,
    tls_context,
)

try:
    from kubernetes import client as kubernetes_client
    from kubernetes import config as kubernetes_config
    from kubernetes.config import kube_config
except ImportError:
    KUBERNETES_ERROR: str | None = traceback.format_exc()
else:
    KUBERNETES_ERROR = None

REQUEST_SECONDS = 15.0
#: Where kubeadm has an API server listen, unless it is told otherwise.
_PORT = 6443


def _unusable(kubeconfig: str | None, exc: Exception) -> CredentialsError:
    return CredentialsError(
        f"{kubeconfig or 'the default kubeconfig'} cannot be used: {str(exc).rstrip('.')}. Expected a kubeconfig"
        " with address and credentials of the cluster.",
        "Fetch it from a control plane (/etc/kubernetes/admin.conf).",
    )


def _load(kubeconfig: str | None, context: str | None) -> t.Any:
    configuration = kubernetes_client.Configuration()
    kubernetes_config.load_kube_config(
        config_file=kubeconfig, context=context, client_configuration=configuration, persist_config=False
    )
    return configuration


def configuration(kubeconfig: str | None, context: str | None = None) -> t.Any:
    """What the kubernetes package needs for its own clients, with the proxy of the kubeconfig and no other.

    :raises CredentialsError: when it cannot be used.
    """
    try:
        found = _load(kubeconfig, context)
        found.proxy, found.no_proxy = _proxy(kubeconfig, context) or None, None
    except Exception as exc:  # as in C(connect)
        raise _unusable(kubeconfig, exc) from exc
    return found


def connect(
    kubeconfig: str | None,
    context: str | None = None,
    seconds: float = REQUEST_SECONDS,
    server: str | None = None,
) -> Client:
    """The client for the API server that a kubeconfig names.

    :param kubeconfig: its path; by default the one that C(kubectl) would use.
    :param context: of the file, by default its current one. :param seconds: how long one answer may take.
    :param server: URL of an API server of that cluster to ask instead of the one in the file.
    :raises CredentialsError: when it cannot be used.
    """
    try:
        connection = _connection(_load(kubeconfig, context), _proxy(kubeconfig, context))
        return Client(replace(connection, server=server or connection.server), seconds)
    except Exception as exc:  # of what is no kubeconfig, the package and its YAML reader raise anything
        raise _unusable(kubeconfig, exc) from exc


def connect_at(
    kubeconfig: str | None, context: str | None, address: str, seconds: float = REQUEST_SECONDS
) -> Client:
    """The client for the API server of one control plane, with the credentials of a kubeconfig.

    :param address: of that control plane. The rest is as of C(connect).
    """
    host = f"[{address}]" if ":" in address else address
    return connect(kubeconfig, context, seconds, f"https://{host}:{_PORT}")


def _proxy(kubeconfig: str | None, context: str | None) -> str:
    """C(proxy-url) of the cluster, which the package reads since version 37 only.

    The package takes proxies of the environment, too. Those are for the internet: helm and kubectl would find the API
    server of a bare-metal cluster behind another one, or none, depending on who starts the playbook.
    """
    path = kubeconfig or kube_config.KUBE_CONFIG_DEFAULT_LOCATION
    merged = kube_config.KubeConfigMerger(path).config
    name = context or merged["current-context"]
    cluster = merged["contexts"].get_with_name(name)["context"]["cluster"]
    return str(merged["clusters"].get_with_name(cluster)["cluster"].safe_get("proxy-url") or "")


def _connection(configuration: t.Any, proxy: str) -> Connection:
    """What a C(kubernetes.client.Configuration) says, but for its proxy."""

    def content(path: str | None) -> bytes | None:
        return Path(path).read_bytes() if path else None

    bearer = configuration.get_api_key_with_prefix("authorization") or configuration.get_api_key_with_prefix(
        "BearerToken"
    )
    return Connection(
        server=str(configuration.host).rstrip("/"),
        context=tls_context(
            content(configuration.ssl_ca_cert),
            content(configuration.cert_file),
            content(configuration.key_file),
        ),
        headers={"Authorization": str(bearer)} if bearer else {},
        proxy=proxy,
    )
