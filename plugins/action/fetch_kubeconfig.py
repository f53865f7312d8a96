# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's side of fetch_kubeconfig; the module of the same name documents it."""

from __future__ import annotations

import base64
import binascii
import os
import re
import stat
import typing as t

from ansible.plugins.action import ActionBase
from ansible_collections.baremetal.kubernetes.plugins.module_utils._formats.kubeconfig import KubeconfigError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os.files import (
    make_private_directories,
    write_atomic,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._redact import shown_url
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._action import log_nothing
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api import portable

_PROXY = re.compile(r"https?://[!-~]+")
FILE_MODE = 0o600
_NEXT_STEP = (
    "When nobody of you changed that file, somebody wants the controller to run programs or to show its files: examine"
    " the host first. Create the file again there with: kubeadm init phase kubeconfig admin"
)


def differences(path: str, data: bytes) -> list[str]:
    """What is not as expected on the controller, without anything of the content."""
    found = []
    directory = os.path.dirname(path)
    if not os.path.isdir(directory):
        found.append(f"directory {directory} missing")
    if not os.path.isfile(path):
        return [*found, "file missing"]
    with open(path, "rb") as stream:
        if stream.read() != data:
            found.append("content differs")
    if stat.S_IMODE(os.stat(path).st_mode) != FILE_MODE:
        found.append(f"mode {stat.S_IMODE(os.stat(path).st_mode):04o}")
    return found


def shared(directory: str) -> bool:
    """Whether others may replace the files of a directory."""
    mode = os.stat(directory).st_mode
    return bool(mode & (stat.S_IWGRP | stat.S_IWOTH)) and not mode & stat.S_ISVTX


class ActionModule(ActionBase):
    """Reads on the host; parses, compares and writes on the controller."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False
    _supports_diff = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Run the action.

        :return: what the module's documentation lists; never the content.
        """
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        _validation, args = self.validate_argument_spec(
            argument_spec={
                "src": {"type": "str", "default": "/etc/kubernetes/admin.conf"},
                "dest": {"type": "path", "required": True},
                "proxy_url": {"type": "str", "default": "", "no_log": True},
            }
        )
        self._host = self._task.delegate_to or (task_vars or {}).get("inventory_hostname") or "the host"
        dest = os.path.abspath(os.path.expanduser(args["dest"]))
        if args["proxy_url"] and not _PROXY.fullmatch(args["proxy_url"]):
            return self._failed(
                f"cluster_api_proxy is {shown_url(args['proxy_url'])!r}, expected a URL as http://proxy.example.org:3128."
            )
        read = self._slurp(args["src"], task_vars)
        if read.get("unreachable"):
            return read
        if read.get("failed"):
            if self._task.check_mode:
                # The task that creates the file was only predicted, too.
                return {**result, "changed": True, "dest": dest, "reasons": ["source missing yet"]}
            return self._failed(f"{args['src']} cannot be read: {read.get('msg')}. Expected it to be there.")
        try:
            found = portable.read(base64.b64decode(str(read.get("content")), validate=True))
        except (KubeconfigError, binascii.Error) as exc:
            return self._failed(
                f"{args['src']} was not copied to the controller: {exc}. Expected what kubeadm writes: one cluster, one"
                f" user and one context, with certificates and key inside. {_NEXT_STEP}"
            )
        data = portable.render(found, args["proxy_url"])
        try:
            reasons = differences(dest, data)
            if reasons and not self._task.check_mode:
                make_private_directories(os.path.dirname(dest))
                write_atomic(dest, data, FILE_MODE)
        except OSError as exc:
            return self._failed(
                f"{exc.filename or dest} cannot be read or written on the controller: {exc.strerror}."
                " Choose a directory that belongs to you, in cluster_kubeconfig."
            )
        result.update(changed=bool(reasons), dest=dest, reasons=reasons)
        directory = os.path.dirname(dest)
        if os.path.isdir(directory) and shared(directory):
            result["warnings"] = [
                f"{directory} on the controller can be written by others, who can replace {os.path.basename(dest)} by a"
                f" kubeconfig of theirs. Expected a directory of yours alone: chmod go-w {directory}"
            ]
        if self._task.diff:
            before = "".join(f"{reason}\n" for reason in reasons)
            after = f"as on the host, mode {FILE_MODE:04o}\n" if reasons else ""
            result["diff"] = {"before_header": dest, "after_header": dest, "before": before, "after": after}
        return result

    def _slurp(self, src: str, task_vars: dict[str, t.Any] | None) -> dict[str, t.Any]:
        """The answer of the host, which the connection does not log."""
        log_nothing(self)
        return dict(
            self._execute_module(
                module_name="ansible.legacy.slurp", module_args={"src": src}, task_vars=task_vars
            )
        )

    def _failed(self, message: str) -> dict[str, t.Any]:
        return {"changed": False, "failed": True, "msg": f"{self._host}: {message}"}
