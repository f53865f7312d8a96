# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: cis_node
short_description: Audit a host by sections 1, 2, 3.2 and 4 of the CIS Kubernetes Benchmark
version_added: 0.1.0
author:
  - baremetal.kubernetes contributors (@baremetal-kubernetes)
description:
  - Evaluates the checks of a host's components on their effective configuration, with evidence. It changes nothing.
  - It reads the command lines of running processes, and the files that they name. The configuration of the kubelet
    is read from its C(/configz) if the host has a client certificate for it, else computed from its files and flags.
  - RV(results[].status) is the effective verdict, on the effective configuration, and RV(results[].literal) the literal
    one, by the wording of the benchmark.
  - It needs root, and nothing but Python on the host. C(docs/cis-checks.md) of the collection describes all checks.
extends_documentation_fragment:
  - baremetal.kubernetes._attributes.info
options:
  components:
    description:
      - Components of the host, V(control_plane), V(etcd) and V(node). By default those that are found by process,
        static Pod or the kubelet's files.
      - Checks of a given component that does not run have the status V(error).
    type: list
    elements: str
    choices: [control_plane, etcd, node]
  sections:
    description: Only the checks of these sections, such as V(4) or V(1.1).
    type: list
    elements: str
    default: []
  checks:
    description:
      - Only these checks, such as V(1.1.12), and those of O(sections). Checks of components that the host does not have
        are omitted.
    type: list
    elements: str
    default: []
  root:
    description: Directory where the host is mounted.
    type: path
    default: /
seealso:
  - module: baremetal.kubernetes.cis_cluster
  - module: baremetal.kubernetes.cis_report
"""

EXAMPLES = r"""
- name: Audit every host
  baremetal.kubernetes.cis_node:
  register: cis_node

- name: Audit the kubelet only
  baremetal.kubernetes.cis_node:
    components: [node]
    sections: ["4.2"]

- name: Evaluate one check again
  baremetal.kubernetes.cis_node:
    checks: [1.1.12]
"""

RETURN = r"""
node:
  description: Name of the node, from the kubelet's flag or the hostname.
  returned: always
  type: str
  sample: cp1
time:
  description: Time of the audit, in UTC (ISO 8601).
  returned: always
  type: str
  sample: "2026-11-21T21:05:00Z"
components:
  description: Components that were audited.
  returned: always
  type: list
  elements: str
  sample: [control_plane, etcd, node]
results:
  description: The verdicts, in the order of the benchmark.
  returned: always
  type: list
  elements: dict
  contains:
    id:
      description: The check.
      type: str
      sample: 1.1.12
    status:
      description: Effective verdict, V(pass), V(fail), V(manual), V(not_applicable) or V(error).
      type: str
      sample: fail
    literal:
      description: Literal verdict, by the wording of the benchmark.
      type: str
      sample: fail
    message:
      description: The reason in one sentence.
      type: str
      sample: "The data directory of etcd is owned by 0:0 (user:group); user etcd is 997."
    evidence:
      description: What was found, without keys and tokens.
      type: list
      elements: dict
      contains:
        source:
          description: A path or a process.
          type: str
          sample: /var/lib/etcd
        key:
          description: What was read from it.
          type: str
          sample: owner
        observed:
          description: What was found.
          type: str
          sample: "0:0"
        expected:
          description: What passes.
          type: str
          sample: owner etcd:etcd (997:997)
        status:
          description: Verdict on this observation; absent for mere information.
          type: str
          sample: fail
        subject:
          description: The object that it is about, if that is not the host.
          type: str
          sample: ""
        namespace:
          description: Namespace of that object.
          type: str
          sample: ""
        digest:
          description: SHA-256 of the file, where that matters.
          type: str
          sample: sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae
    fixes:
      description: Modes and owners that fix a failure.
      type: list
      elements: dict
      contains:
        path:
          description: The file.
          type: str
          sample: /var/lib/etcd
        mode:
          description: Its mode in octal, V(null) to keep it.
          type: str
          sample: "0600"
        uid:
          description: Numeric user, V(null) to keep it.
          type: int
          sample: 997
        gid:
          description: Numeric group, V(null) to keep it.
          type: int
          sample: 997
facts:
  description: What M(baremetal.kubernetes.cis_cluster) needs to know about the host.
  returned: always
  type: dict
  contains:
    api_server:
      description: Settings of the API server, V(null) when none runs.
      type: dict
      sample: null
    kubelet:
      description: Whether the kubelet gives Pods a seccomp profile by default, V(null) when none runs.
      type: dict
      sample: {seccomp_default: true}
    certificates:
      description: Client certificates on the host.
      type: list
      elements: dict
      sample:
        - path: /etc/kubernetes/admin.conf
          common_name: kubernetes-admin
          organizations: ["kubeadm:cluster-admins"]
          subject_kind: kubeconfig
    unread:
      description: Files that may have such certificates, and could not be read, so that checks are undecided.
      type: list
      elements: dict
      sample: [{path: /etc/kubernetes/super-admin.conf, reason: "line 12: a value beyond this reader: |"}]
"""

import os
import platform
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis import audit
from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._module import run_module

ARGUMENT_SPEC: dict[str, t.Any] = {
    "components": {"type": "list", "elements": "str", "choices": list(audit.COMPONENTS)},
    "sections": {"type": "list", "elements": "str", "default": []},
    "checks": {"type": "list", "elements": "str", "default": []},
    "root": {"type": "path", "default": "/"},
}


def run(module: AnsibleModule) -> dict[str, t.Any]:
    """Audit the host.

    :raises OperatorError: when it cannot be audited, or something unknown is asked for.
    """
    params = module.params
    if os.geteuid() != 0:
        raise OperatorError("Only root can read the files of other processes.", "Run it with become: true.")
    if not os.path.isdir(os.path.join(params["root"], "proc")):
        raise OperatorError(
            f"root {params['root']} has no /proc. Expected the directory where the host is mounted."
        )
    wanted = audit.select(params["sections"], params["checks"])
    host = audit.Host(params["root"])
    components = audit.components(host, params["components"])
    return {
        "changed": False,
        "node": audit.node_name(host) or platform.node(),
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "components": components,
        "results": [result.to_dict() for result in audit.run(host, components, wanted)],
        "facts": audit.facts_of(host),
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    run_module(module, run)


if __name__ == "__main__":
    main()
