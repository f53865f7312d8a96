# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook `metrics`, and a client of the Prometheus that it runs."""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx

from tests.infra.playbook import Playbook, Run

PORT = 9090
USER = "grafana"
#: A host with systemd and one with OpenRC.
METRICS = ("w1", "w2")


@dataclass(frozen=True)
class Prometheus:
    """The one of a host.

    :param name: of the host, for which its certificate is. :param credentials: directory of the metrics CA.
    """

    name: str
    address: str
    credentials: Path

    def get(self, path: str, *, password: str | None = None, **query: str) -> httpx.Response:
        """Ask its API.

        :param password: instead of the one on the controller.
        """
        context = ssl.create_default_context(cafile=str(self.credentials / "ca.crt"))
        secret = password or (self.credentials / "prometheus.password").read_text(encoding="utf-8").strip()
        with httpx.Client(verify=context, trust_env=False, auth=(USER, secret), timeout=20) as client:
            return client.get(f"https://{self.address}:{PORT}{path}", params=query)

    def data(self, path: str, **query: str) -> Any:
        """What an endpoint answers."""
        response = self.get(path, **query)
        assert response.status_code == 200, f"{self.name}: {response.status_code} {response.text[:500]}"
        return response.json()["data"]

    def values(self, expression: str, *labels: str) -> dict[tuple[str, ...], float]:
        """Values of an instant query, by some labels."""
        found = self.data("/api/v1/query", query=expression)["result"]
        return {
            tuple(one["metric"].get(label, "") for label in labels): float(one["value"][1]) for one in found
        }


class Metrics:
    """The playbook `metrics`, and others on the same inventory, with w1 and w2 in the group `metrics`.

    :param variables: of all hosts. A token among them is in a file for its owner alone.
    """

    def __init__(self, playbook: Playbook, variables: Mapping[str, Any] | None = None) -> None:
        self._playbook = playbook
        self._group = playbook.directory / f"metrics-{len(variables or {})}.yml"
        group: dict[str, Any] = {
            "all": {
                "vars": dict(variables or {}),
                "children": {"metrics": {"hosts": {name: {} for name in METRICS}}},
            }
        }
        self._group.touch(0o600)
        self._group.write_text(json.dumps(group), encoding="utf-8")

    def run(self, *arguments: str, name: str = "metrics") -> Run:
        """Run one of the collection's playbooks."""
        playbook = replace(self._playbook, name=f"baremetal.kubernetes.{name}")
        return playbook.run("-i", str(self._group), *arguments, log=f"{name}.log")
