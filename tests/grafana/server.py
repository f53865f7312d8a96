# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The contract server over HTTP: `python -m tests.grafana` runs it, `serve` does so for a test."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.grafana import upstream
from tests.grafana.state import Account, Grafana, RefusedError, Stored, Token, not_found

Handler = Callable[["Call"], Awaitable[Response]]
READ, WRITE, ADMIN = "Viewer", "Editor", "Admin"
_RANK = {"None": 0, "Viewer": 1, "Editor": 2, "Admin": 3}
#: What a fault is, when it is only named.
LOGIN_PAGE = "<!DOCTYPE html><html><head><title>Sign in to Example SSO</title></head><body>...</body></html>"


@dataclass
class Fault:
    """Answers that are not Grafana's own.

    :param match: regular expression for the path. :param count: how often it happens.
    :param silent: seconds without any answer.
    """

    status: int = 500
    body: str = '{"message":"Internal Server Error"}'
    headers: dict[str, str] = field(default_factory=lambda: {"content-type": "application/json"})
    match: str = "/api"
    method: str = ""
    count: int = 1
    silent: float = 0


@dataclass
class Call:
    """A request with who sends it."""

    request: Request
    state: Grafana
    role: str
    who: str
    body: Any

    def __getitem__(self, name: str) -> str:
        return str(self.request.path_params[name])

    def need(self, role: str, permission: str) -> None:
        """Refuse who may not do this."""
        if _RANK[self.role] < _RANK[role]:
            raise RefusedError(
                403,
                f"You'll need additional permissions to perform this action. Permissions needed: {permission}",
                "Forbidden",
                accessErrorId="ACE0000000000",
                title="Access denied",
            )


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


# --- organisation, health, search ---------------------------------------------------------------------------


async def organisation(call: Call) -> Response:
    address = dict.fromkeys(("address1", "address2", "city", "zipCode", "state", "country"), "")
    return JSONResponse({"id": call.state.organisation, "name": "Main Org.", "address": address})


async def settings(call: Call) -> Response:
    build = {
        "version": call.state.flavour.version,
        "commit": "0000000",
        "edition": "Open Source",
        "env": "production",
    }
    return JSONResponse({"buildInfo": build})


async def search(call: Call) -> Response:
    call.need(READ, "dashboards:read")
    asked = call.request.query_params
    limit, page = int(asked.get("limit") or 1000), int(asked.get("page") or 1)
    text = (asked.get("query") or "").lower()
    hits = []
    for kind, objects in (("dash-db", call.state.dashboards), ("dash-folder", call.state.folders)):
        for one in objects.values():
            tags = list(one.spec.get("tags") or ())
            if (
                asked.get("type") in (None, "", kind)
                and set(asked.getlist("tag")) <= set(tags)
                and text in one.spec["title"].lower()
                and (not asked.getlist("folderUIDs") or one.parent in asked.getlist("folderUIDs"))
            ):
                hits.append(
                    {
                        "id": one.number,
                        "orgId": 1,
                        "uid": one.uid,
                        "title": one.spec["title"],
                        "uri": f"db/{one.uid}",
                        "url": f"/d/{one.uid}/x",
                        "slug": "",
                        "type": kind,
                        "tags": tags,
                        "isStarred": False,
                        "sortMeta": 0,
                        "isDeleted": False,
                        **({"folderUid": one.parent} if one.parent else {}),
                    }
                )
    hits.sort(key=lambda one: (one["title"], one["uid"]))
    return JSONResponse(hits[(page - 1) * limit : page * limit])


# --- data sources -------------------------------------------------------------------------------------------


async def list_datasources(call: Call) -> Response:
    call.need(ADMIN, "datasources:read")
    return JSONResponse(sorted(call.state.datasources.values(), key=lambda one: one["name"]))


async def add_datasource(call: Call) -> Response:
    call.need(ADMIN, "datasources:create")
    found = call.state.add_datasource(call.body)
    return JSONResponse(
        {"datasource": found, "id": found["id"], "message": "Datasource added", "name": found["name"]}
    )


def _uid_of(call: Call) -> str:
    """The uid of a data source by what the path has."""
    params = call.request.path_params
    if "uid" in params:
        return str(params["uid"])
    for uid, one in call.state.datasources.items():
        if one["name"] == params.get("name") or (
            call.state.flavour.numbers and one["id"] == params.get("number")
        ):
            return uid
    raise RefusedError(404, "Data source not found")


