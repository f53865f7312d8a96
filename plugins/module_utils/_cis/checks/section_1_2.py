# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Section 1.2: the API server.

Its defaults are those of Kubernetes 1.34 to 1.37; checks mention where these differ.
"""

from __future__ import annotations

import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.host import admission, structured
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.host.durations import seconds
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.host.programs import (
    Program,
    Undecided,
    Verdict,
    check_of,
    file_flag,
    profiling,
    verdict_of,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.host.reader import API_SERVER, Reader
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.model import (
    FAIL,
    NOT_APPLICABLE,
    PASS,
    Evidence,
    Result,
)

#: What anonymous requests may reach: health endpoints, and the object with which a joining node discovers the cluster
#: (KEP-4633). The API server compares paths exactly.
_HEALTH = ("/livez", "/readyz", "/healthz")
_CLUSTER_INFO = "/api/v1/namespaces/kube-public/configmaps/cluster-info"

#: Strong suites, by the names that the flag takes. Those of POLY1305 without `SHA256` are older names.
STRONG_CIPHERS = frozenset(
    {
        "TLS_AES_128_GCM_SHA256",
        "TLS_AES_256_GCM_SHA384",
        "TLS_CHACHA20_POLY1305_SHA256",
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305",
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305",
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    }
)
_STRONG_PROVIDERS = frozenset({"aescbc", "secretbox", "kms v1", "kms v2"})
#: The longest appropriate request timeout: the benchmark's own example.
LONGEST_REQUEST = 300.0


# --- authentication and authorization --------------------------------------------------------------------------------


def _harmless(path: str) -> bool:
    return path == _CLUSTER_INFO or any(path == name or path.startswith(name + "/") for name in _HEALTH)


def _anonymous(program: Program) -> Verdict:
    flag = program.truth("anonymous-auth", True)
    literal = PASS if not flag else FAIL
    path = program.value("authentication-config")
    found = structured.Anonymous(False)
    digest = ""
    if path:
        document = structured.document(program, path, "AuthenticationConfiguration")
        found, digest = structured.anonymous(document), document.digest
    expected = "disabled, or health paths and cluster-info only"
    if not found.configured:
        status = FAIL if flag else PASS
        evidence = program.evidence("anonymous-auth", expected, status)
        message = (
            "Anonymous requests are allowed for all paths." if flag else "Anonymous requests are refused."
        )
        return Verdict(status, message, (evidence,), literal)
    if not found.enabled:
        evidence = Evidence(path, "anonymous.enabled", False, expected, PASS, digest=digest)
        return Verdict(PASS, "Anonymous requests are refused.", (evidence,), literal)
    if not found.paths:
        evidence = Evidence(path, "anonymous.conditions", "none: all paths", expected, FAIL, digest=digest)
        return Verdict(FAIL, "Anonymous requests are allowed for all paths.", (evidence,), literal)
    paths = [
        Evidence(
            path, "anonymous.conditions", each, expected, PASS if _harmless(each) else FAIL, digest=digest
        )
        for each in found.paths
    ]
    good = "Anonymous requests can reach health paths and cluster-info only."
    return verdict_of(
        paths, good, "Anonymous requests can reach more than health paths and cluster-info.", literal
    )


def _token_file(program: Program) -> Verdict:
    status = FAIL if program.value("token-auth-file") else PASS
    evidence = program.evidence("token-auth-file", "not set", status)
    bad = "Static tokens do not expire, and can be changed by a restart only."
    return verdict_of([evidence], "No static token file is used.", bad)


def _authorizer(
    holds: t.Callable[[t.Sequence[str]], bool], expected: str, good: str, bad: str
) -> t.Callable[[Program], Verdict]:
    """A check of the authorizers. Literally, only the flag counts."""

    def evaluate(program: Program) -> Verdict:
        found = admission.authorizers(program)
        status = PASS if holds(found) else FAIL
        path = program.value("authorization-config")
        words = program.arguments.words("authorization-mode")
        literal = PASS if words and holds(words) else FAIL
        if path:
            evidence = Evidence(path, "authorizers", ", ".join(found), expected, status)
        else:
            observed = ",".join(words) or "not set: AlwaysAllow"
            evidence = program.evidence("authorization-mode", expected, status, observed)
        return Verdict(status, good if status == PASS else bad, (evidence,), literal)

    return evaluate


# --- admission ------------------------------------------------------------------------------------------------------


def _admission_evidence(program: Program, name: str, wanted: bool, on: bool) -> Evidence:
    given = [
        f"--{flag}={','.join(program.arguments.words(flag))}"
        for flag in ("enable-admission-plugins", "disable-admission-plugins", "admission-control")
        if flag in program.arguments
    ]
    observed = f"{name} is {'enabled' if on else 'disabled'} ({'; '.join(given) or 'no flag'})"
    expected = f"{name} {'enabled' if wanted else 'disabled'}"
    return Evidence(program.source, "admission plugins", observed, expected, PASS if on == wanted else FAIL)


def _plugin(name: str, good: str, bad: str, wanted: bool = True) -> t.Callable[[Program], Verdict]:
    """A check of one admission plugin. Literally, its name in one of the flags counts."""

    def evaluate(program: Program) -> Verdict:
        on = name in admission.enabled(program)
        if name in admission.DEFAULTS:
            by_words = name not in program.arguments.words("disable-admission-plugins")
        else:
            by_words = name in program.arguments.words("enable-admission-plugins")
        evidence = _admission_evidence(program, name, wanted, on)
        return verdict_of([evidence], good, bad, PASS if by_words == wanted else FAIL)

    return evaluate


def _event_rate(program: Program) -> Verdict:
    name = "EventRateLimit"
    on = name in admission.enabled(program)
    literal = PASS if name in program.arguments.words("enable-admission-plugins") else FAIL
    evidence = _admission_evidence(program, name, True, on)
    if not on:
        return Verdict(
            FAIL, "The event rate is not limited: a client can fill etcd with events.", (evidence,), literal
        )
    document = structured.plugin(program, name, "Configuration")
    if document is None:
        missing = program.evidence(
            "admission-control-config-file",
            "limits for EventRateLimit",
            FAIL,
            f"no configuration of {name}",
        )
        return Verdict(FAIL, f"{name} is enabled, but has no limits.", (evidence, missing), literal)
    limits = structured.event_limits(document)
    details = [
        Evidence(
            document.source,
            f"limits[{at}]",
            f"{limit.kind}: {limit.qps} per second, burst {limit.burst}",
            "above 0",
            PASS if limit.qps > 0 and limit.burst > 0 else FAIL,
            digest=document.digest,
        )
        for at, limit in enumerate(limits)
    ]
    if not details:
        details = [Evidence(document.source, "limits", "none", "at least one", FAIL, digest=document.digest)]
    return verdict_of(
        [evidence, *details], "The event rate is limited.", f"{name} has an ineffective limit.", literal
    )


# --- audit ----------------------------------------------------------------------------------------------------------


def _audit_log(program: Program) -> Verdict:
    log, policy = program.value("audit-log-path"), program.value("audit-policy-file")
    webhook = program.value("audit-webhook-config-file")
    status = PASS if log or webhook else FAIL
    flag = "audit-log-path" if log or not webhook else "audit-webhook-config-file"
    evidence = [
        program.evidence(flag, "a log file, or a webhook", status),
        program.evidence(
            "audit-policy-file", "a policy, without which nothing is logged", PASS if policy else FAIL
        ),
    ]
    good = f"Requests are logged to {log}."
    if log == "-":
        good = "Requests are logged to standard output, where the container runtime keeps them only for a short time."
    elif not log:
        good = "Requests are sent to a webhook."
    bad = (
        "Audit logging is disabled." if status == FAIL else "There is no audit policy, so nothing is logged."
    )
    return verdict_of(evidence, good, bad, PASS if log else FAIL)


def _kept(
    flag: str, least: int, default: str, zero: str | None, good: str, bad: str
) -> t.Callable[[Program], Verdict]:
    """A check of the retention of audit logs.

    :param default: behaviour without the flag, which passes in all releases.
    :param zero: what 0 means, if that passes as well.
    """

    def evaluate(program: Program) -> Verdict:
        number = program.number(flag)
        expected = f"{least} or more"
        literal = PASS if number is not None and number >= least else FAIL
        log, webhook = program.value("audit-log-path"), program.value("audit-webhook-config-file")
        if not log and not webhook:
            none = program.evidence("audit-log-path", "an audit log", FAIL)
            evidence = program.evidence(flag, expected, literal)
            return Verdict(
                FAIL, "Audit logging is disabled, so there is no log to keep.", (none, evidence), literal
            )
        if log in ("", "-"):
            evidence = program.evidence(flag, "not applicable: no file is written", "")
            where = "to standard output" if log else "to a webhook"
            message = (
                f"The audit log goes {where}, where this flag has no effect: check how long it is kept there."
            )
            return Verdict(NOT_APPLICABLE, message, (evidence,), literal)
        enough = number is None or number >= least or (number == 0 and zero is not None)
        observed = None
        if number is None:
            observed = f"not set: {default}"
        elif number == 0:
            observed = f"0: {zero or 'the file grows without limit in Kubernetes 1.36 and later'}"
        evidence = program.evidence(flag, expected, PASS if enough else FAIL, observed)
        return verdict_of([evidence], good, bad, literal)

    return evaluate


# --- requests and tokens --------------------------------------------------------------------------------------------


def _request_timeout(program: Program) -> Verdict:
    value = program.value("request-timeout")
    time = seconds(value) if value else 60.0
    expected = f"1s to {LONGEST_REQUEST:.0f}s"
    if time is None:
        raise Undecided(
            f"--request-timeout={value} is not a duration. The program cannot have started with it: inspect"
            " the process.",
            program.evidence("request-timeout", expected, ""),
        )
    status = PASS if 1 <= time <= LONGEST_REQUEST else FAIL
    evidence = program.evidence("request-timeout", expected, status, value or "not set: 60s")
    bad = (
        "Slow requests can hold connections for a long time."
        if time > LONGEST_REQUEST
        else "Requests time out before they can succeed."
    )
    return verdict_of([evidence], f"Requests time out after {time:g} s.", bad)


def _token_lookup(program: Program) -> Verdict:
    status = PASS if program.truth("service-account-lookup", True) else FAIL
    evidence = program.evidence("service-account-lookup", "true (its default)", status)
    bad = "Tokens keep working when their service account is deleted."
    return verdict_of([evidence], "Tokens of deleted service accounts are rejected.", bad)


def _token_keys(program: Program) -> Verdict:
    paths = [path for path in program.arguments.all("service-account-key-file") if path]
    if paths:
        evidence = [program.file("service-account-key-file", path) for path in paths]
        bad = "A key file does not exist: the next start would fail."
        return verdict_of(evidence, "Tokens are verified with dedicated keys.", bad, PASS)
    endpoint = program.value("service-account-signing-endpoint")
    if endpoint:
        # The two flags are mutually exclusive: the signer has the keys.
        found = program.evidence("service-account-signing-endpoint", "a signer, or a key file", PASS)
        return Verdict(PASS, "An external signer has the keys of tokens.", (found,), FAIL)
    found = program.evidence("service-account-key-file", "a key file", FAIL)
    return Verdict(FAIL, "Tokens are verified with the key of the serving certificate.", (found,))


def _extended_tokens(program: Program) -> Verdict:
    extended = program.truth("service-account-extend-token-expiration", True)
    evidence = program.evidence(
        "service-account-extend-token-expiration", "false (its default is true)", FAIL if extended else PASS
    )
    bad = "Tokens that Pods request for an hour are valid for a year."
    return verdict_of([evidence], "The expiration of tokens is not extended.", bad)


# --- etcd and encryption --------------------------------------------------------------------------------------------


def _servers(program: Program, flag: str) -> t.Iterator[str]:
    """URLs of etcd. Overrides have them behind the resource, separated by semicolons: C(/events#https://a;https://b)."""
    for word in program.arguments.words(flag):
        for url in word.rpartition("#")[2].split(";"):
            yield url.strip()


def _etcd(*flags: str, authority: bool = False) -> t.Callable[[Program], Verdict]:
    """A check of files for etcd, which are useless when the API server connects without TLS."""
    files = file_flag(*flags, authority=authority, without="The connection to etcd is not secured.")

    def evaluate(program: Program) -> Verdict:
        verdict = files(program)
        plain = []
        for flag in ("etcd-servers", "etcd-servers-overrides"):
            bare = [url for url in _servers(program, flag) if url.lower().startswith("http://")]
            if bare:
                plain.append(program.evidence(flag, "https", FAIL, ",".join(bare)))
        if not plain:
            return verdict
        evidence = (*verdict.evidence, *plain)
        return Verdict(FAIL, "The API server connects to etcd without TLS.", evidence, verdict.literal)

    return evaluate


def _providers(program: Program) -> tuple[tuple[str, ...], structured.Document | None]:
    path = program.value("encryption-provider-config")
    if not path:
        return (), None
    document = structured.document(program, path, "EncryptionConfiguration", "EncryptionConfig")
    return structured.encryption_of_secrets(document), document


def _encryption(strong: bool) -> t.Callable[[Program], Verdict]:
    """A check of encryption at rest of Secrets.

    :param strong: whether the provider has to be strong. The other check literally requires the flag only.
    """
    expected = "secretbox, kms or aescbc first" if strong else "a provider that encrypts first"

    def evaluate(program: Program) -> Verdict:
        providers, document = _providers(program)
        if document is None:
            none = program.evidence("encryption-provider-config", expected, FAIL)
            return Verdict(FAIL, "Secrets are stored unencrypted in etcd.", (none,))
        first = providers[0] if providers else ""
        good = first in _STRONG_PROVIDERS if strong else first not in ("", "identity")
        observed = ", ".join(providers) or "none for secrets"
        status = PASS if good else FAIL
        evidence = Evidence(
            document.source, "providers of secrets", observed, expected, status, digest=document.digest
        )
        bad = "Secrets are stored unencrypted in etcd."
        if first == "aesgcm":
            bad = "aesgcm is not safe without frequent key rotation."
        return verdict_of([evidence], f"Secrets are encrypted with {first}.", bad, status if strong else PASS)

    return evaluate


def _ciphers(program: Program) -> Verdict:
    suites = program.arguments.words("tls-cipher-suites")
    least = program.value("tls-min-version")
    weak = [suite for suite in suites if suite not in STRONG_CIPHERS]
    literal = PASS if suites and not weak else FAIL
    if least in ("VersionTLS10", "VersionTLS11"):
        old = program.evidence("tls-min-version", "VersionTLS12 (its default) or VersionTLS13", FAIL)
        return Verdict(FAIL, f"Clients can use {least[7:]}.", (old,), literal)
    if least == "VersionTLS13":
        new = program.evidence("tls-min-version", "VersionTLS12 or VersionTLS13", PASS)
        return Verdict(PASS, "Only TLS 1.3 is offered, whose suites are all strong.", (new,), literal)
    if not suites:
        default = program.evidence("tls-cipher-suites", "strong suites", PASS, "not set: Go's defaults")
        message = (
            "Go's default suites are offered, without those that it calls insecure, with TLS 1.2 and later."
        )
        return Verdict(PASS, message, (default,), literal)
    evidence = [
        program.evidence("tls-cipher-suites", "strong suites", FAIL if suite in weak else PASS, suite)
        for suite in suites
    ]
    return verdict_of(evidence, "Only strong suites are offered.", "Weak suites are offered.", literal)


# --- all checks -----------------------------------------------------------------------------------------------------

_EVALUATIONS: dict[str, t.Callable[[Program], Verdict]] = {
    "1.2.1": _anonymous,
    "1.2.2": _token_file,
    "1.2.3": _plugin(
        "DenyServiceExternalIPs",
        "Services cannot use external IPs.",
        "Services can use external IPs, and intercept traffic with them, unless a policy in the cluster"
        " forbids it, which is not visible on a host.",
    ),
    "1.2.4": file_flag(
        "kubelet-client-certificate",
        "kubelet-client-key",
        without="Kubelets cannot authenticate the API server.",
    ),
    "1.2.5": file_flag(
        "kubelet-certificate-authority",
        authority=True,
        without="Kubelet certificates are not verified: logs and exec can be intercepted.",
    ),
    "1.2.6": _authorizer(
        lambda found: "AlwaysAllow" not in found,
        "no AlwaysAllow",
        "Requests are authorized.",
        "All requests are allowed.",
    ),
    "1.2.7": _authorizer(
        lambda found: "Node" in found,
        "Node among them",
        "Kubelets are limited to what their node needs.",
        "Kubelets are not limited to what their node needs.",
    ),
    "1.2.8": _authorizer(
        lambda found: "RBAC" in found, "RBAC among them", "RBAC is used.", "RBAC is not used."
    ),
    "1.2.9": _event_rate,
    "1.2.10": _plugin("AlwaysAdmit", "AlwaysAdmit is disabled.", "AlwaysAdmit is enabled.", wanted=False),
    "1.2.11": _plugin(
        "AlwaysPullImages",
        "Images are always pulled with the Pod's own credentials.",
        "Pods can use private images that other Pods pulled to the node.",
    ),
    "1.2.12": _plugin(
        "ServiceAccount",
        "ServiceAccount is enabled.",
        "ServiceAccount is disabled: Pods get no service account.",
    ),
    "1.2.13": _plugin(
        "NamespaceLifecycle",
        "NamespaceLifecycle is enabled.",
        "Objects can be created in namespaces that do not exist or are being deleted.",
    ),
    "1.2.14": _plugin(
        "NodeRestriction", "NodeRestriction is enabled.", "A kubelet can change other nodes and their Pods."
    ),
    "1.2.15": profiling,
    "1.2.16": _audit_log,
    "1.2.17": _kept(
        "audit-log-maxage",
        30,
        "forever, or 366 days in 1.36 and later",
        "logs are kept forever",
        "Audit logs are kept for at least 30 days.",
        "Audit logs are removed before they are 30 days old.",
    ),
    "1.2.18": _kept(
        "audit-log-maxbackup",
        10,
        "all, or 100 in 1.36 and later",
        "all logs are kept",
        "Enough rotated audit logs are kept.",
        "Fewer than 10 rotated audit logs are kept.",
    ),
    "1.2.19": _kept(
        "audit-log-maxsize",
        100,
        "100",
        None,
        "Audit logs are rotated at 100 MB or more.",
        "Audit logs are rotated before they have 100 MB, or never.",
    ),
    "1.2.20": _request_timeout,
    "1.2.21": _token_lookup,
    "1.2.22": _token_keys,
    "1.2.23": _etcd("etcd-certfile", "etcd-keyfile"),
    "1.2.24": file_flag(
        "tls-cert-file",
        "tls-private-key-file",
        without="The API server generates a certificate that no client can verify.",
    ),
    "1.2.25": file_flag("client-ca-file", authority=True, without="Client certificates are not accepted."),
    "1.2.26": _etcd("etcd-cafile", authority=True),
    "1.2.27": _encryption(strong=False),
    "1.2.28": _encryption(strong=True),
    "1.2.29": _ciphers,
    "1.2.30": _extended_tokens,
}

CHECKS: t.Mapping[str, t.Callable[[Reader], Result]] = {
    check: check_of(check, API_SERVER, evaluate) for check, evaluate in _EVALUATIONS.items()
}
