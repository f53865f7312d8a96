# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Initialise or join a node, and reconfigure it when it is a member already."""

from __future__ import annotations

import os
import typing as t
from dataclasses import dataclass, field, replace

from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm import documents, images
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.bootstrap_plan import (
    DesiredNode,
    ObservedNode,
    needs_cluster_state,
    plan_init,
    plan_join,
    without_deleted_manifests,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.converge import Work
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.declared import (
    Declaration,
    Declared,
    restrict_kubelet_files,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.plan import Plan, Step
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.reconfigure import Reconfiguration
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.reconfigure_plan import (
    Comparison,
    plan_reconfiguration,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.runner import (
    Host,
    Output,
    flags,
    fresh_token,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node.membership import under


@dataclass(frozen=True)
class JoinSecrets:
    """What a node joins with."""

    token: str | None = field(default=None, repr=False)
    ca_cert_hashes: tuple[str, ...] = ()
    api_server_endpoint: str | None = None
    certificate_key: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Bootstrap:
    """A host that becomes, or is, a node of a cluster.

    :param images: digests of images by reference, which are verified before kubeadm starts anything.
    :param kubeadm_seconds: how long kubeadm may take.
    :param ready_seconds: how long the API server or the kubelet may take after it.
    """

    host: Host
    desired: DesiredNode
    declaration: Declaration
    secrets: JoinSecrets
    declared: Declared
    reconfiguration: Reconfiguration
    images: t.Mapping[str, str]
    kubeadm_seconds: float
    ready_seconds: float

    def interrupted(self) -> bool:
        return self.reconfiguration.interrupted()

    # --- observe and plan -------------------------------------------------------------------------------------------

    def plan(self) -> Work:
        """What is left to do, by the host's files, and by the cluster where they do not tell enough."""
        observed = self.host.observe(self.desired)
        if self.declaration.complete:
            observed = without_deleted_manifests(observed)
        if self.desired.role == "worker" and observed.membership.state == "member":
            # What it belongs to is checked before its cluster is asked.
            bootstrap = self._plan_bootstrap(observed)
            return self._work(observed, bootstrap, self.declared.observe())
        if (
            self.desired.role == "control_plane"
            and not self._foreign(observed)
            and needs_cluster_state(observed)
        ):
            return self._plan_control_plane(observed)
        bootstrap = self._plan_bootstrap(observed)
        starts = bool(bootstrap.of("init", "join"))
        comparison = self.declared.observe_declared_files() if starts else Comparison.empty(self.host.name)
        return self._work(observed, bootstrap, comparison)

    def _plan_control_plane(self, observed: ObservedNode) -> Work:
        """A control plane with all its files: its cluster tells how far an earlier run got."""
        comparison = self.declared.observe()
        if plan_reconfiguration(comparison).local and not comparison.observed.answers:
            # The API server may be down because of what is repaired. Its cluster is asked after that.
            unfinished: tuple[str, ...] = ()
        else:
            self.host.wait_ready(self.ready_seconds)
            unfinished = self.host.unfinished(self.desired, documents.wants_dns(self.declaration.documents))
        observed = replace(observed, unfinished=unfinished)
        bootstrap = self._plan_bootstrap(observed)
        if bootstrap.of("init", "join"):
            comparison = self.declared.observe_declared_files()
        return self._work(observed, bootstrap, comparison)

    def _foreign(self, observed: ObservedNode) -> bool:
        return bool(self.desired.cluster_ids) and observed.cluster_id not in self.desired.cluster_ids

    def _plan_bootstrap(self, observed: ObservedNode) -> Plan:
        plan = plan_init if self.desired.operation == "init" else plan_join
        return plan(observed, self.desired)

    def _work(self, observed: ObservedNode, bootstrap: Plan, comparison: Comparison) -> Work:
        reconfiguration = plan_reconfiguration(comparison)
        self.reconfiguration.check(reconfiguration)
        return Work(observed.membership.state, comparison, reconfiguration, bootstrap)

    # --- apply ------------------------------------------------------------------------------------------------------

    def apply(self, work: Work) -> list[Output]:
        """Run all steps, and wait until what they started is healthy."""
        starts = bool(work.bootstrap.of("init", "join"))
        if starts:
            images.ensure(self.host.name, self.images, self.kubeadm_seconds)
            # The control plane reads them at its first start.
            self.reconfiguration.place_files(self.declaration.files)
        outputs = []
        for step in work.bootstrap.steps:
            if step.kind == "remove":
                os.unlink(under(self.host.root, step.target))
            else:
                outputs.append(self._run(work.bootstrap, step))
        if outputs:
            restrict_kubelet_files(self.host)
            self.host.wait_kubelet(self.ready_seconds)
            if self.desired.role == "control_plane":
                self.host.wait_ready(self.ready_seconds)
        if not starts:
            self.reconfiguration.apply(work.reconfiguration, work.comparison)
        return outputs

    def _run(self, plan: Plan, step: Step) -> Output:
        phase = step.target if step.kind == "phase" else ""
        return self._init(plan, phase) if self.desired.operation == "init" else self._join(plan, phase)

    def _init(self, plan: Plan, phase: str) -> Output:
        """C(kubeadm init), or one phase of it."""
        token = fresh_token()
        with self.declared.renderer.patches() as patches:
            content = documents.render(documents.init_documents(self.declaration.documents, token, patches))
            with self.host.config_file(content) as path:
                if phase:
                    argv = ["init", "phase", *phase.split("/"), "--config", path]
                    argv += ["--skip-token-print"] if phase == "bootstrap-token" else []
                else:
                    argv = ["init", "--config", path, *flags(plan.ignore_preflight_errors, plan.skip_phases)]
                    argv += ["--skip-token-print", "--skip-certificate-key-print"]
                output = self.host.run(argv, self.kubeadm_seconds, [token])
        if phase in ("", "bootstrap-token"):
            self.host.delete_token(token)
        return output

    def _join(self, plan: Plan, phase: str) -> Output:
        """C(kubeadm join), or one phase of it, which works with C(admin.conf) and needs no token."""
        secrets = self.secrets
        with self.declared.renderer.patches() as patches:
            if phase:
                own = documents.phase_documents(self.declaration.documents)
                argv = ["join", "phase", *phase.split("/")]
                extra: t.Sequence[str] = []
            else:
                own = documents.join_documents(
                    self.declaration.documents,
                    self.desired.role,
                    secrets.token,
                    secrets.ca_cert_hashes,
                    secrets.api_server_endpoint,
                    secrets.certificate_key,
                    patches,
                )
                argv = ["join"]
                extra = flags(plan.ignore_preflight_errors, plan.skip_phases)
            with self.host.config_file(documents.render(own)) as path:
                hidden = [secrets.token, secrets.certificate_key]
                return self.host.run([*argv, "--config", path, *extra], self.kubeadm_seconds, hidden)
