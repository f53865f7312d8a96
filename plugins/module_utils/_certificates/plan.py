# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""The certificates of a node: what they are, which are due, and which components have to read them again. Pure."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from datetime import datetime, timedelta

from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError

KUBEADM, KUBELET, APPROVER, NOBODY = "kubeadm", "kubelet", "approver", "nobody"
_DAY = timedelta(days=1)


class CertificatesError(OperatorError):
    """Certificates cannot be renewed, or do not work."""


@dataclass(frozen=True)
class Known:
    """A certificate that a node may have.

    :param name: as C(kubeadm certs) names it. :param authority: base name of who issues it, below C(pki).
    :param renewed_by: who renews it. :param reader: the component that reads it at its start only.
    :param server: the component that serves it; those read it again by themselves.
    """

    name: str
    path: str
    authority: str
    renewed_by: str = KUBEADM
    reader: str = ""
    server: str = ""

    @property
    def component(self) -> str:
        """The component that serves it, whichever of its listeners does."""
        return self.server.replace("etcd-peer", "etcd")


_PKI = "/etc/kubernetes/pki"
CA, ETCD_CA, FRONT_PROXY_CA = "ca", "etcd/ca", "front-proxy-ca"
#: Components in the order in which they are restarted: each depends on those before it.
COMPONENTS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
# In the order in which they are renewed: what the API server needs to reach etcd comes first.
CONTROL_PLANE = (
    Known("etcd-server", f"{_PKI}/etcd/server.crt", ETCD_CA, server="etcd"),
    Known("etcd-peer", f"{_PKI}/etcd/peer.crt", ETCD_CA, server="etcd-peer"),
    Known("etcd-healthcheck-client", f"{_PKI}/etcd/healthcheck-client.crt", ETCD_CA),
    Known("apiserver-etcd-client", f"{_PKI}/apiserver-etcd-client.crt", ETCD_CA, reader="kube-apiserver"),
    Known("apiserver", f"{_PKI}/apiserver.crt", CA, server="kube-apiserver"),
    Known("apiserver-kubelet-client", f"{_PKI}/apiserver-kubelet-client.crt", CA, reader="kube-apiserver"),
    Known("front-proxy-client", f"{_PKI}/front-proxy-client.crt", FRONT_PROXY_CA, reader="kube-apiserver"),
    Known("admin.conf", "/etc/kubernetes/admin.conf", CA),
    Known("super-admin.conf", "/etc/kubernetes/super-admin.conf", CA),
    Known(
        "controller-manager.conf",
        "/etc/kubernetes/controller-manager.conf",
        CA,
        reader="kube-controller-manager",
    ),
    Known("scheduler.conf", "/etc/kubernetes/scheduler.conf", CA, reader="kube-scheduler"),
)
AUTHORITIES = (
    Known("ca", f"{_PKI}/ca.crt", "", NOBODY),
    Known("etcd-ca", f"{_PKI}/etcd/ca.crt", "", NOBODY),
    Known("front-proxy-ca", f"{_PKI}/front-proxy-ca.crt", "", NOBODY),
)
KUBELET_CLIENT = Known("kubelet-client", "/etc/kubernetes/kubelet.conf", CA, KUBELET)
KUBELET_SERVING = Known("kubelet-serving", "/var/lib/kubelet/pki/kubelet-server-current.pem", CA, KUBELET)
APPROVER_CLIENT = Known(
    "kubelet-csr-approver", "/etc/baremetal-kubernetes/kubelet-csr-approver.conf", CA, APPROVER
)
ALL = (*CONTROL_PLANE, KUBELET_CLIENT, KUBELET_SERVING, APPROVER_CLIENT, *AUTHORITIES)


