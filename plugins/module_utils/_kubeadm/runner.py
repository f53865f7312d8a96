# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Run kubeadm, and observe the host before and after."""

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

from ansible_collections.baremetal.kubernetes.plugins.module_utils._formats import kubeconfig
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.admin import Api
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.client import (
    ApiError,
    UnreachableError,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm import documents
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.bootstrap_plan import (
    KUBELET_CONFIG,
    DesiredNode,
    ObservedNode,
    unfinished_phases,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.plan import KubeadmError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node import membership as node
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os import programs
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os.files import private_directory
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os.process import run
from ansible_collections.baremetal.kubernetes.plugins.module_utils._redact import redact

CONTROL_PLANE_LABEL = "node-role.kubernetes.io/control-plane"
HEALTHZ_PORT = 10248
KUBELET_CLIENT = "/var/lib/kubelet/pki/kubelet-client-current.pem"
LOCK = "/run/baremetal-kubernetes-kubeadm.lock"
# Commands that change a host, unlike `kubeadm token` and the like.
_CHANGING = frozenset({"init", "join", "reset", "upgrade"})
_POLL_SECONDS = 1.0
_FAILED_PHASE = re.compile(r"error execution phase ([\w/-]+)")
_PHASE_LINE = re.compile(r"^\[([a-z][a-z0-9-]*)\]", re.MULTILINE)
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
    """The host's name in messages."""
    return socket.gethostname()


def failed_phase(stdout: str, stderr: str) -> str:
    """The phase of kubeadm in which it stopped."""
    match = _FAILED_PHASE.search(stderr) or _FAILED_PHASE.search(stdout)
    if match:
        return match.group(1)
    seen = _PHASE_LINE.findall(stdout + "\n" + stderr)
    return seen[-1] if seen else "start"


def last_errors(stdout: str, stderr: str) -> str:
    """The lines that give the reason, without kubeadm's general advice."""
    noise = ("To see the stack trace", "[preflight] If you know what you are doing")
    lines = [line.strip() for line in stderr.splitlines() if line.strip() and not line.startswith(noise)]
    if not lines:
        lines = [line.strip() for line in stdout.splitlines() if line.strip()]
    return " | ".join(lines[-_SHOWN_LINES:])


def next_step(phase: str) -> str:
    """What to do about a failure in a phase."""
    return {
        "preflight": "Correct what the checks name, or add to cluster_ignore_preflight_errors what does not matter.",
        "wait-control-plane": "Look at the control plane's containers (crictl ps -a) and the kubelet's log.",
        "kubelet-start": "Look at the kubelet's log (journalctl -u kubelet, or its file below /var/log).",
        "kubelet-wait-bootstrap": "Look at the kubelet's log, and check that this host reaches the API server.",
        "control-plane-prepare/download-certs": "Run again; the uploaded certificates are replaced at each join.",
    }.get(phase, "Correct the cause and run again; completed phases are kept.")


class Host:
    """The host that kubeadm runs on.

    :param root: directory that stands for C(/) where files are read. :param kubeadm: path or name of the program.
    """

    def __init__(self, root: str = "/", kubeadm: str = "kubeadm") -> None:
        self.root = root
        self.kubeadm = kubeadm
        self.name = hostname()

    def observe(self, desired: DesiredNode) -> ObservedNode:
        """What the host's files tell."""
        state = node.observe(self.root)
        return ObservedNode(
            host=self.name,
            membership=state.membership,
            files=state.files,
            cluster_id=state.cluster_id,
            etcd_data=os.path.isdir(node.under(self.root, desired.etcd_dir + "/member")),
            credentials=os.path.lexists(node.under(self.root, KUBELET_CLIENT)),
            etcd_dir=node.names_in(self.root, desired.etcd_dir),
        )

    def node_name(self) -> str | None:
        """The name of the node that this host is."""
        return node.observe(self.root).node_name

    def unfinished(self, desired: DesiredNode, dns: bool) -> tuple[str, ...]:
        """The phases whose result is missing in the cluster or on this host. The API server has to answer."""
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
            raise KubeadmError(
                f"{self.name}: the API server {api.server} does not answer: {exc.reason}.",
                "Look at its container (crictl ps -a, crictl logs) and at the kubelet's log.",
            ) from exc

    def _rotatable(self) -> bool:
        """Whether the kubelet uses the certificate that it renews, or has none (rotation is off)."""
        if not os.path.exists(node.under(self.root, KUBELET_CLIENT)):
            return True
        try:
            return kubeconfig.parse(node.read_text(self.root, node.KUBELET_CONF) or "").client_cert is None
        except kubeconfig.KubeconfigError as exc:
            raise KubeadmError(
                f"{self.name}: {node.KUBELET_CONF} is no usable kubeconfig: {exc}.",
                "Create it again with: kubeadm init phase kubeconfig kubelet",
            ) from exc

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
        """Why the kubelet is not healthy or has no credentials yet, C(None) when it is healthy.

        :raises KubeadmError: when its configuration cannot be read.
        """
        if not os.path.exists(node.under(self.root, node.KUBELET_CONF)):
            return f"{node.KUBELET_CONF} does not exist"
        text = node.read_text(self.root, KUBELET_CONFIG)
        configuration = documents.parse(text, f"{self.name}: {KUBELET_CONFIG}")
        host = str(configuration.get("healthzBindAddress") or "127.0.0.1")
        port = configuration.get("healthzPort")
        port = HEALTHZ_PORT if port is None else port
        url = f"http://{f'[{host}]' if ':' in host else host}:{port}/healthz"
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

        A controller that is killed, or loses its connection, leaves the module and its kubeadm running on the host.

        :param seconds: how long to wait for another run to end.
        :raises KubeadmError: names the process that still runs then.
        """
        path = node.under(self.root, LOCK)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        deadline = time.monotonic() + seconds
        with open(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+") as lock:
            while True:
                with contextlib.suppress(BlockingIOError):
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    others = running_kubeadm(programs.find(self.kubeadm) or self.kubeadm)
                    if not others:
                        break
                    fcntl.flock(lock, fcntl.LOCK_UN)
                if time.monotonic() >= deadline:
                    others = running_kubeadm(programs.find(self.kubeadm) or self.kubeadm)
                    who = f"kubeadm (process {others[0]})" if others else "the module kubeadm of another run"
                    raise KubeadmError(
                        f"{self.name}: {who} still runs after {seconds:.0f} s; expected one run at a time.",
                        "Wait until it ends, or end it, and run again.",
                    )
                time.sleep(_POLL_SECONDS)
            yield

    @contextlib.contextmanager
    def config_file(self, content: bytes) -> t.Iterator[str]:
        """A configuration file that only root can read, for as long as kubeadm needs it."""
        with scratch_directory("kubeadm") as directory:
            path = os.path.join(directory, "config.yaml")
            write_private(path, content)
            yield path

    def run(
        self,
        argv: t.Sequence[str],
        seconds: float,
        hide: t.Sequence[str | None] = (),
        env: t.Mapping[str, str] | None = None,
    ) -> Output:
        """Run kubeadm.

        :param argv: arguments, without secrets. :param seconds: longest run.
        :param hide: secrets to remove from what is shown. :param env: further environment.
        :raises KubeadmError: when it fails or takes too long; its children are killed then.
        """
        shown = " ".join(word for word in argv if re.fullmatch("[a-z-]+", word) and not word.startswith("-"))
        try:
            done = run([self.kubeadm, *argv], seconds, programs.environment(env))
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
        """Delete a bootstrap token that this run created. It expires soon, so that a failure does not matter."""
        path = f"/api/v1/namespaces/kube-system/secrets/bootstrap-token-{token.partition('.')[0]}"
        with contextlib.suppress(ApiError):
            Api(self.root).delete(path)


def running_kubeadm(program: str) -> list[int]:
    """Processes of the program that change the host.

    :param program: path of kubeadm.
    :return: their numbers, lowest first.
    """
    found = []
    for entry in os.listdir("/proc"):
        # A process may end at any time, and the path of one that was replaced on disk has a suffix.
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


@contextlib.contextmanager
def scratch_directory(purpose: str) -> t.Iterator[str]:
    """A directory that only root can read, for as long as it is needed."""
    directory = tempfile.mkdtemp(prefix=f"bmk-{purpose}-", dir=private_directory())
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def write_private(path: str, content: bytes) -> None:
    """Write a file that only root can read."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as handle:
        handle.write(content)
