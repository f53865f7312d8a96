# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filters over observed nodes; each is documented in the YAML file of its name."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError
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


class FilterModule:
    """The filters by name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Name -> function."""
        return {
            "cilium_devices": cilium_devices,
            "daemon_settled": daemon_settled,
            "select_delegate": select_delegate,
        }
