# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module client_kubeconfig over a fake cluster and a fake kubeadm, which signs as the real one does."""

from __future__ import annotations

import base64
import json
import stat
import sys
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509

from tests.unit.support.certificates import Issued, authority, encoded, issue
from tests.unit.support.modules import RunModule
from tests.unit.support.servers import ApiServer

USER = "baremetal-kubernetes:kubelet-csr-approver"
KUBEADM = r"""#!{python}
import datetime, json, pathlib, sys
sys.path[:0] = {path!r}
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from tests.unit.support import certificates
from tests.unit.support.servers import kubeconfig_of

directory = pathlib.Path({directory!r})
argv = sys.argv[1:]
config = argv[argv.index("--config") + 1]
with (directory / "calls").open("a") as stream:
    stream.write(json.dumps([argv, pathlib.Path(config).read_text()]) + "\n")
if (directory / "fail").exists():
    print("client-key-data: c2VjcmV0")
    sys.exit((directory / "fail").read_text())
assert argv[:2] == ["kubeconfig", "user"]
options = [(argv[at], argv[at + 1]) for at in range(2, len(argv), 2)]
ca = certificates.Issued(
    x509.load_pem_x509_certificate((directory / "ca.crt").read_bytes()),
    serialization.load_pem_private_key((directory / "ca.key").read_bytes(), None),
)
begin = datetime.datetime.now(datetime.timezone.utc)
hours = int(dict(options)["--validity-period"].rstrip("h"))
user = certificates.issue(
    dict(options)["--client-name"],
    [value for name, value in options if name == "--org"],
    issuer=ca,
    begin=begin,
    end=begin + datetime.timedelta(hours=hours),
)
print(kubeconfig_of((directory / "server").read_text(), ca.pem, user), end="")
"""


class ControlPlane:
    """A host tree, a cluster and a kubeadm."""

    def __init__(self, directory: Path, api: ApiServer, run_module: RunModule) -> None:
        self.api = api
        self.root = directory / "host"
        (self.root / "etc/kubernetes/pki").mkdir(parents=True)
        api.kubeconfig(self.root / "etc/kubernetes/admin.conf", "kubernetes-admin")
        (self.root / "etc/kubernetes/pki/ca.crt").write_text(api.authority.pem)
        self.fake = directory / "kubeadm.d"
        self.fake.mkdir()
        self.authority(api.authority)
        (self.fake / "server").write_text(f"https://127.0.0.1:{api.port}")
        self.kubeadm = directory / "kubeadm"
        self.kubeadm.write_text(
            KUBEADM.format(python=sys.executable, path=sys.path, directory=str(self.fake))
        )
        self.kubeadm.chmod(0o755)
        api.objects["/api/v1/namespaces/kube-system/configmaps/kubeadm-config"] = {
            "data": {"ClusterConfiguration": "kind: ClusterConfiguration\nclusterName: blue\n"}
        }
        self.path = directory / "approver.conf"
        self._run_module = run_module

    def authority(self, authority: Issued) -> None:
        (self.fake / "ca.crt").write_text(authority.pem)
        (self.fake / "ca.key").write_text(authority.key_pem)

    def run(self, *, check: bool = False, **args: t.Any) -> dict[str, t.Any]:
        given = {
            "path": str(self.path),
            "common_name": USER,
            "kubeadm_path": str(self.kubeadm),
            "root": str(self.root),
            **args,
        }
        result = self._run_module("client_kubeconfig", given, check=check)
        assert "client-key-data" not in json.dumps(result) and "c2VjcmV0" not in json.dumps(result)
        return result

    def calls(self) -> list[tuple[list[str], str]]:
        file = self.fake / "calls"
        return [tuple(json.loads(line)) for line in file.read_text().splitlines()] if file.exists() else []

    def certificate(self) -> x509.Certificate:
        line = next(line for line in self.path.read_text().splitlines() if "client-certificate-data" in line)
        return x509.load_pem_x509_certificate(base64.b64decode(line.split()[1]))


@pytest.fixture
def plane(tmp_path: Path, run_module: RunModule) -> Iterator[ControlPlane]:
    api = ApiServer()
    yield ControlPlane(tmp_path, api, run_module)
    api.close()


def test_made_once_and_renewed_in_time(plane: ControlPlane) -> None:
    result = plane.run()
    assert result["rc"] == 0 and result["changed"] and result["reasons"] == ["it does not exist"]
    assert stat.S_IMODE(plane.path.stat().st_mode) == 0o600
    assert (result["days_left"], result["server"]) == (364, f"https://127.0.0.1:{plane.api.port}")
    assert result["diff"]["before"] == ""
    assert (
        f"user: {USER}\ngroups: []\n" in result["diff"]["after"] and "mode: 0600" in result["diff"]["after"]
    )
    [(argv, config)] = plane.calls()
    assert argv[:6] == ["kubeconfig", "user", "--client-name", USER, "--validity-period", "8760h"]
    assert "clusterName: blue" in config and '"advertiseAddress": "127.0.0.1"' in config
    first = plane.certificate()
    again = plane.run()
    assert (
        not again["changed"] and again["reasons"] == [] and again["diff"]["before"] == again["diff"]["after"]
    )
    assert plane.certificate() == first and len(plane.calls()) == 1
    renewed = plane.run(min_days=364)
    assert not renewed["changed"], "364 whole days are left"
    plane.run(valid_days=30)
    assert plane.certificate() == first, "a longer one is as good"


