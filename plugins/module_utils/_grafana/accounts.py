# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Service accounts and their tokens, which are minted once, expire, and are renewed in time."""

from __future__ import annotations

import calendar
import os
import stat
import time
import typing as t
from dataclasses import dataclass

from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._grafana import errors
from ansible_collections.baremetal.kubernetes.plugins.module_utils._grafana.client import Client, query
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os import files

ROLES = ("Viewer", "Editor", "Admin", "None")
DAY = 86400
MODE = 0o600
_PAGE = 1000
_KEEP, _ABSENT, _INVALID, _EXPIRING, _UNKNOWN = "", "absent", "invalid", "expiring", "unknown"
#: Why a token is minted.
REASONS = {
    _ABSENT: "there is no token in the file",
    _INVALID: "Grafana does not accept the token in the file",
    _EXPIRING: "less than a third of its life is left",
    _UNKNOWN: "Grafana has no token of this name that is valid",
}


@dataclass(frozen=True)
class Account:
    """A service account. Grafana's API knows it by a number only; it is looked up by name in every run."""

    number: int
    name: str
    login: str
    role: str
    disabled: bool


@dataclass(frozen=True)
class Token:
    """A token of a service account, without its value.

    :param expires: seconds since the epoch, 0 when it never does.
    """

    number: int
    name: str
    expires: float
    expired: bool = False


def reason_to_mint(
    tokens: t.Sequence[Token], in_file: bool, accepted: bool, days: int, now: float
) -> tuple[str, Token | None]:
    """Why a new token is minted, empty when the one in the file serves, and that one.

    :param tokens: of the account and of this name. :param in_file: whether the file has one.
    :param accepted: whether Grafana accepts the one in the file.
    """
    valid = [token for token in tokens if not token.expired and not 0 < token.expires <= now]
    if not in_file:
        return _ABSENT, None
    if not accepted:
        return _INVALID, None
    if not valid:
        return _UNKNOWN, None
    newest = max(valid, key=lambda token: token.number)
    left = newest.expires - now if newest.expires else 0.0
    return (_EXPIRING if left < days * DAY / 3 else _KEEP), newest


def token_name(prefix: str, now: float) -> str:
    """A name that no other token has; the date tells which one is the newest."""
    return f"{prefix}-{time.strftime('%Y%m%d%H%M%S', time.gmtime(now))}"


