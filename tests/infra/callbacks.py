# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The callbacks of Ansible that are of the tests alone."""

from __future__ import annotations

from pathlib import Path

_DIRECTORY = Path(__file__).parent / "callback_plugins"


def enabled(name: str, value: str) -> dict[str, str]:
    """Environment of a run that has one of them.

    :param name: of the callback.
    :param value: what it reads from the variable of its name in capitals.
    """
    return {
        "ANSIBLE_CALLBACK_PLUGINS": str(_DIRECTORY),
        "ANSIBLE_CALLBACKS_ENABLED": name,
        name.upper(): value,
    }
