# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: node_drain
short_description: Drain, cordon or uncordon a node
version_added: 0.1.0
author:
  - baremetal.kubernetes contributors (@baremetal-kubernetes)
description:
  - Cordons a node and evicts its Pods, so that they are created again on other nodes, and waits until they are gone; or
    returns it to service.
  - What would block for ever is refused before the node is cordoned, in one message that lists every such Pod. Static
    Pods, Pods of DaemonSets and Pods that have finished stay.
  - Evictions respect PodDisruptionBudgets. One that does not allow an eviction is asked again until O(timeout) is over.
    Lines of progress name the Pods that are waited for, and their budgets.
  - Pods that were evicted from a node whose kubelet does not answer remain in state Terminating. They are reported and
    not waited for, as nothing ends them before the kubelet answers again or the Node object is deleted.
  - Runs on the controller, with its kubeconfig and its Python packages; it contacts no host.
extends_documentation_fragment:
  - baremetal.kubernetes._attributes
  - baremetal.kubernetes._kube_api
attributes:
  check_mode:
    support: full
    details: Lists what would be evicted, and what would hold that up.
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  node:
    description: Name of the Node object.
    type: str
    required: true
  state:
    description:
      - V(drained) cordons the node and evicts its Pods.
      - V(cordoned) cordons it only, so that no further Pods are scheduled on it.
      - V(uncordoned) returns it to service, when O(operation) has cordoned it.
    type: str
    choices: [drained, cordoned, uncordoned]
    default: drained
  operation:
    description:
      - What the node is cordoned for. An annotation C(baremetal.kubernetes/cordoned-by) of the node notes it, and
        O(state=uncordoned) leaves a node alone that another operation or an operator has cordoned.
      - When empty, O(state=uncordoned) returns the node to service whoever has cordoned it.
    type: str
    default: maintenance
  timeout:
    description: Seconds until all Pods must be gone. After that the node stays cordoned, and the same call continues.
    type: int
    default: 600
  delete_emptydir_data:
    description:
      - Whether to evict Pods with C(emptyDir) volumes as well, whose content is lost with them.
      - Volumes that a Pod names in its annotation C(cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes),
        separated by commas, hold up no drain.
    type: bool
    default: false
  force:
    description: Whether to evict Pods without a controller as well, which nothing creates again.
    type: bool
    default: false
  ignore_budgets:
    description:
      - Whether to delete Pods instead of evicting them, which no PodDisruptionBudget can prevent. Applications may be
        interrupted.
    type: bool
    default: false
  grace_period:
    description: Seconds that each Pod has to end; a negative number leaves it to the Pod.
    type: int
    default: -1
seealso:
  - module: baremetal.kubernetes.cluster_health
"""

EXAMPLES = r"""
- name: Drain a node
  baremetal.kubernetes.node_drain:
    kubeconfig: ~/.kube/example
    node: w1
  delegate_to: localhost

- name: Return it to service
  baremetal.kubernetes.node_drain:
    kubeconfig: ~/.kube/example
    node: w1
    state: uncordoned
  delegate_to: localhost
"""

RETURN = r"""
evicted:
  description: Pods that were evicted, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: [default/web-7d764666f9-2kd7x]
staying:
  description: Pods of the node that are not evicted.
  returned: success
  type: list
  elements: dict
  contains:
    pod:
      description: Namespace and name of the Pod.
      type: str
      sample: kube-system/cilium-x2x8p
    reason:
      description: Why it stays.
      type: str
      sample: Pod of a DaemonSet
held_up:
  description: What holds up evictions, as it was before the first one.
  returned: success, and when the drain is refused
  type: list
  elements: dict
  contains:
    pod:
      description: Namespace and name of the Pod.
      type: str
      sample: default/web-7d764666f9-2kd7x
    kind:
      description:
        - V(controller) is a Pod without a controller, V(emptydir) one with C(emptyDir) volumes, V(budget) one whose
          PodDisruptionBudget allows no eviction now, V(budgets) one with several budgets, which the API server never
          evicts, V(local_volume) one with a persistent volume that only this node has.
      type: str
      sample: budget
    found:
      description: What was found.
      type: str
      sample: PodDisruptionBudget web needs 1 healthy Pods and has 1 of 1
    next_step:
      description: What to do about it, or what happens.
      type: str
      sample: The eviction is tried again until more Pods are healthy
    blocks:
      description: Whether the drain is refused for it.
      type: bool
      sample: false
stuck:
  description: Pods that remain in state Terminating, as the kubelet of the node does not answer.
  returned: success
  type: list
  elements: str
  sample: []
unschedulable:
  description: Whether the node is cordoned.
  returned: success
  type: bool
  sample: true
cordoned_by:
  description: The operation that cordoned it; empty when that was an operator, or when it is not cordoned.
  returned: success
  type: str
  sample: maintenance
waited:
  description: Seconds until the Pods were gone.
  returned: success
  type: float
  sample: 12.3
"""
