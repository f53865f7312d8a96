# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Base root file systems: recipes, the command that builds them, and who uses them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lab import bases
from lab.bases import RECIPES, Recipe
from lab.config import LabError, Paths, settings
from lab.run import run

LISTING = """\
Other|Other|main|http://mirror.invalid/other/
Debian|Debian-Security|main|http://mirror.invalid/security/
Debian|Debian|non-free|http://mirror.invalid/nonfree/
Debian|Debian|main|http://mirror.invalid/debian/
Debian|Debian|main|http://second.invalid/debian/
"""


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return settings(
        {"BMK_LAB_STATE": str(tmp_path / "state"), "BMK_LAB_CACHE": str(tmp_path / "cache")}
    ).paths


def test_mirror_is_the_first_of_debians_main_archive() -> None:
    assert bases.parse_mirror(LISTING) == "http://mirror.invalid/debian"
    assert bases.parse_mirror("") is None


def test_name_changes_with_every_part_of_the_recipe() -> None:
    recipe = RECIPES["openrc"]
    others = [
        replace(recipe, packages=(*recipe.packages, "vim")),
        replace(recipe, files={**recipe.files, "etc/motd": "x"}),
        replace(recipe, links={"a": "b"}),
        replace(recipe, remove=()),
        replace(recipe, commands=()),
    ]
    assert len({r.name for r in [recipe, *others]}) == 6
    assert recipe.name.startswith("openrc-")


def test_command_names_mirror_only_when_there_is_one() -> None:
    recipe = Recipe("systemd", ("a", "b"))
    assert bases.mmdebstrap_command(recipe, Path("/t"), "http://mirror.invalid/d")[-3:] == [
        "trixie",
        "/t",
        "http://mirror.invalid/d",
    ]
    command = bases.mmdebstrap_command(recipe, Path("/t"), None)
    assert command[-2:] == ["trixie", "/t"]
    assert "--include=a,b" in command


def test_openrc_base_has_no_systemd() -> None:
    assert not [
        p
        for p in RECIPES["openrc"].packages
        if p.startswith(("systemd", "libpam-systemd")) and "standalone" not in p
    ]


@pytest.mark.parametrize(
    ("service", "provided"),
    [("checkroot.sh", "checkroot mtab"), ("mountkernfs.sh", "mountkernfs"), ("udev", "")],
)
def test_neutral_services_are_found_under_the_name_others_need(service: str, provided: str) -> None:
    script = RECIPES["openrc"].files["etc/init.d/checkroot.sh"]
    shell = f"RC_SVCNAME={service}\nprovide() {{ echo $*; }}\n{script}\ndepend"
    assert run(["sh", "-c", shell]).stdout.strip() == provided


def test_customise(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/key_1").touch()
    # Leads somewhere only within the root.
    (tmp_path / "etc/key_2").symlink_to("/etc/init.d/none-of-that-name")
    recipe = Recipe(
        "openrc",
        (),
        files={"etc/a/script": "#!/bin/sh\n", "etc/a/text": "x\n"},
        links={"etc/unit": "/dev/null"},
        remove=("etc/key_*", "etc/absent"),
    )
    bases.customise(recipe, tmp_path)
    assert not list(tmp_path.glob("etc/key_1"))
    assert not (tmp_path / "etc/key_2").is_symlink()
    assert (tmp_path / "etc/a/script").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "etc/a/text").stat().st_mode & 0o777 == 0o644
    assert (tmp_path / "etc/unit").readlink() == Path("/dev/null")


def test_present_base_is_not_built_again(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise AssertionError("a command was run")

    monkeypatch.setattr(bases, "run", fail)
    bases.path(paths, "systemd").mkdir(parents=True)
    assert bases.ensure(paths, "systemd") == bases.path(paths, "systemd")


def test_failed_build_leaves_nothing_that_looks_built(
    paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = tmp_path / "keyring"
    key.touch()
    monkeypatch.setattr(bases, "KEYRING", key)

    def fake(argv: list[str], **_: object) -> None:
        if argv[0] == "mmdebstrap":
            Path(next(a for a in argv if a.endswith(".partial")), "etc").mkdir(parents=True)
            raise LabError("E: cannot reach the mirror")

    monkeypatch.setattr(bases, "run", fake)
    monkeypatch.setattr(bases, "debian_mirror", lambda: None)
    with pytest.raises(LabError, match="base openrc: E: cannot reach"):
        bases.ensure(paths, "openrc")
    assert [p.name for p in paths.bases.iterdir()] == [".lock"]


def test_missing_keys_are_named(paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bases, "KEYRING", tmp_path / "none.gpg")
    with pytest.raises(LabError, match="debian-archive-keyring"):
        bases.ensure(paths, "openrc")


def test_bases_in_use_and_current_ones_stay(paths: Paths, tmp_path: Path) -> None:
    current = RECIPES["systemd"].name
    for name in (current, "openrc-used", "openrc-old", "openrc-left", ".openrc-x.partial"):
        (paths.bases / name).mkdir(parents=True)
    (paths.bases / "openrc-old.log").touch()
    host = tmp_path / "state" / "w1"
    host.mkdir(parents=True)
    bases.use(paths, "openrc-used", "bmk-w1", host)
    bases.use(paths, "openrc-left", "bmt-w1", tmp_path / "gone")
    removed = {p.name for p in bases.prune(paths)}
    assert removed == {"openrc-old", "openrc-old.log", "openrc-left", ".openrc-x.partial"}
    assert bases.users(paths) == [host]
    host.rmdir()
    assert {p.name for p in bases.prune(paths)} == {"openrc-used"}
