# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: network_host_policy_guard
short_description: Read and confirm the guard of host policies
version_added: 0.1.0
author:
  - baremetal.kubernetes contributors (@baremetal-kubernetes)
description:
  - The guard is a service C(kubernetes-host-policy-guard), which the role C(baremetal.kubernetes.network) starts on
    each host before policies of nodes are enforced. Unless it is confirmed in time, it has Cilium on its host only
    audit what they deny.
  - This module reads how far it is. With O(confirm=true) it also ends it, when the policies have been in force for
    five seconds and the time is not over. Call it over a new connection then, which has passed the policies.
extends_documentation_fragment:
  - baremetal.kubernetes._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
    details:
      - There is no text to compare.
  idempotent:
    support: full
options:
  confirm:
    description: Whether to end the guard, so that the policies stay in force.
    type: bool
    default: false
seealso:
  - module: baremetal.kubernetes.network_host_policy_plan
"""

EXAMPLES = r"""
- name: Read the guard
  baremetal.kubernetes.network_host_policy_guard:
  register: guard

- name: Confirm over a new connection that this host can be reached
  baremetal.kubernetes.network_host_policy_guard:
    confirm: true
  register: guard
  until: guard.confirmed or guard.phase == 'rolled_back'
  retries: 30
  delay: 3
  vars:
    ansible_ssh_args: -o ControlMaster=no -o ControlPath=none
"""

RETURN = r"""
installed:
  description: Whether the service is there.
  returned: success
  type: bool
  sample: true
running:
  description: Whether it runs.
  returned: success
  type: bool
  sample: true
phase:
  description:
    - V(none) without a guard, V(armed) before policies are in force, V(enforced) since they are, and V(rolled_back)
      after the time was over without a confirmation.
  returned: success
  type: str
  sample: enforced
remaining:
  description: Seconds until it rolls back; 0 without a guard, or when it has.
  returned: success
  type: int
  sample: 140
ssh:
  description:
    - From where this module was connected by ssh, as E(SSH_CONNECTION) of sshd (addresses and ports of both sides).
      Empty without ssh.
    - It is read from the processes that have started the module, as sudo keeps it from the module's own environment.
  returned: success
  type: str
  sample: 192.0.2.7 40122 192.0.2.11 22
confirmed:
  description: Whether this call has confirmed the policies, or would have in check mode.
  returned: success
  type: bool
  sample: false
"""

import contextlib
import os
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.baremetal.kubernetes.plugins.module_utils._daemon.manager import (
    Manager,
    manager_for,
    parent,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._module import run_module
from ansible_collections.baremetal.kubernetes.plugins.module_utils._network import guard
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node.facts import service_manager


def ssh_connection(root: str = "/") -> str:
    """C(SSH_CONNECTION) of the session that this process belongs to, from the nearest process that has it."""
    pid = os.getpid()
    while pid > 1:
        with contextlib.suppress(OSError), open(os.path.join(root, f"proc/{pid}/environ"), "rb") as stream:
            for entry in stream.read().split(b"\0"):
                if entry.startswith(b"SSH_CONNECTION="):
                    return entry.partition(b"=")[2].decode("ascii", "replace")
        found = parent(pid, root)
        if found is None:
            break
        pid = found
    return ""


def phase_of(state: guard.State | None, boot: str, now: float) -> tuple[str, int]:
    """The phase as the module names it, and the seconds that are left."""
    if state is None:
        return "none", 0
    if state.phase == guard.ROLLED_BACK or guard.over(state, boot, now):
        return guard.ROLLED_BACK, 0
    return ("armed" if state.enforced_at is None else "enforced"), int(state.deadline - now)


def confirm(manager: Manager) -> bool:
    """End the guard for good.

    :returns: whether it had not rolled back meanwhile; otherwise it runs on.
    """
    manager.act(guard.SERVICE, "stop")
    state = guard.read_state()
    if state is None or state.phase == guard.ROLLED_BACK:
        manager.act(guard.SERVICE, "start")
        return False
    manager.act(guard.SERVICE, "disable")
    with contextlib.suppress(FileNotFoundError):
        os.unlink(guard.STATE)
    return True


def run(module: AnsibleModule) -> dict[str, t.Any]:
    """Read the guard, and confirm if that was asked for and may be."""
    manager = manager_for(service_manager("/"), lambda argv: module.run_command(list(argv)))
    service = manager.observe(guard.SERVICE)
    state, boot, now = guard.read_state(), guard.boot_id(), guard.uptime()
    phase, remaining = phase_of(state if service.present else None, boot, now)
    confirmed = module.params["confirm"] and service.running and guard.confirmable(state, boot, now)
    if confirmed and not module.check_mode:
        confirmed = confirm(manager)
        phase, remaining = ("none" if confirmed else guard.ROLLED_BACK), 0
    return {
        "changed": confirmed,
        "installed": service.present,
        "running": service.running,
        "phase": phase,
        "remaining": remaining,
        "confirmed": confirmed,
        "ssh": ssh_connection(),
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={"confirm": {"type": "bool", "default": False}}, supports_check_mode=True
    )
    run_module(module, run)


if __name__ == "__main__":
    main()
