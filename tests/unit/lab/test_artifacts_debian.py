# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

from lab.artifacts import debian
from lab.artifacts.catalogue import Tree


def test_commands_run_in_the_tree_before_anything_is_removed() -> None:
    tree = Tree(
        "t",
        "trixie",
        "essential",
        ("busybox", "curl"),
        run=("echo 'a b' >>/etc/x", "true"),
        remove=("var/log/*",),
    )

    command = debian.tree_command(tree, Path("/t.tar"), "http://mirror.invalid/debian")

    assert [text for text in command if text.startswith("--customize-hook=")] == [
        """--customize-hook=chroot "$1" sh -ec 'echo '"'"'a b'"'"' >>/etc/x'""",
        """--customize-hook=chroot "$1" sh -ec true""",
        """--customize-hook=cd "$1" && rm -rf -- var/log/*""",
    ]
    assert "--include=busybox,curl" in command
    assert command[-3:] == ["trixie", "/t.tar", "http://mirror.invalid/debian"]


def test_a_tree_without_them_needs_no_hook() -> None:
    command = debian.tree_command(Tree("t", "trixie", "minbase", ("bash",)), Path("/t.tar"), None)

    assert not [text for text in command if text.startswith("--customize-hook=")]
    assert command[-2:] == ["trixie", "/t.tar"]
