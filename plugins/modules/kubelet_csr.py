# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kubelet_csr
short_description: Approve kubelet serving certificates that match the inventory
version_added: 0.1.0
author:
  - baremetal.kubernetes contributors (@baremetal-kubernetes)
description:
  - With C(serverTLSBootstrap) a kubelet requests its serving certificate from the cluster. Kubernetes approves no such
    CertificateSigningRequest by itself (signer C(kubernetes.io/kubelet-serving)), as it cannot know which names and
    addresses a node may have.
  - This module approves the requests whose node, names and addresses are both on the allow-list and in the Node object,
    and returns the reasons for every other one.
  - Only the newest four requests of each node are read; what is larger than 16 KiB is refused unread.
  - Runs on a control plane as the administrator, or wherever there is a kubeconfig with a client certificate.
  - Run it in check mode to observe without a change.
extends_documentation_fragment:
  - baremetal.kubernetes._attributes
attributes:
  check_mode:
    support: full
    details:
      - It approves nothing and waits for nothing. With O(wait=true) it returns what the nodes serve now.
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  nodes:
    description:
      - The allow-list, by the names of the Node objects.
      - Each node has C(addresses), a list of IP addresses, and C(names), a list of DNS names beside its own, that its
        certificate may be for.
      - It is refused when two nodes have the same address or name.
    type: dict
    required: true
  kubeconfig:
    description:
      - A kubeconfig with one cluster and one user with a client certificate, as kubeadm writes it.
      - One below C(/etc/kubernetes) leads to the API server of the host itself.
    type: path
    default: /etc/kubernetes/admin.conf
  deny:
    description:
      - Also deny the requests that do not match. A kubelet whose request is denied makes another one.
      - When it is V(false), they stay pending until Kubernetes deletes them.
    type: bool
    default: false
  max_age:
    description:
      - Seconds after which a request is ignored. A kubelet waits 15 minutes for its certificate and then makes another
        request with a new key.
    type: int
    default: 3600
  wait:
    description:
      - Go on until every node of O(wait_for) serves a certificate that the cluster's CA issued for it and for the
        address by which API servers reach it. Fail after O(timeout).
    type: bool
    default: false
  wait_for:
    description:
      - Nodes to wait for, by default all of O(nodes). They must be in O(nodes).
    type: list
    elements: str
  timeout:
    description: Seconds to wait.
    type: int
    default: 180
  root:
    description: Directory below which the module looks for files, for tests.
    type: path
    default: /
notes:
  - With O(wait=true) the host that runs the module must reach port 10250 of the nodes, as every control plane does.
seealso:
  - name: Kubernetes signers
    description: What the signer of these certificates requires.
    link: https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/#kubernetes-signers
"""

EXAMPLES = r"""
- name: Issue serving certificates to all kubelets
  baremetal.kubernetes.kubelet_csr:
    nodes:
      cp1: {addresses: [192.0.2.11]}
      w1: {addresses: [192.0.2.21, "2001:db8::21"], names: [w1.example.org]}
    wait: true
  delegate_to: cp1

- name: Show pending requests and what the nodes serve
  baremetal.kubernetes.kubelet_csr:
    nodes:
      cp1: {addresses: [192.0.2.11]}
    wait: true
  check_mode: true
"""

RETURN = r"""
approved:
  description: Requests that were approved, or would be in check mode.
  returned: always
  type: list
  elements: dict
  contains:
    request:
      description: Name of the CertificateSigningRequest.
      type: str
      returned: always
      sample: csr-7xk2p
    node:
      description: The node whose kubelet made it.
      type: str
      returned: always
      sample: w1
    names:
      description: DNS names and addresses that the certificate is for.
      type: list
      elements: str
      returned: always
      sample: [w1, 192.0.2.21]
refused:
  description: Requests that are not approved because they do not match. The module warns of the first ten.
  returned: always
  type: list
  elements: dict
  contains:
    request:
      description: Name of the CertificateSigningRequest.
      type: str
      returned: always
      sample: csr-9qw4z
    node:
      description: The node whose kubelet made it.
      type: str
      returned: always
      sample: w2
    names:
      description: DNS names and addresses that are requested, as far as they could be read.
      type: list
      elements: str
      returned: always
      sample: [w2, 192.0.2.11]
    codes:
      description: The reasons for programs.
      type: list
      elements: str
      returned: always
      sample: [address-not-in-inventory]
    reasons:
      description: The reasons for people.
      type: list
      elements: str
      returned: always
      sample: [the inventory does not give 192.0.2.11 to this node]
    denied:
      description: Whether it was denied, or would be in check mode.
      type: bool
      returned: always
      sample: false
