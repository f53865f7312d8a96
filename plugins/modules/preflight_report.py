# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight_report
short_description: Judge whether hosts can become the cluster that a site asks for
version_added: 0.1.0
author:
  - baremetal.kubernetes contributors (@baremetal-kubernetes)
description:
  - Takes what M(baremetal.kubernetes.node_info) found on every host, and what the site wants, and compares the two.
  - When anything is wrong, it fails once, with every finding of every host. It contacts no host.
  - The checks and how to mend what they find are described in C(docs/preflight.md) of the collection.
  - Runs on the controller.
extends_documentation_fragment:
  - baremetal.kubernetes._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
requirements:
  - netaddr >= 1.0
options:
  hosts:
    description: Result of M(baremetal.kubernetes.node_info) by the host's name, as Ansible registers it.
    type: dict
    required: true
  control_planes:
    description: All control planes of the inventory.
    type: list
    elements: str
    required: true
  workers:
    description: All workers of the inventory.
    type: list
    elements: str
    default: []
  node_names:
    description: Name of the node by host, where the site sets it.
    type: dict
    default: {}
  node_addresses:
    description: Address of the node by host, where the site sets it.
    type: dict
    default: {}
  swap_off:
    description: Whether swap is turned off, by host.
    type: dict
    default: {}
  packages_managed:
    description: Whether missing commands are installed, by host.
    type: dict
    default: {}
  kubelet_config:
    description: Fields of KubeletConfiguration by host.
    type: dict
    default: {}
  cluster_kubelet_config:
    description: Fields of KubeletConfiguration of all hosts.
    type: dict
    default: {}
  kubernetes_version:
    description: Version that is asked for, without a leading C(v).
    type: str
    required: true
  supported_minors:
    description: Minor versions of Kubernetes that are supported.
    type: list
    elements: str
    default: ["1.35", "1.36", "1.37"]
  endpoint:
    description: Address and port of the API.
    type: str
    default: ""
  pod_cidr:
    description: Network of the pods.
    type: str
    required: true
  service_cidr:
    description: Network of the Services.
    type: str
    required: true
  ca_file:
    description: File with the CA of the mirror; empty when there is none.
    type: str
    default: ""
  tested_systems:
    description: Distributions, by their C(ID) in os-release(5), that are known to work.
    type: list
    elements: str
    default: []
  unsupported_systems:
    description: Distributions that are known not to.
    type: list
    elements: str
    default: []
  package_managers:
    description: Package managers that missing commands can be installed with.
    type: list
    elements: str
    default: []
  kernel_min:
    description: Oldest version of the kernel.
    type: str
    default: "5.10"
  kernel_options:
    description: What kernels must have.
    type: list
    elements: dict
    default: []
    suboptions:
      any_of:
        description: Symbols, one of which is enough.
        type: list
        elements: str
        required: true
      needed_by:
        description: Program that needs it.
        type: str
        required: true
      reason:
        description: What it needs it for.
        type: str
        required: true
      required:
        description: Whether a node cannot work without.
        type: bool
        default: true
  memory_min_mib:
    description: Least memory in MiB by role, V(control_plane) and V(worker).
    type: dict
    default: {}
  cpus_min:
    description: Least number of CPUs by role.
    type: dict
    default: {}
  disk_min_mib:
    description: Least free space in MiB by path.
    type: dict
    default: {}
  ports:
    description: Ports of a node by role, such as C(6443/tcp).
    type: dict
    default: {}
  clock_skew_max:
    description: Seconds that the clock of a host may be off.
    type: float
    default: 5
  ignore:
    description: Checks whose findings count for nothing.
    type: list
    elements: str
    default: []
  warn:
    description: Checks whose errors count as warnings.
    type: list
    elements: str
    default: []
  path:
    description: File on the controller that the findings are written to as JSON. Not in check mode.
    type: path
seealso:
  - module: baremetal.kubernetes.node_info
"""

EXAMPLES = r"""
- name: Judge all hosts at once
  baremetal.kubernetes.preflight_report:
    hosts: "{{ dict(groups.all | zip(groups.all | map('extract', hostvars, 'node_info'))) }}"
    control_planes: [cp1]
    workers: [w1, w2]
    kubernetes_version: 1.36.4
    pod_cidr: 10.244.0.0/16
    service_cidr: 10.96.0.0/16
    ignore: [duplicate_product_uuid]
    path: preflight.json
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
ok:
  description: Whether there is no error.
  returned: always
  type: bool
  sample: false
