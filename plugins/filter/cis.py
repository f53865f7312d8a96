# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filters over CIS audits; each is documented in the YAML file of its name."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError

_PLACED = "# Placed by baremetal.kubernetes.cis.\n"


def cis_remediation(
    audits: t.Any,
    selection: t.Any,
    exemptions: t.Any = (),
    profile: str = "",
    verdict: str = "",
) -> dict[str, t.Any]:
    """See C(cis_remediation.yml).

    :raises AnsibleFilterError: for anything but results by host, and for unknown checks and classes.
    """
    # Ansible loads all filters of a collection for any of them, in every process that runs a task.
    import yaml
    from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.benchmark import profiles
    from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.remediation import plan

    if not isinstance(audits, t.Mapping):
        raise AnsibleFilterError(
            f"cis_remediation takes results of cis_node by host, found {type(audits).__name__}."
        )
    try:
        made = plan.plan(
            audits, selection, exemptions, profile or profiles.DEFAULT, verdict or profiles.EFFECTIVE
        )
    except OperatorError as exc:
        raise AnsibleFilterError(str(exc)) from exc
    for item in made["files"]:
        item["content"] = _PLACED + yaml.safe_dump(item["content"], sort_keys=False)
    return made


class FilterModule:
    """The filters by name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Name -> function."""
        return {
            "cis_remediation": cis_remediation,
        }
