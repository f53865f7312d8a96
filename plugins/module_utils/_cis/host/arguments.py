# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Parse a command line as the programs of Kubernetes and etcd do.

Their flags are Go's: one or two dashes, C(--name=value) or C(--name value), a bare C(--name) for a boolean, C(--)
ends them. The last value of a repeated flag counts; those of list flags add up (spf13/pflag, C(flag.go)).
"""

from __future__ import annotations

import re
import typing as t

_TRUE = frozenset({"1", "t", "true", "TRUE", "True", "T"})
# A value that begins with a dash: standard output, or a negative number.
_VALUE = re.compile(r"-(?:\d|$)")
_FALSE = frozenset({"0", "f", "false", "FALSE", "False", "F"})


def truth_of(value: str, name: str) -> bool:
    """A boolean as Go parses it. :raises ValueError: when it is none."""
    if value in _TRUE:
        return True
    if value in _FALSE:
        return False
    raise ValueError(f"{name}={value} is not a boolean")


class Arguments:
    """The flags of a command line.

    :param argv: all of it, the program first.
    :param booleans: names of boolean flags: in C(--name word) the word is not their value.
    """

    def __init__(self, argv: t.Sequence[str], booleans: t.Iterable[str] = ()) -> None:
        self._values: dict[str, list[str]] = {}
        bare = {self._normal(name) for name in booleans}
        words = list(argv[1:])
        while words:
            word = words.pop(0)
            if word == "--":
                break
            if not word.startswith("-") or word == "-":
                continue
            name, equals, value = word.lstrip("-").partition("=")
            name = self._normal(name)
            if not equals:
                follows = bool(words) and (not words[0].startswith("-") or bool(_VALUE.match(words[0])))
                value = words.pop(0) if follows and name not in bare else "true"
            self._values.setdefault(name, []).append(value)

    @staticmethod
    def _normal(name: str) -> str:
        # component-base normalizes underscores in flag names.
        return name.lstrip("-").replace("_", "-")

    def __contains__(self, name: str) -> bool:
        return self._normal(name) in self._values

    def all(self, name: str) -> tuple[str, ...]:
        """All values, in order."""
        return tuple(self._values.get(self._normal(name), ()))

    def last(self, name: str) -> str | None:
        """The effective value of a flag, C(None) when it is not set."""
        values = self.all(name)
        return values[-1] if values else None

    def words(self, name: str) -> tuple[str, ...]:
        """Items of a flag with a comma-separated list."""
        return tuple(word.strip() for value in self.all(name) for word in value.split(",") if word.strip())

    def truth(self, name: str) -> bool | None:
        """Value of a boolean flag, C(None) when it is not set.

        :raises ValueError: when it is invalid; the program would not have started.
        """
        value = self.last(name)
        return None if value is None else truth_of(value, f"--{self._normal(name)}")

    def mapping(self, name: str) -> dict[str, str]:
        """Pairs of a flag such as C(--feature-gates=A=true,B=false); the last value of a name counts."""
        pairs = (word.partition("=") for word in self.words(name))
        return {key.strip(): value.strip() for key, _equals, value in pairs}
