# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: reboot_info
short_description: Find out whether a host has to boot again, and why
version_added: 0.1.0
author:
  - baremetal.kubernetes contributors (@baremetal-kubernetes)
description:
  - Reads from the files of a host whether it has to boot again. No package manager is asked.
  - C(/run/reboot-required) (Debian, Ubuntu) or C(/run/reboot-needed) (SUSE) ask for a reboot, with the packages that
    they name.
  - A kernel that is newer than the running one and of the same kind was installed after the last boot, below C(/boot),
    C(/efi) or C(/lib/modules), as Debian, RHEL, SUSE, Gentoo and Arch do; or the running one was installed again.
    A kernel that was there before and was not booted is no reason, as the boot loader would choose the same again.
  - The directory of the running kernel's modules was removed after the last boot.
extends_documentation_fragment:
  - baremetal.kubernetes._attributes
  - baremetal.kubernetes._attributes.info
options:
  etcd:
    description: Whether to count also the members of etcd that answer, on a host that has one.
    type: bool
    default: false
  root:
    description: Directory below which the module reads, for tests.
    type: path
    default: /
seealso:
  - module: baremetal.kubernetes.reboot_plan
  - module: ansible.builtin.reboot
"""

EXAMPLES = r"""
- name: Find out whether this host has to boot again
  baremetal.kubernetes.reboot_info:
"""

RETURN = r"""
required:
  description: Whether it has to boot again.
  returned: success
  type: bool
  sample: true
reasons:
  description: Why.
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description: V(flag), V(newer_kernel), V(replaced_kernel) or V(modules_gone).
      type: str
      sample: newer_kernel
    text:
      description: The reason for people.
      type: str
      sample: kernel 6.12.57-gentoo was installed after the last boot, and 6.12.41-gentoo runs
boot_id:
  description: Id of this boot, which the kubelet reports as well.
  returned: success
  type: str
  sample: 0f3c1b0e-5a35-4a9e-9d7c-6a4c1a1c2b11
booted_at:
  description: When the first process was started, in seconds since the epoch; V(null) when it cannot be read.
  returned: success
  type: float
  sample: 1790000000.5
kernels:
  description: Release of the running kernel, and of all that are installed.
  returned: success
  type: dict
  sample: {running: 6.12.41-gentoo, installed: [6.12.41-gentoo, 6.12.57-gentoo]}
command:
  description: The command that reboots the host where C(shutdown) does not, as with OpenRC's own init; empty elsewhere.
  returned: success
  type: str
  sample: ""
etcd:
  description: The voting members of etcd, V(null) on a host without one, or when O(etcd) does not ask.
  returned: success
  type: dict
  contains:
    voters:
      description: How many there are.
      type: int
      sample: 3
    alive:
      description: How many answer.
      type: int
      sample: 3
    refused:
      description: Why this host's member must not be away for a while, empty when it may.
      type: str
      sample: ""
"""

import math
import os
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.baremetal.kubernetes.plugins.module_utils._etcd.client import Etcd
from ansible_collections.baremetal.kubernetes.plugins.module_utils._etcd.members import refuse_absence
from ansible_collections.baremetal.kubernetes.plugins.module_utils._etcd.quorum import standing
from ansible_collections.baremetal.kubernetes.plugins.module_utils._module import run_module
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node import membership
from ansible_collections.baremetal.kubernetes.plugins.module_utils._reboot import observe, plan

ARGUMENT_SPEC: dict[str, t.Any] = {
    "etcd": {"type": "bool", "default": False},
    "root": {"type": "path", "default": "/"},
}


def count(root: str) -> dict[str, t.Any] | None:
    """The members of etcd, C(None) on a host without one.

    :raises EtcdError: when the member of this host does not answer.
    """
    if not os.path.exists(membership.under(root, membership.ETCD_MANIFEST)):
        return None
    etcd = Etcd(root)
    members = etcd.members()
    healthy = etcd.healthy(members)
    now = standing(members, healthy)
    node = membership.observe(root).node_name
    return {"voters": now.voters, "alive": now.alive, "refused": refuse_absence(members, healthy, node)}


def run(module: AnsibleModule) -> dict[str, t.Any]:
    """Read and evaluate."""
    root = module.params["root"]
    found = observe.observe(root, os.uname().release)
    why = plan.reasons(found)
    return {
        "changed": False,
        "required": bool(why),
        "reasons": [reason.as_dict() for reason in why],
        "boot_id": observe.boot_id(root),
        "booted_at": None if math.isinf(found.booted_at) else found.booted_at,
        "kernels": observe.shown(found),
        "command": observe.reboot_command(root),
        "etcd": count(root) if module.params["etcd"] else None,
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    run_module(module, run)


if __name__ == "__main__":
    main()
