# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""The kubelet CSR approver: a daemon of control planes that approves what C(plan) allows, so that certificates rotate.

It runs with the standard library alone. Several may run at once: a request is approved once, by whoever is first.

Every line that it prints is a JSON object with C(time), C(level), C(event) and what belongs to the event.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
import traceback
import typing as t
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from ansible_collections.baremetal.kubernetes.plugins.module_utils._csr import cluster, plan
from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._formats import kubeconfig, x509
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.client import (
    ApiError,
    Client,
    connection_from,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os.events import Log

EXIT_CONFIG = 2
_FIELDS = frozenset({"nodes", "interval", "max_age"})
_FIRST_PAUSE, _LONGEST_PAUSE = 2.0, 120.0
_DAY = 86400.0
# The service has 128 MiB. An answer is in memory as bytes, text and objects for a moment.
_MAX_ANSWER = 8 * 1024**2


class ConfigError(OperatorError):
    """The daemon cannot start, or go on, with its files."""


@dataclass(frozen=True)
class Settings:
    """The configuration.

    :param interval: seconds between two looks at the requests. :param max_age: as in C(plan.decide).
    """

    allowed: dict[str, plan.Allowed]
    interval: float = 30.0
    max_age: int = plan.MAX_AGE


def parse_settings(text: str) -> Settings:
    """Read the configuration.

    :raises ConfigError: when it is not JSON, or has unknown fields.
    """
    try:
        document = json.loads(text)
    except ValueError as exc:
        raise ConfigError(f"It is not JSON: {exc}.") from exc
    if not isinstance(document, dict) or "nodes" not in document or set(document) - _FIELDS:
        raise ConfigError(f"Expected an object with nodes, and of {', '.join(sorted(_FIELDS))} nothing else.")
    numbers: dict[str, float] = {}
    for name, default, least in (("interval", 30, 1), ("max_age", plan.MAX_AGE, 60)):
        value = document.get(name, default)
        # Comparisons with NaN are false.
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= _DAY:
            raise ConfigError(f"{name} is {value!r}, expected seconds, {least} to {_DAY:.0f}.")
        numbers[name] = value
    return Settings(
        plan.parse_allowed(document["nodes"]), float(numbers["interval"]), int(numbers["max_age"])
    )


class Watched:
    """A file that is read again when it was replaced or changed.

    :param path: of the file.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._seen: tuple[int, ...] | None = None

    def changed(self) -> bool:
        """Whether it has changed since the last call."""
        try:
            info = os.stat(self.path)
        except OSError:
            seen: tuple[int, ...] = ()
        else:
            seen = (info.st_ino, info.st_size, info.st_mtime_ns)
        before, self._seen = self._seen, seen
        return before != seen

    def read(self) -> str:
        """Its text.

        :raises ConfigError: when it cannot be read.
        """
        try:
            with open(self.path, encoding="utf-8", errors="strict") as stream:
                return stream.read()
        except (OSError, ValueError) as exc:
            raise ConfigError(
                f"{self.path} cannot be read: {getattr(exc, 'strerror', None) or exc}."
            ) from exc


class Approver:
    """The daemon's work.

    :param config: path of the configuration. :param kubeconfig: path of the credentials.
    """

    def __init__(self, config: str, kubeconfig: str, log: Log) -> None:
        self._config = Watched(config)
        self._kubeconfig = Watched(kubeconfig)
        self._log = log
        self._settings = Settings({})
        self._client: Client | None = None
        self._until: datetime | None = None
        self._third = timedelta()
        self._warned = -_DAY
        #: Verdicts that were logged, so that they are not logged every time.
        self._told: dict[str, tuple[str, ...]] = {}
        self._failures = 0

    @property
    def interval(self) -> float:
        """Seconds until the next look after one that succeeded."""
        return self._settings.interval

    def load(self, first: bool = False) -> None:
        """Read configuration and credentials again where they have changed.

        :param first: whether nothing was read yet; later, credentials that cannot be read leave the old ones in use.
        :raises ConfigError: when they cannot be used.
        """
        if self._config.changed():
            try:
                self._settings = parse_settings(self._config.read())
            except OperatorError as exc:
                raise ConfigError(f"{self._config.path}: {exc}") from exc
            self._told.clear()
            self._log.say("info", "configuration", nodes=len(self._settings.allowed), file=self._config.path)
        if self._kubeconfig.changed():
            try:
                self._connect(self._kubeconfig.read())
            except ConfigError as exc:
                # Only root may read them, and this process has given up root; the old certificate is valid for a while.
                if first:
                    raise
                self._log.say(
                    "error", "credentials-unreadable", message=str(exc), next="restart this service"
                )

    def _connect(self, text: str) -> None:
        path = self._kubeconfig.path
        try:
            config = kubeconfig.parse(text)
            self._client = Client(connection_from(config, path), max_bytes=_MAX_ANSWER)
            own = x509.parse_pem((config.client_cert or b"").decode("ascii", "replace"))
        except (kubeconfig.KubeconfigError, x509.CertificateError, OperatorError) as exc:
            raise ConfigError(f"{path} is no usable kubeconfig: {exc}") from exc
        self._until = own.not_after
        self._third = (own.not_after - own.not_before) / 3
        self._warned = -_DAY
        self._log.say(
            "info",
            "credentials",
            user=own.common_name,
            server=self._client.server,
            valid_until=own.not_after.strftime("%Y-%m-%dT%H:%M:%SZ"),
        )

    def step(self) -> float:
        """Look at the requests once, and return the seconds until the next look.

        :raises ConfigError: when the changed configuration is unusable.
        """
        self.load()
        self._warn_of_end()
        try:
            self._decide()
        except ConfigError:
            raise
        except Exception as exc:  # noqa: BLE001 - this goes on, whatever an answer brings out
            pause = min(_FIRST_PAUSE * 2**self._failures, _LONGEST_PAUSE)
            self._failures = min(self._failures + 1, 16)
            if isinstance(exc, ApiError):
                self._log.say("error", "api-failed", message=str(exc), retry_seconds=pause)
            else:
                where = traceback.extract_tb(exc.__traceback__)[-1]
                self._log.say(
                    "error",
                    "failed",
                    message=f"{type(exc).__name__}: {exc}"[:1000],
                    where=f"{os.path.basename(where.filename)}:{where.lineno}",
                    retry_seconds=pause,
                )
            return pause
        if self._failures:
            self._log.say("info", "api-answers", failures=self._failures)
        self._failures = 0
        return self.interval

    def _warn_of_end(self) -> None:
        """Log once a day that the credentials expire, when a third of their lifetime or less is left."""
        if self._until is None or time.monotonic() - self._warned < _DAY:
            return
        left = self._until - datetime.now(timezone.utc)
        if left <= self._third:
            self._warned = time.monotonic()
            self._log.say(
                "error" if left <= timedelta() else "warning",
                "credentials-end",
                days_left=max(left.days, 0),
                valid_until=self._until.strftime("%Y-%m-%dT%H:%M:%SZ"),
                next="run the playbook site, which renews them",
            )

    def _decide(self) -> None:
        if self._client is None:
            raise ConfigError(f"{self._kubeconfig.path} was not read.")
        requests = cluster.Requests(self._client, self._settings.allowed, self._settings.max_age)
        told: dict[str, tuple[str, ...]] = {}
        for csr, decision in requests.pending():
            last = decision
            if decision.verdict == plan.APPROVE:
                last = requests.attempt(requests.approve, csr, decision)
            codes = tuple(reason.code for reason in last.reasons)
            told[last.request] = codes
            if self._told.get(last.request) != codes:
                self._tell(last, codes)
        # Requests that are gone are dropped, so that this does not grow.
        self._told = told

    def _tell(self, decision: plan.Decision, codes: t.Sequence[str]) -> None:
        level, event = {
            plan.APPROVE: ("info", "approved"),
            plan.REFUSE: ("warning", "refused"),
            plan.FAILED: ("warning", "refused"),
            plan.IGNORE: ("info", "ignored"),
        }[decision.verdict]
        more = {"codes": list(codes), "reason": decision.why()} if codes else {}
        self._log.say(
            level, event, request=decision.request, node=decision.node, names=list(decision.names), **more
        )


def become(number: int) -> None:
    """Drop root for a user and a group that nothing else uses.

    :raises ConfigError: when that is not possible.
    """
    try:
        os.setgroups([])
        os.setresgid(number, number, number)
        os.setresuid(number, number, number)
    except OSError as exc:
        raise ConfigError(f"This process cannot become user {number}: {exc.strerror}.") from exc


def _end(_number: int, _frame: t.Any) -> None:
    """Exit at once: whatever is in progress can be repeated."""
    raise SystemExit(0)


def main(argv: t.Sequence[str] | None = None) -> None:
    """Run until SIGTERM."""
    parser = argparse.ArgumentParser(description="Approve serving certificates of kubelets.")
    parser.add_argument("--config", required=True, help="JSON file with the allow-list")
    parser.add_argument("--kubeconfig", required=True, help="credentials for the API server")
    parser.add_argument(
        "--user", type=int, help="number of the user to switch to once the credentials are read"
    )
    parser.add_argument("--once", action="store_true", help="look once and exit")
    options = parser.parse_args(argv)
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGINT, _end)
    log = Log(sys.stdout)
    approver = Approver(options.config, options.kubeconfig, log)
    try:
        approver.load(first=True)
        if options.user is not None:
            become(options.user)
        while True:
            pause = approver.step()
            if options.once:
                return
            time.sleep(pause)
    except ConfigError as exc:
        log.say("error", "configuration-unusable", message=str(exc))
        raise SystemExit(EXIT_CONFIG) from exc


if __name__ == "__main__":
    main()
