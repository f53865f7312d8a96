# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""The verdict on a check, and its evidence."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field

from ansible_collections.baremetal.kubernetes.plugins.module_utils._redact import redact as redact_all

PASS = "pass"  # noqa: S105 - a verdict
FAIL = "fail"
MANUAL = "manual"
NOT_APPLICABLE = "not_applicable"
ERROR = "error"
#: Only the report gives it: a failure that an exemption covers.
EXEMPT = "exempt"

#: Verdicts that a module may give, from the worst to the best.
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
    """The text without keys and tokens."""
    text = _PEM.sub(lambda match: f"({match.group(1).lower()}, not shown)", text)
    text = _BEARER.sub("(token, not shown)", text)
    text = _BOOTSTRAP_TOKEN.sub(r"\1.(not shown)", text)
    return redact_all(_NAMED_SECRET.sub(r"\1\2(not shown)", text))


def safe_text(value: t.Any) -> str:
    """A value as a report may show it: without keys and tokens, and shortened."""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = redact("" if value is None else str(value))
    return text if len(text) <= _LONGEST_TEXT else text[:_LONGEST_TEXT] + f"... ({len(text)} characters)"


@dataclass(frozen=True)
class Evidence:
    """One observation.

    :param source: a path, C(process kube-apiserver), C(/configz of the kubelet), or a path of the API.
    :param key: what was read from it: a flag, a dotted field, C(mode), C(owner).
    :param observed: what was found; secrets are redacted before it is returned.
    :param expected: what passes, in a few words.
    :param status: verdict on this observation, C(pass) or C(fail); empty for mere information.
    :param subject: the object of the cluster that it is about, C(Kind/name) or C(Kind/namespace/name); a Pod is
        named by the workload that owns it. Exemptions match on it.
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
    """A fix of the mode or the owner of a file on the host.

    :param mode: permission bits. :param uid: numeric user. :param gid: numeric group. C(None) keeps each.
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
    :param status: effective verdict, one of C(STATUSES).
    :param message: the reason in one sentence.
    :param literal: literal verdict, by the wording of the benchmark; empty when it is the effective one.
    :param fixes: for checks of files.
    """

    id: str
    status: str
    message: str
    evidence: tuple[Evidence, ...] = ()
    literal: str = ""
    fixes: tuple[FileFix, ...] = field(default=())

    def __post_init__(self) -> None:
        """Refuse an unknown verdict: a bug of this collection."""
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
    """The worst of several verdicts, C(not_applicable) when there are none."""
    found = set(statuses)
    return next((status for status in STATUSES if status in found), NOT_APPLICABLE)


def sort_key(check_id: str) -> tuple[int, ...]:
    """Order of ids: 1.2.9 before 1.2.10."""
    return tuple(int(part) for part in check_id.split("."))
