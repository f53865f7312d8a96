# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Section 2: how an etcd guards its ports, judged where it runs."""

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

Judge = t.Callable[[Reader], Result]
#: The verdict on one etcd: what is in force, what the benchmark's words give, the reason, what it was seen in.
Verdict = tuple[str, str, str, tuple[Evidence, ...]]

_NOT_RUNNING = "etcd does not run on this host. Start it, or audit this host without the component etcd."
_KUBEADM_CA = "/etc/kubernetes/pki/ca.crt"


def _each(check_id: str, judge: t.Callable[[Reader, etcd.Settings], Verdict]) -> Judge:
    """Judge every etcd of the host; the worst of them counts."""

    def judge_all(reader: Reader) -> Result:
        verdicts: list[Verdict] = []
        for process in reader.processes(ETCD):
            settings = etcd.read(reader, process)
            if settings.problem:
                text = f"{settings.problem}. Correct it, as etcd reads it, too."
                verdicts.append((ERROR, ERROR, text, (Evidence(settings.file, "", settings.problem),)))
            else:
                verdicts.append(judge(reader, settings))
        if not verdicts:
            return Result(check_id, ERROR, _NOT_RUNNING)
        status, literal = (worst(verdict[at] for verdict in verdicts) for at in (0, 1))
        reason = next(verdict[2] for verdict in verdicts if verdict[0] == status)
        evidences = tuple(item for verdict in verdicts for item in verdict[3])
        return Result(check_id, status, reason, evidences, "" if literal == status else literal)

    return judge_all


def _seen(settings: etcd.Settings, name: str, expected: str, good: bool | None = None) -> Evidence:
    text, source = settings.text(name)
    status = "" if good is None else PASS if good else FAIL
    return Evidence(
        source or settings.file or f"process {ETCD}", f"--{name}", text or "not set", expected, status
    )


def _verdict(good: bool, literal: bool, reason: str, *evidences: Evidence) -> Verdict:
    return PASS if good else FAIL, PASS if literal else FAIL, reason, evidences


def _urls(settings: etcd.Settings, peer: bool) -> tuple[bool, Evidence]:
    """Whether all that etcd listens on has TLS: certificates do nothing for an address with http."""
    name = "listen-peer-urls" if peer else "listen-client-urls"
    default = "http://localhost:2380" if peer else "http://localhost:2379"
    text, source = settings.text(name)
    urls = [url.strip() for url in (text or default).split(",") if url.strip()]
    good = all(url.startswith(("https://", "unixs://", "unix://")) for url in urls)
    shown = ",".join(urls) + ("" if text else " (default)")
    source = source or settings.file or f"process {ETCD}"
    return good, Evidence(source, f"--{name}", shown, "https only", PASS if good else FAIL)


def _key_pair(peer: bool) -> t.Callable[[Reader, etcd.Settings], Verdict]:
    prefix, whom = ("peer-", "other members") if peer else ("", "clients")

    def judge(reader: Reader, settings: etcd.Settings) -> Verdict:
        names = (f"{prefix}cert-file", f"{prefix}key-file")
        given = {name: bool(settings.text(name)[0]) for name in names}
        safe, urls = _urls(settings, peer)
        both = all(given.values())
        if not both:
            reason = f"etcd has no certificate and key of its own for {whom}."
        elif safe:
            reason = f"etcd speaks TLS with {whom}, by a certificate of its own."
        else:
            reason = f"etcd has a certificate, but listens for {whom} without TLS, too."
        seen = (_seen(settings, name, "a file", given[name]) for name in names)
        return _verdict(both and safe, both, reason, *seen, urls)

    return judge


def _client_auth(peer: bool) -> t.Callable[[Reader, etcd.Settings], Verdict]:
    prefix, whom = ("peer-", "other members") if peer else ("", "clients")

    def judge(reader: Reader, settings: etcd.Settings) -> Verdict:
        asked, _source = settings.truth(f"{prefix}client-cert-auth")
        trusted = bool(settings.text(f"{prefix}trusted-ca-file")[0])
        safe, urls = _urls(settings, peer)
        # TLSInfo.ServerConfig of etcd asks for a certificate when either is set.
        demanded = asked or trusted
        if not demanded:
            reason = f"etcd lets {whom} in without a certificate."
        elif not safe:
            reason = f"etcd asks {whom} for certificates, but listens without TLS, too."
        elif asked:
            reason = f"etcd asks {whom} for a certificate."
        else:
            reason = f"etcd asks {whom} for a certificate, as it has a CA to verify them with; the flag is not set."
        return _verdict(
            demanded and safe,
            asked,
            reason,
            _seen(settings, f"{prefix}client-cert-auth", "true", demanded),
            _seen(settings, f"{prefix}trusted-ca-file", "a file"),
            urls,
        )

    return judge


