# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: grafana_dashboard
short_description: Manage the dashboards of a cluster in Grafana
version_added: 0.1.0
author:
  - baremetal.kubernetes contributors (@baremetal-kubernetes)
description:
  - Creates, updates and deletes the dashboards of a cluster, in one call. With O(prune) it also deletes dashboards of
    this cluster that are not declared any more.
  - It uses C(/apis/dashboard.grafana.app) where Grafana has it (12 and later), else C(/api). Dashboards are written in
    schema 1 (classic JSON) or 2.
  - A dashboard is as declared when it has all that is declared. Ids, versions and what Grafana adds, also when it
    migrates a dashboard, are no difference.
  - Each dashboard gets two tags, C(managed-by:baremetal.kubernetes) and C(cluster:ID), and in C(/apis) annotations with
    the cluster and a hash of what was declared.
extends_documentation_fragment:
  - baremetal.kubernetes._attributes
  - baremetal.kubernetes._grafana
  - baremetal.kubernetes._grafana.owned
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details:
      - Shows what is declared and what Grafana has of it, also for an edit that is not overwritten.
  idempotent:
    support: full
options:
  dashboards:
    description:
      - The dashboards. With O(state=absent) only their uids matter, and without any all dashboards of the cluster are
        deleted.
    type: list
    elements: dict
    default: []
    suboptions:
      uid:
        description: Uid of at most 40 letters, digits, C(-) and C(_).
        type: str
        required: true
      spec:
        description: The dashboard, as JSON has it. One with C(elements) and C(layout) is of schema 2.
        type: dict
      path:
        description: File with the dashboard, where the module runs, instead of O(dashboards[].spec).
        type: path
  folder:
    description:
      - Uid of the folder that the dashboards are in, empty for the top level. Without it a dashboard stays where it is.
    type: str
  prune:
    description:
      - Delete dashboards of this cluster that are not declared. One that somebody has edited since is reported, and
        stays without O(force). A copy that somebody has made is not deleted.
    type: bool
    default: false
  namespace:
    description: Namespace in C(/apis), by default that of the token's organisation. Grafana Cloud has V(stacks-NUMBER).
    type: str
    default: ""
seealso:
  - module: baremetal.kubernetes.grafana_folder
  - module: baremetal.kubernetes.grafana_datasource
"""

EXAMPLES = r"""
- name: Manage the dashboards of a cluster
  baremetal.kubernetes.grafana_dashboard:
    url: https://grafana.example.org
    token: "{{ grafana_token }}"
    cluster: prod
    folder: bmk-prod
    prune: true
    dashboards:
      - uid: bmk-prod-overview
        spec: "{{ lookup('ansible.builtin.file', 'overview.json') | from_json }}"
  delegate_to: localhost
  run_once: true

- name: Delete all dashboards of a cluster
  baremetal.kubernetes.grafana_dashboard:
    url: https://grafana.example.org
    token: "{{ grafana_token }}"
    cluster: prod
    state: absent
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
api:
  description: Which API was used for schema 1, V(api) for the former one.
  returned: success
  type: str
  sample: dashboard.grafana.app/v1
edited:
  description: Uids of dashboards that somebody has edited, and that were left as they are.
  returned: success
  type: list
  elements: str
  sample: []
dashboards:
  description: What was done with each dashboard, or would be in check mode.
  returned: success
  type: list
  elements: dict
  sample:
    - uid: bmk-prod-overview
      status: updated
      url: https://grafana.example.org/d/bmk-prod-overview
      drift: [{path: title, found: '"Overview"', expected: '"Cluster overview"'}]
  contains:
    uid:
      description: Its uid.
      type: str
      returned: always
    status:
      description: V(created), V(updated), V(deleted), V(unchanged), or V(edited) for one that was left as it is.
      type: str
      returned: always
    url:
      description: Where it is in Grafana.
      type: str
      returned: always
    drift:
      description: Declared values that Grafana had otherwise.
      type: list
      elements: dict
      returned: always
