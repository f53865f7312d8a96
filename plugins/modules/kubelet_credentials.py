# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kubelet_credentials
short_description: Issue a kubelet's client certificate again
version_added: 0.1.0
author:
  - baremetal.kubernetes contributors (@baremetal-kubernetes)
description:
  - A kubelet renews its client certificate by itself, but not once it has expired, as after a host was off for long.
    It does not even start then.
  - On a control plane, kubeadm issues a new one with the cluster's CA on this host, which needs no API server. On
    another host, the kubelet bootstraps again with O(token), as when the host joined; its key stays on the host.
  - A certificate that is valid is left alone, unless O(check_issuer) says otherwise.
extends_documentation_fragment:
  - baremetal.kubernetes._attributes
  - baremetal.kubernetes._kubeadm_program
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  token:
    description:
      - A bootstrap token. Required where the cluster's CA key is not on the host, unless the certificate is valid.
    type: str
  valid_days:
    description:
      - Days that a certificate is valid which kubeadm issues, by default as of those that it issues itself. The kubelet
        renews it by itself.
    type: int
    default: 365
  check_issuer:
    description:
      - Whether a client certificate that the first authority of C(ca.crt) has not issued is replaced, too, as in a CA
        rotation. A serving certificate of another authority is deleted then, so that the kubelet requests a new one.
    type: bool
    default: false
  timeout:
    description: Seconds until the kubelet has its certificate.
    type: int
    default: 120
notes:
  - Use C(no_log) on the task when it has a token.
seealso:
  - module: baremetal.kubernetes.bootstrap_token
"""

EXAMPLES = r"""
- name: Issue the kubelet's client certificate on a control plane if it has expired
  baremetal.kubernetes.kubelet_credentials:
"""

RETURN = r"""
issued:
  description: Whether a certificate was issued or requested, or would be in check mode.
  returned: success
  type: bool
  sample: true
not_after:
  description: When the certificate ends, in UTC (RFC 3339); in check mode, that of the present one.
  returned: when there is one
  type: str
  sample: "2027-11-29T12:00:00Z"
"""

import base64
import os
import re
import time
import typing as t
from datetime import datetime, timezone

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.baremetal.kubernetes.plugins.module_utils._certificates import observe, plan, renew
from ansible_collections.baremetal.kubernetes.plugins.module_utils._certificates.plan import CertificatesError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._formats import kubeconfig, x509
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.components import (
    KUBELET_SECONDS,
    ControlPlane,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.plan import KubeadmError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.runner import KUBELET_CLIENT, Host
from ansible_collections.baremetal.kubernetes.plugins.module_utils._module import run_module
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node import membership as node
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os import files

ARGUMENT_SPEC: dict[str, t.Any] = {
    "token": {"type": "str", "no_log": True},
    "valid_days": {"type": "int", "default": 365},
    "check_issuer": {"type": "bool", "default": False},
    "timeout": {"type": "int", "default": 120},
    "kubeadm_path": {"type": "str", "default": "kubeadm"},
    "kubeadm_timeout": {"type": "int", "default": 60},
    "root": {"type": "path", "default": "/"},
}
_POLL_SECONDS = 1.0
_BOOTSTRAP = """apiVersion: v1
kind: Config
clusters:
- name: cluster
  cluster:
    certificate-authority-data: {ca}
    server: {server}
contexts:
- name: bootstrap
  context:
    cluster: cluster
    user: bootstrap
current-context: bootstrap
users:
- name: bootstrap
  user:
    token: {token}
"""


def client(root: str) -> plan.Certificate | None:
    """The kubelet's client certificate, C(None) when this host is no node."""
    found = observe.collect(root, (plan.KUBELET_CLIENT,))
    return found[0] if found else None


def foreign(root: str, known: plan.Known) -> bool:
    """Whether there is a certificate that the first authority of this host has not issued."""
    if not os.path.lexists(node.under(root, known.path)):
        return False
    return not observe.issued_by(root, known, x509.parse_pem(node.read_text(root, node.CA_CERT) or ""))


def discard(root: str, path: str) -> None:
    """Delete the link to a kubelet's certificate, so that its next start brings a new one."""
    if os.path.lexists(node.under(root, path)):
        os.unlink(node.under(root, path))


def relink(root: str) -> None:
    """Undo C(discard) of the client certificate, when no other one was issued since."""
    current = node.under(root, KUBELET_CLIENT)
    if os.path.lexists(current):
        return
    directory = os.path.dirname(KUBELET_CLIENT)
    dated = re.compile(r"kubelet-client-\d{4}-.*\.pem")
    found = sorted(filter(dated.fullmatch, node.names_in(root, directory, most=1000)))
    if found:
        os.symlink(f"{directory}/{found[-1]}", current)


def issue(host: Host, name: str, params: t.Mapping[str, t.Any]) -> None:
    """Have kubeadm issue a certificate, and place it where the kubelet keeps its own.

    :raises KubeadmError: when it cannot.
    """
    argv = ["kubeconfig", "user", "--client-name", f"system:node:{name}", "--org", "system:nodes"]
    argv += ["--validity-period", f"{params['valid_days'] * 24}h"]
    with host.config_file(renew.configuration(host, {})) as path:
        try:
            text = host.run([*argv, "--config", path], params["kubeadm_timeout"]).raw
        except KubeadmError as exc:
            # What kubeadm printed may hold the key.
            exc.context.pop("stdout", None)
            raise
    own = kubeconfig.parse(text)
    former = kubeconfig.parse(node.read_text(host.root, node.KUBELET_CONF) or "")
    if former.client_cert_path is None:
        files.write_atomic(node.under(host.root, node.KUBELET_CONF), text.encode(), 0o600)
        return
    stamp = time.strftime("%Y-%m-%d-%H-%M-%S", time.gmtime())
    current = node.under(host.root, KUBELET_CLIENT)
    placed = os.path.join(os.path.dirname(KUBELET_CLIENT), f"kubelet-client-{stamp}.pem")
    pair = (own.client_cert or b"").rstrip(b"\n") + b"\n" + (own.client_key or b"")
    files.write_atomic(node.under(host.root, placed), pair, 0o600)
    temporary = f"{current}.{os.getpid()}"
    os.symlink(placed, temporary)
    os.replace(temporary, current)
    files.fsync_dir(os.path.dirname(current))