async def get_datasource(call: Call) -> Response:
    call.need(ADMIN, "datasources:read")
    return JSONResponse(call.state.datasource(_uid_of(call)))


async def update_datasource(call: Call) -> Response:
    call.need(ADMIN, "datasources:write")
    found = call.state.update_datasource(_uid_of(call), call.body)
    return JSONResponse(
        {"datasource": found, "id": found["id"], "message": "Datasource updated", "name": found["name"]}
    )


async def delete_datasource(call: Call) -> Response:
    call.need(ADMIN, "datasources:delete")
    found = call.state.delete_datasource(_uid_of(call))
    return JSONResponse({"message": "Data source deleted", "id": found["id"]})


async def datasource_health(call: Call) -> Response:
    call.need(READ, "datasources:query")
    status, body = await run_in_threadpool(upstream.health, call.state, _uid_of(call))
    return JSONResponse(body, status)


async def datasource_proxy(call: Call) -> Response:
    call.need(READ, "datasources:query")
    request = call.request
    sent = await request.body()

    def forward() -> Response:
        with upstream.client(call.state, _uid_of(call)) as session:
            kept = {
                name: request.headers[name] for name in ("content-type", "accept") if name in request.headers
            }
            path = f"/{call['path']}"
            answer = session.request(
                request.method,
                path,
                params=list(request.query_params.multi_items()),
                content=sent,
                headers=kept,
            )
            return Response(answer.content, answer.status_code, media_type=answer.headers.get("content-type"))

    call.state.datasource(_uid_of(call))
    try:
        return await run_in_threadpool(forward)
    except (httpx.HTTPError, ValueError, OSError):
        return Response("", 502, media_type="text/plain")


async def query_datasources(call: Call) -> Response:
    call.need(READ, "datasources:query")
    queries = (call.body or {}).get("queries") or []
    if not queries:
        raise RefusedError(400, "No queries found", messageId="query.noQueries")
    end = _moment(call.body.get("to"), call.state.clock())
    start = _moment(call.body.get("from"), call.state.clock())
    results: dict[str, Any] = {}
    for one in queries:
        name = str(one.get("refId") or "A")
        try:
            frames = await run_in_threadpool(upstream.query, call.state, one, start, end)
            results[name] = {"status": 200, "frames": frames}
        except upstream.UpstreamError as exc:
            results[name] = {"status": 400, "error": str(exc), "errorSource": "downstream", "frames": []}
    failed = any(one["status"] != 200 for one in results.values())
    return JSONResponse({"results": results}, 400 if failed else 200)


def _moment(text: Any, now: float) -> float:
    """Seconds since the epoch of C(now-5m) or of milliseconds."""
    told = str(text or "now")
    match = re.fullmatch(r"now(?:-(\d+)([smhd]))?", told)
    if match:
        return (
            now - int(match.group(1) or 0) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[match.group(2) or "s"]
        )
    if told.isdecimal():
        return int(told) / 1000
    raise RefusedError(400, f"invalid time range: {told}")


# --- dashboards in /api -----------------------------------------------------------------------------------------------


def _dashboard(call: Call) -> Stored:
    try:
        return call.state.dashboards[call["uid"]]
    except KeyError:
        raise RefusedError(404, "Dashboard not found") from None


async def save_dashboard(call: Call) -> Response:
    call.need(WRITE, "dashboards:write")
    spec = dict((call.body or {}).get("dashboard") or {})
    uid = str(spec.get("uid") or f"d{time.monotonic_ns():x}")
    found = call.state.dashboards.get(uid)
    overwrite = bool(call.body.get("overwrite"))
    if "elements" in spec:
        raise RefusedError(400, "dashboard schema v2 is not supported by this endpoint")
    if found is not None and not overwrite:
        if not spec.get("id"):
            told = "A dashboard with the same uid already exists"
            raise RefusedError(412, told, status="name-exists")
        if spec.get("version") != found.generation:
            raise RefusedError(
                412, "The dashboard has been changed by someone else", status="version-mismatch"
            )
    annotations = {
        **(found.annotations if found else {}),
        "grafana.app/folder": str(call.body.get("folderUid") or ""),
        "grafana.app/message": str(call.body.get("message") or ""),
    }
    stored = call.state.store("dashboards", uid, spec, 1, annotations, call.who)
    return JSONResponse(
        {
            "folderUid": stored.parent,
            "id": stored.number,
            "slug": "x",
            "status": "success",
            "title": stored.spec["title"],
            "uid": uid,
            "url": f"/d/{uid}/x",
            "version": stored.generation,
        }
    )


