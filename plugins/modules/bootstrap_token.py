# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: bootstrap_token
short_description: Create and delete the credentials that a node joins with
version_added: 0.1.0
author:
  - baremetal.kubernetes contributors (@baremetal-kubernetes)
description:
  - Runs on a control plane. It creates a bootstrap token that is valid for 15 minutes at most, for one host to join
    with, and deletes it when the host has joined.
  - For a control plane that joins, it also uploads the certificates, encrypted with a new key, and deletes them again.
extends_documentation_fragment:
  - baremetal.kubernetes._attributes
attributes:
  check_mode:
    support: full
    details:
      - With O(state=present) it reports a change and returns no token.
  diff_mode:
    support: none
    details:
      - A difference would show secrets.
  idempotent:
    support: partial
    details:
      - Every run with O(state=present) creates another token, as the value of an older one is not known.
options:
  state:
    description: Whether to create a token or to delete one.
    type: str
    choices: [present, absent]
    default: present
  ttl:
    description: Seconds that the token is valid, 900 at most.
    type: int
    default: 900
  description:
    description:
      - What the token is for, for example the name of the host that joins.
      - A token of the same description is deleted, as an interrupted run has left it behind.
    type: str
    default: made by baremetal.kubernetes
  token_id:
    description: First part of the token to delete.
    type: str
  control_plane:
    description:
      - With O(state=present), also upload the certificates of the control plane.
      - With O(state=absent), also delete them, and the token that kubeadm created to own them.
      - A cluster has one Secret for these certificates, so control planes must join one after another.
    type: bool
    default: false
  timeout:
    description: Seconds that a run of kubeadm may take.
    type: int
    default: 60
  kubeadm_path:
    description: The program, by path or by name.
    type: str
    default: kubeadm
  root:
    description: Directory below which the module looks for kubeadm's files, for tests.
    type: path
    default: /
notes:
  - Use C(no_log) on the task, and its result for this join only.
  - Neither the token nor the key is ever an argument of a command.
seealso:
  - module: baremetal.kubernetes.kubeadm
"""

EXAMPLES = r"""
- name: Create a token for this host
  baremetal.kubernetes.bootstrap_token:
    description: join of {{ inventory_hostname }}
  delegate_to: cp1
  register: __worker_token
  no_log: true

- name: Delete the token
  baremetal.kubernetes.bootstrap_token:
    state: absent
    token_id: "{{ __worker_token.token_id }}"
  delegate_to: cp1
"""

RETURN = r"""
token:
  description: The token. A secret.
  returned: with O(state=present), not in check mode
  type: str
  sample: abcdef.0123456789abcdef
token_id:
  description: First part of the token, by which it is deleted. It is no secret.
  returned: with O(state=present), not in check mode
  type: str
  sample: abcdef
expires:
  description: When the token expires, in UTC (RFC 3339).
  returned: with O(state=present), not in check mode
  type: str
  sample: "2026-11-21T14:30:00Z"
ca_cert_hashes:
  description: Hashes of the public key of the cluster's CA.
  returned: with O(state=present)
  type: list
  elements: str
  sample: ["sha256:8cb2de97839780a412b93877f8507ad6c94f73add17d5d7058e91741c9d5ec78"]
certificate_key:
  description: Key of the uploaded certificates. A secret.
  returned: with O(state=present) and O(control_plane=true), not in check mode
  type: str
  sample: 32 bytes as hexadecimal digits
deleted:
  description: Names of the Secrets that were deleted, or would be in check mode.
  returned: with O(state=absent)
  type: list
  elements: str
  sample: [bootstrap-token-abcdef]
