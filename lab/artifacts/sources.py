# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ready-made artifacts: upstream's releases."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import yaml

from lab.artifacts.store import sha256
from lab.config import LabError

#: Where the collection has upstream's checksums.
LOCK_FILE = Path("roles", "cluster", "vars", "main", "releases.yml")
#: Seconds in which an upstream host must have answered, or it counts as unreachable for the whole run.
PROBE_SECONDS = 5.0
#: How often an interrupted download is resumed.
RESUMES = 5
#: Longest line of a source's reason in an error, characters.
LINE = 240
Progress = Callable[[int, int | None], None]


class UnavailableError(Exception):
    """A source does not have something; the text says why."""


@dataclass(frozen=True)
class Attempt:
    """A source that does not have an artifact.

    :param source: its name.
    :param reason: why it did not deliver.
    """

    source: str
    reason: str


def missing(component: str, version: str, attempts: Sequence[Attempt], todo: str) -> LabError:
    """The error for an artifact that no source has."""
    tried = "".join(f"\n  - {attempt.source}: {_shortened(attempt.reason)}" for attempt in attempts)
    return LabError(f"{component} {version} is not available. Tried:{tried}", todo)


def _shortened(text: str) -> str:
    """Each line cut to a length that can be read; package managers write lines of thousands of characters."""
    return "\n    ".join(
        line if len(line) <= LINE else f"{line[: LINE - 4]} ..." for line in text.splitlines()
    )


class Upstream:
    """Upstream's release hosts. Whether one can be reached is determined once in a run.

    :param probe_seconds: time that a host has to answer.
    """

    def __init__(self, probe_seconds: float = PROBE_SECONDS) -> None:
        self._probe_seconds = probe_seconds
        self._guard = threading.Lock()
        self._known: dict[str, str] = {}
        self._client = httpx.Client(follow_redirects=True, timeout=httpx.Timeout(30.0, connect=10.0))

    def probe(self, urls: Sequence[str]) -> None:
        """Find out which hosts answer, all at once, in at most the time that one of them has."""
        with self._guard:
            wanted = {urlsplit(url).netloc: url for url in urls if urlsplit(url).netloc not in self._known}
            if not wanted:
                return
            # Not awaited at the end: resolving a name can take longer than any limit on the connection.
            pool = ThreadPoolExecutor(max_workers=len(wanted), thread_name_prefix="probe")
            futures = {host: pool.submit(self._ask, url) for host, url in wanted.items()}
            for host, future in futures.items():
                try:
                    self._known[host] = future.result(timeout=self._probe_seconds)
                except TimeoutError:
                    self._known[host] = f"no answer within {self._probe_seconds:g} s"
            pool.shutdown(wait=False, cancel_futures=True)

    def _ask(self, url: str) -> str:
        """Why a host cannot be used; empty when it answered, whatever the answer."""
        try:
            httpx.head(url, timeout=self._probe_seconds, follow_redirects=False)
        except (httpx.HTTPError, OSError) as exc:
            return f"not reachable ({exc})"
        return ""

    def require(self, url: str) -> None:
        """:raises UnavailableError: the URL's host does not answer."""
        self.probe([url])
        host = urlsplit(url).netloc
        if reason := self._known[host]:
            raise UnavailableError(f"{host}: {reason}")

    def download(self, url: str, target: Path, checksum: str, progress: Progress | None = None) -> None:
        """Download a file, resuming an earlier attempt.

        :param checksum: hexadecimal SHA-256 that it must have.
        :param progress: called with bytes so far and in all.
        :raises UnavailableError: the host does not answer, does not have it, or has something else.
        """
        self.require(url)
        part = target.with_name(f".{target.name}.part")
        target.parent.mkdir(parents=True, exist_ok=True)
        reason = ""
        for _attempt in range(RESUMES):
            try:
                self._receive(url, part, progress)
                break
            except httpx.HTTPStatusError as exc:
                part.unlink(missing_ok=True)
                raise UnavailableError(f"{url}: HTTP status {exc.response.status_code}") from exc
            except httpx.HTTPError as exc:
                reason = f"{url}: {exc}"
        else:
            raise UnavailableError(f"{reason} ({RESUMES} attempts; what arrived is kept in {part})")
        found = sha256(part)
        if found != checksum:
            part.unlink()
            raise UnavailableError(f"{url} has SHA-256 {found}, expected {checksum}")
        part.chmod(0o644)
        os.replace(part, target)

    def _receive(self, url: str, part: Path, progress: Progress | None) -> None:
        have = part.stat().st_size if part.exists() else 0
        # Packed in transit, a range would be one of other bytes.
        headers = {"Accept-Encoding": "identity"}
        if have:
            headers["Range"] = f"bytes={have}-"
        with self._client.stream("GET", url, headers=headers) as response:
            if response.status_code == 416:
                # Nothing is left to send, or the file changed; the checksum will tell.
                return
            response.raise_for_status()
            resumed = response.status_code == 206
            length = response.headers.get("Content-Length")
            done = have if resumed else 0
            total = done + int(length) if length else None
            with part.open("ab" if resumed else "wb") as sink:
                # As they arrive: chunks of a fixed size would lose what came before a break.
                for chunk in response.iter_raw():
                    sink.write(chunk)
                    done += len(chunk)
                    if progress:
                        progress(done, total)


def copy_image(source: str, directory: Path) -> None:
    """Copy an image with skopeo into a directory in its `dir` format.

    skopeo checks every layer against the manifest; that the manifest is upstream's is as certain as the
    registry's certificate.

    :param source: transport and place, as skopeo writes them.
    :raises UnavailableError: skopeo is not installed or fails.
    """
    if shutil.which("skopeo") is None:
        raise UnavailableError("skopeo is not installed")
    command = ["skopeo", "copy", "--override-os=linux", "--override-arch=amd64"]
    done = subprocess.run(
        [*command, source, f"dir:{directory}"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise UnavailableError(f"skopeo: {done.stderr.strip()[-500:]}")


def published_checksums(repo: Path) -> Mapping[str, Any]:
    """What upstream published, by component, version and processor, from the collection's lock file.

    :param repo: the checkout of the collection.
    :return: empty when there is no lock file.
    """
    try:
        data = yaml.safe_load((repo / LOCK_FILE).read_text(encoding="utf-8")) or {}
    except FileNotFoundError:
        return {}
    return {
        name: entry.get("checksums") or {} for name, entry in (data.get("cluster_releases") or {}).items()
    }


def checksum(published: Mapping[str, Any], component: str, version: str, arch: str) -> str:
    """The hexadecimal SHA-256 of one release file.

    :raises UnavailableError: none is known; nothing is taken from upstream unchecked.
    """
    try:
        text: str = published[component][version][arch]
    except KeyError:
        raise UnavailableError(f"no checksum of {component} {version} for {arch} in the lock file") from None
    return text.removeprefix("sha256:")


def content_digest(data: bytes) -> str:
    """``sha256:...`` of bytes, as the OCI specifications write it."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
