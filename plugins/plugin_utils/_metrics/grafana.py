# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Read metrics through Grafana: its query API, and the API of Prometheus behind its data-source proxy.

What is read this way has passed the data source, its credentials and the path, as a dashboard's queries do.
"""

from __future__ import annotations

import email.utils
import json
import re
import ssl
import time
import typing as t
import urllib.parse
from dataclasses import dataclass, field

from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._grafana import client, errors
from ansible_collections.baremetal.kubernetes.plugins.module_utils._redact import redact, shown_url

#: Statuses that may be another one a moment later.
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_SHOWN = 300
_EXPECTED = "Expected a token of a service account that may query data sources (grafana_token)."


class GrafanaError(OperatorError):
    """Grafana, or a data source of it, does not answer as it has to.

    :param passing: whether the same request may succeed later. :param wait: seconds that Grafana asks to wait.
    """

    def __init__(self, message: str, next_step: str = "", passing: bool = False, wait: float = 0.0) -> None:
        super().__init__(message, next_step)
        self.passing = passing
        self.wait = wait


@dataclass(frozen=True)
class Answer:
    """An answer over HTTP. Names of headers are in lower case."""

    status: int
    text: str
    headers: t.Mapping[str, str] = field(default_factory=dict)


class NoAnswerError(Exception):
    """There was none; the text says so for people, and what to do."""


class Transport(t.Protocol):
    """Sends one request to Grafana."""

    def __call__(self, method: str, path: str, body: t.Any = None) -> Answer:
        """Send it.

        :raises NoAnswerError: when there is no answer.
        """


@dataclass(frozen=True)
class Sample:
    """One series of an instant query."""

    labels: t.Mapping[str, str]
    value: float


class HttpTransport:
    """Requests over HTTP. They follow no redirect, so that the token goes to this server only.

    :param url: of Grafana, with the path that it is served under. :param token: of a service account.
    :param ca: path of authorities to trust; those of the system when it is empty.
    :param seconds: that one answer may take. :param use_proxy: whether the proxies of the environment are used.
    :raises OperatorError: when one of them cannot be used.
    """

    def __init__(self, url: str, token: str, ca: str = "", seconds: int = 30, use_proxy: bool = True) -> None:
        self._client = client.Client(url, token, ca, seconds, use_proxy)

    def __call__(self, method: str, path: str, body: t.Any = None) -> Answer:
        """See C(Transport)."""
        try:
            status, text, headers = self._client.exchange(method, path, body)
        except errors.UnreachableError as exc:
            raise NoAnswerError(str(exc)) from exc.__cause__
        return Answer(status, text, {key.lower(): value for key, value in headers.items()})


def _parsed(text: str) -> t.Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _is_page(answer: Answer) -> bool:
    """Whether it is a page for a browser, as those of a login proxy."""
    return errors.is_html(answer.text, answer.headers.get("content-type", ""))


def _told(answer: Answer) -> str:
    parsed = _parsed(answer.text)
    told = parsed.get("message") or parsed.get("error") if isinstance(parsed, dict) else None
    text = "" if told is None and _is_page(answer) else str(told or answer.text)
    return redact(" ".join(text.split()))[:_SHOWN].rstrip(". ")


class Grafana:
    """Reads of one data source of Grafana.

    :param transport: sends requests. :param url: of Grafana, for messages. :param datasource: uid of the data source.
    """

    def __init__(self, transport: Transport, url: str, datasource: str) -> None:
        self._transport = transport
        self._name = f"Grafana at {shown_url(url)}"
        self.datasource = datasource
        #: Seconds by which Grafana's clock is ahead of the controller's, as of its last answer; None without a date.
        self.clock: float | None = None

    def _ask(self, method: str, path: str, body: t.Any = None) -> Answer:
        sent = time.time()
        try:
            answer = self._transport(method, path, body)
        except NoAnswerError as exc:
            raise GrafanaError(
                str(exc),
                passing=not isinstance(exc.__cause__, ssl.SSLCertVerificationError)
                and not isinstance(getattr(exc.__cause__, "reason", None), ssl.SSLCertVerificationError),
            ) from exc
        self._read_clock(answer, sent)
        return answer

    def _read_clock(self, answer: Answer, sent: float) -> None:
        try:
            date = email.utils.parsedate_to_datetime(answer.headers["date"]).timestamp()
        except (KeyError, TypeError, ValueError):
            return
        # The header has whole seconds.
        self.clock = date + 0.5 - (sent + time.time()) / 2

    def _refused(self, answer: Answer, what: str) -> GrafanaError:
        status, told = answer.status, _told(answer)
        found = f"{self._name} answered {what} with HTTP {status}" + (f": {told}." if told else ".")
        if 300 <= status < 400:
            where = shown_url(answer.headers.get("location", ""))
            return GrafanaError(
                f"{self._name} redirects {what} to {where or 'another place'} (HTTP {status}).",
                "Expected Grafana itself, not a login proxy before it: correct grafana_url, or have the proxy let"
                " requests with a token pass.",
            )
        if status in (200, 401, 403) and _is_page(answer):
            return GrafanaError(
                f"{self._name} answered {what} with a page for browsers (HTTP {status}), expected JSON.",
                "A login proxy before Grafana answers so: correct grafana_url, or have the proxy let requests with a"
                " token pass.",
            )
        if status == 200:
            return GrafanaError(
                f"{self._name} answered {what} with something else than JSON.",
                "Check that grafana_url is Grafana.",
            )
        if status in PASSING:
            wait = answer.headers.get("retry-after", "")
            return GrafanaError(
                found,
                "It asks to wait: run again later." if status == 429 else "Look at its log.",
                passing=True,
                wait=float(wait) if wait.isdecimal() and len(wait) < 6 else 0.0,
            )
        steps = {
            401: f"It does not accept the token: it may have expired. {_EXPECTED}",
            403: f"The token may not do this. {_EXPECTED}",
            404: f"Expected the data source {self.datasource}: run the playbook metrics, or correct grafana_url.",
            409: "Somebody else changes it at the same time: run again.",
            412: "Somebody else changed it: run again.",
        }
        return GrafanaError(found, steps.get(status, "Look at its log."))

    def query(self, expressions: t.Mapping[str, str], kind: str = "prometheus") -> dict[str, list[Sample]]:
        """Answers of instant queries, all in one request.

        :param expressions: name of a query -> its expression. :param kind: type of the data source.
        :raises GrafanaError: when one of them cannot be answered.
        """
        source = {"type": kind, "uid": self.datasource}
        queries = [
            {
                "refId": name,
                "datasource": source,
                "intervalMs": 1000,
                "maxDataPoints": 100,
                **(
                    {"target": expression}
                    if kind == "graphite"
                    else {"expr": expression, "instant": True, "range": False, "format": "time_series"}
                ),
            }
            for name, expression in expressions.items()
        ]
        # Times relative to Grafana's clock: the controller's may be another one.
        answer = self._ask("POST", "/api/ds/query", {"queries": queries, "from": "now-5m", "to": "now"})
        parsed = _parsed(answer.text)
        results = parsed.get("results") if isinstance(parsed, dict) else None
        # What the data source says about a query is in the results, whatever the status of the whole is.
        if isinstance(results, dict):
            for name in expressions:
                self._check_result(name, results.get(name))
        if answer.status not in (200, 207) or not isinstance(results, dict):
            raise self._refused(answer, "POST /api/ds/query")
        return {name: list(_samples(results[name], kind == "graphite")) for name in expressions}

    def _check_result(self, name: str, result: t.Any) -> None:
        if not isinstance(result, dict):
            raise GrafanaError(
                f"{self._name} answered the query {name} of the data source {self.datasource} with nothing.",
                "Look at its log.",
                passing=True,
            )
        if not result.get("error"):
            return
        told = redact(" ".join(str(result["error"]).split()))[:_SHOWN].rstrip(". ")
        status = result.get("status") if isinstance(result.get("status"), int) else 0
        next_step = "Look at the data source in Grafana (Save & test)."
        passing = status in PASSING
        if status in (401, 403) or re.search(r"\b401\b|nauthorized", told):
            next_step = "Prometheus refuses the data source's user or password: run the playbook metrics."
            passing = False
        elif "certificate" in told:
            next_step = "Check the data source's CA and the certificate of Prometheus."
            passing = False
        raise GrafanaError(
            f"{self._name}: the data source {self.datasource} answered a query with an error: {told}.",
            next_step,
            passing=passing,
        )

    def proxied(self, path: str, parameters: t.Sequence[tuple[str, str]] = ()) -> t.Any:
        """The field C(data) of an answer of Prometheus' own API.

        :raises GrafanaError: without one.
        """
        query = f"?{urllib.parse.urlencode(parameters)}" if parameters else ""
        answer = self._ask(
            "GET",
            f"/api/datasources/proxy/uid/{urllib.parse.quote(self.datasource, safe='')}{path}{query}",
        )
        parsed = _parsed(answer.text)
        if answer.status != 200 or not isinstance(parsed, dict) or parsed.get("status") != "success":
            raise self._refused(answer, f"GET {path} of the data source {self.datasource}")
        return parsed.get("data")


def _samples(result: t.Mapping[str, t.Any], last: bool) -> t.Iterator[Sample]:
    """The series of a result: one frame each, or one table of all, in which columns of texts are labels.

    :param last: whether a series is of several times, and its value the age of the last one that is not null.
    """
    for frame in result.get("frames") or ():
        fields = (frame.get("schema") or {}).get("fields") or []
        values = (frame.get("data") or {}).get("values") or []
        if len(values) < len(fields):
            continue
        numbers = [i for i, one in enumerate(fields) if one.get("type") == "number"]
        texts = [i for i, one in enumerate(fields) if one.get("type") == "string"]
        times = [i for i, one in enumerate(fields) if one.get("type") == "time"]
        if last and times and numbers:
            yield from _last(frame, values[times[0]], values[numbers[0]])
            continue
        for index in numbers:
            own = {str(k): str(v) for k, v in (fields[index].get("labels") or {}).items()}
            for row, value in enumerate(values[index]):
                # Grafana writes NaN and infinity as null.
                if isinstance(value, (int, float)) and not isinstance(value, bool):
                    further = {str(fields[i].get("name")): str(values[i][row]) for i in texts}
                    yield Sample({**own, **further}, float(value))


def _last(
    frame: t.Mapping[str, t.Any], times: t.Sequence[t.Any], values: t.Sequence[t.Any]
) -> t.Iterator[Sample]:
    name = str((frame.get("schema") or {}).get("name") or "")
    points = [
        when for when, value in zip(times, values, strict=False) if value is not None and when is not None
    ]
    if points:
        yield Sample({"name": name}, float(points[-1]) / 1000.0)
