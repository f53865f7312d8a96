# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Replacing files as one change, and the files of the option."""

from __future__ import annotations

import json
import os
import shutil
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


class PowerLossError(Exception):
    """The machine is off."""


def test_power_loss_at_any_moment_of_a_rollback(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever was done by then, the next run puts the same contents back, or has nothing to put back."""
    (host / "etc/b").write_text("old b")
    files = [desired("/etc/a", "new a"), desired("/etc/b", "new b"), desired("/etc/c", "new c")]
    calls = {name: getattr(os, name) for name in ("replace", "unlink", "rmdir", "rename")}
    moments = 0
    for moment in range(40):
        change = transaction.Transaction(str(host))
        change.begin(files)
        for item in files:
            change.place(item)
        count = 0

        def counted(name: str, moment: int = moment) -> t.Callable[..., t.Any]:
            def call(*args: t.Any, **more: t.Any) -> t.Any:
                nonlocal count
                count += 1
                if count > moment:
                    raise PowerLossError
                return calls[name](*args, **more)

            return call

        with monkeypatch.context() as patched:
            for name in calls:
                patched.setattr(os, name, counted(name))
            # rmtree has no order: the journal may be the last to go.
            patched.setattr(shutil, "rmtree", lambda path, **_more: remove_tree(path))
            try:
                change.restore()
            except PowerLossError:
                moments += 1
        later = transaction.Transaction(str(host))
        later.check(later.pending)
        later.restore()
        assert (host / "etc/a").read_text() == "old a"
        assert (host / "etc/b").read_text() == "old b"
        assert not (host / "etc/c").exists()
        assert transaction.Transaction(str(host)).pending == frozenset()
    assert 4 < moments < 40


def remove_tree(path: str) -> None:
    names = sorted(os.listdir(path), key=lambda name: name == "journal.json")
    for name in names:
        os.unlink(os.path.join(path, name))
    os.rmdir(path)


def interrupted(host: Path) -> Path:
    """The directory of a run that was killed after it replaced a file."""
    change = transaction.Transaction(str(host))
    change.begin([desired("/etc/a", "new a")])
    change.place(desired("/etc/a", "new a"))
    return host / transaction.STATE.lstrip("/") / "pending"


def test_saved_contents_that_are_gone_are_one_error_before_anything_changes(host: Path) -> None:
    pending = interrupted(host)
    for path in pending.iterdir():
        if path.name != "journal.json":
            path.unlink()
    with pytest.raises(plan.KubeadmError, match=r"\(/etc/a\).*incomplete.*Nothing was changed") as caught:
        transaction.Transaction(str(host)).begin([desired("/etc/a", "newer")])
    assert f"move {pending} away" in caught.value.next_step
    assert (host / "etc/a").read_text() == "new a"
    # A run that does not change this file does not need them.
    later = transaction.Transaction(str(host))
    later.begin([desired("/etc/b", "b")])
    later.commit()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"files": []}',
        '{"files": {"/etc/a": {}}}',
        '{"files": {"/etc/a": {"backup": "x"}}}',
    ],
)
def test_a_journal_that_cannot_be_read_is_one_error(host: Path, text: str) -> None:
    (interrupted(host) / "journal.json").write_text(text)
    with pytest.raises(plan.KubeadmError, match=r"journal\.json cannot be read"):
        transaction.Transaction(str(host))


def test_names_of_a_journal_stay_in_its_directory(host: Path) -> None:
    pending = interrupted(host)
    (host / "secret").write_text("secret")
    entry = {"backup": "../../../../../secret", "mode": 0o644, "uid": os.getuid(), "gid": os.getgid()}
    (pending / "journal.json").write_text(json.dumps({"files": {"/etc/a": entry}}))
    with pytest.raises(plan.KubeadmError, match="incomplete"):
        transaction.Transaction(str(host)).begin([desired("/etc/a", "x")])


def test_what_cannot_be_put_back_is_named_and_stays_saved(
    host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted(host)
    (host / "etc/b").write_text("old b")
    change = transaction.Transaction(str(host))
    files = [desired("/etc/a", "newer a"), desired("/etc/b", "new b")]
    change.begin(files)
    for item in files:
        change.place(item)

    def full(path: str, *args: t.Any) -> None:
        if path.endswith("/a"):
            raise OSError(28, "No space left on device")
        files_write(path, *args)

    files_write = transaction.write_atomic
    with monkeypatch.context() as patched:
        patched.setattr(transaction, "write_atomic", full)
        with pytest.raises(plan.KubeadmError, match=r"/etc/a \(No space left on device\)"):
            change.restore()
    assert (host / "etc/b").read_text() == "old b"
    assert transaction.Transaction(str(host)).restore() == ["/etc/a"]
    assert (host / "etc/a").read_text() == "old a"


def test_a_full_disk_stops_a_transaction_before_it_begins(
    host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: t.Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(transaction, "write_atomic", full)
    with pytest.raises(plan.KubeadmError, match=r"cannot be saved in .*No space left.*Nothing was changed"):
        transaction.Transaction(str(host)).begin([desired("/etc/a", "x")])


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
