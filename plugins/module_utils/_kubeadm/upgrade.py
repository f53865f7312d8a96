# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Upgrade one member: its static pods in transactions of this collection, the rest by C(kubeadm upgrade)."""

from __future__ import annotations

import functools
import time
import typing as t
from dataclasses import dataclass, replace

from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.admin import Api
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.client import ApiError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm import documents as docs
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm import images
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.components import KUBELET_RESTARTS
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.converge import Work
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.declared import Declared
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.plan import (
    KubeadmError,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.reconfigure import Reconfiguration
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.runner import Host, Output
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.upgrade_plan import (
    DesiredUpgrade,
    arguments,
    parse_version,
    parts,
    plan_upgrade,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node import membership as node

_VERSION_SECONDS = 30.0
_POLL_SECONDS = 1.0
# A kubelet with an error in its configuration may answer once before it ends.
_HEALTHY_CHECKS = 5
_LEADERS = ("kube-controller-manager", "kube-scheduler")


def own_node(host: Host, worker: bool) -> dict[str, t.Any]:
    """The Node object of this host, empty when the API server does not give it."""
    try:
        api = Api(host.root, kubeconfig=node.KUBELET_CONF if worker else node.ADMIN_CONF)
        return api.get(f"/api/v1/nodes/{host.node_name()}") or {}
    except ApiError:
        return {}


def kubelet_version(found: t.Mapping[str, t.Any]) -> str:
    """The version of a node's kubelet, empty when it is not known."""
    info = (found.get("status") or {}).get("nodeInfo") or {}
    return str(info.get("kubeletVersion") or "").lstrip("v")


def renewals(host: Host) -> dict[str, str]:
    """When the leaders of the controllers and of the scheduler last said that they work, by the name of the lease.

    After a restart of the control plane, half a minute may pass until they lead again. Until then nothing follows what
    happens to nodes and Pods: Services keep sending requests to Pods that are gone.
    """
    api = Api(host.root, kubeconfig=node.ADMIN_CONF)
    found = {}
    for name in _LEADERS:
        lease = api.get(f"/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/{name}") or {}
        found[name] = str((lease.get("spec") or {}).get("renewTime") or "")
    return found


def not_renewed(before: t.Mapping[str, str], after: t.Mapping[str, str]) -> str:
    """Which leases were not renewed in between, empty for none."""
    idle = sorted(name for name, moment in after.items() if not moment or moment == before.get(name))
    return f"{', '.join(idle)} {'have' if len(idle) > 1 else 'has'} no leader" if idle else ""


def not_verified(found: t.Mapping[str, t.Any], version: str) -> str:
    """Why a node does not run the kubelet of a version, empty when it does and is ready."""
    running = kubelet_version(found)
    if running != version:
        return f"the node reports the kubelet {running or 'of no version'}, expected {version}"
    for condition in (found.get("status") or {}).get("conditions") or ():
        if condition.get("type") == "Ready":
            told = ": ".join(filter(None, (condition.get("reason"), condition.get("message"))))
            return "" if condition.get("status") == "True" else f"the node is not ready ({told})"
    return "the node does not tell whether it is ready"


@dataclass(frozen=True)
class Upgrade:
    """A member that is upgraded.

    :param desired: what to; the running version is observed. :param images: as of the module C(kubeadm).
    :param ignored: preflight errors of kubeadm. :param kubeadm_seconds: how long kubeadm may take.
    """

    host: Host
    desired: DesiredUpgrade
    declared: Declared
    reconfiguration: Reconfiguration
    images: t.Mapping[str, str]
    ignored: tuple[str, ...]
    kubeadm_seconds: float
    ready_seconds: float

    def check_kubeadm(self) -> None:
        """:raises KubeadmError: when kubeadm is not that of the version to upgrade to."""
        found = self.host.run(["version", "--output=short"], _VERSION_SECONDS).stdout.strip().lstrip("v")
        if parse_version(found) != parse_version(self.desired.version):
            raise KubeadmError(
                f"{self.host.name}: kubeadm is {found or 'of no version'}, expected {self.desired.version}: kubeadm"
                " upgrades to its own version. Nothing was changed.",
                "Install it first, as the playbook upgrade does.",
            )

    def pull(self, documents: t.Sequence[t.Mapping[str, t.Any]]) -> list[str]:
        """Pull and verify the images that are needed later.

        :return: those with a digest that were missing.
        :raises KubeadmError: when one cannot be pulled, or is another image.
        """
        pulled = images.ensure(self.host.name, self.images, self.kubeadm_seconds)
        if not self.desired.worker:
            # Those whose digest is not known, too.
            with self.host.config_file(docs.render(documents)) as path:
                self.host.run(["config", "images", "pull", "--config", path], self.kubeadm_seconds)
        return pulled

    def verify(self) -> None:
        """Wait until the kubelet of the version is healthy, stays so, and its node is ready.

        :raises KubeadmError: when it is not in time, or ends again and again.
        """
        components = self.reconfiguration.components
        restarts = components.kubelet_restarts()
        began = time.monotonic()
        deadline = time.monotonic() + self.ready_seconds
        healthy = 0
        since: dict[str, str] = {}
        while healthy < _HEALTHY_CHECKS:
            reason = self.host.unhealthy_kubelet() or not_verified(
                own_node(self.host, self.desired.worker), self.desired.version
            )
            try:
                if not reason and not self.desired.worker:
                    found = renewals(self.host)
                    since = since if healthy else found
                    last = healthy + 1 == _HEALTHY_CHECKS
                    reason = not_renewed(since, found) if last else ""
            except ApiError as exc:
                reason = exc.message
            healthy = 0 if reason else healthy + 1
            late = time.monotonic() >= deadline
            if reason and (late or components.kubelet_restarts() - restarts >= KUBELET_RESTARTS):
                log = components.kubelet_log()
                raise KubeadmError(
                    f"{self.host.name}: the kubelet {self.desired.version} does not work after"
                    f" {time.monotonic() - began:.0f} s: {reason.rstrip('.')}."
                    + (f" Its log: {log}." if log else ""),
                    "Correct the cause and run the playbook upgrade again.",
                )
            time.sleep(_POLL_SECONDS)

    def interrupted(self) -> bool:
        return self.reconfiguration.interrupted()

    def plan(self) -> Work:
        """What is left to do on this host, and in the cluster."""
        comparison = self.declared.observe()
        running = kubelet_version(own_node(self.host, self.desired.worker))
        plan = plan_upgrade(replace(self.desired, running=running), comparison)
        self.reconfiguration.check(plan)
        return Work("member", comparison, plan)

    def apply(self, work: Work) -> list[Output]:
        """Run all steps.

        :raises KubeadmError: when a component does not work with its new version; it runs the former one again then.
        """
        images.ensure(self.host.name, self.images, self.kubeadm_seconds)
        outputs = []
        if work.reconfiguration.of("renew"):
            outputs.append(self.host.run(["certs", "renew", "all"], self.kubeadm_seconds))
        for plan, comparison in parts(work.reconfiguration, work.comparison):
            self._apply_part(
                work, plan.names(), functools.partial(self.reconfiguration.apply, plan, comparison)
            )
        if not self.desired.worker:
            self.host.wait_ready(self.ready_seconds)
        # The API server answers now, whatever it did before.
        for step in self.plan().reconfiguration.of("upgrade"):
            argv = arguments(step.target, self.desired.version, self.ignored)
            outputs.append(self.host.run(argv, self.kubeadm_seconds))
        # kubeadm may have changed what the next run of the playbook site would change again.
        last = self.plan()
        left = replace(
            last.reconfiguration,
            steps=tuple(s for s in last.reconfiguration.steps if s.kind not in ("renew", "upgrade")),
        )
        self.reconfiguration.apply(left, last.comparison)
        return outputs

    def _apply_part(self, work: Work, names: t.Sequence[str], apply: t.Callable[[], None]) -> None:
        try:
            apply()
        except KubeadmError as exc:
            if "rolled_back" not in exc.context:
                raise
            raise KubeadmError(
                f"{self.host.name}: the upgrade to {self.desired.version} was undone at: {', '.join(names)}."
                f" {exc.message}",
                "The cluster serves with the former version. Correct the cause that is named, and run the playbook"
                " upgrade again; what is finished stays.",
                **exc.context,
            ) from exc
