# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: daemon
short_description: Run a daemon with the current content of its files
version_added: 0.1.0
author:
  - baremetal.kubernetes contributors (@baremetal-kubernetes)
description:
  - Enables, starts or stops a daemon, by systemd or OpenRC, in one call.
  - Restarts it when a file that it reads when it starts, or its definition, is newer than its process. So a restart is
    not lost when an earlier run was interrupted after it had changed the file, and not repeated when something else
    has restarted the daemon since.
extends_documentation_fragment:
  - baremetal.kubernetes._attributes
attributes:
  check_mode:
    support: full
    details:
      - A daemon that is not installed yet is reported as one that would be started.
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  name:
    description: Name of the service, without C(.service).
    type: str
    required: true
  state:
    description:
      - Whether it runs. V(present) leaves it running or stopped as it is.
    type: str
    choices: [started, stopped, present]
    default: started
  enabled:
    description: Whether it starts at boot.
    type: bool
    default: true
  inputs:
    description: Files that it reads when it starts. Missing ones are ignored.
    type: list
    elements: path
    default: []
  reload_inputs:
    description:
      - Files that it also reads again when it is reloaded, so that a change of them needs no restart. Missing ones are
        ignored.
      - Its unit needs C(ExecReload), its init script the command C(reload).
    type: list
    elements: path
    default: []
  pending:
    description:
      - In check mode, files that an earlier task would have changed. Those that are among the O(inputs) or
        O(reload_inputs) lead to a restart or reload, as they would in a real run. Ignored otherwise.
    type: list
    elements: path
    default: []
  timeout:
    description: Seconds within which it must run after a start.
    type: int
    default: 30
notes:
  - A time stamp that lies in the future, as after a clock was set back, is replaced by the present time when the
    daemon is started.
seealso:
  - module: ansible.builtin.service
"""

EXAMPLES = r"""
- name: Run containerd
  baremetal.kubernetes.daemon:
    name: containerd
    inputs:
      - /usr/local/bin/containerd
      - /etc/containerd/config.toml
      - /etc/systemd/system/containerd.service

- name: Run keepalived, and have it read a changed configuration without a restart
  baremetal.kubernetes.daemon:
    name: kubernetes-api-endpoint
    inputs:
      - /etc/systemd/system/kubernetes-api-endpoint.service
    reload_inputs:
      - /etc/baremetal-kubernetes/api-endpoint.conf

- name: Enable the kubelet, and leave starting it to kubeadm
  baremetal.kubernetes.daemon:
    name: kubelet
    state: present
"""

RETURN = r"""
actions:
  description: What was done in this order, or would be.
  returned: success
  type: list
  elements: str
  sample: [daemon-reload, enable, restart]
reasons:
  description: Why, for each of RV(actions).
  returned: success
  type: list
  elements: str
  sample:
    - the definition on disk is newer than the one in force
    - it does not start with the host
    - "changed since its start: /etc/containerd/config.toml"
"""

import contextlib
import dataclasses
import os
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.baremetal.kubernetes.plugins.module_utils._daemon.manager import (
    Manager,
    manager_for,
    note_reload,
    reloaded_at,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._daemon.plan import (
    Desired,
    Observed,
    Plan,
    newer_inputs,
    plan_daemon,
    read_at,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._module import run_module
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node.facts import service_manager

_POLL_SECONDS = 0.2


def modified(paths: t.Iterable[str]) -> dict[str, float]:
    """Path -> time of the last change of its content, of those that are there."""
    times = {}
    for path in paths:
        with contextlib.suppress(OSError):
            times[path] = os.stat(path).st_mtime
    return times


def reset_future_times(inputs: t.Mapping[str, float], now: float) -> None:
    """Set modification times in the future to now, so that they can be compared again."""
    for path, mtime in inputs.items():
        if mtime > now:
            with contextlib.suppress(OSError):
                os.utime(path, (now, now))


def wait_running(manager: Manager, name: str, seconds: float) -> None:
    """Wait until the daemon runs.

    :raises OperatorError: with its last log lines, when it does not.
    """
    deadline = time.monotonic() + seconds
    while not manager.observe(name).running:
        if time.monotonic() >= deadline:
            raise OperatorError(
                f"{name} was started but does not run after {seconds:.0f} s.", manager.log(name)
            )
        time.sleep(_POLL_SECONDS)


def diff_of(observed: Observed, plan: Plan, name: str) -> dict[str, str]:
    """The state before, and the state and its reasons after."""
    words = {"daemon-reload": "definition: read again", "enable": "starts with the host: yes"}
    words.update({"disable": "starts with the host: no", "start": "running: yes", "stop": "running: no"})
    words.update({"restart": "running: yes, restarted", "reload": "configuration: read again"})
    old = {
        "reload": "configuration: older than on disk",
        "daemon-reload": "definition: older than on disk",
        "enable": "starts with the host: no",
        "disable": "starts with the host: yes",
        "start": "running: no",
        "stop": "running: yes",
        "restart": "running: yes",
    }
    return {
        "before_header": name,
        "after_header": name,
        "before": "".join(f"{old[action]}\n" for action in plan.actions),
        "after": "".join(f"{words[action]} ({reason})\n" for action, reason in plan.steps),
    }


def run(module: AnsibleModule) -> dict[str, t.Any]:
    """Observe, plan and, outside check mode, act."""
    params = module.params
    name = params["name"]
    manager = manager_for(service_manager("/"), lambda argv: module.run_command(list(argv)))
    observed = manager.observe(name)
    if observed.masked:
        raise OperatorError(
            f"the service {name} is masked, so that systemd never starts it.",
            f"If that is not on purpose: systemctl unmask {name}",
        )
    if not observed.present and not module.check_mode:
        raise OperatorError(
            f"there is no service {name} on this host.", "Write its unit or init script before."
        )
    inputs, reloads, now = modified(params["inputs"]), modified(params["reload_inputs"]), time.time()
    pending = set(params["pending"]) if module.check_mode else set()
    if observed.running:
        since = read_at(observed.started_at, reloaded_at(name))
        observed = dataclasses.replace(
            observed,
            newer=newer_inputs(inputs, observed.started_at, now, pending & set(params["inputs"])),
            unread=newer_inputs(reloads, since, now, pending & set(params["reload_inputs"])),
        )
    plan = plan_daemon(Desired(params["state"], params["enabled"]), observed)
    if not module.check_mode:
        for action in plan.actions:
            if action in ("start", "restart"):
                reset_future_times({**inputs, **reloads}, now)
            began = time.time()
            manager.act(name, action)
            if action == "reload":
                note_reload(name, began)
        if {"start", "restart"} & set(plan.actions):
            wait_running(manager, name, params["timeout"])
    result: dict[str, t.Any] = {
        "changed": plan.changed,
        "actions": plan.actions,
        "reasons": [reason for _action, reason in plan.steps],
    }
    if module._diff:
        result["diff"] = diff_of(observed, plan, name)
    return result


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["started", "stopped", "present"], "default": "started"},
            "enabled": {"type": "bool", "default": True},
            "inputs": {"type": "list", "elements": "path", "default": []},
            "reload_inputs": {"type": "list", "elements": "path", "default": []},
            "pending": {"type": "list", "elements": "path", "default": []},
            "timeout": {"type": "int", "default": 30},
        },
        supports_check_mode=True,
    )
    run_module(module, run)


if __name__ == "__main__":
    main()
