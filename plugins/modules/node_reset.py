# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: node_reset
short_description: Take away from a host what the collection made on it
version_added: 0.1.0
author:
  - baremetal.kubernetes contributors (@baremetal-kubernetes)
description:
  - Stops the kubelet, containerd and all pods, and removes services, programs, data, network interfaces, chains of the
    packet filter and settings that the collection, kubeadm, the kubelet, containerd and Cilium made. Everything else
    stays as it is.
  - Works whatever state the host is in, also when its daemons are dead or an earlier reset was interrupted. It asks
    neither containerd nor an API server.
  - What is ours is told by its content and name. The daemons' folders count as ours only on a host on which the
    collection has left its record, a service of its own or a program of its own.
  - An error of one step does not stop the others. The module fails at the end when something of ours is left, and
    names it.
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
  checksums:
    description:
      - Checksums of release files, as C(sha256:...). A program counts as ours when it has one of them, or is one of an
        archive that M(baremetal.kubernetes.artifact) unpacked here.
    type: list
    elements: str
    default: []
  grace:
    description: Seconds that containers get to end by themselves after SIGTERM.
    type: int
    default: 10
  timeout:
    description: Seconds to wait for another run that is at work on this host.
    type: int
    default: 120
  root:
    description:
      - Folder that stands for C(/). For tests; with any other value than C(/) only files are looked at and removed.
    type: path
    default: /
notes:
  - Data on volumes that pods used is kept; they are unmounted. What is still mounted in a folder is not touched.
  - Packages that were installed, kernel parameters in force and loaded kernel modules stay.
  - Removing a control plane's etcd member and the Node object is the work of M(baremetal.kubernetes.node_removal).
seealso:
  - module: baremetal.kubernetes.node_removal
  - module: baremetal.kubernetes.node_info
"""

EXAMPLES = r"""
- name: Show what would be removed
  baremetal.kubernetes.node_reset:
  check_mode: true
  register: __reset_plan

- name: Remove it
  baremetal.kubernetes.node_reset:
"""

RETURN = r"""
removed:
  description: What was removed, or would be in check mode, in that order.
  returned: always
  type: list
  elements: str
  sample: [service kubelet, processes of pods, interface cilium_host, folder /etc/kubernetes]
summary:
  description: The same in one line.
  returned: always
  type: str
  sample: service kubelet, containerd; processes of kubelet, containerd, pods; folder /etc/kubernetes
pods:
  description: Pods of the host, by namespace and name, as far as their logs tell.
  returned: always
  type: list
  elements: str
  sample: [kube-system/cilium-wk4sg]
left:
  description: What of ours is still there, and why. Empty in check mode.
  returned: always
  type: list
  elements: dict
  contains:
    what:
      description: The thing.
      type: str
      sample: mount /var/lib/kubelet/pods/0c1d/volumes/kubernetes.io~nfs/data
    reason:
      description: Why it is still there.
      type: str
      sample: "umount: target is busy"
  sample: []
refused:
  description: Reasons for which nothing may be removed yet; outside check mode the module fails with them.
  returned: always
  type: list
  elements: str
  sample: []
kept:
  description: What stays by intention.
  returned: always
  type: list
  elements: str
  sample: [packages that the role host installed stay]
"""

import os
import socket
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._reset.apply import Hands
from ansible_collections.baremetal.kubernetes.plugins.module_utils._reset.model import Plan
from ansible_collections.baremetal.kubernetes.plugins.module_utils._reset.observe import Eyes

ARGUMENT_SPEC: dict[str, t.Any] = {
    "checksums": {"type": "list", "elements": "str", "default": []},
    "grace": {"type": "int", "default": 10},
    "timeout": {"type": "int", "default": 120},
    "root": {"type": "path", "default": "/"},
}


def apply(hands: Hands, seconds: int) -> Plan:
    """Do it, and return what is left to do.

    :raises OperatorError: when another run keeps the host.
    """
    with hands.exclusive(seconds):
        return hands.run()


def run(module: AnsibleModule) -> dict[str, t.Any]:
    """Observe, plan, apply, look again."""
    params = module.params
    algorithms = {checksum.partition(":")[0] for checksum in params["checksums"]} & {"sha256", "sha512"}
    hands = Hands(
        Eyes(module.run_command, params["root"], algorithms), frozenset(params["checksums"]), params["grace"]
    )
    seen, plan = hands.look()
    if plan.foreign and not module.check_mode:
        raise OperatorError(f"{socket.gethostname()}: {'; '.join(plan.foreign)}.", "Nothing was changed.")
    removed = [str(item) for item in plan.items]
    rest = Plan()
    if plan.items and not module.check_mode:
        rest = apply(hands, params["timeout"])
        removed = [str(item) for item in hands.done.values()]
    left = [
        {"what": str(item), "reason": hands.errors.get(item.key, "it came back after it was removed")}
        for item in rest.items
    ]
    result: dict[str, t.Any] = {
        "changed": bool(removed),
        "removed": removed,
        "summary": plan.summary(),
        "pods": list(seen.pods),
        "left": left,
        "kept": list(plan.kept),
        "refused": list(plan.foreign),
    }
    if module._diff:
        lines = [f"{item}\n" for item in plan.items]
        result["diff"] = {"before": "".join(lines), "after": "".join(f"{entry['what']}\n" for entry in left)}
    return result


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    root = module.params["root"]
    if not os.path.isdir(root):
        module.fail_json(msg=f"root {root} is not a directory. Give the folder that the host is mounted on.")
    try:
        result = run(module)
    except OperatorError as exc:
        module.fail_json(msg=str(exc), **exc.context)
    if result["left"]:
        names = "; ".join(f"{entry['what']} ({entry['reason']})" for entry in result["left"])
        module.fail_json(
            msg=f"{socket.gethostname()}: {len(result['left'])} thing(s) of the collection are left: {names}."
            " Remove what holds them, and run again.",
            **result,
        )
    module.exit_json(**result)


if __name__ == "__main__":
    main()
