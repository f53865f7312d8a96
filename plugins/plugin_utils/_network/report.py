# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""What Cilium's agents tell while policies only report: the same for those of pods and those of nodes."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.client import Client
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api.action import (
    API_OPTIONS,
    PATIENCE,
    say,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api.execute import Execute
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api.objects import patiently
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._network import policies, verdicts, watch

OPTIONS: dict[str, t.Any] = {
    **API_OPTIONS,
    **PATIENCE,
    "seconds": {"type": "int", "default": 30},
}
MAX_SECONDS = 3600


@dataclass(frozen=True)
class Subject:
    """Whose policies they are.

    :param policy: the one that denies, by which their mode is known. :param name: of the policies, for messages.
    :param variable: that sets their mode. :param watching: what is watched, for a line of progress; with C({nodes}).
    :param realized: whether an agent's answer shows them in effect.
    """

    policy: str
    name: str
    variable: str
    watching: str
    realized: t.Callable[[str], bool] = watch.of_pods


@dataclass(frozen=True)
class Observed:
    """What agents have told.

    :param seen: by agent. :param pods: those at the beginning, and those at the end.
    :param namespaces: of each identity.
    """

    seen: t.Sequence[verdicts.Seen]
    agents: t.Sequence[watch.Agent]
    pods: t.Sequence[verdicts.Pod]
    namespaces: t.Mapping[int, str]

    def result(
        self, found: t.Sequence[verdicts.Flow], flows: t.Sequence[t.Mapping[str, t.Any]], seconds: int
    ) -> dict[str, t.Any]:
        """What the module returns.

        :param found: what would be denied. :param flows: the same, as the module documents it.
        """
        lost = sum(one.lost for one in self.seen)
        return {
            "changed": False,
            "flows": list(flows),
            "lost": lost,
            "report": verdicts.lines(found, seconds, lost),
        }


def observe(api: Client, params: t.Mapping[str, t.Any], subject: Subject) -> Observed:
    """Watch all agents.

    :param params: of the module.
    :raises OperatorError: when the policies do not report, or the time is out of range.
    """
    seconds, timeout = params["seconds"], params["timeout"]
    if not 0 < seconds <= MAX_SECONDS:
        raise OperatorError(
            f"seconds is {seconds}, expected 1 to {MAX_SECONDS}.", "Run it again to watch longer."
        )
    mode = patiently(lambda: watch.mode(api, subject.policy), timeout, say)
    if mode != policies.REPORT:
        raise OperatorError(
            f"{subject.name} of this cluster are in the mode {mode}, in which nothing tells apart what they deny.",
            f"Set {subject.variable} to report, and run the playbook platform.",
        )
    agents = patiently(lambda: watch.agents(api), timeout, say)
    first = patiently(lambda: watch.pods(api), timeout, say)
    say(f"watching {subject.watching.format(nodes=f'{len(agents)} node(s)')} for {seconds} seconds")
    seen = watch.watch_all(
        Execute(params["kubeconfig"], params["context"]), agents, seconds, subject.realized
    )
    pods, namespaces = patiently(lambda: (watch.pods(api), watch.namespaces(api)), timeout, say)
    return Observed(seen, agents, [*first, *pods], namespaces)