"""

import base64
import re
import secrets
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.admin import Api
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm import documents
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.plan import KubeadmError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.runner import Host
from ansible_collections.baremetal.kubernetes.plugins.module_utils._module import run_module
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node import membership as node

MAX_TTL = 900
SECRETS = "/api/v1/namespaces/kube-system/secrets/"
CERTIFICATES = "kubeadm-certs"
CLUSTER_CONFIGURATION = "/api/v1/namespaces/kube-system/configmaps/kubeadm-config"
_TOKEN = re.compile(r"^[a-z0-9]{6}\.[a-z0-9]{16}$", re.MULTILINE)
_TOKEN_ID = re.compile(r"[a-z0-9]{6}")

ARGUMENT_SPEC: dict[str, t.Any] = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "ttl": {"type": "int", "default": 900},
    "description": {"type": "str", "default": "made by baremetal.kubernetes"},
    # An identifier by which the API server itself names the token; kubeadm lists it openly.
    "token_id": {"type": "str", "no_log": False},
    "control_plane": {"type": "bool", "default": False},
    "timeout": {"type": "int", "default": 60},
    "kubeadm_path": {"type": "str", "default": "kubeadm"},
    "root": {"type": "path", "default": "/"},
}


def upload_certificates(host: Host, api: Api, seconds: int) -> str:
    """Upload the certificates of the control plane, encrypted with a new key.

    :returns: the key. :raises KubeadmError: when the cluster's configuration is missing or the upload fails.
    """
    stored = api.get(CLUSTER_CONFIGURATION)
    cluster = ((stored or {}).get("data") or {}).get("ClusterConfiguration")
    if not cluster:
        raise KubeadmError(
            f"{host.name}: the ConfigMap kubeadm-config of kube-system holds no ClusterConfiguration.",
            "Complete kubeadm init first (baremetal.kubernetes.kubeadm with operation: init).",
        )
    key = secrets.token_hex(32)
    own = {
        "apiVersion": documents.API_VERSION,
        "kind": "InitConfiguration",
        "certificateKey": key,
    }
    # With the stored configuration kubeadm does not look up the newest version on the internet, and knows which etcd
    # certificates there are.
    with host.config_file(documents.render([own], [cluster])) as path:
        argv = [
            "init",
            "phase",
            "upload-certs",
            "--upload-certs",
            "--skip-certificate-key-print",
            "--config",
            path,
        ]
        host.run(argv, seconds, [key])
    return key


def delete_leftover(api: Api, description: str) -> None:
    """Delete the tokens of this description, which an interrupted run left behind: nobody knows their values."""
    encoded = base64.b64encode(description.encode()).decode()
    listed = api.get(SECRETS.rstrip("/") + "?fieldSelector=type%3Dbootstrap.kubernetes.io%2Ftoken")
    for secret in (listed or {}).get("items") or []:
        if (secret.get("data") or {}).get("description") == encoded:
            api.delete(SECRETS + str(secret["metadata"]["name"]))


def create(module: AnsibleModule) -> dict[str, t.Any]:
    """C(state=present)."""
    params = module.params
    host = Host(params["root"], params["kubeadm_path"])
    if not 60 <= params["ttl"] <= MAX_TTL:
        raise KubeadmError(
            f"ttl is {params['ttl']} s, expected 60 to {MAX_TTL}.",
            "A node that joins needs less than a minute.",
        )
    state = node.observe(host.root)
    if state.cluster_id is None:
        if module.check_mode:
            return {"changed": True, "ca_cert_hashes": []}
        raise KubeadmError(
            f"{host.name} has no {node.CA_CERT}, so it is not in a cluster.", "Run this on a control plane."
        )
    result: dict[str, t.Any] = {"changed": True, "ca_cert_hashes": [state.cluster_id]}
    if module.check_mode:
        return result
    api = Api(host.root)
    delete_leftover(api, params["description"])
    output = host.run(
        [
            "token",
            "create",
            "--kubeconfig",
            node.under(host.root, node.ADMIN_CONF),
            "--ttl",
            f"{params['ttl']}s",
            "--usages",
            "signing,authentication",
            "--description",
            params["description"],
        ],
        params["timeout"],
    )
    match = _TOKEN.search(output.raw)
    if not match:
        raise KubeadmError(
            f"{host.name}: kubeadm token create printed no token.", "Look at stdout.", stdout=output.stdout
        )
    token = match.group(0)
    result["token"] = token
    result["token_id"] = token.partition(".")[0]
    result["expires"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + params["ttl"]))
    if params["control_plane"]:
        try:
            result["certificate_key"] = upload_certificates(host, api, params["timeout"])
        except BaseException:
            # The result that would tell the token is lost.
            host.delete_token(token)
            raise
    return result


def delete(module: AnsibleModule) -> dict[str, t.Any]:
    """C(state=absent)."""
    params = module.params
    host = Host(params["root"], params["kubeadm_path"])
    if params["token_id"] is not None and not _TOKEN_ID.fullmatch(params["token_id"]):
        raise KubeadmError(
            f"token_id has {len(params['token_id'])} characters, expected six of a-z and 0-9.",
            "Give the part of the token before the dot.",
        )
    if params["token_id"] is None and not params["control_plane"]:
        raise KubeadmError(
            "state is absent, but neither token_id nor control_plane is given.", "Give token_id."
        )
    api = Api(host.root)
    names = [f"bootstrap-token-{params['token_id']}"] if params["token_id"] else []
    if params["control_plane"]:
        stored = api.get(SECRETS + CERTIFICATES)
        owners = ((stored or {}).get("metadata") or {}).get("ownerReferences") or []
        # The certificates first: they are what the others protect.
        names = [
            CERTIFICATES,
            *(str(owner["name"]) for owner in owners if owner.get("kind") == "Secret"),
            *names,
        ]
    deleted = []
    for name in names:
        there = api.get(SECRETS + name) is not None if module.check_mode else api.delete(SECRETS + name)
        if there:
            deleted.append(name)
    return {"changed": bool(deleted), "deleted": deleted}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    run_module(module, create if module.params["state"] == "present" else delete)


if __name__ == "__main__":
    main()
