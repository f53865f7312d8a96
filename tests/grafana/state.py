# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the contract server stores: organisations, tokens, data sources, directories, dashboards and their history."""

from __future__ import annotations

import copy
import itertools
import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.grafana import conversion

#: Annotations that Grafana itself reads, and that also a Grafana with its former storage has.
OWN_ANNOTATIONS = (
    "grafana.app/folder",
    "grafana.app/createdBy",
    "grafana.app/updatedBy",
    "grafana.app/updatedTimestamp",
    "grafana.app/managedBy",
    "grafana.app/managerId",
)
ROLES = ("None", "Viewer", "Editor", "Admin")
_UID = re.compile(r"[A-Za-z0-9_-]{1,40}")


class RefusedError(Exception):
    """A request that Grafana would refuse.

    :param reason: of a Kubernetes Status. :param extra: further fields of the answer.
    """

    def __init__(self, status: int, message: str, reason: str = "", /, **extra: Any) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.reason = reason
        self.extra = extra


def not_found(what: str) -> RefusedError:
    return RefusedError(404, f"{what} not found", "NotFound")


@dataclass(frozen=True)
class Flavour:
    """Which Grafana the server is like.

    :param apis: versions of each group in C(/apis).
    :param annotations: whether annotations of others are kept, as by the unified storage.
    :param numbers: whether data sources are reached by number as well.
    """

    version: str
    apis: Mapping[str, tuple[str, ...]]
    annotations: bool
    numbers: bool


GRAFANA_11 = Flavour("11.6.4", {}, annotations=False, numbers=True)
#: With its former storage, which documentation of 12 says ignores annotations.
GRAFANA_12 = Flavour(
    "12.4.1",
    {
        "dashboard.grafana.app": ("v1beta1", "v0alpha1", "v2alpha1", "v2beta1"),
        "folder.grafana.app": ("v1beta1",),
    },
    annotations=False,
    numbers=True,
)
GRAFANA_13 = Flavour(
    "13.3.0",
    {
        "dashboard.grafana.app": ("v2", "v1", "v1beta1", "v0alpha1", "v2beta1"),
        "folder.grafana.app": ("v1", "v1beta1"),
    },
    annotations=True,
    numbers=False,
)
FLAVOURS = {"11": GRAFANA_11, "12": GRAFANA_12, "13": GRAFANA_13}


@dataclass
class Stored:
    """A dashboard or directory."""

    uid: str
    number: int
    spec: dict[str, Any]
    schema: int = 1
    annotations: dict[str, str] = field(default_factory=dict)
    generation: int = 1
    resource_version: int = 1
    created: float = field(default_factory=time.time)
    history: list[tuple[int, str, str]] = field(default_factory=list)

    @property
    def parent(self) -> str:
        return self.annotations.get("grafana.app/folder", "")


@dataclass
class Token:
    number: int
    name: str
    key: str
    created: float
    expires: float | None


@dataclass
class Account:
    number: int
    name: str
    role: str
    disabled: bool = False
    tokens: dict[int, Token] = field(default_factory=dict)

    @property
    def login(self) -> str:
        return f"sa-1-{re.sub(r'[^a-z0-9]+', '-', self.name.lower())}"


