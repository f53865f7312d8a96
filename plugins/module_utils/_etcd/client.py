# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""A client of etcd's JSON API (its gRPC gateway), with the certificates of a control plane."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import ssl
import time
import typing as t
import urllib.error
import urllib.request

from ansible_collections.baremetal.kubernetes.plugins.module_utils._etcd.members import (
    EtcdError,
    Member,
    parse_members,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node.membership import CONFIG_DIR, under
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os import tls

ENDPOINT = "https://127.0.0.1:2379"
_CA = f"{CONFIG_DIR}/pki/etcd/ca.crt"
_CERT = f"{CONFIG_DIR}/pki/apiserver-etcd-client.crt"
_KEY = f"{CONFIG_DIR}/pki/apiserver-etcd-client.key"
_HEALTH_SECONDS = 5
_POLL_SECONDS = 1.0
_PAGE = 200


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


class Etcd:
    """The etcd of a control plane.

    :param root: directory that stands for C(/). :param seconds: how long a request is retried.
    :raises EtcdError: when the certificates are missing or unusable.
    """

    def __init__(self, root: str = "/", seconds: float = 30, endpoint: str = ENDPOINT) -> None:
        self._seconds = seconds
        self._endpoint = endpoint
        try:
            context = tls.client_context(cafile=under(root, _CA))
            context.load_cert_chain(under(root, _CERT), under(root, _KEY))
        except (OSError, ssl.SSLError) as exc:
            raise EtcdError(
                f"The certificates for etcd below {os.path.dirname(_CERT)} cannot be used: {exc}.",
                "Run this on a control plane with its own etcd, as root.",
            ) from exc
        self._opener = tls.opener(context)

    def _once(self, url: str, body: t.Mapping[str, t.Any] | None, seconds: float) -> dict[str, t.Any]:
        # The scheme is that of etcd's own URLs.
        request = urllib.request.Request(  # noqa: S310
            url,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with self._opener.open(request, timeout=seconds) as response:
            parsed = json.loads(response.read().decode("utf-8", "replace") or "{}")
        return parsed if isinstance(parsed, dict) else {}

    def _post(self, path: str, body: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        """Retry while etcd elects a leader.

        :raises EtcdError: with its last answer.
        """
        deadline = time.monotonic() + self._seconds
        while True:
            try:
                return self._once(self._endpoint + path, body, 10)
            except urllib.error.HTTPError as exc:
                with exc:
                    reason = exc.read().decode("utf-8", "replace")[:300] or f"HTTP {exc.code}"
                retry = exc.code in (500, 503, 504)
            except (OSError, ValueError) as exc:
                reason, retry = str(getattr(exc, "reason", exc)), True
            if not retry or time.monotonic() >= deadline:
                raise EtcdError(
                    f"{self._endpoint}{path}: {reason.strip()}.",
                    "Look at etcd's container on this host (crictl ps -a, crictl logs).",
                )
            time.sleep(_POLL_SECONDS)

    def members(self) -> tuple[Member, ...]:
        """All members, as this one knows them: without quorum there is no linearizable answer."""
        return parse_members(self._post("/v3/cluster/member/list", {"linearizable": False}))

    def healthy(self, members: t.Iterable[Member]) -> set[str]:
        """Ids of those that report that they are healthy."""
        found = set()
        for member in members:
            for url in member.client_urls:
                with contextlib.suppress(OSError, ValueError):
                    if self._once(f"{url}/health", None, _HEALTH_SECONDS).get("health") == "true":
                        found.add(member.id)
                        break
        return found

    def values(self, prefix: str) -> t.Iterator[tuple[str, bytes]]:
        """Keys below a prefix and their values, page by page.

        :raises EtcdError: when etcd does not answer.
        """
        at, end = prefix.encode(), prefix[:-1].encode() + bytes([ord(prefix[-1]) + 1])
        while True:
            page = self._post(
                "/v3/kv/range",
                {"key": _b64(at), "range_end": _b64(end), "limit": _PAGE, "serializable": False},
            )
            found = page.get("kvs") or []
            for entry in found:
                at = base64.b64decode(entry["key"])
                yield at.decode("utf-8", "replace"), base64.b64decode(entry.get("value") or "")
            if not page.get("more") or not found:
                return
            at += b"\0"

    def remove(self, member: Member) -> None:
        """Remove a member, and verify that it is gone.

        :raises EtcdError: when etcd refuses, or the member remains.
        """
        try:
            self._post("/v3/cluster/member/remove", {"ID": member.id})
        except EtcdError:
            # A retried request finds nothing to remove.
            if member.id not in {other.id for other in self.members()}:
                return
            raise
        if member.id in {other.id for other in self.members()}:
            raise EtcdError(f"etcd still has the member {member.label()} after its removal.", "Run again.")
