# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Fetch a file over HTTP(S) or from a path, resuming within the run, and verify it while it streams."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import http.client
import os
import re
import ssl
import stat
import time
import typing as t
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass

from ansible_collections.baremetal.kubernetes.plugins.module_utils._artifact.model import (
    ArtifactError,
    FileSpec,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._artifact.transport import (
    Deadline,
    Space,
    opener,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os import tls
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os.proxy import Proxy

CHUNK = 1 << 20
# The largest release archive of the components installed here has about 0.1 GiB.
MAX_DOWNLOAD_BYTES = 4 << 30
_RETRIED_STATUS = (408, 425, 429, 500, 502, 503, 504)
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d*/(?:\d+|\*)")


class _TransientError(Exception):
    """Worth another attempt; the message is the reason."""


class _StartOverError(Exception):
    """The server did not continue where the part ends."""


class _Part:
    """The bytes that have arrived so far, with their digests."""

    def __init__(self, path: str, algorithms: t.Iterable[str]) -> None:
        self.path = path
        self.validator = ""
        self.reserved = 0
        self._algorithms = tuple(dict.fromkeys(algorithms))
        self.restart()

    def restart(self) -> None:
        """Forget what has arrived."""
        self.size = 0
        self._hashes = {name: hashlib.new(name) for name in self._algorithms}
        with open(self.path, "wb"):
            pass

    def extend(self, read: t.Callable[[], bytes], admit: t.Callable[[int], None]) -> None:
        """Append until C(read) gives nothing more.

        :param admit: is told the size that the part is about to have; it raises when that is too much.
        """
        with open(self.path, "ab") as out:
            while chunk := read():
                admit(self.size + len(chunk))
                out.write(chunk)
                self.size += len(chunk)
                for item in self._hashes.values():
                    item.update(chunk)

    def hexdigest(self, algorithm: str) -> str:
        return self._hashes[algorithm].hexdigest()


@dataclass(frozen=True)
class Fetched:
    """A verified download. C(size) is in bytes, C(sha256) a hexadecimal digest."""

    path: str
    size: int
    sha256: str
    attempts: int


class Fetcher:
    """Downloads with one TLS configuration.

    :param ca_path: PEM file of authorities trusted beside the system's, or C(None).
    :param ca: such authorities themselves, in PEM form.
    :param timeout: seconds per connection attempt and per read.
    :param deadline: seconds for a file, all attempts together.
    :param retries: further attempts after the first.
    :param headers: sent with each request to the first host.
    :param proxy: C(None) stands for the proxies of the environment.
    :param pause: seconds to wait before an attempt, by number of the attempt that failed.
    :param limit: most bytes that a file may have.
    """

    def __init__(
        self,
        ca_path: str | None = None,
        ca: str | None = None,
        timeout: float = 30,
        deadline: float = 3600,
        retries: int = 3,
        headers: t.Mapping[str, str] | None = None,
        space: Space | None = None,
        proxy: Proxy | None = None,
        pause: t.Callable[[int], float] = lambda failed: min(0.5 * 2 ** (failed - 1), 10.0),
        limit: int = MAX_DOWNLOAD_BYTES,
    ) -> None:
        self._timeout = timeout
        self._seconds = deadline
        self._limit = limit
        self._retries = retries
        self._headers = dict(headers or {})
        self.space = space or Space()
        self._pause = pause
        context = tls.client_context()
        if ca_path:
            try:
                context.load_verify_locations(cafile=ca_path)
            except (OSError, ssl.SSLError) as exc:
                raise ArtifactError(
                    f"ca_path {ca_path} cannot be read as PEM certificates: {exc}.",
                    "Copy the mirror's CA certificate to the host first.",
                ) from exc
        if ca:
            try:
                context.load_verify_locations(cadata=ca)
            except (ValueError, ssl.SSLError) as exc:
                raise ArtifactError(
                    f"The authorities given as ca cannot be read as PEM certificates: {exc}.",
                    "Give the mirror's CA certificate, as its PEM file has it.",
                ) from exc
        self._context = context
        self._proxy = proxy

    def fetch(self, spec: FileSpec, path: str) -> Fetched:
        """Download C(spec.url) to C(path) and verify it.

        :raises ArtifactError: unreachable, refused, truncated, too large, too slow, no space, or another checksum than
            expected. What was downloaded is removed then.
        """
        try:
            with Deadline(self._seconds) as deadline:
                return self._fetch(spec, path, deadline)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(path)
            raise

    def _fetch(self, spec: FileSpec, path: str, deadline: Deadline) -> Fetched:
        part = _Part(path, (spec.checksum.algorithm, "sha256"))
        attempt, resumed, reason = 0, False, ""
        while attempt <= self._retries:
            if attempt:
                time.sleep(min(self._pause(attempt), deadline.left()))
            if deadline.passed or not deadline.left():
                raise self._too_slow(spec, part)
            attempt += 1
            resumed = part.size > 0
            try:
                self._transfer(spec, part, deadline)
            except _TransientError as exc:
                reason = str(exc)
                continue
            except _StartOverError as exc:
                reason = str(exc)
                part.restart()
                continue
            # A connection that was closed at the deadline looks like the end of a transfer.
            actual = part.hexdigest(spec.checksum.algorithm)
            if actual == spec.checksum.digest:
                return Fetched(path, part.size, part.hexdigest("sha256"), attempt)
            if deadline.passed:
                raise self._too_slow(spec, part)
            if resumed and attempt <= self._retries:
                # The halves may stem from different files: once more, from the start.
                reason = "the resumed download has another checksum"
                part.restart()
                continue
            raise ArtifactError(
                f"{spec.name}: {spec.shown_url} has the checksum {spec.checksum.algorithm}:{actual} ({part.size}"
                f" bytes), expected {spec.checksum}. Nothing was replaced.",
                "If the mirror serves its own build, set the checksum of that build; otherwise the file was altered"
                " or damaged: do not use it.",
                url=spec.shown_url,
                found_checksum=f"{spec.checksum.algorithm}:{actual}",
                expected_checksum=str(spec.checksum),
            )
        if deadline.passed:
            raise self._too_slow(spec, part)
        raise ArtifactError(
            f"{spec.name}: {spec.shown_url} could not be downloaded in {attempt} attempt(s)"
            f"{self._way(spec.url)}: {reason}. Nothing was replaced.",
            f"Check that {_host(spec.url)} is reachable from this host (name, route, firewall, proxy).",
            url=spec.shown_url,
            attempts=attempt,
        )

    def _way(self, url: str) -> str:
        server = self._proxy.server(url) if self._proxy else ""
        return f" through the proxy {server}" if server else ""

    def _too_slow(self, spec: FileSpec, part: _Part) -> ArtifactError:
        return ArtifactError(
            f"{spec.name}: {spec.shown_url} did not end within {self._seconds:g} s; {part.size} bytes arrived."
            " Nothing was replaced.",
            f"Find out why {_host(spec.url)} is so slow, or use a mirror that is nearer.",
            url=spec.shown_url,
        )

    def _admit(self, spec: FileSpec, part: _Part, size: int, known: bool) -> None:
        """Let a part grow to a size: within the limit, and on disk space that is there.

        :param known: whether this is all; space is promised in steps otherwise.
        """
        if size > self._limit:
            raise ArtifactError(
                f"{spec.name}: {spec.shown_url} has more than {self._limit >> 20} MiB, which no release file has."
                " Nothing was replaced.",
                "Check that the URL names the intended release file.",
                url=spec.shown_url,
            )
        if size > part.reserved:
            size = size if known else max(size, part.reserved + CHUNK)
            self.space.reserve(os.path.dirname(part.path), size - part.reserved, spec.name)
            part.reserved = size

    def _transfer(self, spec: FileSpec, part: _Part, deadline: Deadline) -> None:
        """One attempt; continues where the part ends."""
        if spec.url.lower().startswith("file:"):
            self._copy(spec, part)
            return
        # The scheme was checked when the entry was read.
        headers = {"User-Agent": "baremetal.kubernetes", **self._headers}
        request = urllib.request.Request(spec.url, headers=headers)  # noqa: S310
        # A proxy or server that compressed the bytes on the way would break both range and length.
        request.add_header("Accept-Encoding", "identity")
        if part.size:
            request.add_header("Range", f"bytes={part.size}-")
            if part.validator:
                request.add_header("If-Range", part.validator)
        try:
            own = opener(self._context, self._headers, deadline, self._proxy)
            with own.open(request, timeout=min(self._timeout, deadline.left() + 1)) as response:
                self._stream(spec, part, response)
        except urllib.error.HTTPError as exc:
            with exc:
                if exc.code == 416 and part.size:
                    raise _StartOverError("the server refused to continue the download (HTTP 416)") from exc
                if exc.code in _RETRIED_STATUS:
                    raise _TransientError(f"HTTP {exc.code} {exc.reason}") from exc
                hint = {
                    401: "Give the mirror's credentials in headers.",
                    403: "Check the mirror's access rules.",
                    404: "Check version, architecture and path; on a mirror, add the file.",
                    407: "Check the proxy's credentials.",
                }.get(exc.code, "Check the server's log.")
                raise ArtifactError(
                    f"{spec.name}: {spec.shown_url} answered HTTP {exc.code} {exc.reason}. Nothing was replaced.",
                    hint,
                    url=spec.shown_url,
                    status=exc.code,
                ) from exc
        except urllib.error.URLError as exc:
            cause = exc.reason
            if isinstance(cause, ssl.SSLCertVerificationError):
                raise ArtifactError(
                    f"{spec.name}: the certificate of {_host(spec.url)} is not trusted: {cause.verify_message}."
                    " Nothing was replaced.",
                    "Set ca_path to the PEM file of the authority that signed it.",
                    url=spec.shown_url,
                ) from exc
            raise _TransientError(_reason(cause)) from exc
        except (OSError, http.client.HTTPException) as exc:
            if isinstance(exc, OSError) and exc.errno == errno.ENOSPC:
                raise _no_space(spec, part.path) from exc
            raise _TransientError(_reason(exc)) from exc

    def _stream(self, spec: FileSpec, part: _Part, response: t.Any) -> None:
        if part.size and response.status == 206:
            match = _CONTENT_RANGE.match(response.headers.get("Content-Range", ""))
            if not match or int(match.group(1)) != part.size:
                raise _StartOverError("the server continued at another place")
        else:
            part.restart()
        tag = response.headers.get("ETag", "")
        part.validator = tag if not tag.startswith("W/") else ""
        length = response.headers.get("Content-Length")
        expected = int(length) if length and re.fullmatch(r"[0-9]{1,18}", length) else None
        start = part.size
        if expected is not None:
            self._admit(spec, part, start + expected, known=True)
        # read1 hands over what has arrived, so that a broken connection leaves it for the next attempt.
        part.extend(lambda: response.read1(CHUNK), lambda size: self._admit(spec, part, size, known=False))
        if expected is not None and part.size - start < expected:
            raise _TransientError(f"truncated: {part.size} of {start + expected} bytes arrived")

    def _copy(self, spec: FileSpec, part: _Part) -> None:
        parts = urllib.parse.urlsplit(spec.url)
        source = urllib.parse.unquote(parts.path)
        if parts.netloc not in ("", "localhost"):
            raise ArtifactError(
                f"{spec.name}: {spec.shown_url} names the host {parts.netloc}, expected file:///path.",
                "Correct the URL.",
            )
        try:
            info = os.stat(source)
            if not stat.S_ISREG(info.st_mode):
                raise ArtifactError(
                    f"{spec.name}: {source} is not a regular file.", "Correct the URL.", url=spec.shown_url
                )
            self._admit(spec, part, info.st_size, known=True)
            with open(source, "rb") as stream:
                part.restart()
                part.extend(
                    lambda: stream.read(CHUNK), lambda size: self._admit(spec, part, size, known=False)
                )
        except OSError as exc:
            if exc.errno == errno.ENOSPC:
                raise _no_space(spec, part.path) from exc
            raise ArtifactError(
                f"{spec.name}: {source} cannot be read: {exc.strerror or exc}. Nothing was replaced.",
                "Copy the file to this host first, or correct the URL.",
                url=spec.shown_url,
            ) from exc


def digest_file(path: str, algorithms: t.Iterable[str]) -> tuple[int, dict[str, str]]:
    """Size in bytes and hexadecimal digests of a file, read once."""
    hashes = {name: hashlib.new(name) for name in algorithms}
    size = 0
    with open(path, "rb") as stream:
        while chunk := stream.read(CHUNK):
            size += len(chunk)
            for item in hashes.values():
                item.update(chunk)
    return size, {name: item.hexdigest() for name, item in hashes.items()}


def _no_space(spec: FileSpec, path: str) -> ArtifactError:
    return ArtifactError(
        f"{spec.name}: the file system of {os.path.dirname(path)} is full. Nothing was replaced.",
        "Free space on it, or set work_dir to a larger one.",
        url=spec.shown_url,
    )


def _host(url: str) -> str:
    return urllib.parse.urlsplit(url).netloc.rpartition("@")[2] or "this host"


def _reason(cause: t.Any) -> str:
    text = getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
    return str(text)
