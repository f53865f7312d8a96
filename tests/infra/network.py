# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook `platform` with openings, and connections that are tried in the cluster."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.infra.playbook import Playbook, Run

Json = dict[str, Any]
#: Path of all policies of the cluster, those of nodes among them.
POLICIES = "/apis/cilium.io/v2/ciliumclusterwidenetworkpolicies"
NAMESPACES = ("ingress", "monitoring", "team-a", "team-b")
#: Name of each probe -> its options.
PROBES: dict[str, Json] = {
    "traefik": {"namespace": "ingress", "labels": {"app": "traefik"}},
    "scraper": {"namespace": "monitoring"},
    "web": {"namespace": "team-a", "labels": {"app": "web"}, "ports": [8080, 9090]},
    "db": {"namespace": "team-a", "labels": {"app": "db"}},
    "api": {"namespace": "team-b", "labels": {"app": "api"}, "ports": [8080, 9090]},
    "worker": {"namespace": "team-b", "labels": {"app": "worker"}},
}


@dataclass(frozen=True)
class Pair:
    """A connection.

    :param enforced: whether it is open by the openings of the scenario.
    """

    source: str
    target: str
    port: int = 8080
    protocol: str = "TCP"
    enforced: bool = False

    def options(self, expected: bool) -> Json:
        """As the module takes it."""
        return {
            "from": self.source,
            "to": self.target,
            "port": self.port,
            "protocol": self.protocol,
            "expected": "open" if expected else "denied",
        }


@dataclass
class Platform:
    """The playbook with values that override the inventory's. They accumulate, as an operator's edits do."""

    playbook: Playbook
    values: Json = field(default_factory=dict)

    def run(self, *arguments: str, **more: Any) -> Run:
        """Run with the values so far, and more for this run only."""
        values = json.dumps({**self.values, **more})
        return self.playbook.run("--diff", *arguments, "-e", values, log="platform.log")

    def change(self, **values: Any) -> Run:
        """Change values, and check that a second run changes nothing."""
        self.values.update(values)
        done = self.run().expect()
        self.run("--check").expect_quiet()
        return done


@dataclass(frozen=True)
class Prober:
    """Tries connections with the module.

    :param playbook: that calls it. :param kubeconfig: of the cluster. :param image: agnhost.
    """

    playbook: Playbook
    kubeconfig: str
    image: str

    def run(self, pairs: Sequence[Json], **pods: Json) -> Run:
        """Try connections.

        :param pods: further probes beside `PROBES`. Only those that the pairs name are started.
        """
        known = {**PROBES, **pods}
        used = {name for pair in pairs for name in (pair["from"], pair["to"]) if name in known}
        options = {
            "kubeconfig": self.kubeconfig,
            "image": self.image,
            "pods": [{"name": name, **known[name]} for name in sorted(used)],
            "pairs": list(pairs),
            "seconds": 60,
            "timeout": 240,
        }
        return self.playbook.run("-e", json.dumps({"probe_options": options}), log="probe.log")
