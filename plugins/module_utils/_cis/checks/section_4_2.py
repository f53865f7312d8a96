# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Section 4.2: the kubelet."""

from __future__ import annotations

import ssl
import typing as t
from dataclasses import dataclass
from datetime import datetime, timezone

from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.host import kubelet
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.host.arguments import Arguments
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.host.durations import seconds
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.host.files import (
    target,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.host.kubelet import (
    Setting,
    Settings,
    Unknown,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.host.reader import (
    KUBELET,
    Reader,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.model import (
    BY_CLUSTER,
    ERROR,
    FAIL,
    MANUAL,
    PASS,
    Evidence,
    Result,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._formats.x509 import (
    Certificate,
    CertificateError,
    issued_by,
    parse_bundle,
    parse_der,
)

Evaluate = t.Callable[[Reader], Result]

_NOT_RUNNING = (
    "The kubelet does not run on this host. Start it, or audit this host without the component node."
)
_CLIENT_CA = "/etc/kubernetes/pki/ca.crt"


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
_LEAST_EVENTS = 5
_APPROVE = (
    "It requests one: approve this node's certificate signing request for kubernetes.io/kubelet-serving,"
    " and make sure"
    " that an approver runs."
)


@dataclass(frozen=True)
class Evaluation:
    """The verdict on a setting.

    :param literal: the literal verdict, C(None) when it is the same.
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
    """Whether a file has the effective value; zero durations mean the default, and 4h is 4h0m0s."""
    if written == live or (not written and not live) or written in ("0", "0s"):
        return True
    if isinstance(written, str) and isinstance(live, str):
        length = seconds(written.strip())
        return length is not None and length == seconds(live.strip())
    return False


def _evidences(setting: Setting, evaluation: Evaluation, status: str) -> tuple[Evidence, ...]:
    found = [
        Evidence(
            setting.source,
            setting.key,
            _shown(setting.value),
            evaluation.expected,
            status if status in (PASS, FAIL) else "",
        )
    ]
    if setting.written and setting.source == kubelet.LIVE:
        late = not _same(setting.written_value, setting.value)
        expected = "effective after a restart of the kubelet" if late else ""
        found.append(Evidence(setting.written_in, setting.key, _shown(setting.written_value), expected))
    return (*found, *evaluation.more)


def _kubelet(
    check_id: str, path: tuple[str, ...], evaluate: t.Callable[[Reader, Settings, Setting], Evaluation]
) -> Evaluate:
    """A check of one field of the configuration."""

    def evaluate_field(reader: Reader) -> Result:
        known = kubelet.find(reader)
        if known is None:
            return Result(check_id, ERROR, _NOT_RUNNING)
        try:
            setting = known.seccomp_default() if path == ("seccompDefault",) else known.setting(*path)
            evaluation = evaluate(reader, known, setting)
        except Unknown as exc:
            return Result(check_id, ERROR, str(exc))
        status = evaluation.status or (PASS if evaluation.good else FAIL)
        # Without the files it is not known what they set.
        same = evaluation.literal is None or bool(known.problem)
        literal = status if same else PASS if evaluation.literal else FAIL
        evidences = _evidences(setting, evaluation, status)
        return Result(check_id, status, evaluation.reason, evidences, "" if literal == status else literal)

    return evaluate_field


def _of_kind(setting: Setting, kind: type, told: str) -> t.Any:
    """The value, C(None) when it is not set. :raises Unknown: for another kind, which stops a kubelet."""
    value = setting.value
    if value is None or (isinstance(value, kind) and (kind is bool or not isinstance(value, bool))):
        return value
    raise Unknown(
        f"{setting.key} is {value!r} in {setting.source}, which is not {told}. The kubelet cannot have started with it:"
        " correct it and audit again."
    )


def _truth(setting: Setting) -> bool | None:
    value: bool | None = _of_kind(setting, bool, "a boolean")
    return value


def _number(setting: Setting) -> int | None:
    value: int | None = _of_kind(setting, int, "an integer")
    return value


def _anonymous(reader: Reader, known: Settings, setting: Setting) -> Evaluation:
    good = not _truth(setting)
    reason = "The kubelet rejects anonymous requests." if good else "The kubelet accepts anonymous requests."
    # Literally, it has to be set, although it is false by default with a file.
    return Evaluation(
        good, reason, "false", literal=good and (setting.written or setting.source == kubelet.LIVE)
    )


def _authorization(reader: Reader, known: Settings, setting: Setting) -> Evaluation:
    good = setting.value not in ("AlwaysAllow", None, "")
    reason = "authorizes every request" if good else "allows every request"
    return Evaluation(good, f"The kubelet {reason}.", "not AlwaysAllow (Webhook)")


def _ca(reader: Reader, known: Settings, setting: Setting) -> Evaluation:
    expected = "a file with the cluster's CA"
    if not setting.value:
        return Evaluation(False, "The kubelet has no CA to verify client certificates.", expected)
    item = target(reader, str(setting.value), known.process)
    if item.fact.kind == "missing" and not item.fact.error:
        return Evaluation(
            False, f"{setting.value}, the CA for client certificates, does not exist.", expected
        )
    return Evaluation(True, "The kubelet verifies client certificates against a CA.", expected)


def _read_only_port(reader: Reader, known: Settings, setting: Setting) -> Evaluation:
    good = not _number(setting)
    reason = "is closed" if good else f"is open: {setting.value}"
    return Evaluation(good, f"The read-only port of the kubelet {reason}.", "0, or not set")


def _idle_timeout(reader: Reader, known: Settings, setting: Setting) -> Evaluation:
    length = seconds(str(setting.value if setting.value not in (None, "") else "0").strip())
    if length is None:
        raise Unknown(
            f"{setting.key} is {setting.value!r} in {setting.source}, which is not a duration. Correct it,"
            " as in 4h0m0s."
        )
    good = length > 0
    reason = (
        f"Idle streaming connections are closed after {setting.value}."
        if good
        else "Idle streaming connections are never closed."
    )
    if good and setting.written and setting.written_value in ("0", "0s", 0):
        reason += " Zero in a file means the kubelet's default."
    return Evaluation(good, reason, "more than 0")


def _utility_chains(reader: Reader, known: Settings, setting: Setting) -> Evaluation:
    good = _truth(setting) is True
    reason = "manages its iptables chains" if good else "does not manage its iptables chains"
    return Evaluation(good, f"The kubelet {reason}.", "true, or not set")


def _event_rate(reader: Reader, known: Settings, setting: Setting) -> Evaluation:
    rate = _number(setting) or 0
    good = rate >= _LEAST_EVENTS
    if good:
        reason = f"The kubelet sends up to {rate} events a second."
    elif rate > 0:
        reason = f"The kubelet drops events beyond {rate} a second."
    else:
        reason = "The kubelet sends events without limit, so that a Pod can flood the API server."
    return Evaluation(good, reason, f"{_LEAST_EVENTS} or more, but not 0 (no limit)", literal=rate >= 0)


def _authority(reader: Reader, known: Settings) -> tuple[list[Certificate], str]:
    """The cluster's CA in the kubelet's own configuration, and its file."""
    path = known.setting("authentication", "x509", "clientCAFile").value or _CLIENT_CA
    try:
        text = reader.read(str(path), known.process).decode("ascii", "replace")
        return parse_bundle(text), str(path)
    except (OSError, CertificateError) as exc:
        raise Unknown(f"{path}, the cluster's CA, could not be read: {exc}. Correct it.") from exc


def _given(known: Settings, key: str, made: str) -> t.Any:
    """A file that is configured for the kubelet.

    Without one, a kubelet without serverTLSBootstrap generates both files, and then reports them as its configuration
    (C(InitializeTLS) in Kubernetes, C(cmd/kubelet/app/server.go)).

    :param made: name of the file that it generates.
    """
    setting = known.setting(key)
    if setting.written:
        return setting.written_value
    # When its files cannot be read, only the name is known.
    return setting.value if known.problem and not str(setting.value).endswith(f"/{made}") else None


def _serving(reader: Reader, known: Settings, setting: Setting) -> Evaluation:
    """Evaluate the certificate that the port serves: whether a client with the cluster's CA can verify it."""
    key = _given(known, "tlsPrivateKeyFile", "kubelet.key")
    both = bool(_given(known, "tlsCertFile", "kubelet.crt") and key)
    bootstrap = known.setting("serverTLSBootstrap").value is True
    address, port = known.endpoint()
    where = f"{address}:{port}"
    expected = "a certificate issued by the cluster's CA (serverTLSBootstrap), or configured files"
    own_files = (
        Evidence("configuration", "serverTLSBootstrap", bootstrap, "true"),
        Evidence("configuration", "tlsPrivateKeyFile", _shown(key), ""),
    )
    try:
        shown = parse_der(reader.served_certificate(address, port))
    except (OSError, CertificateError) as exc:
        if bootstrap and isinstance(exc, ssl.SSLError):
            # Every handshake fails until its certificate signing request is approved.
            alert = Evidence(where, "certificate", f"none: {exc}", "one issued by the cluster's CA", FAIL)
            return Evaluation(
                False, f"The kubelet serves no certificate. {_APPROVE}", expected, both, (alert, *own_files)
            )
        raise Unknown(
            f"The certificate of the kubelet at {where} could not be read: {exc}. Check that it listens there."
        ) from exc
    authorities, path = _authority(reader, known)
    by_cluster = any(issued_by(shown, item) for item in authorities)
    own = both and shown.issuer != shown.subject
    if by_cluster:
        reason = f"The kubelet serves a certificate issued by the cluster's CA ({path})."
    elif own:
        issuer = shown.issuer_common_name or "another CA"
        reason = f"The kubelet serves its configured certificate, issued by {issuer}."
    elif bootstrap:
        reason = f"The kubelet serves a certificate that the cluster's CA did not issue. {_APPROVE}"
    else:
        reason = "The kubelet serves a self-signed certificate, which no client can verify."
    ended = shown.not_after <= datetime.now(timezone.utc)
    if ended:
        reason = f"The kubelet's certificate expired on {shown.not_after:%Y-%m-%d}. {reason}"
    good = (by_cluster or own) and not ended
    more = (
        Evidence(where, "subject", shown.common_name, ""),
        Evidence(where, "issuer", shown.issuer_common_name, "the cluster's CA", PASS if good else FAIL),
        Evidence(where, BY_CLUSTER, by_cluster, ""),
        Evidence(where, "not after", f"{shown.not_after:%Y-%m-%dT%H:%M:%SZ}", ""),
        *own_files,
    )
    return Evaluation(good, reason, expected, literal=both, more=more)


def _client_rotation(reader: Reader, known: Settings, setting: Setting) -> Evaluation:
    good = _truth(setting) is True
    reason = "rotates its client certificate" if good else "does not rotate its client certificate"
    literal = good or not setting.written
    return Evaluation(good, f"The kubelet {reason}.", "true", literal=literal)


def _server_rotation(reader: Reader, known: Settings, setting: Setting) -> Evaluation:
    gate = known.gate("RotateKubeletServerCertificate")
    on = gate.value is True
    bootstrap = _truth(setting) is True
    own = _given(known, "tlsCertFile", "kubelet.crt")
    more = (Evidence(gate.source, gate.key, gate.value, "true", PASS if on else FAIL),)
    expected = "true"
    if bootstrap and on:
        reason = "The kubelet rotates its serving certificate."
        return Evaluation(True, reason, expected, literal=True, more=more)
    if own and not bootstrap:
        return Evaluation(
            False,
            "The kubelet serves a configured file, which it reloads when it changes: make sure that"
            " something renews"
            f" {own} before it expires.",
            expected,
            literal=on,
            more=(*more, Evidence("configuration", "tlsCertFile", own, "")),
            status=MANUAL,
        )
    if bootstrap:
        reason = "The feature gate RotateKubeletServerCertificate is disabled."
    else:
        reason = "The kubelet does not request a serving certificate (serverTLSBootstrap), so there is none to rotate."
    return Evaluation(False, reason, expected, literal=on, more=more)


def _ciphers(reader: Reader, known: Settings, setting: Setting) -> Evaluation:
    names = [str(name) for name in setting.value or ()]
    least = known.setting("tlsMinVersion")
    more = (Evidence(least.source, least.key, _shown(least.value), ""),)
    expected = "AEAD suites with ECDHE only, or VersionTLS13"
    literal = bool(names) and set(names) <= _LISTED
    if least.value == "VersionTLS13":
        # The suites of TLS 1.3 cannot be configured in Go, and all are strong.
        return Evaluation(
            True, "The kubelet offers TLS 1.3 only, whose suites are all strong.", expected, literal, more
        )
    if not names:
        reason = (
            "The kubelet offers Go's default suites, none of which is known to be weak; literally, the"
            " benchmark requires a"
            " list."
        )
        return Evaluation(True, reason, expected, literal, more)
    weak = sorted(set(names) - _STRONG)
    reason = (
        f"Weak or unknown suites: {', '.join(weak)}." if weak else "The kubelet offers strong suites only."
    )
    return Evaluation(not weak, reason, expected, literal, more)


def _pids(reader: Reader, known: Settings, setting: Setting) -> Evaluation:
    number = _number(setting)
    value = -1 if number is None else number
    good = value > 0
    reason = f"A Pod may have {value} processes." if good else "A Pod may have any number of processes."
    return Evaluation(good, reason, "more than 0", literal=setting.written)


def _seccomp(reader: Reader, known: Settings, setting: Setting) -> Evaluation:
    good = _truth(setting) is True
    name = "RuntimeDefault" if good else "Unconfined"
    reason = f"Pods without a seccomp profile run with {name}."
    literal = setting.written or "seccomp-default" in known.arguments
    return Evaluation(good, reason, "true", literal=literal)


def _hostname(reader: Reader) -> Result:
    check_id = "4.2.7"
    running = reader.processes(KUBELET)[:1]
    if not running:
        return Result(check_id, ERROR, _NOT_RUNNING)
    name = Arguments(running[0].argv, kubelet.BOOLEANS).last("hostname-override")
    source, key, expected = kubelet.SOURCE, "--hostname-override", "not set"
    if not name:
        evidence = Evidence(source, key, "not set", expected, PASS)
        return Result(check_id, PASS, "The node name is the hostname.", (evidence,))
    try:
        own = reader.read("/proc/sys/kernel/hostname").decode("utf-8", "replace").strip()
    except OSError:
        own = ""
    same = bool(own) and own.lower() == name.strip().lower()
    evidence = Evidence(
        source, key, name, f"{expected}; the hostname is {own}" if own else expected, PASS if same else FAIL
    )
    reason = (
        "The node name is set, and is the hostname."
        if same
        else f"The node name is {name}, expected the hostname ({own or 'unknown'})."
    )
    return Result(check_id, PASS if same else FAIL, reason, (evidence,), FAIL if same else "")


CHECKS: t.Mapping[str, Evaluate] = {
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
}
