# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's side of metrics_certificate, which has the CA; the module of the same name documents it."""

from __future__ import annotations

import os
import typing as t
from datetime import UTC, datetime

from ansible.plugins.action import ActionBase
from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.modules.metrics_certificate import ARGUMENT_SPEC
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._metrics import authority, certificate

Json = dict[str, t.Any]
_FILES = ("ca_path", "certificate_path", "key_path", "group")


class _HostError(Exception):
    """The host did not do its part. :param answer: what it said."""

    def __init__(self, answer: Json) -> None:
        super().__init__(str(answer.get("msg")))
        self.answer = answer


class ActionModule(ActionBase):
    """Has the host read its files, decides, signs, and has the host install what was signed."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False
    _supports_diff = True

    def run(self, tmp: str | None = None, task_vars: Json | None = None) -> Json:
        """Run the action.

        :return: what the module's documentation lists; never a key.
        """
        result: Json = super().run(tmp, task_vars)
        _validation, params = self.validate_argument_spec(argument_spec=ARGUMENT_SPEC)
        self._task_vars = task_vars or {}
        self._params = params
        host = self._task.delegate_to or self._task_vars.get("inventory_hostname") or "the host"
        try:
            return {**result, **self._work(params)}
        except _HostError as error:
            answer = {name: value for name, value in error.answer.items() if name != "invocation"}
            if answer.get("failed") and not answer.get("unreachable"):
                answer["msg"] = f"{host}: {answer.get('msg')}"
            return {**result, **answer, "changed": False}
        except OperatorError as error:
            return {**result, "changed": False, "failed": True, "msg": f"{host}: {error}"}

    def _work(self, params: t.Mapping[str, t.Any]) -> Json:
        authority.require_cryptography()
        wanted = self._wanted(params)
        directory = os.path.abspath(os.path.expanduser(params["ca_directory"]))
        now = datetime.now(UTC)
        observed = certificate.read(self._host(operation="observe").get("observed"))
        ca = self._authority(directory)
        decision = certificate.decide(observed, wanted, ca, now, params["renew"])
        # A certificate of the CA that is about to expire is renewed, too, though this host's own could stay.
        aged = ca is not None and authority.outlived(ca, now)
        present = observed.certificate
        if (decision.changed or aged) and not self._task.check_mode:
            self._refuse_foreign(decision, directory, params)
            ca = authority.ensure(directory, params["ca_name"], params["ca_days"], now)
            signed = ""
            if decision.reasons:
                signed = authority.sign(ca, str(self._host(operation="request").get("request")), wanted, now)
            self._host(operation="install", ca=ca.pem, certificate=signed)
            present = signed or present
        result: Json = {
            "changed": decision.changed or aged,
            "reasons": list(decision.reasons),
            "others": [
                *decision.others,
                *(["the certificate of the CA of metrics is renewed"] if aged else []),
            ],
            "foreign": decision.foreign,
            "ca_sha256": ca.fingerprint if ca is not None else "",
            **self._end(present, now),
        }
        if self._task.diff:
            result["diff"] = self._diff(observed, decision, present, wanted)
        return result

    def _wanted(self, params: t.Mapping[str, t.Any]) -> authority.Wanted:
        if not params["ca_directory"]:
            raise OperatorError(
                "metrics_ca_directory is empty, expected a directory on the controller for the CA of metrics.",
                "Set it, or leave its default.",
            )
        if not params["common_name"] or len(params["common_name"]) > authority.LONGEST_NAME:
            raise OperatorError(
                f"the common name of its certificate would be {params['common_name']!r}, expected 1 to"
                f" {authority.LONGEST_NAME} characters.",
                "Give the host a shorter name in the inventory.",
            )
        if params["days"] < 1 or params["ca_days"] < params["days"]:
            raise OperatorError(
                f"its certificate would be valid for {params['days']} days and the CA of metrics for"
                f" {params['ca_days']}, expected at least one day, and the CA for no fewer.",
                "Correct metrics_certificate_days.",
            )
        return authority.Wanted(params["common_name"], certificate.canonical(params["names"]), params["days"])

    def _authority(self, directory: str) -> authority.Authority | None:
        try:
            return authority.load(directory)
        except OSError as exc:
            raise OperatorError(
                f"{exc.filename or directory} on the controller cannot be read: {exc.strerror}.",
                "Set metrics_ca_directory to a directory of yours.",
            ) from exc

    def _refuse_foreign(
        self, decision: certificate.Decision, directory: str, params: t.Mapping[str, t.Any]
    ) -> None:
        if decision.foreign and not params["replace_ca"]:
            raise OperatorError(
                f"{params['ca_path']} is another CA of metrics than the one of the controller in {directory}.",
                "Expected the same. Another controller, or a directory that was lost, is the likely reason: copy that"
                " directory from where it was created. To issue the certificates of all hosts again by the"
                " controller's CA, run with -e metrics_replace_ca=true. Nothing was changed on this host.",
            )

    def _host(self, **arguments: t.Any) -> Json:
        """One call of the module on the host.

        :raises _HostError: when it fails.
        """
        args = {name: self._params[name] for name in _FILES}
        answer: Json = self._execute_module(module_args={**args, **arguments}, task_vars=self._task_vars)
        if answer.get("failed") or answer.get("unreachable"):
            raise _HostError(answer)
        return answer

    @staticmethod
    def _end(present: str, now: datetime) -> Json:
        own = certificate.parse(present)
        if own is None:
            return {}
        end = own.not_valid_after_utc
        return {"not_after": certificate.stamp(end), "days_left": max(0, (end - now).days)}

    def _diff(
        self,
        observed: certificate.Observed,
        decision: certificate.Decision,
        present: str,
        wanted: authority.Wanted,
    ) -> Json:
        before = [*certificate.shown(observed.certificate), *decision.others]
        after = certificate.shown(present)
        if decision.reasons and self._task.check_mode:
            after = [
                f"common name: {wanted.common_name}",
                f"names: {', '.join(sorted(wanted.names)) or 'none'}",
                f"expires: {wanted.days} days after it is issued",
            ]
        path = self._params["certificate_path"]
        return {
            "before_header": path,
            "after_header": path,
            "before": "".join(f"{line}\n" for line in before),
            "after": "".join(f"{line}\n" for line in after),
        }
