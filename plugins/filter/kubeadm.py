# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filters over kubeadm configuration; each is documented in the YAML file of its name."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm import combine


def combine_named(base: t.Any, over: t.Any) -> t.Any:
    """See C(combine_named.yml).

    :raises AnsibleFilterError: for anything but two dictionaries.
    """
    for value in (base, over):
        if not isinstance(value, t.Mapping):
            raise AnsibleFilterError(f"combine_named takes two dictionaries, found {type(value).__name__}.")
    return combine.combine_named(base, over)


class FilterModule:
    """The filters by name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Name -> function."""
        return {
            "combine_named": combine_named,
        }