async def get_dashboard(call: Call) -> Response:
    call.need(READ, "dashboards:read")
    found = _dashboard(call)
    spec, _status = call.state.shown(found, 1)
    manager = found.annotations.get("grafana.app/managedBy", "")
    meta = {
        "type": "db",
        "canSave": True,
        "slug": "x",
        "url": f"/d/{found.uid}/x",
        "version": found.generation,
        "created": _time(found.created),
        "updated": _time(found.created),
        "createdBy": found.annotations.get("grafana.app/createdBy", ""),
        "updatedBy": found.annotations.get("grafana.app/updatedBy", ""),
        "folderUid": found.parent,
        "folderTitle": call.state.folders[found.parent].spec["title"] if found.parent else "Dashboards",
        "provisioned": bool(manager),
        "provisionedExternalId": found.annotations.get("grafana.app/managerId", ""),
    }
    shown = {**spec, "id": found.number, "uid": found.uid, "version": found.generation}
    return JSONResponse({"meta": meta, "dashboard": shown})


async def delete_dashboard(call: Call) -> Response:
    call.need(WRITE, "dashboards:delete")
    found = call.state.delete("dashboards", call["uid"])
    title = found.spec["title"]
    return JSONResponse(
        {"message": f"Dashboard {title} deleted", "title": title, "id": found.number, "uid": found.uid}
    )


async def dashboard_versions(call: Call) -> Response:
    call.need(WRITE, "dashboards:write")
    found = _dashboard(call)
    limit = int(call.request.query_params.get("limit") or 1000)
    versions = [
        {
            "id": number,
            "dashboardId": found.number,
            "uid": found.uid,
            "parentVersion": number - 1,
            "restoredFrom": 0,
            "version": number,
            "created": _time(found.created),
            "createdBy": who,
            "message": message,
        }
        for number, message, who in found.history[:limit]
    ]
    # Grafana 11 answered with the list alone.
    former = call.state.flavour.version.startswith("11")
    return JSONResponse(versions if former else {"continueToken": "", "versions": versions})


# --- directories in /api ------------------------------------------------------------------------------------


def _folder(found: Stored) -> dict[str, Any]:
    manager = found.annotations.get("grafana.app/managedBy")
    return {
        "id": found.number,
        "uid": found.uid,
        "orgId": 1,
        "title": found.spec["title"],
        "url": f"/dashboards/f/{found.uid}/x",
        "hasAcl": False,
        "canSave": True,
        "canEdit": True,
        "canAdmin": True,
        "canDelete": True,
        "createdBy": found.annotations.get("grafana.app/createdBy", ""),
        "created": _time(found.created),
        "updatedBy": found.annotations.get("grafana.app/updatedBy", ""),
        "updated": _time(found.created),
        "version": found.generation,
        **({"parentUid": found.parent} if found.parent else {}),
        **({"managedBy": manager} if manager else {}),
    }


def _found_folder(call: Call) -> Stored:
    try:
        return call.state.folders[call["uid"]]
    except KeyError:
        raise RefusedError(404, "folder not found", status="not-found") from None


async def list_folders(call: Call) -> Response:
    call.need(READ, "folders:read")
    parent = call.request.query_params.get("parentUid") or ""
    return JSONResponse(
        [
            {"id": one.number, "uid": one.uid, "title": one.spec["title"]}
            for one in call.state.folders.values()
            if one.parent == parent
        ]
    )


async def add_folder(call: Call) -> Response:
    call.need(WRITE, "folders:create")
    uid = str(call.body.get("uid") or f"f{time.monotonic_ns():x}")
    if uid in call.state.folders:
        raise RefusedError(409, "a folder with the same uid already exists")
    spec = {key: call.body[key] for key in ("title", "description") if call.body.get(key)}
    annotations = {"grafana.app/folder": str(call.body.get("parentUid") or "")}
    return JSONResponse(_folder(call.state.store("folders", uid, spec, 1, annotations, call.who)))


async def get_folder(call: Call) -> Response:
    call.need(READ, "folders:read")
    return JSONResponse(_folder(_found_folder(call)))


