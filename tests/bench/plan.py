# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Input of the bare path, taken from a cluster that the site playbook created, so that both create the same cluster.

Files of /etc and the configuration of kubeadm and Cilium are read from the cluster, which keeps this free of copies
of the roles' templates. Names of release files come from the lock file.
"""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lab import host
from lab.config import Settings
from lab.state import HostRecord

REPO = Path(__file__).resolve().parents[2]

#: Where site puts files that are no release files; those that a host has are copied.
PLACES = (
    "etc/conf.d/containerd",
    "etc/conf.d/kubelet",
    "etc/containerd",
    "etc/crictl.yaml",
    "etc/init.d/containerd",
    "etc/init.d/kubelet",
    "etc/kubernetes/api-server",
    "etc/kubernetes/encryption",
    "etc/kubernetes/kubelet.conf.d",
    "etc/modules-load.d/baremetal-kubernetes.conf",
    "etc/sysctl.d/baremetal-kubernetes.conf",
    "etc/systemd/system/containerd.service",
    "etc/systemd/system/kubelet.service",
    "usr/local/lib/baremetal-kubernetes/check-etcd-data",
)
ROLE = REPO / "roles" / "cluster"
#: Release files that the script places.
COMPONENTS = (
    "kubeadm",
    "kubelet",
    "kubectl",
    "containerd",
    "runc",
    "crictl",
    "cni_plugins",
    "helm",
    "cilium_chart",
)
#: Where the roles put the mirror's CA on a host; it is not captured, for a new lab has a new CA.
HOST_CA = "/etc/baremetal-kubernetes/mirror-ca.crt"


@dataclass(frozen=True)
class Site:
    """What the inventory and the roles say.

    :param variables: of the inventory, for all hosts.
    """

    variables: Mapping[str, Any]

    @classmethod
    def load(cls, inventory: Path) -> Site:
        text = (inventory / "group_vars" / "all.yml").read_text(encoding="utf-8")
        return cls(yaml.safe_load(text))

    @property
    def cluster_name(self) -> str:
        """The cluster's name: the inventory's, otherwise the role's."""
        return str(self.variables.get("cluster_name", self._defaults()["cluster_name"]))

    @staticmethod
    def _defaults() -> dict[str, Any]:
        return dict(yaml.safe_load((ROLE / "defaults" / "main.yml").read_text(encoding="utf-8")))

    def versions(self) -> dict[str, str]:
        """Version by component: the lock file's, or the inventory's own."""
        kubernetes = self.variables.get(
            "cluster_kubernetes_version", self._defaults()["cluster_kubernetes_version"]
        )
        own = self.variables.get("cluster_versions", {})
        releases = self._releases()
        return {
            component: str(own.get(component, releases[component].get("version", kubernetes)))
            for component in COMPONENTS
        }

    @staticmethod
    def _releases() -> dict[str, Any]:
        lock = yaml.safe_load((ROLE / "vars" / "main" / "releases.yml").read_text(encoding="utf-8"))
        return dict(lock["cluster_releases"])

    def urls(self, arch: str) -> dict[str, str]:
        """Where the mirror has each release file.

        :param arch: Go's name of the hosts' architecture.
        """
        releases = self._releases()
        mirror = self.variables["cluster_files_url"].rstrip("/")
        return {
            component: f"{mirror}/"
            + releases[component]["url"].removeprefix("https://").format(version=version, arch=arch)
            for component, version in self.versions().items()
        }


def settings_text(site: Site, hosts: Sequence[HostRecord], arch: str) -> str:
    """The shell variables that the script reads, except PREPARED."""
    (first,) = [record.name for record in hosts if record.role == "control_plane"]
    values = {
        "FIRST": first,
        "WORKERS": " ".join(record.name for record in hosts if record.role == "worker"),
        "PREFLIGHT": ",".join(site.variables.get("cluster_ignore_preflight_errors", [])),
        "CA": HOST_CA,
        "CONTROLLER_CA": site.variables["cluster_ca_file"],
        **{component.upper(): url for component, url in site.urls(arch).items()},
    }
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())


def ssh_config(settings: Settings, hosts: Sequence[HostRecord], sockets: Path) -> str:
    """How the script reaches the hosts: as Ansible does, with one connection a host that is used again.

    :param sockets: directory for the sockets of these connections.
    """
    common = f"""Host *
  User root
  IdentityFile {host.key_file(settings)}
  IdentitiesOnly yes
  UserKnownHostsFile {settings.paths.known_hosts}
  GlobalKnownHostsFile none
  StrictHostKeyChecking yes
  ControlMaster auto
  ControlPersist 120s
  ControlPath {sockets}/%C
"""
    return "".join(f"Host {record.name}\n  HostName {record.address}\n" for record in hosts) + common


