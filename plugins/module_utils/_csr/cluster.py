# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Read the CertificateSigningRequests for serving certificates of kubelets, and approve or deny them."""

from __future__ import annotations

import heapq
import typing as t
import urllib.parse
from datetime import datetime, timezone

from ansible_collections.baremetal.kubernetes.plugins.module_utils._csr import plan
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.client import (
    ApiError,
    Client,
    StatusError,
    UnreachableError,
)

REQUESTS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
NODES = "/api/v1/nodes"
APPROVED_REASON, DENIED_REASON = "NodeMatchesInventory", "NodeDoesNotMatchInventory"
_APPROVED_TEXT = (
    "baremetal.kubernetes: node, names and addresses are those of the inventory and of the Node object."
)
# An object may have 1.5 MiB in etcd, and three times as much as JSON. Whoever may create requests decides how large
# they are, so few are read at once. A client with a small limit reads smaller pages still.
PAGE_SIZE = 16
# A kubelet waits for its newest request only. So nobody, with the identity of one node, can make this hold more.
_PER_NODE = 4
# How often a request is evaluated again when somebody else changed it in between.
_TRIES = 3


def now() -> datetime:
    """The time, in UTC."""
    return datetime.now(timezone.utc)


class Requests:
    """The requests of a cluster.

    :param client: of its API server. :param allowed: the allow-list.
    :param max_age: seconds after which a request is ignored.
    """

    def __init__(
        self, client: Client, allowed: t.Mapping[str, plan.Allowed], max_age: int = plan.MAX_AGE
    ) -> None:
        self._client = client
        self._allowed = allowed
        self._max_age = max_age

    def pending(self) -> list[tuple[dict[str, t.Any], plan.Decision]]:
        """The newest pending requests of each node with the verdicts on them, oldest first.

        Whoever may create requests can create them for this signer. What no node made is not looked at:
        nothing signs it, and Kubernetes deletes it after a day.

        :raises ApiError: when they cannot be read.
        """
        selector = urllib.parse.quote(f"spec.signerName={plan.SIGNER}", safe="")
        newest: dict[str, list[tuple[tuple[str, str], int, dict[str, t.Any]]]] = {}
        listed = self._client.items(REQUESTS, f"fieldSelector={selector}", page_size=PAGE_SIZE)
        for number, csr in enumerate(listed):
            if not (plan.undecided(csr) and plan.from_node(csr)):
                continue
            of_node = newest.setdefault(plan.requester(csr), [])
            # The number decides between equals, as objects cannot be compared.
            heapq.heappush(of_node, (_made(csr), number, plan.relevant(csr)))
            if len(of_node) > _PER_NODE:
                heapq.heappop(of_node)
        decided = []
        # For a node that is not on the allow-list, its Node object does not matter.
        nodes = {name: self.node(name) if name in self._allowed else None for name in newest}
        for _made_at, _number, csr in sorted(one for of_node in newest.values() for one in of_node):
            decided.append((csr, self._decide(csr, nodes[plan.requester(csr)])))
        return decided

    def node(self, name: str) -> dict[str, t.Any] | None:
        """A Node object, C(None) when there is none."""
        return self._get(f"{NODES}/{urllib.parse.quote(name, safe='')}")

    def approve(self, csr: dict[str, t.Any]) -> plan.Decision:
        """Approve a request with the verdict C(approve), and evaluate it again when somebody changed it in between.

        :returns: the last decision: C(approve) when this call approved it, else what prevented that.
        """
        return self._write(csr, "Approved", APPROVED_REASON, plan.APPROVE, lambda _decision: _APPROVED_TEXT)

    def deny(self, csr: dict[str, t.Any]) -> plan.Decision:
        """Deny a request with the verdict C(refuse), likewise."""
        return self._write(csr, "Denied", DENIED_REASON, plan.REFUSE, lambda decision: decision.why())

    def attempt(
        self,
        action: t.Callable[[dict[str, t.Any]], plan.Decision],
        csr: dict[str, t.Any],
        decision: plan.Decision,
        fatal: t.Collection[int] = (),
    ) -> plan.Decision:
        """Approve or deny, so that one request that fails does not block the others.

        :param action: C(approve) or C(deny). :param fatal: statuses that concern more than this request.
        :raises ApiError: for these, and when the server does not answer.
        """
        try:
            return action(csr)
        except UnreachableError:
            raise
        except ApiError as exc:
            if getattr(exc, "status", 0) in fatal:
                raise
            return plan.failed(decision, exc)

    def _decide(self, csr: t.Mapping[str, t.Any], node: t.Mapping[str, t.Any] | None) -> plan.Decision:
        try:
            return plan.decide(csr, node, self._allowed, now(), self._max_age)
        except Exception as exc:  # noqa: BLE001 - a fault that one request brings out must not end the others
            why = plan.Reason("failed", f"it cannot be evaluated ({type(exc).__name__})")
            return plan.Decision(
                str((csr.get("metadata") or {}).get("name") or ""),
                plan.requester(csr),
                plan.REFUSE,
                (why,),
            )

    def _write(
        self,
        csr: dict[str, t.Any],
        kind: str,
        reason: str,
        verdict: str,
        text: t.Callable[[plan.Decision], str],
    ) -> plan.Decision:
        path = f"{REQUESTS}/{urllib.parse.quote(str(csr['metadata']['name']), safe='')}"
        name, own = str(csr["metadata"]["name"]), plan.requester(csr)
        for _attempt in range(_TRIES):
            # What is written must be the whole object, and what is approved must be what was evaluated.
            current = self._get(path)
            if current is None:
                return plan.Decision(name, own, plan.IGNORE, (plan.Reason("gone", "it is gone"),))
            decision = self._decide(current, self.node(plan.requester(current)))
            if decision.verdict != verdict:
                return decision
            try:
                self._client.update(
                    f"{path}/approval", with_condition(current, kind, reason, text(decision), now())
                )
                return decision
            except StatusError as exc:
                # Somebody decided meanwhile (another control plane), or it was deleted.
                if exc.status not in (404, 409):
                    raise
        return plan.Decision(name, own, plan.IGNORE, (plan.Reason("busy", "others keep changing it"),))

    def _get(self, path: str) -> dict[str, t.Any] | None:
        try:
            return self._client.read(path)
        except StatusError as exc:
            if exc.status == 404:
                return None
            raise


def with_condition(
    csr: t.Mapping[str, t.Any], kind: str, reason: str, text: str, when: datetime
) -> dict[str, t.Any]:
    """The request with one more condition."""
    status = dict(csr.get("status") or {})
    stamp = when.strftime("%Y-%m-%dT%H:%M:%SZ")
    condition = {
        "type": kind,
        "status": "True",
        "reason": reason,
        "message": text[:1000],
        "lastUpdateTime": stamp,
        "lastTransitionTime": stamp,
    }
    status["conditions"] = [*(status.get("conditions") or ()), condition]
    return {
        **csr,
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "status": status,
    }


def _made(csr: t.Mapping[str, t.Any]) -> tuple[str, str]:
    metadata = csr.get("metadata") or {}
    return str(metadata.get("creationTimestamp") or ""), str(metadata.get("name") or "")
