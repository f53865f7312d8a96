# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sample inventory says the truth, and all of it."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

import yaml

from tests.gates import repo

SAMPLE = repo.REPO / "inventories" / "sample"
#: RFC 5737 and RFC 3849.
DOCUMENTATION = [
    ipaddress.ip_network(text)
    for text in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")
]


def _variables() -> tuple[dict[str, Any], dict[str, Any]]:
    """Variables of group_vars/all.yml: those that are set, and those that are commented out."""
    lines = (SAMPLE / "group_vars" / "all.yml").read_text(encoding="utf-8").splitlines()
    known = repo.public_variables()
    commented, inside = [], False
    for line in lines:
        starts = re.match(r"# ([a-z_]+):( |$)", line)
        inside = bool(starts) or (inside and line.startswith("#  "))
        if inside:
            assert not starts or starts.group(1) in known, f"no role has the variable of: {line}"
            commented.append(line[2:])
    active = yaml.safe_load("\n".join(lines)) or {}
    return active, yaml.safe_load("\n".join(commented)) or {}


def test_sample_shows_every_variable_once() -> None:
    active, commented = _variables()
    assert not set(active) & set(commented), "set and commented out"
    shown = set(active) | set(commented)
    # What one role passes to another may be an option of the site as well.
    known = set(repo.public_variables()) - (repo.parameters() - shown)
    assert shown == known, f"missing: {sorted(known - shown)}; unknown to the roles: {sorted(shown - known)}"


def test_commented_values_are_the_defaults() -> None:
    _, commented = _variables()
    wrong = []
    for name, value in commented.items():
        default = repo.defaults(repo.public_variables()[name])[name]
        wrong += [] if value == default else [f"{name}: shown {value!r}, default {default!r}"]
    assert not wrong, "\n".join(wrong)


def test_hosts_have_documentation_addresses() -> None:
    text = (SAMPLE / "hosts.yml").read_text(encoding="utf-8")
    addresses = [ipaddress.ip_address(found) for found in re.findall(r"\b\d+\.\d+\.\d+\.\d+\b", text)]
    assert addresses
    outside = [str(address) for address in addresses if not any(address in net for net in DOCUMENTATION)]
    assert not outside


def test_ansible_reads_the_sample() -> None:
    listing = yaml.safe_load(repo.run(["ansible-inventory", "-i", str(SAMPLE), "--list", "--yaml"]))
    groups = listing["all"]["children"]
    assert {"control_plane", "worker"} <= set(groups)