def _on(settings: Settings, record: HostRecord, command: str, timeout: float = 60) -> bytes:
    argv = host.ssh_command(settings, record, ["sh", "-c", command])
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout, check=False)
    if done.returncode != 0:
        message = done.stderr.decode(errors="replace").strip()
        raise RuntimeError(f"{record.name}: `{command}` ended with code {done.returncode}: {message}")
    return done.stdout


def _kubectl(*arguments: str) -> str:
    return shlex.join(["kubectl", "--kubeconfig", "/etc/kubernetes/admin.conf", *arguments])


def kubectl(settings: Settings, record: HostRecord, *arguments: str) -> bytes:
    """What kubectl prints on a control plane, with the administrator's credentials.

    :raises RuntimeError: it failed.
    """
    return _on(settings, record, _kubectl(*arguments))


def capture_host(settings: Settings, record: HostRecord, directory: Path) -> None:
    """Write what the script copies to a host: what site writes there, and the names of the images it has.

    :raises RuntimeError: the host did not answer as expected.
    """
    listing = f"cd / && tar -c $(ls -d {' '.join(PLACES)} 2>/dev/null)"
    (directory / f"{record.name}.tar").write_bytes(_on(settings, record, listing))
    # Without those that are named by digest: they are the same ones.
    names = _on(settings, record, "/usr/local/bin/ctr --namespace k8s.io images list --quiet").decode()
    images = [name for name in names.split() if "@" not in name and not name.startswith("sha256:")]
    (directory / f"{record.name}.images").write_text(
        "".join(f"{name}\n" for name in images), encoding="utf-8"
    )


def write_addresses(hosts: Sequence[HostRecord], directory: Path) -> None:
    """Write the addresses of all hosts."""
    lines = [f"{record.name} {record.address}\n" for record in hosts]
    (directory / "addresses").write_text("".join(lines), encoding="utf-8")


def capture(settings: Settings, hosts: Sequence[HostRecord], helm: Path, arch: str, directory: Path) -> None:
    """Write the directory of the scripts, except `ssh_config` and `prepared.sh`, from the cluster that is up.

    :param helm: the program that site used.
    :param arch: Go's name of the hosts' architecture.
    :raises RuntimeError: a host or helm did not answer as expected.
    """
    site = Site.load(settings.paths.inventory)
    for record in hosts:
        capture_host(settings, record, directory)
    (first,) = [record for record in hosts if record.role == "control_plane"]
    documents = [
        kubectl(settings, first, "get", "-n", "kube-system", "configmap", name, "-o", f"jsonpath={path}")
        for name, path in (
            ("kubeadm-config", "{.data.ClusterConfiguration}"),
            ("kubelet-config", "{.data.kubelet}"),
        )
    ]
    (directory / "cluster.yml").write_bytes(b"\n---\n".join(documents))
    values = subprocess.run(
        [
            *(str(helm), "--kubeconfig", str(kubeconfig(settings)), "--namespace", "kube-system"),
            *("get", "values", "cilium", "--output", "yaml"),
        ],
        capture_output=True,
        timeout=60,
        check=False,
    )
    if values.returncode != 0:
        raise RuntimeError(f"helm get values: {values.stderr.decode(errors='replace').strip()}")
    (directory / "values.yml").write_bytes(values.stdout)
    write_addresses(hosts, directory)
    (directory / "settings.sh").write_text(settings_text(site, hosts, arch), encoding="utf-8")


def pull(settings: Settings, hosts: Sequence[HostRecord], directory: Path) -> None:
    """Pull the images that every host had when the input was captured.

    :param directory: of the plan.
    :raises RuntimeError: an image cannot be pulled.
    """

    def one(record: HostRecord) -> None:
        images = (directory / f"{record.name}.images").read_text(encoding="utf-8").split()
        _on(
            settings,
            record,
            " && ".join(f"/usr/local/bin/crictl pull {image}" for image in images),
            timeout=600,
        )

    with ThreadPoolExecutor(max_workers=len(hosts)) as pool:
        list(pool.map(one, hosts))


def kubeconfig(settings: Settings) -> Path:
    """Where site leaves the administrator's credentials."""
    return settings.paths.inventory / ".credentials" / "kubernetes.kubeconfig"
