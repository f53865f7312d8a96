# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filters over observed nodes; each is documented in the YAML file of its name."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node import interfaces as own_interfaces
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._node import daemons, delegate, devices


def select_delegate(observations: t.Any, known: t.Any = None) -> dict[str, t.Any]:
    """See C(select_delegate.yml).

    :raises AnsibleFilterError: when the observations do not allow a choice.
    """
    if not isinstance(observations, t.Sequence) or isinstance(observations, str):
        raise AnsibleFilterError(f"select_delegate takes a list, found {type(observations).__name__}.")
    try:
        return delegate.select_delegate(observations, known)
    except delegate.SelectionError as exc:
        raise AnsibleFilterError(str(exc)) from exc


def daemon_settled(
    node: t.Any, name: str, placed: t.Any, inputs: t.Any, times: t.Any = None, reload_inputs: t.Any = ()
) -> bool:
    """See C(daemon_settled.yml).

    :raises AnsibleFilterError: for anything but the results of C(node_info) and C(artifact).
    """
    for value in (node, placed):
        if not isinstance(value, t.Mapping):
            raise AnsibleFilterError(
                f"daemon_settled takes the results of node_info and artifact, found {type(value).__name__}."
            )
    return daemons.daemon_settled(node, name, placed, inputs, times, reload_inputs)


def cilium_devices(nodes: t.Any, addresses: t.Any = None, previous: str = "") -> list[str]:
    """See C(cilium_devices.yml).

    :raises AnsibleFilterError: for anything but nodes by host.
    """
    if not isinstance(nodes, t.Mapping):
        raise AnsibleFilterError(f"cilium_devices takes nodes by host, found {type(nodes).__name__}.")
    return devices.cilium_devices(nodes, addresses, previous)


def host_values(hosts: t.Any, hostvars: t.Any, name: str, default: t.Any = "") -> dict[str, t.Any]:
    """See C(host_values.yml).

    :raises AnsibleFilterError: for anything but a list of hosts and the variables of all.
    """
    if isinstance(hosts, str) or not isinstance(hosts, t.Sequence) or not isinstance(hostvars, t.Mapping):
        raise AnsibleFilterError(
            f"host_values takes a list of hosts and hostvars, found {type(hosts).__name__} and"
            f" {type(hostvars).__name__}."
        )
    # For a host that it does not know, hostvars has an undefined value and not none.
    known = {host: hostvars[host] for host in hosts if host in hostvars}
    return {host: _value(known.get(host, {}), name, default) for host in hosts}


def _value(own: t.Mapping[str, t.Any], name: str, default: t.Any) -> t.Any:
    value: t.Any = own
    for part in name.split("."):
        if not isinstance(value, t.Mapping) or part not in value:
            return default
        value = value[part]
    return value


def interface_of(interfaces: t.Any, address: str) -> str:
    """See C(interface_of.yml).

    :raises AnsibleFilterError: for anything but interfaces.
    """
    if isinstance(interfaces, str) or not isinstance(interfaces, t.Sequence):
        raise AnsibleFilterError(
            f"interface_of takes the interfaces of node_info, found {type(interfaces).__name__}."
        )
    return own_interfaces.interface_of(interfaces, address) or ""


class FilterModule:
    """The filters by name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Name -> function."""
        return {
            "cilium_devices": cilium_devices,
            "daemon_settled": daemon_settled,
            "host_values": host_values,
            "interface_of": interface_of,
            "select_delegate": select_delegate,
        }