def test_renewed_when_less_than_a_third_is_left(plane: ControlPlane) -> None:
    plane.run(valid_days=100)
    first = plane.certificate()
    result = plane.run(check=True)
    assert result["changed"] and result["reasons"] == [
        "its certificate is valid for 99 more days, expected at least 121"
    ]
    assert plane.certificate() == first and len(plane.calls()) == 1
    assert result["days_left"] == 99
    done = plane.run()
    assert done["changed"] and done["days_left"] == 364
    assert plane.certificate().serial_number and plane.certificate() != first


def test_check_mode_makes_nothing(plane: ControlPlane) -> None:
    result = plane.run(check=True)
    assert result["changed"] and not plane.path.exists() and plane.calls() == []
    assert "not_after" not in result and f"user: {USER}" in result["diff"]["after"]


def test_groups(plane: ControlPlane) -> None:
    plane.run(organizations=["one", "two"])
    assert not plane.run(organizations=["two", "one"])["changed"]
    result = plane.run(organizations=["one"])
    assert result["reasons"] == ["its groups are [one, two], expected [one]"]
    assert not plane.run(organizations=["one"])["changed"]


def test_mode_is_corrected_without_a_new_certificate(plane: ControlPlane) -> None:
    plane.run()
    first = plane.certificate()
    plane.path.chmod(0o644)
    result = plane.run()
    assert result["changed"] and result["reasons"] == [] and plane.certificate() == first
    assert "mode: 0644" in result["diff"]["before"] and "mode: 0600" in result["diff"]["after"]
    assert stat.S_IMODE(plane.path.stat().st_mode) == 0o600


def other_key(text: str) -> str:
    stranger = encoded(issue("stranger").key_pem)
    lines = [
        f"    client-key-data: {stranger}" if "client-key-data" in line else line
        for line in text.splitlines()
    ]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda _text: "", "no usable kubeconfig: 0 servers"),
        (
            lambda text: text.replace("client-certificate-data: ", "client-certificate-data: AAAA"),
            "cannot be used",
        ),
        (lambda text: text.replace("127.0.0.1", "127.0.0.2"), "its server is https://127.0.0.2"),
        (other_key, "cannot be used"),
    ],
)
def test_what_is_no_good_is_replaced(plane: ControlPlane, change: t.Callable[[str], str], says: str) -> None:
    plane.run()
    plane.path.write_text(change(plane.path.read_text()))
    result = plane.run()
    assert result["changed"] and says in str(result["reasons"])
    assert not plane.run()["changed"]


def test_another_user_or_cluster(plane: ControlPlane) -> None:
    plane.run(common_name="somebody")
    assert plane.run()["reasons"] == [f"its user is 'somebody', expected {USER!r}"]
    stranger = authority("stranger")
    (plane.root / "etc/kubernetes/pki/ca.crt").write_text(stranger.pem)
    result = plane.run(check=True)
    assert result["reasons"] == [
        "it has the CA of another cluster",
        "the CA 'kubernetes' issued its certificate, not the cluster's",
    ]
    refused = plane.run()
    assert refused["failed"] and "kubeadm created another kubeconfig" in refused["msg"]


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ({"valid_days": 0}, "valid_days is 0"),
        ({"valid_days": 10, "min_days": 10}, "min_days 10"),
        ({"min_days": -1}, "min_days -1"),
        ({"common_name": ""}, "common_name is empty"),
        ({"root": "/nonexistent"}, "Run this on a control plane"),
        ({"kubeadm_path": "/nonexistent"}, "cannot be run"),
        ({"path": "/nonexistent/file"}, "cannot be written"),
    ],
)
def test_bad_input(plane: ControlPlane, args: dict[str, t.Any], says: str) -> None:
    result = plane.run(**args)
    assert result["failed"] and says in result["msg"]


def test_failure_of_kubeadm_leaves_the_old_file(plane: ControlPlane) -> None:
    plane.run(valid_days=100)
    before = plane.path.read_bytes()
    (plane.fake / "fail").write_text("the CA files couldn't be loaded")
    result = plane.run()
    assert result["failed"] and "couldn't be loaded" in result["msg"] and "stdout" not in result
    assert plane.path.read_bytes() == before


def test_dead_api_server(plane: ControlPlane) -> None:
    plane.api.kubeconfig(plane.root / "etc/kubernetes/admin.conf", port=1)
    assert "does not answer" in plane.run()["msg"]
