# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: etcd_info
short_description: Read the members of etcd and how they are
version_added: 0.1.0
author:
  - baremetal.kubernetes contributors (@baremetal-kubernetes)
description:
  - Asks the etcd of a control plane for its members, and each member for its state. It changes nothing.
  - A member that does not answer is a result, not a failure; so is the one of this host.
  - Runs on a control plane, with the certificates of its API server. Without a static Pod of etcd, as with an external
    etcd, there is nothing to read.
extends_documentation_fragment:
  - baremetal.kubernetes._attributes
  - baremetal.kubernetes._attributes.info
options:
  timeout:
    description: Seconds that etcd may take to list its members, for example while it elects a leader.
    type: int
    default: 5
  root:
    description: Directory below which the module reads kubeadm's files, for tests.
    type: path
    default: /
seealso:
  - module: baremetal.kubernetes.health_report
  - module: baremetal.kubernetes.node_removal
"""

EXAMPLES = r"""
- name: Read the members of etcd
  baremetal.kubernetes.etcd_info:
  register: etcd
"""

RETURN = r"""
local:
  description: Whether this host has an etcd of its own.
  returned: success
  type: bool
  sample: true
error:
  description: Why the members could not be listed, empty when they were.
  returned: success
  type: str
  sample: ""
data_directory:
  description: Whether the directory of this host's etcd exists, and the names in it, the first five.
  returned: success
  type: dict
  sample: {path: /var/lib/etcd, exists: true, names: [member]}
leader:
  description: Name of the member that leads, empty without one.
  returned: success
  type: str
  sample: cp1
quorum:
  description: Voting members, how many of them serve, how many have to, and how many more may fail.
  returned: success
  type: dict
  sample: {voters: 3, alive: 3, needed: 2, spare: 1}
members:
  description: The members, as the one of this host knows them.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: Its id, as a decimal number.
      type: str
      sample: "13482341302251310228"
    name:
      description: Name of its node, empty while it has not started.
      type: str
      sample: cp1
    label:
      description: Its name, or what else identifies it.
      type: str
      sample: cp1
    peer_urls:
      description: Where other members reach it.
      type: list
      elements: str
      sample: ["https://192.0.2.11:2380"]
    client_urls:
      description: Where clients reach it.
      type: list
      elements: str
      sample: ["https://192.0.2.11:2379"]
    self:
      description: Whether it is the one of this host.
      type: bool
      sample: true
    learner:
      description: Whether it does not vote yet.
      type: bool
      sample: false
    leader:
      description: Whether it leads.
      type: bool
      sample: true
    healthy:
      description: Whether it answers and reaches a leader. A full database does not count against it.
      type: bool
      sample: true
    error:
      description: Why it does not answer, empty when it does.
      type: str
      sample: ""
    version:
      description: Its version.
      type: str
      sample: 3.7.0
    db_size:
      description: Size of its database file in bytes.
      type: int
      sample: 31457280
    db_size_in_use:
      description: What defragmentation would leave of that, in bytes.
      type: int
      sample: 12582912
    quota:
      description: Bytes that the file may have.
      type: int
      sample: 2147483648
    raft_index:
      description: Newest entry of its log.
      type: int
      sample: 48211
    raft_applied_index:
      description: Newest entry that it has applied.
      type: int
      sample: 48211
    alarms:
      description: Alarms that it has raised, V(NOSPACE) and V(CORRUPT).
      type: list
      elements: str
      sample: []
    errors:
      description: What else it reports, as that it has no leader.
      type: list
      elements: str
      sample: []
    survives:
      description: Whether etcd has its quorum without this member.
      type: bool
      sample: true
"""

import os
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._etcd.maintenance import (
    Maintenance,
    quota_of,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._etcd.quorum import needed
from ansible_collections.baremetal.kubernetes.plugins.module_utils._etcd.status import Observation, as_dict
from ansible_collections.baremetal.kubernetes.plugins.module_utils._module import run_module
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node import membership as node

ARGUMENT_SPEC: dict[str, t.Any] = {
    "timeout": {"type": "int", "default": 5},
    "root": {"type": "path", "default": "/"},
}


def shown(seen: Observation, own: str = "") -> dict[str, t.Any]:
    """What is returned of the members.

    :param own: id of the one of this host.
    """
    now = seen.standing()
    members = [{**as_dict(member, seen), "self": member.id == own} for member in seen.members]
    return {
        "leader": next((member["label"] for member in members if member["leader"]), ""),
        "quorum": {
            "voters": now.voters,
            "alive": now.alive,
            "needed": needed(now.voters),
            "spare": now.spare,
        },
        "members": members,
    }


def run(params: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Read them."""
    root, path = params["root"], os.path.dirname(node.ETCD_DATA)
    result: dict[str, t.Any] = {
        "changed": False,
        "local": os.path.exists(node.under(root, node.ETCD_MANIFEST)),
        "error": "",
        "data_directory": {
            "path": path,
            "exists": os.path.isdir(node.under(root, path)),
            "names": list(node.names_in(root, path)),
        },
        **shown(Observation(())),
    }
    if not result["local"]:
        return result
    try:
        etcd = Maintenance(root, params["timeout"])
        return {**result, **shown(etcd.observe(quota_of(root)), etcd.own())}
    except OperatorError as exc:
        return {**result, "error": exc.message}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    run_module(module, lambda module: run(module.params))


if __name__ == "__main__":
    main()
