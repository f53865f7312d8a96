# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Options that all modules for Grafana have, and the results that they share."""

from __future__ import annotations

import re
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._grafana.client import Client
from ansible_collections.baremetal.kubernetes.plugins.module_utils._grafana.plan import DONE, EDITED, Decision

CONNECTION: dict[str, t.Any] = {
    "url": {"type": "str", "required": True},
    "token": {"type": "str", "required": True, "no_log": True},
    "ca": {"type": "path"},
    "timeout": {"type": "int", "default": 30},
    "use_proxy": {"type": "bool", "default": True},
}
OWNED: dict[str, t.Any] = {
    "cluster": {"type": "str", "required": True},
    "force": {"type": "bool", "default": False},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}
# It is a part of uids, and of a tag.
_CLUSTER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


def client_of(params: t.Mapping[str, t.Any]) -> Client:
    """The client for the options of a module.

    :raises OperatorError: when one of them cannot be used.
    """
    return Client(params["url"], params["token"], params["ca"] or "", params["timeout"], params["use_proxy"])


def cluster_of(params: t.Mapping[str, t.Any]) -> str:
    """The id of the cluster.

    :raises OperatorError: when it cannot be one.
    """
    cluster = str(params["cluster"])
    if not _CLUSTER.fullmatch(cluster):
        raise OperatorError(
            f"cluster is {cluster!r}, expected letters, digits, '.', '-' and '_'.",
            "Correct it (metrics_cluster).",
        )
    return cluster


def result_of(decision: Decision, uid: str) -> dict[str, t.Any]:
    """What a module returns about one object."""
    return {
        "changed": decision.changes,
        "uid": uid,
        "status": DONE[decision.action],
        "edited": decision.action == EDITED,
        "drift": [one.as_dict() for one in decision.drift],
    }


def warn_of_edit(module: AnsibleModule, decision: Decision, kind: str, uid: str) -> None:
    """Tell that somebody has edited an object, which stays as it is."""
    if decision.action != EDITED:
        return
    fields = ", ".join(one.path or "all" for one in decision.drift[:5]) or "other fields than those declared"
    more = f" and {len(decision.drift) - 5} more" if len(decision.drift) > 5 else ""
    module.warn(
        f"The {kind} {uid} has been edited in Grafana ({fields}{more}) and was left as it is. Take the edit over into"
        " what is declared, or overwrite it with force=true."
    )
