# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Keep the new authorities of a CA rotation on a host, from its beginning to its end."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
import typing as t
from dataclasses import dataclass, field
from datetime import datetime, timezone

from ansible_collections.baremetal.kubernetes.plugins.module_utils._certificates import plan, renew, rotation
from ansible_collections.baremetal.kubernetes.plugins.module_utils._certificates.plan import CertificatesError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._formats import x509
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.runner import (
    Host,
    scratch_directory,
    write_private,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node import membership as node
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os import files, programs

PKI = "/etc/kubernetes/pki"
#: The controller manager signs with one certificate, and refuses a file that has two
#: (pkg/controller/certificates/signer/ca_provider.go).
SIGNING_CERT = f"{PKI}/ca-rotation-signing.crt"
#: Says that the kubelet has not read a file yet that was changed.
KUBELET_MARK = f"{node.CA_ROTATION}/restart-kubelet"
_SCRATCH = ".ca-rotation."
_OPENSSL_SECONDS = 30.0
_EXTENSIONS = """basicConstraints = critical,CA:TRUE
keyUsage = critical,digitalSignature,keyEncipherment,keyCertSign
subjectKeyIdentifier = {identifier}
authorityKeyIdentifier = keyid
"""


@dataclass(frozen=True)
class RotatedHost:
    """A host in one run, and the lines of its diff.

    :param kubeadm_seconds: how long a run of kubeadm may take.
    :param configuration: fields of a ClusterConfiguration that new certificates follow.
    :param check: whether nothing may change.
    """

    host: Host
    kubeadm_seconds: float
    configuration: t.Mapping[str, t.Any]
    check: bool
    before: list[str] = field(default_factory=list)
    after: list[str] = field(default_factory=list)

    def text(self, path: str) -> str | None:
        """The content of a file, C(None) when there is none."""
        return node.read_text(self.host.root, path)

    def path(self, path: str) -> str:
        """Where a path of the host is."""
        return node.under(self.host.root, path)


class Staging:
    """What a host keeps for a rotation."""

    def __init__(self, rotated: RotatedHost) -> None:
        self.rotated = rotated
        self.host = rotated.host
        self.membership = node.observe(self.host.root).membership
        self.control_plane = self.membership.role == "control_plane"

    def staged(self) -> rotation.Stage | None:
        """What this host keeps for a rotation that is under way.

        :raises CertificatesError: when that cannot be used.
        """
        top = self.rotated.path(node.CA_ROTATION)
        if not os.path.isdir(top):
            return None
        found = {}
        for directory, _names, names in os.walk(top):
            for name in names:
                path = os.path.relpath(os.path.join(directory, name), top)
                if path == os.path.basename(KUBELET_MARK):
                    continue
                found[path] = self.rotated.text(f"{node.CA_ROTATION}/{path}") or ""
        return rotation.complete(rotation.Stage(found), f"{self.host.name}: {node.CA_ROTATION}")

    def authorities(self) -> tuple[str, ...]:
        """The authorities that this host has the keys of."""
        return tuple(
            name for name in rotation.AUTHORITIES if os.path.exists(self.rotated.path(f"{PKI}/{name}.key"))
        )

    def check(self) -> None:
        """Refuse what a rotation cannot begin on, or continue.

        :raises CertificatesError: nothing was changed.
        """
        if self.membership.state != "member":
            raise CertificatesError(
                f"{self.host.name}: this host is not in the cluster ({self.membership.state}); expected only nodes.",
                "Join it with the playbook site, or reset it and remove it from the inventory. Nothing was changed.",
            )
        if self.staged() is not None:
            return
        for name in rotation.AUTHORITIES if self.control_plane else (plan.CA,):
            self._check_authority(name)
        if not self.control_plane:
            return
        if plan.CA not in self.authorities():
            raise CertificatesError(
                f"{self.host.name}: {node.CA_KEY} is not on this host, so that kubeadm cannot issue certificates;"
                " expected the key of the cluster's CA on every control plane.",
                "Rotate the CA where its key is kept. Nothing was changed.",
            )
        if programs.find("openssl") is None:
            raise CertificatesError(
                f"{self.host.name}: there is no openssl, which signs the new CA with the former one for clients that"
                " do not read their trusted CA again.",
                "Install the package openssl on all control planes. Nothing was changed.",
            )

    def _check_authority(self, name: str) -> None:
        path = f"{PKI}/{name}.crt"
        text = self.rotated.text(path)
        if text is None:
            return
        try:
            found = x509.parse_bundle(text)
        except x509.CertificateError as exc:
            raise CertificatesError(
                f"{self.host.name}: {path} cannot be read: {exc}.", "Restore it. Nothing was changed."
            ) from None
        if len(found) != 1:
            raise CertificatesError(
                f"{self.host.name}: {path} has {len(found)} certificates, expected one: an intermediate CA is"
                " renewed by the CA that issued it.",
                "After an interrupted manual rotation, leave only the certificate of the key beside it. Nothing was"
                " changed.",
            )
        if found[0].not_after <= datetime.now(timezone.utc):
            raise CertificatesError(
                f"{self.host.name}: {path} ended at {plan.stamp(found[0].not_after)}, so that nobody trusts what it"
                " signs; expected it to be valid until all nodes trust another one.",
                "Restore the cluster from a backup (docs/backup.md). Nothing was changed.",
            )

    def create(self) -> rotation.Stage | None:
        """Make the new authorities, and keep them on this control plane; in check mode nothing is made."""
        former = self.rotated.text(node.CA_CERT) or ""
        if self.rotated.check:
            self.rotated.before.append(f"{node.CA_ROTATION}: missing")
            self.rotated.after.append(f"{node.CA_ROTATION}: new {', '.join(self.authorities())}")
            return None
        made = {rotation.FORMER: former}
        with scratch_directory("ca") as directory:
            values = {**self.rotated.configuration, "certificatesDir": directory}
            with self.host.config_file(renew.configuration(self.host, values)) as config:
                for name in self.authorities():
                    phase = rotation.AUTHORITIES[name]
                    self.host.run(
                        ["init", "phase", "certs", phase, "--config", config], self.rotated.kubeadm_seconds
                    )
                    for kind in ("crt", "key"):
                        made[f"{name}.{kind}"] = node.read_text(directory, f"{name}.{kind}") or ""
            made[rotation.CROSS] = self._cross(directory, made[f"{plan.CA}.crt"], former)
        stage = rotation.complete(rotation.Stage(made), self.host.name)
        self.place(stage)
        return stage

    def _cross(self, directory: str, new: str, former: str) -> str:
        """Have openssl sign the new CA with the former one."""
        own, issuer = x509.parse_pem(new), x509.parse_pem(former)
        left = (issuer.not_after - datetime.now(timezone.utc)).days
        extensions, to = os.path.join(directory, "extensions"), os.path.join(directory, rotation.CROSS)
        write_private(extensions, _EXTENSIONS.format(identifier=(own.subject_key_id or b"").hex()).encode())
        argv = ["openssl", "x509", "-in", os.path.join(directory, f"{plan.CA}.crt"), "-clrext"]
        argv += ["-CA", self.rotated.path(node.CA_CERT), "-CAkey", self.rotated.path(node.CA_KEY)]
        argv += ["-set_serial", f"0x{secrets.token_hex(8)}", "-days", str(max(left, 1)), "-sha256"]
        code, output = programs.command([*argv, "-extfile", extensions, "-out", to], _OPENSSL_SECONDS)
        text = node.read_text(directory, rotation.CROSS) or ""
        try:
            if code != 0 or x509.parse_pem(text).spki != own.spki:
                raise x509.CertificateError(f"exit code {code}")
        except x509.CertificateError as exc:
            raise CertificatesError(
                f"{self.host.name}: openssl has not signed the new CA with the former one ({exc}): {output.strip()}.",
                "Look at the version of openssl on that host, 1.1.1 or newer is expected. Nothing was changed.",
            ) from None
        return text

    def place(self, stage: rotation.Stage) -> None:
        """Keep what another control plane has made; a worker keeps the certificates."""
        kept = stage if self.control_plane else stage.public()
        present = self.staged()
        if present is not None and dict(present.files) == dict(kept.files):
            return
        self.rotated.before.append(f"{node.CA_ROTATION}: {'another CA' if present else 'missing'}")
        self.rotated.after.extend(
            f"{node.CA_ROTATION}/{name}: {'; '.join(rotation.described(text)) if name.endswith('.crt') else 'a key'}"
            for name, text in sorted(kept.files.items())
        )
        if self.rotated.check:
            return
        self._sweep()
        top = self.rotated.path(node.CA_ROTATION)
        parent = os.path.dirname(top)
        made = tempfile.mkdtemp(prefix=_SCRATCH, dir=parent)
        try:
            for name, text in kept.files.items():
                path = os.path.join(made, name)
                os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
                files.write_atomic(path, text.encode(), 0o600)
            if present is not None:
                shutil.rmtree(top)
            os.rename(made, top)
            files.fsync_dir(parent)
        except BaseException:
            shutil.rmtree(made, ignore_errors=True)
            raise

    def _sweep(self) -> None:
        """Delete what a killed run has left beside the directory of the rotation."""
        parent = os.path.dirname(self.rotated.path(node.CA_ROTATION))
        for name in os.listdir(parent):
            if name.startswith(_SCRATCH):
                shutil.rmtree(os.path.join(parent, name))

    def close(self) -> None:
        """Forget the former authorities for good: the rotation has ended."""
        if not os.path.isdir(self.rotated.path(node.CA_ROTATION)):
            return
        self.rotated.before.append(f"{node.CA_ROTATION}: the new CA")
        self.rotated.after.append(f"{node.CA_ROTATION}: missing")
        if self.rotated.check:
            return
        self._sweep()
        top = self.rotated.path(node.CA_ROTATION)
        parent = os.path.dirname(top)
        # A deletion that is interrupted must not leave a part of it.
        gone = tempfile.mkdtemp(prefix=_SCRATCH, dir=parent)
        os.rename(top, gone)
        files.fsync_dir(parent)
        shutil.rmtree(gone)
        if os.path.exists(self.rotated.path(SIGNING_CERT)):
            os.unlink(self.rotated.path(SIGNING_CERT))
