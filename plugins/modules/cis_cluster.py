# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: cis_cluster
short_description: Audit what a cluster allows, by the checks of the CIS Kubernetes Benchmark
version_added: 0.1.0
author:
  - baremetal.kubernetes contributors (@baremetal-kubernetes)
description:
  - Judges the checks of the sections 3.1 and 5 from what the API of a cluster says, such as who may do what, what Pods
    may do to hosts, and which namespaces are isolated. It changes nothing.
  - Of Secrets it asks for metadata alone, never for what they hold.
  - What is found is no failure of the module; M(baremetal.kubernetes.cis_report) decides about that. The module fails
    when the API can't be asked at all. When the credentials may not read something, the checks that need it have the
    status V(error), and RV(missing_permissions) says what to allow.
  - Runs where the kubeconfig is, usually on the controller, once for a cluster.
extends_documentation_fragment:
  - baremetal.kubernetes._attributes.info
requirements:
  - kubernetes >= 31.0
options:
  kubeconfig:
    description: File with address and credentials of the cluster.
    type: path
    required: true
  context:
    description: Context within the file; by default its current one.
    type: str
  nodes:
    description:
      - RV(baremetal.kubernetes.cis_node#module:facts) of every host of the cluster.
      - Without them, or when those of a host are missing, checks that need them have the status V(error).
    type: list
    elements: dict
    default: []
  checks:
    description: Ids of the checks that are judged, such as V(5.1.1); all of them when empty.
    type: list
    elements: str
    default: []
  timeout:
    description: Seconds that one answer of the API may take.
    type: int
    default: 15
seealso:
  - module: baremetal.kubernetes.cis_node
  - module: baremetal.kubernetes.cis_report
"""

EXAMPLES = r"""
- name: Audit what the cluster allows
  baremetal.kubernetes.cis_cluster:
    kubeconfig: ~/.kube/example
    nodes: "{{ ansible_play_hosts | map('extract', hostvars, ['__cis_node', 'facts']) }}"
  delegate_to: localhost
  run_once: true
  register: __cis_cluster

- name: See who may read Secrets
  baremetal.kubernetes.cis_cluster:
    kubeconfig: ~/.kube/example
    checks: ["5.1.2"]
  delegate_to: localhost
"""

RETURN = r"""
time:
  description: When the cluster was asked, in UTC.
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
      description: Verdict on what is in force, V(pass), V(fail), V(manual), V(not_applicable) or V(error).
      type: str
      sample: fail
    literal:
      description: Verdict by the benchmark's own words; mostly the same.
      type: str
      sample: fail
    message:
      description: The reason in one sentence.
      type: str
      sample: 1 grant(s) let somebody read Secrets who is no part of Kubernetes.
    evidence:
      description: What was looked at.
      type: list
      elements: dict
      contains:
        source:
          description: Path of the API, or where else it was found.
          type: str
          sample: /apis/rbac.authorization.k8s.io/v1/clusterrolebindings/reader
        key:
          description: What in it.
          type: str
          sample: ClusterRole/reader
        observed:
          description: What was found.
          type: str
          sample: User/jane may get,list secrets in the whole cluster, through ClusterRoleBinding/reader
        expected:
          description: What would pass.
          type: str
          sample: only parts of Kubernetes, and administrators
        status:
          description: Verdict on this alone, V(pass) or V(fail).
          returned: when there is one
          type: str
          sample: fail
        subject:
          description: The object that it is about; exemptions are matched with it.
          returned: when there is one
          type: str
          sample: User/jane
        namespace:
          description: Namespace of that object.
          returned: when there is one
          type: str
          sample: kube-system
    fixes:
      description: Always empty; for checks of files.
      type: list
      elements: dict
      sample: []
objects:
  description: How many objects were looked at, by resource.
  returned: success
  type: dict
  sample: {pods: 11, clusterroles: 73}
missing_permissions:
  description: What the credentials would have to be allowed in addition.
  returned: success
  type: list
  elements: dict
  contains:
    verb:
      description: What to do with it.
      type: str
      sample: list
    group:
      description: Group of the API, empty for the core.
      type: str
      sample: rbac.authorization.k8s.io
    resource:
      description: The resource.
      type: str
      sample: clusterroles
    namespace:
      description: In which namespace; in the whole cluster when empty.
      type: str
      sample: ""
"""

import datetime
import typing as t

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.client import (
    ApiError,
    CredentialsError,
    StatusError,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.cluster.audit import (
    CHECKS,
    evaluate_all,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.cluster.snapshot import (
    Snapshot,
    read_snapshot,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api.connect import (
    KUBERNETES_ERROR,
    connect,
)

ARGUMENT_SPEC: dict[str, t.Any] = {
    "kubeconfig": {"type": "path", "required": True},
    "context": {"type": "str"},
    "nodes": {"type": "list", "elements": "dict", "default": []},
    "checks": {"type": "list", "elements": "str", "default": []},
    "timeout": {"type": "int", "default": 15},
}


def explain(exc: ApiError, kubeconfig: str) -> str:
    """What was found when the API could not be asked, what was expected, and what to do."""
    if isinstance(exc, StatusError) and exc.status == 401:
        return (
            f"{exc.message.rstrip('.')}: the API server does not know the credentials in {kubeconfig}. Expected those"
            " of somebody who may read the whole cluster. Fetch the kubeconfig from a control plane again: its"
            " certificate may be too old."
        )
    return (
        f"{exc.message} Expected the API server of the cluster in {kubeconfig}. See whether it runs (crictl ps on a"
        " control plane) and can be reached from here."
    )


def take_snapshot(module: AnsibleModule, time: str) -> Snapshot:
    """The cluster of the kubeconfig."""
    params = module.params
    try:
        api = connect(params["kubeconfig"], params["context"], params["timeout"])
        return read_snapshot(api, params["nodes"])
    except CredentialsError as exc:
        module.fail_json(msg=str(exc), time=time)
    except ApiError as exc:
        module.fail_json(msg=explain(exc, params["kubeconfig"]), time=time)
    raise RuntimeError("fail_json returned")


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    time = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    wanted = module.params["checks"]
    unknown = [check_id for check_id in wanted if check_id not in CHECKS]
    if unknown:
        module.fail_json(
            msg=f"There is no check of a cluster called {', '.join(unknown)}. Choose from: {', '.join(CHECKS)}.",
            time=time,
        )
    if module.params["timeout"] <= 0:
        module.fail_json(msg="timeout must be a number of seconds above 0.", time=time)
    if KUBERNETES_ERROR is not None:
        module.fail_json(msg=missing_required_lib("kubernetes"), exception=KUBERNETES_ERROR, time=time)
    snapshot = take_snapshot(module, time)
    module.exit_json(
        changed=False,
        time=time,
        kubernetes_version=snapshot.version,
        results=[result.to_dict() for result in evaluate_all(snapshot, wanted)],
        objects={name: len(items) for name, items in snapshot.objects.items()},
        missing_permissions=[dict(item) for item in snapshot.missing_permissions],
    )


if __name__ == "__main__":
    main()
