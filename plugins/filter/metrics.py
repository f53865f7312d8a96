# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filters for metrics; each is documented in the YAML file of its name."""

from __future__ import annotations

import json
import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError


def cluster_dashboard(dashboard: t.Any, cluster: str, runbooks: str = "") -> dict[str, t.Any]:
    """See C(cluster_dashboard.yml).

    :raises AnsibleFilterError: for anything but a dashboard.
    """
    # Ansible loads all filters of a collection for any of them, in every process that runs a task.
    from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._metrics import dashboards

    try:
        model = json.loads(dashboard) if isinstance(dashboard, str) else dashboard
    except ValueError as exc:
        raise AnsibleFilterError(f"cluster_dashboard takes a dashboard as JSON: {exc}.") from exc
    if not isinstance(model, t.Mapping):
        raise AnsibleFilterError(f"cluster_dashboard takes a dashboard, found {type(model).__name__}.")
    try:
        return dashboards.of_cluster(model, cluster, runbooks)
    except OperatorError as exc:
        raise AnsibleFilterError(str(exc)) from exc


class FilterModule:
    """The filters by name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Name -> function."""
        return {
            "cluster_dashboard": cluster_dashboard,
        }
