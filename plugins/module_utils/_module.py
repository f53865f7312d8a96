# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""The end of every module: its result, or what the operator is told about a failure."""

from __future__ import annotations

import os
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os.programs import search_path


def run_module(module: AnsibleModule, work: t.Callable[[AnsibleModule], dict[str, t.Any]]) -> None:
    """Exit with the result of C(work), or fail with its C(OperatorError).

    :param work: observes, plans and applies, and returns what the module returns.
    """
    # For programs that AnsibleModule runs or finds, and for all that they run.
    os.environ["PATH"] = search_path()
    try:
        result = work(module)
    except OperatorError as exc:
        # The result quotes the options, which are what some errors are about.
        module.no_log_values.update(exc.secrets)
        module.fail_json(msg=str(exc), **exc.context)
    module.exit_json(**result)
