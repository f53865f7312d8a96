# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Decide what upgrading one member takes. Pure: frozen values in and out."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm import documents as docs
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm import manifests
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.plan import (
    REMOTE,
    KubeadmError,
    Plan,
    Step,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.reconfigure_plan import (
    Comparison,
    plan_reconfiguration,
)

# What this collection does itself, in a transaction that is rolled back when a component is not healthy. kubeadm would
# copy etcd's data and put the copy back, and would write manifests without the annotations of this collection.
# kubeadm-config is written last: until it names the version, the next run repeats what is the cluster's.
SKIPPED = {
    "apply": ("control-plane", "upload-config/kubeadm", "kubelet-config"),
    "node": ("control-plane", "kubelet-config"),
}


@dataclass(frozen=True)
class DesiredUpgrade:
    """What a member is upgraded to.

    :param version: without a leading C(v). :param worker: whether it is a worker.
    :param running: version of its kubelet as its Node object has it, empty when that is not known.
    """

    host: str
    version: str
    worker: bool
    running: str = ""


def parse_version(text: str) -> tuple[int, int, int] | None:
    """Major, minor and patch of a version, C(None) for anything else."""
    parts = text.lstrip("v").partition("-")[0].partition("+")[0].split(".")
    if len(parts) != 3 or not all(part.isdigit() for part in parts):
        return None
    return int(parts[0]), int(parts[1]), int(parts[2])


def stored_version(comparison: Comparison) -> str:
    """The version that the cluster stores, empty when that is not known."""
    stored = docs.stored_cluster(comparison.observed.cluster)
    return str(stored.get("kubernetesVersion") or "").lstrip("v")


def refuse_downgrade(desired: DesiredUpgrade, found: str, what: str) -> None:
    """:raises KubeadmError: when C(found) is newer than the version to upgrade to."""
    old, new = parse_version(found), parse_version(desired.version)
    if old is not None and new is not None and old > new:
        raise KubeadmError(
            f"{desired.host}: {what} has {found}, expected {desired.version} or older: nothing is downgraded."
            " Nothing was changed.",
            f"Set cluster_kubernetes_version to {found} or newer.",
        )


def _replaces_image(step: Step, comparison: Comparison) -> bool:
    """Whether a step starts a component from another image."""
    item = step.files[0]
    before = comparison.observed.file(item).text
    try:
        return (
            manifests.read(item.component, before or "").image
            != manifests.read(item.component, item.text).image
        )
    except ValueError:
        return False


def plan_upgrade(desired: DesiredUpgrade, comparison: Comparison) -> Plan:
    """The steps: certificates, static pods and files of the kubelet, what C(kubeadm upgrade) does in the cluster, and
    last what the cluster stores.

    :raises KubeadmError: for a downgrade, and for what a running cluster is built on.
    """
    stored = stored_version(comparison)
    refuse_downgrade(desired, stored, "the cluster's configuration")
    refuse_downgrade(desired, desired.running, "the kubelet")
    plan = plan_reconfiguration(comparison, upgrades=True)
    steps: list[Step] = []
    if any(_replaces_image(step, comparison) for step in plan.of("manifest")):
        steps.append(Step("certificates renewed", "renew"))
    steps += plan.local
    if not desired.worker and stored and stored != desired.version:
        steps.append(Step(f"kubeadm upgrade apply v{desired.version}", "upgrade", "apply"))
    elif desired.running and desired.running != desired.version:
        steps.append(Step("kubeadm upgrade node", "upgrade", "node"))
    return Plan((*steps, *plan.of(*REMOTE)))


def parts(plan: Plan, comparison: Comparison) -> list[tuple[Plan, Comparison]]:
    """What is verified by itself before the rest begins, and rolled back alone: etcd first.

    Data that a new etcd has opened is not for the old one, so a later failure must not bring that back.
    """
    etcd = tuple(step for step in plan.local if step.kind == "manifest" and step.target == "etcd")
    rest = tuple(step for step in plan.local if step not in etcd)
    files = tuple(item for item in comparison.desired.files if item.component == "etcd")
    alone = replace(comparison, desired=replace(comparison.desired, files=files))
    found = [(Plan(etcd), alone), (Plan(rest), comparison)]
    return [(own, compared) for own, compared in found if own.steps]


def arguments(target: str, version: str, ignored: tuple[str, ...]) -> list[str]:
    """The command line of C(kubeadm upgrade), without the program.

    :param target: C(apply) or C(node). :param ignored: preflight errors.
    """
    argv = ["upgrade", target]
    if target == "apply":
        argv += [f"v{version}", "--yes"]
    argv += ["--etcd-upgrade=false", "--certificate-renewal=false"]
    argv.append("--skip-phases=" + ",".join(SKIPPED[target]))
    if ignored:
        argv.append("--ignore-preflight-errors=" + ",".join(ignored))
    return argv
