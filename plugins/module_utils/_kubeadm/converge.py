# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Observe, plan, apply: the one way in which the modules bring a host to its desired state."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.plan import Plan
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.reconfigure import Reconfiguration
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.reconfigure_plan import (
    Comparison,
    plan_reconfiguration,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.runner import Host, Output
from ansible_collections.baremetal.kubernetes.plugins.module_utils._redact import redact


@dataclass(frozen=True)
class Work:
    """What there is to do on a host.

    :param state: what the host is to a cluster: C(fresh), C(partial) or C(member).
    :param comparison: of the member, when there is one. :param reconfiguration: its plan, or that of files alone.
    :param bootstrap: steps of C(kubeadm init) or C(kubeadm join), which come first.
    """

    state: str
    comparison: Comparison
    reconfiguration: Plan = field(default_factory=Plan)
    bootstrap: Plan = field(default_factory=Plan)

    def names(self) -> list[str]:
        return [*self.bootstrap.names(), *self.reconfiguration.names()]

    @property
    def repairs(self) -> bool:
        """Whether it repairs a control plane whose API server does not answer, and which has to be observed again."""
        return bool(self.reconfiguration.local) and not self.comparison.observed.answers


class Subject(t.Protocol):
    """What is brought to its desired state."""

    def plan(self) -> Work:
        """Observe and plan. Changes nothing."""

    def apply(self, work: Work) -> list[Output]:
        """Apply all steps and verify them; returns what kubeadm printed."""

    def interrupted(self) -> bool:
        """Whether an earlier run has left something to verify."""


class Source(t.Protocol):
    """Where the desired configuration of a member comes from: documents, or settings."""

    def observe(self) -> Comparison:
        """What the member has to be, and what it is. Changes nothing."""


@dataclass(frozen=True)
class Member:
    """A member that is reconfigured."""

    source: Source
    reconfiguration: Reconfiguration

    def plan(self) -> Work:
        comparison = self.source.observe()
        plan = plan_reconfiguration(comparison)
        if not comparison.observed.answers and not plan.local:
            # Nothing on this host explains why the API server does not answer.
            self.reconfiguration.wait_ready()
            comparison = self.source.observe()
            plan = plan_reconfiguration(comparison)
        self.reconfiguration.check(plan)
        return Work("member", comparison, plan)

    def apply(self, work: Work) -> list[Output]:
        self.reconfiguration.apply(work.reconfiguration, work.comparison)
        return []

    def interrupted(self) -> bool:
        return self.reconfiguration.interrupted()


@dataclass(frozen=True)
class Outcome:
    """What was done, or would be in check mode.

    :param rounds: usually one; a repaired control plane takes two. :param applied: whether they were applied.
    :param outputs: what kubeadm printed.
    """

    rounds: tuple[Work, ...]
    applied: bool = False
    outputs: tuple[Output, ...] = ()

    @property
    def first(self) -> Work:
        return self.rounds[0]

    def names(self) -> list[str]:
        return [name for work in self.rounds for name in work.names()]

    def reconfigured(self) -> list[str]:
        """The names of the steps that change a member, or place files."""
        return [name for work in self.rounds for name in work.reconfiguration.names()]

    def diff(self) -> str:
        """What changes in files and ConfigMaps, without secrets."""
        return redact(self.first.reconfiguration.diff())


def converge(
    subject: Subject, host: Host, lock_seconds: float, ready_seconds: float, check_mode: bool
) -> Outcome:
    """Bring a host to its desired state, or tell what that takes.

    :param lock_seconds: how long another run may take to end.
    """
    work = subject.plan()
    if check_mode or not (work.names() or subject.interrupted()):
        return Outcome((work,))
    with host.exclusive(lock_seconds):
        # Another run, whose controller is gone, may have changed the host until now.
        work = subject.plan()
        rounds, outputs = [work], subject.apply(work)
        if work.repairs:
            host.wait_ready(ready_seconds)
            rounds.append(subject.plan())
            outputs += subject.apply(rounds[-1])
    return Outcome(tuple(rounds), True, tuple(outputs))