async def update_folder(call: Call) -> Response:
    call.need(WRITE, "folders:write")
    found = _found_folder(call)
    if not call.body.get("overwrite") and call.body.get("version") != found.generation:
        raise RefusedError(412, "the folder has been changed by someone else", status="version-mismatch")
    spec = {**found.spec, **{key: call.body[key] for key in ("title", "description") if call.body.get(key)}}
    return JSONResponse(_folder(call.state.store("folders", found.uid, spec, 1, found.annotations, call.who)))


async def move_folder(call: Call) -> Response:
    call.need(WRITE, "folders:write")
    found = _found_folder(call)
    annotations = {**found.annotations, "grafana.app/folder": str(call.body.get("parentUid") or "")}
    return JSONResponse(_folder(call.state.store("folders", found.uid, found.spec, 1, annotations, call.who)))


async def delete_folder(call: Call) -> Response:
    call.need(WRITE, "folders:delete")
    found = _found_folder(call)
    call.state.delete("folders", found.uid)
    return JSONResponse({"message": "Folder deleted", "id": found.number, "title": found.spec["title"]})


async def folder_counts(call: Call) -> Response:
    call.need(READ, "folders:read")
    counts = call.state.counts(call["uid"])
    return JSONResponse({"dashboard": counts["dashboards"], "folder": counts["folders"], "alertrule": 0})


# --- service accounts ---------------------------------------------------------------------------------------


def _account(one: Account) -> dict[str, Any]:
    return {
        "id": one.number,
        "uid": f"sa{one.number}",
        "name": one.name,
        "login": one.login,
        "orgId": 1,
        "isDisabled": one.disabled,
        "isExternal": False,
        "role": one.role,
        "tokens": len(one.tokens),
        "avatarUrl": "",
    }


def _token(call: Call, one: Token) -> dict[str, Any]:
    now = call.state.clock()
    return {
        "id": one.number,
        "name": one.name,
        "created": _time(one.created),
        "lastUsedAt": None,
        "expiration": _time(one.expires),
        "secondsUntilExpiration": max((one.expires or now) - now, 0),
        "hasExpired": one.expires is not None and one.expires <= now,
        "isRevoked": False,
    }


async def search_accounts(call: Call) -> Response:
    call.need(ADMIN, "serviceaccounts:read")
    asked = call.request.query_params
    size, page = int(asked.get("perpage") or 1000), int(asked.get("page") or 1)
    found = [_account(one) for one in call.state.accounts.values() if (asked.get("query") or "") in one.name]
    shown = found[(page - 1) * size : page * size]
    return JSONResponse({"totalCount": len(found), "serviceAccounts": shown, "page": page, "perPage": size})


async def add_account(call: Call) -> Response:
    call.need(ADMIN, "serviceaccounts:create")
    role = str(call.body.get("role") or "Viewer")
    return JSONResponse(_account(call.state.add_account(str(call.body.get("name") or ""), role)), 201)


async def get_account(call: Call) -> Response:
    call.need(ADMIN, "serviceaccounts:read")
    return JSONResponse(_account(call.state.account(int(call["number"]))))


async def update_account(call: Call) -> Response:
    call.need(ADMIN, "serviceaccounts:write")
    found = call.state.account(int(call["number"]))
    found.name = str(call.body.get("name") or found.name)
    found.role = str(call.body.get("role") or found.role)
    if call.body.get("isDisabled") is not None:
        found.disabled = bool(call.body["isDisabled"])
    return JSONResponse(
        {
            "id": found.number,
            "name": found.name,
            "message": "Service account updated",
            "serviceaccount": _account(found),
        }
    )


async def delete_account(call: Call) -> Response:
    call.need(ADMIN, "serviceaccounts:delete")
    call.state.account(int(call["number"]))
    del call.state.accounts[int(call["number"])]
    return JSONResponse({"message": "Service account deleted"})


async def list_tokens(call: Call) -> Response:
    call.need(ADMIN, "serviceaccounts:read")
    account = call.state.account(int(call["number"]))
    return JSONResponse([_token(call, one) for one in account.tokens.values()])


async def add_token(call: Call) -> Response:
    call.need(ADMIN, "serviceaccounts:write")
    account = call.state.account(int(call["number"]))
    token = call.state.mint(
        account, str(call.body.get("name") or ""), int(call.body.get("secondsToLive") or 0)
    )
    return JSONResponse({"id": token.number, "name": token.name, "key": token.key})