"""

import json
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._grafana import (
    apis,
    dashboards,
    options,
    plan,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._grafana.plan import (
    Decision,
    Desired,
    Observed,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._module import run_module


def read_spec(one: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """The spec of a declared dashboard.

    :raises OperatorError: when it has none, or no title.
    """
    spec = one["spec"]
    if (spec is None) == (one["path"] is None):
        raise OperatorError(f"The dashboard {one['uid']} needs one of spec and path.", "Correct it.")
    if spec is None:
        try:
            with open(one["path"], encoding="utf-8") as stream:
                spec = json.load(stream)
        except (OSError, ValueError) as exc:
            raise OperatorError(
                f"{one['path']} has no dashboard: {exc}.", "Correct the path, or the file."
            ) from exc
    if not isinstance(spec, dict) or not spec.get("title"):
        raise OperatorError(f"The dashboard {one['uid']} has no title.", "Give the JSON of a dashboard.")
    return spec


def declared(params: t.Mapping[str, t.Any]) -> list[Desired]:
    """The dashboards as they are declared.

    :raises OperatorError: when one of them cannot be used.
    """
    uids = [one["uid"] for one in params["dashboards"]]
    for uid in uids:
        dashboards.check_uid(uid)
        if uids.count(uid) > 1:
            raise OperatorError(
                f"The dashboard {uid} is declared {uids.count(uid)} times.", "Declare it once."
            )
    if params["state"] == "absent":
        return [Desired(dashboards.KIND, uid, {}) for uid in uids]
    return [
        Desired(dashboards.KIND, one["uid"], read_spec(one), params["folder"]) for one in params["dashboards"]
    ]


class Run:
    """One run of the module.

    :raises OperatorError: when Grafana does not answer as expected.
    """

    def __init__(self, module: AnsibleModule) -> None:
        self._module = module
        self._params = module.params
        self._cluster = options.cluster_of(module.params)
        client = options.client_of(module.params)
        found = apis.discover(client, module.params["namespace"])
        self.store = dashboards.Dashboards(client, found, self._cluster)
        self.results: list[dict[str, t.Any]] = []
        self.diffs: list[dict[str, str]] = []

    def present(self, wanted: t.Sequence[Desired]) -> None:
        """Read and decide all first: one that is refused stops the run before anything is changed."""
        decided = []
        for one in wanted:
            self.store.api(dashboards.schema_of(one.spec))
            observed = self.store.read(one.uid, dashboards.schema_of(one.spec))
            decided.append((one, observed, plan.decide(one, observed, self._cluster, self._params["force"])))
        for one, observed, decision in decided:
            self._tell(one.uid, decision, plan.shown(one, observed, decision))
            if not self._module.check_mode and decision.action == plan.CREATE:
                self.store.create(one)
            elif not self._module.check_mode and decision.action == plan.UPDATE and observed is not None:
                self.store.update(one, observed)

    def absent(self, uids: t.Iterable[str]) -> None:
        """Delete dashboards that are named."""
        observed = {uid: self.store.read(uid) for uid in uids}
        decided = {
            uid: plan.decide_absent(dashboards.KIND, one, self._cluster, self._params["force"])
            for uid, one in observed.items()
        }
        for uid, one in observed.items():
            self._delete(uid, one, decided[uid])

    def prune(self, kept: t.Container[str]) -> None:
        """Delete dashboards that are this cluster's for certain: a copy has the tags, and not the rest of the mark."""
        for uid in self.store.tagged():
            observed = None if uid in kept else self.store.read(uid)
            own = observed is not None and observed.mark.cluster == self._cluster and observed.mark.spec_hash
            if own and observed is not None and not observed.manager:
                decision = plan.decide_absent(dashboards.KIND, observed, self._cluster, self._params["force"])
                self._delete(uid, observed, decision)

    def _delete(self, uid: str, observed: Observed | None, decision: Decision) -> None:
        self._tell(uid, decision, plan.deleted(dashboards.KIND, observed) if observed else None)
        if decision.action == plan.DELETE and not self._module.check_mode:
            self.store.delete(uid)

    def _tell(self, uid: str, decision: Decision, diff: dict[str, str] | None) -> None:
        one = options.result_of(decision, uid)
        url = f"{self._params['url'].rstrip('/')}/d/{uid}"
        self.results.append({"uid": uid, "status": one["status"], "url": url, "drift": one["drift"]})
        options.warn_of_edit(self._module, decision, dashboards.KIND, uid)
        if diff is not None and decision.action != plan.UNCHANGED:
            self.diffs.append(diff)


def run(module: AnsibleModule) -> dict[str, t.Any]:
    """Observe, plan, apply."""
    wanted = declared(module.params)
    work = Run(module)
    uids = [one.uid for one in wanted]
    if module.params["state"] == "present":
        work.present(wanted)
    else:
        work.absent(uids)
    if module.params["prune"] or (module.params["state"] == "absent" and not uids):
        work.prune(uids)
    result: dict[str, t.Any] = {
        "changed": any(one["status"] in ("created", "updated", "deleted") for one in work.results),
        "api": work.store.api(1),
        "edited": [one["uid"] for one in work.results if one["status"] == "edited"],
        "dashboards": work.results,
    }
    if module._diff and work.diffs:
        result["diff"] = work.diffs
    return result


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            **options.CONNECTION,
            **options.OWNED,
            "dashboards": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "uid": {"type": "str", "required": True},
                    "spec": {"type": "dict"},
                    "path": {"type": "path"},
                },
            },
            "folder": {"type": "str"},
            "prune": {"type": "bool", "default": False},
            "namespace": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    run_module(module, run)


if __name__ == "__main__":
    main()
