# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Start probes, try connections from them, many at once, and remove them."""

from __future__ import annotations

import time
import typing as t
import urllib.parse
from concurrent.futures import ThreadPoolExecutor

from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.client import (
    APPLY_PATCH,
    Client,
    StatusError,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api.execute import Executed
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api.objects import FIELD_MANAGER
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._network import decide, probe

Json = dict[str, t.Any]
Run = t.Callable[[str, str, t.Sequence[str], float, str], Executed]

#: Connections that are tried at the same time.
WORKERS = 16
_SELECTOR = "labelSelector=" + urllib.parse.quote(f"{probe.LABEL}=true", safe="")
_NODE_ADDRESSES = ("InternalIP", "ExternalIP")
#: Beside the time that a connection may take: to start a program in a container of a busy node.
_EXECUTE = 30.0
_POLL = 1.0
_REMOVAL = 60.0


class Prober:
    """Probes of one cluster.

    :param api: its client. :param run: a command in a container. :param say: shows a line of progress.
    """

    def __init__(self, api: Client, run: Run, say: t.Callable[[str], object]) -> None:
        self._api = api
        self._run = run
        self._say = say

    # --- pods -----------------------------------------------------------------------------------------------------

    def _left(self) -> list[Json]:
        return list(self._api.items("/api/v1/pods", _SELECTOR))

    def remove(self) -> int:
        """Delete all probes, also those of a run that was interrupted, and wait until they are gone.

        :return: how many there were.
        """
        found = self._left()
        for pod in found:
            metadata = pod["metadata"]
            self._api.delete(
                f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}?gracePeriodSeconds=0"
            )
        deadline = time.monotonic() + _REMOVAL
        while found and self._left():
            if time.monotonic() > deadline:
                raise OperatorError(
                    f"Pods of a probe are still there {_REMOVAL:g} seconds after they were deleted.",
                    f"Look at them (kubectl get pods -A -l {probe.LABEL}).",
                )
            time.sleep(_POLL)
        return len(found)

    def start(self, pods: t.Mapping[str, probe.Pod], image: str, seconds: float) -> dict[str, str]:
        """Start probes, and wait until they are ready.

        :return: the address of each.
        :raises OperatorError: when one is refused, or is not ready in time.
        """
        for pod in pods.values():
            path = f"/api/v1/namespaces/{pod.namespace}/pods/{pod.pod}?fieldManager={FIELD_MANAGER}"
            try:
                self._api.patch(path, probe.manifest(pod, image), APPLY_PATCH)
            except StatusError as error:
                raise OperatorError(
                    f"The API server refuses a pod in the namespace {pod.namespace}: {error.told.rstrip('.')}.",
                    "A probe needs namespaces that exist, and room in their quotas.",
                ) from error
        deadline = time.monotonic() + seconds
        while True:
            found = {(one["metadata"]["namespace"], one["metadata"]["name"]): one for one in self._left()}
            waiting = {
                str(pod): probe.waiting_for(found.get((pod.namespace, pod.pod), {})) for pod in pods.values()
            }
            waiting = {name: why for name, why in waiting.items() if why}
            if not waiting:
                return {
                    name: str(found[pod.namespace, pod.pod]["status"]["podIP"]) for name, pod in pods.items()
                }
            if time.monotonic() > deadline:
                lines = "\n".join(f"- {name}: {why}." for name, why in waiting.items())
                raise OperatorError(f"Pods of the probe are not ready after {seconds:g} seconds:\n{lines}")
            time.sleep(_POLL)

    # --- connections ----------------------------------------------------------------------------------------------

    def observe(
        self,
        pods: t.Mapping[str, probe.Pod],
        pairs: t.Sequence[probe.Pair],
        addresses: t.Mapping[str, str],
        connect_seconds: int,
        seconds: float,
    ) -> list[probe.Outcome]:
        """Try all pairs, and again those that are not as expected.

        :param connect_seconds: how long one connection may take. :param seconds: for how long to try again.
        """
        observed: dict[int, probe.Outcome] = {}
        deadline = time.monotonic() + seconds

        def attempt(number: int) -> tuple[int, probe.Outcome]:
            pair = pairs[number]
            source = pods[pair.source]
            argv = probe.command(pair, addresses.get(pair.target, ""), connect_seconds)
            done = self._run(source.namespace, source.pod, argv, connect_seconds + _EXECUTE, source.container)
            return number, probe.outcome(done.code, done.stdout + done.stderr)

        wrong = list(range(len(pairs)))
        with ThreadPoolExecutor(max_workers=WORKERS) as threads:
            while wrong:
                observed.update(threads.map(attempt, wrong))
                wrong = [number for number in wrong if observed[number].observed != pairs[number].expected]
                if time.monotonic() > deadline:
                    break
                if wrong:
                    time.sleep(_POLL)
        return [observed[number] for number in range(len(pairs))]

    # --- what decides ---------------------------------------------------------------------------------------------

    def ends(self, pods: t.Mapping[str, probe.Pod], addresses: t.Mapping[str, str]) -> dict[str, decide.End]:
        """Probes as policies see them."""
        labels = {
            str(one["metadata"]["name"]): one["metadata"].get("labels") or {}
            for one in self._api.items("/api/v1/namespaces")
        }
        return {
            name: decide.End(
                str(pod),
                decide.pod_labels(pod.namespace, dict(pod.labels), labels.get(pod.namespace) or {}),
                addresses[name],
            )
            for name, pod in pods.items()
        }

    def nodes(self) -> dict[str, frozenset[str]]:
        """Entities of Cilium by address of a node."""
        found = {}
        for node in self._api.items("/api/v1/nodes"):
            entities = {"host", "remote-node"}
            if "node-role.kubernetes.io/control-plane" in (node["metadata"].get("labels") or {}):
                entities.add("kube-apiserver")
            for address in (node.get("status") or {}).get("addresses") or ():
                if address.get("type") in _NODE_ADDRESSES:
                    found[str(address.get("address"))] = frozenset(entities)
        return found

    def rules(self) -> list[decide.Rule]:
        """Rules of all policies."""
        cilium = [
            item
            for kind in ("ciliumnetworkpolicies", "ciliumclusterwidenetworkpolicies")
            for item in self._api.items(f"/apis/cilium.io/v2/{kind}")
        ]
        return decide.rules_of(self._api.items("/apis/networking.k8s.io/v1/networkpolicies"), cilium)
