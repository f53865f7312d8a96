# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: node_removal
short_description: Remove nodes from a cluster
version_added: 0.1.0
author:
  - baremetal.kubernetes contributors (@baremetal-kubernetes)
description:
  - Runs on a control plane that stays. It removes the etcd members of the nodes, and deletes their Node objects.
  - Before the first member is removed, it refuses when the members that stay would have no quorum. A member that
    leads hands over first, and it is verified that it leads no more. Without success there is a warning and an
    election, which interrupts writes for a second or more.
  - It neither drains the nodes nor touches the hosts.
extends_documentation_fragment:
  - baremetal.kubernetes._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  nodes:
    description: Names of the nodes to remove.
    type: list
    elements: str
    required: true
  addresses:
    description:
      - Addresses of these nodes. They identify an etcd member that has no name yet, as after an interrupted join.
    type: list
    elements: str
    default: []
  parts:
    description:
      - What is removed. Remove V(etcd) before the host is reset, and V(node) afterwards, as a running kubelet would
        register again.
    type: list
    elements: str
    choices: [etcd, node]
    default: [etcd, node]
  timeout:
    description: Seconds that etcd may take to answer, for example while it elects a leader.
    type: int
    default: 60
  root:
    description: Directory below which the module reads kubeadm's files, for tests.
    type: path
    default: /
seealso:
  - module: baremetal.kubernetes.node_reset
"""

EXAMPLES = r"""
- name: Remove the etcd member of a control plane
  baremetal.kubernetes.node_removal:
    nodes: [cp3]
    parts: [etcd]
  delegate_to: cp1
"""

RETURN = r"""
members:
  description: Names of the etcd members that were removed, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: [cp3]
leaders:
  description: Names of the etcd members that have taken over from one that led and was removed, in this order.
  returned: success
  type: list
  elements: str
  sample: [cp1]
nodes:
  description: Names of the Node objects that were deleted, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: [cp3]
"""

import os
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._etcd.client import Etcd
from ansible_collections.baremetal.kubernetes.plugins.module_utils._etcd.members import (
    EtcdError,
    Member,
    plan_removal,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.admin import Api
from ansible_collections.baremetal.kubernetes.plugins.module_utils._module import run_module
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node import membership as node

NODES = "/api/v1/nodes/"
#: Within which this member learns who leads now.
_LEARNED_SECONDS = 5.0
_POLL_SECONDS = 0.1

ARGUMENT_SPEC: dict[str, t.Any] = {
    "nodes": {"type": "list", "elements": "str", "required": True},
    "addresses": {"type": "list", "elements": "str", "default": []},
    "parts": {"type": "list", "elements": "str", "choices": ["etcd", "node"], "default": ["etcd", "node"]},
    "timeout": {"type": "int", "default": 60},
    "root": {"type": "path", "default": "/"},
}


class Removed(t.NamedTuple):
    """What has happened in etcd.

    :param leaders: members that have taken over. :param warnings: why one has not.
    """

    members: tuple[Member, ...] = ()
    leaders: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def remove_members(params: t.Mapping[str, t.Any], check_mode: bool) -> Removed:
    """Remove the nodes' etcd members.

    :raises OperatorError: when those that stay would lose quorum, or etcd refuses.
    """
    if not os.path.exists(node.under(params["root"], node.ETCD_MANIFEST)):
        # An external etcd has no member per control plane.
        return Removed()
    etcd = Etcd(params["root"], params["timeout"])
    members = etcd.members()
    healthy = etcd.healthy(members)
    removed = plan_removal(members, healthy, params["nodes"], params["addresses"])
    leaders, warnings = [], []
    staying = [one for one in members if one not in removed and one.id in healthy and not one.learner]
    for member in () if check_mode else removed:
        # One that does not answer leads nobody.
        if member.id in healthy and staying:
            try:
                leaders += hand_over(etcd, member, staying[0])
            except EtcdError as exc:
                # An election follows, as after a crash: slower, but nothing is lost.
                warnings.append(str(exc))
        etcd.remove(member)
    return Removed(removed, tuple(leaders), tuple(warnings))


def hand_over(etcd: Etcd, member: Member, target: Member) -> list[str]:
    """Let a leader that leaves name its successor: an election would interrupt writes for a second or more.

    :return: who has taken over; nobody from a member that does not lead.
    :raises EtcdError: when it still leads afterwards.
    """
    if member.id != etcd.leader():
        return []
    etcd.move_leader(member, target)
    deadline = time.monotonic() + _LEARNED_SECONDS
    while True:
        now = etcd.leader()
        if now not in ("", member.id):
            return [target.label() if now == target.id else now]
        if time.monotonic() >= deadline:
            raise EtcdError(
                f"The etcd member {member.label()} was asked to hand over to {target.label()}, and leads after"
                f" {_LEARNED_SECONDS:.0f} s as before.",
                "Its removal makes the others elect a leader.",
            )
        time.sleep(_POLL_SECONDS)


def delete_nodes(params: t.Mapping[str, t.Any], check_mode: bool) -> list[str]:
    """Delete the Node objects, and return the names of those that existed."""
    api = Api(params["root"])
    present = [name for name in params["nodes"] if api.get(NODES + name) is not None]
    return present if check_mode else [name for name in present if api.delete(NODES + name)]


def run(params: t.Mapping[str, t.Any], check_mode: bool) -> dict[str, t.Any]:
    """Remove what is asked for."""
    own = node.observe(params["root"]).node_name
    if own in params["nodes"]:
        raise OperatorError(
            f"{own} is one of the nodes to remove, but the module runs on it.",
            "Run it on a control plane that stays.",
        )
    removed = remove_members(params, check_mode) if "etcd" in params["parts"] else Removed()
    members = removed.members
    nodes = delete_nodes(params, check_mode) if "node" in params["parts"] else []
    before = [f"etcd member {member.label()}\n" for member in members] + [f"node {name}\n" for name in nodes]
    return {
        "changed": bool(members or nodes),
        "members": [member.label() for member in members],
        "leaders": list(removed.leaders),
        "nodes": nodes,
        "diff": {"before": "".join(before), "after": ""},
        **({"warnings": list(removed.warnings)} if removed.warnings else {}),
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    run_module(module, lambda module: run(module.params, module.check_mode))


if __name__ == "__main__":
    main()
