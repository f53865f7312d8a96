# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filters that write TOML; each is documented in the YAML file of its name."""

from __future__ import annotations

import importlib
import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._plain import plain


def to_toml(value: t.Any) -> str:
    """See C(to_toml.yml).

    :raises AnsibleFilterError: without tomli_w on the controller, or for a value that TOML cannot hold.
    """
    try:
        tomli_w = importlib.import_module("tomli_w")
    except ImportError as exc:
        raise AnsibleFilterError(
            "to_toml needs the Python library tomli_w on the controller. Install it with: pip install tomli-w"
        ) from exc
    if not isinstance(value, t.Mapping):
        raise AnsibleFilterError(f"to_toml takes a dictionary, found {type(value).__name__}.")
    try:
        return str(tomli_w.dumps(plain(value)))
    except (TypeError, ValueError) as exc:
        raise AnsibleFilterError(f"to_toml cannot write the value: {exc}") from exc


class FilterModule:
    """The filters by name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Name -> function."""
        return {
            "to_toml": to_toml,
        }