async def delete_token(call: Call) -> Response:
    call.need(ADMIN, "serviceaccounts:write")
    account = call.state.account(int(call["number"]))
    if account.tokens.pop(int(call["token"]), None) is None:
        raise not_found("service account token")
    return JSONResponse({"message": "Service account token deleted"})


# --- /apis --------------------------------------------------------------------------------------------------

KINDS = {"dashboards": ("dashboard.grafana.app", "Dashboard"), "folders": ("folder.grafana.app", "Folder")}


async def groups(call: Call) -> Response:
    found = [
        {
            "name": name,
            "versions": [{"groupVersion": f"{name}/{version}", "version": version} for version in versions],
            "preferredVersion": {"groupVersion": f"{name}/{versions[0]}", "version": versions[0]},
        }
        for name, versions in call.state.flavour.apis.items()
    ]
    if not found:
        return Response(
            "<!DOCTYPE html><html><head><title>Grafana</title></head></html>", 404, media_type="text/html"
        )
    return JSONResponse({"kind": "APIGroupList", "apiVersion": "v1", "groups": found})


def _kind(call: Call) -> tuple[str, str, int]:
    """The plural of what the path asks for, its version, and the schema that this version has.

    :raises RefusedError: for what this Grafana does not have.
    """
    plural, group, version = call["plural"], call["group"], call["version"]
    known = KINDS.get(plural)
    if known is None or known[0] != group or version not in call.state.flavour.apis.get(group, ()):
        raise RefusedError(404, "the server could not find the requested resource", "NotFound")
    if call["namespace"] != ("default" if call.state.organisation == 1 else f"org-{call.state.organisation}"):
        raise RefusedError(403, "organisation does not match the namespace", "Forbidden")
    return plural, version, 2 if version.startswith("v2") else 1


def _object(call: Call, found: Stored) -> dict[str, Any]:
    plural, version, schema = _kind(call)
    group, kind = KINDS[plural]
    spec, status = call.state.shown(found, schema) if plural == "dashboards" else (dict(found.spec), {})
    return {
        "kind": kind,
        "apiVersion": f"{group}/{version}",
        "metadata": {
            "name": found.uid,
            "namespace": call["namespace"],
            "uid": f"{found.uid}-{found.number}",
            "resourceVersion": str(found.resource_version),
            "generation": found.generation,
            "creationTimestamp": _time(found.created),
            "labels": {"grafana.app/deprecatedInternalID": str(found.number)},
            "annotations": {**found.annotations, "grafana.app/updatedTimestamp": _time(found.created)},
            "managedFields": [{"manager": "x", "operation": "Update"}],
        },
        "spec": spec,
        "status": status,
    }


def _one(call: Call) -> Stored:
    plural, _version, _schema = _kind(call)
    objects = call.state.dashboards if plural == "dashboards" else call.state.folders
    try:
        return objects[call["uid"]]
    except KeyError:
        group = KINDS[plural][0]
        raise RefusedError(404, f'{plural}.{group} "{call["uid"]}" not found', "NotFound") from None


async def list_objects(call: Call) -> Response:
    plural, version, _schema = _kind(call)
    call.need(READ, f"{plural}:read")
    objects = list((call.state.dashboards if plural == "dashboards" else call.state.folders).values())
    size = int(call.request.query_params.get("limit") or 500)
    start = int(call.request.query_params.get("continue") or 0)
    more = {"continue": str(start + size)} if start + size < len(objects) else {}
    group, kind = KINDS[plural]
    return JSONResponse(
        {
            "kind": f"{kind}List",
            "apiVersion": f"{group}/{version}",
            "metadata": more,
            "items": [_object(call, one) for one in objects[start : start + size]],
        }
    )


async def get_object(call: Call) -> Response:
    call.need(READ, f"{call['plural']}:read")
    return JSONResponse(_object(call, _one(call)))


async def create_object(call: Call) -> Response:
    plural, _version, schema = _kind(call)
    call.need(WRITE, f"{plural}:create")
    metadata = (call.body or {}).get("metadata") or {}
    uid = str(metadata.get("name") or f"{metadata.get('generateName') or 'g'}{time.monotonic_ns():x}")
    objects = call.state.dashboards if plural == "dashboards" else call.state.folders
    if uid in objects:
        raise RefusedError(409, f'{plural}.{KINDS[plural][0]} "{uid}" already exists', "AlreadyExists")
    found = call.state.store(
        plural, uid, call.body["spec"], schema, metadata.get("annotations") or {}, call.who
    )
    return JSONResponse(_object(call, found), 201)


