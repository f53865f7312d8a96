# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Run commands in containers, which the API server has the kubelet do. The pod's network is not involved."""

from __future__ import annotations

import json
import re
import typing as t
from dataclasses import dataclass

from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.client import ApiError
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api import connect

try:
    from kubernetes import client as kubernetes_client
    from kubernetes.stream import stream as kubernetes_stream
except ImportError:  # C(library_failure) reports it
    pass

_STDOUT, _STDERR = 1, 2


@dataclass(frozen=True)
class Executed:
    """How a command ended.

    :param code: its exit code. :param stdout: :param stderr: what it wrote, as text.
    """

    code: int
    stdout: str
    stderr: str


class ExecuteError(ApiError):
    """A command could not be run, or did not end in time."""


def _told(exc: Exception) -> str:
    """What an error says; a refusal of the API server is JSON in the middle of headers."""
    text = str(getattr(exc, "reason", None) or exc).strip()
    status = re.search(r'"message":("(?:[^"\\]|\\.)*")', text)
    return str(json.loads(status[1]) if status else text).rstrip(".") or type(exc).__name__


class Execute:
    """Runs commands in containers. Several threads may use one.

    :param kubeconfig: its path; by default the one that C(kubectl) would use. :param context: of the file.
    """

    def __init__(self, kubeconfig: str | None, context: str | None = None) -> None:
        self._configuration = connect.configuration(kubeconfig, context)

    def __call__(
        self, namespace: str, pod: str, argv: t.Sequence[str], seconds: float, container: str = ""
    ) -> Executed:
        """Run a command until it ends.

        :param seconds: how long it may take. :param container: of the pod, by default its first.
        :raises ExecuteError: when it cannot be run, or takes longer.
        """
        # `stream` turns the client that it is given into one for websockets.
        with kubernetes_client.ApiClient(self._configuration) as api:
            try:
                channel = kubernetes_stream(
                    kubernetes_client.CoreV1Api(api).connect_get_namespaced_pod_exec,
                    pod,
                    namespace,
                    command=list(argv),
                    **({"container": container} if container else {}),
                    stdout=True,
                    stderr=True,
                    stdin=False,
                    tty=False,
                    _preload_content=False,
                    _request_timeout=seconds,
                )
                channel.run_forever(timeout=seconds)
                # In this order: reading what is left would drop the channel with the exit code.
                code = None if channel.is_open() else channel.returncode
                stdout, stderr = channel.read_channel(_STDOUT), channel.read_channel(_STDERR)
                channel.close()
            except Exception as exc:  # of websockets and TLS, the package raises anything
                raise ExecuteError(
                    f"`{argv[0]}` cannot be run in pod {namespace}/{pod}: {_told(exc)}.",
                    "Check that the pod runs, and that the kubelet of its node can be reached (kubectl exec).",
                ) from exc
        if code is None:
            raise ExecuteError(
                f"`{' '.join(argv)}` in pod {namespace}/{pod} did not end within {seconds:g} seconds.",
                "Check the node of the pod.",
            )
        return Executed(int(code), stdout, stderr)
