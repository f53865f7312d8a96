# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Read the configuration of a program that the collection runs on a host: one JSON object with known fields."""

from __future__ import annotations

import json
import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError


def parse(text: str, fields: t.Mapping[str, type]) -> dict[str, t.Any]:
    """The object.

    :param fields: name -> type of each.
    :raises OperatorError: when it has not exactly these fields.
    """
    try:
        document = json.loads(text)
    except ValueError as exc:
        raise OperatorError(f"It is not JSON: {exc}.") from exc
    if not isinstance(document, dict) or set(document) != set(fields):
        raise OperatorError(f"Expected an object with {', '.join(sorted(fields))}.")
    for name, kind in fields.items():
        value = document[name]
        # To Python, true and false are integers.
        if not isinstance(value, kind) or isinstance(value, bool):
            raise OperatorError(f"{name} is {value!r}, expected a {kind.__name__}.")
    return document
