# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""A client of etcd's JSON API (its gRPC gateway), with the certificates of a control plane."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.client
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
# A snapshot has a database of whole sectors, and their SHA-256.
_SECTOR, _SUM = 512, 32


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def explain(exc: Exception) -> str:
    """What etcd or the network says about a request that has failed."""
    if isinstance(exc, urllib.error.HTTPError):
        with exc:
            return exc.read().decode("utf-8", "replace").strip()[:300] or f"HTTP {exc.code}"
    return str(getattr(exc, "reason", exc)) or type(exc).__name__


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
            except (OSError, ValueError) as exc:
                reason = explain(exc)
                retry = not isinstance(exc, urllib.error.HTTPError) or exc.code in (500, 503, 504)
            if not retry or time.monotonic() >= deadline:
                raise EtcdError(
                    f"{self._endpoint}{path}: {reason}.",
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

    def local_failure(self) -> str | None:
        """Why the member of this host is not healthy, C(None) when it is. It needs a leader to be."""
        try:
            answer = self._once(f"{self._endpoint}/health", None, _HEALTH_SECONDS)
        except (OSError, ValueError) as exc:
            return explain(exc)
        return None if answer.get("health") == "true" else str(answer.get("reason") or answer)

    def status(self) -> dict[str, t.Any]:
        """What the member of this host says of itself: C(header), C(version), C(dbSize), C(isLearner) and more.

        :raises EtcdError: when etcd does not answer.
        """
        return self._post("/v3/maintenance/status", {})

    def snapshot(self, write: t.Callable[[bytes], t.Any]) -> tuple[int, str]:
        """Take a snapshot of this member.

        etcd sends its database and then the SHA-256 of it, which is verified here.

        :param write: gets all of the file, piece by piece. :return: its size and SHA-256.
        :raises EtcdError: when it is not complete. :raises OSError: of C(write).
        """
        request = urllib.request.Request(  # noqa: S310 - the scheme of etcd's own URLs
            f"{self._endpoint}/v3/maintenance/snapshot",
            data=b"{}",
            headers={"Content-Type": "application/json"},
        )
        incomplete = "Run again. Look at etcd's log on this host (crictl logs) when it happens again."
        whole, content, tail, size = hashlib.sha256(), hashlib.sha256(), b"", 0
        with contextlib.closing(self._lines(request)) as lines:
            for line in lines:
                try:
                    answer = json.loads(line)
                    piece = base64.b64decode((answer.get("result") or {}).get("blob") or "")
                except (ValueError, AttributeError) as exc:
                    raise EtcdError("etcd's snapshot is cut off in the middle.", incomplete) from exc
                if answer.get("error"):
                    raise EtcdError(f"etcd cannot take a snapshot: {answer['error']}.", incomplete)
                write(piece)
                whole.update(piece)
                size += len(piece)
                tail += piece
                content.update(tail[:-_SUM])
                tail = tail[-_SUM:]
        if size % _SECTOR != _SUM or tail != content.digest():
            raise EtcdError(
                f"etcd's snapshot has {size} bytes that do not match their checksum.",
                incomplete,
            )
        return size, whole.hexdigest()

    def _lines(self, request: urllib.request.Request) -> t.Generator[bytes, None, None]:
        """Lines of an answer of any length.

        :raises EtcdError: when the connection fails.
        """
        try:
            with self._opener.open(request, timeout=self._seconds) as response:
                for line in response:
                    if line.strip():
                        yield line
        except (OSError, http.client.HTTPException) as exc:
            raise EtcdError(
                f"{request.full_url}: {getattr(exc, 'reason', exc)}.",
                "Look at etcd's container on this host (crictl ps -a, crictl logs).",
            ) from exc

    def leader(self) -> str:
        """Id of the member that leads, empty during an election."""
        found = str(self.status().get("leader") or "")
        return "" if found == "0" else found

    def move_leader(self, leader: Member, target: Member) -> None:
        """Hand the leadership over; only the leader itself can.

        :raises EtcdError: when it does not answer or refuses.
        """
        reason = "it has no client URL"
        for url in leader.client_urls:
            reason = self._refusal(f"{url}/v3/maintenance/transfer-leadership", {"targetID": target.id})
            if not reason:
                return
        raise EtcdError(
            f"The etcd member {leader.label()} leads, and does not hand over to {target.label()}: {reason}.",
            "Look at etcd's container on both hosts (crictl ps -a, crictl logs).",
        )

    def _refusal(self, url: str, body: t.Mapping[str, t.Any]) -> str:
        """Why a request has failed, empty when it has not."""
        try:
            self._once(url, body, 15)
        except (OSError, ValueError) as exc:
            return explain(exc)
        return ""

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
