# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: api_objects_ready
short_description: Wait until Kubernetes objects are in effect
version_added: 0.1.0
author:
  - baremetal.kubernetes contributors (@baremetal-kubernetes)
description:
  - Waits for objects that were applied before, for all of them together. So a playbook applies everything first, and
    images of one part are pulled while the next part is applied.
  - Deployments, DaemonSets and StatefulSets have rolled out then, CustomResourceDefinitions are established,
    APIServices available, Services of the type LoadBalancer have an address, ClusterIssuers of cert-manager are
    Ready, and CiliumClusterwideNetworkPolicies valid. Other kinds do not tell, and are not waited for.
  - What is not in effect in time is named with its reason, and with those of its pods.
  - Runs on the controller, with its kubeconfig and its Python packages; it contacts no host.
extends_documentation_fragment:
  - baremetal.kubernetes._attributes
  - baremetal.kubernetes._kube_api
  - baremetal.kubernetes._kube_api.patience
attributes:
  check_mode:
    support: full
    details: Does not wait in check mode, as a task before may only have predicted the objects.
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  objects:
    description:
      - The objects, each with C(apiVersion), C(kind) and C(metadata.name), and C(metadata.namespace) where its kind has
        one. Nothing else of them is read.
    type: list
    elements: dict
    required: true
  wait:
    description: Seconds that they may take.
    type: int
    default: 300
seealso:
  - module: baremetal.kubernetes.api_objects
"""

EXAMPLES = r"""
- name: Wait until a Deployment has rolled out
  baremetal.kubernetes.api_objects_ready:
    kubeconfig: ~/.kube/example
    objects:
      - {apiVersion: apps/v1, kind: Deployment, metadata: {name: shop, namespace: team-a}}
    wait: 120
  run_once: true
"""

RETURN = r"""
seconds:
  description: How long it took until they were in effect, in seconds.
  returned: success
  type: float
  sample: 12.3
"""
