# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""promtool accepts what the role prometheus renders, for each site of the template tests."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from lab.config import settings
from tests import promtool
from tests.templates.test_rendering import SITES, rendered  # noqa: F401 - pytest finds it here


@pytest.fixture(scope="session")
def program() -> Path:
    return promtool.ensure(settings().paths, Console(stderr=True)).promtool


@pytest.mark.parametrize("site", SITES)
def test_promtool_accepts_the_configuration(
    site: str,
    program: Path,
    rendered: Callable[[str], Path],  # noqa: F811 - the fixture
    tmp_path: Path,
) -> None:
    directory = rendered(site)
    for name in ("prometheus", "prometheus-agent", "prometheus-external"):
        # It reads the rules that a configuration names, and those of this machine are not meant.
        config = yaml.safe_load((directory / f"{name}.document").read_text(encoding="utf-8"))
        config.pop("rule_files", None)
        file = tmp_path / f"{name}.yml"
        file.write_text(yaml.safe_dump(config), encoding="utf-8")
        agent = ["--agent"] if name == "prometheus-agent" else []
        arguments = [str(program), "check", "config", "--syntax-only", *agent, str(file)]
        done = subprocess.run(arguments, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