def _auto_tls(peer: bool) -> t.Callable[[Reader, etcd.Settings], Verdict]:
    prefix = "peer-" if peer else ""

    def judge(reader: Reader, settings: etcd.Settings) -> Verdict:
        wanted, _source = settings.truth(f"{prefix}auto-tls")
        own = any(settings.text(f"{prefix}{name}")[0] for name in ("cert-file", "key-file"))
        # PeerSelfCert and ClientSelfCert of etcd: "ignoring auto TLS since certs given".
        used = wanted and not own
        if used:
            reason = "etcd signs its certificate itself, so that nobody can tell who answers."
        elif wanted:
            reason = "etcd is told to sign its certificate itself, but has one of its own, and ignores that."
        else:
            reason = "etcd signs no certificate itself."
        return _verdict(not used, not wanted, reason, _seen(settings, f"{prefix}auto-tls", "false", not used))

    return judge


# 2.7


class _UnreadError(Exception):
    """A CA file could not be read; the text says which and why."""


def _fingerprints(reader: Reader, path: str, process: Process | None) -> set[str]:
    """Of all certificates in a file. :raises _UnreadError: when that is not possible."""
    try:
        return {
            item.fingerprint for item in parse_bundle(reader.read(path, process).decode("ascii", "replace"))
        }
    except (OSError, CertificateError) as exc:
        raise _UnreadError(f"{path} could not be read: {exc}") from exc


def _client_ca(reader: Reader) -> tuple[str, Process | None, str]:
    """File with the CA that the cluster knows its clients by, who sees it so, and where that is known from.

    Beside an etcd on a host of its own there is no API server; its kubelet has the same CA.
    """
    for process in reader.processes(API_SERVER):
        path = Arguments(process.argv).last("client-ca-file")
        if path:
            return path, process, f"--client-ca-file of {API_SERVER}"
    for process in reader.processes(KUBELET):
        for layer in reversed(kubelet.from_files(reader, process).layers):
            path = kubelet.lookup(layer.values, ("authentication", "x509", "clientCAFile"))[1]
            if path:
                return str(path), process, f"clientCAFile of {KUBELET}"
    if reader.stat(_KUBEADM_CA).kind == "file":
        return _KUBEADM_CA, None, "the place of kubeadm"
    return "", None, ""


def _own_ca(reader: Reader, settings: etcd.Settings) -> Verdict:
    path, _source = settings.text("trusted-ca-file")
    seen = _seen(settings, "trusted-ca-file", "a CA that nothing else is signed by", None if path else False)
    if not path:
        return _verdict(False, False, "etcd has no CA to verify clients with, and so none of its own.", seen)
    other, owner, origin = _client_ca(reader)
    try:
        own = _fingerprints(reader, path, settings.process)
        shown = Evidence(path, "sha256", ", ".join(sorted(own)), "not the cluster's CA")
        if not other:
            return (
                MANUAL,
                MANUAL,
                "The CA of the cluster is not known on this host: compare the fingerprint with that of the API server's"
                " --client-ca-file.",
                (seen, shown),
            )
        theirs = _fingerprints(reader, other, owner)
    except _UnreadError as exc:
        return (
            ERROR,
            ERROR,
            f"{exc}. See why it is not a PEM file with certificates that root can read.",
            (seen,),
        )
    good = not own & theirs
    evidence = (
        seen,
        Evidence(shown.source, shown.key, shown.observed, shown.expected, PASS if good else FAIL),
        Evidence(other, f"sha256 ({origin})", ", ".join(sorted(theirs)), "not the CA of etcd"),
    )
    if good:
        reason = "etcd trusts a CA that is not the cluster's."
    else:
        reason = "etcd trusts the cluster's own CA: whoever has a client certificate of the cluster can read all of it."
    return _verdict(good, path != other, reason, *evidence)


CHECKS: t.Mapping[str, Judge] = {
    "2.1": _each("2.1", _key_pair(peer=False)),
    "2.2": _each("2.2", _client_auth(peer=False)),
    "2.3": _each("2.3", _auto_tls(peer=False)),
    "2.4": _each("2.4", _key_pair(peer=True)),
    "2.5": _each("2.5", _client_auth(peer=True)),
    "2.6": _each("2.6", _auto_tls(peer=True)),
    "2.7": _each("2.7", _own_ca),
}
