# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reset beside software and mounts of the site: what is not the collection's stays, or stops the run by name.

All in check mode, so that the cluster stays.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.infra.hosts import Host
from tests.infra.playbook import Playbook

#: What a site may have on its hosts, with how to take it away again.
SITE = r"""
set -eu
mkdir -p "/var/lib/kubelet/site data" /opt/site
mount -t tmpfs site "/var/lib/kubelet/site data"
cp /etc/fstab /opt/site/fstab
echo 'site /var/lib/kubelet/site\040data/ tmpfs noauto 0 0' >>/etc/fstab
cp "$(command -v sleep)" /opt/site/database
setsid sh -c 'exec 9>/var/lib/containerd/site.db; exec /opt/site/database 3600' </dev/null >/dev/null 2>&1 &
echo rows >/opt/site/blob
/usr/local/bin/ctr -n site content ingest site </opt/site/blob
digest=sha256:$(sha256sum /opt/site/blob | cut -d' ' -f1)
/usr/local/bin/ctr -n site content label "$digest" containerd.io/gc.root=site
"""
UNDO = r"""
umount "/var/lib/kubelet/site data"; rmdir "/var/lib/kubelet/site data"
cat /opt/site/fstab >/etc/fstab
for pid in /proc/[0-9]*; do [ "$(readlink $pid/exe)" = /opt/site/database ] && kill "${pid#/proc/}"; done
/usr/local/bin/ctr -n site content rm $(/usr/local/bin/ctr -n site content ls -q)
/usr/local/bin/ctr namespaces rm site
rm -rf /opt/site /var/lib/containerd/site.db
true
"""
STATE = "find /etc/kubernetes /var/lib/etcd -xdev | sort; cat /etc/fstab; mount | sort | grep -v containerd"


@pytest.fixture(scope="module")
def reset(inventory: Path, tmp_path_factory: pytest.TempPathFactory) -> Playbook:
    return Playbook(inventory, tmp_path_factory.mktemp("reset"), name="baremetal.kubernetes.reset")


@pytest.fixture
def beside(hosts: dict[str, Host]) -> Iterator[Host]:
    """A worker with software of the site in the directories of the node."""
    host = hosts["w1"]
    try:
        host.check(SITE)
        yield host
    finally:
        host.check(UNDO)


def test_what_others_use_is_named_before_anything_changes(beside: Host, reset: Playbook) -> None:
    before = beside.check(STATE)
    run = reset.run("--limit", beside.name, "-e", f"reset_confirm={beside.name}").expect(code=2)
    for part in (
        "/var/lib/kubelet/site data is a mount point of your own",
        "(/opt/site/database) writes to files below /var/lib/containerd",
        "images or containers of the namespaces site",
        "Nothing was changed",
    ):
        assert part in run.text, part
    assert run.changed == set()
    assert beside.check(STATE) == before
    assert beside.pids("/usr/local/bin/kubelet")


@pytest.mark.parametrize("name", ["w1", "w2"])
def test_an_etcd_of_the_site_on_a_worker_stays(name: str, hosts: dict[str, Host], reset: Playbook) -> None:
    """Everything else on the host is the collection's, by what its record says."""
    host = hosts[name]
    host.check("mkdir -p /var/lib/etcd/member/snap && echo rows >/var/lib/etcd/member/snap/db")
    try:
        run = reset.run("--limit", name, "--check", "--diff").expect()
    finally:
        # The directory itself may be a mount point of the lab's.
        host.check("rm -r /var/lib/etcd/member")
    assert re.search(r"/var/lib/etcd (holds nothing that proves|is a mount point).*; it stays", run.text)
    assert not re.search(r"-(directory|contents of) /var/lib/etcd\n", run.text)
    for path in ("/etc/kubernetes", "/var/lib/kubelet", "/var/lib/containerd"):
        assert re.search(rf"-(directory|contents of) {path}\n", run.text), path


def test_a_control_plane_is_the_collections_as_a_whole(hosts: dict[str, Host], reset: Playbook) -> None:
    run = reset.run("--check", "--diff").expect()
    for path in ("/etc/kubernetes", "/var/lib/kubelet", "/var/lib/etcd", "/var/lib/containerd"):
        assert re.search(rf"-(directory|contents of) {path}\n", run.text), path
    assert "it stays" not in run.text.replace("placed there; it stays", "")
    known = hosts["cp1"].check("cat /var/lib/baremetal-kubernetes/artifacts.json")
    for path in ("/etc/kubernetes", "/var/lib/kubelet", "/var/lib/etcd", "/var/lib/containerd"):
        assert f'"{path}": "' in known.partition('"data"')[2]


def test_a_file_system_of_its_own_for_etcd_passes_preflight(hosts: dict[str, Host], reset: Playbook) -> None:
    preflight = Playbook(reset.inventory, reset.directory, name="baremetal.kubernetes.preflight")
    hosts["cp1"].check("mkdir /var/lib/etcd/lost+found")
    hosts["w2"].check("mkdir -p /var/lib/etcd/member")
    try:
        run = preflight.run(log="preflight.log").expect(code=2)
    finally:
        hosts["cp1"].check("rmdir /var/lib/etcd/lost+found")
        hosts["w2"].check("rm -r /var/lib/etcd/member")
    assert "lost+found" not in run.text.partition("etcd_directory")[0]
    assert "the data of an etcd in /var/lib/etcd/member, on a host that is no control plane" in run.text
    preflight.run(log="preflight.log").expect()
