# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: node_reset
short_description: Remove from a host what the collection created on it
version_added: 0.1.0
author:
  - baremetal.kubernetes contributors (@baremetal-kubernetes)
description:
  - Stops the kubelet, containerd and all pods, and removes services, programs, data, network interfaces, chains of the
    packet filter and settings that the collection, kubeadm, the kubelet, containerd and Cilium created. Everything
    else stays as it is.
  - Works whatever state the host is in, also when its daemons are dead or an earlier reset was interrupted. It asks
    neither containerd nor an API server.
  - What the collection placed is in the record of M(baremetal.kubernetes.artifact) and
    M(baremetal.kubernetes.kernel_settings). A recorded file that has other bytes now, and does not carry the
    collection's mark either, stays.
  - The directories of kubeadm, the kubelet, containerd and Cilium are removed only on a host on which a service of the
    collection is recorded, or one that carries its mark is found. Those that other software uses, too
    (C(/etc/kubernetes), C(/var/lib/kubelet), C(/var/lib/etcd), C(/var/lib/containerd)) must have been created or found
    empty by a role, or kubeadm's files or containerd's metadata must prove whose they are; otherwise they stay.
  - While others use what would be removed, nothing is; RV(refused) says who does.
  - An error of one step does not stop the others. The module fails at the end when something is left, and names it.
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
  grace:
    description: Seconds that containers get to end by themselves after SIGTERM.
    type: int
    default: 10
  timeout:
    description: Seconds to wait for another run on this host.
    type: int
    default: 120
  root:
    description:
      - Directory that stands for C(/). For tests; with any other value than C(/) only files are looked at and removed.
    type: path
    default: /
notes:
  - Data on volumes that pods used is kept; they are unmounted. What is still mounted in a directory is not touched.
  - Packages that were installed, kernel parameters in force and loaded kernel modules stay.
  - M(baremetal.kubernetes.node_removal) removes a control plane's etcd member and the Node object.
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
  sample: [service kubelet, processes of pods, interface cilium_host, directory /etc/kubernetes]
summary:
  description: The same in one line.
  returned: always
  type: str
  sample: service kubelet, containerd; processes of kubelet, containerd, pods; directory /etc/kubernetes
pods:
  description: Pods of the host, by namespace and name, as far as their logs tell.
  returned: always
  type: list
  elements: str
  sample: [kube-system/cilium-wk4sg]
left:
  description: What could not be removed, and why. Empty in check mode.
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
from ansible_collections.baremetal.kubernetes.plugins.module_utils._module import run_module
from ansible_collections.baremetal.kubernetes.plugins.module_utils._reset.apply import Remover
from ansible_collections.baremetal.kubernetes.plugins.module_utils._reset.model import Plan
from ansible_collections.baremetal.kubernetes.plugins.module_utils._reset.observe import Observer

ARGUMENT_SPEC: dict[str, t.Any] = {
    "grace": {"type": "int", "default": 10},
    "timeout": {"type": "int", "default": 120},
    "root": {"type": "path", "default": "/"},
}


def apply(remover: Remover, seconds: int) -> Plan:
    """Remove everything, and return what is left.

    :raises OperatorError: when another run does not end.
    """
    with remover.exclusive(seconds):
        return remover.run()


def run(module: AnsibleModule) -> dict[str, t.Any]:
    """Observe, plan, apply, look again."""
    params = module.params
    remover = Remover(Observer(module.run_command, params["root"]), params["grace"])
    seen, plan = remover.look()
    if plan.refused and not module.check_mode:
        raise OperatorError(f"{socket.gethostname()}: {'; '.join(plan.refused)}.", "Nothing was changed.")
    removed = [str(item) for item in plan.items]
    rest = Plan()
    if plan.items and not module.check_mode:
        rest = apply(remover, params["timeout"])
        removed = [str(item) for item in remover.done.values()]
    left = [
        {"what": str(item), "reason": remover.errors.get(item.key, "it came back after it was removed")}
        for item in rest.items
    ]
    result: dict[str, t.Any] = {
        "changed": bool(removed),
        "removed": removed,
        "summary": plan.summary(),
        "pods": list(seen.pods),
        "left": left,
        "kept": list(plan.kept),
        "refused": list(plan.refused),
    }
    if module._diff:
        lines = [f"{item}\n" for item in plan.items]
        result["diff"] = {"before": "".join(lines), "after": "".join(f"{entry['what']}\n" for entry in left)}
    return result


def work(module: AnsibleModule) -> dict[str, t.Any]:
    """The module's work.

    :raises OperatorError: also when something could not be removed, with all that was done.
    """
    root = module.params["root"]
    if not os.path.isdir(root):
        raise OperatorError(
            f"root {root} is not a directory.", "Give the directory that the host is mounted on."
        )
    result = run(module)
    if result["left"]:
        names = "; ".join(f"{entry['what']} ({entry['reason']})" for entry in result["left"])
        raise OperatorError(
            f"{socket.gethostname()}: {len(result['left'])} thing(s) could not be removed: {names}.",
            "Remove what holds them, and run again.",
            **result,
        )
    return result


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    run_module(module, work)


if __name__ == "__main__":
    main()
