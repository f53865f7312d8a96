# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Configuration files of the API server and the scheduler, as far as checks need them.

The schemas are those of Kubernetes' types (C(k8s.io/apiserver/pkg/apis/apiserver),
C(pkg/admission), C(pkg/apis/audit)). An unknown kind, version or field raises C(Undecided),
as the effective configuration is not known then.
"""

from __future__ import annotations

import posixpath
import typing as t
from dataclasses import dataclass

from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.host.programs import (
    Program,
    Undecided,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.model import Evidence
from ansible_collections.baremetal.kubernetes.plugins.module_utils._formats import yaml

_APISERVER = "apiserver.config.k8s.io"
_KINDS: dict[str, tuple[str, ...]] = {
    "AuthenticationConfiguration": tuple(f"{_APISERVER}/{v}" for v in ("v1", "v1beta1", "v1alpha1")),
    "AuthorizationConfiguration": tuple(f"{_APISERVER}/{v}" for v in ("v1", "v1beta1", "v1alpha1")),
    "AdmissionConfiguration": (f"{_APISERVER}/v1", f"{_APISERVER}/v1alpha1", "apiserver.k8s.io/v1alpha1"),
    "EncryptionConfiguration": (f"{_APISERVER}/v1",),
    # Its name before Kubernetes 1.13.
    "EncryptionConfig": ("v1",),
    "Configuration": ("eventratelimit.admission.k8s.io/v1alpha1",),
    "PodSecurityConfiguration": tuple(
        f"pod-security.admission.config.k8s.io/{v}" for v in ("v1", "v1beta1", "v1alpha1")
    ),
    "Policy": ("audit.k8s.io/v1",),
    "KubeSchedulerConfiguration": ("kubescheduler.config.k8s.io/v1",),
}
_META = ("apiVersion", "kind")
_AUTHORIZERS = frozenset({"Node", "RBAC", "ABAC", "Webhook", "AlwaysAllow", "AlwaysDeny"})
_LIMITS = frozenset({"Server", "Namespace", "User", "SourceAndObject"})
_LEVELS = frozenset({"privileged", "baseline", "restricted"})
_PROVIDERS = ("aesgcm", "aescbc", "secretbox", "identity", "kms")


@dataclass(frozen=True)
class Document:
    """A configuration file.

    :param source: the file, and where in it.
    """

    source: str
    fields: t.Mapping[str, t.Any]
    digest: str = ""

    def undecided(self, what: str, where: str = "") -> Undecided:
        """Why no verdict is possible."""
        return Undecided(
            f"{self.source}: {what}. Correct it, or check the log of the program.",
            Evidence(self.source, where, what, "a valid configuration", digest=self.digest),
        )

    def mapping(self, value: t.Any, where: str, known: t.Collection[str] | None = None) -> dict[str, t.Any]:
        """A mapping with known fields, empty when it is not set."""
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise self.undecided(f"{where or 'it'} is not a mapping", where)
        unknown = sorted(set(value) - set(known)) if known is not None else []
        if unknown:
            raise self.undecided(f"unknown field {'.'.join(filter(None, (where, unknown[0])))}", where)
        return value

    def items(self, value: t.Any, where: str) -> list[t.Any]:
        """A list, empty when it is not set."""
        if value is None:
            return []
        if not isinstance(value, list):
            raise self.undecided(f"{where} is not a list", where)
        return value

    def texts(self, value: t.Any, where: str) -> tuple[str, ...]:
        """A list of strings."""
        found = self.items(value, where)
        if not all(isinstance(item, str) for item in found):
            raise self.undecided(f"{where} has an item that is not a string", where)
        return tuple(found)

    def truth(self, value: t.Any, where: str, default: bool) -> bool:
        """A boolean."""
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self.undecided(f"{where} is {value!r}, not a boolean", where)
        return value


def document(program: Program, path: str, *kinds: str) -> Document:
    """A configuration file of one of these kinds.

    :raises Undecided: when it cannot be read, or is of another kind.
    """
    text = program.read(path)
    empty = Document(path, {}, text.digest)
    try:
        values = yaml.load_all(text.content)
    except yaml.YamlError as exc:
        raise empty.undecided(f"it cannot be parsed: {exc}") from exc
    if len(values) != 1:
        raise empty.undecided(f"it has {len(values)} documents, expected one")
    return _typed(Document(path, empty.mapping(values[0], ""), text.digest), kinds)


def _typed(found: Document, kinds: t.Sequence[str]) -> Document:
    kind, version = found.fields.get("kind"), found.fields.get("apiVersion")
    if kind not in kinds or version not in _KINDS[str(kind)]:
        wanted = " or ".join(f"{kind} of {_KINDS[kind][0]}" for kind in kinds)
        raise found.undecided(f"it is {kind} of {version}, expected {wanted}", "kind")
    return found


# --- authentication and authorization --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Anonymous:
    """Anonymous requests.

    :param configured: whether the file configures them; otherwise the flag counts.
    :param paths: the only paths that are allowed; empty for all.
    """

    configured: bool
    enabled: bool = True
    paths: tuple[str, ...] = ()


def anonymous(found: Document) -> Anonymous:
    """Anonymous requests in an AuthenticationConfiguration."""
    fields = found.mapping(found.fields, "", (*_META, "jwt", "anonymous"))
    found.items(fields.get("jwt"), "jwt")
    if fields.get("anonymous") is None:
        return Anonymous(False)
    own = found.mapping(fields["anonymous"], "anonymous", ("enabled", "conditions"))
    conditions = found.items(own.get("conditions"), "anonymous.conditions")
    paths = [
        found.mapping(condition, f"anonymous.conditions[{at}]", ("path",)).get("path")
        for at, condition in enumerate(conditions)
    ]
    # Without C(enabled) it is false, as in Go.
    enabled = found.truth(own.get("enabled"), "anonymous.enabled", False)
    return Anonymous(True, enabled, found.texts(paths, "anonymous.conditions"))


def authorizers(found: Document) -> tuple[str, ...]:
    """Types of the authorizers of an AuthorizationConfiguration, in order."""
    fields = found.mapping(found.fields, "", (*_META, "authorizers"))
    types = []
    for at, item in enumerate(found.items(fields.get("authorizers"), "authorizers")):
        where = f"authorizers[{at}]"
        kind = found.mapping(item, where, ("type", "name", "webhook")).get("type")
        if kind not in _AUTHORIZERS:
            raise found.undecided(f"{where}.type is {kind}, which is unknown", where)
        types.append(str(kind))
    if not types:
        raise found.undecided("it has no authorizers", "authorizers")
    return tuple(types)


# --- admission ------------------------------------------------------------------------------------------------------


def plugin(program: Program, name: str, *kinds: str) -> Document | None:
    """Configuration of an admission plugin, C(None) without one.

    :raises Undecided: when it cannot be read.
    """
    path = program.value("admission-control-config-file")
    if not path:
        return None
    whole = document(program, path, "AdmissionConfiguration")
    fields = whole.mapping(whole.fields, "", (*_META, "plugins"))
    for at, item in enumerate(whole.items(fields.get("plugins"), "plugins")):
        where = f"plugins[{at}]"
        own = whole.mapping(item, where, ("name", "path", "configuration"))
        if own.get("name") != name:
            continue
        # The first entry of the name counts, and its inline configuration takes precedence over its file.
        if own.get("configuration") is not None:
            inner = whole.mapping(own["configuration"], f"{where}.configuration")
            return _typed(Document(f"{path}, {where}.configuration", inner, whole.digest), kinds)
        other = str(own.get("path") or "")
        if not other:
            return None
        return document(program, posixpath.join(posixpath.dirname(path), other), *kinds)
    return None


@dataclass(frozen=True)
class Limit:
    """A limit of EventRateLimit."""

    kind: str
    qps: int
    burst: int


def event_limits(found: Document) -> tuple[Limit, ...]:
    """The limits in a configuration of EventRateLimit."""
    fields = found.mapping(found.fields, "", (*_META, "limits"))
    limits = []
    for at, item in enumerate(found.items(fields.get("limits"), "limits")):
        where = f"limits[{at}]"
        own = found.mapping(item, where, ("type", "qps", "burst", "cacheSize"))
        numbers = (own.get("qps", 0), own.get("burst", 0))
        if own.get("type") not in _LIMITS or not all(
            isinstance(number, int) and not isinstance(number, bool) for number in numbers
        ):
            raise found.undecided(f"{where} is {own}, which is not a valid limit", where)
        limits.append(Limit(str(own["type"]), *numbers))
    return tuple(limits)


def pod_security(found: Document) -> dict[str, t.Any]:
    """Defaults and exemptions of a PodSecurityConfiguration, with the plugin's defaults for what is not set."""
    fields = found.mapping(found.fields, "", (*_META, "defaults", "exemptions"))
    modes = ("enforce", "audit", "warn")
    known = (*modes, *(f"{mode}-version" for mode in modes))
    own = found.mapping(fields.get("defaults"), "defaults", known)
    defaults = {key: str(own.get(key) or ("latest" if "-" in key else "privileged")) for key in known}
    for mode in modes:
        if defaults[mode] not in _LEVELS:
            raise found.undecided(
                f"defaults.{mode} is {defaults[mode]}, which is not a level", f"defaults.{mode}"
            )
    kinds = ("usernames", "runtimeClasses", "namespaces")
    spared = found.mapping(fields.get("exemptions"), "exemptions", kinds)
    return {
        "defaults": defaults,
        "exemptions": {kind: list(found.texts(spared.get(kind), f"exemptions.{kind}")) for kind in kinds},
    }


