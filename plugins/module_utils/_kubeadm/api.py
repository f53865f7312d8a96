# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""A small client of the host's own API server, with the standard library alone."""

from __future__ import annotations

import json
import os
import re
import ssl
import tempfile
import typing as t
import urllib.error
import urllib.request
from dataclasses import replace

from ansible_collections.baremetal.kubernetes.plugins.module_utils import _kubeconfig
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.plan import KubeadmError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node.membership import (
    ADMIN_CONF,
    CONTROL_PLANE_MANIFESTS,
    read_text,
    under,
)

# kubeadm writes the address of the local API server into its manifest; admin.conf may name a load balancer.
_ADVERTISED = re.compile(r"kube-apiserver\.advertise-address\.endpoint:\s*[\"']?([^\s\"']+)")


class UnreachableError(Exception):
    """The API server does not answer; the message is the reason."""


class Api:
    """Requests as the administrator of C(admin.conf), or as the user of another kubeconfig.

    :param root: folder that stands for C(/). :param timeout: seconds per request. :param kubeconfig: its path.
    :raises KubeadmError: when the kubeconfig is missing or unusable.
    """

    def __init__(self, root: str = "/", timeout: float = 10, kubeconfig: str = ADMIN_CONF) -> None:
        path = under(root, kubeconfig)
        text = read_text(root, kubeconfig)
        if text is None:
            raise KubeadmError(
                f"{path} cannot be read, so the API server cannot be asked.",
                "Run this on a node of the cluster, as root."
                if kubeconfig != ADMIN_CONF
                else "Run this on a control plane, as root.",
            )
        try:
            config = _with_files(_kubeconfig.parse(text), root)
        except _kubeconfig.KubeconfigError as exc:
            raise KubeadmError(
                f"{path} is no usable kubeconfig: {exc}.",
                "Make it anew with: kubeadm init phase kubeconfig admin",
            ) from exc
        advertised = _ADVERTISED.search(read_text(root, CONTROL_PLANE_MANIFESTS[0]) or "")
        self.server = f"https://{advertised.group(1)}" if advertised else config.server.rstrip("/")
        self._timeout = timeout
        # The host's own API server is never behind a proxy.
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=_context(config, path))
        )

    def request(self, path: str, method: str = "GET") -> tuple[int, str]:
        """Status and body.

        :raises UnreachableError: when there is no answer.
        """
        # The server is the host's own, by https.
        request = urllib.request.Request(self.server + path, method=method)  # noqa: S310
        try:
            with self._opener.open(request, timeout=self._timeout) as response:
                return response.status, response.read().decode("utf-8", "replace")
        except urllib.error.HTTPError as exc:
            with exc:
                return exc.code, exc.read().decode("utf-8", "replace")
        except (urllib.error.URLError, OSError) as exc:
            reason = getattr(exc, "reason", exc)
            raise UnreachableError(str(getattr(reason, "strerror", None) or reason)) from exc

    def get(self, path: str) -> dict[str, t.Any] | None:
        """An object, or C(None) when there is none or the administrator may not see it (yet).

        :raises KubeadmError: for any other answer than these. :raises UnreachableError: without an answer.
        """
        status, body = self.request(path)
        if status in (403, 404):
            return None
        if status != 200:
            raise KubeadmError(
                f"{self.server}{path} answered {status}, expected 200.",
                "Look at the API server's log (crictl logs).",
            )
        parsed = json.loads(body)
        return parsed if isinstance(parsed, dict) else None

    def delete(self, path: str) -> bool:
        """Delete an object; whether it was there.

        :raises KubeadmError: when that was refused. :raises UnreachableError: without an answer.
        """
        status, _body = self.request(path, "DELETE")
        if status == 404:
            return False
        if status not in (200, 202):
            raise KubeadmError(
                f"Deleting {self.server}{path} was answered with {status}, expected 200.",
                "Look at the API server's log (crictl logs).",
            )
        return True


def _with_files(config: _kubeconfig.Kubeconfig, root: str) -> _kubeconfig.Kubeconfig:
    """The kubeconfig with the certificate and key that it names by path, as the kubelet's does."""

    def content(own: bytes | None, path: str | None) -> bytes | None:
        text = read_text(root, path) if own is None and path else None
        return text.encode() if text is not None else own

    return replace(
        config,
        client_cert=content(config.client_cert, config.client_cert_path),
        client_key=content(config.client_key, config.client_key_path),
    )


def _context(config: _kubeconfig.Kubeconfig, path: str) -> ssl.SSLContext:
    if not (config.ca and config.client_cert and config.client_key):
        raise KubeadmError(
            f"{path} lacks the CA, the client certificate or its key.",
            "Make it anew with: kubeadm init phase kubeconfig admin",
        )
    try:
        context = ssl.create_default_context(cadata=config.ca.decode("ascii"))
        # OpenSSL takes a client key from a file only; it exists for the time of this call.
        with tempfile.TemporaryDirectory(prefix="bmk-api-", dir=private_dir()) as folder:
            pair = os.path.join(folder, "client.pem")
            with open(os.open(pair, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as handle:
                handle.write(config.client_cert + b"\n" + config.client_key)
            context.load_cert_chain(pair)
    except (ssl.SSLError, ValueError, OSError) as exc:
        raise KubeadmError(
            f"The certificates in {path} cannot be used: {exc}.",
            "Make it anew with: kubeadm init phase kubeconfig admin",
        ) from exc
    return context


def private_dir() -> str | None:
    """A folder for files that hold secrets for a moment: in memory where there is one, else the default."""
    return "/run" if os.path.isdir("/run") and os.access("/run", os.W_OK) else None
