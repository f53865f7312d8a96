# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""The cluster's API endpoint in what kubeadm wrote: kubeconfigs of a host, and the ConfigMap for hosts that join."""

from __future__ import annotations

import re
import time
import typing as t

from ansible_collections.baremetal.kubernetes.plugins.module_utils._formats import kubeconfig
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.admin import Api
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.client import (
    Client,
    Connection,
    UnreachableError,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm import documents as docs
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.plan import (
    DesiredFile,
    KubeadmError,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.runner import hostname
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kubeadm.transaction import observe_file
from ansible_collections.baremetal.kubernetes.plugins.module_utils._node import membership as node
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os import tls

CLUSTER_INFO = "/api/v1/namespaces/kube-public/configmaps/cluster-info"
# The administrator's kubeconfigs name the endpoint. Those of the controller manager, of the scheduler and of a control
# plane's kubelet name the API server of the host itself (cmd/kubeadm/app/phases/kubeconfig/kubeconfig.go).
_ADMINISTRATORS = (node.ADMIN_CONF, f"{node.CONFIG_DIR}/super-admin.conf")
_SERVER = re.compile(r"^(\s*(?:-\s+)?server:\s*)(\S+)[ \t]*$", re.MULTILINE)
# A virtual IP address whose keepalived was just started needs some seconds.
_ATTEMPTS = 15
_POLL_SECONDS = 2.0


def url_of(cluster: str | None) -> str:
    """The endpoint's URL in a ClusterConfiguration with all its defaults; empty without one."""
    endpoint = str(docs.parse(cluster, docs.OUTPUT).get("controlPlaneEndpoint") or "") if cluster else ""
    return f"https://{endpoint}" if endpoint else ""


def moved(text: str, url: str) -> str | None:
    """A kubeconfig with another server; C(None) when it has that server already.

    :raises KubeconfigError: when it is unusable.
    """
    if kubeconfig.parse(text).server == url:
        return None
    after, count = _SERVER.subn(lambda match: match.group(1) + url, text)
    if count != 1 or kubeconfig.parse(after).server != url:
        raise kubeconfig.KubeconfigError("its server is not on a line of its own")
    return after


def administrators_files(root: str, url: str) -> list[DesiredFile]:
    """The administrator's kubeconfigs on a control plane, as far as they name another endpoint.

    :raises KubeadmError: when one cannot be read.
    """
    return _files(root, url, _ADMINISTRATORS, "kubeconfig")


def kubelets_files(root: str, url: str) -> list[DesiredFile]:
    """The kubelet's kubeconfig on a worker, when it names another endpoint.

    :raises KubeadmError: when it cannot be read.
    """
    return _files(root, url, (node.KUBELET_CONF,), "kubelet")


def _files(root: str, url: str, paths: t.Iterable[str], kind: str) -> list[DesiredFile]:
    result = []
    for path in paths if url else ():
        text = observe_file(root, path).text
        if text is None:
            continue
        try:
            after = moved(text, url)
            before = kubeconfig.parse(text).server
        except kubeconfig.KubeconfigError as exc:
            raise KubeadmError(
                f"{hostname()}: {path} is no kubeconfig of kubeadm's: {exc}.",
                "Create it again with: kubeadm init phase kubeconfig, or restore it.",
            ) from exc
        if after is not None:
            note = f"{before} replaced by {url}"
            result.append(DesiredFile(path, after.encode(), kind, kind, secret=True, note=note))
    return result


def require_cluster(root: str, url: str, named: bool, attempts: int = _ATTEMPTS) -> None:
    """See that an API server of this cluster answers at a new endpoint.

    :param named: whether its certificate has to be for the endpoint already.
    :param attempts: how often it is asked, every two seconds.
    :raises KubeadmError: when none answers, or one with a certificate of another authority.
    """
    context = tls.client_context(cadata=node.read_text(root, node.CA_CERT) or "")
    context.check_hostname = named
    client = Client(Connection(url, context, host=hostname()), seconds=5)
    reason = ""
    for attempt in range(attempts):
        try:
            # Without credentials, so that nobody else gets them.
            status, _text = client.request("/readyz")
        except UnreachableError as exc:
            reason = exc.reason
        else:
            if status == 200:
                return
            reason = f"it answers {status}"
        if attempt + 1 < attempts:
            time.sleep(_POLL_SECONDS)
    raise KubeadmError(
        f"{hostname()}: {url} does not lead to an API server of this cluster: {reason}. Nothing was changed.",
        "Have the load balancer or virtual IP address of cluster_endpoint lead to the control planes first.",
    )


def require_new(root: str, files: t.Iterable[DesiredFile]) -> None:
    """The same for each endpoint that these files would have this host use.

    :raises KubeadmError: when it is not usable.
    """
    for item in files:
        if item.path in (node.KUBELET_CONF, node.ADMIN_CONF):
            require_cluster(root, kubeconfig.parse(item.text).server, named=item.path == node.KUBELET_CONF)


def update_cluster_info(root: str, url: str) -> None:
    """Have hosts that join use the endpoint: they take it from the ConfigMap, whose signatures follow by themselves.

    :raises ApiError: when the API server refuses. :raises KubeadmError: when the ConfigMap is none of kubeadm's.
    """
    api = Api(root)
    found = api.get(CLUSTER_INFO)
    text = ((found or {}).get("data") or {}).get("kubeconfig")
    try:
        after = moved(str(text or ""), url)
    except kubeconfig.KubeconfigError as exc:
        raise KubeadmError(
            f"{hostname()}: the ConfigMap cluster-info of kube-public has no kubeconfig of kubeadm's: {exc}.",
            "Create it again with: kubeadm init phase bootstrap-token",
        ) from exc
    if found is not None and after is not None:
        api.update(CLUSTER_INFO, {**found, "data": {**found["data"], "kubeconfig": after}})
