# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The key of encryption at rest is rotated: the controller is killed at each step, and nothing is lost."""

from __future__ import annotations

import base64
import secrets
import threading

import pytest

from tests.infra.cluster import Cluster
from tests.infra.hosts import Host
from tests.infra.playbook import Playbook

FILE = "/etc/kubernetes/encryption/config.yaml"
ROLE = "baremetal.kubernetes.encryption_at_rest : "
STEPS = (
    f"{ROLE}Rotate | Read the new key",
    f"{ROLE}Rotate | Write all resources again",
    f"{ROLE}Rotate | Remove the old key",
)


class Client:
    """Writes a Secret and reads it again, all the time."""

    def __init__(self, cluster: Cluster) -> None:
        self._core = cluster.core
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.acknowledged: dict[str, str] = {}
        self.failures: list[str] = []

    def _run(self) -> None:
        number = 0
        while not self._end.wait(0.5):
            name, value = f"rotation-{number % 10}", secrets.token_hex(8)
            number += 1
            body = {"metadata": {"name": name}, "stringData": {"value": value}}
            try:
                if name in self.acknowledged:
                    self._core.replace_namespaced_secret(name, "default", body)
                else:
                    self._core.create_namespaced_secret("default", body)
                self.acknowledged[name] = value
                self._core.list_namespaced_secret("kube-system")
            except Exception as exc:  # noqa: BLE001 - each is a finding
                self.failures.append(repr(exc)[:300])

    def __enter__(self) -> Client:
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._end.set()
        self._thread.join()


@pytest.fixture(scope="module")
def rotation(playbook: Playbook) -> Playbook:
    return Playbook(playbook.inventory, playbook.directory, "baremetal.kubernetes.rotate_encryption_key")


@pytest.fixture(scope="module")
def plane(hosts: dict[str, Host]) -> Host:
    return next(host for host in hosts.values() if host.control_plane)


def key_names(host: Host) -> list[str]:
    return [line.split('"')[1] for line in host.check(f"grep 'name: \"' {FILE}").splitlines()]


def test_rotation_is_interrupted_at_each_step_and_completed(
    rotation: Playbook, playbook: Playbook, plane: Host, cluster: Cluster
) -> None:
    (old,) = key_names(plane)
    found = []
    with Client(cluster) as client:
        for task in STEPS:
            process = rotation.start(hold_at=task)
            assert rotation.wait_task(process, [task]) == task, rotation.text()[-3000:]
            rotation.kill(process, connections=True)
            found.append(key_names(plane))
        run = rotation.run().expect()
    (new,) = key_names(plane)
    # The first interrupted run has made the new key, and the others have gone on with it.
    assert new != old and found[:2] == [[old, new], [new, old]]
    assert f"Secrets are encrypted with {new}" in run.text.replace("\n", " ")
    assert client.failures == [] and len(client.acknowledged) == 10
    stored = cluster.stored("/registry/secrets/")
    assert stored and all(value.startswith(f"k8s:enc:secretbox:v1:{new}:".encode()) for value in stored)
    secret = plane.check(f"cat {FILE}").partition("secret: ")[2].split()[0]
    assert secret not in rotation.text()
    for name, value in client.acknowledged.items():
        stored_value = cluster.core.read_namespaced_secret(name, "default").data["value"]
        assert base64.b64decode(stored_value).decode() == value
        cluster.core.delete_namespaced_secret(name, "default")
    playbook.run().expect_quiet()
