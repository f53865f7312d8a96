# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Decisions of a site: exemptions accept failures for a time, attestations answer manual checks."""

from __future__ import annotations

import datetime
import fnmatch
import hashlib
import json
import re
import typing as t
from dataclasses import dataclass

from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.benchmark.profiles import PROFILES

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}\Z")
_EXEMPTION_FIELDS = frozenset(
    {"profile", "id", "reason", "owner", "expires", "hosts", "namespaces", "subjects"}
)
_ATTESTATION_FIELDS = frozenset({"profile", "id", "hosts", "statement", "owner", "expires"})


def _matches(value: str, globs: t.Sequence[str]) -> bool:
    return not globs or (bool(value) and any(fnmatch.fnmatchcase(value, pattern) for pattern in globs))


def _key(*parts: t.Any) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]


def _title(check_id: str, owner: str, **scope: t.Sequence[str]) -> str:
    about = "; ".join(f"{name} {', '.join(globs)}" for name, globs in scope.items() if globs)
    return f"of {check_id} ({about}) by {owner}" if about else f"of {check_id} by {owner}"


@dataclass(frozen=True)
class Exemption:
    """An accepted failure.

    :param profiles: releases of the benchmark that C(id) belongs to. :param expires: its last day; C(None) only for
        those that the collection ships.
    :param hosts: globs of the inventory's names. :param namespaces: globs of namespaces.
    :param subjects: globs of objects, as C(Kind/name) or C(Kind/namespace/name). Empty ones match everything; others do
        not match evidence without a host, namespace or object.
    """

    profiles: tuple[str, ...]
    id: str
    reason: str
    owner: str
    expires: datetime.date | None = None
    hosts: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
    shipped: bool = False

    @property
    def key(self) -> str:
        """An identifier that is stable as long as the scope is."""
        return _key(self.id, self.profiles, self.hosts, self.namespaces, self.subjects)

    def expired(self, today: datetime.date) -> bool:
        """Whether its last day is over."""
        return self.expires is not None and self.expires < today

    def covers(self, host: str, namespace: str, subject: str) -> bool:
        """Whether it covers a failing piece of evidence.

        :param host: empty for the cluster as a whole.
        """
        return (
            _matches(host, self.hosts)
            and _matches(namespace, self.namespaces)
            and _matches(subject, self.subjects)
        )

    @property
    def title(self) -> str:
        """Name in messages."""
        return _title(
            self.id, self.owner, hosts=self.hosts, namespaces=self.namespaces, subjects=self.subjects
        )


@dataclass(frozen=True)
class Attestation:
    """The answer to a manual check.

    :param profiles: as of an exemption; empty for every one. :param hosts: globs; empty for all hosts and the cluster.
    """

    profiles: tuple[str, ...]
    id: str
    statement: str
    owner: str
    expires: datetime.date
    hosts: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """An identifier that is stable as long as the scope is."""
        return _key(self.id, self.profiles, self.hosts)

    def expired(self, today: datetime.date) -> bool:
        """Whether its last day is over."""
        return self.expires < today

    def covers(self, host: str) -> bool:
        """Whether it is about this host; the cluster has an empty name."""
        return _matches(host, self.hosts)

    @property
    def title(self) -> str:
        """Name in messages."""
        return _title(self.id, self.owner, hosts=self.hosts)


