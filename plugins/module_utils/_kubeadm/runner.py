# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Run kubeadm, and look at the host before and after."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import secrets
import shutil
import socket
import string
import tempfile
import time
import typing as t
import urllib.error
import urllib.request
from dataclasses import dataclass

from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.admin import (
    Api,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.client import (
    ApiError,
    UnreachableError,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.plan import (
    KUBELET_CONFIG,
    Desired,
    KubeadmError,
    Observation,
    needs_look,
    unfinished_phases,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.redact import redact
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node import membership as node
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os.files import private_directory
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os.process import run

CONTROL_PLANE_LABEL = "node-role.kubernetes.io/control-plane"
KUBELET_CLIENT = "/var/lib/kubelet/pki/kubelet-client-current.pem"
LOCK = "/run/baremetal-kubernetes-kubeadm.lock"
# What changes a host, unlike `kubeadm token` and the like.
_CHANGING = frozenset({"init", "join", "reset", "upgrade"})
_POLL_SECONDS = 1.0
_FAILED_PHASE = re.compile(r"error execution phase ([\w/-]+)")
_PHASE_LINE = re.compile(r"^\[([a-z][a-z0-9-]*)\]", re.MULTILINE)
_HEALTHZ_PORT = re.compile(r"^healthzPort:\s*(\d+)", re.MULTILINE)
_HEALTHZ_ADDRESS = re.compile(r"^healthzBindAddress:\s*[\"']?([0-9a-fA-F.:]+)", re.MULTILINE)
_SHOWN_LINES = 12


@dataclass(frozen=True)
class Output:
    """What a command printed, without secrets. C(raw) is the standard output as it was."""

    stdout: str
    stderr: str
    raw: str


def fresh_token() -> str:
    """A bootstrap token: six and sixteen characters of a-z and 0-9 (k8s.io/cluster-bootstrap/token/api)."""
    letters = string.ascii_lowercase + string.digits
    return (
        "".join(secrets.choice(letters) for _position in range(6))
        + "."
        + "".join(secrets.choice(letters) for _position in range(16))
    )


def hostname() -> str:
    """What messages call this host."""
    return socket.gethostname()


def failed_phase(stdout: str, stderr: str) -> str:
    """The phase of kubeadm in which it stopped."""
    match = _FAILED_PHASE.search(stderr) or _FAILED_PHASE.search(stdout)
    if match:
        return match.group(1)
    seen = _PHASE_LINE.findall(stdout + "\n" + stderr)
    return seen[-1] if seen else "start"


def last_errors(stdout: str, stderr: str) -> str:
    """The lines that say why, without kubeadm's general advice."""
    noise = ("To see the stack trace", "[preflight] If you know what you are doing")
    lines = [line.strip() for line in stderr.splitlines() if line.strip() and not line.startswith(noise)]
    if not lines:
        lines = [line.strip() for line in stdout.splitlines() if line.strip()]
    return " | ".join(lines[-_SHOWN_LINES:])


def next_step(phase: str) -> str:
    """What to do about a failure in a phase."""
    return {
        "preflight": "Correct what the checks name, or add a name to ignore_preflight_errors if it cannot matter.",
        "wait-control-plane": "Look at the control plane's containers (crictl ps -a) and the kubelet's log.",
        "kubelet-start": "Look at the kubelet's log (journalctl -u kubelet, or its file below /var/log).",
        "kubelet-wait-bootstrap": "Look at the kubelet's log, and whether this host reaches the API server.",
        "control-plane-prepare/download-certs": "Run again; the uploaded certificates are replaced at each join.",
    }.get(phase, "Correct the cause and run again; what is done is kept.")


def command_environment(more: t.Mapping[str, str] | None = None) -> dict[str, str]:
    """What programs of the node run with.

    kubeadm looks for kubelet, crictl, mount and others; a module's PATH may lack these.
    """
    env = {**os.environ, "LC_ALL": "C", **(more or {})}
    env["PATH"] = ":".join(
        [env.get("PATH", ""), "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]
    )
    return env


class Host:
    """The host that kubeadm works on.

    :param root: folder that stands for C(/) where files are looked at. :param kubeadm: path or name of the program.
    """

    def __init__(self, root: str = "/", kubeadm: str = "kubeadm") -> None:
        self.root = root
        self.kubeadm = kubeadm
        self.name = hostname()

    def observe(self, desired: Desired) -> Observation:
        """What the files tell."""
        state = node.observe(self.root)
        return Observation(
            host=self.name,
            membership=state.membership,
            files=state.files,
            cluster_id=state.cluster_id,
            etcd_data=os.path.isdir(node.under(self.root, desired.etcd_dir + "/member")),
            credentials=os.path.lexists(node.under(self.root, KUBELET_CLIENT)),
        )

    def node_name(self) -> str | None:
        """The name of the node that this host is."""
        return node.observe(self.root).node_name

    def unfinished(self, desired: Desired, dns: bool) -> tuple[str, ...]:
        """The phases whose result is not in the cluster or on this host. The API server must answer."""
        api = Api(self.root)
        try:
            own = api.get(f"/api/v1/nodes/{self.node_name()}")
            labels = ((own or {}).get("metadata") or {}).get("labels") or {}
            return unfinished_phases(
                desired.operation,
                desired.skip_phases,
                dns,
                exists=lambda path: api.get(path) is not None,
                marked=CONTROL_PLANE_LABEL in labels,
                rotatable=self._rotatable(),
            )
        except UnreachableError as exc:
            raise self._silent(api.server, exc.reason) from exc

    def _rotatable(self) -> bool:
        """Whether the kubelet uses the certificate that it renews, or has none such (rotation is off)."""
        if not os.path.exists(node.under(self.root, KUBELET_CLIENT)):
            return True
        return "client-certificate-data:" not in (node.read_text(self.root, node.KUBELET_CONF) or "")

    def _silent(self, server: str, reason: str) -> KubeadmError:
        return KubeadmError(
            f"{self.name}: the API server {server} does not answer: {reason}.",
            "Look at its container (crictl ps -a, crictl logs) and at the kubelet's log.",
        )

    def wait_ready(self, seconds: float) -> None:
        """Wait until the local API server is ready.

        :param seconds: longest wait. :raises KubeadmError: with the last answer, when it is not.
        """
        deadline = time.monotonic() + seconds
        while (reason := self.unready()) is not None:
            if time.monotonic() >= deadline:
                raise KubeadmError(
                    f"{self.name}: the API server {Api(self.root).server} is not ready after {seconds:.0f} s;"
                    f" it {reason}.",
                    "Look at the control plane's containers (crictl ps -a) and the kubelet's log.",
                )
            time.sleep(_POLL_SECONDS)

    def unready(self) -> str | None:
        """Why the local API server is not ready, C(None) when it is."""
        try:
            status, body = Api(self.root).request("/readyz?verbose")
        except UnreachableError as exc:
            return f"does not answer: {exc.reason}"
        if status == 200:
            return None
        failed = [line.strip() for line in body.splitlines() if line.startswith("[-]")]
        return f"answered {status}: " + ("; ".join(failed) or body.strip()[:200] or "no body")

    def unhealthy_kubelet(self) -> str | None:
        """Why the kubelet is not healthy or has no credentials yet, C(None) when all is well."""
        if not os.path.exists(node.under(self.root, node.KUBELET_CONF)):
            return f"{node.KUBELET_CONF} is not there"
        text = node.read_text(self.root, KUBELET_CONFIG) or ""
        port = _HEALTHZ_PORT.search(text)
        address = _HEALTHZ_ADDRESS.search(text)
        host = address.group(1) if address else "127.0.0.1"
        url = f"http://{f'[{host}]' if ':' in host else host}:{port.group(1) if port else 10248}/healthz"
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(url, timeout=5):
                return None
        except (urllib.error.URLError, OSError) as exc:
            return f"{url}: {getattr(exc, 'reason', exc)}"

    def wait_kubelet(self, seconds: float) -> None:
        """Wait until the kubelet has its credentials and is healthy.

        :raises KubeadmError: when it is not after C(seconds).
        """
        deadline = time.monotonic() + seconds
        while (reason := self.unhealthy_kubelet()) is not None:
            if time.monotonic() >= deadline:
                raise KubeadmError(
                    f"{self.name}: the kubelet is not healthy after {seconds:.0f} s: {reason}.",
                    "Look at the kubelet's log (journalctl -u kubelet, or its file below /var/log).",
                )
            time.sleep(_POLL_SECONDS)

    @contextlib.contextmanager
    def exclusive(self, seconds: float) -> t.Iterator[None]:
        """Let one run at a time change the host.

        A controller that is killed, or loses its connection, leaves the module and its kubeadm at work on the host.

        :param seconds: how long to wait for another run to end.
        :raises KubeadmError: names the process that is still at work then.
        """
        path = node.under(self.root, LOCK)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        deadline = time.monotonic() + seconds
        with open(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+") as lock:
            while True:
                with contextlib.suppress(BlockingIOError):
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    others = running_kubeadm(shutil.which(self.kubeadm) or self.kubeadm)
                    if not others:
                        break
                    fcntl.flock(lock, fcntl.LOCK_UN)
                if time.monotonic() >= deadline:
                    others = running_kubeadm(shutil.which(self.kubeadm) or self.kubeadm)
                    who = f"kubeadm (process {others[0]})" if others else "the module kubeadm of another run"
                    raise KubeadmError(
                        f"{self.name}: {who} is still at work after {seconds:.0f} s; expected to be the only one.",
                        "Wait until it ends, or end it, and run again.",
                    )
                time.sleep(_POLL_SECONDS)
            yield

    @contextlib.contextmanager
    def config_file(self, content: bytes) -> t.Iterator[str]:
        """A file that only root can read, for as long as kubeadm needs it."""
        folder = tempfile.mkdtemp(prefix="bmk-kubeadm-", dir=private_directory())
        try:
            path = os.path.join(folder, "config.yaml")
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as handle:
                handle.write(content)
            yield path
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def run(
        self,
        argv: t.Sequence[str],
        seconds: float,
        hide: t.Sequence[str | None] = (),
        env: t.Mapping[str, str] | None = None,
    ) -> Output:
        """Run kubeadm.

        :param argv: arguments; none may be a secret. :param seconds: longest run. :param hide: secrets to take out of
            what is shown. :param env: further environment.
        :raises KubeadmError: when it fails or takes too long; its children are ended then.
        """
        shown = " ".join(word for word in argv if re.fullmatch("[a-z-]+", word) and not word.startswith("-"))
        try:
            done = run([self.kubeadm, *argv], seconds, command_environment(env))
        except OSError as exc:
            raise KubeadmError(
                f"{self.name}: {self.kubeadm} cannot be run: {exc.strerror or exc}.",
                "Install kubeadm, or set kubeadm_path.",
            ) from exc
        output = Output(redact(done.stdout, hide), redact(done.stderr, hide), done.stdout)
        if done.code != 0:
            phase = failed_phase(output.stdout, output.stderr)
            why = last_errors(output.stdout, output.stderr)
            late = done.code is None
            how = f"did not end within {seconds:.0f} s" if late else f"failed (exit code {done.code})"
            raise KubeadmError(
                f"{self.name}: kubeadm {shown} {how} in the phase {phase}: {why}.",
                next_step(phase),
                phase=phase,
                stdout=output.stdout,
                stderr=output.stderr,
            )
        return output

    def delete_token(self, token: str) -> None:
        """Delete a bootstrap token that this run made. It ends by itself soon, so that a failure does not matter."""
        path = f"/api/v1/namespaces/kube-system/secrets/bootstrap-token-{token.partition('.')[0]}"
        with contextlib.suppress(ApiError):
            Api(self.root).delete(path)


def running_kubeadm(program: str) -> list[int]:
    """Processes of the program that change a host.

    :param program: path of kubeadm.
    :return: their numbers, lowest first.
    """
    found = []
    for entry in os.listdir("/proc"):
        # A process may end at any time, and one that was replaced on disk has a mark behind its path.
        with contextlib.suppress(OSError):
            if entry.isdigit() and os.readlink(f"/proc/{entry}/exe").partition(" (deleted)")[
                0
            ] == os.path.realpath(program):
                with open(f"/proc/{entry}/cmdline", "rb") as stream:
                    words = stream.read().decode(errors="replace").split("\0")
                if _CHANGING.intersection(words[1:2]):
                    found.append(int(entry))
    return sorted(found)


def flags(ignore_preflight_errors: t.Sequence[str], skip_phases: t.Sequence[str]) -> list[str]:
    """The flags that kubeadm allows beside C(--config)."""
    argv = []
    if ignore_preflight_errors:
        argv.append("--ignore-preflight-errors=" + ",".join(ignore_preflight_errors))
    if skip_phases:
        argv.append("--skip-phases=" + ",".join(skip_phases))
    return argv


def look_further(
    host: Host, observation: Observation, desired: Desired, dns: bool, seconds: float
) -> tuple[str, ...] | None:
    """Ask the cluster how far an earlier run came, when the files alone do not tell."""
    if not needs_look(observation):
        return None
    host.wait_ready(seconds)
    return host.unfinished(desired, dns)
