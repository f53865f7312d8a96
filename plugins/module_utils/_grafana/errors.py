# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""What can go wrong at Grafana, each with what to do about it."""

from __future__ import annotations

import re

from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._redact import redact, shown_url

_TITLE = re.compile(r"<title[^>]*>([^<]{1,200})", re.IGNORECASE)


class GrafanaError(OperatorError):
    """A request to Grafana failed. All errors of this package are of this class.

    :param status: HTTP status of the answer, 0 without one.
    """

    def __init__(self, message: str, next_step: str = "", status: int = 0) -> None:
        self.status = status
        super().__init__(message, next_step)


class UnreachableError(GrafanaError):
    """Grafana does not answer, or its certificate is not trusted."""


class NotGrafanaError(GrafanaError):
    """What answers is not Grafana's API, such as the login page of a proxy."""


class TokenError(GrafanaError):
    """401: the token is not accepted."""


class PermissionDeniedError(GrafanaError):
    """403: the token is accepted, and may not do this."""


class MissingError(GrafanaError):
    """404: there is no such object, or no such API."""


class ConflictError(GrafanaError):
    """409 or 412: somebody else has changed the object, or another one has its name."""


class BusyError(GrafanaError):
    """429: too many requests."""


class RefusedError(GrafanaError):
    """400 or 422: Grafana does not take what was sent."""


class ServerError(GrafanaError):
    """5xx: Grafana, or a proxy in front of it, has failed."""


_STEPS: dict[int, tuple[type[GrafanaError], str]] = {
    400: (RefusedError, "Correct what is named."),
    401: (
        TokenError,
        "The token is wrong, expired or of another organisation: give a token of a service account of this Grafana.",
    ),
    403: (
        PermissionDeniedError,
        "Give the service account of this token the permission; its role Admin has all that is needed.",
    ),
    404: (MissingError, "Check the URL of Grafana, with its path where it has one (https://HOST/grafana)."),
    409: (
        ConflictError,
        "Somebody has changed it at the same time, or the name belongs to another object: run again, or choose another"
        " name.",
    ),
    412: (
        ConflictError,
        "Somebody has changed it at the same time: run again, and look at what they have changed.",
    ),
    422: (RefusedError, "Correct what is named."),
    429: (
        BusyError,
        "Run again later, or raise the limit of requests in Grafana or in the proxy in front of it.",
    ),
}
_SERVER_STEP = "Look at the log of Grafana, or of the proxy in front of it, and run again."


def is_html(text: str, media: str) -> bool:
    """Whether an answer is a page for a browser."""
    return "html" in media.lower() or text.lstrip()[:1] == "<"


def title_of(page: str) -> str:
    """The title of a page, to tell which one it is; empty without."""
    match = _TITLE.search(page)
    return " ".join(match.group(1).split()) if match else ""


def refusal(method: str, url: str, status: int, told: str, hidden: str = "") -> GrafanaError:
    """The error for an HTTP status that is not the one of success.

    :param told: Grafana's own message. :param hidden: the token, which no message may show.
    """
    kind, step = _STEPS.get(status, (GrafanaError, "Look at the log of Grafana."))
    if status >= 500:
        kind, step = ServerError, _SERVER_STEP
    found = f"{method} {shown_url(url)} answered HTTP {status}: {redact(told, [hidden])[:500]}".rstrip(": .")
    return kind(f"{found}.", step, status)


def page(method: str, url: str, status: int, text: str) -> GrafanaError:
    """The error for a page where JSON was expected."""
    title = title_of(text)
    named = f" ({redact(title)!r})" if title else ""
    found = f"{method} {shown_url(url)} answered HTTP {status} with an HTML page{named}, expected JSON."
    if status >= 500:
        return ServerError(found, _SERVER_STEP, status)
    return NotGrafanaError(
        found,
        "This looks like a login page or another server: give the URL of Grafana itself, and let its API pass a login"
        " proxy.",
        status,
    )


def redirect(method: str, url: str, status: int, target: str) -> GrafanaError:
    """The error for a redirect, which is not followed: the token would reach another server."""
    where = f" to {shown_url(target)}" if target else ""
    return NotGrafanaError(
        f"{method} {shown_url(url)} answered HTTP {status}, a redirect{where}, expected JSON.",
        "Give the URL that is redirected to when it is Grafana's (https instead of http, another path), and let the"
        " API pass a login proxy.",
        status,
    )
