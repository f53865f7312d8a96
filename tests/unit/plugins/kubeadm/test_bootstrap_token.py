# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module bootstrap_token."""

from __future__ import annotations

import base64
import datetime
import re
import typing as t

import pytest

from tests.unit.plugins.kubeadm.cluster import (
    SECRET,
    TOKEN,
    Cluster,
)
from tests.unit.support.modules import RunModule


def token_args(made: Cluster, **more: t.Any) -> dict[str, t.Any]:
    return {"root": str(made.root), "kubeadm_path": str(made.kubeadm), **more}


def test_token_is_created(cluster: Cluster, run_module: RunModule) -> None:
    cluster.become_control_plane()
    cluster.script(f"echo {TOKEN}")
    predicted = run_module("bootstrap_token", token_args(cluster), check=True)
    assert (predicted["changed"], predicted["ca_cert_hashes"]) == (True, [cluster.id])
    assert "token" not in predicted
    assert cluster.argv == []
    result = run_module("bootstrap_token", token_args(cluster, ttl=600, description="join of w1"))
    assert (result["token"], result["token_id"]) == (TOKEN, "abcdef")
    assert result["ca_cert_hashes"] == [cluster.id]
    ends = datetime.datetime.strptime(result["expires"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=datetime.UTC)
    left = (ends - datetime.datetime.now(datetime.UTC)).total_seconds()
    assert 580 < left <= 600
    assert cluster.argv[:2] == ["token", "create"]
    assert cluster.argv[cluster.argv.index("--ttl") + 1] == "600s"
    assert cluster.argv[cluster.argv.index("--description") + 1] == "join of w1"
    assert TOKEN not in cluster.argv


def test_token_of_an_interrupted_run_is_deleted_first(cluster: Cluster, run_module: RunModule) -> None:
    cluster.become_control_plane()
    cluster.script(f"echo {TOKEN}")
    left = [
        {
            "metadata": {"name": f"bootstrap-token-{name}"},
            "data": {"description": base64.b64encode(text).decode()},
        }
        for name, text in (("olda11", b"join of w1"), ("oldb22", b"join of w2"))
    ]
    for secret in left:
        cluster.objects[SECRET + str(secret["metadata"]["name"])] = secret
    cluster.objects[SECRET.rstrip("/")] = {"items": left}
    assert run_module("bootstrap_token", token_args(cluster, description="join of w1"))["changed"]
    assert cluster.deleted == ["bootstrap-token-olda11"]


def test_certificates_are_uploaded_under_a_hidden_key(cluster: Cluster, run_module: RunModule) -> None:
    cluster.become_control_plane()
    cluster.script(f'test "$1" = token && echo {TOKEN}; exit 0')
    result = run_module("bootstrap_token", token_args(cluster, control_plane=True))
    key = result["certificate_key"]
    assert re.fullmatch("[0-9a-f]{64}", key)
    assert key not in " ".join(cluster.argv)
    assert key not in (cluster.log / "env").read_text()
    assert cluster.argv[cluster.argv.index("init") :][:4] == [
        "init",
        "phase",
        "upload-certs",
        "--upload-certs",
    ]
    assert [document["kind"] for document in cluster.config] == ["InitConfiguration", "ClusterConfiguration"]
    assert cluster.config[0]["certificateKey"] == key
    cluster.config_was_private_and_is_removed()


def test_token_is_deleted_when_the_upload_fails(cluster: Cluster, run_module: RunModule) -> None:
    cluster.become_control_plane()
    cluster.objects[SECRET + "bootstrap-token-abcdef"] = {}
    cluster.script(f'test "$1" = token && echo {TOKEN} && exit 0; cat {cluster.log}/config >&2; exit 1')
    result = run_module("bootstrap_token", token_args(cluster, control_plane=True))
    assert result["failed"]
    assert not re.search("[0-9a-f]{64}", str(result).replace(cluster.id, ""))
    assert TOKEN not in str(result)
    assert cluster.deleted == ["bootstrap-token-abcdef"]


def test_token_and_certificates_are_deleted(cluster: Cluster, run_module: RunModule) -> None:
    cluster.become_control_plane()
    for name in ("bootstrap-token-abcdef", "bootstrap-token-owner0", "bootstrap-token-others"):
        cluster.objects[SECRET + name] = {}
    cluster.objects[SECRET + "kubeadm-certs"] = {
        "metadata": {"ownerReferences": [{"kind": "Secret", "name": "bootstrap-token-owner0"}]}
    }
    args = token_args(cluster, state="absent", token_id="abcdef", control_plane=True)
    predicted = run_module("bootstrap_token", args, check=True)
    assert cluster.deleted == []
    result = run_module("bootstrap_token", args)
    assert result["changed"] is True
    assert result["deleted"] == predicted["deleted"] == cluster.deleted
    assert cluster.deleted == ["kubeadm-certs", "bootstrap-token-owner0", "bootstrap-token-abcdef"]
    again = run_module("bootstrap_token", args)
    assert (again["changed"], again["deleted"]) == (False, [])
    assert SECRET + "bootstrap-token-others" in cluster.objects


@pytest.mark.parametrize(
    ("args", "word"),
    [
        ({"ttl": 901}, "expected 60 to 900"),
        ({"ttl": 0}, "expected 60 to 900"),
        ({"state": "absent"}, "neither token_id nor"),
        ({"state": "absent", "token_id": "../x"}, "six of a-z"),
    ],
)
def test_unusable_token_options(
    cluster: Cluster, run_module: RunModule, args: dict[str, t.Any], word: str
) -> None:
    cluster.become_control_plane()
    result = run_module("bootstrap_token", token_args(cluster, **args))
    assert result["failed"]
    assert word in result["msg"]


def test_token_needs_a_cluster(cluster: Cluster, run_module: RunModule) -> None:
    result = run_module("bootstrap_token", token_args(cluster))
    assert result["failed"]
    assert "is not in a cluster" in result["msg"]
    assert run_module("bootstrap_token", token_args(cluster), check=True)["changed"]
