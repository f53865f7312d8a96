# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests to data sources, with the credentials that the server stores for them."""

from __future__ import annotations

import ssl
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.grafana.state import Grafana

TIMEOUT = 10.0
#: Kinds that Grafana can ask whether they work.
CHECKED = {
    "prometheus": "/api/v1/query?query=1%2B1",
    "graphite": "/render?target=constantLine(100)&from=-1min&format=json",
}


class UpstreamError(Exception):
    """A data source did not answer, or refused."""


@contextmanager
def client(state: Grafana, uid: str) -> Iterator[httpx.Client]:
    """A client for a data source."""
    found, secure = state.datasource(uid), state.secure[uid]
    options = found.get("jsonData") or {}
    headers = {
        str(options[key]): secure.get(key.replace("Name", "Value"), "")
        for key in options
        if key.startswith("httpHeaderName")
    }
    auth = (found["basicAuthUser"], secure.get("basicAuthPassword", "")) if found.get("basicAuth") else None
    with httpx.Client(
        base_url=found["url"],
        auth=auth,
        headers=headers,
        verify=_tls(options, secure),
        timeout=TIMEOUT,
        trust_env=False,
    ) as session:
        yield session


def _tls(options: Mapping[str, Any], secure: Mapping[str, str]) -> ssl.SSLContext:
    ca = secure.get("tlsCACert") if options.get("tlsAuthWithCACert") else None
    context = ssl.create_default_context(cadata=ca)
    context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
    if options.get("tlsSkipVerify"):
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if options.get("tlsAuth"):
        with tempfile.TemporaryDirectory() as directory:
            pair = Path(directory) / "pair.pem"
            pair.touch(0o600)
            pair.write_text(
                f"{secure.get('tlsClientCert', '')}\n{secure.get('tlsClientKey', '')}\n", encoding="utf-8"
            )
            context.load_cert_chain(pair)
    return context


def health(state: Grafana, uid: str) -> tuple[int, dict[str, Any]]:
    """The answer to a health check."""
    kind = str(state.datasource(uid)["type"])
    if kind not in CHECKED:
        return 404, {"message": "Plugin unavailable", "statusCode": 404}
    try:
        with client(state, uid) as session:
            answer = session.get(CHECKED[kind])
    except (httpx.HTTPError, ssl.SSLError, ValueError) as exc:
        return 400, {
            "status": "ERROR",
            "message": f"{exc} - There was an error returned querying the {kind} API.",
        }
    if answer.status_code != 200:
        told = f"{answer.status_code} {answer.reason_phrase}"
        return 400, {
            "status": "ERROR",
            "message": f"{told} - There was an error returned querying the {kind} API.",
        }
    return 200, {"status": "OK", "message": f"Successfully queried the {kind.capitalize()} API."}


def query(state: Grafana, one: Mapping[str, Any], start: float, end: float) -> list[dict[str, Any]]:
    """Frames of one query.

    :raises UpstreamError: with what the data source says.
    """
    uid = str((one.get("datasource") or {}).get("uid") or "")
    kind = str(state.datasource(uid)["type"])
    asked = {"prometheus": _prometheus, "graphite": _graphite}.get(kind)
    if asked is None:
        raise UpstreamError(f"the kind {kind} cannot be queried here")
    try:
        with client(state, uid) as session:
            return asked(session, one, start, end)
    except (httpx.HTTPError, ssl.SSLError, ValueError, KeyError, TypeError) as exc:
        raise UpstreamError(f"{type(exc).__name__}: {exc}") from exc


def _prometheus(
    session: httpx.Client, one: Mapping[str, Any], start: float, end: float
) -> list[dict[str, Any]]:
    expression = str(one.get("expr") or "")
    if one.get("instant"):
        path, form = "/api/v1/query", {"query": expression, "time": str(end)}
    else:
        step = max(float(one.get("intervalMs") or 15000) / 1000, (end - start) / 11000, 1)
        path = "/api/v1/query_range"
        form = {"query": expression, "start": str(start), "end": str(end), "step": str(step)}
    answer = session.post(path, data=form)
    if answer.status_code != 200:
        try:
            told = str(answer.json()["error"])
        except (ValueError, KeyError, TypeError):
            told = f"{answer.status_code} {answer.reason_phrase}"
        raise UpstreamError(told)
    data = answer.json()["data"]
    if data["resultType"] in ("scalar", "string"):
        return [_frame(one, {}, [data["result"]], "numeric-multi")]
    return [
        _frame(
            one,
            found["metric"],
            [found["value"]] if "value" in found else found["values"],
            "numeric-multi" if "value" in found else "timeseries-multi",
        )
        for found in data["result"]
    ]


def _graphite(
    session: httpx.Client, one: Mapping[str, Any], start: float, end: float
) -> list[dict[str, Any]]:
    form = {
        "target": str(one.get("target") or ""),
        "from": str(int(start)),
        "until": str(int(end)),
        "format": "json",
    }
    answer = session.post("/render", data=form)
    if answer.status_code != 200:
        raise UpstreamError(f"{answer.status_code} {answer.reason_phrase}")
    return [
        _frame(
            one,
            {
                "name": str(found["target"]),
                **{key: str(value) for key, value in (found.get("tags") or {}).items()},
            },
            [(moment, value) for value, moment in found["datapoints"] if value is not None],
            "timeseries-multi",
        )
        for found in answer.json()
    ]


def _frame(
    one: Mapping[str, Any], labels: Mapping[str, str], points: Sequence[Sequence[Any]], kind: str
) -> dict[str, Any]:
    times = [int(float(moment) * 1000) for moment, _value in points]
    return {
        "schema": {
            "refId": one.get("refId", "A"),
            "meta": {"type": kind, "typeVersion": [0, 1]},
            "fields": [
                {"name": "Time", "type": "time", "typeInfo": {"frame": "time.Time"}},
                {
                    "name": labels.get("__name__") or "Value",
                    "type": "number",
                    "typeInfo": {"frame": "float64"},
                    "labels": dict(labels),
                },
            ],
        },
        "data": {"values": [times, [_number(value) for _moment, value in points]]},
    }


def _number(value: Any) -> float | None:
    """JSON has no NaN and no infinity."""
    number = float(value)
    return number if number - number == 0 else None