async def replace_object(call: Call) -> Response:
    plural, _version, schema = _kind(call)
    call.need(WRITE, f"{plural}:write")
    found = _one(call)
    metadata = (call.body or {}).get("metadata") or {}
    sent = metadata.get("resourceVersion")
    if sent and sent != str(found.resource_version):
        raise RefusedError(
            409,
            f'Operation cannot be fulfilled on {plural}.{KINDS[plural][0]} "{found.uid}": the object has been modified;'
            " please apply your changes to the latest version and try again",
            "Conflict",
        )
    spec = call.body["spec"]
    if plural == "dashboards" and found.schema == schema and spec == call.state.shown(found, schema)[0]:
        spec = found.spec
    stored = call.state.store(plural, found.uid, spec, schema, metadata.get("annotations") or {}, call.who)
    return JSONResponse(_object(call, stored))


async def delete_object(call: Call) -> Response:
    plural, _version, _schema = _kind(call)
    call.need(WRITE, f"{plural}:delete")
    call.state.delete(plural, _one(call).uid)
    return JSONResponse({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"})


async def object_counts(call: Call) -> Response:
    _one(call)
    counts = [
        {"group": KINDS[name][0], "resource": name, "count": count}
        for name, count in call.state.counts(call["uid"]).items()
    ]
    return JSONResponse({"kind": "DescendantCounts", "apiVersion": "folder.grafana.app/v1", "counts": counts})


# --- the server ---------------------------------------------------------------------------------------------

_OBJECTS = "/apis/{group}/{version}/namespaces/{namespace}/{plural}"
_SOURCE = "/api/datasources/uid/{uid}"
ROUTES: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "/api/org", organisation),
    ("GET", "/api/frontend/settings", settings),
    ("GET", "/api/search", search),
    ("GET", "/api/datasources", list_datasources),
    ("POST", "/api/datasources", add_datasource),
    ("GET", "/api/datasources/name/{name}", get_datasource),
    ("GET", _SOURCE, get_datasource),
    ("PUT", _SOURCE, update_datasource),
    ("DELETE", _SOURCE, delete_datasource),
    ("GET", f"{_SOURCE}/health", datasource_health),
    ("GET", "/api/datasources/{number:int}", get_datasource),
    ("PUT", "/api/datasources/{number:int}", update_datasource),
    ("DELETE", "/api/datasources/{number:int}", delete_datasource),
    ("GET", "/api/datasources/proxy/uid/{uid}/{path:path}", datasource_proxy),
    ("POST", "/api/datasources/proxy/uid/{uid}/{path:path}", datasource_proxy),
    ("POST", "/api/ds/query", query_datasources),
    ("POST", "/api/dashboards/db", save_dashboard),
    ("GET", "/api/dashboards/uid/{uid}", get_dashboard),
    ("DELETE", "/api/dashboards/uid/{uid}", delete_dashboard),
    ("GET", "/api/dashboards/uid/{uid}/versions", dashboard_versions),
    ("GET", "/api/folders", list_folders),
    ("POST", "/api/folders", add_folder),
    ("GET", "/api/folders/{uid}", get_folder),
    ("PUT", "/api/folders/{uid}", update_folder),
    ("DELETE", "/api/folders/{uid}", delete_folder),
    ("POST", "/api/folders/{uid}/move", move_folder),
    ("GET", "/api/folders/{uid}/counts", folder_counts),
    ("GET", "/api/serviceaccounts/search", search_accounts),
    ("POST", "/api/serviceaccounts", add_account),
    ("POST", "/api/serviceaccounts/", add_account),
    ("GET", "/api/serviceaccounts/{number:int}", get_account),
    ("PATCH", "/api/serviceaccounts/{number:int}", update_account),
    ("DELETE", "/api/serviceaccounts/{number:int}", delete_account),
    ("GET", "/api/serviceaccounts/{number:int}/tokens", list_tokens),
    ("POST", "/api/serviceaccounts/{number:int}/tokens", add_token),
    ("DELETE", "/api/serviceaccounts/{number:int}/tokens/{token:int}", delete_token),
    ("GET", "/apis", groups),
    ("GET", _OBJECTS, list_objects),
    ("POST", _OBJECTS, create_object),
    ("GET", f"{_OBJECTS}/{{uid}}", get_object),
    ("PUT", f"{_OBJECTS}/{{uid}}", replace_object),
    ("DELETE", f"{_OBJECTS}/{{uid}}", delete_object),
    ("GET", f"{_OBJECTS}/{{uid}}/counts", object_counts),
)


