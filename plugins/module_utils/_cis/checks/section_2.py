# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Section 2: TLS of etcd, evaluated on the hosts where it runs."""

from __future__ import annotations

import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.host import etcd, kubelet
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.host.arguments import Arguments
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.host.reader import (
    API_SERVER,
    ETCD,
    KUBELET,
    Process,
    Reader,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.model import (
    ERROR,
    FAIL,
    MANUAL,
    PASS,
    Evidence,
    Result,
    worst,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._formats.x509 import (
    CertificateError,
    parse_bundle,
)

Evaluate = t.Callable[[Reader], Result]
#: The verdict on one etcd: effective, literal, the reason, the evidence.
Verdict = tuple[str, str, str, tuple[Evidence, ...]]

_NOT_RUNNING = "etcd does not run on this host. Start it, or audit this host without the component etcd."
_KUBEADM_CA = "/etc/kubernetes/pki/ca.crt"


def _each(check_id: str, evaluate: t.Callable[[Reader, etcd.Settings], Verdict]) -> Evaluate:
    """Evaluate every etcd of the host; the worst verdict counts."""

    def evaluate_all(reader: Reader) -> Result:
        verdicts: list[Verdict] = []
        for process in reader.processes(ETCD):
            settings = etcd.read(reader, process)
            if settings.problem:
                text = f"{settings.problem}. Correct it, as etcd reads it as well."
                verdicts.append((ERROR, ERROR, text, (Evidence(settings.file, "", settings.problem),)))
            else:
                verdicts.append(evaluate(reader, settings))
        if not verdicts:
            return Result(check_id, ERROR, _NOT_RUNNING)
        status, literal = (worst(verdict[at] for verdict in verdicts) for at in (0, 1))
        reason = next(verdict[2] for verdict in verdicts if verdict[0] == status)
        evidences = tuple(item for verdict in verdicts for item in verdict[3])
        return Result(check_id, status, reason, evidences, "" if literal == status else literal)

    return evaluate_all


def _seen(settings: etcd.Settings, name: str, expected: str, good: bool | None = None) -> Evidence:
    text, source = settings.text(name)
    status = "" if good is None else PASS if good else FAIL
    return Evidence(
        source or settings.file or f"process {ETCD}", f"--{name}", text or "not set", expected, status
    )


def _verdict(good: bool, literal: bool, reason: str, *evidences: Evidence) -> Verdict:
    return PASS if good else FAIL, PASS if literal else FAIL, reason, evidences


#: Every option that makes etcd listen for clients or members, with its default. C(listen-metrics-urls) is none: it
#: serves metrics and health, but no data.
_LISTENERS = {
    False: {"listen-client-urls": "http://localhost:2379", "listen-client-http-urls": ""},
    True: {"listen-peer-urls": "http://localhost:2380"},
}


def _urls(settings: etcd.Settings, peer: bool) -> tuple[bool, tuple[Evidence, ...]]:
    """Whether etcd listens with TLS only: certificates do nothing for an http URL."""
    found = []
    for name, default in _LISTENERS[peer].items():
        text, source = settings.text(name)
        urls = [url.strip() for url in (text or default).split(",") if url.strip()]
        if not urls:
            continue
        good = all(url.startswith(("https://", "unixs://", "unix://")) for url in urls)
        shown = ",".join(urls) + ("" if text else " (default)")
        source = source or settings.file or f"process {ETCD}"
        found.append(Evidence(source, f"--{name}", shown, "https only", PASS if good else FAIL))
    return all(item.status == PASS for item in found), tuple(found)


def _key_pair(peer: bool) -> t.Callable[[Reader, etcd.Settings], Verdict]:
    prefix, whom = ("peer-", "other members") if peer else ("", "clients")

    def evaluate(reader: Reader, settings: etcd.Settings) -> Verdict:
        names = (f"{prefix}cert-file", f"{prefix}key-file")
        given = {name: bool(settings.text(name)[0]) for name in names}
        safe, urls = _urls(settings, peer)
        both = all(given.values())
        if not both:
            reason = f"etcd has no certificate and key for {whom}."
        elif safe:
            reason = f"etcd serves {whom} over TLS with a configured certificate."
        else:
            reason = f"etcd has a certificate, but also listens for {whom} without TLS."
        seen = (_seen(settings, name, "a file", given[name]) for name in names)
        return _verdict(both and safe, both, reason, *seen, *urls)

    return evaluate


def _client_auth(peer: bool) -> t.Callable[[Reader, etcd.Settings], Verdict]:
    prefix, whom = ("peer-", "other members") if peer else ("", "clients")

    def evaluate(reader: Reader, settings: etcd.Settings) -> Verdict:
        asked, _source = settings.truth(f"{prefix}client-cert-auth")
        trusted = bool(settings.text(f"{prefix}trusted-ca-file")[0])
        safe, urls = _urls(settings, peer)
        # TLSInfo.ServerConfig of etcd requires a certificate when either is set.
        demanded = asked or trusted
        if not demanded:
            reason = f"etcd accepts {whom} without a certificate."
        elif not safe:
            reason = f"etcd requires certificates from {whom}, but also listens without TLS."
        elif asked:
            reason = f"etcd requires certificates from {whom}."
        else:
            reason = (
                f"etcd requires certificates from {whom}, as it has a CA to verify them; the flag is not set."
            )
        return _verdict(
            demanded and safe,
            asked,
            reason,
            _seen(settings, f"{prefix}client-cert-auth", "true", demanded),
            _seen(settings, f"{prefix}trusted-ca-file", "a file"),
            *urls,
        )

    return evaluate


def _auto_tls(peer: bool) -> t.Callable[[Reader, etcd.Settings], Verdict]:
    prefix = "peer-" if peer else ""

    def evaluate(reader: Reader, settings: etcd.Settings) -> Verdict:
        wanted, _source = settings.truth(f"{prefix}auto-tls")
        own = any(settings.text(f"{prefix}{name}")[0] for name in ("cert-file", "key-file"))
        # PeerSelfCert and ClientSelfCert of etcd: "ignoring auto TLS since certs given".
        used = wanted and not own
        if used:
            reason = "etcd generates its own certificate, which no client can verify."
        elif wanted:
            reason = "auto-tls is set, but etcd ignores it, as it has a configured certificate."
        else:
            reason = "etcd does not generate its own certificate."
        return _verdict(not used, not wanted, reason, _seen(settings, f"{prefix}auto-tls", "false", not used))

    return evaluate


# 2.7


class _UnreadError(Exception):
    """A CA file could not be read; the text says which and why."""


def _fingerprints(reader: Reader, path: str, process: Process | None) -> set[str]:
    """Fingerprints of all certificates in a file. :raises _UnreadError: when it cannot be read."""
    try:
        return {
            item.fingerprint for item in parse_bundle(reader.read(path, process).decode("ascii", "replace"))
        }
    except (OSError, CertificateError) as exc:
        raise _UnreadError(f"{path} could not be read: {exc}") from exc


def _client_ca(reader: Reader) -> tuple[str, Process | None, str]:
    """File with the cluster's client CA, the process that uses it, and where that was read.

    On the host of an external etcd there is no API server; its kubelet has the same CA.

    :raises _UnreadError: when the kubelet's configuration cannot be read.
    """
    for process in reader.processes(API_SERVER):
        path = Arguments(process.argv).last("client-ca-file")
        if path:
            return path, process, f"--client-ca-file of {API_SERVER}"
    for process in reader.processes(KUBELET):
        known = kubelet.from_files(reader, process)
        if known.problem:
            raise _UnreadError(f"The kubelet's client CA is not known: {known.problem}")
        for layer in reversed(known.layers):
            path = kubelet.lookup(layer.values, ("authentication", "x509", "clientCAFile"))[1]
            if path:
                return str(path), process, f"clientCAFile of {KUBELET}"
    if reader.stat(_KUBEADM_CA).kind == "file":
        return _KUBEADM_CA, None, "kubeadm's path"
    return "", None, ""


def _own_ca(reader: Reader, settings: etcd.Settings) -> Verdict:
    path, _source = settings.text("trusted-ca-file")
    seen = _seen(settings, "trusted-ca-file", "a dedicated CA", None if path else False)
    if not path:
        return _verdict(False, False, "etcd has no CA to verify clients.", seen)
    try:
        other, owner, origin = _client_ca(reader)
        own = _fingerprints(reader, path, settings.process)
        shown = Evidence(path, "sha256", ", ".join(sorted(own)), "not the cluster's CA")
        if not other:
            return (
                MANUAL,
                MANUAL,
                "The cluster's CA is not known on this host: compare the fingerprint with that of the API"
                " server's"
                " --client-ca-file.",
                (seen, shown),
            )
        theirs = _fingerprints(reader, other, owner)
    except _UnreadError as exc:
        return (
            ERROR,
            ERROR,
            f"{exc}. Expected files that root can read, and certificates in PEM.",
            (seen,),
        )
    good = not own & theirs
    evidence = (
        seen,
        Evidence(shown.source, shown.key, shown.observed, shown.expected, PASS if good else FAIL),
        Evidence(other, f"sha256 ({origin})", ", ".join(sorted(theirs)), "not the CA of etcd"),
    )
    if good:
        reason = "etcd trusts a CA other than the cluster's."
    else:
        reason = "etcd trusts the cluster's CA: every client certificate of the cluster can read all of etcd."
    return _verdict(good, path != other, reason, *evidence)


CHECKS: t.Mapping[str, Evaluate] = {
    "2.1": _each("2.1", _key_pair(peer=False)),
    "2.2": _each("2.2", _client_auth(peer=False)),
    "2.3": _each("2.3", _auto_tls(peer=False)),
    "2.4": _each("2.4", _key_pair(peer=True)),
    "2.5": _each("2.5", _client_auth(peer=True)),
    "2.6": _each("2.6", _auto_tls(peer=True)),
    "2.7": _each("2.7", _own_ca),
}
