# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: check_inventory
short_description: Check that the inventory has the groups of a cluster, and options of their types
version_added: 0.1.0
author:
  - baremetal.kubernetes contributors (@baremetal-kubernetes)
description:
  - Fails when the group C(control_plane) is missing or empty, or when C(--limit) leaves no host of the cluster in the
    run. Ansible itself only warns of such a pattern and ends with exit code 0.
  - An empty or missing group C(worker) is a cluster without workers. It is an error when C(worker) is missing and
    there are hosts in a group with a name that other tools use, such as C(kube_node) or C(workers).
  - The message contains the lines of YAML that fix the inventory, with its own groups or hosts.
  - Fails also when an option of a role has a value that is neither of its type nor text for it, of all hosts of the run
    in one message.
  - Fails when C(inject_facts_as_vars) is on in Ansible's configuration, as it is by default. A host that was taken over
    could otherwise set any variable of the cluster, as facts go before the inventory.
  - Runs on the controller and contacts no host. The play must be for all hosts, as in the playbook
    C(baremetal.kubernetes.check_inventory), which the playbooks of all operations import first.
extends_documentation_fragment:
  - baremetal.kubernetes._attributes.info
options:
  groups:
    description:
      - Groups that C(--limit) may restrict the run to. An audit may also run on the hosts of an external etcd.
    type: list
    elements: str
    default: [control_plane, worker]
seealso:
  - module: baremetal.kubernetes.preflight_report
"""

EXAMPLES = r"""
- name: Check the inventory
  hosts: all:localhost
  gather_facts: false
  tasks:
    - name: Check the groups of the inventory
      baremetal.kubernetes.check_inventory:
      run_once: true
"""

RETURN = r"""
hosts:
  description: Hosts of the cluster that the run contains.
  returned: success
  type: list
  elements: str
  sample: [cp1, w1]
"""
