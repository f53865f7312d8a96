# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The documents for kubeadm, and what it makes of them."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm import documents, render
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.plan import KubeadmError

JOIN: dict[str, t.Any] = {
    "apiVersion": "kubeadm.k8s.io/v1beta4",
    "kind": "JoinConfiguration",
    "controlPlane": {
        "localAPIEndpoint": {"advertiseAddress": "192.0.2.12", "bindPort": 6443},
        "certificateKey": "k",
    },
    "nodeRegistration": {
        "name": "n2",
        "taints": [{"key": "a", "effect": "NoSchedule"}, {"key": "b", "value": "c", "effect": "NoExecute"}],
    },
}
CLUSTER_DOCUMENT: dict[str, t.Any] = {"kind": "ClusterConfiguration", "apiVersion": "kubeadm.k8s.io/v1beta4"}


def test_joined_control_plane_is_rendered_like_the_first() -> None:
    own, cluster = render.control_plane_documents([JOIN, CLUSTER_DOCUMENT], ["addon/kube-proxy"])
    assert own["kind"] == "InitConfiguration"
    assert own["localAPIEndpoint"] == JOIN["controlPlane"]["localAPIEndpoint"]
    assert own["nodeRegistration"] == JOIN["nodeRegistration"]
    assert cluster["proxy"] == {"disabled": True}
    assert "certificateKey" not in json.dumps(own)


def test_worker_gets_its_taints_as_an_argument() -> None:
    own = render.worker_configuration([JOIN])
    assert own["nodeRegistration"]["kubeletExtraArgs"] == [
        {"name": "register-with-taints", "value": "a:NoSchedule,b=c:NoExecute"}
    ]
    assert "kubeletExtraArgs" not in JOIN["nodeRegistration"]


def test_kubelet_object_is_found_in_a_dry_run() -> None:
    printed = (
        "[dryrun] x\ndata:\n  kubelet: |\n    a: 1\n    b:\n    - c\nkind: ConfigMap\nmetadata:\n  name: x\n"
    )
    assert render.kubelet_object(printed) == "a: 1\nb:\n- c\n"
    assert render.kubelet_object("nothing") is None


def test_kubelet_object_is_told_from_other_output() -> None:
    """Other objects, files with tabs and text of the log are around it."""
    printed = (
        "[dryrun] Would write file\n\tkind: Pod\n\ta: b\n[dryrun] Attached object:\nkind: Role\ndata:\n  kubelet: 1\n"
        "[dryrun] Attached object:\ndata:\n  kubelet: |\n    a: &x wrapped\n      value\nkind: ConfigMap\n"
        "\n[dryrun] x\n"
    )
    assert render.kubelet_object(printed) == "a: &x wrapped\n  value\n"


@pytest.mark.parametrize("text", ["a: &x 1\n", "a: wrapped\n  value\n", "- a\n", "a: 1\na: 2\n"])
def test_unreadable_configuration_is_refused(text: str) -> None:
    with pytest.raises(KubeadmError, match="ClusterConfiguration in the ConfigMap kubeadm-config"):
        documents.stored_cluster(text)
    assert documents.stored_cluster(None) == documents.stored_cluster("# nothing\n") == {}


def test_names_of_the_certificate() -> None:
    text = (
        "apiServer:\n  certSANs:\n  - API.example.org\n  - 2001:DB8::1\ncontrolPlaneEndpoint: '[2001:db8::2]:6443'\n"
        "networking:\n  dnsDomain: c.local\n  serviceSubnet: 10.96.0.0/16,fd00::/108\n"
    )
    assert set(render.alt_names(text, "cp1", "192.0.2.11")) == {
        "10.96.0.1",
        "192.0.2.11",
        "2001:db8::1",
        "2001:db8::2",
        "api.example.org",
        "cp1",
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.c.local",
    }
