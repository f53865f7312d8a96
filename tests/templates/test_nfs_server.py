# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role nfs_server exports to whom, by the kernel's server and by nfs-ganesha."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.templates.test_rendering import PARSERS, TEMPLATES, rendered  # noqa: F401 - pytest finds it here

SITE, WITHOUT = "three control planes", "plain openrc"
#: The nodes of the site, and the further network of its inventory.
NODES = ["192.0.2.11", "192.0.2.12", "192.0.2.13", "192.0.2.19"]
CLIENTS = [*NODES, "198.51.100.0/24"]


def parsed(directory: Path, name: str) -> dict[str, object]:
    found = PARSERS[TEMPLATES[f"nfs_server/{name}"][0]](directory / "nfs_server" / name)
    assert isinstance(found, dict)
    return found


def test_kernel_exports_to_the_nodes_alone(rendered: Callable[[str], Path]) -> None:  # noqa: F811 - the fixture
    exports = parsed(rendered(SITE), "kubernetes.exports.j2")
    assert set(exports) == {"", "/srv/kubernetes", "/srv/media"}
    options = ["rw", "sync", "no_subtree_check", "no_root_squash"]
    assert exports["/srv/kubernetes"] == dict.fromkeys(CLIENTS, options)
    assert exports["/srv/media"] == {"203.0.113.7": ["ro", *options[1:]]}
    assert set(parsed(rendered(WITHOUT), "kubernetes.exports.j2")) == {""}


def test_ganesha_exports_to_the_nodes_alone(rendered: Callable[[str], Path]) -> None:  # noqa: F811 - the fixture
    config = parsed(rendered(SITE), "ganesha.conf.j2")
    assert config["EXPORT_DEFAULTS"] == [{"Access_Type": "NONE", "SecType": "sys"}]
    exports = config["EXPORT"]
    assert isinstance(exports, list)
    first, second = exports
    assert first["Path"] == first["Pseudo"] == "/srv/kubernetes"
    (client,) = first["CLIENT"]
    assert client == {"Clients": ", ".join(CLIENTS), "Access_Type": "RW", "Squash": "No_Root_Squash"}
    (client,) = second["CLIENT"]
    assert (client["Clients"], client["Access_Type"]) == ("203.0.113.7", "RO")
    numbers = {int(one["Export_Id"]) for one in exports}
    assert len(numbers) == 2 and all(0 < number < 65536 for number in numbers)
    assert "EXPORT" not in parsed(rendered(WITHOUT), "ganesha.conf.j2")