# --- encryption -----------------------------------------------------------------------------------------------------


def _group_resource(name: str) -> tuple[str, str]:
    """Resource and group, as C(schema.ParseGroupResource) parses them."""
    resource, _dot, group = name.partition(".")
    return resource, group


def encryption_of_secrets(found: Document) -> tuple[str, ...]:
    """Providers for Secrets, in order: the first one writes, all read. Empty when nothing covers Secrets.

    C(secrets) takes precedence over C(*.), and that over C(*.*); blocks for the same name add up
    (C(transformerFromOverrides) of the API server).
    """
    fields = found.mapping(found.fields, "", (*_META, "resources"))
    by_name: dict[tuple[str, str], list[str]] = {}
    for at, block in enumerate(found.items(fields.get("resources"), "resources")):
        where = f"resources[{at}]"
        own = found.mapping(block, where, ("resources", "providers"))
        providers = [
            _provider(found, item, f"{where}.providers[{number}]")
            for number, item in enumerate(found.items(own.get("providers"), f"{where}.providers"))
        ]
        if not providers:
            raise found.undecided(f"{where} has no providers", where)
        for name in found.texts(own.get("resources"), f"{where}.resources"):
            by_name.setdefault(_group_resource(name), []).extend(providers)
    for name_of_secrets in (("secrets", ""), ("*", ""), ("*", "*")):
        if name_of_secrets in by_name:
            return tuple(by_name[name_of_secrets])
    return ()


def _provider(found: Document, item: t.Any, where: str) -> str:
    # C(identity:) without braces is null, which Go treats as unset.
    named = {name for name, value in found.mapping(item, where, _PROVIDERS).items() if value is not None}
    if len(named) != 1:
        raise found.undecided(f"{where} has {len(named)} providers, expected one", where)
    name = named.pop()
    if name == "kms":
        version = found.mapping(item[name], f"{where}.kms").get("apiVersion") or "v1"
        return f"kms {version}"
    return name


# --- others ---------------------------------------------------------------------------------------------------------


def scheduler_profiling(found: Document) -> bool:
    """C(enableProfiling) of a KubeSchedulerConfiguration; true by default."""
    return found.truth(found.fields.get("enableProfiling"), "enableProfiling", True)
