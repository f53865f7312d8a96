# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian packages of the machine."""

from __future__ import annotations

import pytest

from lab import packages


def test_packages_that_are_half_installed_count_as_missing() -> None:
    listing = "mmdebstrap installed\ndnsmasq-base config-files\n"
    assert packages.missing_packages(["mmdebstrap", "dnsmasq-base", "socat", "socat"], listing) == [
        "dnsmasq-base",
        "socat",
    ]


def test_present_packages_need_no_apt(monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[str] = []

    def fake(argv: list[str], **_: object) -> object:
        commands.append(argv[0])

        class Done:
            stdout = "".join(f"{name} installed\n" for name in packages.HOSTS)
            returncode = 0

        return Done()

    monkeypatch.setattr(packages, "run", fake)
    packages.install(packages.HOSTS)
    assert commands == ["dpkg-query"]


def test_stale_lists_are_renewed_before_installing(monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []

    def fake(argv: list[str], **_: object) -> object:
        commands.append(argv)

        class Done:
            stdout = ""
            returncode = 0

        return Done()

    monkeypatch.setattr(packages, "run", fake)
    monkeypatch.setattr(packages, "_lists_old", lambda: True)
    packages.install(packages.HOSTS)
    assert [c[:2] for c in commands[1:]] == [["apt-get", "update"], ["apt-get", "install"]]
    assert "--no-install-recommends" in commands[-1]
