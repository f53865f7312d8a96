# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Section 4: a node's files, its kubelet and its kube-proxy."""

from __future__ import annotations

import ipaddress
import re
import ssl
import typing as t
from dataclasses import dataclass
from datetime import datetime, timezone

from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.host import kubelet
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.host.arguments import Arguments
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.host.files import (
    Target,
    judge_modes,
    judge_owners,
    target,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.host.kubelet import (
    Setting,
    Settings,
    Unknown,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.host.reader import (
    KUBE_PROXY,
    KUBELET,
    FileFact,
    Process,
    Reader,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.model import (
    BY_CLUSTER,
    ERROR,
    FAIL,
    MANUAL,
    NOT_APPLICABLE,
    PASS,
    Evidence,
    Result,
    worst,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._formats.x509 import (
    Certificate,
    CertificateError,
    issued_by,
    parse_bundle,
    parse_der,
)

Judge = t.Callable[[Reader], Result]
#: Either the files that a check is about, or the verdict that it has without any.
Found = t.Union[list[Target], Result]

_NOT_RUNNING = (
    "The kubelet does not run on this host. Start it, or audit this host without the component node."
)
_NO_PROXY = "No kube-proxy runs on this host."

# 4.1: files

# Search path of system units, systemd.unit(5); the first of a name counts.
_UNITS = (
    "/etc/systemd/system.control",
    "/run/systemd/system.control",
    "/run/systemd/transient",
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
)
_OPENRC = "/etc/init.d/kubelet"
_KUBECONFIG = "/etc/kubernetes/kubelet.conf"
_CONFIG = "/var/lib/kubelet/config.yaml"
_CLIENT_CA = "/etc/kubernetes/pki/ca.crt"
# What kubeadm has the kubelet started with, beside its file.
_KUBEADM_FILES = ("kubeadm-flags.env", "instance-config.yaml")


def _files(
    check_id: str,
    find: t.Callable[[Reader, str], Found],
    judge: t.Callable[[str, t.Sequence[Target]], Result],
) -> Judge:
    def judge_found(reader: Reader) -> Result:
        found = find(reader, check_id)
        return found if isinstance(found, Result) else judge(check_id, found)

    return judge_found


def _exists(fact: FileFact) -> bool:
    return bool(fact.error) or fact.kind == "file"


def _units(reader: Reader) -> list[FileFact]:
    """The unit of the kubelet and its drop-ins, as systemd finds them."""
    units = [reader.stat(f"{folder}/kubelet.service") for folder in _UNITS]
    unit = next((fact for fact in units if _exists(fact)), None)
    if unit is None:
        return []
    drop_ins: dict[str, FileFact] = {}
    for folder in _UNITS:
        for fact in reader.walk(f"{folder}/kubelet.service.d"):
            name = fact.path.rpartition("/")[2]
            # Where /lib is /usr/lib, every file is there twice. A link to /dev/null takes a drop-in away.
            if name.endswith(".conf"):
                drop_ins.setdefault(name, fact)
    return [unit, *(fact for fact in drop_ins.values() if _exists(fact))]


def _service(reader: Reader, check_id: str) -> Found:
    """What starts the kubelet: a unit of systemd with its drop-ins, or a script of OpenRC with its settings.

    A script must be executable to work, so what 0600 is for a unit is 0700 for a script.
    """
    if reader.stat("/run/openrc").kind == "directory":
        script = reader.stat(_OPENRC)
        if _exists(script):
            settings = reader.stat("/etc/conf.d/kubelet")
            found = [Target(script, 0o700, literal=0o600)]
            return found + ([Target(settings)] if _exists(settings) else [])
    units = _units(reader)
    if units:
        return [Target(fact) for fact in units]
    return Result(
        check_id,
        MANUAL if reader.processes(KUBELET) else ERROR,
        "The kubelet has no unit of systemd kubelet.service and no script of OpenRC."
        " Look for what starts it, and at the mode and the owner of that.",
    )


def _proxy_kubeconfig(reader: Reader, check_id: str) -> Found:
    found: list[Target] = []
    mounted: list[Evidence] = []
    running = reader.processes(KUBE_PROXY)
    for process in running:
        arguments = Arguments(process.argv)
        path, config = arguments.last("kubeconfig") or "", arguments.last("config")
        if config:
            try:
                values = kubelet.document(reader, config, process)
            except (OSError, ValueError) as exc:
                return Result(
                    check_id, ERROR, f"{config} of kube-proxy could not be read: {exc}. Correct it."
                )
            path = str(kubelet.lookup(values, ("clientConnection", "kubeconfig"))[1] or "")
        if not path:
            continue
        item = target(reader, path, process)
        if item.fact.link.startswith("..data/"):
            # The kubelet's way of mounting ConfigMaps and Secrets: no file of the host.
            mounted.append(Evidence(path, "link", item.fact.link, "a file of the host"))
        else:
            found.append(item)
    if found:
        return found
    if not running:
        return Result(check_id, NOT_APPLICABLE, _NO_PROXY)
    how = "from a ConfigMap or Secret" if mounted else "of its service account alone"
    return Result(
        check_id,
        NOT_APPLICABLE,
        f"kube-proxy has its credentials {how}; there is no such file.",
        tuple(mounted),
    )


def _kubeconfig(reader: Reader, check_id: str) -> Found:
    for process in reader.processes(KUBELET)[:1]:
        path = Arguments(process.argv, kubelet.BOOLEANS).last("kubeconfig")
        if path:
            return [target(reader, path, process)]
        return Result(check_id, NOT_APPLICABLE, "The kubelet runs on its own: it has no kubeconfig.")
    return _default_file(reader, check_id, _KUBECONFIG)


def _default_file(reader: Reader, check_id: str, path: str, allowed: int = 0o600) -> Found:
    """A file where kubeadm has it, for a kubelet that does not run."""
    fact = reader.stat(path)
    return [Target(fact, allowed)] if _exists(fact) else Result(check_id, ERROR, _NOT_RUNNING)


def _client_ca(reader: Reader, check_id: str) -> Found:
    known = kubelet.find(reader)
    if known is None:
        return _default_file(reader, check_id, _CLIENT_CA, 0o644)
    try:
        path = known.setting("authentication", "x509", "clientCAFile").value
    except Unknown as exc:
        return Result(check_id, ERROR, str(exc))
    if not path:
        return Result(check_id, NOT_APPLICABLE, "The kubelet has no CA file for clients; see 4.2.3.")
    return [target(reader, str(path), known.process, 0o644)]


def _config_files(reader: Reader, check_id: str) -> Found:
    """All files that the kubelet's configuration is of; the benchmark's words are about the first alone."""
    running = reader.processes(KUBELET)[:1]
    if not running:
        return _default_file(reader, check_id, _CONFIG)
    known = kubelet.from_files(reader, running[0])
    folder = known.arguments.last("root-dir") or kubelet.ROOT_DIR
    others = [f"{folder.rstrip('/')}/{name}" for name in _KUBEADM_FILES]
    found = [
        target(reader, path, known.process, literal=None if path == known.config else 0o7777)
        for path in known.files
    ]
    found += [Target(fact, literal=0o7777) for fact in map(reader.stat, others) if _exists(fact)]
    if not known.config:
        text = "The kubelet has no configuration file." if not found else ""
        return found or Result(check_id, NOT_APPLICABLE, text)
    return found


_PAIRS: tuple[tuple[str, str, t.Callable[[Reader, str], Found]], ...] = (
    ("4.1.1", "4.1.2", _service),
    ("4.1.3", "4.1.4", _proxy_kubeconfig),
    ("4.1.5", "4.1.6", _kubeconfig),
    ("4.1.7", "4.1.8", _client_ca),
    ("4.1.9", "4.1.10", _config_files),
)

# 4.2: the kubelet's configuration

_TLS13 = frozenset({"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"})
_LISTED = frozenset(
    {
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305",
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305",
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    }
)
# The same suites by their full names, and those of TLS 1.3.
_STRONG = (
    _LISTED
    | _TLS13
    | {"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"}
)
_DURATION = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)")
_LEAST_EVENTS = 5
_APPROVE = (
    "It asks the cluster for one: approve the request of this node for kubernetes.io/kubelet-serving, and see that an"
    " approver runs."
)


@dataclass(frozen=True)
class Opinion:
    """What a judge says of a setting.

    :param literal: by the benchmark's words, C(None) when that is the same.
    :param more: further evidence.
    """

    good: bool
    reason: str
    expected: str
    literal: bool | None = None
    more: tuple[Evidence, ...] = ()
    status: str = ""


def _shown(value: t.Any) -> t.Any:
    if value is None or value == "":
        return "not set"
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else value


def _same(written: t.Any, live: t.Any) -> bool:
    """Whether a file says what is in force; zero durations stand for defaults, and 4h is 4h0m0s."""
    if written == live or (not written and not live) or written in ("0", "0s"):
        return True
    if isinstance(written, str) and isinstance(live, str):
        length = seconds(written)
        return length is not None and length == seconds(live)
    return False


def _evidences(setting: Setting, opinion: Opinion, status: str) -> tuple[Evidence, ...]:
    found = [
        Evidence(
            setting.source,
            setting.key,
            _shown(setting.value),
            opinion.expected,
            status if status in (PASS, FAIL) else "",
        )
    ]
    if setting.written and setting.source == kubelet.LIVE:
        late = not _same(setting.written_value, setting.value)
        expected = "in force after a restart of the kubelet" if late else ""
        found.append(Evidence(setting.written_in, setting.key, _shown(setting.written_value), expected))
    return (*found, *opinion.more)


def _kubelet(
    check_id: str, path: tuple[str, ...], judge: t.Callable[[Reader, Settings, Setting], Opinion]
) -> Judge:
    """A check of one field of the configuration."""

    def judge_field(reader: Reader) -> Result:
        known = kubelet.find(reader)
        if known is None:
            return Result(check_id, ERROR, _NOT_RUNNING)
        try:
            setting = known.seccomp_default() if path == ("seccompDefault",) else known.setting(*path)
            opinion = judge(reader, known, setting)
        except Unknown as exc:
            return Result(check_id, ERROR, str(exc))
        status = opinion.status or (PASS if opinion.good else FAIL)
        # Without the files nobody knows what is written in them.
        same = opinion.literal is None or bool(known.problem)
        literal = status if same else PASS if opinion.literal else FAIL
        evidences = _evidences(setting, opinion, status)
        return Result(check_id, status, opinion.reason, evidences, "" if literal == status else literal)

    return judge_field


def _anonymous(reader: Reader, known: Settings, setting: Setting) -> Opinion:
    good = setting.value is False or setting.value is None
    reason = (
        "The kubelet answers nobody without credentials."
        if good
        else "The kubelet answers requests without credentials."
    )
    # The words want it to be set, though it is off by default where there is a file.
    return Opinion(
        good, reason, "false", literal=good and (setting.written or setting.source == kubelet.LIVE)
    )


def _authorization(reader: Reader, known: Settings, setting: Setting) -> Opinion:
    good = setting.value not in ("AlwaysAllow", None, "")
    reason = "asks for every request whether it is allowed" if good else "allows every request"
    return Opinion(good, f"The kubelet {reason}.", "not AlwaysAllow (Webhook)")


def _ca(reader: Reader, known: Settings, setting: Setting) -> Opinion:
    expected = "a file with the cluster's CA"
    if not setting.value:
        return Opinion(False, "The kubelet has no CA to know client certificates by.", expected)
    item = target(reader, str(setting.value), known.process)
    if item.fact.kind == "missing" and not item.fact.error:
        return Opinion(False, f"{setting.value}, the CA for client certificates, does not exist.", expected)
    return Opinion(True, "The kubelet knows client certificates by a CA.", expected)


def _read_only_port(reader: Reader, known: Settings, setting: Setting) -> Opinion:
    good = not setting.value
    reason = "no port without credentials" if good else f"port {setting.value}, which asks for no credentials"
    return Opinion(good, f"The kubelet has {reason}.", "0, or not set")


def seconds(text: t.Any) -> float | None:
    """Length of a duration as Go writes it, C(None) when it is none."""
    rest = str(text).strip()
    if rest in ("0", "+0", "-0"):
        return 0.0
    sign = -1 if rest.startswith("-") else 1
    rest = rest.lstrip("+-")
    if not rest or _DURATION.sub("", rest):
        return None
    units = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
    return sign * sum(float(number) * units[unit] for number, unit in _DURATION.findall(rest))


def _idle_timeout(reader: Reader, known: Settings, setting: Setting) -> Opinion:
    length = seconds(setting.value if setting.value not in (None, "") else "0")
    if length is None:
        raise Unknown(
            f"{setting.key} is {setting.value!r} in {setting.source}, which is no duration. Correct it, as in 4h0m0s."
        )
    good = length > 0
    reason = (
        f"Idle connections are closed after {setting.value}."
        if good
        else "Idle connections stay open for ever."
    )
    if good and setting.written and setting.written_value in ("0", "0s", 0):
        reason += " Zero in a file stands for the kubelet's default."
    return Opinion(good, reason, "more than 0")


def _utility_chains(reader: Reader, known: Settings, setting: Setting) -> Opinion:
    good = setting.value is True
    reason = "keeps its chains of iptables" if good else "does not keep its chains of iptables"
    return Opinion(good, f"The kubelet {reason}.", "true, or not set")


def _event_rate(reader: Reader, known: Settings, setting: Setting) -> Opinion:
    rate = setting.value if isinstance(setting.value, int) else 0
    good = rate >= _LEAST_EVENTS
    if good:
        reason = f"The kubelet sends up to {rate} events a second."
    elif rate > 0:
        reason = f"The kubelet drops events beyond {rate} a second."
    else:
        reason = "The kubelet sends events without a limit, so that a Pod can flood the API server."
    return Opinion(good, reason, f"{_LEAST_EVENTS} or more, but not 0 (no limit)", literal=rate >= 0)


def _authority(reader: Reader, known: Settings) -> tuple[list[Certificate], str]:
    """The cluster's CA by the kubelet's own configuration, and the file that it is in."""
    path = known.setting("authentication", "x509", "clientCAFile").value or _CLIENT_CA
    try:
        text = reader.read(str(path), known.process).decode("ascii", "replace")
        return parse_bundle(text), str(path)
    except (OSError, CertificateError) as exc:
        raise Unknown(f"{path}, the cluster's CA, could not be read: {exc}. Correct it.") from exc


def _given(known: Settings, key: str, made: str) -> t.Any:
    """A file that somebody gave the kubelet.

    Without one, a kubelet that does not ask the cluster makes both files itself, and then says that they are what it is
    configured with (C(InitializeTLS) in Kubernetes, C(cmd/kubelet/app/server.go)).

    :param made: name of the file that it makes.
    """
    setting = known.setting(key)
    if setting.written:
        return setting.written_value
    # Where its files cannot be read, the name is all that tells.
    return setting.value if known.problem and not str(setting.value).endswith(f"/{made}") else None


def _serving(reader: Reader, known: Settings, setting: Setting) -> Opinion:
    """What counts is the certificate that the port shows: who can verify it knows that it is this kubelet."""
    key = _given(known, "tlsPrivateKeyFile", "kubelet.key")
    both = bool(_given(known, "tlsCertFile", "kubelet.crt") and key)
    bootstrap = known.setting("serverTLSBootstrap").value is True
    address, port = known.endpoint()
    where = f"{address}:{port}"
    expected = "a certificate by the cluster's CA (serverTLSBootstrap), or own files"
    own_files = (
        Evidence("configuration", "serverTLSBootstrap", bootstrap, "true"),
        Evidence("configuration", "tlsPrivateKeyFile", _shown(key), ""),
    )
    try:
        shown = parse_der(reader.served_certificate(address, port))
    except (OSError, CertificateError) as exc:
        if bootstrap and isinstance(exc, ssl.SSLError):
            # It listens, and ends every handshake, until its request is approved.
            alert = Evidence(where, "certificate", f"none: {exc}", "one by the cluster's CA", FAIL)
            return Opinion(
                False, f"The kubelet shows no certificate. {_APPROVE}", expected, both, (alert, *own_files)
            )
        raise Unknown(
            f"The kubelet's port {where} could not be looked at: {exc}. See whether it answers there."
        ) from exc
    authorities, path = _authority(reader, known)
    by_cluster = any(issued_by(shown, item) for item in authorities)
    own = both and shown.issuer != shown.subject
    if by_cluster:
        reason = f"The kubelet shows a certificate that the cluster's CA ({path}) issued."
    elif own:
        issuer = shown.issuer_common_name or "another CA"
        reason = f"The kubelet shows a certificate of its own files, issued by {issuer}."
    elif bootstrap:
        reason = f"The kubelet shows a certificate that is not the cluster's. {_APPROVE}"
    else:
        reason = (
            "The kubelet shows a certificate that it signed itself: nobody can tell whether it is this node."
        )
    ended = shown.not_after <= datetime.now(timezone.utc)
    if ended:
        reason = f"The kubelet's certificate has ended on {shown.not_after:%Y-%m-%d}. {reason}"
    good = (by_cluster or own) and not ended
    more = (
        Evidence(where, "subject", shown.common_name, ""),
        Evidence(where, "issuer", shown.issuer_common_name, "the cluster's CA", PASS if good else FAIL),
        Evidence(where, BY_CLUSTER, by_cluster, ""),
        Evidence(where, "not after", f"{shown.not_after:%Y-%m-%dT%H:%M:%SZ}", ""),
        *own_files,
    )
    return Opinion(good, reason, expected, literal=both, more=more)


def _client_rotation(reader: Reader, known: Settings, setting: Setting) -> Opinion:
    good = setting.value is True
    reason = "renews its client certificate" if good else "does not renew its client certificate"
    literal = good or not setting.written
    return Opinion(good, f"The kubelet {reason} before it ends.", "true", literal=literal)


def _server_rotation(reader: Reader, known: Settings, setting: Setting) -> Opinion:
    gate = known.gate("RotateKubeletServerCertificate")
    on = gate.value is True
    bootstrap = setting.value is True
    own = _given(known, "tlsCertFile", "kubelet.crt")
    more = (Evidence(gate.source, gate.key, gate.value, "true", PASS if on else FAIL),)
    expected = "true"
    if bootstrap and on:
        reason = "The kubelet has its serving certificate renewed by the cluster."
        return Opinion(True, reason, expected, literal=True, more=more)
    if own and not bootstrap:
        return Opinion(
            False,
            "The kubelet serves a file of its own, which it reads anew when it changes: see that something renews"
            f" {own} before it ends.",
            expected,
            literal=on,
            more=(*more, Evidence("configuration", "tlsCertFile", own, "")),
            status=MANUAL,
        )
    if bootstrap:
        reason = "The feature gate RotateKubeletServerCertificate is off."
    else:
        reason = "The kubelet does not ask for a serving certificate (serverTLSBootstrap), so there is none to renew."
    return Opinion(False, reason, expected, literal=on, more=more)


def _ciphers(reader: Reader, known: Settings, setting: Setting) -> Opinion:
    names = [str(name) for name in setting.value or ()]
    least = known.setting("tlsMinVersion")
    more = (Evidence(least.source, least.key, _shown(least.value), ""),)
    expected = "AEAD suites with ECDHE only, or VersionTLS13"
    literal = bool(names) and set(names) <= _LISTED
    if least.value == "VersionTLS13":
        # Go has no choice of suites for TLS 1.3, and all are strong.
        return Opinion(
            True, "The kubelet speaks TLS 1.3 only; its suites are all strong.", expected, literal, more
        )
    if not names:
        reason = (
            "The kubelet takes the suites of Go, which has none with a known weakness among them; the benchmark wants a"
            " list."
        )
        return Opinion(True, reason, expected, literal, more)
    weak = sorted(set(names) - _STRONG)
    reason = (
        f"Not strong, or not known: {', '.join(weak)}." if weak else "The kubelet takes strong suites only."
    )
    return Opinion(not weak, reason, expected, literal, more)


def _pids(reader: Reader, known: Settings, setting: Setting) -> Opinion:
    value = setting.value if isinstance(setting.value, int) else -1
    good = value > 0
    reason = (
        f"A Pod may have {value} processes."
        if good
        else "A Pod may have as many processes as the node bears."
    )
    return Opinion(good, reason, "more than 0", literal=setting.written)


def _seccomp(reader: Reader, known: Settings, setting: Setting) -> Opinion:
    good = setting.value is True
    name = "RuntimeDefault" if good else "Unconfined"
    reason = f"Pods that name no seccomp profile run with {name}."
    literal = setting.written or "seccomp-default" in known.arguments
    return Opinion(good, reason, "true", literal=literal)


def _hostname(reader: Reader) -> Result:
    check_id = "4.2.7"
    running = reader.processes(KUBELET)[:1]
    if not running:
        return Result(check_id, ERROR, _NOT_RUNNING)
    name = Arguments(running[0].argv, kubelet.BOOLEANS).last("hostname-override")
    source, key, expected = kubelet.SOURCE, "--hostname-override", "not set"
    if not name:
        evidence = Evidence(source, key, "not set", expected, PASS)
        return Result(check_id, PASS, "The node has the name of the host.", (evidence,))
    try:
        own = reader.read("/proc/sys/kernel/hostname").decode("utf-8", "replace").strip()
    except OSError:
        own = ""
    same = bool(own) and own.lower() == name.strip().lower()
    evidence = Evidence(
        source, key, name, f"{expected}; the host is {own}" if own else expected, PASS if same else FAIL
    )
    reason = (
        "The node is told a name, which is the host's own."
        if same
        else f"The node is called {name}, and not as the host ({own or 'unknown'})."
    )
    return Result(check_id, PASS if same else FAIL, reason, (evidence,), FAIL if same else "")


# 4.3: kube-proxy


def _is_loopback(address: str) -> bool:
    text = address.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    if text == "localhost":
        return True
    try:
        return ipaddress.ip_address(text).is_loopback
    except ValueError:
        return False


def _proxy_metrics(reader: Reader, process: Process) -> tuple[str, str, Evidence]:
    """What is in force, what the words give, and what it was seen in."""
    arguments = Arguments(process.argv)
    flag = arguments.last("metrics-bind-address") or ""
    config = arguments.last("config")
    source, key, value = f"process {KUBE_PROXY}", "--metrics-bind-address", flag
    if config:
        # With a file, kube-proxy does not look at this flag.
        source, key = config, "metricsBindAddress"
        try:
            values = kubelet.document(reader, config, process)
        except (OSError, ValueError) as exc:
            reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else exc
            return ERROR, ERROR, Evidence(config, key, f"could not be read: {reason}", "a loopback address")
        value = str(values.get(key) or "")
    good = not value or _is_loopback(value)
    literal = PASS if not flag or "127.0.0.1" in flag else FAIL
    status = PASS if good else FAIL
    return (
        status,
        literal,
        Evidence(source, key, value or "not set", "not set, or a loopback address", status),
    )


def _metrics(reader: Reader) -> Result:
    check_id = "4.3.1"
    found = [_proxy_metrics(reader, process) for process in reader.processes(KUBE_PROXY)]
    if not found:
        return Result(check_id, NOT_APPLICABLE, _NO_PROXY)
    status, literal = (worst(item[at] for item in found) for at in (0, 1))
    evidence = next(item[2] for item in found if item[0] == status)
    reason = {
        PASS: "kube-proxy shows its metrics to the host alone.",
        FAIL: f"kube-proxy shows its metrics and its configuration on {evidence.observed}.",
        ERROR: f"{evidence.source} {evidence.observed}. Correct it, as kube-proxy reads it, too.",
    }[status]
    return Result(
        check_id, status, reason, tuple(item[2] for item in found), "" if literal == status else literal
    )


CHECKS: t.Mapping[str, Judge] = {
    **{mode: _files(mode, find, judge_modes) for mode, _owner, find in _PAIRS},
    **{owner: _files(owner, find, judge_owners) for _mode, owner, find in _PAIRS},
    "4.2.1": _kubelet("4.2.1", ("authentication", "anonymous", "enabled"), _anonymous),
    "4.2.2": _kubelet("4.2.2", ("authorization", "mode"), _authorization),
    "4.2.3": _kubelet("4.2.3", ("authentication", "x509", "clientCAFile"), _ca),
    "4.2.4": _kubelet("4.2.4", ("readOnlyPort",), _read_only_port),
    "4.2.5": _kubelet("4.2.5", ("streamingConnectionIdleTimeout",), _idle_timeout),
    "4.2.6": _kubelet("4.2.6", ("makeIPTablesUtilChains",), _utility_chains),
    "4.2.7": _hostname,
    "4.2.8": _kubelet("4.2.8", ("eventRecordQPS",), _event_rate),
    "4.2.9": _kubelet("4.2.9", ("tlsCertFile",), _serving),
    "4.2.10": _kubelet("4.2.10", ("rotateCertificates",), _client_rotation),
    "4.2.11": _kubelet("4.2.11", ("serverTLSBootstrap",), _server_rotation),
    "4.2.12": _kubelet("4.2.12", ("tlsCipherSuites",), _ciphers),
    "4.2.13": _kubelet("4.2.13", ("podPidsLimit",), _pids),
    "4.2.14": _kubelet("4.2.14", ("seccompDefault",), _seccomp),
    "4.3.1": _metrics,
}