class Server:
    """Grafana over HTTP.

    :param faults: what is answered instead of the next requests that match.
    :param requests: method and path of all requests, for tests that count them.
    """

    def __init__(self, state: Grafana) -> None:
        self.state = state
        self.faults: list[Fault] = []
        self.requests: list[tuple[str, str]] = []
        self.url = ""
        routes = [Route(path, self._endpoint(handler), methods=[method]) for method, path, handler in ROUTES]
        self.app = Starlette(
            routes=[
                Route("/api/health", self._health, methods=["GET"]),
                Route("/-/fault", self._set_fault, methods=["POST"]),
                *routes,
            ]
        )

    async def _health(self, request: Request) -> Response:
        fault = await self._fault(request)
        return fault or JSONResponse(
            {"database": "ok", "version": self.state.flavour.version, "commit": "0000000"}
        )

    async def _set_fault(self, request: Request) -> Response:
        """Let a test in another process have requests fail; without a body none fails any more."""
        sent = await request.body()
        self.faults = [Fault(**json.loads(sent))] if sent else []
        return JSONResponse({})

    def _endpoint(self, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            self.requests.append((request.method, request.url.path))
            fault = await self._fault(request)
            if fault is not None:
                return fault
            try:
                role, who = self._identify(request)
                return await handler(Call(request, self.state, role, who, await _body(request)))
            except RefusedError as exc:
                return _refusal(request, exc)

        return endpoint

    def _identify(self, request: Request) -> tuple[str, str]:
        kind, _, value = (request.headers.get("authorization") or "").partition(" ")
        if kind.lower() == "basic":
            name, _, password = base64.b64decode(value).decode("utf-8", "replace").partition(":")
            if name == "admin" and password == self.state.password:
                return "Admin", "user:admin"
            raise RefusedError(
                401, "Invalid username or password", "Unauthorized", messageId="password-auth.failed"
            )
        if kind.lower() != "bearer" or not value:
            raise RefusedError(401, "Unauthorized", "Unauthorized", messageId="auth.unauthorized")
        return self.state.identify(value)

    async def _fault(self, request: Request) -> Response | None:
        for fault in self.faults:
            if (
                fault.count > 0
                and re.match(fault.match, request.url.path)
                and fault.method in ("", request.method)
            ):
                fault.count -= 1
                if fault.silent:
                    await asyncio.sleep(fault.silent)
                return Response(fault.body, fault.status, fault.headers)
        return None


async def _body(request: Request) -> Any:
    sent = await request.body()
    if not sent or "json" not in (request.headers.get("content-type") or ""):
        return {}
    try:
        return json.loads(sent)
    except ValueError:
        raise RefusedError(400, "bad request data", "BadRequest") from None


def _refusal(request: Request, exc: RefusedError) -> Response:
    if request.url.path.startswith("/apis"):
        status = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": exc.message,
            "reason": exc.reason,
            "code": exc.status,
        }
        return JSONResponse(status, exc.status)
    extra = {"statusCode": exc.status, "traceID": ""} if exc.status == 401 else {}
    return JSONResponse({"message": exc.message, **extra, **exc.extra}, exc.status)


@contextmanager
def serve(state: Grafana, host: str = "127.0.0.1", port: int = 0, **options: Any) -> Iterator[Server]:
    """The server, while the context lasts.

    :param port: 0 for one that is free. :param options: of uvicorn, as C(ssl_certfile).
    """
    server = Server(state)
    config = uvicorn.Config(
        server.app, host=host, port=port, log_level="warning", access_log=False, lifespan="off", **options
    )
    running = uvicorn.Server(config)
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not running.started:
        if not thread.is_alive() or time.monotonic() > deadline:
            raise RuntimeError("the server did not start")
        time.sleep(0.01)
    scheme = "https" if config.is_ssl else "http"
    server.url = f"{scheme}://{host}:{running.servers[0].sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        running.should_exit = True
        running.force_exit = True
        thread.join(timeout=10)
