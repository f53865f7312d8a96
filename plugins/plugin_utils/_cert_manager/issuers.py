# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Read who issues certificates from an inventory. Pure.

An issuer becomes a ClusterIssuer of cert-manager. cert-manager's own webhook checks less than this: a solver for DNS
names that has no zone, or two solvers for the same names, are only found out when a certificate is not issued.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cert_manager import texts
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cert_manager.given import (
    Given,
    GivenError,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._options import forms
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._options.convert import shown

KINDS = ("acme", "ca", "self_signed")
#: Algorithms of RFC 8945 that cert-manager knows, but for HMAC-MD5 and HMAC-SHA1, which are for old servers only.
TSIG_ALGORITHMS = ("HMACSHA256", "HMACSHA512")
PROTOCOLS = ("UDP", "TCP")
#: Names of Secrets are those of issuers with an ending, and the common name of a CA has 64 characters (RFC 5280).
_NAME_LENGTH = 50
_COMMON_NAME_LENGTH = 64
_ACME = ("server", "email", "ca", "external_account", "profile", "preferred_chain", "solvers")
_RFC2136 = ("server", "key_name", "algorithm", "protocol", "key", "secret")


@dataclass(frozen=True)
class Credential:
    """A secret of an issuer: in the inventory, or in a Secret that the site keeps itself.

    :param value: of the inventory. :param secret: name of the site's Secret.
    """

    value: str = field(default="", repr=False)
    secret: str = ""


@dataclass(frozen=True)
class ExternalAccount:
    """An account at the authority that the ACME account is bound to (RFC 8555, section 7.3.4)."""

    key_id: str
    key: Credential


@dataclass(frozen=True)
class Gateway:
    """A Gateway that routes to who answers a challenge.

    :param namespace: by default that of the certificate. :param listener: by default any.
    """

    name: str
    namespace: str = ""
    listener: str = ""


@dataclass(frozen=True)
class Http01:
    """A challenge that is answered by HTTP.

    :param ingress_class: by default the default one of the cluster. :param gateway: instead of an Ingress.
    """

    ingress_class: str = ""
    gateway: Gateway | None = None


@dataclass(frozen=True)
class Rfc2136:
    """A challenge that is answered in DNS, by a dynamic update (RFC 2136) with TSIG.

    :param server: C(HOST) or C(HOST:PORT). :param key_name: of the key on that server.
    """

    server: str
    key_name: str
    key: Credential
    algorithm: str = TSIG_ALGORITHMS[0]
    protocol: str = PROTOCOLS[0]


@dataclass(frozen=True)
class Webhook:
    """A challenge that is answered in DNS by a program of the site, as of cert-manager's webhook solvers.

    :param group: its API group. :param solver: its name. :param config: what it is given.
    """

    group: str
    solver: str
    config: t.Mapping[str, t.Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Solver:
    """How challenges are answered.

    :param zones: for names in these DNS zones; :param names: for these names. Without both, for all others.
    """

    method: Http01 | Rfc2136 | Webhook
    zones: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Acme:
    """An authority that is asked by ACME (RFC 8555).

    :param server: URL of its directory. :param ca: PEM of who signed the server's own certificate.
    """

    server: str = texts.LETS_ENCRYPT
    email: str = ""
    ca: str = ""
    external_account: ExternalAccount | None = None
    profile: str = ""
    preferred_chain: str = ""
    solvers: tuple[Solver, ...] = (Solver(Http01()),)


@dataclass(frozen=True)
class Authority:
    """A CA whose key is in the cluster. Without a Secret and a certificate, cert-manager makes it.

    :param certificate: PEM, as C(key). :param secret: name of the site's Secret.
    :param common_name: :param years: of one that is made.
    """

    certificate: str = ""
    key: str = field(default="", repr=False)
    secret: str = ""
    common_name: str = ""
    years: int = 10

    @property
    def is_made(self) -> bool:
        """Whether cert-manager makes it."""
        return not self.certificate and not self.secret


@dataclass(frozen=True)
class SelfSigned:
    """Every certificate is its own authority."""


@dataclass(frozen=True)
class Issuer:
    """Who issues certificates, by a name that Ingresses and Gateways refer to."""

    name: str
    kind: Acme | Authority | SelfSigned


@dataclass(frozen=True)
class Reading:
    """What an inventory says.

    :param issuers: those without an error. :param problems: what is wrong with the others, in words without a secret.
    """

    issuers: tuple[Issuer, ...]
    problems: tuple[str, ...]


def _credential(given: Given, form: t.Callable[[str], str]) -> Credential:
    if given.only(("key", "secret")) == "secret":
        return Credential(secret=given.text("secret", forms.subdomain))
    return Credential(value=given.secret("key", form))


def _external_account(value: t.Any) -> ExternalAccount:
    given = Given(value, "acme.external_account", ("key_id", "key", "secret"))
    form = "what the authority gave, in base64url: at least 16 letters, digits, '-' and '_'"
    return ExternalAccount(given.text("key_id"), _credential(given, texts.matching(texts.BASE64URL, form)))


def _gateway(value: t.Any, where: str) -> Gateway:
    given = Given(value, where, ("name", "namespace", "listener"))
    return Gateway(
        given.text("name", forms.subdomain),
        given.text("namespace", forms.label, ""),
        given.text("listener", forms.subdomain, ""),
    )


def _http01(value: t.Any, where: str) -> Http01:
    given = Given({} if value is None else value, where, ("ingress_class", "gateway"))
    if "ingress_class" in given and "gateway" in given:
        raise GivenError(f"{where} has ingress_class and gateway, expected one of them, or none")
    gateway = _gateway(given.raw("gateway"), given.place("gateway")) if "gateway" in given else None
    return Http01(given.text("ingress_class", forms.subdomain, ""), gateway)


def _dns01(value: t.Any, where: str) -> Rfc2136 | Webhook:
    given = Given(value, where, ("rfc2136", "webhook"))
    kind = given.only(("rfc2136", "webhook"))
    place = given.place(kind)
    if kind == "webhook":
        inner = Given(given.raw(kind), place, ("group", "solver", "config"))
        config = inner.raw("config", {})
        if not isinstance(config, dict):
            raise GivenError(f"{inner.place('config')} is no dictionary, expected what the webhook documents")
        return Webhook(inner.text("group", forms.subdomain), inner.text("solver"), config)
    inner = Given(given.raw(kind), place, _RFC2136)
    return Rfc2136(
        inner.text("server", texts.dns_server),
        inner.text("key_name", texts.zone),
        _credential(inner, texts.matching(texts.BASE64, "the secret of a TSIG key in base64")),
        inner.text("algorithm", texts.choice(TSIG_ALGORITHMS), TSIG_ALGORITHMS[0]),
        inner.text("protocol", texts.choice(PROTOCOLS), PROTOCOLS[0]),
    )


def _solver(value: t.Any, where: str) -> Solver:
    given = Given(value, where, ("http01", "dns01", "zones", "names"))
    zones, names = given.texts("zones", texts.zone), given.texts("names", texts.dns_name)
    if given.only(("http01", "dns01")) == "http01":
        method: Http01 | Rfc2136 | Webhook = _http01(given.raw("http01"), given.place("http01"))
        if wildcards := [name for name in names if name.startswith("*.")]:
            raise GivenError(
                f"{given.place('names')} has {wildcards[0]}, expected a solver dns01 for it: authorities issue"
                " wildcards by DNS only"
            )
        return Solver(method, zones, names)
    method = _dns01(given.raw("dns01"), given.place("dns01"))
    if not zones and not names:
        raise GivenError(
            f"{where} is dns01 without zones and names, expected the zones that its server has, such as"
            " zones: [example.org]"
        )
    return Solver(method, zones, names)


def _solvers(value: t.Any) -> tuple[Solver, ...]:
    if not isinstance(value, list) or not value:
        raise GivenError("acme.solvers is empty or no list, expected at least one, or none of the key")
    found = tuple(_solver(one, f"acme.solvers[{number}]") for number, one in enumerate(value))
    seen: dict[tuple[str, str], int] = {}
    for number, one in enumerate(found):
        # cert-manager prefers none of two solvers for the same names: it takes the first of them.
        whom = [("zone", zone) for zone in one.zones] + [("name", name) for name in one.names]
        for what, text in whom or [("", "")]:
            former = seen.setdefault((what, text), number)
            if former != number:
                told = f"the {what} {text}" if what else "all names that no other one is for"
                raise GivenError(
                    f"acme.solvers[{former}] and acme.solvers[{number}] are both for {told}, expected one solver"
                )
    return found


def _acme(value: t.Any) -> Acme:
    given = Given({} if value is None else value, "acme", _ACME)
    return Acme(
        server=given.text("server", texts.https_url, texts.LETS_ENCRYPT),
        email=given.text("email", texts.email, ""),
        # Not quoted, as somebody may have put a key there.
        ca=given.secret("ca", texts.certificates) if "ca" in given else "",
        external_account=_external_account(given.raw("external_account"))
        if "external_account" in given
        else None,
        profile=given.text("profile", None, ""),
        preferred_chain=given.text("preferred_chain", None, ""),
        solvers=_solvers(given.raw("solvers")) if "solvers" in given else Acme.solvers,
    )


def _ca(value: t.Any) -> Authority:
    given = Given(
        {} if value is None else value, "ca", ("secret", "certificate", "key", "common_name", "years")
    )
    own = [key for key in ("common_name", "years") if key in given]
    if "secret" in given or "certificate" in given or "key" in given:
        if own:
            raise GivenError(f"ca has {own[0]}, expected it only for a CA that cert-manager makes")
        if "secret" in given:
            if "certificate" in given or "key" in given:
                raise GivenError(
                    "ca has secret and certificate or key, expected secret, or both of the others"
                )
            return Authority(secret=given.text("secret", forms.subdomain))
        return Authority(given.secret("certificate", texts.authority), given.secret("key", texts.private_key))
    name = given.text("common_name", None, "")
    if len(name) > _COMMON_NAME_LENGTH:
        raise GivenError(
            f"ca.common_name has {len(name)} characters, expected at most {_COMMON_NAME_LENGTH} (RFC 5280)"
        )
    return Authority(common_name=name, years=given.number("years", 10, 1, 30))


def _issuer(value: t.Any) -> Issuer:
    given = Given(value, "", ("name", *KINDS))
    name = issuer_name(given.text("name", forms.subdomain))
    kind = given.only(KINDS)
    if kind == "self_signed":
        # True is what a person means who knows Ansible better than cert-manager.
        if given.raw(kind) not in ({}, None, True):
            raise GivenError("self_signed has a value, expected {}")
        return Issuer(name, SelfSigned())
    return Issuer(name, _acme(given.raw(kind)) if kind == "acme" else _ca(given.raw(kind)))


def issuer_name(name: str) -> str:
    """The name of an issuer.

    :raises GivenError: when it is too long.
    """
    if len(name) > _NAME_LENGTH:
        raise GivenError(f"its name has {len(name)} characters, expected at most {_NAME_LENGTH}")
    return name


def read(value: t.Any, option: str = "certificates_issuers") -> Reading:
    """Read issuers, all of them, so that one message has all problems.

    :param value: of the option. :param option: its name, for the problems.
    """
    if not isinstance(value, list):
        return Reading((), (f"{option} is no list, expected a list of issuers",))
    found: dict[str, Issuer] = {}
    problems = []
    for number, given in enumerate(value, 1):
        named = given.get("name") if isinstance(given, dict) else None
        where = f"{option}, " + (f"issuer {shown(named)}" if isinstance(named, str) else f"entry {number}")
        try:
            one = _issuer(given)
            if one.name in found:
                raise GivenError("its name is there twice, expected another one")
            found[one.name] = one
        except GivenError as problem:
            problems.append(f"{where}: {problem}")
    return Reading(tuple(found.values()), tuple(problems))
