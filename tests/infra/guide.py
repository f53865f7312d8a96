# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the guides tell people to write, so that tests use just that."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

DOCS = Path(__file__).resolve().parents[2] / "docs"
_BLOCK = re.compile(r"^```yaml\n(.*?)^```$", re.M | re.S)


def yaml_of(page: str) -> list[Any]:
    """The YAML documents of a guide, in their order.

    :param page: name of its file.
    """
    text = (DOCS / page).read_text(encoding="utf-8")
    return [one for block in _BLOCK.findall(text) for one in yaml.safe_load_all(block) if one]
