# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Whether a component of the control plane runs as its manifest says, and whether it is healthy."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import time
import typing as t
import urllib.error
import urllib.request
from dataclasses import dataclass

from ansible_collections.baremetal.kubernetes.plugins.module_utils._daemon.manager import Manager, manager_for
from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.manifests import Manifest
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.plan import KubeadmError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.runner import Host
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node import facts
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node.membership import under
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os import tls
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os.programs import command
from ansible_collections.baremetal.kubernetes.plugins.module_utils._redact import redact

# The kubelet reads its manifests again at least this often (fileCheckFrequency is 20 s), and then stops a pod within a
# moment: a process that still runs after that, runs by the manifest.
REPLACED_SECONDS = 45.0
# A kubelet that is not healthy by then will not become so.
KUBELET_SECONDS = 90.0
# A configuration error ends a kubelet at once, and its supervisor starts it again. It counts that: who looks for the
# process hardly ever sees one that panics.
KUBELET_RESTARTS = 4
_HEALTHY_CHECKS = 3
# How often an API server is ended that keeps the kubelet from starting etcd.
_UNBLOCKED = 2
# An API server that is told to end refuses new connections at once, and then waits for its watches for up to a minute.
_STOP_SECONDS = {"kube-apiserver": 10}
_POLL_SECONDS = 1.0
_SHOWN_LINES = 3
_KUBELET_LINES = 60
# Ports of the loopback interface unless an argument says otherwise (cmd/kubeadm/app/constants/constants.go).
_PORTS = {"kube-controller-manager": 10257, "kube-scheduler": 10259}


class BrokenError(KubeadmError):
    """A component does not start, or is not healthy."""

    def __init__(self, component: str, reason: str, log: str) -> None:
        self.component = component
        self.reason = reason
        self.log = log
        super().__init__(f"{component} {reason}")


@dataclass(frozen=True)
class Process:
    """A process of a component."""

    pid: int
    argv: tuple[str, ...]


def _answer(url: str) -> str | None:
    """Why a health endpoint of the loopback interface fails, C(None) when it succeeds."""
    # The component made the certificate itself at its start, and nothing but the status is used.
    opener = tls.opener(tls.unverified_context())
    try:
        with opener.open(url, timeout=5):
            return None
    except urllib.error.HTTPError as exc:
        with exc:
            return f"answered {exc.code} at {url}"
    except (urllib.error.URLError, OSError) as exc:
        return f"does not answer at {url}: {getattr(exc, 'reason', exc)}"


