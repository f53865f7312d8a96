# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Scheduled backups of a control plane: a daemon that makes one when the newest is older than the interval.

When the last one was made is read from the directory, so that a host that was off makes one when it is back. It runs
with the standard library alone. Every line that it prints is a JSON object with C(time), C(level), C(event) and what
belongs to the event.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import time
import typing as t
from dataclasses import dataclass
from datetime import datetime, timezone

from ansible_collections.baremetal.kubernetes.plugins.module_utils._backup import encryption, retention
from ansible_collections.baremetal.kubernetes.plugins.module_utils._backup.create import Backup, Made, Request
from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._formats import settings as settings_format
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os.events import Log
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os.files import write_atomic

EXIT_CONFIG = 2
#: Its configuration, and the name of its service.
CONFIG = "/etc/baremetal-kubernetes/etcd-backup.json"
SERVICE = "kubernetes-etcd-backup"
METRICS = "baremetal_kubernetes_etcd_backup.prom"
_PREFIX = "baremetal_kubernetes_etcd_backup_"
_POLL_SECONDS = 30.0
#: After a failure.
_RETRY_SECONDS = 600.0
_HOUR = 3600.0
_FIELDS = {
    "cluster_name": str,
    "recipients": list,
    "directory": str,
    "interval": int,
    "keep": int,
    "keep_days": int,
    "metrics_directory": str,
}


@dataclass(frozen=True)
class Settings:
    """The configuration.

    :param directory: of the archives. :param interval: hours. :param keep: as of C(retention.expired).
    :param metrics_directory: of node_exporter's textfile collector; written when it exists.
    """

    cluster_name: str
    recipients: tuple[str, ...]
    directory: str
    interval: int
    keep: int
    keep_days: int
    metrics_directory: str = ""


def parse_settings(text: str) -> Settings:
    """Read the configuration.

    :raises OperatorError: when it has not exactly these fields.
    """
    document = settings_format.parse(text, _FIELDS)
    encryption.parse(document["recipients"])
    if document["interval"] < 1:
        raise OperatorError(f"interval is {document['interval']}, expected hours, at least 1.")
    return Settings(**{**document, "recipients": tuple(document["recipients"])})


def due(names: t.Iterable[str], settings: Settings, now: datetime) -> float:
    """Seconds until the next backup, 0 when it is due.

    :param names: of the files of the directory.
    """
    newest = retention.newest(names, settings.cluster_name, now)
    if newest is None:
        return 0.0
    return max(0.0, settings.interval * _HOUR - (now - newest[0]).total_seconds())


@dataclass(frozen=True)
class Outcome:
    """The last backup.

    :param success: its time as seconds since 1970, of the last one that succeeded; 0 when none is known.
    """

    at: float
    ok: bool
    success: float = 0.0
    size: int = 0
    seconds: float = 0.0


def render_metrics(outcome: Outcome) -> str:
    """The file of node_exporter's textfile collector."""
    rows = (
        ("last_attempt_timestamp_seconds", "Time of the last attempt.", f"{outcome.at:.0f}"),
        ("last_attempt_success", "Whether the last attempt succeeded.", f"{int(outcome.ok)}"),
        ("last_success_timestamp_seconds", "Time of the last backup.", f"{outcome.success:.0f}"),
        ("last_size_bytes", "Size of the last backup.", f"{outcome.size}"),
        ("last_duration_seconds", "How long the last attempt took.", f"{outcome.seconds:.2f}"),
    )
    return "".join(
        f"# HELP {_PREFIX}{name} {text}\n# TYPE {_PREFIX}{name} gauge\n{_PREFIX}{name} {value}\n"
        for name, text, value in rows
    )


class Scheduler:
    """Makes backups by a configuration.

    :param make: makes one, into the directory; for tests.
    """

    def __init__(
        self,
        settings: Settings,
        host: str,
        log: Log,
        make: t.Callable[[], Made] | None = None,
        clock: t.Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._host = host
        self._make = make or self._backup
        self._clock = clock
        self._log = log
        self._retry = 0.0
        self._last = Outcome(0.0, ok=False)

    def _backup(self) -> Made:
        settings = self._settings
        request = Request(
            cluster_name=settings.cluster_name,
            recipients=encryption.parse(settings.recipients),
            directory=settings.directory,
        )
        return Backup(request, self._host).make()

    def step(self) -> None:
        """Make a backup when it is due."""
        settings, began = self._settings, self._clock()
        os.makedirs(settings.directory, mode=0o700, exist_ok=True)
        self._clear()
        now = datetime.fromtimestamp(began, timezone.utc)
        if began < self._retry or due(os.listdir(settings.directory), settings, now) > 0:
            return
        try:
            made = self._make()
        except (OperatorError, OSError) as exc:
            # Most often its member of etcd is not healthy; another control plane makes its own backup.
            self._retry = began + _RETRY_SECONDS
            ended = self._clock()
            self._last = Outcome(began, False, self._newest(now), self._last.size, ended - began)
            self._log.say("error", "failed", message=str(exc), retry_seconds=_RETRY_SECONDS)
        else:
            ended = self._clock()
            self._last = Outcome(began, True, began, made.size, ended - began)
            self._log.say(
                "info", "made", archive=made.path, size=made.size, revision=made.manifest.etcd.revision
            )
            self._expire(now)
        self._write_metrics()

    def _clear(self) -> None:
        """Remove what a killed run has not finished."""
        for name in os.listdir(self._settings.directory):
            if name.startswith(".") and ".tar.gz." in name:
                os.unlink(os.path.join(self._settings.directory, name))

    def _newest(self, now: datetime) -> float:
        names = os.listdir(self._settings.directory)
        found = retention.newest(names, self._settings.cluster_name, now)
        return found[0].timestamp() if found else 0.0

    def _expire(self, now: datetime) -> None:
        settings = self._settings
        names = os.listdir(settings.directory)
        for name in retention.expired(names, settings.cluster_name, settings.keep, settings.keep_days, now):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(settings.directory, name))
            self._log.say("info", "deleted", archive=name)

    def _write_metrics(self) -> None:
        directory = self._settings.metrics_directory
        if directory and os.path.isdir(directory):
            write_atomic(os.path.join(directory, METRICS), render_metrics(self._last).encode(), 0o644)


def _end(_number: int, _frame: t.Any) -> None:
    """Exit as after an error, so that temporary files are removed."""
    raise SystemExit(0)


def main() -> None:
    """Run until a signal."""
    parser = argparse.ArgumentParser(
        description="Scheduled backups of etcd and the keys of a Kubernetes cluster"
    )
    parser.add_argument("--config", required=True)
    arguments = parser.parse_args()
    log = Log(sys.stdout)
    # The directories and the temporary file of a backup are removed on the way out.
    signal.signal(signal.SIGTERM, _end)
    try:
        with open(arguments.config, encoding="utf-8") as handle:
            settings = parse_settings(handle.read())
    except (OSError, OperatorError) as exc:
        log.say("error", "stopped", message=f"{arguments.config}: {exc}")
        raise SystemExit(EXIT_CONFIG) from exc
    scheduler = Scheduler(settings, os.uname().nodename, log)
    log.say("info", "started", interval_hours=settings.interval, directory=settings.directory)
    while True:
        try:
            scheduler.step()
        except OSError as exc:
            log.say("error", "failed", message=f"{exc.filename}: {exc.strerror}")
        time.sleep(_POLL_SECONDS)
