# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Adding releases to the lock file."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests import releases

A, B = "a" * 64, "b" * 64
TEXT = releases.LOCK.read_text(encoding="utf-8")


def test_a_release_of_kubernetes_is_added_and_nothing_else_changes() -> None:
    asked: list[str] = []

    def fetch(url: str) -> str:
        asked.append(url)
        return A if "amd64" in url else f"{B}\n"

    text = releases.add(TEXT, "kubernetes", "9.9.9", fetch, None)

    assert asked[0] == "https://dl.k8s.io/release/v9.9.9/bin/linux/amd64/kubeadm.sha256"
    before, after = yaml.safe_load(TEXT), yaml.safe_load(text)
    for name in releases.KUBERNETES:
        expected = {"amd64": f"sha256:{A}", "arm64": f"sha256:{B}"}
        assert after["cluster_releases"][name]["checksums"].pop("9.9.9") == expected
    assert after == before
    removed = set(TEXT.splitlines()) - set(text.splitlines())
    assert not removed
    assert releases.add(text, "kubernetes", "9.9.9", fetch, None) == text


def test_other_checksums_of_the_same_release_are_refused() -> None:
    with pytest.raises(releases.ReleaseError, match="other checksums already"):
        releases.add(TEXT, "kubelet", "1.36.4", lambda _url: A, None)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (A, True),
        (f"{A}  runc.amd64\n{B}  runc.arm64\n", True),
        (f"{A} *runc.amd64\n", True),
        (f"{A}  runc.arm64\n{B}  libseccomp.tar.gz\n", False),
        ("404 page not found", False),
    ],
)
def test_what_projects_publish(text: str, found: bool) -> None:
    if found:
        assert releases.checksum_in(text, "runc.amd64") == f"sha256:{A}"
        return
    with pytest.raises(releases.ReleaseError, match=r"no SHA-256 of runc\.amd64"):
        releases.checksum_in(text, "runc.amd64")


def test_checksums_may_come_from_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lock, source = tmp_path / "releases.yml", tmp_path / "checksums.yml"
    lock.write_text(TEXT, encoding="utf-8")
    source.write_text(f"cilium_chart: {{9.9.9: {{noarch: sha256:{A}}}}}\n", encoding="utf-8")

    assert releases.main(["cilium_chart", "9.9.9", "--from", str(source)], lock=lock) == 0
    assert f'"9.9.9":\n        noarch: sha256:{A}\n' in lock.read_text(encoding="utf-8")
    assert releases.main(["helm", "9.9.9", "--from", str(source)], lock=lock) == 1
    assert "helm 9.9.9: not in the file" in capsys.readouterr().err


def test_what_cannot_be_asked_for_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lock = tmp_path / "releases.yml"
    lock.write_text(TEXT, encoding="utf-8")
    for arguments, word in ((["cilium_chart", "9.9.9"], "--from"), (["other", "1"], "no component other")):
        assert releases.main(arguments, lock=lock) == 1
        assert word in capsys.readouterr().err
    assert lock.read_text(encoding="utf-8") == TEXT
