# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Tokens of ServiceAccounts: what one says of itself, and whether it has to be replaced. Pure: no file, no network."""

from __future__ import annotations

import base64
import binascii
import json
import typing as t
from dataclasses import dataclass

DAY = 86400
#: The API server may shorten a life and never extends one; what is longer than asked for by more is of another setting.
_TOLERANCE = 1.1


@dataclass(frozen=True)
class Claims:
    """What a bound token says of itself.

    :param namespace: of the ServiceAccount. :param name: its name.
    :param uid: its uid, which a new one of the same name does not have.
    :param issued: seconds since the epoch. :param expires: likewise.
    """

    namespace: str
    name: str
    uid: str
    issued: int
    expires: int


def claims(token: str) -> Claims | None:
    """The claims of a token, C(None) for what is no bound token of a ServiceAccount. The signature is not verified."""
    parts = token.strip().split(".")
    if len(parts) != 3:
        return None
    try:
        body = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        own = body["kubernetes.io"]
        account = own["serviceaccount"]
        return Claims(
            namespace=str(own["namespace"]),
            name=str(account["name"]),
            uid=str(account["uid"]),
            issued=int(body["iat"]),
            expires=int(body["exp"]),
        )
    except (binascii.Error, KeyError, RecursionError, TypeError, ValueError):
        return None


@dataclass(frozen=True)
class Wanted:
    """What a token must be for.

    :param namespace: of the ServiceAccount. :param name: its name. :param uid: its present uid.
    :param days: how long a new one is asked to live.
    """

    namespace: str
    name: str
    uid: str
    days: int


def reason(found: str, wanted: Wanted, now: float) -> str:
    """Why a token has to be replaced, as far as it says so itself; empty when it may stay.

    :param found: the token, empty without one. :param now: seconds since the epoch.
    """
    if not found.strip():
        return "there is none"
    own = claims(found)
    if own is None:
        return "what is there is no token of a ServiceAccount"
    if (own.namespace, own.name) != (wanted.namespace, wanted.name):
        return f"it is of the ServiceAccount {own.namespace}/{own.name}"
    if own.uid != wanted.uid:
        return "it is of a ServiceAccount of this name that was deleted"
    life, left = own.expires - own.issued, own.expires - now
    if left <= 0:
        return f"it ended {-left / DAY:.1f} days ago"
    if left < life / 2:
        return f"it ends in {left / DAY:.1f} days, less than half of its life"
    if life > wanted.days * DAY * _TOLERANCE:
        return f"it is for {life / DAY:.0f} days, longer than {wanted.days}"
    return ""


def request(days: int) -> dict[str, t.Any]:
    """The object that asks for a token."""
    return {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"expirationSeconds": days * DAY},
    }


def review(token: str) -> dict[str, t.Any]:
    """The object that asks whether the API server accepts a token."""
    return {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token.strip()}}
