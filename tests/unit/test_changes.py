# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What git tells about recent commits, in whole, shallow and missing histories."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests import changes

DAY = 24 * 3600
NEWEST = 1_790_000_000


def git(repo: Path, *args: str, at: int = NEWEST) -> str:
    identity = {
        "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@b",
        "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@b",
    }
    moment = {
        "GIT_AUTHOR_DATE": f"@{at} +0000",
        "GIT_COMMITTER_DATE": f"@{at} +0000",
        "GIT_CONFIG_GLOBAL": "/dev/null",
    }
    done = subprocess.run(
        ["git", *args],
        cwd=repo,
        env={"PATH": "/usr/bin:/bin", **identity, **moment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def commit(repo: Path, name: str, at: int) -> str:
    file = repo / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(str(at), encoding="utf-8")
    git(repo, "add", "--all")
    git(repo, "commit", "--quiet", "--message", name, at=at)
    return git(repo, "rev-parse", "HEAD")


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    path = tmp_path / "repo"
    path.mkdir()
    git(path, "init", "--quiet", "--initial-branch=main")
    commit(path, "roles/old/main.yml", NEWEST - 3 * DAY)
    commit(path, "roles/a/main.yml", NEWEST - DAY + 60)
    commit(path, "docs/b.md", NEWEST)
    return path


def test_recent_is_counted_from_the_newest_commit(repo: Path) -> None:
    found = changes.read(repo)
    assert found.files == {"roles/a/main.yml", "docs/b.md"}
    assert found.commit == git(repo, "rev-parse", "HEAD")
    assert not found.note


def test_what_is_not_committed_counts_too(repo: Path) -> None:
    (repo / "roles/old/main.yml").write_text("changed", encoding="utf-8")
    (repo / "new.py").write_text("", encoding="utf-8")
    assert {"roles/old/main.yml", "new.py"} <= changes.read(repo).files


@pytest.mark.parametrize(("depth", "expected"), [(1, set()), (2, {"docs/b.md"})])
def test_a_shallow_clone_does_not_count_all_files(
    depth: int, expected: set[str], repo: Path, tmp_path: Path
) -> None:
    git(tmp_path, "clone", "--quiet", f"--depth={depth}", f"file://{repo}", "shallow")
    found = changes.read(tmp_path / "shallow")
    assert found.files == expected
    assert "shallow" in found.note
    assert found.commit == git(repo, "rev-parse", "HEAD")


def test_without_a_history_nothing_counts(tmp_path: Path) -> None:
    found = changes.read(tmp_path)
    assert (found.commit, found.files) == ("", frozenset())
    assert "nothing counts as changed" in found.note
    git(tmp_path, "init", "--quiet")
    assert "nothing counts as changed" in changes.read(tmp_path).note


@pytest.mark.parametrize(
    ("log", "boundary", "expected"),
    [
        ("", (), (set(), False)),
        ("commit a\n\nx\ny\n\ncommit b\n\nz\n", (), ({"x", "y", "z"}, False)),
        ("commit a\n\nx\n\ncommit b\n\nz\n", ("b",), ({"x"}, True)),
        ("commit a\n\nx\n", ("b",), ({"x"}, False)),
        # A merge lists nothing, and a name with odd characters is quoted.
        ('commit m\ncommit a\n\n"d \\303\\244"\n', (), ({"d \\303\\244"}, False)),
    ],
)
def test_log(log: str, boundary: tuple[str, ...], expected: tuple[set[str], bool]) -> None:
    assert changes.parse_log(log, boundary) == expected