class Grafana:
    """One Grafana with one organisation.

    :param admin: token of the role Admin that is there from the start.
    """

    def __init__(self, flavour: Flavour = GRAFANA_13, admin: str = "") -> None:
        self.flavour = flavour
        self.admin = admin or f"glsa_{secrets.token_hex(16)}_{secrets.token_hex(4)}"
        self.password = "admin"
        self.organisation = 1
        self.datasources: dict[str, dict[str, Any]] = {}
        self.secure: dict[str, dict[str, str]] = {}
        self.dashboards: dict[str, Stored] = {}
        self.folders: dict[str, Stored] = {}
        self.accounts: dict[int, Account] = {}
        self.clock = time.time
        self._numbers = itertools.count(1)
        self._versions = itertools.count(1)

    # --- who asks ---------------------------------------------------------------------------------------------------

    def identify(self, token: str) -> tuple[str, str]:
        """Role and name of who has a token.

        :raises RefusedError: for one that is unknown, expired or disabled.
        """
        if token == self.admin:
            return "Admin", "user:admin"
        for account in self.accounts.values():
            for one in account.tokens.values():
                if one.key == token and not account.disabled:
                    if one.expires is not None and one.expires <= self.clock():
                        raise RefusedError(
                            401, "Token expired", "Unauthorized", messageId="session.token.rotate"
                        )
                    return account.role, f"service-account:{account.number}"
        raise RefusedError(401, "Invalid API key", "Unauthorized", messageId="api-key.invalid")

    # --- data sources -----------------------------------------------------------------------------------------------

    def datasource(self, uid: str) -> dict[str, Any]:
        try:
            return self.datasources[uid]
        except KeyError:
            raise RefusedError(404, "Data source not found") from None

    def add_datasource(self, body: Mapping[str, Any]) -> dict[str, Any]:
        uid = str(body.get("uid") or secrets.token_hex(7))
        if not body.get("name") or not body.get("type"):
            raise RefusedError(400, "bad request data")
        self._check_uid(uid)
        self._check_name(uid, str(body["name"]))
        if uid in self.datasources:
            raise RefusedError(409, "data source with the same uid already exists")
        self.datasources[uid] = {
            "id": next(self._numbers),
            "uid": uid,
            "orgId": self.organisation,
            "version": 0,
        }
        self.secure[uid] = {}
        return self._store_datasource(uid, body)

    def update_datasource(self, uid: str, body: Mapping[str, Any]) -> dict[str, Any]:
        found = self.datasource(uid)
        if found.get("readOnly"):
            raise RefusedError(403, "Cannot update read-only data source")
        self._check_name(uid, str(body.get("name") or ""))
        version = body.get("version")
        if version and version != found["version"]:
            raise RefusedError(
                409, "Datasource has already been updated by someone else. Please reload and try again"
            )
        return self._store_datasource(uid, body)

    def delete_datasource(self, uid: str) -> dict[str, Any]:
        if self.datasource(uid).get("readOnly"):
            raise RefusedError(403, "Cannot delete read-only data source")
        self.secure.pop(uid)
        return self.datasources.pop(uid)

    def _check_name(self, uid: str, name: str) -> None:
        if any(one["name"] == name for key, one in self.datasources.items() if key != uid and "name" in one):
            raise RefusedError(409, "data source with the same name already exists")

    def _check_uid(self, uid: str) -> None:
        if not _UID.fullmatch(uid):
            raise RefusedError(400, "uid contains illegal characters or is too long", "BadRequest")

    def _store_datasource(self, uid: str, body: Mapping[str, Any]) -> dict[str, Any]:
        found = self.datasources[uid]
        if body.get("isDefault"):
            for other in self.datasources.values():
                other["isDefault"] = False
        for key, default in {
            "name": "",
            "type": "",
            "access": "proxy",
            "url": "",
            "user": "",
            "database": "",
            "basicAuth": False,
            "basicAuthUser": "",
            "withCredentials": False,
            "isDefault": False,
            "jsonData": {},
        }.items():
            found[key] = copy.deepcopy(body.get(key) or default)
        self.secure[uid].update(
            {key: value for key, value in (body.get("secureJsonData") or {}).items() if value}
        )
        found["version"] += 1
        found["typeLogoUrl"] = f"public/app/plugins/datasource/{found['type']}/img/logo.svg"
        found["secureJsonFields"] = dict.fromkeys(self.secure[uid], True)
        found["readOnly"] = bool(found.get("readOnly"))
        found["accessControl"] = {"datasources:read": True, "datasources:write": True}
        return found

    # --- dashboards and directories -----------------------------------------------------------------------------------

    def store(
        self,
        kind: str,
        uid: str,
        spec: Mapping[str, Any],
        schema: int,
        annotations: Mapping[str, str],
        who: str,
    ) -> Stored:
        """Create or replace, and count."""
        objects = self.dashboards if kind == "dashboards" else self.folders
        self._check_uid(uid)
        if not str(spec.get("title") or "").strip():
            raise RefusedError(400, "title cannot be empty", "BadRequest")
        parent = annotations.get("grafana.app/folder") or ""
        if parent and parent not in self.folders:
            raise RefusedError(404, f"folders.folder.grafana.app {parent!r} not found", "NotFound")
        clean = {
            key: copy.deepcopy(value) for key, value in spec.items() if key not in ("id", "uid", "version")
        }
        message = annotations.get("grafana.app/message", "")
        kept = {
            key: value
            for key, value in annotations.items()
            if value and (self.flavour.annotations or key in OWN_ANNOTATIONS) and key != "grafana.app/message"
        }
        found = objects.get(uid)
        if found is None:
            found = objects[uid] = Stored(uid, next(self._numbers), clean, schema)
            kept["grafana.app/createdBy"] = who
        else:
            kept["grafana.app/createdBy"] = found.annotations.get("grafana.app/createdBy", who)
            if (found.spec, found.schema) != (clean, schema):
                found.generation += 1
            found.spec, found.schema = clean, schema
        kept["grafana.app/updatedBy"] = who
        found.annotations = kept
        found.resource_version = next(self._versions)
        if not found.history or found.history[0][0] != found.generation:
            found.history.insert(0, (found.generation, message, who))
        return found

    def delete(self, kind: str, uid: str) -> Stored:
        """Delete, with all that is in a directory."""
        objects = self.dashboards if kind == "dashboards" else self.folders
        try:
            found = objects.pop(uid)
        except KeyError:
            raise not_found("Dashboard" if kind == "dashboards" else "folder") from None
        if kind == "folders":
            for content in (self.dashboards, self.folders):
                for name in [name for name, one in content.items() if one.parent == uid]:
                    self.delete("dashboards" if content is self.dashboards else "folders", name)
        return found

    def counts(self, uid: str) -> dict[str, int]:
        """What a directory has."""
        if uid not in self.folders:
            raise not_found("folder")
        return {
            "dashboards": sum(one.parent == uid for one in self.dashboards.values()),
            "folders": sum(one.parent == uid for one in self.folders.values()),
        }

    def shown(self, found: Stored, schema: int) -> tuple[dict[str, Any], dict[str, Any]]:
        """Spec and status in a schema, as Grafana migrates what it reads."""
        if found.schema == schema:
            return (conversion.migrated(found.spec) if schema == 1 else copy.deepcopy(found.spec)), {}
        converted = (conversion.to_v2 if schema == 2 else conversion.to_v1)(found.spec)
        return converted, {"conversion": {"failed": False, "storedVersion": f"v{found.schema}"}}

    # --- service accounts ---------------------------------------------------------------------------------------------

    def add_account(self, name: str, role: str) -> Account:
        if not name or role not in ROLES:
            raise RefusedError(400, "invalid service account")
        if any(one.name == name for one in self.accounts.values()):
            raise RefusedError(400, "service account already exists")
        account = Account(next(self._numbers), name, role)
        self.accounts[account.number] = account
        return account

    def account(self, number: int) -> Account:
        try:
            return self.accounts[number]
        except KeyError:
            raise not_found("service account") from None

    def mint(self, account: Account, name: str, seconds: int) -> Token:
        if not name or any(one.name == name for one in account.tokens.values()):
            raise RefusedError(400, "service account token already exists")
        now = self.clock()
        key = f"glsa_{secrets.token_hex(16)}_{secrets.token_hex(4)}"
        token = Token(next(self._numbers), name, key, now, now + seconds if seconds else None)
        account.tokens[token.number] = token
        return token
