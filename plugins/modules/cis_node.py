# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: cis_node
short_description: Judge a host by sections 1, 2, 3.2 and 4 of the CIS Kubernetes Benchmark
version_added: 0.1.0
author:
  - baremetal.kubernetes contributors (@baremetal-kubernetes)
description:
  - Looks at what is in force on a host of a cluster, and gives a verdict on every check of its components, with what
    it was seen in. It changes nothing.
  - Command lines are those of the running processes, with the files that they name. The kubelet is asked for its
    configuration where a client certificate for that is on the host; else it is worked out as the kubelet does.
  - Where the benchmark's words and the security intent part, RV(results[].literal) is the verdict by the words, and
    RV(results[].status) the one by what is in force.
  - It needs root, and nothing beyond Python on the host. All checks are described in C(docs/cis-checks.md) of the
    collection.
extends_documentation_fragment:
  - baremetal.kubernetes._attributes.info
options:
  components:
    description:
      - What the host is judged as, V(control_plane), V(etcd) and V(node). By default what is found on it, by process,
        by static Pod or by the kubelet's files.
      - When a program of a component that is given here does not run, its checks have the status V(error).
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
      - Only these checks, such as V(1.1.12), and those of O(sections). Checks of components that the host has not are
        left out.
    type: list
    elements: str
    default: []
  root:
    description: Directory that the host is mounted on.
    type: path
    default: /
seealso:
  - module: baremetal.kubernetes.node_info
"""

EXAMPLES = r"""
- name: Judge every host
  baremetal.kubernetes.cis_node:
  register: cis_node

- name: Judge the kubelet alone
  baremetal.kubernetes.cis_node:
    components: [node]
    sections: ["4.2"]

- name: Look at one check again
  baremetal.kubernetes.cis_node:
    checks: [1.1.12]
"""

RETURN = r"""
node:
  description: Name of the node, as the kubelet takes it from the host or is told.
  returned: always
  type: str
  sample: cp1
time:
  description: When the host was looked at, in UTC (ISO 8601).
  returned: always
  type: str
  sample: "2026-11-21T21:05:00Z"
components:
  description: What the host was judged as.
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
      description: Verdict on what is in force, V(pass), V(fail), V(manual), V(not_applicable) or V(error).
      type: str
      sample: fail
    literal:
      description: Verdict by the benchmark's own words.
      type: str
      sample: fail
    message:
      description: The reason in one sentence.
      type: str
      sample: "The data of etcd is 0:0 (user:group); user etcd is 997."
    evidence:
      description: What was looked at, without keys and tokens.
      type: list
      elements: dict
      contains:
        source:
          description: Where, a path or a process.
          type: str
          sample: /var/lib/etcd
        key:
          description: What in it.
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
          description: Verdict on this one thing; absent when it is only told.
          type: str
          sample: fail
        subject:
          description: The object that it is about, where that is not the host.
          type: str
          sample: ""
        namespace:
          description: Namespace of that object.
          type: str
          sample: ""
        digest:
          description: SHA-256 of the file that was read, where that matters.
          type: str
          sample: sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae
    fixes:
      description: Modes and owners that would mend it.
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
          description: Number of its user, V(null) to keep it.
          type: int
          sample: 997
        gid:
          description: Number of its group, V(null) to keep it.
          type: int
          sample: 997
facts:
  description: What the checks of the cluster need to know of its hosts. The module that judges the cluster takes it.
  returned: always
  type: dict
  contains:
    api_server:
      description: What the API server is started with, V(null) where none runs.
      type: dict
      sample: null
    kubelet:
      description: Whether the kubelet gives Pods a seccomp profile, V(null) where none runs.
      type: dict
      sample: {seccomp_default: true}
    certificates:
      description: Client certificates on the host, by whom they are for.
      type: list
      elements: dict
      sample:
        - path: /etc/kubernetes/admin.conf
          common_name: kubernetes-admin
          organizations: ["kubeadm:cluster-admins"]
          subject_kind: kubeconfig
"""

import os
import platform
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis import audit

ARGUMENT_SPEC: dict[str, t.Any] = {
    "components": {"type": "list", "elements": "str", "choices": list(audit.COMPONENTS)},
    "sections": {"type": "list", "elements": "str", "default": []},
    "checks": {"type": "list", "elements": "str", "default": []},
    "root": {"type": "path", "default": "/"},
}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    params = module.params
    if os.geteuid() != 0:
        module.fail_json(
            msg="Only root can read what has to be looked at, as files of other processes. Run it with become: true."
        )
    if not os.path.isdir(os.path.join(params["root"], "proc")):
        module.fail_json(
            msg=f"root {params['root']} has no /proc. Give the directory that the host is mounted on."
        )
    try:
        wanted = audit.select(params["sections"], params["checks"])
        host = audit.Host(params["root"])
        components = audit.components(host, params["components"])
    except audit.OperatorError as exc:
        module.fail_json(msg=str(exc))
        raise
    module.exit_json(
        changed=False,
        node=audit.node_name(host) or platform.node(),
        time=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        components=components,
        results=[result.to_dict() for result in audit.run(host, components, wanted)],
        facts=audit.facts_of(host),
    )


if __name__ == "__main__":
    main()
