# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_schedule_info
short_description: Read the schedule of backups of a control plane and its newest backup
version_added: 0.1.0
author:
  - baremetal.kubernetes contributors (@baremetal-kubernetes)
description:
  - Reads the configuration of the service C(kubernetes-etcd-backup) and the names in its directory. It changes nothing,
    and opens no backup.
extends_documentation_fragment:
  - baremetal.kubernetes._attributes
  - baremetal.kubernetes._attributes.info
options:
  root:
    description: Directory below which the module reads, for tests.
    type: path
    default: /
seealso:
  - module: baremetal.kubernetes.etcd_snapshot
  - module: baremetal.kubernetes.health_report
"""

EXAMPLES = r"""
- name: Read the newest backup of this control plane
  baremetal.kubernetes.backup_schedule_info:
  register: backups
"""

RETURN = r"""
scheduled:
  description: Whether this host makes backups by itself.
  returned: success
  type: bool
  sample: true
error:
  description: Why the configuration or the directory cannot be read, empty when both can.
  returned: success
  type: str
  sample: ""
interval:
  description: Hours between backups.
  returned: success
  type: int
  sample: 6
directory:
  description: Directory of the archives.
  returned: success
  type: str
  sample: /var/backups/kubernetes
archive:
  description: Name of the newest archive, empty when there is none.
  returned: success
  type: str
  sample: kubernetes-20261129T030623Z.tar.gz.age
made:
  description: When it was made, empty when there is none.
  returned: success
  type: str
  sample: "2026-11-29T03:06:23Z"
age_hours:
  description: How many hours ago that was, V(null) when there is none.
  returned: success
  type: float
  sample: 2.5
size:
  description: Its size in bytes.
  returned: success
  type: int
  sample: 1715627
"""

import os
import typing as t
from datetime import datetime, timezone

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.baremetal.kubernetes.plugins.module_utils._backup import retention, schedule
from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._module import run_module
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node.membership import under

ARGUMENT_SPEC: dict[str, t.Any] = {"root": {"type": "path", "default": "/"}}


def run(params: t.Mapping[str, t.Any], now: datetime) -> dict[str, t.Any]:
    """Read both."""
    root = params["root"]
    result: dict[str, t.Any] = {
        "changed": False,
        "scheduled": True,
        "error": "",
        "interval": 0,
        "directory": "",
        "archive": "",
        "made": "",
        "age_hours": None,
        "size": 0,
    }
    try:
        with open(under(root, schedule.CONFIG), encoding="utf-8") as handle:
            settings = schedule.parse_settings(handle.read())
    except FileNotFoundError:
        return {**result, "scheduled": False}
    except OSError as exc:
        return {**result, "error": f"{schedule.CONFIG}: {exc.strerror}"}
    except (OperatorError, ValueError) as exc:
        return {**result, "error": f"{schedule.CONFIG}: {exc}"}
    result.update(interval=settings.interval, directory=settings.directory)
    directory = under(root, settings.directory)
    try:
        found = retention.newest(os.listdir(directory), settings.cluster_name, now)
        if found is not None:
            made, name = found
            result.update(
                archive=name,
                made=made.strftime("%Y-%m-%dT%H:%M:%SZ"),
                age_hours=round((now - made).total_seconds() / 3600, 2),
                size=os.stat(os.path.join(directory, name)).st_size,
            )
    except FileNotFoundError:
        # No backup was made yet, or the one that was just read has expired.
        pass
    except OSError as exc:
        result["error"] = f"{settings.directory}: {exc.strerror}"
    return result


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    run_module(module, lambda module: run(module.params, datetime.now(timezone.utc)))


if __name__ == "__main__":
    main()
