# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: client_kubeconfig
short_description: Manage the kubeconfig of a user with a client certificate
version_added: 0.1.0
author:
  - baremetal.kubernetes contributors (@baremetal-kubernetes)
description:
  - Runs on a control plane. It keeps a kubeconfig there for a user with a client certificate, which kubeadm issues with
    the cluster's CA, and renews it before the certificate expires.
  - What the user may do is a matter of RBAC, and not of this module. Certificates cannot be revoked, so grant the user
    little.
extends_documentation_fragment:
  - baremetal.kubernetes._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details:
      - Shows user, groups, server, mode, owner and expiration, never the key.
  idempotent:
    support: full
options:
  path:
    description: The file. Its directory must exist.
    type: path
    required: true
  common_name:
    description: Name of the user.
    type: str
    required: true
  organizations:
    description: Groups of the user.
    type: list
    elements: str
    default: []
  valid_days:
    description: Days for which a new certificate is valid.
    type: int
    default: 365
  min_days:
    description:
      - The certificate is renewed when it is valid for fewer days than that. By default a third of O(valid_days).
    type: int
  kubeadm_path:
    description: The program, by path or by name.
    type: str
    default: kubeadm
  timeout:
    description: Seconds that a run of kubeadm may take.
    type: int
    default: 60
  root:
    description: Directory below which the module looks for kubeadm's files, for tests.
    type: path
    default: /
notes:
  - The file belongs to root, and nobody else may read it.
  - The host must have kubeadm and the key of the cluster's CA.
seealso:
  - module: baremetal.kubernetes.kubelet_csr
"""

EXAMPLES = r"""
- name: Manage the credentials of the kubelet CSR approver
  baremetal.kubernetes.client_kubeconfig:
    path: /etc/baremetal-kubernetes/kubelet-csr-approver.conf
    common_name: baremetal-kubernetes:kubelet-csr-approver
"""

RETURN = r"""
reasons:
  description: Why the kubeconfig was replaced, or would be; empty when at most its mode or owner were wrong.
  returned: always
  type: list
  elements: str
  sample: ["its certificate is valid for 98 more days, expected at least 121"]
server:
  description: URL of the API server in it.
  returned: always
  type: str
  sample: https://192.0.2.10:6443
not_after:
  description: When its certificate expires, in UTC (RFC 3339); in check mode, that of the present one.
  returned: when there is one
  type: str
  sample: "2027-11-21T12:00:00Z"
days_left:
  description: Whole days until then.
  returned: when there is one
  type: int
  sample: 364