findings:
  description: All that was found, in the order of a report.
  returned: always
  type: list
  elements: dict
  contains:
    host:
      description: Host by its name in the inventory, empty for the site as a whole.
      type: str
      sample: w1
    check:
      description: Name of the check.
      type: str
      sample: ports
    severity:
      description: V(error), V(warning) or V(ignored).
      type: str
      sample: error
    found:
      description: What was found.
      type: str
      sample: 10250/tcp is taken on 0.0.0.0 by python3
    expected:
      description: What was expected.
      type: str
      sample: 10250/tcp free for the node
    fix:
      description: What to do.
      type: str
      sample: Stop that program, or give it another port.
counts:
  description: Number of findings by severity.
  returned: always
  type: dict
  sample: {error: 1, warning: 0, ignored: 2}
report_path:
  description: File that the findings are in.
  returned: O(path) is given
  type: str
  sample: /home/admin/preflight.json
"""

import json
import os
import re
import typing as t

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os.files import write_atomic
from ansible_collections.baremetal.kubernetes.plugins.module_utils._preflight import judge
from ansible_collections.baremetal.kubernetes.plugins.module_utils._preflight.model import (
    CHECKS,
    ERROR,
    IGNORED,
    WARNING,
    Finding,
    Host,
    KernelOption,
    Site,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._preflight.networks import NETADDR_ERROR

ARGUMENT_SPEC: dict[str, t.Any] = {
    "hosts": {"type": "dict", "required": True},
    "control_planes": {"type": "list", "elements": "str", "required": True},
    "workers": {"type": "list", "elements": "str", "default": []},
    "node_names": {"type": "dict", "default": {}},
    "node_addresses": {"type": "dict", "default": {}},
    "swap_off": {"type": "dict", "default": {}},
    "packages_managed": {"type": "dict", "default": {}},
    "kubelet_config": {"type": "dict", "default": {}},
    "cluster_kubelet_config": {"type": "dict", "default": {}},
    "kubernetes_version": {"type": "str", "required": True},
    "supported_minors": {"type": "list", "elements": "str", "default": ["1.35", "1.36", "1.37"]},
    "endpoint": {"type": "str", "default": ""},
    "pod_cidr": {"type": "str", "required": True},
    "service_cidr": {"type": "str", "required": True},
    "ca_file": {"type": "str", "default": ""},
    "tested_systems": {"type": "list", "elements": "str", "default": []},
    "unsupported_systems": {"type": "list", "elements": "str", "default": []},
    "package_managers": {"type": "list", "elements": "str", "default": []},
    "kernel_min": {"type": "str", "default": "5.10"},
    "kernel_options": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "any_of": {"type": "list", "elements": "str", "required": True},
            "needed_by": {"type": "str", "required": True},
            "reason": {"type": "str", "required": True},
            "required": {"type": "bool", "default": True},
        },
    },
    "memory_min_mib": {"type": "dict", "default": {}},
    "cpus_min": {"type": "dict", "default": {}},
    "disk_min_mib": {"type": "dict", "default": {}},
    "ports": {"type": "dict", "default": {}},
    "clock_skew_max": {"type": "float", "default": 5},
    "ignore": {"type": "list", "elements": "str", "default": []},
    "warn": {"type": "list", "elements": "str", "default": []},
    "path": {"type": "path"},
}


def read_host(name: str, result: t.Mapping[str, t.Any], params: t.Mapping[str, t.Any]) -> Host:
    """A host of the run from what Ansible registered, and what the site sets for it."""
    node = result.get("node") if isinstance(result.get("node"), dict) else None
    kubelet = {**params["cluster_kubelet_config"], **(params["kubelet_config"].get(name) or {})}
    text = " ".join(str(result.get("msg") or "").split())
    return Host(
        name=name,
        role="control_plane" if name in params["control_planes"] else "worker",
        node=node,
        problem=re.sub(r"^Task failed: ", "", text)[:400],
        unreachable=bool(result.get("unreachable")),
        node_name=params["node_names"].get(name) or "",
        node_address=params["node_addresses"].get(name) or "",
        swap_off=bool(params["swap_off"].get(name, True)),
        swap_allowed=kubelet.get("failSwapOn") is False,
        cgroup_v1_allowed=kubelet.get("failCgroupV1") is False,
        packages_managed=bool(params["packages_managed"].get(name, True)),
    )


def read_site(params: t.Mapping[str, t.Any]) -> Site:
    """What the site wants."""
    return Site(
        kubernetes_version=params["kubernetes_version"],
        control_planes=tuple(params["control_planes"]),
        workers=tuple(params["workers"]),
        supported_minors=tuple(params["supported_minors"]),
        endpoint=params["endpoint"],
        pod_cidr=params["pod_cidr"],
        service_cidr=params["service_cidr"],
        tested_systems=tuple(params["tested_systems"]),
        unsupported_systems=tuple(params["unsupported_systems"]),
        package_managers=tuple(params["package_managers"]),
        kernel_options=tuple(
            KernelOption(tuple(item["any_of"]), item["needed_by"], item["reason"], item["required"])
            for item in params["kernel_options"]
        ),
        kernel_min=params["kernel_min"],
        memory_min={key: int(value) for key, value in params["memory_min_mib"].items()},
        cpus_min={key: int(value) for key, value in params["cpus_min"].items()},
        disk_min={key: int(value) for key, value in params["disk_min_mib"].items()},
        ports=params["ports"],
        clock_skew_max=params["clock_skew_max"],
    )


def judge_ca(path: str) -> list[Finding]:
    """Whether the file of the mirror's CA is there and holds a certificate."""
    if not path:
        return []
    try:
        with open(path, encoding="ascii", errors="replace") as stream:
            found = "" if "-----BEGIN CERTIFICATE-----" in stream.read() else "no certificate in it"
    except OSError as exc:
        found = exc.strerror or str(exc)
    if not found:
        return []
    fix = "Correct cluster_ca_file: it is read on the controller."
    return [Finding("", "ca_file", ERROR, f"{path}: {found}", "a file with PEM certificates", fix)]


