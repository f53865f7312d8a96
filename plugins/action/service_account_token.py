# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's side of service_account_token; the module of the same name documents it."""

from __future__ import annotations

import base64
import binascii
import json
import time
import typing as t
import urllib.parse
from datetime import UTC, datetime

from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.client import Client, StatusError
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._action import log_nothing
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api.action import (
    API_OPTIONS,
    PATIENCE,
    ApiAction,
    say,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api.objects import patiently
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._metrics import token as tokens

Json = dict[str, t.Any]

#: Kubernetes publishes the cluster's CA there, in each namespace, and both of them while it is rotated.
AUTHORITY = "/api/v1/namespaces/kube-system/configmaps/kube-root-ca.crt"
_REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"


def post(api: Client, path: str, body: Json) -> Json:
    """Create an object that is not stored: a request whose answer is the result.

    :raises StatusError: when the API server refuses. Its message never has the body.
    """
    status, text = api.request(path, "POST", body)
    try:
        answer = json.loads(text)
    except ValueError:
        answer = {}
    if status not in (200, 201) or not isinstance(answer, dict):
        told = answer.get("message") if isinstance(answer, dict) else ""
        raise StatusError("POST", api.server + path, status, str(told or ""))
    return answer


def refused(api: Client, found: str) -> str:
    """Why the API server does not accept a token; empty when it does."""
    status = post(api, _REVIEWS, tokens.review(found)).get("status") or {}
    if status.get("authenticated"):
        return ""
    # What it says may repeat parts of the token.
    return "the API server does not accept it, for instance because the key that signed it was replaced"


class ActionModule(ApiAction):
    """Keeps a valid token of a ServiceAccount in a file on the host."""

    ARGUMENT_SPEC: t.ClassVar[Json] = {
        **API_OPTIONS,
        **PATIENCE,
        "namespace": {"type": "str", "required": True},
        "name": {"type": "str", "required": True},
        "days": {"type": "int", "default": 30},
        "path": {"type": "str", "required": True},
        "owner": {"type": "str"},
        "group": {"type": "str"},
        "mode": {"type": "str", "default": "0600"},
        "component": {"type": "str"},
        "record": {"type": "str"},
    }
    _requires_connection = True

    def perform(self, params: t.Mapping[str, t.Any], task_vars: t.Mapping[str, t.Any]) -> Json:
        """See C(ControllerAction)."""
        self._vars = dict(task_vars)
        self._host = str(self._task.delegate_to or task_vars.get("inventory_hostname") or "the host")
        return super().perform(params, task_vars)

    def work(self, api: Client, params: t.Mapping[str, t.Any]) -> Json:
        """See C(ApiAction)."""
        if params["days"] < 1:
            raise OperatorError(f"days is {params['days']}, expected 1 or more. Nothing was changed.")
        found = self._read(params["path"])
        if isinstance(found, dict):
            return found
        quoted = (urllib.parse.quote(params[key], safe="") for key in ("namespace", "name"))
        path = "/api/v1/namespaces/{}/serviceaccounts/{}".format(*quoted)
        timeout = params["timeout"]
        account, authority = patiently(lambda: (api.get(path), api.get(AUTHORITY)), timeout, say)
        result: Json = {
            "server": api.server,
            "ca": str(((authority or {}).get("data") or {}).get("ca.crt") or ""),
        }
        if account is None:
            return {**result, **self._lacks(params)}
        if not result["ca"]:
            raise OperatorError(
                "The ConfigMap kube-root-ca.crt in kube-system has no ca.crt. Expected the CA of the cluster.",
                "Check that the controller manager runs, which publishes it.",
            )
        uid = str((account.get("metadata") or {}).get("uid"))
        wanted = tokens.Wanted(params["namespace"], params["name"], uid, params["days"])
        reason = tokens.reason(found, wanted, time.time()) or patiently(
            lambda: refused(api, found), timeout, say
        )
        if reason and self._task.check_mode:
            return {
                **result,
                "changed": True,
                "reason": reason,
                "expires": "",
                **self._difference(reason, params),
            }
        if reason:
            made = patiently(lambda: post(api, f"{path}/token", tokens.request(params["days"])), timeout, say)
            found = str((made.get("status") or {}).get("token") or "")
        own = tokens.claims(found)
        if own is None or own.expires <= time.time():
            raise OperatorError(
                f"{self._host}: the API server has issued no token for {params['namespace']}/{params['name']} that is"
                " valid now. Expected one.",
                "Compare the clocks of the controller and of the control planes.",
            )
        placed = self._place(found.strip(), params)
        if placed.get("failed") or placed.get("unreachable"):
            return placed
        end = datetime.fromtimestamp(own.expires, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        changed = bool(reason) or bool(placed.get("changed"))
        return {
            **result,
            "changed": changed,
            "reason": reason,
            "expires": end,
            **self._difference(reason, params),
        }

    def _lacks(self, params: t.Mapping[str, t.Any]) -> Json:
        account = f"{params['namespace']}/{params['name']}"
        if not self._task.check_mode:
            raise OperatorError(
                f"There is no ServiceAccount {account}, or it may not be read. Expected it.",
                "Create it before its token.",
            )
        # The task that creates it was only predicted, too.
        reason = f"the ServiceAccount {account} does not exist yet"
        return {"changed": True, "reason": reason, "expires": "", **self._difference(reason, params)}

    def _difference(self, reason: str, params: t.Mapping[str, t.Any]) -> Json:
        if not reason or not self._task.diff:
            return {}
        header = params["path"]
        after = f"a new token for {params['days']} days\n"
        before = f"{reason}\n"
        return {"diff": {"before_header": header, "after_header": header, "before": before, "after": after}}

    def _read(self, path: str) -> str | Json:
        """The token on the host, empty without one; or the result of a host that is not reached."""
        log_nothing(self)
        answer = dict(
            self._execute_module(
                module_name="ansible.legacy.slurp", module_args={"src": path}, task_vars=self._vars
            )
        )
        if answer.get("unreachable"):
            return answer
        try:
            return base64.b64decode(str(answer.get("content") or ""), validate=True).decode("ascii")
        except (binascii.Error, UnicodeDecodeError):
            return ""

    def _place(self, token: str, params: t.Mapping[str, t.Any]) -> Json:
        log_nothing(self)
        file = {
            "name": f"token of {params['namespace']}/{params['name']}",
            "dest": params["path"],
            "mode": params["mode"],
            "secret": token + "\n",
        }
        file |= {key: params[key] for key in ("owner", "group") if params[key]}
        args: Json = {"files": [file]}
        args |= {key: params[key] for key in ("component", "record") if params[key]}
        answer = dict(
            self._execute_module(
                module_name="baremetal.kubernetes.artifact", module_args=args, task_vars=self._vars
            )
        )
        return {key: value for key, value in answer.items() if key not in ("invocation", "diff")}
