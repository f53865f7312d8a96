# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filters for the kubelet CSR approver; each is documented in the YAML file of its name."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._plain import plain


def serving_nodes(
    known: t.Any,
    previous: t.Any = None,
    names: t.Any = None,
    addresses: t.Any = None,
    connections: t.Any = None,
    control_planes: t.Any = None,
    extra: t.Any = None,
    endpoint: str = "",
    cert_sans: t.Any = None,
    service_cidr: str = "",
    dns_domain: str = "",
) -> dict[str, dict[str, t.Any]]:
    """See C(serving_nodes.yml).

    :raises AnsibleFilterError: when the nodes cannot be told apart, or have names and addresses that none may have.
    """
    # Ansible loads all filters of a collection for any of them, in every process that runs a task.
    from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._csr import allow_list

    given = [
        {} if value is None else value for value in (known, previous, names, addresses, connections, extra)
    ]
    if not all(isinstance(value, t.Mapping) for value in given):
        raise AnsibleFilterError("serving_nodes takes dictionaries, found something else.")
    observed, before, own_names, own_addresses, hosts, more = (plain(value) for value in given)
    try:
        inventory = allow_list.Inventory(
            tuple(observed), own_names, own_addresses, hosts, frozenset(plain(control_planes or ())), more
        )
        api = allow_list.api_server(str(endpoint), plain(cert_sans or ()), str(service_cidr), str(dns_domain))
        return allow_list.serving_nodes(inventory, observed, before, api)
    except (OperatorError, ValueError) as exc:
        raise AnsibleFilterError(str(exc)) from exc


class FilterModule:
    """The filters by name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Name -> function."""
        return {
            "serving_nodes": serving_nodes,
        }
