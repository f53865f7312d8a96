# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.
"""Ask Cilium's agent on this host by its local socket, about the endpoint that stands for the host. Cilium 1.19."""

from __future__ import annotations

import http.client
import json
import socket
import typing as t
from dataclasses import dataclass

#: Where the chart has the agent's socket (daemon.runPath).
SOCKET = "/var/run/cilium/cilium.sock"
#: Number of the identity of the host itself (pkg/identity/numericidentity.go).
_HOST_IDENTITY = 1
_NAME = "io.cilium.k8s.policy.name="
#: Label of the rule that allows what nothing else does, which is there while no policy denies by default.
_ALLOW_ANY = "allow-any-ingress"
_AUDIT = "PolicyAuditMode"
#: Seconds for an answer. An agent that compiles is slow.
_TIMEOUT = 20.0


class AgentError(Exception):
    """The agent does not answer, or not as expected."""


@dataclass(frozen=True)
class Host:
    """The endpoint of a host.

    :param endpoint: its number. :param denies: whether the policies are in force and deny by default.
    :param audit: whether what they deny is only audited.
    """

    endpoint: int
    denies: bool
    audit: bool


def read_host(found: t.Any, policy: str) -> Host | None:
    """The endpoint of a host, C(None) for one of something else.

    :param found: an endpoint of the agent's API. :param policy: name of a policy that is there with the others.
    :raises AgentError: for anything else.
    """
    try:
        status = found["status"]
        if (status.get("identity") or {}).get("id") != _HOST_IDENTITY:
            return None
        realized = (status.get("policy") or {}).get("realized") or {}
        rules = json.dumps((realized.get("l4") or {}).get("ingress") or [])
        enabled = str(realized.get("policy-enabled") or "none")
        options = (found.get("spec") or {}).get("options") or {}
        return Host(
            int(found["id"]),
            f'{_NAME}{policy}"' in rules
            and _ALLOW_ANY not in rules
            and enabled.rpartition("-")[2] in ("ingress", "both"),
            str(options.get(_AUDIT)) in ("Enabled", "true") or enabled.startswith("audit-"),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        raise AgentError(f"an endpoint cannot be read: {type(exc).__name__} {exc}") from exc


class _Connection(http.client.HTTPConnection):
    """HTTP over a local socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=_TIMEOUT)
        self._path = path

    def connect(self) -> None:
        """See C(HTTPConnection)."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_TIMEOUT)
        self.sock.connect(self._path)


class Agent:
    """The agent of this host.

    :param path: of its socket. :param policy: as of C(read_host).
    """

    def __init__(self, path: str, policy: str) -> None:
        self._path = path
        self._policy = policy
        self._endpoint = 0

    def _ask(self, method: str, path: str, body: t.Any = None) -> tuple[int, t.Any]:
        connection = _Connection(self._path)
        try:
            text = None if body is None else json.dumps(body)
            connection.request(method, f"/v1{path}", text, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            data = answer.read()
        except (OSError, http.client.HTTPException) as exc:
            raise AgentError(f"{self._path}: {type(exc).__name__} {exc}") from exc
        finally:
            connection.close()
        if answer.status == http.client.NOT_FOUND:
            return answer.status, None
        if answer.status >= http.client.BAD_REQUEST:
            raise AgentError(f"{method} {path}: {answer.status} {data[:200].decode('utf-8', 'replace')}")
        try:
            return answer.status, json.loads(data) if data.strip() else None
        except ValueError as exc:
            raise AgentError(f"{method} {path}: {exc}") from exc

    def host(self) -> Host | None:
        """The endpoint of this host, C(None) while there is none.

        :raises AgentError: when the agent does not answer.
        """
        if self._endpoint:
            _status, found = self._ask("GET", f"/endpoint/{self._endpoint}")
            host = read_host(found, self._policy) if found is not None else None
            if host is not None:
                return host
        self._endpoint = 0
        for one in self._ask("GET", "/endpoint")[1] or ():
            host = read_host(one, self._policy)
            if host is not None:
                self._endpoint = host.endpoint
                return host
        return None

    def set_audit(self, host: Host, audit: bool) -> None:
        """Have the agent audit only what the host's policies deny, or deny it again.

        :raises AgentError: when it does not.
        """
        options = {_AUDIT: "Enabled" if audit else "Disabled"}
        status, _answer = self._ask("PATCH", f"/endpoint/{host.endpoint}/config", {"options": options})
        if status == http.client.NOT_FOUND:
            raise AgentError(f"the endpoint {host.endpoint} of the host is gone")
