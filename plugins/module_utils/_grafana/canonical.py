# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""What a declared object and Grafana's one differ in, and what of an object is no difference.

Grafana adds defaults, ids and versions, and migrates dashboards to newer schemas. So an object is as declared when it
has all that is declared: what nobody declares is no difference. That somebody else has saved the object is seen by its
revision (C(mark)), not by its fields.
"""

from __future__ import annotations

import hashlib
import json
import typing as t
from dataclasses import dataclass

#: What a dashboard's JSON has beside its content: numbers of a database, and those that Grafana counts up.
VOLATILE = frozenset(
    {"id", "uid", "version", "schemaVersion", "iteration", "gnetId", "__inputs", "__elements", "__requires"}
)
#: Tags that mark own dashboards where nothing else can.
TAG_PREFIXES = ("managed-by:", "cluster:")
_MISSING = object()


@dataclass(frozen=True)
class Difference:
    """A declared value that Grafana has otherwise.

    :param path: where it is. :param found: in Grafana, as JSON. :param expected: as declared, as JSON.
    """

    path: str
    found: str
    expected: str

    def as_dict(self) -> dict[str, str]:
        """For the result of a module."""
        return {"path": self.path, "found": self.found, "expected": self.expected}


def canonical(spec: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """A dashboard, or another spec, with nothing that is not its content."""
    kept = {key: _plain(value) for key, value in spec.items() if key not in VOLATILE}
    if isinstance(kept.get("tags"), list):
        kept["tags"] = sorted(str(tag) for tag in kept["tags"] if not str(tag).startswith(TAG_PREFIXES))
    listed = kept.get("annotations")
    if isinstance(listed, dict) and isinstance(listed.get("list"), list):
        kept["annotations"] = {**listed, "list": [one for one in listed["list"] if not _built_in(one)]}
    elif isinstance(listed, list):
        kept["annotations"] = [one for one in listed if not _built_in(one)]
    return kept


def spec_hash(spec: t.Mapping[str, t.Any]) -> str:
    """A hash of what is declared. It is short, as it stands in tags and messages, and no secret."""
    text = json.dumps(canonical(spec), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def differences(desired: t.Mapping[str, t.Any], live: t.Mapping[str, t.Any]) -> tuple[Difference, ...]:
    """What is declared and is otherwise in Grafana."""
    return tuple(_compare("", canonical(desired), canonical(live)))


def projected(desired: t.Any, live: t.Any) -> t.Any:
    """What Grafana has of what is declared, to show beside it."""
    if isinstance(desired, dict) and isinstance(live, dict):
        return {key: projected(value, live[key]) for key, value in desired.items() if key in live}
    if isinstance(desired, list) and isinstance(live, list):
        return [projected(*pair) for pair in zip(desired, live)] + live[len(desired) :]
    return live


def _plain(value: t.Any) -> t.Any:
    """A value as JSON has it, whatever types Ansible gives it."""
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if isinstance(value, str):
        return str(value)
    return value


def _built_in(one: t.Any) -> bool:
    """Whether it is the query for annotations that Grafana adds to every dashboard, in schema v1 or v2."""
    if not isinstance(one, dict):
        return False
    spec = one.get("spec")
    return bool(one.get("builtIn") or (isinstance(spec, dict) and spec.get("builtIn")))


def _compare(path: str, desired: t.Any, live: t.Any) -> t.Iterator[Difference]:
    if isinstance(desired, dict) and isinstance(live, dict):
        for key, value in desired.items():
            yield from _compare(f"{path}.{key}" if path else key, value, live.get(key, _MISSING))
    elif isinstance(desired, list) and isinstance(live, list):
        for index, value in enumerate(desired):
            other = live[index] if index < len(live) else _MISSING
            yield from _compare(f"{path}[{index}]", value, other)
        for index in range(len(desired), len(live)):
            yield Difference(f"{path}[{index}]", _shown(live[index]), "nothing")
    elif not _same(desired, live):
        yield Difference(path, _shown(live), _shown(desired))


def _same(desired: t.Any, live: t.Any) -> bool:
    if live is _MISSING or live is None:
        # Grafana leaves out what is empty.
        return _void(desired)
    if isinstance(desired, bool) or isinstance(live, bool):
        return desired is live
    if desired is None:
        return live in ("", [], {})
    return bool(desired == live)


def _void(value: t.Any) -> bool:
    if isinstance(value, dict):
        return all(_void(one) for one in value.values())
    return not value


def _shown(value: t.Any) -> str:
    if value is _MISSING:
        return "nothing"
    text = json.dumps(value, sort_keys=True, default=str)
    return text if len(text) <= 200 else f"{text[:200]}..."
