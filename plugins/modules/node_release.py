# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: node_release
short_description: Free the Pods and volumes of a node that is down
version_added: 0.1.0
author:
  - baremetal.kubernetes contributors (@baremetal-kubernetes)
description:
  - Gives a node that is not Ready the taint C(node.kubernetes.io/out-of-service=nodeshutdown:NoExecute), with which an
    operator states that the machine is off. Kubernetes then ends Pods that are being deleted and detaches volumes, so
    that others can use them.
  - Waits until no Pod of the node is being deleted any more and no volume is attached. Delete the Node object
    afterwards.
  - It is refused for a node that is Ready, unless O(host_reset). As the cluster takes up to a minute to notice that a
    machine has died, it waits for that first. Without the Node object it changes nothing.
  - Runs on the controller, with its kubeconfig and its Python packages; it contacts no host.
extends_documentation_fragment:
  - baremetal.kubernetes._attributes
  - baremetal.kubernetes._kube_api
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  node:
    description: Name of the Node object.
    type: str
    required: true
  host_reset:
    description:
      - Whether its host was just reset, so that nothing of the node runs any more. Kubernetes may still call it Ready
        for a minute.
    type: bool
    default: false
  timeout:
    description: Seconds until everything must be free. The node keeps the taint, and the same call continues.
    type: int
    default: 120
seealso:
  - module: baremetal.kubernetes.node_removal
"""

EXAMPLES = r"""
- name: Free the pods and volumes of a machine that is off
  baremetal.kubernetes.node_release:
    kubeconfig: ~/.kube/example
    node: w3
  run_once: true
"""

RETURN = r"""
waited:
  description: Seconds until everything was free.
  returned: success
  type: float
  sample: 21.4
"""
