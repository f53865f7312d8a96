# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Values of options that are right by themselves and do not work together. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._options import forms

#: Where the API servers of the collection listen.
API_PORT = 6443


def api_endpoint(own: t.Mapping[str, t.Any]) -> str:
    """What is wrong with the endpoint and its provider; empty when nothing is.

    :param own: option -> value, for what the inventory sets.
    """
    endpoint = own.get("cluster_endpoint") or ""
    provider = own.get("api_endpoint_provider") or ("external" if endpoint else "none")
    found = forms.host_and_port(endpoint)
    if provider == "none":
        if not endpoint:
            return ""
        return (
            f"api_endpoint_provider is none and cluster_endpoint is {endpoint}, expected an empty endpoint, which means"
            " the address of the only control plane; otherwise set api_endpoint_provider to external or keepalived"
        )
    if found is None:
        return (
            f"api_endpoint_provider is {provider} and cluster_endpoint is empty, expected the address and port at which"
            " every node reaches the API, such as 192.0.2.10:6443"
        )
    if provider != "keepalived":
        return ""
    host, port = found
    return _keepalived(host, port, endpoint, own.get("api_endpoint_address") or "")


def _keepalived(host: str, port: int | None, endpoint: str, address: str) -> str:
    if port != API_PORT:
        return (
            f"api_endpoint_provider is keepalived and cluster_endpoint is {endpoint}, expected port {API_PORT}, where"
            " the API servers listen: a virtual IP address does not translate ports"
        )
    if forms.is_address(host):
        if address in ("", host):
            return ""
        return (
            f"api_endpoint_address is {address} and cluster_endpoint is {endpoint}, expected the same address; leave"
            " api_endpoint_address empty"
        )
    if address:
        return ""
    return (
        f"api_endpoint_provider is keepalived and cluster_endpoint has the name {host}, expected the virtual IP address"
        " that it stands for in api_endpoint_address"
    )
