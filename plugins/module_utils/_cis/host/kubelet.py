# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""The configuration of a kubelet: from its /configz if it answers, else computed from its files and flags.

The kubelet merges the files of C(--config-dir) into its file, and its flags into both; feature gates add up
(Kubernetes, C(cmd/kubelet/app/server.go); KEP-3983). Defaults are those of C(v1beta1) with a file, and legacy ones
without.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace

from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.host.arguments import (
    Arguments,
    truth_of,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.host.reader import (
    KUBELET,
    FileFact,
    Process,
    Reader,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._formats import yaml

LIVE = "/configz of the kubelet"
SOURCE = "process kubelet"
STATIC_PODS = "/etc/kubernetes/manifests"
ROOT_DIR = "/var/lib/kubelet"
PORT = 10250
BOOLEANS = (
    "anonymous-auth",
    "authentication-token-webhook",
    "cgroups-per-qos",
    "contention-profiling",
    "cpu-cfs-quota",
    "enable-controller-attach-detach",
    "enable-debugging-handlers",
    "enable-server",
    "exit-on-lock-contention",
    "fail-swap-on",
    "keep-terminated-pod-volumes",
    "kernel-memcg-notification",
    "local-storage-capacity-isolation",
    "make-iptables-util-chains",
    "protect-kernel-defaults",
    "register-node",
    "register-schedulable",
    "rotate-certificates",
    "rotate-server-certificates",
    "runonce",
    "seccomp-default",
    "serialize-image-pulls",
)
_FLAGS: dict[str, tuple[tuple[str, ...], str]] = {
    "address": (("address",), "text"),
    "anonymous-auth": (("authentication", "anonymous", "enabled"), "truth"),
    "authorization-mode": (("authorization", "mode"), "text"),
    "client-ca-file": (("authentication", "x509", "clientCAFile"), "text"),
    "event-qps": (("eventRecordQPS",), "number"),
    "make-iptables-util-chains": (("makeIPTablesUtilChains",), "truth"),
    "pod-manifest-path": (("staticPodPath",), "text"),
    "pod-max-pids": (("podPidsLimit",), "number"),
    "port": (("port",), "number"),
    "read-only-port": (("readOnlyPort",), "number"),
    "rotate-certificates": (("rotateCertificates",), "truth"),
    "rotate-server-certificates": (("serverTLSBootstrap",), "truth"),
    "streaming-connection-idle-timeout": (("streamingConnectionIdleTimeout",), "text"),
    "tls-cert-file": (("tlsCertFile",), "text"),
    "tls-cipher-suites": (("tlsCipherSuites",), "words"),
    "tls-min-version": (("tlsMinVersion",), "text"),
    "tls-private-key-file": (("tlsPrivateKeyFile",), "text"),
}
# SetDefaults_KubeletConfiguration of v1beta1: defaults with a file.
_DEFAULTS: dict[tuple[str, ...], t.Any] = {
    ("authentication", "anonymous", "enabled"): False,
    ("authorization", "mode"): "Webhook",
    ("eventRecordQPS",): 50,
    ("makeIPTablesUtilChains",): True,
    ("podPidsLimit",): -1,
    ("readOnlyPort",): 0,
    ("rotateCertificates",): False,
    ("seccompDefault",): False,
    ("serverTLSBootstrap",): False,
    ("streamingConnectionIdleTimeout",): "4h0m0s",
}
# applyLegacyDefaults: defaults without C(--config).
_LEGACY = {
    ("authentication", "anonymous", "enabled"): True,
    ("authorization", "mode"): "AlwaysAllow",
    ("readOnlyPort",): 10255,
}
# These mean unset: kubeadm writes them for fields that are not set, and the kubelet uses its default.
_UNSET: dict[tuple[str, ...], tuple[t.Any, ...]] = {
    ("streamingConnectionIdleTimeout",): ("", "0", "0s", 0),
    ("authorization", "mode"): ("",),
}


class Unknown(Exception):  # noqa: N818 - an answer, not an error of this program
    """The effective value is not known; the text says why, and the next step."""


@dataclass(frozen=True)
class Layer:
    """One source of settings.

    :param flags: whether it is the command line.
    """

    source: str
    values: t.Mapping[str, t.Any]
    flags: bool = False


@dataclass(frozen=True)
class Setting:
    """A field of the configuration.

    :param value: effective; C(None) is the program's zero value. :param source: where it was read.
    :param written: whether a file or a flag sets it. :param written_in: the last one that does.
    :param written_value: the value there.
    """

    key: str
    value: t.Any
    source: str
    written: bool = False
    written_in: str = ""
    written_value: t.Any = None


@dataclass(frozen=True)
class Settings:
    """Settings of one kubelet.

    :param live: its /configz, C(None) when it does not answer: C(live_error) says why.
    :param problem: why files or flags could not be read, empty when they could.
    :param files: its file, then those of C(--config-dir), in order of precedence.
    """

    process: Process
    arguments: Arguments
    config: str = ""
    layers: tuple[Layer, ...] = ()
    files: tuple[str, ...] = ()
    problem: str = ""
    live: t.Mapping[str, t.Any] | None = None
    live_error: str = ""

    def setting(self, *path: str) -> Setting:
        """A field by its path.

        :raises Unknown: when neither the kubelet nor its files can be read.
        """
        known, value, layer = self._written(path)
        where = layer.source if layer else ""
        setting = Setting(".".join(path), value, where, known, where, value if known else None)
        if self.live is not None:
            return replace(setting, value=lookup(self.live, path)[1], source=LIVE)
        if self.problem:
            raise Unknown(
                f"{self.problem}, and /configz of the kubelet cannot be read ({self.live_error}). Correct"
                " that, or place a"
                " client certificate on the host that the kubelet accepts."
            )
        if known and layer and (layer.flags or value not in _UNSET.get(path, ())):
            return setting
        default = _DEFAULTS.get(path) if self.config else _LEGACY.get(path, _DEFAULTS.get(path))
        return replace(setting, value=default, source="default of the kubelet")

    def _written(self, path: t.Sequence[str]) -> tuple[bool, t.Any, Layer | None]:
        found: tuple[bool, t.Any, Layer | None] = (False, None, None)
        for layer in self.layers:
            known, value = lookup(layer.values, path)
            if known:
                # A merge patch (RFC 7386) removes what it sets to null.
                found = (value is not None, value, layer if value is not None else None)
        return found

    def gate(self, name: str) -> Setting:
        """A beta feature gate that is enabled by default."""
        own = self.setting("featureGates", name)
        if own.value is not None:
            return own
        beta = self.setting("featureGates", "AllBeta")
        if beta.value is not None:
            return beta
        return Setting(own.key, True, "default of the kubelet")

    def seccomp_default(self) -> Setting:
        """Whether C(RuntimeDefault) is the seccomp profile of Pods that set none.

        Flag or field is enough: the kubelet uses C(flag || field), so C(--seccomp-default=false) disables nothing.

        :raises Unknown: as C(setting) does.
        """
        try:
            flag = self.arguments.truth("seccomp-default")
        except ValueError as exc:
            raise Unknown(f"{exc}. Correct the command line of the kubelet.") from exc
        setting = self.setting("seccompDefault")
        if not flag:
            return setting
        return Setting(setting.key, True, SOURCE, True, SOURCE, True)

    def endpoint(self) -> tuple[str, int]:
        """Address and port of the kubelet from its host."""
        address, port = "", PORT
        for layer in self.layers:
            address = str(layer.values.get("address") or address)
            number = layer.values.get("port")
            port = number if isinstance(number, int) and number else port
        return {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address), port  # noqa: S104


def lookup(values: t.Any, path: t.Sequence[str]) -> tuple[bool, t.Any]:
    """Whether a nested mapping has a field, and its value. A null on the path counts as the field's value."""
    for step in path:
        if values is None:
            return True, None
        if not isinstance(values, t.Mapping) or step not in values:
            return False, None
        values = values[step]
    return True, values


def document(reader: Reader, path: str, process: Process | None) -> dict[str, t.Any]:
    """A configuration file in YAML or JSON with a mapping.

    :raises OSError: when it cannot be read. :raises ValueError: when it is not such a file.
    """
    value = yaml.load(reader.read(path, process).decode())
    if not isinstance(value, dict):
        raise ValueError("it is not a mapping")
    return value


def drop_ins(reader: Reader, directory: str, process: Process | None) -> tuple[FileFact, ...]:
    """Files of a C(--config-dir) that the kubelet reads, in its order: by name, subdirectories included."""
    found = [
        fact
        for fact in reader.walk(directory, process)
        if fact.kind == "file" and fact.path.rsplit("/", 1)[-1].endswith(".conf")
    ]
    return tuple(sorted(found, key=lambda fact: fact.path.split("/")))


def _flag_layer(arguments: Arguments) -> Layer:
    """Fields that the command line sets. :raises ValueError: for a value that the kubelet would reject."""
    values: dict[str, t.Any] = {}
    for flag, (path, kind) in _FLAGS.items():
        text = arguments.last(flag)
        if text is None:
            continue
        value: t.Any = text
        if kind == "truth":
            value = arguments.truth(flag)
        elif kind == "number":
            value = int(text, 0)
        elif kind == "words":
            value = list(arguments.words(flag))
        inner = values
        for step in path[:-1]:
            inner = inner.setdefault(step, {})
        inner[path[-1]] = value
    gates = {name: truth_of(text, name) for name, text in arguments.mapping("feature-gates").items()}
    if gates:
        values["featureGates"] = gates
    return Layer(SOURCE, values, flags=True)


def _file_layer(reader: Reader, path: str, process: Process) -> tuple[Layer, str]:
    """Fields that a file sets, and why it could not be read."""
    try:
        return Layer(path, document(reader, path, process)), ""
    except (OSError, ValueError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else exc
        return Layer(path, {}), f"{path} could not be read: {reason}"


def from_files(reader: Reader, process: Process) -> Settings:
    """The settings in files and flags, without /configz."""
    arguments = Arguments(process.argv, BOOLEANS)
    config, directory = arguments.last("config") or "", arguments.last("config-dir") or ""
    files = [config] if config else []
    problem = ""
    if directory:
        files += [fact.path for fact in drop_ins(reader, directory, process)]
        closed = [fact for fact in reader.walk(directory, process) if fact.error]
        problem = f"{closed[0].path} could not be read: {closed[0].error}" if closed else ""
    layers: list[Layer] = []
    for path in files:
        layer, reason = _file_layer(reader, path, process)
        layers.append(layer)
        problem = problem or reason
    try:
        layers.append(_flag_layer(arguments))
    except ValueError as exc:
        problem = problem or f"the command line of the kubelet could not be read: {exc}"
    return Settings(process, arguments, config, tuple(layers), tuple(files), problem)


def find(reader: Reader) -> Settings | None:
    """Settings of the host's kubelet, C(None) when none runs."""
    for process in reader.processes(KUBELET)[:1]:
        known = from_files(reader, process)
        try:
            live: t.Mapping[str, t.Any] | None = reader.configz()
            error = ""
        except OSError as exc:
            live, error = None, str(exc)
        return Settings(
            process, known.arguments, known.config, known.layers, known.files, known.problem, live, error
        )
    return None


def static_pod_path(reader: Reader) -> tuple[str, str]:
    """The kubelet's directory of static Pods, kubeadm's when none is set, and why it is not known."""
    known = find(reader)
    if known is None:
        return STATIC_PODS, ""
    try:
        return str(known.setting("staticPodPath").value or STATIC_PODS), ""
    except Unknown as exc:
        return STATIC_PODS, str(exc)
