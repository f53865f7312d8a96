# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Ask Cilium's agents for their verdicts, all of them at once."""

from __future__ import annotations

import time
import typing as t
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.client import Client
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api.execute import Executed
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._network import policies, verdicts

Json = dict[str, t.Any]

NAMESPACE, CONTAINER = "kube-system", "cilium-agent"
_PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
_POLICIES = "/apis/cilium.io/v2/ciliumclusterwidenetworkpolicies"
_ENDPOINTS = "/apis/cilium.io/v2/ciliumendpoints"
_IDENTITIES = "/apis/cilium.io/v2/ciliumidentities"
#: Seconds that an answer of an agent may take beside the watching itself.
_ANSWER = 60.0
_POLL = 1.0
#: C(timeout) ends with it when the time is over, which is what it is for.
_TIMED_OUT = 124

Run = t.Callable[[str, str, t.Sequence[str], float, str], Executed]


@dataclass(frozen=True)
class Agent:
    """Cilium's agent on a node.

    :param pod: its name. :param node: name of its node. :param address: of its node.
    """

    pod: str
    node: str
    address: str


def mode(api: Client, policy: str = policies.BASELINE) -> str:
    """The mode of the baseline that the cluster has. :param policy: the name of its policy that denies."""
    found = api.get(f"{_POLICIES}/{policy}")
    if found is None:
        return policies.OFF
    specs = found.get("specs") or [{}]
    return policies.ENFORCE if (specs[0].get("enableDefaultDeny") or {}).get("ingress") else policies.REPORT


def agents(api: Client) -> list[Agent]:
    """The agents that run.

    :raises OperatorError: when there are none.
    """
    found = [
        Agent(
            str(pod["metadata"]["name"]),
            str((pod.get("spec") or {}).get("nodeName")),
            str((pod.get("status") or {}).get("hostIP")),
        )
        for pod in api.items(_PODS, "labelSelector=k8s-app%3Dcilium")
        if (pod.get("status") or {}).get("phase") == "Running"
    ]
    if not found:
        raise OperatorError(
            f"No agent of Cilium runs in the namespace {NAMESPACE}.", "Deploy Cilium first (playbook site)."
        )
    return found


def _ask(run: Run, agent: Agent, argv: t.Sequence[str], seconds: float = _ANSWER) -> str:
    done = run(NAMESPACE, agent.pod, argv, seconds, CONTAINER)
    if done.code not in (0, _TIMED_OUT):
        raise OperatorError(
            f"`{' '.join(argv)}` failed on {agent.node} with exit code {done.code}: {done.stderr.strip()[-300:]}",
            f"Look at the log of the pod {NAMESPACE}/{agent.pod}.",
        )
    return done.stdout


def of_pods(text: str) -> bool:
    """Whether an agent has applied the baseline to its pods."""
    return verdicts.realized(text, policies.KUBERNETES)


def watch(run: Run, agent: Agent, seconds: int, realized: t.Callable[[str], bool] = of_pods) -> verdicts.Seen:
    """What one agent sees within some seconds.

    :param realized: whether it has applied the policies, from the list of its endpoints.
    :raises OperatorError: when it does not answer, or something else than expected.
    """
    counters = ("cilium-dbg", "bpf", "policy", "get", "--all", "-n", "-o", "json")
    listing = ("cilium-dbg", "endpoint", "list", "-o", "json")
    deadline = time.monotonic() + _ANSWER
    while True:
        text = _ask(run, agent, listing)
        # Policies may have been applied a moment ago; what passes before they are there is counted otherwise.
        if realized(text) or time.monotonic() > deadline:
            break
        time.sleep(_POLL)
    first = verdicts.read_open_ended(text)
    host = verdicts.read_host(text)
    before = verdicts.read_counters(_ask(run, agent, counters), host)
    monitor = ("timeout", str(seconds), "cilium-dbg", "monitor", "-t", "policy-verdict", "-t", "agent", "-n")
    text = _ask(run, agent, monitor, seconds + _ANSWER)
    found, lost = verdicts.read_verdicts(text, agent.node)
    started = verdicts.read_started(text, agent.address)
    after = verdicts.read_counters(_ask(run, agent, counters), host)
    # Pods may have started since.
    listed = _ask(run, agent, listing)
    last = verdicts.read_open_ended(listed)
    open_ended = {one: first.get(one, frozenset()) | last.get(one, frozenset()) for one in {*first, *last}}
    return verdicts.Seen(agent.address, found, lost, open_ended, started, before, after, host)


def watch_all(
    run: Run, found: t.Sequence[Agent], seconds: int, realized: t.Callable[[str], bool] = of_pods
) -> list[verdicts.Seen]:
    """What all agents see in the same time."""
    with ThreadPoolExecutor(max_workers=max(len(found), 1)) as threads:
        return list(threads.map(lambda agent: watch(run, agent, seconds, realized), found))


def pods(api: Client) -> list[verdicts.Pod]:
    """The pods that have an endpoint."""
    return verdicts.read_pods(api.items(_ENDPOINTS))


def namespaces(api: Client) -> dict[int, str]:
    """Namespace of each identity."""
    found = {}
    for item in api.items(_IDENTITIES):
        labels = item.get("security-labels") or {}
        namespace = labels.get("k8s:io.kubernetes.pod.namespace")
        if namespace:
            found[int(item["metadata"]["name"])] = str(namespace)
    return found
