# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Trying a component with new arguments, and what its log says."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm import (
    components,
    manifests,
    plan,
    trial,
)

from tests.unit.plugins.kubeadm.pods import VOLUMES, pod

KLOG = "E1121 17:21:02.058034       1 run.go:72] "
REFUSED = KLOG + '"command failed" err="enable-admission-plugins plugin \\"Foo\\" is unknown"\n'
SEARCHING = 'W1121 17:21:24.7 1 logging.go:55] Err: "dial tcp 127.0.0.1:2379: connect: connection refused"\n'
NO_ETCD = KLOG + '"command failed" err="error creating storage factory: context deadline exceeded"\n'


@pytest.mark.parametrize(
    ("code", "output", "seconds", "reached", "accepted"),
    [
        (1, REFUSED, 2.0, 0.0, False),
        (1, "Error: unknown flag: --x\n", 1.0, 0.0, False),
        # Refused by an admission plugin, after the first look for etcd.
        (1, SEARCHING + REFUSED, 3.0, 1.0, False),
        (1, SEARCHING + NO_ETCD, 20.0, 1.0, True),
        (None, "", 2.0, 0.0, None),
        (None, SEARCHING, 5.0, 1.0, None),
        (None, SEARCHING, 9.0, 5.0, True),
        (None, "", 100.0, 0.0, True),
        (0, "", 1.0, 0.0, True),
    ],
)
def test_verdict(
    code: int | None, output: str, seconds: float, reached: float, accepted: bool | None
) -> None:
    assert trial.verdict(code, output, seconds, reached) is accepted


def test_trial_mounts_files_that_are_not_placed_yet(tmp_path: Path) -> None:
    root, scratch = tmp_path / "root", tmp_path / "scratch"
    (root / "etc/kubernetes/audit").mkdir(parents=True)
    (root / "etc/kubernetes/audit/other").write_text("kept")
    scratch.mkdir()
    made = manifests.read("kube-apiserver", pod("kube-apiserver", volumes=VOLUMES))
    found = trial.mounts(made, {"/etc/kubernetes/audit/policy": b"new"}, str(root), str(scratch))
    assert [(target, writable) for _source, target, writable in found] == [
        ("/etc/kubernetes/audit", False),
        ("/var/log/kubernetes", True),
    ]
    copy = Path(found[0][0])
    assert {entry.name: entry.read_text() for entry in copy.iterdir()} == {"other": "kept", "policy": "new"}
    assert not (root / "etc/kubernetes/audit/policy").exists()
    assert not (root / "var").exists()


def test_trial_refuses_a_missing_file(tmp_path: Path) -> None:
    volumes = VOLUMES.replace('type: ""', "type: File")
    made = manifests.read("kube-apiserver", pod("kube-apiserver", volumes=volumes))
    with pytest.raises(plan.KubeadmError, match="/etc/kubernetes/audit"):
        trial.mounts(made, {}, str(tmp_path), str(tmp_path))


def test_log_excerpt_repeats_nothing() -> None:
    log = "I1 fine\n" + "".join(
        f"E1121 18:00:{second}.306417    675{second} run.go:72] failed\n" for second in (29, 31)
    )
    assert components.log_excerpt(log) == "E1121 18:00:31.306417    67531 run.go:72] failed"
    assert components.log_excerpt("one\ntwo\n") == "one | two"