class ControlPlane:
    """The components on this host."""

    def __init__(self, host: Host) -> None:
        self.host = host

    def processes(self, component: str) -> list[Process]:
        """The processes of a component, by the name of their program."""
        found = []
        proc = under(self.host.root, "/proc")
        for entry in os.listdir(proc) if os.path.isdir(proc) else []:
            if not entry.isdigit():
                continue
            with contextlib.suppress(OSError), open(f"{proc}/{entry}/cmdline", "rb") as handle:
                words = handle.read().decode("utf-8", "replace").rstrip("\0").split("\0")
                if os.path.basename(words[0]) == component:
                    found.append(Process(int(entry), tuple(words)))
        return found

    def unhealthy(self, manifest: Manifest) -> str | None:
        """Why the component is not healthy, C(None) when it is."""
        if manifest.component == "kube-apiserver":
            return self.host.unready()
        if manifest.component == "etcd":
            url = (manifest.argument("listen-metrics-urls") or "").partition(",")[0]
            return _answer(f"{url}/health") if url else None
        address = manifest.argument("bind-address") or "127.0.0.1"
        address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)  # noqa: S104
        port = manifest.argument("secure-port") or _PORTS[manifest.component]
        return _answer(f"https://{f'[{address}]' if ':' in address else address}:{port}/healthz")

    def not_current(self, manifest: Manifest, before: t.Collection[int], replaced: bool) -> str | None:
        """Why the running process is not the one of the manifest, C(None) when it is.

        :param before: processes of the former pod. :param replaced: whether they may be those of the new one.
        """
        running = self.processes(manifest.component)
        if not running:
            return "does not run"
        if not replaced and any(process.pid in before for process in running):
            return "still runs as before"
        named = os.path.basename(manifest.command[0]) == manifest.component if manifest.command else False
        if named and all(process.argv != manifest.command for process in running):
            return "runs with other arguments than its manifest has"
        return None

    def wait(self, manifest: Manifest, before: t.Collection[int], restarts: bool, seconds: float) -> None:
        """Wait until the component runs as its manifest says and is healthy.

        :param before: its processes before the manifest was replaced. :param restarts: whether they have to end.
        :raises BrokenError: when that takes longer than C(seconds), or the component ends soon after each start.
        """
        began, began_clock = time.monotonic(), time.time()
        checks = 0
        kills = 0
        while True:
            waited = time.monotonic() - began
            replaced = not restarts or waited > REPLACED_SECONDS
            reason = self.not_current(manifest, before, replaced) or self.unhealthy(manifest)
            if reason is None and kills and (unready := self.host.unready()):
                reason = f"works, but the API server {unready}"
            if reason is None:
                return
            if manifest.component == "etcd" and before and kills < _UNBLOCKED and not self.processes("etcd"):
                kills += self._unblock_kubelet()
            checks += 1
            if checks % 3 == 0 and self._ended(manifest.component, began_clock) > 1:
                log = self.log(manifest.component)
                if not _LOST_LEASE.search(log):
                    raise BrokenError(manifest.component, "ends soon after each start", log)
            if waited >= seconds:
                raise BrokenError(
                    manifest.component, f"{reason}, after {seconds:.0f} s", self.log(manifest.component)
                )
            time.sleep(_POLL_SECONDS)

    def _unblock_kubelet(self) -> bool:
        """See that the kubelet starts etcd at once, whose former process has ended.

        Before it starts the new pod it replaces the mirror pod of the former one, and waits 34 s for an API server that
        waits for etcd. One that is down refuses the connection. It serves nobody without etcd; the kubelet starts it
        again at once the first time, and after 10 s the second time, when etcd runs.

        :return: whether an API server was there.
        """
        running = self.processes("kube-apiserver")
        for process in running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
        return bool(running)

    def _containers(self, component: str) -> list[dict[str, t.Any]]:
        """The containers of a component, the newest first."""
        code, output = command(["crictl", "ps", "-a", "--name", f"^{component}$", "-o", "json"])
        with contextlib.suppress(ValueError):
            found = json.loads(output[output.index("{") :]).get("containers") or [] if code == 0 else []
            return sorted(found, key=lambda container: int(container.get("createdAt") or 0), reverse=True)
        return []

    def _ended(self, component: str, since: float) -> int:
        """How many containers of the component, created since a time, have ended.

        The kubelet keeps only the newest of them, which carries their number.
        """
        return max(
            (
                int((container.get("metadata") or {}).get("attempt") or 0)
                + (container.get("state") == "CONTAINER_EXITED")
                for container in self._containers(component)
                if int(container.get("createdAt") or 0) / 1e9 > since
            ),
            default=0,
        )

    def log(self, component: str) -> str:
        """The lines of a component's log that say why it ended."""
        containers = self._containers(component)
        ended = [container for container in containers if container.get("state") == "CONTAINER_EXITED"]
        for container in [*ended[:1], *containers[:1]]:
            code, output = command(["crictl", "logs", "--tail", "40", str(container.get("id"))])
            if code == 0 and output.strip():
                return log_excerpt(output)
        return ""

    def stop_container(self, component: str) -> None:
        """Stop the running container of a component; the kubelet starts another."""
        for container in self._containers(component):
            if container.get("state") == "CONTAINER_RUNNING":
                seconds = str(_STOP_SECONDS.get(component, 30))
                command(["crictl", "stop", "--timeout", seconds, str(container.get("id"))], 60)

    def restart_kubelet(self, seconds: float) -> None:
        """Restart the kubelet and wait until it is healthy.

        :raises BrokenError: when it is not within C(seconds).
        """
        manager = self._manager()
        try:
            manager.act("kubelet", "restart")
        except OperatorError as exc:
            raise BrokenError("kubelet", f"cannot be restarted ({exc.message})", "") from exc
        deadline = time.monotonic() + seconds
        before = manager.restarts("kubelet")
        healthy = 0
        # A kubelet may end right after its first answer.
        while healthy < _HEALTHY_CHECKS:
            reason = self.host.unhealthy_kubelet()
            healthy = 0 if reason else healthy + 1
            if reason and manager.restarts("kubelet") - before >= KUBELET_RESTARTS:
                raise BrokenError(
                    "kubelet",
                    "ends soon after each start",
                    log_excerpt(manager.tail("kubelet", _KUBELET_LINES) or ""),
                )
            if reason and time.monotonic() >= deadline:
                raise BrokenError(
                    "kubelet",
                    f"is not healthy: {reason}",
                    log_excerpt(manager.tail("kubelet", _KUBELET_LINES) or ""),
                )
            time.sleep(_POLL_SECONDS)

    def kubelet_restarts(self) -> int:
        """How often the kubelet has ended by itself and was started again."""
        return self._manager().restarts("kubelet")

    def kubelet_log(self) -> str:
        """The lines of the kubelet's log that say why it does not work."""
        return redact(log_excerpt(self._manager().tail("kubelet", _KUBELET_LINES) or ""))

    def _manager(self) -> Manager:
        def both(argv: t.Sequence[str]) -> tuple[int, str, str]:
            return (*command(argv, 120), "")

        return manager_for(facts.service_manager(self.host.root), both, self.host.root)


# The controller manager and the scheduler end when they cannot renew their lease while the API server is down. It says
# nothing about their own configuration.
_LOST_LEASE = re.compile(r"leader ?election lost", re.IGNORECASE)
_ERROR = re.compile(r"^(?:[EF]\d{4} |Error:|error:)|\"?command failed\"?|\"level\":\"fatal\"|panic:")
# Severity, date, time and process of a line (klog).
_HEADER = re.compile(r"^[IWEF]\d{4} [\d:.]+\s+\d+ ")


def log_excerpt(output: str) -> str:
    """The lines of a log that say why a program ended, or its last lines when none does."""
    lines = [line.strip() for line in output.splitlines() if line.strip() and not line.startswith("time=")]
    # A program that is started again and again repeats itself: once is enough.
    telling = list({_HEADER.sub("", line): line for line in lines if _ERROR.search(line)}.values())
    return " | ".join(line[:400] for line in (telling or lines)[-_SHOWN_LINES:])