"""

import contextlib
import ipaddress
import os
import stat
import typing as t
from datetime import datetime, timedelta, timezone
from urllib.parse import urlsplit

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.baremetal.kubernetes.plugins.module_utils._formats import kubeconfig, x509
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.admin import Api
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.client import (
    CredentialsError,
    connection_from,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm import credentials, documents
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.plan import KubeadmError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.runner import Host
from ansible_collections.baremetal.kubernetes.plugins.module_utils._module import run_module
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node import membership as node
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os import files

MODE = 0o600
CLUSTER_CONFIGURATION = "/api/v1/namespaces/kube-system/configmaps/kubeadm-config"
CRI_SOCKET = "unix:///run/containerd/containerd.sock"

ARGUMENT_SPEC: dict[str, t.Any] = {
    "path": {"type": "path", "required": True},
    "common_name": {"type": "str", "required": True},
    "organizations": {"type": "list", "elements": "str", "default": []},
    "valid_days": {"type": "int", "default": 365},
    "min_days": {"type": "int"},
    "kubeadm_path": {"type": "str", "default": "kubeadm"},
    "timeout": {"type": "int", "default": 60},
    "root": {"type": "path", "default": "/"},
}


def observe(path: str) -> credentials.ObservedCredentials:
    """The file as it is.

    :raises KubeadmError: when it is there and cannot be read.
    """
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            info = os.fstat(stream.fileno())
            text = stream.read()
    except FileNotFoundError:
        return credentials.ObservedCredentials(None)
    except OSError as exc:
        raise KubeadmError(f"{path} cannot be read: {exc.strerror}.", "Run this as root.") from exc
    unusable = ""
    try:
        connection_from(kubeconfig.parse(text), "it")
    except kubeconfig.KubeconfigError as exc:
        unusable = str(exc)
    except CredentialsError as exc:
        unusable = exc.message
    return credentials.ObservedCredentials(
        text, stat.S_IMODE(info.st_mode), (info.st_uid, info.st_gid), unusable
    )


def desired_from(params: t.Mapping[str, t.Any]) -> credentials.DesiredCredentials:
    """What is asked for, with server and CA of this host's cluster.

    :raises KubeadmError: when the host is no control plane or a number makes no sense.
    """
    least = params["valid_days"] // 3 if params["min_days"] is None else params["min_days"]
    if params["valid_days"] < 1 or not 0 <= least < params["valid_days"]:
        raise KubeadmError(
            f"valid_days is {params['valid_days']} and min_days {least}, expected the latter to be less.",
            "Give a min_days that a new certificate fulfils.",
        )
    if not params["common_name"]:
        raise KubeadmError("common_name is empty.", "Give the user a name.")
    admin = node.read_text(params["root"], node.ADMIN_CONF)
    authority = node.read_text(params["root"], node.CA_CERT)
    try:
        server = kubeconfig.parse(admin or "").server
        ca = x509.parse_pem(authority or "")
    except (kubeconfig.KubeconfigError, x509.CertificateError) as exc:
        raise KubeadmError(
            f"{node.ADMIN_CONF} or {node.CA_CERT} is missing or unusable: {exc}.",
            "Run this on a control plane.",
        ) from exc
    return credentials.DesiredCredentials(
        params["common_name"], tuple(params["organizations"]), server, ca, timedelta(days=least)
    )


def create(host: Host, params: t.Mapping[str, t.Any]) -> str:
    """Have kubeadm create the kubeconfig.

    :returns: the kubeconfig, a secret.
    """
    api = Api(host.root)
    stored = api.get(CLUSTER_CONFIGURATION)
    cluster = ((stored or {}).get("data") or {}).get("ClusterConfiguration")
    if not cluster:
        raise KubeadmError(
            f"{host.name}: the ConfigMap kubeadm-config of kube-system holds no ClusterConfiguration.",
            "Complete kubeadm init first (baremetal.kubernetes.kubeadm with operation: init).",
        )
    address = urlsplit(api.server)
    # What kubeadm would otherwise detect on the host, and might not find.
    own: dict[str, t.Any] = {
        "apiVersion": documents.API_VERSION,
        "kind": "InitConfiguration",
        "nodeRegistration": {"criSocket": CRI_SOCKET},
    }
    with contextlib.suppress(ValueError):
        # kubeadm takes addresses only.
        advertised = str(ipaddress.ip_address(address.hostname or ""))
        own["localAPIEndpoint"] = {"advertiseAddress": advertised, "bindPort": address.port or 443}
    argv = ["kubeconfig", "user", "--client-name", params["common_name"]]
    argv += [word for name in params["organizations"] for word in ("--org", name)]
    argv += ["--validity-period", f"{params['valid_days'] * 24}h"]
    with host.config_file(documents.render([own], [cluster])) as path:
        try:
            return host.run([*argv, "--config", path], params["timeout"]).raw
        except KubeadmError as exc:
            # What kubeadm printed may hold the key.
            exc.context.pop("stdout", None)
            raise


def run(module: AnsibleModule) -> dict[str, t.Any]:
    """Observe the file, and replace it when it is not as it has to be."""
    params = module.params
    host = Host(params["root"], params["kubeadm_path"])
    owner = (os.geteuid(), os.getegid())
    now = datetime.now(timezone.utc)
    desired = desired_from(params)
    observed = observe(params["path"])
    why = credentials.reasons(observed, desired, now)
    until = credentials.stamp(now + timedelta(days=params["valid_days"]))
    if not why:
        until = credentials.stamp(credentials.read(observed.text or "")[1].not_after)
    after = credentials.lines(desired.server, desired.common_name, desired.organizations, until, MODE, owner)
    changed = bool(why) or (observed.mode, observed.owner) != (MODE, owner)
    before = credentials.shown(observed)
    if changed and not module.check_mode:
        text = create(host, params) if why else observed.text or ""
        if why:
            # kubeadm names the first authority only, and there are two during a CA rotation.
            text = kubeconfig.with_ca(text, (node.read_text(host.root, node.CA_CERT) or "").encode())
        wrong = credentials.reasons(
            credentials.ObservedCredentials(text), desired, datetime.now(timezone.utc)
        )
        if wrong:
            raise KubeadmError(
                f"{host.name}: kubeadm created another kubeconfig than was asked for: {'; '.join(wrong)}.",
                "Check that admin.conf and the CA of this host are those of the cluster.",
            )
        try:
            files.write_atomic(params["path"], text.encode(), MODE, owner)
        except OSError as exc:
            raise KubeadmError(
                f"{params['path']} cannot be written: {exc.strerror}.", "Create its directory."
            ) from exc
        observed = observe(params["path"])
        after = credentials.shown(observed)
    return {
        "changed": changed,
        "reasons": why,
        "server": desired.server,
        "diff": {"before": before, "after": after if changed else before},
        **_end(observed),
    }


def _end(observed: credentials.ObservedCredentials) -> dict[str, t.Any]:
    try:
        _config, own = credentials.read(observed.text or "")
    except (kubeconfig.KubeconfigError, x509.CertificateError):
        return {}
    left = own.not_after - datetime.now(timezone.utc)
    return {"not_after": credentials.stamp(own.not_after), "days_left": max(left.days, 0)}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    run_module(module, run)


if __name__ == "__main__":
    main()
