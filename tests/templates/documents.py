# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Objects of the API that a role renders for a site, as `test_rendering.DOCUMENTS` names them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

Objects = dict[str, dict[str, Any]]


def listed(directory: Path, document: str) -> list[dict[str, Any]]:
    """The objects of a document, in their order.

    :param directory: of a site, from the fixture ``rendered``.
    """
    found = yaml.safe_load((directory / f"{document}.document").read_text(encoding="utf-8"))
    assert isinstance(found, list)
    return found


def named(directory: Path, document: str) -> Objects:
    """The objects of a document by kind and name, which are there once."""
    objects = listed(directory, document)
    found = {f"{one['kind']} {one['metadata']['name']}": one for one in objects}
    assert len(found) == len(objects)
    return found
