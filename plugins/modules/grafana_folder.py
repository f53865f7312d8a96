# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: grafana_folder
short_description: Manage the folder of a cluster's dashboards in Grafana
version_added: 0.1.0
author:
  - baremetal.kubernetes contributors (@baremetal-kubernetes)
description:
  - Creates, updates and deletes a folder.
  - It uses C(/apis/folder.grafana.app) where Grafana has it (12 and later), else C(/api).
  - Where Grafana keeps no annotations (C(/api), and Grafana 12 with its former storage), a folder with the uid
    C(bmk-ID) is the one of the cluster ID, and another title than the declared one counts as an edit.
extends_documentation_fragment:
  - baremetal.kubernetes._attributes
  - baremetal.kubernetes._grafana
  - baremetal.kubernetes._grafana.owned
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  uid:
    description: Its uid, by default C(bmk-) and the id of the cluster.
    type: str
  title:
    description: Its title. Required with O(state=present).
    type: str
  description:
    description: What it is for.
    type: str
    default: ""
  parent:
    description: Uid of the folder that it is in, empty for the top level. Without it the folder stays where it is.
    type: str
  namespace:
    description: Namespace in C(/apis), by default that of the token's organisation. Grafana Cloud has V(stacks-NUMBER).
    type: str
    default: ""
notes:
  - With O(state=absent) a folder that is not empty is refused, as Grafana would delete all that is in it. Delete the
    dashboards first.
seealso:
  - module: baremetal.kubernetes.grafana_dashboard
"""

EXAMPLES = r"""
- name: Manage the folder of a cluster
  baremetal.kubernetes.grafana_folder:
    url: https://grafana.example.org
    token: "{{ grafana_token }}"
    cluster: prod
    title: Kubernetes prod
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
api:
  description: Which API was used, V(api) for the former one.
  returned: success
  type: str
  sample: folder.grafana.app/v1
uid:
  description: Its uid.
  returned: success
  type: str
  sample: bmk-prod
status:
  description: V(created), V(updated), V(deleted), V(unchanged), or V(edited) when it was left as it is.
  returned: success
  type: str
  sample: unchanged
edited:
  description: Whether somebody has edited it, and it was left as it is.
  returned: success
  type: bool
  sample: false
drift:
  description: Declared values that Grafana had otherwise.
  returned: success
  type: list
  elements: dict
  sample: []
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.baremetal.kubernetes.plugins.module_utils._grafana import (
    apis,
    folders,
    options,
    plan,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._grafana.dashboards import check_uid
from ansible_collections.baremetal.kubernetes.plugins.module_utils._module import run_module


def run(module: AnsibleModule) -> dict[str, t.Any]:
    """Observe, plan, apply."""
    params = module.params
    cluster = options.cluster_of(params)
    uid = params["uid"] or folders.own_uid(cluster)
    check_uid(uid)
    client = options.client_of(params)
    store = folders.Folders(client, apis.discover(client, params["namespace"]), cluster)
    spec = folders.spec_of(params["title"] or "", params["description"])
    wanted = plan.Desired(folders.KIND, uid, spec, params["parent"])
    observed = store.read(wanted)
    if params["state"] == "present":
        decision = plan.decide(wanted, observed, cluster, params["force"])
        diff = plan.shown(wanted, observed, decision)
    else:
        decision = plan.decide_absent(folders.KIND, observed, cluster, params["force"])
        diff = plan.deleted(folders.KIND, observed) if observed else None
    if decision.action == plan.DELETE:
        store.check_empty(uid)
    if not module.check_mode:
        if decision.action == plan.CREATE:
            store.create(wanted)
        elif decision.action == plan.UPDATE and observed is not None:
            store.update(wanted, observed)
        elif decision.action == plan.DELETE:
            store.delete(uid)
    options.warn_of_edit(module, decision, folders.KIND, uid)
    result = {**options.result_of(decision, uid), "api": store.api}
    if module._diff and diff is not None and decision.action != plan.UNCHANGED:
        result["diff"] = diff
    return result


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            **options.CONNECTION,
            **options.OWNED,
            "uid": {"type": "str"},
            "title": {"type": "str"},
            "description": {"type": "str", "default": ""},
            "parent": {"type": "str"},
            "namespace": {"type": "str", "default": ""},
        },
        required_if=[("state", "present", ["title"])],
        supports_check_mode=True,
    )
    run_module(module, run)


if __name__ == "__main__":
    main()
