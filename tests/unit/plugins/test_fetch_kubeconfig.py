# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""fetch_kubeconfig by real Ansible over its ssh connection, with this machine as the host."""

from __future__ import annotations

import stat
import typing as t
from pathlib import Path

import pytest
import yaml

from tests.unit.support import certificates, ssh

AUTHORITY = certificates.authority()
ADMIN = certificates.issue("kubernetes-admin", issuer=AUTHORITY)
DATA = {
    "ca": certificates.encoded(AUTHORITY.pem),
    "cert": certificates.encoded(ADMIN.pem),
    "key": certificates.encoded(ADMIN.key_pem),
}
# As kubeadm 1.36 writes it.
ADMIN_CONF = """apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: {ca}
    server: https://192.0.2.10:6443
  name: kubernetes
contexts:
- context:
    cluster: kubernetes
    user: kubernetes-admin
  name: kubernetes-admin@kubernetes
current-context: kubernetes-admin@kubernetes
kind: Config
users:
- name: kubernetes-admin
  user:
    client-certificate-data: {cert}
    client-key-data: {key}
""".format(**DATA)
PROGRAM = """    exec:
      apiVersion: client.authentication.k8s.io/v1
      command: /bin/sh
      args: [-c, "touch /tmp/taken"]
      interactiveMode: Never
"""

Fetch = t.Callable[..., dict[str, t.Any]]


@pytest.fixture
def fetch(tmp_path: Path) -> Fetch:
    def run(src: Path, dest: Path, *flags: str) -> dict[str, t.Any]:
        arguments = {"src": str(src), "dest": str(dest)}
        result, printed = ssh.ad_hoc(tmp_path, "baremetal.kubernetes.fetch_kubeconfig", arguments, *flags)
        for secret in (ADMIN_CONF, DATA["key"], certificates.encoded(ADMIN_CONF)[:400]):
            assert secret[:200] not in printed
        return {"printed": printed, **result}

    return run


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_copy_for_its_owner_alone(fetch: Fetch, tmp_path: Path) -> None:
    source, copy = tmp_path / "admin.conf", tmp_path / "new/directory/copy"
    source.write_text(ADMIN_CONF)
    predicted = fetch(source, copy, "--check", "--diff", "-vvv")
    assert predicted["changed"]
    assert not copy.parent.exists()
    assert fetch(source, copy, "--diff", "-vvv")["changed"]
    written = yaml.safe_load(copy.read_text())
    expected = yaml.safe_load(ADMIN_CONF)
    assert written == expected
    assert [mode(path) for path in (copy, copy.parent, copy.parent.parent)] == [0o600, 0o700, 0o700]
    assert not fetch(source, copy)["changed"]
    copy.chmod(0o644)
    assert fetch(source, copy)["reasons"] == ["mode 0644"]
    assert mode(copy) == 0o600


def test_a_directory_of_others_keeps_its_mode(fetch: Fetch, tmp_path: Path) -> None:
    """A kubeconfig in /tmp took /tmp from everybody."""
    source, common, open_to_all = tmp_path / "admin.conf", tmp_path / "common", tmp_path / "open"
    source.write_text(ADMIN_CONF)
    for directory, permissions in ((common, 0o1777), (open_to_all, 0o777)):
        directory.mkdir()
        directory.chmod(permissions)
    assert "warnings" not in fetch(source, common / "copy")
    assert mode(common) == 0o1777
    warned = fetch(source, open_to_all / "copy")
    assert mode(open_to_all) == 0o777
    assert "can be written by others" in warned["printed"]


def test_the_connection_logs_nothing(fetch: Fetch, tmp_path: Path) -> None:
    """With -vvv, ssh's connection prints what programs print on the host, and slurp prints the file."""
    source = tmp_path / "admin.conf"
    source.write_text(ADMIN_CONF)
    printed = fetch(source, tmp_path / "copy", "-vvvv")["printed"]
    assert "EXEC" in printed
    assert "stdout and stderr censored due to no log" in printed
    assert certificates.encoded(ADMIN_CONF)[:60] not in printed


def test_a_host_that_was_taken_over(fetch: Fetch, tmp_path: Path) -> None:
    source, copy = tmp_path / "admin.conf", tmp_path / "copy"
    source.write_text(ADMIN_CONF)
    fetch(source, copy)
    before = copy.read_bytes()
    source.write_text(ADMIN_CONF + PROGRAM)
    for flags in ((), ("--check",)):
        refused = fetch(source, copy, *flags)
        assert refused["msg"].startswith(
            f"host: {source} was not copied to the controller: the user has 'exec'"
        )
        assert copy.read_bytes() == before


def test_the_proxy_of_the_site_is_in_the_kubeconfig(tmp_path: Path) -> None:
    source, copy = tmp_path / "admin.conf", tmp_path / "copy"
    source.write_text(ADMIN_CONF)
    proxy = "http://192.0.2.30:3128"
    arguments = {"src": str(source), "dest": str(copy), "proxy_url": proxy}
    ssh.ad_hoc(tmp_path, "baremetal.kubernetes.fetch_kubeconfig", arguments)
    assert yaml.safe_load(copy.read_text())["clusters"][0]["cluster"]["proxy-url"] == proxy
    arguments["proxy_url"] = "192.0.2.30:3128"
    refused, _printed = ssh.ad_hoc(tmp_path, "baremetal.kubernetes.fetch_kubeconfig", arguments)
    assert "cluster_api_proxy" in refused["msg"]


def test_a_missing_source(fetch: Fetch, tmp_path: Path) -> None:
    missing, copy = tmp_path / "missing", tmp_path / "copy"
    result = fetch(missing, copy)
    assert "FAILED!" in result["printed"]
    assert str(missing) in result["msg"]
    assert fetch(missing, copy, "--check")["changed"], "in check mode it may come yet"
    assert not copy.exists()


def test_a_destination_that_cannot_be_written(fetch: Fetch, tmp_path: Path) -> None:
    source, file = tmp_path / "admin.conf", tmp_path / "file"
    source.write_text(ADMIN_CONF)
    file.touch()
    assert "cluster_kubeconfig" in fetch(source, file / "copy")["msg"]
