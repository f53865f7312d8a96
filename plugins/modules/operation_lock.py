# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: operation_lock
short_description: Lock a cluster for the time of a run
version_added: 0.1.0
author:
  - baremetal.kubernetes contributors (@baremetal-kubernetes)
description:
  - Takes a Lease in the namespace C(kube-system), so that two operators do not change the same cluster at once. Fails
    when another run holds it, and names user, controller, playbook and time of that run.
  - A process on the controller renews the Lease every 20 seconds until C(ansible-playbook) has ended, however it ends,
    and deletes it then. Without a task for it, a run that fails or is killed leaves no lock behind.
  - In a container, all processes end with the first one, which may be C(ansible-playbook). A Lease that nobody deletes
    lasts for 20 seconds there, and for 90 seconds elsewhere.
  - A Lease is taken over when the process that holds it is gone on the same controller, when O(break) names its holder,
    or when it is not renewed while this task watches it, for as long as it lasts.
  - Without a kubeconfig, or when the API server does not answer or accept its credentials, nothing is locked and the
    run continues, as it may be the one that repairs the cluster. C(-v) shows why.
  - A run that holds the lock may ask for it again.
  - Runs on the controller and contacts no host. It reports no change, as nothing stays when the run has ended.
extends_documentation_fragment:
  - baremetal.kubernetes._attributes
attributes:
  check_mode:
    support: full
    details: In check mode, it sends no request and locks nothing.
  diff_mode:
    support: none
  idempotent:
    support: full
requirements:
  - kubernetes >= 31.0
options:
  kubeconfig:
    description: File with address and credentials of the cluster.
    type: path
    required: true
  context:
    description: Context of the file; by default its current one.
    type: str
  break:
    description: The holder whose lock is taken over, as the message of the failure names it.
    type: str
    default: ""
seealso:
  - module: baremetal.kubernetes.cluster_health
"""

EXAMPLES = r"""
- name: Lock the cluster
  baremetal.kubernetes.operation_lock:
    kubeconfig: ~/.kube/example
  run_once: true
"""

RETURN = r"""
held:
  description: Whether this run holds the lock.
  returned: success
  type: bool
  sample: true
holder:
  description: This run as the Lease names it, empty when it does not hold the lock.
  returned: success
  type: str
  sample: alice@controller/4711
taken_from:
  description: The holder before, when its lock was taken over.
  returned: success
  type: str
  sample: bob@controller/815
reason:
  description: Why the cluster is not locked, empty when it is.
  returned: success
  type: str
  sample: A run in check mode changes nothing.
"""
