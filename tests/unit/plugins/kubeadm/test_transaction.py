# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Replacing files as one change, and the files of the option."""

from __future__ import annotations

import stat
import typing as t
from pathlib import Path

import pytest
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm import declared, plan, transaction


def desired(path: str, text: str, **more: t.Any) -> plan.DesiredFile:
    return plan.DesiredFile(path, text.encode(), **more)


@pytest.fixture
def host(tmp_path: Path) -> Path:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/a").write_text("old a")
    (tmp_path / "etc/a").chmod(0o640)
    return tmp_path


def test_transaction_puts_everything_back(host: Path) -> None:
    files = [desired("/etc/a", "new a"), desired("/etc/sub/b", "new b", mode=0o644)]
    change = transaction.Transaction(str(host))
    change.begin(files)
    for item in files:
        change.place(item)
    assert (host / "etc/a").read_text() == "new a"
    assert stat.S_IMODE((host / "etc/a").stat().st_mode) == 0o640
    assert stat.S_IMODE((host / "etc/sub/b").stat().st_mode) == 0o644

    # Killed here: the next run knows what is pending, and what was there before the first.
    later = transaction.Transaction(str(host))
    assert later.pending == {"/etc/a", "/etc/sub/b"}
    again = [desired("/etc/a", "newer a"), files[1]]
    later.begin(again)
    later.place(again[0])
    assert sorted(later.restore()) == ["/etc/a", "/etc/sub/b"]
    assert (host / "etc/a").read_text() == "old a"
    assert stat.S_IMODE((host / "etc/a").stat().st_mode) == 0o640
    assert not (host / "etc/sub/b").exists()
    assert transaction.Transaction(str(host)).pending == frozenset()


def test_transaction_keeps_a_few_private_backups(host: Path) -> None:
    for number in range(7):
        change = transaction.Transaction(str(host))
        change.begin([desired("/etc/a", f"{number}")])
        change.place(desired("/etc/a", f"{number}"))
        change.commit()
        kept = host / transaction.STATE.lstrip("/") / "backups"
        # One process makes one backup a second at most; here they are renamed.
        for entry in list(kept.iterdir()):
            if not entry.name.startswith("k"):
                entry.rename(kept / f"k{number}")
    assert len(list(kept.iterdir())) <= 6
    assert stat.S_IMODE(kept.stat().st_mode) == 0o700
    assert transaction.Transaction(str(host)).pending == frozenset()


def test_files_that_a_later_run_does_not_change_are_not_put_back(host: Path) -> None:
    change = transaction.Transaction(str(host))
    change.begin([desired("/etc/a", "new a")])
    change.place(desired("/etc/a", "new a"))
    later = transaction.Transaction(str(host))
    later.begin([desired("/etc/b", "b")])
    later.place(desired("/etc/b", "b"))
    assert later.restore() == ["/etc/b"]
    assert (host / "etc/a").read_text() == "new a"


@pytest.mark.parametrize(
    ("item", "word"),
    [
        ({"path": "relative"}, "absolute"),
        ({"path": "/etc/kubernetes/manifests/x.yaml"}, "outside"),
        ({"path": "/x", "mode": "rw"}, "mode"),
        ({"path": "/x", "owner": "no-such-user"}, "no-such-user"),
    ],
)
def test_unusable_files_are_refused(item: dict[str, t.Any], word: str) -> None:
    with pytest.raises(plan.KubeadmError, match=word):
        declared.desired_files([{"content": "x", **item}])


def test_files_of_the_option() -> None:
    (found,) = declared.desired_files(
        [{"path": "/etc//x/../p", "content": "c", "mode": "640", "secret": False}]
    )
    assert (found.path, found.content, found.mode, found.secret) == ("/etc/p", b"c", 0o640, False)