class _Entry:
    """One entry of the site; collects its problems.

    :param name: the option. :param number: its position there, from 1.
    """

    def __init__(self, name: str, number: int, values: t.Any, fields: t.Collection[str]) -> None:
        self.problems: list[str] = []
        self._name = name
        self._number = number
        self.values: t.Mapping[str, t.Any] = values if isinstance(values, dict) else {}
        if not isinstance(values, dict):
            self.add("it is not a dictionary")
        unknown = sorted(str(field) for field in self.values if field not in fields)
        if unknown:
            self.add(f"unknown fields {', '.join(unknown)}; known fields are {', '.join(sorted(fields))}")

    def add(self, text: str) -> None:
        """Add a problem."""
        identifier = self.values.get("id")
        about = f" ({identifier})" if identifier else ""
        self.problems.append(f"{self._name}, entry {self._number}{about}: {text}.")

    def text(self, field: str, what: str) -> str:
        """A required text."""
        value = self.values.get(field)
        if value is None or isinstance(value, (list, dict)) or not str(value).strip():
            self.add(f"{field} is missing: {what}")
            return ""
        return " ".join(str(value).split())

    def globs(self, field: str) -> tuple[str, ...]:
        """Patterns; a single one needs no list."""
        value = self.values.get(field)
        found = [value] if isinstance(value, str) else value or []
        if not isinstance(found, (list, tuple)) or not all(
            isinstance(item, str) and item.strip() for item in found
        ):
            self.add(f"{field} must be a list of names, with * as wildcard")
            return ()
        return tuple(found)

    def profiles(self, required: bool) -> tuple[str, ...]:
        """Names of profiles."""
        found = self.globs("profile")
        for name in found:
            if name not in PROFILES:
                self.add(f"there is no profile {name}; choose from {', '.join(PROFILES)}")
        if required and not found and not self.problems:
            self.add("profile is missing: ids differ between releases of the benchmark")
        return tuple(sorted(set(found)))

    def check(self, profiles: t.Collection[str]) -> str:
        """Id of a check that all these profiles have."""
        value = self.values.get("id")
        if isinstance(value, float):
            self.add("put the id into quotes, as YAML reads it as a number")
            return ""
        found = self.text("id", "the id of a check")
        known = [PROFILES[name] for name in profiles or PROFILES if name in PROFILES]
        for profile in known:
            if found and found not in profile.checks:
                self.add(f"there is no check {found} in {profile.name}")
        return found

    def date(self, required: bool) -> datetime.date | None:
        """The last day, as C(2027-01-31); a time of day is ignored."""
        value = self.values.get("expires")
        if value is None or value == "":
            if required:
                self.add("expires is missing: its last day, as 2027-01-31")
            return None
        if isinstance(value, datetime.datetime):
            return value.date()
        if isinstance(value, datetime.date):
            return value
        try:
            # fromisoformat alone accepts other notations.
            return datetime.date.fromisoformat(str(value) if _DATE.match(str(value)) else "")
        except ValueError:
            self.add(f"expires is {value}, expected a date such as 2027-01-31")
            return None


def read_exemptions(
    entries: t.Sequence[t.Any], name: str = "exemptions", shipped: bool = False
) -> tuple[list[Exemption], list[str]]:
    """Parse the exemptions of a site.

    :param name: their name in messages. :param shipped: whether the collection ships them, which need no last day.
    :return: the valid ones, and the problems of the others. An expired one is valid.
    """
    found: list[Exemption] = []
    problems: list[str] = []
    for number, values in enumerate(entries, start=1):
        entry = _Entry(name, number, values, _EXEMPTION_FIELDS)
        profiles = entry.profiles(required=True)
        exemption = Exemption(
            profiles=profiles,
            id=entry.check(profiles),
            reason=entry.text("reason", "why this is accepted"),
            owner=entry.text("owner", "who is responsible for it"),
            expires=entry.date(required=not shipped),
            hosts=entry.globs("hosts"),
            namespaces=entry.globs("namespaces"),
            subjects=entry.globs("subjects"),
            shipped=shipped,
        )
        _refuse_twin(entry, exemption, found, ("id", "hosts", "namespaces", "subjects"))
        if not entry.problems:
            found.append(exemption)
        problems += entry.problems
    return found, problems


def read_attestations(
    entries: t.Sequence[t.Any], name: str = "attestations"
) -> tuple[list[Attestation], list[str]]:
    """Parse the attestations of a site; as C(read_exemptions)."""
    found: list[Attestation] = []
    problems: list[str] = []
    for number, values in enumerate(entries, start=1):
        entry = _Entry(name, number, values, _ATTESTATION_FIELDS)
        profiles = entry.profiles(required=False)
        expires = entry.date(required=True)
        attestation = Attestation(
            profiles=profiles,
            id=entry.check(profiles),
            statement=entry.text("statement", "what was reviewed, and what was found"),
            owner=entry.text("owner", "who reviewed it"),
            expires=expires or datetime.date.min,
            hosts=entry.globs("hosts"),
        )
        _refuse_twin(entry, attestation, found, ("id", "hosts"))
        if not entry.problems:
            found.append(attestation)
        problems += entry.problems
    return found, problems


def _refuse_twin(
    entry: _Entry,
    new: Exemption | Attestation,
    before: t.Sequence[Exemption | Attestation],
    fields: t.Sequence[str],
) -> None:
    """Refuse a duplicate: changing one of two would have no effect."""
    for other in before:
        same = all(getattr(new, field) == getattr(other, field) for field in fields)
        profiles = not new.profiles or not other.profiles or set(new.profiles) & set(other.profiles)
        if new.id and same and profiles:
            entry.add("another entry has the same id and scope")
            return