class Accounts:
    """Read and write service accounts."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def read(self, name: str) -> Account | None:
        """The account with this name, C(None) when there is none.

        :raises OperatorError: when there are several.
        """
        found = [account for account in self._all(name) if account.name == name]
        if len(found) > 1:
            raise OperatorError(
                f"Grafana has {len(found)} service accounts with the name {name}, expected one.",
                "Delete those that are not used, in Grafana under Administration.",
            )
        return found[0] if found else None

    def create(self, name: str, role: str) -> Account:
        """Create an account."""
        return _account(
            self._client.send(
                "POST", "/api/serviceaccounts", {"name": name, "role": role, "isDisabled": False}
            )
        )

    def update(self, account: Account, role: str) -> None:
        """Set the role of an account, and enable it."""
        body = {"name": account.name, "role": role, "isDisabled": False}
        self._client.send("PATCH", f"/api/serviceaccounts/{account.number}", body)

    def delete(self, account: Account) -> None:
        """Delete an account with its tokens."""
        self._client.send("DELETE", f"/api/serviceaccounts/{account.number}")

    def tokens(self, account: Account, prefix: str) -> list[Token]:
        """Tokens of an account that this module has minted."""
        found = self._client.get(f"/api/serviceaccounts/{account.number}/tokens")
        listed = [_token(one) for one in found if isinstance(one, dict)] if isinstance(found, list) else []
        return [one for one in listed if _is_own(one.name, prefix)]

    def mint(self, account: Account, name: str, seconds: int) -> str:
        """A new token: its value, which Grafana tells this once."""
        path = f"/api/serviceaccounts/{account.number}/tokens"
        found = self._client.send("POST", path, {"name": name, "secondsToLive": seconds})
        key = found.get("key") if isinstance(found, dict) else None
        if not isinstance(key, str) or not key:
            raise errors.GrafanaError(
                f"Grafana has made the token {name}, and has not told its value.",
                "Delete it in Grafana, and run again.",
            )
        return key

    def revoke(self, account: Account, token: Token) -> None:
        """Delete a token."""
        self._client.send("DELETE", f"/api/serviceaccounts/{account.number}/tokens/{token.number}")

    def _all(self, name: str) -> t.Iterator[Account]:
        page = 1
        while True:
            found = self._client.get(
                "/api/serviceaccounts/search" + query(query=name, perpage=_PAGE, page=page)
            )
            listed = found.get("serviceAccounts") if isinstance(found, dict) else None
            accounts = [_account(one) for one in listed or () if isinstance(one, dict)]
            yield from accounts
            if len(accounts) < _PAGE:
                return
            page += 1


def is_accepted(client: Client) -> bool:
    """Whether Grafana accepts the token of this client; it may be one that is allowed nothing.

    :raises GrafanaError: when that cannot be told.
    """
    try:
        client.get("/api/org")
    except errors.TokenError:
        return False
    except errors.PermissionDeniedError:
        return True
    return True


def read_file(path: str) -> str:
    """The token in a file, empty when there is none.

    :raises OperatorError: when it cannot be read.
    """
    try:
        with open(path, encoding="ascii") as stream:
            return stream.read().strip()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as exc:
        raise OperatorError(f"{path} cannot be read: {exc}.", "Check what it is, and its owner.") from exc


def write_file(path: str, token: str) -> None:
    """Replace the file, which only its owner may read.

    :raises OperatorError: when it cannot be written.
    """
    try:
        os.makedirs(os.path.dirname(path) or ".", mode=0o700, exist_ok=True)
        files.write_atomic(path, token.encode() + b"\n", MODE)
    except OSError as exc:
        raise OperatorError(
            f"{path} cannot be written: {exc.strerror}.", "Choose another token_path."
        ) from exc


def is_open(path: str) -> bool:
    """Whether others than the owner may read the file."""
    try:
        return bool(stat.S_IMODE(os.stat(path).st_mode) & 0o177)
    except FileNotFoundError:
        return False


def check_writable(path: str) -> None:
    """Refuse a path that cannot be written, before a token is minted that nobody would have.

    :raises OperatorError: with the reason.
    """
    directory = os.path.dirname(path) or "."
    while not os.path.exists(directory) and os.path.dirname(directory) != directory:
        directory = os.path.dirname(directory)
    if os.path.isdir(path) or not os.path.isdir(directory) or not os.access(directory, os.W_OK):
        raise OperatorError(
            f"{path} cannot be written; expected a file in a directory that can be written. No token was minted.",
            "Choose another token_path.",
        )


def _is_own(name: str, prefix: str) -> bool:
    start, _dash, date = name.rpartition("-")
    return start == prefix and len(date) == 14 and date.isdecimal()


def _account(raw: t.Any) -> Account:
    if not isinstance(raw, dict) or not isinstance(raw.get("id"), int):
        raise errors.NotGrafanaError(
            "Grafana answered with something else than a service account.",
            "Check that this is the URL of Grafana.",
        )
    return Account(
        raw["id"],
        str(raw.get("name") or ""),
        str(raw.get("login") or ""),
        str(raw.get("role") or ""),
        bool(raw.get("isDisabled")),
    )


def _token(raw: t.Mapping[str, t.Any]) -> Token:
    expires = _seconds(raw.get("expiration"))
    return Token(
        int(raw.get("id") or 0),
        str(raw.get("name") or ""),
        expires,
        bool(raw.get("hasExpired") or raw.get("isRevoked")),
    )


def _seconds(text: t.Any) -> float:
    """Seconds since the epoch of a time in RFC 3339, 0 without one."""
    if not isinstance(text, str) or len(text) < 19:
        return 0.0
    try:
        moment = time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S")
    except ValueError:
        return 0.0
    offset = text[-6:]
    shift = 0
    if offset[:1] in "+-" and offset[3:4] == ":" and (offset[1:3] + offset[4:]).isdecimal():
        shift = (int(offset[1:3]) * 60 + int(offset[4:])) * 60 * (1 if offset[0] == "+" else -1)
    # Go's zero time stands for none.
    return max(float(calendar.timegm(moment) - shift), 0.0)