@dataclass(frozen=True)
class Certificate:
    """A certificate as it is on a host.

    :param error: why it cannot be read; then the times are C(None).
    :param issued: whether the authority of this host has issued it. :param signable: whether its key is here.
    :param modified_at: when its file was written, in seconds since the epoch.
    """

    known: Known
    not_before: datetime | None = None
    not_after: datetime | None = None
    error: str = ""
    issued: bool = True
    signable: bool = True
    modified_at: float = 0.0

    def days_left(self, now: datetime) -> int:
        """Whole days until it ends, 0 when it has ended or cannot be read."""
        return max((self.not_after - now) // _DAY, 0) if self.not_after else 0

    def expired(self, now: datetime) -> bool:
        """Whether it has ended, or cannot be read."""
        return self.not_after is None or self.not_after <= now

    def due(self, now: datetime, within: timedelta | None) -> bool:
        """Whether it ends within that time; without one, it is due always."""
        return within is None or self.not_after is None or self.not_after - now <= within


@dataclass(frozen=True)
class Renewal:
    """What a renewal does on a control plane.

    :param renew: names of certificates. :param restart: components that have to read theirs again.
    """

    renew: tuple[str, ...] = ()
    restart: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        return not self.renew and not self.restart


def stamp(when: datetime | None) -> str:
    """A time as Kubernetes writes it, empty without one."""
    return when.strftime("%Y-%m-%dT%H:%M:%SZ") if when else ""


def refusals(found: t.Iterable[Certificate], now: datetime, within: timedelta | None) -> tuple[str, ...]:
    """Why certificates of kubeadm that are due cannot be renewed on this host."""
    why = []
    for own in found:
        name, path = own.known.name, own.known.path
        if own.known.renewed_by != KUBEADM or not own.due(now, within):
            continue
        if own.error:
            why.append(
                f"{name} ({path}) {own.error}, and kubeadm renews only what it can read. Restore it from a backup of"
                " the host, or move it away and create it with kubeadm init phase"
            )
        elif not own.issued:
            why.append(
                f"{name} ({path}) was not issued by the {own.known.authority} of this host. Renew it there"
            )
        elif not own.signable:
            why.append(
                f"{name} ({path}) cannot be renewed here: {_PKI}/{own.known.authority}.key is not on this host. Renew"
                " it with the authority that keeps the key"
            )
    return tuple(why)


def plan(
    found: t.Sequence[Certificate],
    started: t.Mapping[str, float | None],
    now: datetime,
    within: timedelta | None,
) -> Renewal:
    """What is renewed, and which components are restarted.

    An interrupted run has renewed files and not restarted their readers, which their times tell.

    :param started: component -> start of its process, C(None) when it does not run. What is not named is not here.
    :param within: renew what ends within that time; everything without one.
    """
    renew = [own for own in found if own.known.renewed_by == KUBEADM and own.due(now, within)]
    late = {own.known.reader for own in renew}
    for own in found:
        since = started.get(own.known.reader)
        if since is not None and since < own.modified_at <= now.timestamp():
            late.add(own.known.reader)
    return Renewal(
        tuple(own.known.name for own in renew),
        tuple(name for name in COMPONENTS if name in late and name in started),
    )


def expires(found: t.Iterable[Certificate], now: datetime, kinds: t.Collection[str]) -> tuple[str, ...]:
    """Names of certificates that have expired or cannot be read.

    :param kinds: who renews them.
    """
    return tuple(own.known.name for own in found if own.known.renewed_by in kinds and own.expired(now))


def as_dict(own: Certificate, now: datetime) -> dict[str, t.Any]:
    """A certificate as return value."""
    return {
        "name": own.known.name,
        "path": own.known.path,
        "not_after": stamp(own.not_after),
        "days_left": own.days_left(now),
        "expired": own.expired(now),
        "renewed_by": own.known.renewed_by,
        "renewable": own.known.renewed_by != NOBODY and own.signable and own.issued and not own.error,
        "error": own.error,
    }


def table(found: t.Sequence[Certificate], now: datetime) -> list[str]:
    """Lines of a table, the certificate that ends first at the top."""

    def left(own: Certificate) -> str:
        if own.error:
            return own.error
        return "EXPIRED" if own.expired(now) else f"{own.days_left(now)} days"

    far = datetime.max.replace(tzinfo=now.tzinfo)
    ordered = sorted(found, key=lambda own: (own.not_after or (now if own.error else far), own.known.name))
    return [
        f"{own.known.name:<26}{stamp(own.not_after) or '-':<22}{left(own):<12}renewed by {own.known.renewed_by}"
        for own in ordered
    ]
