# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""What the roles of the collection specify, and whether the values of an inventory fit."""

from __future__ import annotations

import typing as t
from pathlib import Path

import yaml
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._options import forms
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._options.convert import (
    ConversionError,
    Entries,
    convert,
    shown,
)

ROLES = Path(__file__).resolve().parents[3] / "roles"
#: libyaml where PyYAML has it: the files of all roles take 10 ms instead of 150.
_LOADER: t.Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Option = t.Mapping[str, t.Any]


def load(roles: Path = ROLES) -> dict[str, Option]:
    """Every option of every role."""
    options: dict[str, Option] = {}
    for path in sorted(roles.glob("*/meta/argument_specs.yml")):
        document = yaml.load(path.read_bytes(), Loader=_LOADER)  # noqa: S506 - a safe loader, of our own files
        for entry_point in document["argument_specs"].values():
            options |= entry_point.get("options") or {}
    return options


def entries_of(option: Option) -> Entries:
    """The second argument of C(convert) for an option."""
    if option.get("type") != "list":
        return ""
    kinds = {
        key: inner["type"]
        for key, inner in (option.get("options") or {}).items()
        if inner.get("type", "str") not in {"str", "raw"}
    }
    return kinds or str(option.get("elements", "str"))


def _text_problem(value: t.Any) -> str:
    """Why a value is no text; empty for text."""
    if isinstance(value, str):
        return ""
    if isinstance(value, (bool, int, float)):
        return "text: put it in quotes, in an INI inventory in two kinds of them (\"'...'\")"
    return "text; an empty one is written as ''" if value is None else "text"


def problem(name: str, value: t.Any, option: Option) -> str:
    """What is wrong with the value of an option: name, what was found and what was expected. Empty when nothing is."""
    kind = option.get("type", "str")
    if kind in {"str", "path"}:
        expected = _text_problem(value)
        if expected:
            return f"{name} is {shown(value)}, expected {expected}"
    try:
        made = convert(value, kind, entries_of(option))
    except ConversionError as exc:
        inside = f" ({exc.where})" if exc.where else ""
        return f"{name} is {exc.found}{inside}, expected {exc.expected.replace('NAME', name)}"
    choices = option.get("choices")
    for item in made if isinstance(made, list) else [made]:
        if choices and item not in choices:
            return f"{name} is {shown(value)}, expected {' or '.join(map(str, choices))}"
    wrong = forms.problem(name, made)
    return f"{name} is {shown(wrong[0])}, expected {wrong[1]}" if wrong else ""
