# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: api_objects
short_description: Apply and delete Kubernetes objects, also while the API server moves
version_added: 0.1.0
author:
  - baremetal.kubernetes contributors (@baremetal-kubernetes)
description:
  - Applies objects of any kind by server-side apply, or deletes them.
  - All objects are tried as a dry run first, so that one which the API server refuses changes nothing. Those that are
    as declared already are not written.
  - An API server that does not answer, or answers that it cannot serve now, is asked again until O(timeout). So a
    virtual IP address may move to another control plane, and etcd may elect a leader, while this runs.
  - One that is being deleted is waited for, for 120 seconds at most, and then created again.
  - Deletes what it has applied before and what is not declared any more, when O(prune) says so.
  - Fields that an earlier call of the same field manager has declared and this one does not are removed. Fields of
    other managers stay.
  - Runs on the controller, with its kubeconfig and its Python packages; it contacts no host.
extends_documentation_fragment:
  - baremetal.kubernetes._attributes
  - baremetal.kubernetes._kube_api
  - baremetal.kubernetes._kube_api.patience
attributes:
  check_mode:
    support: full
    details: >-
      The API server predicts the result. An object whose namespace or kind does not exist yet is predicted as declared.
  diff_mode:
    support: full
    details: Values of Secrets are not shown.
  idempotent:
    support: full
options:
  objects:
    description:
      - The objects, each with C(apiVersion), C(kind) and C(metadata.name), and C(metadata.namespace) where its kind has
        one.
      - They are applied in this order, and deleted in the reverse. Those of one kind that follow each other are applied
        side by side.
    type: list
    elements: dict
    default: []
  src:
    description:
      - Files of YAML on the controller with further objects, which come after O(objects) in the order of the files.
    type: list
    elements: path
    default: []
  state:
    description: Whether the objects exist as declared, or do not exist. A deletion does not wait for finalizers.
    type: str
    choices: [present, absent]
    default: present
  field_manager:
    description: The field manager of what is applied.
    type: str
    default: baremetal.kubernetes
  force_conflicts:
    description: Whether to take over fields that another manager has set otherwise. Without it, that is an error.
    type: bool
    default: false
  part_of:
    description:
      - Name of the set that the objects belong to, which each gets as its label C(baremetal.kubernetes/part-of).
    type: str
  prune:
    description:
      - Kinds of which objects are deleted that this field manager has applied as part of the same set O(part_of), and
        that are not declared any more. Those of others stay, also with the same label.
      - With an empty list of O(objects), all of them are deleted.
    type: list
    elements: dict
    default: []
    suboptions:
      api_version:
        description: Group and version, as in C(networking.k8s.io/v1).
        type: str
        required: true
      kind:
        description: The kind, as in C(NetworkPolicy).
        type: str
        required: true
  replace:
    description:
      - Kinds of which an object is deleted and created again when the API server refuses to change it, as it does with
        C(parameters) of a C(StorageClass). Only for kinds whose objects are referred to by name alone.
      - Whether the API server would take the next one is tried before, as a dry run under another name.
    type: list
    elements: str
    default: []
  wait:
    description:
      - Seconds that the objects may take to be in effect, V(0) to not wait. Deployments, DaemonSets and StatefulSets
        have rolled out then, CustomResourceDefinitions are established, APIServices available, Services of the type
        LoadBalancer have an address, ClusterIssuers of cert-manager are Ready, and CiliumClusterwideNetworkPolicies
        valid. Other kinds do not tell. A policy that Cilium refuses fails at once.
      - Also waits for objects that did not change. It does not wait in check mode.
    type: int
    default: 0
seealso:
  - module: baremetal.kubernetes.api_objects_ready
  - module: kubernetes.core.k8s
"""

EXAMPLES = r"""
- name: Deny ingress in a namespace
  baremetal.kubernetes.api_objects:
    kubeconfig: ~/.kube/example
    objects:
      - apiVersion: networking.k8s.io/v1
        kind: NetworkPolicy
        metadata:
          name: default-deny-ingress
          namespace: team-a
        spec:
          podSelector: {}
          policyTypes: [Ingress]
  run_once: true

- name: Have exactly these policies of a set
  baremetal.kubernetes.api_objects:
    kubeconfig: ~/.kube/example
    part_of: policies
    prune:
      - api_version: networking.k8s.io/v1
        kind: NetworkPolicy
    objects: "{{ policies }}"
  run_once: true
"""

RETURN = r"""
objects:
  description: Kind and name of the objects that were changed, or would be.
  returned: success
  type: list
  elements: str
  sample: [NetworkPolicy team-a/default-deny-ingress]
awaitable:
  description:
    - What identifies those of the declared objects, changed or not, that tell whether they are in effect. It is what
      O(baremetal.kubernetes.api_objects_ready#module:objects) of a later task takes.
  returned: success
  type: list
  elements: dict
  sample:
    - {apiVersion: apps/v1, kind: Deployment, metadata: {name: shop, namespace: team-a}}
"""
