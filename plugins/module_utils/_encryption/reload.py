# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Wait until the API server of a host has read its encryption configuration again."""

from __future__ import annotations

import hashlib
import os
import time

from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.admin import Api
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.client import ApiError

# The API server looks at the file once a minute (EncryptionConfigFileChangePollDuration).
RELOAD_SECONDS = 75.0
_METRIC = "apiserver_encryption_config_controller_last_config_info{"
_POLL_SECONDS = 3.0


def loaded(metrics: str, digest: str) -> bool | None:
    """Whether the API server has read the file of this SHA-256, C(None) when it does not tell.

    :param metrics: its metrics. :param digest: hexadecimal.
    """
    found = [line for line in metrics.splitlines() if line.startswith(_METRIC)]
    if not found:
        return None
    return any(f'{digest}"' in line and float(line.rpartition("}")[2].split()[0]) == 1 for line in found)


def wait(path: str, seconds: float) -> float:
    """Wait until the API server of this host has read the file.

    :return: how long that took. :raises OperatorError: when it has not within that time.
    """
    with open(path, "rb") as handle:
        digest = hashlib.sha256(handle.read()).hexdigest()
        written = os.fstat(handle.fileno()).st_mtime
    began = time.monotonic()
    while True:
        try:
            status, text = Api().request("/metrics")
            state = loaded(text, digest) if status == 200 else None
            why = "it has read another one" if status == 200 else f"it answers HTTP {status}"
        except ApiError as exc:
            state, why = False, exc.message.rstrip(".")
        if state is None:
            state = time.time() - written > RELOAD_SECONDS
        waited = time.monotonic() - began
        if state:
            return round(waited, 1)
        if waited >= seconds:
            raise OperatorError(
                f"{os.uname().nodename}: the API server has not read {path} within {seconds:.0f} s ({why}); it does so"
                " once a minute.",
                "Look at its log (crictl logs), and run again.",
            )
        time.sleep(_POLL_SECONDS)
