# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure for how long an API server cannot be reached, by a client that asks ten times a second."""

from __future__ import annotations

import contextlib
import http.client
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

#: Seconds between two requests, and within which one must be answered.
INTERVAL, TIMEOUT = 0.1, 1.0


@dataclass
class Outage:
    """What a client has seen.

    :param requests: how many it has sent. :param failed: how many were not answered with success.
    :param gaps: seconds between two successful answers that follow each other.
    """

    requests: int = 0
    failed: int = 0
    gaps: list[float] = field(default_factory=list)

    @property
    def longest(self) -> float:
        """Seconds of the longest time without a successful answer."""
        return max(self.gaps, default=float("inf"))


def _ready(address: str, port: int, context: ssl.SSLContext) -> bool:
    connection = http.client.HTTPSConnection(address, port, timeout=TIMEOUT, context=context)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _ask(address: str, port: int, context: ssl.SSLContext, seen: Outage, stop: threading.Event) -> None:
    last = time.monotonic()
    while not stop.is_set():
        began = time.monotonic()
        seen.requests += 1
        if _ready(address, port, context):
            now = time.monotonic()
            seen.gaps.append(now - last)
            last = now
        else:
            seen.failed += 1
        stop.wait(max(0.0, INTERVAL - (time.monotonic() - began)))
    # An outage that has not ended counts, too.
    seen.gaps.append(time.monotonic() - last)


@contextlib.contextmanager
def measured(address: str, ca: str, port: int = 6443) -> Iterator[Outage]:
    """Ask while the block runs, over a new connection each time.

    :param ca: the cluster's CA in PEM form.
    """
    context = ssl.create_default_context(cadata=ca)
    # Python 3.13 asks by default for extensions that kubeadm's CA lacks.
    context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
    seen, stop = Outage(), threading.Event()
    client = threading.Thread(target=_ask, args=(address, port, context, seen, stop), daemon=True)
    client.start()
    try:
        yield seen
    finally:
        stop.set()
        client.join()