def write_report(module: AnsibleModule, result: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Write the JSON file when it is not as it has to be, and say so."""
    path = os.path.abspath(module.params["path"])
    text = json.dumps(result, indent=2, sort_keys=True) + "\n"
    try:
        with open(path, encoding="utf-8") as stream:
            before = stream.read()
    except (OSError, UnicodeDecodeError):
        before = ""
    if before != text and not module.check_mode:
        try:
            write_atomic(path, text.encode("utf-8"), 0o644)
        except OSError as exc:
            module.warn(f"The report could not be written to {path}: {exc}. Give another preflight_json.")
            return {"report_path": path, "changed": False}
    outcome: dict[str, t.Any] = {"report_path": path, "changed": before != text}
    if module._diff and before != text:
        outcome["diff"] = {"before": before, "after": text, "before_header": path, "after_header": path}
    return outcome


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    if NETADDR_ERROR is not None:
        module.fail_json(msg=missing_required_lib("netaddr"), exception=NETADDR_ERROR)
    params = module.params
    unknown = sorted({*params["ignore"], *params["warn"]} - set(CHECKS))
    if unknown:
        module.fail_json(
            msg=f"There is no check called {', '.join(unknown)} (ignore, warn). Choose from: {', '.join(CHECKS)}."
        )
    hosts = [read_host(name, result, params) for name, result in params["hosts"].items()]
    found = judge.judge(hosts, read_site(params), params["ignore"], params["warn"])
    found = judge.arrange([*judge_ca(params["ca_file"]), *found], hosts, params["ignore"], params["warn"])
    counts = {name: sum(item.severity == name for item in found) for name in (ERROR, WARNING, IGNORED)}
    result: dict[str, t.Any] = {
        "ok": counts[ERROR] == 0,
        "counts": counts,
        "findings": [item.as_dict() for item in found],
    }
    outcome: dict[str, t.Any] = {"changed": False}
    if params["path"]:
        outcome = write_report(module, {**result, "hosts": [host.name for host in hosts]})
    if counts[ERROR]:
        module.fail_json(msg=judge.report(found, len(hosts)), **result, **outcome)
    for line in judge.warning_lines(found):
        module.warn(line)
    module.exit_json(**result, **outcome)


if __name__ == "__main__":
    main()
