# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""basic_auth_password: passwords are generated once, and hashes follow them."""

from __future__ import annotations

import json
import stat
import typing as t
from pathlib import Path

import bcrypt
import pytest
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._metrics import password as passwords

from tests.unit.support.modules import RunAction


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_password_is_generated_once(tmp_path: Path, run_action: RunAction) -> None:
    path = tmp_path / "new/metrics/prometheus.password"
    hashed = Path(f"{path}.bcrypt")
    predicted = run_action("basic_auth_password", {"paths": [str(path)]}, check=True)
    assert predicted["reasons"] == {str(path): ["there is no password"]}
    assert predicted["changed"] and not path.parent.exists()

    first = run_action("basic_auth_password", {"paths": [str(path)]})
    secret = path.read_text().rstrip("\n")
    assert first["changed"] and len(secret) >= 40
    assert [mode(one) for one in (path, hashed, path.parent, path.parent.parent)] == [
        0o600,
        0o600,
        0o700,
        0o700,
    ]
    assert bcrypt.checkpw(secret.encode(), hashed.read_bytes().strip())
    assert secret not in json.dumps(first) and hashed.read_text().strip() not in json.dumps(first)

    kept = hashed.read_bytes()
    assert not run_action("basic_auth_password", {"paths": [str(path)]})["changed"]
    assert (path.read_text().rstrip("\n"), hashed.read_bytes()) == (secret, kept)


@pytest.mark.parametrize("damage", ["changed", "nonsense", "missing"])
def test_the_hash_follows_the_password(damage: str, tmp_path: Path, run_action: RunAction) -> None:
    path = tmp_path / "prometheus.password"
    hashed = Path(f"{path}.bcrypt")
    args: dict[str, t.Any] = {"paths": [str(path)]}
    run_action("basic_auth_password", args)
    if damage == "changed":
        path.write_text("of-the-site\n")
    elif damage == "nonsense":
        hashed.write_text("nonsense\n")
    else:
        hashed.unlink()
    result = run_action("basic_auth_password", args)
    assert result["reasons"] == {str(path): ["there is no hash of this password"]}
    assert bcrypt.checkpw(path.read_bytes().rstrip(b"\n"), hashed.read_bytes().strip())
    assert not run_action("basic_auth_password", args)["changed"]


@pytest.mark.parametrize("content", [b"", b"\n", b"two\nlines\n", b"x" * 73, b"a\0b\n"])
def test_unusable_passwords_are_refused(content: bytes, tmp_path: Path, run_action: RunAction) -> None:
    path, other = tmp_path / "prometheus.password", tmp_path / "agent.password"
    path.write_bytes(content)
    path.chmod(0o600)
    result = run_action("basic_auth_password", {"paths": [str(other), str(path)]})
    assert result["failed"] and str(path) in result["msg"] and "1 to 72 bytes" in result["msg"]
    assert path.read_bytes() == content and not other.exists()


def test_a_password_that_others_may_read_is_refused(tmp_path: Path, run_action: RunAction) -> None:
    path = tmp_path / "prometheus.password"
    path.write_text("of-the-site\n")
    path.chmod(0o644)
    result = run_action("basic_auth_password", {"paths": [str(path)]})
    assert result["failed"] and "0644" in result["msg"] and "of-the-site" not in json.dumps(result)


def test_what_cannot_be_written(tmp_path: Path, run_action: RunAction) -> None:
    (tmp_path / "file").write_text("")
    result = run_action("basic_auth_password", {"paths": [str(tmp_path / "file/prometheus.password")]})
    assert result["failed"] and "cannot be read or written on the controller" in result["msg"]


def test_without_the_library(tmp_path: Path, run_action: RunAction, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "BCRYPT_ERROR", "ImportError: no bcrypt")
    result = run_action("basic_auth_password", {"paths": [str(tmp_path / "x")]})
    assert result["failed"] and "bcrypt" in result["msg"]
