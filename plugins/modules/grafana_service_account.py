# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: grafana_service_account
short_description: Manage a service account of Grafana and the token in a file
version_added: 0.1.0
author:
  - baremetal.kubernetes contributors (@baremetal-kubernetes)
description:
  - Creates a service account, and keeps a valid token of it in a file that only its owner may read. The token is minted
    once, expires, and is renewed when less than a third of its life is left, or when Grafana does not accept it.
  - The token is in no result and in no log. Former tokens of the same name are deleted after the new one is in the
    file.
extends_documentation_fragment:
  - baremetal.kubernetes._attributes
  - baremetal.kubernetes._grafana
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details:
      - Shows the role, and when the token expires; never the token.
  idempotent:
    support: full
options:
  name:
    description:
      - Name of the service account, as V(bmk-prod). An account has no place for a mark, so the name is it. Use one for
        this purpose only.
    type: str
    required: true
  role:
    description: Role of the service account in its organisation.
    type: str
    choices: [Viewer, Editor, Admin, None]
    default: Viewer
  token_path:
    description:
      - File for the token, where the module runs. Without it there is no token. The directory is created for its owner
        alone when it is missing.
    type: path
  token_name:
    description:
      - Beginning of the names of tokens, which the date follows. Two files of one account need two names.
    type: str
    default: bmk
  token_days:
    description: Days that a token is valid, 1 or more.
    type: int
    default: 90
  state:
    description: Whether the service account exists. With V(absent) the file is deleted as well.
    type: str
    choices: [present, absent]
    default: present
notes:
  - O(token) needs the permission to manage service accounts, as the role Admin has it.
"""

EXAMPLES = r"""
- name: Keep a token that may read
  baremetal.kubernetes.grafana_service_account:
    url: https://grafana.example.org
    token: "{{ grafana_token }}"
    name: bmk-prod
    role: Viewer
    token_path: "{{ inventory_dir }}/.credentials/grafana.token"
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
name:
  description: Name of the service account.
  returned: success
  type: str
  sample: bmk-prod
login:
  description: The login that Grafana has given it.
  returned: the account exists
  type: str
  sample: sa-1-bmk-prod
status:
  description: V(created), V(updated), V(deleted) or V(unchanged).
  returned: success
  type: str
  sample: unchanged
minted:
  description: Why a token was minted, or would be in check mode; empty when the one in the file serves.
  returned: success
  type: str
  sample: less than a third of its life is left
token_name:
  description: Name of the token in the file, empty without one.
  returned: success
  type: str
  sample: bmk-20261130212500
expires:
  description: When the token expires, in UTC (RFC 3339), empty when it never does or there is none.
  returned: success
  type: str
  sample: "2027-02-28T21:25:00Z"
"""

import contextlib
import os
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._grafana import accounts, options
from ansible_collections.baremetal.kubernetes.plugins.module_utils._grafana.accounts import (
    Account,
    Accounts,
    Token,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._module import run_module


def expiry(seconds: float) -> str:
    """A time for the result, empty for never."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds)) if seconds else ""


def accepted(params: t.Mapping[str, t.Any], token: str) -> bool:
    """Whether Grafana accepts the token in the file."""
    try:
        client = options.client_of({**params, "token": token})
    except OperatorError:
        # It is no token at all, and all other options have been checked.
        return False
    return accounts.is_accepted(client)


def keep_token(
    store: Accounts, account: Account | None, module: AnsibleModule, result: dict[str, t.Any]
) -> None:
    """Renew the token in the file when it is time."""
    params, now = module.params, time.time()
    path, days = params["token_path"], params["token_days"]
    found = accounts.read_file(path)
    tokens: list[Token] = store.tokens(account, params["token_name"]) if account else []
    serves = bool(found) and accepted(params, found)
    reason, current = accounts.reason_to_mint(tokens, bool(found), serves, days, now)
    result["minted"] = accounts.REASONS.get(reason, "")
    if not reason and current is not None:
        result.update(token_name=current.name, expires=expiry(current.expires))
        if accounts.is_open(path):
            result["changed"] = True
            if not module.check_mode:
                os.chmod(path, accounts.MODE)
        return
    result["changed"] = True
    accounts.check_writable(path)
    name = accounts.token_name(params["token_name"], now)
    result.update(token_name=name, expires=expiry(now + days * accounts.DAY))
    if module.check_mode or account is None:
        return
    value = store.mint(account, name, days * accounts.DAY)
    module.no_log_values.add(value)
    accounts.write_file(path, value)
    for one in tokens:
        store.revoke(account, one)


def present(store: Accounts, module: AnsibleModule) -> dict[str, t.Any]:
    """Create or update the account, and keep its token."""
    params = module.params
    account = store.read(params["name"])
    before = {"role": account.role, "disabled": account.disabled} if account else {}
    after = {"role": params["role"], "disabled": False}
    status = "created" if account is None else "unchanged" if before == after else "updated"
    if params["token_path"] and not module.check_mode:
        # Before anything is changed.
        accounts.check_writable(params["token_path"])
    if not module.check_mode:
        if account is None:
            account = store.create(params["name"], params["role"])
        elif status == "updated":
            store.update(account, params["role"])
    result: dict[str, t.Any] = {
        "changed": status != "unchanged",
        "name": params["name"],
        "status": status,
        "minted": "",
        "token_name": "",
        "expires": "",
    }
    if account is not None:
        result["login"] = account.login
    if params["token_path"]:
        keep_token(store, account, module, result)
    if module._diff and result["changed"]:
        minted = {"token": result["token_name"], "expires": result["expires"]} if result["minted"] else {}
        result["diff"] = {"before": shown(before), "after": shown({**after, **minted})}
    return result


def shown(values: t.Mapping[str, t.Any]) -> str:
    """Lines for the difference."""
    return "".join(f"{key}: {value}\n" for key, value in values.items())


def absent(store: Accounts, module: AnsibleModule) -> dict[str, t.Any]:
    """Delete the account with its tokens, and the file."""
    params = module.params
    account = store.read(params["name"])
    path = params["token_path"]
    in_file = bool(path) and os.path.lexists(path)
    if not module.check_mode:
        if account is not None:
            store.delete(account)
        if in_file:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
    result = {
        "changed": account is not None or in_file,
        "name": params["name"],
        "status": "unchanged" if account is None else "deleted",
        "minted": "",
        "token_name": "",
        "expires": "",
    }
    if module._diff and account is not None:
        result["diff"] = {"before": shown({"role": account.role, "disabled": account.disabled}), "after": ""}
    return result


def run(module: AnsibleModule) -> dict[str, t.Any]:
    """Observe, plan, apply."""
    if module.params["token_days"] < 1:
        raise OperatorError(
            f"token_days is {module.params['token_days']}, expected 1 or more.", "Correct it."
        )
    store = Accounts(options.client_of(module.params))
    return (present if module.params["state"] == "present" else absent)(store, module)


def main() -> None:
    """Entry point."""
    module = AnsibleModule(
        argument_spec={
            **options.CONNECTION,
            "name": {"type": "str", "required": True},
            "role": {"type": "str", "choices": list(accounts.ROLES), "default": "Viewer"},
            "token_path": {"type": "path", "no_log": False},
            "token_name": {"type": "str", "default": "bmk", "no_log": False},
            "token_days": {"type": "int", "default": 90, "no_log": False},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        supports_check_mode=True,
    )
    run_module(module, run)


if __name__ == "__main__":
    main()
