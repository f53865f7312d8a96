# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Read dictionaries of an inventory key by key, and say what is wrong without quoting what may be a secret. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._options.convert import shown

#: What is wrong with a text, empty when nothing is; otherwise what is expected.
Form = t.Callable[[str], str]


class GivenError(Exception):
    """What is wrong with one entry of an inventory."""


def _kind(value: t.Any) -> str:
    """What a value is, without the value."""
    names = {dict: "a dictionary", list: "a list", str: "text", bool: "a boolean", type(None): "empty (null)"}
    return names.get(type(value), "a number" if isinstance(value, (int, float)) else type(value).__name__)


class Given:
    """A dictionary of an inventory.

    :param value: what is there. :param where: its place, for messages; empty for the entry itself.
    :param known: the keys that it may have.
    :raises GivenError: when it is no dictionary, or has another key.
    """

    def __init__(self, value: t.Any, where: str, known: t.Sequence[str]) -> None:
        if not isinstance(value, dict):
            raise GivenError(f"{where or 'it'} is {_kind(value)}, expected a dictionary")
        self._value = value
        self._where = where
        for key in value:
            if key not in known:
                place = f"{where} has" if where else "it has"
                raise GivenError(f"{place} the key {shown(key)}, expected {one_of(known)}")

    def __contains__(self, key: str) -> bool:
        return key in self._value

    def place(self, key: str) -> str:
        """What messages call the value of a key."""
        return f"{self._where}.{key}" if self._where else key

    def raw(self, key: str, default: t.Any = None) -> t.Any:
        """The value of a key as it is."""
        return self._value.get(key, default)

    def text(self, key: str, form: Form | None = None, default: str | None = None) -> str:
        """The text of a key.

        :param form: of the text. :param default: where the key is missing; C(None) when it must be there.
        :raises GivenError: when it is missing, empty, no text, or of another form. The message has the text.
        """
        if key not in self._value and default is not None:
            return default
        found = self._value.get(key)
        expected = "text" if not isinstance(found, str) or not found else form(found) if form else ""
        if expected:
            raise GivenError(f"{self.place(key)} is {self._found(key)}, expected {expected}")
        return str(found)

    def secret(self, key: str, form: Form | None = None) -> str:
        """The text of a key that no message may have.

        :param form: what is wrong with it, in words without it.
        :raises GivenError: as C(text).
        """
        found = self._value.get(key)
        if not isinstance(found, str) or not found:
            told = _kind(found) if found != "" else "empty"
            raise GivenError(
                f"{self.place(key)} is {told if key in self._value else 'missing'}, expected text"
            )
        if form and (expected := form(found)):
            raise GivenError(f"{self.place(key)} is not of the right form, expected {expected}")
        return found

    def number(self, key: str, default: int, least: int, most: int) -> int:
        """The whole number of a key.

        :param least: :param most: both included.
        :raises GivenError: for anything else.
        """
        found = self._value.get(key, default)
        if isinstance(found, bool) or not isinstance(found, int) or not least <= found <= most:
            raise GivenError(
                f"{self.place(key)} is {shown(found)}, expected a whole number from {least} to {most}"
            )
        return found

    def texts(self, key: str, form: Form) -> tuple[str, ...]:
        """The texts of a key's list, none where it is missing.

        :raises GivenError: for an empty list, the same text twice, and what is of another form.
        """
        if key not in self._value:
            return ()
        found = self._value[key]
        if not isinstance(found, list) or not found:
            raise GivenError(f"{self.place(key)} is {shown(found)}, expected a list with at least one entry")
        for number, one in enumerate(found):
            expected = form(one) if isinstance(one, str) and one else "text"
            if expected:
                raise GivenError(f"{self.place(key)} has {shown(one)}, expected {expected}")
            if one in found[:number]:
                raise GivenError(f"{self.place(key)} has {shown(one)} twice, expected it once")
        return tuple(found)

    def only(self, keys: t.Sequence[str]) -> str:
        """The one key of several that is there.

        :raises GivenError: when none or more than one is.
        """
        found = [key for key in keys if key in self._value]
        if len(found) != 1:
            told = " and ".join(found) if found else f"none of {', '.join(keys)}"
            raise GivenError(f"{self._where or 'it'} has {told}, expected exactly one of {one_of(keys)}")
        return found[0]

    def _found(self, key: str) -> str:
        return shown(self._value[key]) if key in self._value else "missing"


def one_of(words: t.Sequence[str]) -> str:
    """Words as a message lists them."""
    return f"{', '.join(words[:-1])} or {words[-1]}" if len(words) > 1 else "".join(words)
