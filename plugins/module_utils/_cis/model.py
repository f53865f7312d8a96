# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""What an audit says of one check, and what it says it from."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field

PASS = "pass"  # noqa: S105 - a verdict
FAIL = "fail"
MANUAL = "manual"
NOT_APPLICABLE = "not_applicable"
ERROR = "error"
#: Only the report gives it: a failure that an exemption covers.
EXEMPT = "exempt"

#: What a module may say of a check. From the worst to the best.
STATUSES = (ERROR, FAIL, MANUAL, NOT_APPLICABLE, PASS)

_LONGEST_TEXT = 400
_PEM = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----.*?(?:-----END \1-----|\Z)", re.DOTALL)
#: Key of the evidence of 4.2.9 that says whether an API server with the cluster's CA can verify the kubelet.
BY_CLUSTER = "issued by the cluster's CA"

# Keys of an EncryptionConfiguration, tokens and passwords in flags and documents.
_NAMED_SECRET = re.compile(
    r"""(?ix)\b(secret|token|password|passwd|client-key-data|key-data|bearer)(["']?\s*[:=]\s*["']?)([^\s"',}\]]{6,})"""
)
_BEARER = re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]+")
_BOOTSTRAP_TOKEN = re.compile(r"\b([a-z0-9]{6})\.[a-z0-9]{16}\b")


def redact(text: str) -> str:
    """The same text without keys and tokens."""
    text = _PEM.sub(lambda match: f"({match.group(1).lower()}, not shown)", text)
    text = _BEARER.sub("(token, not shown)", text)
    text = _BOOTSTRAP_TOKEN.sub(r"\1.(not shown)", text)
    return _NAMED_SECRET.sub(r"\1\2(not shown)", text)


def safe_text(value: t.Any) -> str:
    """A value as a report may show it: without keys and tokens, and not too long."""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = redact("" if value is None else str(value))
    return text if len(text) <= _LONGEST_TEXT else text[:_LONGEST_TEXT] + f"... ({len(text)} characters)"


@dataclass(frozen=True)
class Evidence:
    """One thing that was looked at.

    :param source: where: a path, C(process kube-apiserver), C(/configz of the kubelet), a path of the API.
    :param key: what in it: a flag, a field with dots, C(mode), C(owner).
    :param observed: what was found; secrets are taken out on the way to the report.
    :param expected: what would pass, in a few words.
    :param status: verdict on this one thing, C(pass) or C(fail); empty where it is only told.
    :param subject: the object of the cluster that it is about, C(Kind/name) or C(Kind/namespace/name); a pod is
        named by the workload that owns it. Exemptions are matched with it.
    :param namespace: namespace of that object.
    :param digest: C(sha256:<hex>) of the file that was read.
    """

    source: str
    key: str = ""
    observed: t.Any = ""
    expected: str = ""
    status: str = ""
    subject: str = ""
    namespace: str = ""
    digest: str = ""

    def to_dict(self) -> dict[str, str]:
        """The fields that say something, as modules return them."""
        fields = {
            "source": self.source,
            "key": self.key,
            "observed": safe_text(self.observed),
            "expected": self.expected,
            "status": self.status,
            "subject": self.subject,
            "namespace": self.namespace,
            "digest": self.digest,
        }
        always = ("source", "key", "observed", "expected")
        return {name: value for name, value in fields.items() if value or name in always}


@dataclass(frozen=True)
class FileFix:
    """What would mend the mode or the owner of a file on the host.

    :param mode: permission bits. :param uid: number of the user. :param gid: number of the group. C(None) keeps each.
    """

    path: str
    mode: int | None = None
    uid: int | None = None
    gid: int | None = None

    def to_dict(self) -> dict[str, t.Any]:
        """As modules return it; the mode is octal text."""
        return {
            "path": self.path,
            "mode": None if self.mode is None else f"{self.mode:04o}",
            "uid": self.uid,
            "gid": self.gid,
        }


@dataclass(frozen=True)
class Result:
    """The verdict on one check.

    :param id: the check, as C(1.2.5).
    :param status: verdict on what is in force, one of C(STATUSES).
    :param message: the reason in one sentence.
    :param literal: verdict by the benchmark's own words, where these and the intent part; empty when they agree.
    :param fixes: for checks of files.
    """

    id: str
    status: str
    message: str
    evidence: tuple[Evidence, ...] = ()
    literal: str = ""
    fixes: tuple[FileFix, ...] = field(default=())

    def __post_init__(self) -> None:
        """Refuse a verdict that no report knows: a mistake of this collection."""
        if self.status not in STATUSES or (self.literal and self.literal not in STATUSES):
            raise ValueError(f"{self.id}: unknown status {self.status!r} or {self.literal!r}")

    def to_dict(self) -> dict[str, t.Any]:
        """As modules return it."""
        return {
            "id": self.id,
            "status": self.status,
            "literal": self.literal or self.status,
            "message": safe_text(self.message),
            "evidence": [evidence.to_dict() for evidence in self.evidence],
            "fixes": [fix.to_dict() for fix in self.fixes],
        }


def worst(statuses: t.Iterable[str]) -> str:
    """The verdict on several things together: the worst of theirs, C(not_applicable) when there are none."""
    found = set(statuses)
    return next((status for status in STATUSES if status in found), NOT_APPLICABLE)


def sort_key(check_id: str) -> tuple[int, ...]:
    """Order of ids: 1.2.9 before 1.2.10."""
    return tuple(int(part) for part in check_id.split("."))
