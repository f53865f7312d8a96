# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""What a host knows of itself and no exporter tells, for node_exporter's textfile collector: a small daemon.

It reads files and asks the service manager, writes one file, and waits. It runs with the standard library alone. What
cannot be read is counted, so that a missing series is noticed. Every line that it prints is a JSON object.
"""

from __future__ import annotations

import argparse
import contextlib
import glob
import json
import os
import signal
import sys
import time
import typing as t
from dataclasses import dataclass, field
from datetime import datetime, timezone

from ansible_collections.baremetal.kubernetes.plugins.module_utils._backup import retention
from ansible_collections.baremetal.kubernetes.plugins.module_utils._daemon.manager import manager_for
from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._formats import kubeconfig, x509
from ansible_collections.baremetal.kubernetes.plugins.module_utils._formats import settings as settings_format
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os import programs
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os.events import Log
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os.files import write_atomic

EXIT_CONFIG = 2
#: Its file in the directory of the textfile collector.
OUTPUT = "bmk.prom"
#: What a run of the audit has left on this host.
CIS = "/var/lib/baremetal-kubernetes/cis.json"
#: The configuration of scheduled backups, which says where they are.
BACKUP = "/etc/baremetal-kubernetes/etcd-backup.json"
#: Certificates, and kubeconfig files with one. A pattern that fits nothing is none of this host's.
CERTIFICATES = (
    "/etc/kubernetes/pki/*.crt",
    "/etc/kubernetes/pki/etcd/*.crt",
    "/etc/kubernetes/*.conf",
    "/var/lib/kubelet/pki/kubelet-client-current.pem",
    "/var/lib/kubelet/pki/kubelet-server-current.pem",
    "/etc/baremetal-kubernetes/*.conf",
    "/etc/metrics/ca.crt",
    "/etc/metrics/tls.crt",
)
_LONGEST = 1 << 20
_COMMAND_SECONDS = 10.0
_FIELDS = {"directory": str, "interval": int, "service_manager": str, "services": list, "certificates": list}


@dataclass(frozen=True)
class Settings:
    """The configuration.

    :param directory: of the textfile collector. :param interval: seconds. :param service_manager: of the host.
    :param services: whose state is reported, where they are enabled. :param certificates: further patterns.
    """

    directory: str
    interval: int
    service_manager: str
    services: tuple[str, ...]
    certificates: tuple[str, ...]


def parse_settings(text: str) -> Settings:
    """Read the configuration.

    :raises OperatorError: when it has not exactly these fields.
    """
    document = settings_format.parse(text, _FIELDS)
    for name, value in document.items():
        if isinstance(value, list) and not all(isinstance(item, str) for item in value):
            raise OperatorError(f"{name} is {value!r}, expected a list of str.")
    if document["interval"] < 1:
        raise OperatorError(f"interval is {document['interval']}, expected seconds, at least 1.")
    return Settings(
        document["directory"],
        document["interval"],
        document["service_manager"],
        tuple(document["services"]),
        tuple(document["certificates"]),
    )


Labels = t.Mapping[str, str]


@dataclass
class Series:
    """Series of one run, by their name.

    :param errors: what could not be read.
    """

    samples: dict[str, list[tuple[Labels, float]]] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)

    def add(self, name: str, value: float, **labels: str) -> None:
        """Add one."""
        self.samples.setdefault(name, []).append((labels, value))


#: All that there may be. One name has one type and one help text, or node_exporter drops the file.
HELP = {
    "bmk_backup_last_success_timestamp_seconds": "Time of the newest scheduled backup of this host, 0 without one.",
    "bmk_backup_size_bytes": "Size of the newest scheduled backup of this host.",
    "bmk_certificate_expiry_timestamp_seconds": "When a certificate on this host expires.",
    "bmk_cis_checks": "Checks of the last CIS audit of this host, by result.",
    "bmk_cis_last_audit_timestamp_seconds": "Time of the last CIS audit of this host.",
    "bmk_service_up": "Whether the service manager says that a service runs.",
    "bmk_textfile_errors": "What the last run of this collector could not read.",
    "bmk_textfile_last_run_timestamp_seconds": "Time of the last run of this collector.",
}


def escaped(value: str) -> str:
    """A value of a label. What is no UTF-8, as in a file name, is replaced: the file as a whole would be dropped."""
    text = value.encode("utf-8", "replace").decode()
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def render(series: Series) -> str:
    """The file, in the text format of Prometheus. Series that occur twice would make node_exporter drop it."""
    lines = []
    for name in sorted(series.samples):
        lines += [f"# HELP {name} {HELP[name]}", f"# TYPE {name} gauge"]
        rows = {}
        for labels, value in series.samples[name]:
            inner = ",".join(f'{label}="{escaped(text)}"' for label, text in labels.items())
            rows[f"{name}{{{inner}}}" if inner else name] = value
        lines += [f"{row} {rows[row]:.15g}" for row in sorted(rows)]
    return "".join(f"{line}\n" for line in lines)


class Collector:
    """Reads a host.

    :param root: directory that stands for C(/). :param run: runs a command, for tests.
    """

    def __init__(
        self,
        settings: Settings,
        root: str = "/",
        clock: t.Callable[[], float] = time.time,
        run: t.Callable[[t.Sequence[str]], tuple[int, str]] | None = None,
    ) -> None:
        self._settings = settings
        self._root = root
        self._clock = clock
        self._run = run or (lambda argv: programs.command(argv, _COMMAND_SECONDS))
        self._manager = manager_for(settings.service_manager, lambda argv: (*self._run(argv), ""), root)

    def collect(self) -> Series:
        """All series. What fails costs its own series only."""
        series = Series()
        for part in (self._certificates, self._services, self._backup, self._cis):
            with self._noted(series):
                part(series)
        series.add("bmk_textfile_errors", len(series.errors))
        series.add("bmk_textfile_last_run_timestamp_seconds", round(self._clock()))
        return series

    @staticmethod
    @contextlib.contextmanager
    def _noted(series: Series, path: str = "") -> t.Iterator[None]:
        """What goes wrong inside is an error of the run, and no more."""
        try:
            yield
        except (OSError, ValueError, KeyError, TypeError, OperatorError) as exc:
            series.errors.append(f"{path}: {exc}" if path else str(exc))

    def _under(self, path: str) -> str:
        return os.path.join(self._root, path.lstrip("/"))

    def _read(self, path: str) -> str:
        with open(self._under(path), "rb") as stream:
            return stream.read(_LONGEST).decode("utf-8", "replace")

    def _document(self, path: str) -> t.Any:
        """A JSON file, C(None) when it does not exist."""
        try:
            text = self._read(path)
        except FileNotFoundError:
            return None
        try:
            return json.loads(text)
        except ValueError as exc:
            raise OperatorError(f"{path} is not JSON: {exc}.") from exc

    def _certificates(self, series: Series) -> None:
        name = "bmk_certificate_expiry_timestamp_seconds"
        for pattern in (*CERTIFICATES, *self._settings.certificates):
            for found in sorted(glob.glob(self._under(pattern))):
                path = "/" + os.path.relpath(found, self._root)
                # One that is gone has just been replaced, or was a link that leads nowhere.
                with self._noted(series, path), contextlib.suppress(FileNotFoundError):
                    for subject, end in self._ends(path).items():
                        series.add(name, end.timestamp(), path=path, subject=subject)

    def _ends(self, path: str) -> dict[str, datetime]:
        """Common name -> expiration of the certificates of a file; of a name that occurs twice, the earlier one."""
        text = self._read(path)
        if path.endswith(".conf"):
            try:
                pem = kubeconfig.parse(text).client_cert
            except kubeconfig.KubeconfigError:
                # The configuration of something else.
                return {}
            if pem is None:
                # It names a file, which is in the list, or it has a token.
                return {}
            text = pem.decode("ascii", "replace")
        ends: dict[str, datetime] = {}
        for own in x509.parse_bundle(text):
            ends[own.common_name] = min(own.not_after, ends.get(own.common_name, own.not_after))
        return ends

    def _services(self, series: Series) -> None:
        for name in dict.fromkeys(self._settings.services):
            with self._noted(series, name):
                found = self._manager.observe(name)
                # One that is disabled and does not run is not wanted here.
                if found.present and (found.enabled or found.running):
                    series.add(
                        "bmk_service_up",
                        int(found.running),
                        service=name,
                        init=self._settings.service_manager,
                    )

    def _backup(self, series: Series) -> None:
        """The newest archive in the directory of scheduled backups, where they are set up."""
        document = self._document(BACKUP)
        if document is None:
            return
        directory, cluster = document["directory"], document["cluster_name"]
        now = datetime.fromtimestamp(self._clock(), timezone.utc)
        names = os.listdir(self._under(directory)) if os.path.isdir(self._under(directory)) else []
        newest = retention.newest(names, cluster, now)
        made, size = 0.0, 0
        if newest is not None:
            made = newest[0].timestamp()
            with contextlib.suppress(FileNotFoundError):
                size = os.stat(self._under(os.path.join(directory, newest[1]))).st_size
        series.add("bmk_backup_last_success_timestamp_seconds", made)
        series.add("bmk_backup_size_bytes", size)

    def _cis(self, series: Series) -> None:
        """What the last audit has found on this host, where one has left it here."""
        document = self._document(CIS)
        if document is None:
            return
        counts, at = dict(document["checks"]), float(document["time"])
        for result, number in sorted(counts.items()):
            series.add("bmk_cis_checks", int(number), result=str(result))
        series.add("bmk_cis_last_audit_timestamp_seconds", at)


class Daemon:
    """Collects and writes, and says what changed about errors: not the same every minute."""

    def __init__(self, settings: Settings, log: Log, collector: Collector) -> None:
        self._settings = settings
        self._log = log
        self._collector = collector
        self._said: tuple[str, ...] | None = None

    def step(self) -> None:
        """One run.

        :raises OSError: when the file cannot be written; the old one stays, and its age tells.
        """
        series = self._collector.collect()
        write_atomic(os.path.join(self._settings.directory, OUTPUT), render(series).encode("utf-8"), 0o644)
        errors = tuple(series.errors)
        if errors != (self._said or ()):
            self._log.say("warning" if errors else "info", "read", errors=list(errors))
        self._said = errors


def _end(_number: int, _frame: t.Any) -> None:
    """Exit as after an error, so that temporary files are removed."""
    raise SystemExit(0)


def main() -> None:
    """Run until a signal."""
    parser = argparse.ArgumentParser(
        description="What node_exporter's textfile collector tells of a Kubernetes host"
    )
    parser.add_argument("--config", required=True)
    parser.add_argument("--once", action="store_true", help="write the file once, and end")
    arguments = parser.parse_args()
    log = Log(sys.stdout)
    signal.signal(signal.SIGTERM, _end)
    try:
        with open(arguments.config, encoding="utf-8") as handle:
            settings = parse_settings(handle.read())
        daemon = Daemon(settings, log, Collector(settings))
    except (OSError, OperatorError) as exc:
        log.say("error", "stopped", message=f"{arguments.config}: {exc}")
        raise SystemExit(EXIT_CONFIG) from exc
    log.say("info", "started", interval_seconds=settings.interval, directory=settings.directory)
    while True:
        try:
            daemon.step()
        except OSError as exc:
            log.say("error", "failed", message=f"{exc.filename}: {exc.strerror}")
        if arguments.once:
            return
        time.sleep(settings.interval)
