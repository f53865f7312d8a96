# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client that writes all the time, and knows what the API server has acknowledged."""

from __future__ import annotations

import threading
import time

from tests.infra.cluster import Cluster

#: Seconds between two writes, and within which one must be acknowledged.
INTERVAL, TIMEOUT = 0.4, 5.0


class Writer:
    """Creates one ConfigMap after the other, each once.

    :param cluster: whose API is written to. :param namespace: of the ConfigMaps; it is created.
    """

    def __init__(self, cluster: Cluster, namespace: str = "writer") -> None:
        self._core = cluster.core
        self._cluster = cluster
        self.namespace = namespace
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._acknowledged: list[str] = []
        self._gap = 0.0
        self._last = 0.0

    def start(self) -> None:
        """Create the namespace and begin."""
        self._core.create_namespace({"metadata": {"name": self.namespace}})
        self._last = time.monotonic()
        self._thread.start()

    def stop(self) -> None:
        """End; what was acknowledged until then stays known."""
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        number = 0
        while not self._end.wait(INTERVAL):
            name = f"write-{number:06d}"
            number += 1
            body = {"metadata": {"name": name}, "data": {"value": name}}
            try:
                self._core.create_namespaced_config_map(self.namespace, body, _request_timeout=TIMEOUT)
            except Exception:  # noqa: BLE001, S112 - not acknowledged, whatever the reason: it may be there or not
                continue
            now = time.monotonic()
            self._gap = max(self._gap, now - self._last)
            self._last = now
            self._acknowledged.append(name)

    @property
    def acknowledged(self) -> list[str]:
        """Names of what was acknowledged, in order."""
        return list(self._acknowledged)

    def gap(self) -> float:
        """Seconds of the longest time without an acknowledged write since the last question."""
        longest = max(self._gap, time.monotonic() - self._last)
        self._gap = 0.0
        return longest

    def missing(self) -> list[str]:
        """What was acknowledged and is not there, or has another value."""
        known = self.acknowledged
        path = f"/api/v1/namespaces/{self.namespace}/configmaps"
        found = dict(self._cluster.query(path, "items[].[metadata.name, data.value]"))
        return [name for name in known if found.get(name) != name]
