# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A control plane that gives the virtual IP address away before its API server restarts."""

from __future__ import annotations

import os
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.client import UnreachableError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm import handover
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.runner import Host

VIRTUAL, OWN, PEER = "192.0.2.100", "192.0.2.11", "192.0.2.12"


class Site:
    """A control plane whose keepalived follows the file, after some looks at its addresses.

    :ivar servers: addresses of the API servers in the EndpointSlice; C(None) when the own one does not answer.
    :ivar follows: whether keepalived gives the address away. :ivar taken: whether a peer takes it.
    """

    def __init__(self, root: Path) -> None:
        self.flag = Path(f"{root}{handover.FLAG}")
        self.flag.parent.mkdir(parents=True)
        (root / "etc/kubernetes").mkdir(parents=True)
        self.endpoint = f"https://{VIRTUAL}:6443"
        self.addresses = {OWN, VIRTUAL}
        self.servers: list[str] | None = [OWN, PEER]
        self.follows = True
        self.taken = True
        self.looks = 0

    def interfaces(self, _root: str) -> list[dict[str, t.Any]]:
        held = set(self.addresses)
        if self.flag.exists() and self.follows:
            self.looks += 1
            held -= {VIRTUAL} if self.looks > 2 else set()
        return [{"name": "eth0", "addresses": [f"{address}/32" for address in sorted(held)]}]

    def get(self, path: str) -> dict[str, t.Any]:
        if self.servers is None:
            raise UnreachableError(f"https://{OWN}:6443", "connection refused", "cp1")
        assert path == "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes"
        return {"endpoints": [{"addresses": self.servers}]}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    made = Site(tmp_path)

    class Api:
        server = f"https://{OWN}:6443"

        def __init__(self, root: str, seconds: float = 10) -> None:
            assert root == str(tmp_path)

        def get(self, path: str) -> dict[str, t.Any]:
            return made.get(path)

    monkeypatch.setattr(handover, "Api", Api)
    monkeypatch.setattr(handover.interfaces, "observe", made.interfaces)
    monkeypatch.setattr(
        handover, "answers", lambda address, port: made.taken and (address, port) == (VIRTUAL, 6443)
    )
    monkeypatch.setattr(handover, "_endpoint", lambda _root: made.endpoint)
    monkeypatch.setattr(handover, "_GIVEN_SECONDS", 0.6)
    monkeypatch.setattr(handover, "_TAKEN_SECONDS", 0.3)
    return made


def test_holder_gives_the_address_away_and_takes_part_again(site: Site, tmp_path: Path) -> None:
    with handover.handed_over(Host(str(tmp_path)), ["kube-scheduler", "kube-apiserver"]) as given:
        assert given and site.flag.exists() and site.flag.stat().st_mode & 0o044
        # The steps of one operation may ask within each other.
        with handover.handed_over(Host(str(tmp_path)), ["etcd"]) as again:
            assert not again
        assert site.flag.exists()
    assert not site.flag.exists()


@pytest.mark.parametrize(
    ("case", "change"),
    [
        ("another component restarts", {}),
        ("a peer holds it", {"addresses": {OWN}}),
        ("the endpoint is the host's own address", {"endpoint": f"https://{OWN}:6443"}),
        ("the kubeconfig cannot be used", {"endpoint": ""}),
        ("no other API server", {"servers": [OWN]}),
        ("the API server is down", {"servers": None}),
    ],
)
def test_nothing_is_done_without_need(
    site: Site, tmp_path: Path, case: str, change: dict[str, t.Any]
) -> None:
    for name, value in change.items():
        setattr(site, name, value)
    components = ["kube-scheduler"] if case == "another component restarts" else ["kube-apiserver"]
    with handover.handed_over(Host(str(tmp_path)), components) as given:
        assert not given and not site.flag.exists(), case


def test_cluster_without_keepalived(site: Site, tmp_path: Path) -> None:
    site.flag.parent.rmdir()
    with handover.handed_over(Host(str(tmp_path)), ["kube-apiserver"]) as given:
        assert not given and not site.flag.parent.exists()


@pytest.mark.parametrize("broken", ["follows", "taken"])
def test_peers_that_do_not_follow_keep_nobody_from_the_restart(
    site: Site, tmp_path: Path, broken: str
) -> None:
    setattr(site, broken, False)
    began = time.monotonic()
    with handover.handed_over(Host(str(tmp_path)), ["kube-apiserver"]) as given:
        assert not given and time.monotonic() - began < 3
    assert not site.flag.exists()


def test_failed_restart_leaves_no_file(site: Site, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), handover.handed_over(Host(str(tmp_path)), ["kube-apiserver"]):
        raise RuntimeError
    assert not site.flag.exists()


def test_file_that_was_left_counts_from_now(site: Site, tmp_path: Path) -> None:
    site.flag.touch()
    os.utime(site.flag, (1, 1))
    with handover.handed_over(Host(str(tmp_path)), ["kube-apiserver"]) as given:
        assert given and time.time() - site.flag.stat().st_mtime < 60
