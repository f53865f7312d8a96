# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""What plans are made of: files as they are and have to be, steps, and the error that refuses a plan.

A plan is made in the same way for every operation: C(Desired...) says what has to be, C(Observed...) what is there, a
pure function compares them and returns a C(Plan), and its C(Step)s are applied one after the other.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError

# Steps that replace files of this host, in their order. They are applied as one transaction.
LOCAL = ("file", "certificate", "kubeconfig", "manifest", "kubelet")
# Steps that write to the cluster, after the local ones.
REMOTE = ("upload", "addon")


class KubeadmError(OperatorError):
    """kubeadm must not, or could not, do what is asked for."""


@dataclass(frozen=True)
class ObservedFile:
    """A file on the host; without content it does not exist."""

    content: bytes | None = field(default=None, repr=False)
    mode: int = 0
    uid: int = 0
    gid: int = 0

    @property
    def text(self) -> str | None:
        """The content as text."""
        return None if self.content is None else self.content.decode("utf-8", "replace")


@dataclass(frozen=True)
class DesiredFile:
    """A file as it has to be.

    :param kind: C(file), C(certificate), C(kubeconfig), C(manifest) (of C(component)) or C(kubelet).
    :param mode: C(None) keeps that of the file, as do C(uid) and C(gid). :param secret: whether contents are not shown.
    :param note: what a message says about the change, for a certificate or a kubeconfig.
    """

    path: str
    content: bytes = field(repr=False)
    kind: str = "file"
    component: str = ""
    mode: int | None = None
    uid: int | None = None
    gid: int | None = None
    secret: bool = False
    note: str = ""

    @property
    def text(self) -> str:
        """The content as text."""
        return self.content.decode("utf-8", "replace")


@dataclass(frozen=True)
class Step:
    """One change.

    :param kind: C(remove) (a file), C(init), C(join) or C(phase) (one phase of them); C(file), C(certificate),
        C(kubeconfig), C(manifest) or C(kubelet) (files of a member); C(upload) (a ConfigMap) or C(addon).
    :param target: path of the file to remove, name of the component, or phase of kubeadm, for example C(addon/coredns).
    :param files: what is written. :param restarts: whether a pod or daemon is replaced by another.
    """

    name: str
    kind: str
    target: str = ""
    files: tuple[DesiredFile, ...] = ()
    restarts: bool = False
    diff: str = field(default="", repr=False)


@dataclass(frozen=True)
class Plan:
    """Steps in their order, and what kubeadm is told beside its documents."""

    steps: tuple[Step, ...] = ()
    ignore_preflight_errors: tuple[str, ...] = ()
    skip_phases: tuple[str, ...] = ()

    def names(self) -> list[str]:
        return [step.name for step in self.steps]

    def of(self, *kinds: str) -> tuple[Step, ...]:
        """The steps of some kinds."""
        return tuple(step for step in self.steps if step.kind in kinds)

    def diff(self) -> str:
        return "".join(step.diff for step in self.steps)

    @property
    def local(self) -> tuple[Step, ...]:
        """The steps that replace files of this host."""
        return self.of(*LOCAL)
