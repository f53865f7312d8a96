# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: nfs_export_info
short_description: Find out whether a host can use exports of NFS servers
version_added: 0.1.0
author:
  - baremetal.kubernetes contributors (@baremetal-kubernetes)
description:
  - Asks NFS servers, as root of this host, whether they are there, which version they serve, whether they export a
    directory to this host, and whether root of this host may make directories in it.
  - It speaks the protocols itself (NFSv4, NFSv3 with its C(mountd)), mounts nothing, and needs no program on the host.
  - It never waits longer than O(timeout) for one export. What is wrong is returned, and no failure.
  - With Kerberos (C(sec=krb5)) nobody can look into an export without a ticket, so that only the server is asked.
extends_documentation_fragment:
  - baremetal.kubernetes._attributes
  - baremetal.kubernetes._attributes.info
options:
  exports:
    description: The exports.
    type: list
    elements: dict
    required: true
    suboptions:
      server:
        description: Name or address of the NFS server.
        type: str
        required: true
      path:
        description: The exported directory, as the server names it.
        type: str
        required: true
      mount_options:
        description:
          - Options that it is mounted with, as C(mount.nfs) takes them. Read are C(nfsvers), C(vers), C(minorversion),
            C(port), C(mountport), C(sec) and C(ro).
          - Without a version, the newest one of NFSv4 is used. Version 3 has to be named (C(nfsvers=3)), as its locks
            need services on the host.
        type: list
        elements: str
        default: []
  timeout:
    description: Seconds for each export.
    type: int
    default: 10
"""

EXAMPLES = r"""
- name: Ask an NFS server from every node
  baremetal.kubernetes.nfs_export_info:
    exports:
      - server: nfs.example.org
        path: /srv/kubernetes
        mount_options: [nfsvers=4.2]
  register: nfs

- name: Refuse what cannot be used
  ansible.builtin.assert:
    that: nfs.exports | map(attribute='problem') | select | list | length == 0
    fail_msg: "{{ nfs.exports | map(attribute='problem') | select | join('; ') }}"
"""

RETURN = r"""
client:
  description: Path of the host's C(mount.nfs), V(null) without.
  returned: success
  type: str
  sample: /usr/sbin/mount.nfs
exports:
  description: What was found, in the order of the option.
  returned: success
  type: list
  elements: dict
  sample:
    - server: nfs.example.org
      path: /srv/kubernetes
      address: 192.0.2.9
      source: 192.0.2.11
      version: "4.2"
      writable: true
      problem: ""
      step: ""
      exports: {}
  contains:
    server:
      description: As in the option.
      type: str
      returned: always
    path:
      description: As in the option.
      type: str
      returned: always
    address:
      description: The server's address that has answered; empty when none has.
      type: str
      returned: always
    source:
      description: The address of this host that it was asked from.
      type: str
      returned: always
    version:
      description: The newest allowed version that works, as in V(4.2) or V(3); empty without.
      type: str
      returned: always
    writable:
      description: Whether root of this host may make directories there.
      type: bool
      returned: always
    problem:
      description: What is wrong, with what was found and expected; empty when the host can use the export.
      type: str
      returned: always
    step:
      description: What can be done about it.
      type: str
      returned: always
    exports:
      description: What the server exports to whom, where that was asked for an explanation, and it tells.
      type: dict
      returned: always
"""

import typing as t
from dataclasses import asdict

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._module import run_module
from ansible_collections.baremetal.kubernetes.plugins.module_utils._nfs.probe import parse, probe
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node.facts import find_program


def run(module: AnsibleModule) -> dict[str, t.Any]:
    """Ask for one export after the other."""
    timeout = module.params["timeout"]
    if timeout < 1:
        raise OperatorError(f"timeout is {timeout}, expected 1 second or more.", "Correct it.")
    found = []
    for one in module.params["exports"]:
        try:
            export = parse(one["server"], one["path"], one["mount_options"])
        except ValueError as exc:
            raise OperatorError(
                f"mount_options of {one['server']}:{one['path']} have {exc}.", "Correct mount_options."
            ) from exc
        found.append(asdict(probe(export, timeout)))
    return {"changed": False, "client": find_program("/", "mount.nfs"), "exports": found}


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            "exports": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "server": {"type": "str", "required": True},
                    "path": {"type": "str", "required": True},
                    "mount_options": {"type": "list", "elements": "str", "default": []},
                },
            },
            "timeout": {"type": "int", "default": 10},
        },
        supports_check_mode=True,
    )
    run_module(module, run)


if __name__ == "__main__":
    main()
