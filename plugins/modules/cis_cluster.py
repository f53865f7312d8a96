# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: cis_cluster
short_description: Audit a cluster by sections 3.1 and 5 of the CIS Kubernetes Benchmark
version_added: 0.1.0
author:
  - baremetal.kubernetes contributors (@baremetal-kubernetes)
description:
  - Evaluates the checks of sections 3.1 and 5 with the API of a cluster, such as RBAC, Pod security and network
    policies. It changes nothing.
  - Of Secrets it reads metadata only, never their content.
  - Findings do not fail the module; M(baremetal.kubernetes.cis_report) decides about them. The module fails when the
    API cannot be reached. When the credentials are not allowed to read something, the checks that need it have the
    status V(error), and RV(missing_permissions) lists what to allow.
  - Runs on the controller and contacts no host.
extends_documentation_fragment:
  - baremetal.kubernetes._attributes.info
requirements:
  - kubernetes >= 31.0 (on the controller)
options:
  kubeconfig:
    description: Kubeconfig of the cluster on the controller.
    type: path
    required: true
  context:
    description: Context of the kubeconfig; by default its current context.
    type: str
  nodes:
    description:
      - RV(baremetal.kubernetes.cis_node#module:facts) of every host of the cluster.
      - Checks that need them have the status V(error) when they are missing, or those of a host are.
    type: list
    elements: dict
    default: []
  checks:
    description: Ids of the checks to evaluate, such as V(5.1.1); all checks when empty.
    type: list
    elements: str
    default: []
  timeout:
    description: Timeout of one request to the API, in seconds.
    type: int
    default: 15
seealso:
  - module: baremetal.kubernetes.cis_node
  - module: baremetal.kubernetes.cis_report
"""

EXAMPLES = r"""
- name: Audit the cluster
  baremetal.kubernetes.cis_cluster:
    kubeconfig: ~/.kube/example
    nodes: "{{ ansible_play_hosts | map('extract', hostvars, ['__cis_node', 'facts']) }}"
  run_once: true
  register: __cis_cluster

- name: List who can read Secrets
  baremetal.kubernetes.cis_cluster:
    kubeconfig: ~/.kube/example
    checks: ["5.1.2"]
  run_once: true
"""

RETURN = r"""
time:
  description: Time of the audit, in UTC.
  returned: always
  type: str
  sample: "2026-11-21T20:45:48Z"
kubernetes_version:
  description: Version of the API server, without a leading C(v).
  returned: success
  type: str
  sample: 1.36.4
results:
  description: The verdicts, in the order of the benchmark.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: The check.
      type: str
      sample: 5.1.2
    status:
      description: Effective verdict, V(pass), V(fail), V(manual), V(not_applicable) or V(error).
      type: str
      sample: fail
    literal:
      description: Literal verdict, by the wording of the benchmark; mostly the same.
      type: str
      sample: fail
    message:
      description: The reason in one sentence.
      type: str
      sample: 1 grant(s) allow other subjects to read Secrets.
    evidence:
      description: What was found.
      type: list
      elements: dict
      contains:
        source:
          description: Path of the API, or another source.
          type: str
          sample: /apis/rbac.authorization.k8s.io/v1/clusterrolebindings/reader
        key:
          description: What was read from it.
          type: str
          sample: ClusterRole/reader
        observed:
          description: What was found.
          type: str
          sample: User/jane may get,list secrets in the whole cluster, through ClusterRoleBinding/reader
        expected:
          description: What passes.
          type: str
          sample: only components of Kubernetes, and administrators
        status:
          description: Verdict on this observation, V(pass) or V(fail).
          returned: when there is one
          type: str
          sample: fail
        subject:
          description: The object that it is about; exemptions match on it.
          returned: when there is one
          type: str
          sample: User/jane
        namespace:
          description: Namespace of that object.
          returned: when there is one
          type: str
          sample: kube-system
    fixes:
      description: Always empty, as these checks have no files.
      type: list
      elements: dict
      sample: []
objects:
  description: Number of objects that were read, by resource.
  returned: success
  type: dict
  sample: {pods: 11, clusterroles: 73}
missing_permissions:
  description: Permissions that the credentials lack.
  returned: success
  type: list
  elements: dict
  contains:
    verb:
      description: The verb.
      type: str
      sample: list
    group:
      description: API group, empty for the core.
      type: str
      sample: rbac.authorization.k8s.io
    resource:
      description: The resource.
      type: str
      sample: clusterroles
    namespace:
      description: Namespace; empty for the whole cluster.
      type: str
      sample: ""
"""
