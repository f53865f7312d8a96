# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Make the dashboard of one cluster of one that is for any. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError

#: What the files of the role metrics have instead of the label of a cluster, and of the page with the runbooks.
CLUSTER, RUNBOOKS = "@cluster@", "@runbooks@"
#: Grafana refuses a longer uid.
UID_LENGTH = 40


def _filled(value: t.Any, cluster: str, runbooks: str) -> t.Any:
    if isinstance(value, dict):
        # Without a page there is nothing to link.
        return {
            key: []
            if key == "links" and not runbooks and _is_runbook(item)
            else _filled(item, cluster, runbooks)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_filled(item, cluster, runbooks) for item in value]
    return value.replace(CLUSTER, cluster).replace(RUNBOOKS, runbooks) if isinstance(value, str) else value


def _is_runbook(links: t.Any) -> bool:
    return isinstance(links, list) and any(RUNBOOKS in str(link.get("url", "")) for link in links)


def of_cluster(dashboard: t.Mapping[str, t.Any], cluster: str, runbooks: str) -> dict[str, t.Any]:
    """The dashboard of a cluster.

    :param cluster: its label. :param runbooks: URL of the page with the runbooks, empty for no links.
    :raises OperatorError: when Grafana would refuse it.
    """
    made: dict[str, t.Any] = _filled(dict(dashboard), cluster, runbooks)
    uid = str(made.get("uid") or "")
    if len(uid) > UID_LENGTH:
        raise OperatorError(
            f"The uid {uid} of a dashboard has {len(uid)} characters, Grafana allows {UID_LENGTH}.",
            f"Set metrics_cluster to a name of at most {len(cluster) - len(uid) + UID_LENGTH} characters.",
        )
    return made
