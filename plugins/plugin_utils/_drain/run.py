# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Cordon, drain and uncordon a node by its API."""

from __future__ import annotations

import time
import typing as t
import urllib.parse
from dataclasses import dataclass, field

from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.client import (
    Client,
    StatusError,
    UnreachableError,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cluster.health import Json
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._drain.plan import (
    CORDONED_BY,
    Plan,
    Policy,
    answers,
    budget_text,
    budgets_of,
    cordoned_by,
    metadata,
    plan,
    pod_name,
    unschedulable,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api.objects import FIELD_MANAGER

POLL_SECONDS = 1.0
#: Between two attempts to evict a Pod whose budget has not allowed it.
RETRY_SECONDS = 3.0
#: Between two lines about the same.
REPEAT_SECONDS = 15.0
#: Several Pods at once make a line too long.
_NAMED = 3


@dataclass
class Outcome:
    """What was found and done.

    :param planned: the first plan. :param evicted: Pods whose eviction was accepted.
    :param stuck: Pods that are terminating on a node whose kubelet does not answer.
    """

    node: Json
    planned: Plan = field(default_factory=Plan)
    changed: bool = False
    evicted: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    waited: float = 0.0

    def __post_init__(self) -> None:
        #: The node as it was found.
        self.before = self.node


def node_path(name: str) -> str:
    """The path of a Node object."""
    return f"/api/v1/nodes/{urllib.parse.quote(name, safe='')}"


def read_node(api: Client, name: str) -> Json:
    """The Node object.

    :raises OperatorError: when there is none.
    """
    node = api.get(node_path(name))
    if node is None:
        known = sorted(str(metadata(item).get("name")) for item in api.items("/api/v1/nodes"))
        raise OperatorError(
            f"{name}: the cluster has no node of this name (nodes: {', '.join(known) or 'none'}).",
            "Set cluster_node_name of the host to the name of its node.",
        )
    return node


def pods_of(api: Client, name: str) -> list[Json]:
    """The Pods of a node."""
    selector = urllib.parse.quote(f"spec.nodeName={name}", safe="")
    return list(api.items("/api/v1/pods", f"fieldSelector={selector}"))


def set_cordon(api: Client, node: Json, cordoned: bool, operation: str) -> Json:
    """Cordon or uncordon a node, and note by which operation; the node as it is then."""
    body = {
        "metadata": {"annotations": {CORDONED_BY: operation if cordoned else None}},
        "spec": {"unschedulable": True if cordoned else None},
    }
    return api.patch(f"{node_path(str(metadata(node).get('name')))}?fieldManager={FIELD_MANAGER}", body)


def with_cordon(node: Json, cordoned: bool, operation: str) -> Json:
    """The node as C(set_cordon) would change it."""
    annotations = {
        key: value for key, value in (metadata(node).get("annotations") or {}).items() if key != CORDONED_BY
    }
    if cordoned:
        annotations[CORDONED_BY] = operation
    return {
        **node,
        "metadata": {**metadata(node), "annotations": annotations},
        "spec": {**(node.get("spec") or {}), "unschedulable": cordoned},
    }


def uncordons(node: Json, operation: str) -> bool:
    """Whether an operation undoes the cordon of a node: its own, or any when it names none."""
    return unschedulable(node) and (not operation or cordoned_by(node) == operation)


def stale(node: Json) -> bool:
    """Whether somebody has uncordoned a node otherwise: the note would be taken for that of the next cordon."""
    return not unschedulable(node) and bool(cordoned_by(node))


def _local_volumes(api: Client, pods: t.Iterable[Json], node: Json) -> dict[str, str]:
    """Claims of these Pods whose volume no other node has -> what it is."""
    claims = set()
    for pod in pods:
        for volume in (pod.get("spec") or {}).get("volumes") or ():
            namespace = str(metadata(pod).get("namespace"))
            claim = (volume.get("persistentVolumeClaim") or {}).get("claimName")
            if claim or volume.get("ephemeral") is not None:
                claims.add((namespace, claim or f"{metadata(pod).get('name')}-{volume.get('name')}"))
    found = {}
    for namespace, name in sorted(claims):
        claim = api.get(f"/api/v1/namespaces/{namespace}/persistentvolumeclaims/{name}")
        volume_name = ((claim or {}).get("spec") or {}).get("volumeName")
        volume = api.get(f"/api/v1/persistentvolumes/{volume_name}") if volume_name else None
        if volume is not None and _is_local(volume, node):
            found[f"{namespace}/{name}"] = str(volume_name)
    return found


def _is_local(volume: Json, node: Json) -> bool:
    spec = volume.get("spec") or {}
    if spec.get("local") is not None or spec.get("hostPath") is not None:
        return True
    hostname = (metadata(node).get("labels") or {}).get("kubernetes.io/hostname")
    terms = ((spec.get("nodeAffinity") or {}).get("required") or {}).get("nodeSelectorTerms") or ()
    return bool(terms) and all(
        any(
            one.get("key") == "kubernetes.io/hostname"
            and one.get("operator") == "In"
            and one.get("values") == [hostname]
            for one in term.get("matchExpressions") or ()
        )
        for term in terms
    )


class Drain:
    """The drain of one node.

    :param policy: what it may do. :param operation: that drains. :param timeout: seconds until it gives up.
    :param grace_period: seconds that Pods have to end, their own when negative. :param say: writes a line of progress.
    """

    def __init__(
        self,
        api: Client,
        name: str,
        policy: Policy,
        operation: str,
        timeout: float,
        grace_period: int,
        say: t.Callable[[str], None],
    ) -> None:
        self.api, self.name, self.policy, self.operation = api, name, policy, operation
        self.timeout, self.grace_period, self.say = timeout, grace_period, say
        self._said: tuple[str, float] = ("", 0.0)
        self._began = time.monotonic()
        #: Pod -> why it was not evicted, and when that was asked.
        self._refused: dict[str, tuple[str, float]] = {}

    def planned(self) -> Outcome:
        """What a drain would do.

        :raises OperatorError: when it must not begin. :raises ApiError: when the cluster cannot be read.
        """
        node = read_node(self.api, self.name)
        pods = self._pods()
        first = plan(pods, (), {}, self.policy)
        local = _local_volumes(self.api, first.evicted, node)
        made = plan(pods, self._budgets() if first.evicted else (), local, self.policy)
        if made.blocking:
            lines = "\n".join(f"- {hold.line()}" for hold in made.blocking)
            raise OperatorError(
                f"{self.name}: the node cannot be drained, and nothing was changed."
                f" {len(made.blocking)} finding(s):\n{lines}",
                held_up=[hold.as_dict() for hold in made.holds],
            )
        changed = bool(made.evicted) or not unschedulable(node)
        return Outcome(node, made, changed, [pod_name(pod) for pod in made.evicted])

    def run(self) -> Outcome:
        """Cordon the node, evict its Pods and wait until they are gone.

        :raises OperatorError: when it must not begin, or the time is over. :raises ApiError: likewise.
        """
        outcome = self.planned()
        outcome.evicted = []
        for hold in outcome.planned.holds:
            self.say(f"drain {self.name}: {hold.line()}")
        if not unschedulable(outcome.node):
            outcome.node = set_cordon(self.api, outcome.node, True, self.operation)
            self.say(f"drain {self.name}: cordoned, {len(outcome.planned.evicted)} Pod(s) to evict")
        known: set[str] | None = None
        while True:
            waiting: list[str]
            try:
                pods = self._pods()
                if known is None:
                    known = {str(metadata(pod).get("uid")) for pod in pods}
                now = plan(pods, (), {}, self.policy, known)
                self._evict(now.evicted, outcome)
                node = read_node(self.api, self.name) if now.terminating else outcome.node
                outcome.stuck = [] if answers(node) else [pod_name(pod) for pod in now.terminating]
                waiting = self._waiting(now, outcome)
            except UnreachableError as exc:
                waiting = [f"the API server: {exc.reason}"]
            except StatusError as exc:
                if exc.status < 500 and exc.status != 429:
                    raise
                waiting = [f"the API server: HTTP {exc.status}"]
            outcome.waited = round(time.monotonic() - self._began, 1)
            if not waiting:
                return outcome
            if outcome.waited >= self.timeout:
                raise self._overdue(waiting, outcome)
            self._progress(waiting, outcome.waited)
            time.sleep(min(POLL_SECONDS, max(0.0, self.timeout - outcome.waited)))

    def _waiting(self, now: Plan, outcome: Outcome) -> list[str]:
        """What is waited for: Pods that are not evicted, and those that are not gone."""
        found = []
        for pod in now.evicted:
            name = pod_name(pod)
            why, _asked = self._refused.get(name, ("", 0.0))
            found.append(f"{name} ({why or 'ending'})")
        found += [
            f"{pod_name(pod)} (ending)" for pod in now.terminating if pod_name(pod) not in outcome.stuck
        ]
        return found

    def _progress(self, waiting: t.Sequence[str], waited: float) -> None:
        text, moment = self._said
        line = "; ".join(waiting[:_NAMED]) + (
            f"; and {len(waiting) - _NAMED} more" if len(waiting) > _NAMED else ""
        )
        if line == text and waited - moment < REPEAT_SECONDS:
            return
        self._said = (line, waited)
        self.say(f"drain {self.name}: {waited:.0f} s of {self.timeout:.0f} s, waiting for {line}")

    def _overdue(self, waiting: t.Sequence[str], outcome: Outcome) -> OperatorError:
        lines = "\n".join(f"- {one}" for one in waiting)
        return OperatorError(
            f"{self.name}: not drained after {outcome.waited:.0f} s, {len(waiting)} Pod(s) left:\n{lines}\nThe node"
            " stays cordoned.",
            "Remedy what is named and run the same again, which continues; or give it more time (node_drain_timeout);"
            " or return the node to service with the playbook uncordon_node.",
            evicted=outcome.evicted,
            waited=outcome.waited,
            waiting_for=list(waiting),
        )

    def _pods(self) -> list[Json]:
        return pods_of(self.api, self.name)

    def _budgets(self) -> list[Json]:
        return list(self.api.items("/apis/policy/v1/poddisruptionbudgets"))

    def _evict(self, pods: t.Iterable[Json], outcome: Outcome) -> None:
        """Evict what may be evicted now. What is refused is asked for again later."""
        budgets: list[Json] | None = None
        for pod in pods:
            name = pod_name(pod)
            _why, asked = self._refused.get(name, ("", float("-inf")))
            if time.monotonic() - asked < RETRY_SECONDS:
                continue
            status, answer = self._ask(pod)
            # A refusal that names no budget is of a server that is busy, or about to delete the namespace.
            causes = [str(one.get("message")) for one in (answer.get("details") or {}).get("causes") or ()]
            if status in (200, 201, 202):
                self._refused.pop(name, None)
                outcome.changed = True
                if name not in outcome.evicted:
                    outcome.evicted.append(name)
            elif status == 429 or (status == 403 and "being terminated" in str(answer.get("message"))):
                if budgets is None:
                    budgets = self._budgets()
                own = budgets_of(pod, budgets)
                why = (
                    budget_text(own[0])
                    if own
                    else "; ".join(causes) or str(answer.get("message") or "refused")
                )
                self._refused[name] = (why, time.monotonic())
            elif status not in (404, 409):
                told = f"HTTP {status} {answer.get('message') or ''}".rstrip(": .")
                raise OperatorError(
                    f"{self.name}: Pod {name} cannot be evicted: {told}. The node stays cordoned.",
                    "Remedy that and run the same again, which continues.",
                    evicted=outcome.evicted,
                )

    def _ask(self, pod: Json) -> tuple[int, Json]:
        """Evict or delete one Pod, and no other of its name: status and answer."""
        path = (
            f"/api/v1/namespaces/{metadata(pod).get('namespace')}/pods/"
            f"{urllib.parse.quote(str(metadata(pod).get('name')), safe='')}"
        )
        options: dict[str, t.Any] = {"preconditions": {"uid": metadata(pod).get("uid")}}
        if self.grace_period >= 0:
            options["gracePeriodSeconds"] = self.grace_period
        if self.policy.ignore_budgets:
            body = {"apiVersion": "v1", "kind": "DeleteOptions", **options}
            status, _text = self.api.request(path, "DELETE", body)
            return status, {}
        eviction = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": metadata(pod).get("name"), "namespace": metadata(pod).get("namespace")},
            "deleteOptions": options,
        }
        return self.api.evict(path, eviction)
