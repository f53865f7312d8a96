# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: grafana_datasource
short_description: Manage a data source of a cluster in Grafana
version_added: 0.1.0
author:
  - baremetal.kubernetes contributors (@baremetal-kubernetes)
description:
  - Creates, updates and deletes a data source by its uid, as Grafana 13 has disabled the endpoints with numbers.
  - The mark of the cluster is in C(jsonData), in fields that begin with C(bmk).
  - Grafana returns no secrets. They are written when the data source is created or updated, when Grafana lacks one,
    when a certificate among them or O(secure_version) changes, and with O(force) when somebody has saved the data
    source since and it does not answer any more.
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
      - Secrets are not shown.
  idempotent:
    support: full
options:
  uid:
    description: Uid of at most 40 letters, digits, C(-) and C(_).
    type: str
    required: true
  spec:
    description:
      - The data source with Grafana's own names, C(name), C(type), C(url), C(access), C(basicAuth), C(basicAuthUser),
        C(isDefault), C(withCredentials), C(database), C(user) and C(jsonData). Required with O(state=present).
    type: dict
  secure_data:
    description: Secrets of the data source (C(secureJsonData)), as C(basicAuthPassword) or C(tlsClientKey).
    type: dict
    default: {}
  secure_version:
    description:
      - Text that changes with the secrets and is none itself, as the date of a file. A new password is written when it
        changes. Certificates are compared without it.
    type: str
    default: ""
  check_health:
    description: Whether Grafana asks the data source afterwards, for RV(health). It never fails the module.
    type: bool
    default: true
seealso:
  - module: baremetal.kubernetes.grafana_dashboard
"""

EXAMPLES = r"""
- name: Manage the data source of a cluster
  baremetal.kubernetes.grafana_datasource:
    url: https://grafana.example.org
    token: "{{ grafana_token }}"
    cluster: prod
    uid: bmk-prod
    spec:
      name: Kubernetes prod
      type: prometheus
      url: https://metrics1.example.org:9090
      basicAuth: true
      basicAuthUser: grafana
      jsonData:
        httpMethod: POST
        timeInterval: 30s
        tlsAuthWithCACert: true
    secure_data:
      basicAuthPassword: "{{ prometheus_password }}"
      tlsCACert: "{{ lookup('ansible.builtin.file', 'ca.crt') }}"
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
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
health:
  description:
    - What Grafana says when it asks the data source. C(status) is V(ok), V(error), or V(unknown) for a kind that has no
      check.
  returned: O(check_health) is true and the data source exists
  type: dict
  sample: {status: ok, message: Successfully queried the Prometheus API.}
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._grafana import datasources, options, plan
from ansible_collections.baremetal.kubernetes.plugins.module_utils._grafana.dashboards import check_uid
from ansible_collections.baremetal.kubernetes.plugins.module_utils._grafana.datasources import (
    DataSources,
    Secure,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._module import run_module
from ansible_collections.baremetal.kubernetes.plugins.module_utils._redact import redact


def secure_of(params: t.Mapping[str, t.Any]) -> Secure:
    """The secrets.

    :raises OperatorError: when one of them is no text.
    """
    wrong = sorted(
        key for key, value in params["secure_data"].items() if not isinstance(value, str) or not value
    )
    if wrong:
        raise OperatorError(
            f"secure_data of the data source {params['uid']} has no text for {', '.join(wrong)}.",
            "Give the secret.",
        )
    return Secure(params["secure_data"], params["secure_version"])


def present(store: DataSources, module: AnsibleModule, cluster: str) -> dict[str, t.Any]:
    """Create or update the data source."""
    params = module.params
    secure = secure_of(params)
    wanted = datasources.desired(params["uid"], params["spec"], secure)
    observed = store.read(params["uid"], secure)
    decision = plan.decide(wanted, observed, cluster, params["force"])
    if not module.check_mode:
        if decision.action == plan.CREATE:
            store.create(wanted, secure)
        elif decision.action == plan.UPDATE and observed is not None:
            store.update(wanted, observed, secure)
    options.warn_of_edit(module, decision, datasources.KIND, params["uid"])
    result = options.result_of(decision, params["uid"])
    exists = observed is not None or (decision.changes and not module.check_mode)
    if params["check_health"] and exists:
        health = store.health(params["uid"])
        result["health"] = {"status": health.status, "message": health.message}
    if module._diff and decision.action != plan.UNCHANGED:
        diff = plan.shown(wanted, observed, decision)
        result["diff"] = {key: redact(value) for key, value in diff.items()}
    return result


def absent(store: DataSources, module: AnsibleModule, cluster: str) -> dict[str, t.Any]:
    """Delete the data source."""
    uid = module.params["uid"]
    observed = store.read(uid, Secure())
    decision = plan.decide_absent(datasources.KIND, observed, cluster, module.params["force"])
    if decision.action == plan.DELETE and not module.check_mode:
        store.delete(uid)
    options.warn_of_edit(module, decision, datasources.KIND, uid)
    result = options.result_of(decision, uid)
    if module._diff and observed is not None and decision.action == plan.DELETE:
        diff = plan.deleted(datasources.KIND, observed)
        result["diff"] = {key: redact(value) for key, value in diff.items()}
    return result


def run(module: AnsibleModule) -> dict[str, t.Any]:
    """Observe, plan, apply."""
    cluster = options.cluster_of(module.params)
    check_uid(module.params["uid"])
    store = DataSources(options.client_of(module.params), cluster)
    result = (present if module.params["state"] == "present" else absent)(store, module, cluster)
    # A URL may have a password.
    result["drift"] = [{key: redact(value) for key, value in one.items()} for one in result["drift"]]
    return result


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            **options.CONNECTION,
            **options.OWNED,
            "uid": {"type": "str", "required": True},
            "spec": {"type": "dict"},
            "secure_data": {"type": "dict", "default": {}, "no_log": True},
            "secure_version": {"type": "str", "default": "", "no_log": False},
            "check_health": {"type": "bool", "default": True},
        },
        required_if=[("state", "present", ["spec"])],
        supports_check_mode=True,
    )
    run_module(module, run)


if __name__ == "__main__":
    main()