ignored:
  description: Requests of nodes that are too old, with the same keys as RV(refused).
  returned: always
  type: list
  elements: dict
  sample: []
serving:
  description: What the nodes of O(wait_for) serve, by name.
  returned: with O(wait=true)
  type: dict
  sample:
    w1:
      state: issued
      message: issued by 'kubernetes', valid until 2027-11-21T12:00:00Z
      address: 192.0.2.21
      issuer: kubernetes
      not_after: "2027-11-21T12:00:00Z"
"""

import time
import typing as t
from concurrent.futures import ThreadPoolExecutor

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.baremetal.kubernetes.plugins.module_utils._csr import cluster, plan, serving
from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.admin import Api
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.client import (
    UnreachableError,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._module import run_module
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node import membership as node

ARGUMENT_SPEC: dict[str, t.Any] = {
    "nodes": {"type": "dict", "required": True},
    "kubeconfig": {"type": "path", "default": node.ADMIN_CONF},
    "deny": {"type": "bool", "default": False},
    "max_age": {"type": "int", "default": plan.MAX_AGE},
    "wait": {"type": "bool", "default": False},
    "wait_for": {"type": "list", "elements": "str"},
    "timeout": {"type": "int", "default": 180},
    "root": {"type": "path", "default": "/"},
}
_POLL_SECONDS = 2.0
_LOOKS_AT_ONCE = 16
_WARNINGS = 10
_REFUSED = (plan.REFUSE, plan.FAILED)


class Work:
    """One run of the module: what it decided so far."""

    def __init__(self, params: t.Mapping[str, t.Any], check_mode: bool) -> None:
        self.params = params
        self.check_mode = check_mode
        allowed = plan.parse_allowed(params["nodes"])
        self.wait_for = list(allowed) if params["wait_for"] is None else params["wait_for"]
        strangers = sorted(set(self.wait_for) - set(allowed))
        if strangers:
            raise OperatorError(
                f"wait_for names {', '.join(strangers)}, which nodes does not have.", "Add them to nodes."
            )
        self.api = Api(params["root"], kubeconfig=params["kubeconfig"])
        self.requests = cluster.Requests(self.api, allowed, params["max_age"])
        self.approved: dict[str, plan.Decision] = {}
        self.denied: dict[str, plan.Decision] = {}
        self.left: dict[str, plan.Decision] = {}
        self.serving: dict[str, serving.Served] = {}

    def decide(self) -> None:
        """Decide about every pending request."""
        self.left = {}
        for csr, decision in self.requests.pending():
            if decision.verdict == plan.APPROVE:
                self._write(csr, decision, self.requests.approve, self.approved)
            elif decision.verdict == plan.REFUSE and self.params["deny"]:
                self._write(csr, decision, self.requests.deny, self.denied)
            else:
                self.left[decision.request] = decision

    def _write(
        self,
        csr: dict[str, t.Any],
        decision: plan.Decision,
        action: t.Callable[[dict[str, t.Any]], plan.Decision],
        done: dict[str, plan.Decision],
    ) -> None:
        made = decision
        if not self.check_mode:
            # What the user of this module may not do fails at once.
            made = self.requests.attempt(action, csr, decision, fatal=(401, 403))
        if made.verdict == decision.verdict:
            done[made.request] = made
        elif made.verdict in _REFUSED:
            self.left[made.request] = made

    def look(self) -> bool:
        """Look at what the nodes serve; whether all have what they should."""
        missing = [
            name for name in self.wait_for if name not in self.serving or self.serving[name].state != "issued"
        ]
        with ThreadPoolExecutor(_LOOKS_AT_ONCE) as pool:
            self.serving.update(zip(missing, pool.map(self._look, missing)))
        return all(self.serving[name].state == "issued" for name in self.wait_for)

    def _look(self, name: str) -> serving.Served:
        found = self.requests.node(name)
        if found is None:
            return serving.Served("absent", "the cluster has no such node")
        address, port = serving.endpoint(found)
        if not address:
            return serving.Served("absent", "its Node object has no address yet")
        try:
            return serving.look(name, address, port, self.api.ca)
        except Exception as exc:  # noqa: BLE001 - what one kubelet serves must not end the look at the others
            return serving.Served("other", f"what it serves cannot be read ({type(exc).__name__})", address)

    def result(self) -> dict[str, t.Any]:
        """What the module returns."""
        refused = {
            **self.denied,
            **{name: one for name, one in self.left.items() if one.verdict in _REFUSED},
        }
        result: dict[str, t.Any] = {
            "changed": bool(self.approved or self.denied),
            "approved": [
                {"request": one.request, "node": one.node, "names": list(one.names)}
                for one in self.approved.values()
            ],
            "refused": [self._shown(one) for one in refused.values()],
            "ignored": [self._shown(one) for one in self.left.values() if one.verdict == plan.IGNORE],
            "diff": self._diff(),
        }
        if self.params["wait"]:
            result["serving"] = {
                name: {
                    "state": one.state,
                    "message": one.text,
                    "address": one.address,
                    "issuer": one.issuer,
                    "not_after": one.not_after,
                }
                for name, one in self.serving.items()
            }
        return result

    def _shown(self, decision: plan.Decision) -> dict[str, t.Any]:
        return {
            "request": decision.request,
            "node": decision.node,
            "names": list(decision.names),
            "codes": [reason.code for reason in decision.reasons],
            "reasons": [reason.text for reason in decision.reasons],
            "denied": decision.request in self.denied,
        }

    def _diff(self) -> dict[str, str]:
        pairs = [
            *((one, "Approved") for one in self.approved.values()),
            *((one, "Denied") for one in self.denied.values()),
        ]

        def lines(words: t.Iterable[tuple[plan.Decision, str]]) -> str:
            return "".join(
                f"{one.request} of {one.node or 'no node'} ({', '.join(one.names)}): {word}\n"
                for one, word in words
            )

        return {"before": lines((one, "Pending") for one, _word in pairs), "after": lines(pairs)}


def run(module: AnsibleModule) -> dict[str, t.Any]:
    """Approve what matches, and warn of what does not."""
    result = approve(module).result()
    for refused in result["refused"][:_WARNINGS]:
        module.warn(
            f"The request {refused['request']} for a serving certificate, made by"
            f" {refused['node'] or 'no node'}, is not approved: {'; '.join(refused['reasons'])}."
        )
    return result


def approve(module: AnsibleModule) -> Work:
    """Decide about requests, repeatedly while nodes are waited for.

    :raises OperatorError: also when a node does not serve its certificate in time, with all that was done so far.
    """
    work = Work(module.params, module.check_mode)
    deadline = time.monotonic() + module.params["timeout"]
    while True:
        silent = ""
        try:
            work.decide()
            done = not module.params["wait"] or work.look()
        except UnreachableError as exc:
            # While control planes come up, an API server may well be away for a moment.
            if not module.params["wait"] or module.check_mode:
                raise
            done, silent = False, f" {exc.message}"
        if done or module.check_mode:
            return work
        if time.monotonic() + _POLL_SECONDS > deadline:
            raise OperatorError(*_late(work, silent), **work.result())
        time.sleep(_POLL_SECONDS)


def _late(work: Work, silent: str) -> tuple[str, str]:
    """What to say when the time is over."""
    waiting = []
    for name in work.wait_for:
        served = work.serving.get(name)
        if served is None or served.state != "issued":
            why = [served.text if served else "nobody could look"]
            why += [
                f"request {one.request} is refused: {one.why()}"
                for one in work.left.values()
                if one.node == name and one.verdict in _REFUSED
            ]
            waiting.append(f"{name} ({'; '.join(why)})")
    return (
        f"After {work.params['timeout']} s, {len(waiting)} of {len(work.wait_for)} nodes do not serve a certificate"
        f" of the cluster: {', '.join(waiting)}.{silent}",
        "Where a request is refused, correct the inventory or the node. Where there is none, look at the kubelet's log"
        " and whether its configuration has serverTLSBootstrap.",
    )


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    run_module(module, run)


if __name__ == "__main__":
    main()