def bootstrap(host: Host, token: str, seconds: float) -> None:
    """Let the kubelet request a certificate with a token, and wait for it.

    :raises OperatorError: when it gets none.
    """
    server = kubeconfig.parse(node.read_text(host.root, node.KUBELET_CONF) or "").server
    ca = base64.b64encode((node.read_text(host.root, node.CA_CERT) or "").encode()).decode()
    path = node.under(host.root, node.BOOTSTRAP_CONF)
    files.write_atomic(path, _BOOTSTRAP.format(ca=ca, server=server, token=token).encode(), 0o600)
    try:
        components = ControlPlane(host)
        components.restart_kubelet(min(seconds, KUBELET_SECONDS))
        deadline = time.monotonic() + seconds
        while True:
            own = client(host.root)
            if own is not None and not own.expired(datetime.now(timezone.utc)):
                return
            if time.monotonic() >= deadline:
                raise CertificatesError(
                    f"{host.name}: the kubelet has no client certificate {seconds:.0f} s after it was started with a"
                    " bootstrap token; expected one by the cluster's CA.",
                    f"Look at the kubelet's log on that host, and whether it reaches {server}.",
                )
            time.sleep(_POLL_SECONDS)
    finally:
        os.unlink(path)


class Decision(t.NamedTuple):
    """What a kubelet needs.

    :param client: whether it gets a new client certificate. :param serving: whether its serving certificate goes.
    :param local: whether kubeadm issues the client certificate on this host. :param token: whether one was given.
    """

    client: bool = False
    serving: bool = False
    local: bool = False
    token: bool = False

    @property
    def changes(self) -> bool:
        return self.client or self.serving


def decide(host: Host, own: plan.Certificate | None, params: t.Mapping[str, t.Any]) -> Decision:
    """What to do about the certificates of a kubelet."""
    if own is None:
        return Decision()
    other = params["check_issuer"] and foreign(host.root, plan.KUBELET_CLIENT)
    return Decision(
        client=own.expired(datetime.now(timezone.utc)) or other,
        serving=params["check_issuer"] and foreign(host.root, plan.KUBELET_SERVING),
        local=not params["token"] and own.signable,
        token=bool(params["token"]),
    )


def refuse(host: Host, own: plan.Certificate, decision: Decision, predicted: bool) -> None:
    """See that a client certificate can be issued.

    :param predicted: whether there will be a bootstrap token when this is no check mode.
    :raises CertificatesError: nothing was changed.
    """
    if host.node_name() is None:
        raise CertificatesError(
            f"{host.name}: the kubelet's client certificate {own.error or 'names no node'}; expected that of a node.",
            "Reset this host with the playbook reset, and join it again with site.",
        )
    if not (decision.local or decision.token or predicted):
        ended = own.expired(datetime.now(timezone.utc))
        raise CertificatesError(
            f"{host.name}: the kubelet's client certificate"
            f" {'ended at ' + plan.stamp(own.not_after) if ended else 'is of another CA'}, and the key of the"
            " cluster's CA is not on this host.",
            "Give a bootstrap token, as the playbook renew_certificates does.",
        )


def replace(host: Host, decision: Decision, params: t.Mapping[str, t.Any]) -> None:
    """Delete and issue what was decided; the kubelet is restarted with it.

    :raises OperatorError: when it gets no certificate.
    """
    if decision.serving:
        discard(host.root, plan.KUBELET_SERVING.path)
    if decision.client and not decision.local:
        # A kubelet with a valid certificate does not bootstrap.
        discard(host.root, KUBELET_CLIENT)
        try:
            bootstrap(host, params["token"], params["timeout"])
        finally:
            relink(host.root)
        return
    if decision.client:
        try:
            issue(host, host.node_name() or "", params)
        except (kubeconfig.KubeconfigError, OSError) as exc:
            raise CertificatesError(
                f"{host.name}: the new client certificate of the kubelet cannot be used: {exc}.",
                "Check that /etc/kubernetes and /var/lib/kubelet can be written, and run again.",
            ) from None
    ControlPlane(host).restart_kubelet(min(params["timeout"], KUBELET_SECONDS))


def run(module: AnsibleModule) -> dict[str, t.Any]:
    """Observe, and replace the certificate if it has expired."""
    params = module.params
    host = Host(params["root"], params["kubeadm_path"])
    if not module.check_mode:
        # An earlier run may have been killed while the kubelet had none.
        relink(host.root)
    own = client(host.root)
    decision = decide(host, own, params)
    if own is not None and decision.client:
        refuse(host, own, decision, predicted=module.check_mode)
    if decision.changes and not module.check_mode:
        with host.exclusive(params["timeout"]):
            replace(host, decision, params)
        own = client(host.root)
    return {"changed": decision.changes, "issued": decision.changes, **_end(own)}


def _end(own: plan.Certificate | None) -> dict[str, t.Any]:
    return {"not_after": plan.stamp(own.not_after)} if own is not None and own.not_after else {}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    run_module(module, run)


if __name__ == "__main__":
    main()
