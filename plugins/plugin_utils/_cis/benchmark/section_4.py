# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Section 4: nodes, the kubelet and kube-proxy."""

from __future__ import annotations

from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.benchmark import remedies
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._cis.benchmark.check import (
    AUTOMATED,
    BREAKING,
    KUBE_PROXY,
    KUBELET,
    MANUAL,
    NODE,
    RESTART,
    Check,
    file_mode,
    file_owner,
)

_UNIT = "The systemd unit of the running kubelet with all its drop-ins, or its OpenRC script."
_PROXY_FILE = (
    "The kubeconfig of the running kube-proxy, as seen by its process; not applicable without a kube-proxy,"
    " or when it"
    " has no kubeconfig on the host."
)
_KUBELET_CA = "The file in clientCAFile of the kubelet's effective configuration."
_KUBELET_FILES = (
    "The file of the running kubelet's --config, and all drop-ins of --config-dir; without the flag, kubeadm's"
    " default."
)
_KUBECONFIG = "The file of the running kubelet's --kubeconfig; without the flag, kubeadm's default."
_KUBELET_VALUE = (
    "The kubelet's effective configuration: /configz, else its file, drop-ins and flags combined."
)

_SERVING_CERTIFICATE = {"serverTLSBootstrap": True, "tlsCertFile": None, "tlsPrivateKeyFile": None}


def _kubelet(
    check: str, title: str, field: str, remediation: str, *, remedy: remedies.Remedy, level: int = 1,
    assessment: str = AUTOMATED, risk: str = RESTART,
) -> Check:  # fmt: skip
    method = f"{_KUBELET_VALUE} {field}"
    return Check(check, title, level, assessment, KUBELET, method, remediation, risk, remedy)


CHECKS: tuple[Check, ...] = (
    file_mode("4.1.1", NODE, "kubelet service file", "0600", _UNIT),
    file_owner("4.1.2", NODE, "kubelet service file", _UNIT),
    file_mode("4.1.3", KUBE_PROXY, "kube-proxy kubeconfig", "0600", _PROXY_FILE, MANUAL),
    file_owner("4.1.4", KUBE_PROXY, "kube-proxy kubeconfig", _PROXY_FILE, MANUAL),
    file_mode("4.1.5", NODE, "kubelet kubeconfig", "0600", _KUBECONFIG),
    file_owner("4.1.6", NODE, "kubelet kubeconfig", _KUBECONFIG),
    file_mode("4.1.7", NODE, "Client CA of the kubelet", "0644", _KUBELET_CA, MANUAL),
    file_owner("4.1.8", NODE, "Client CA of the kubelet", _KUBELET_CA, MANUAL),
    file_mode("4.1.9", NODE, "kubelet configuration", "0600", _KUBELET_FILES),
    file_owner("4.1.10", NODE, "kubelet configuration", _KUBELET_FILES),
    _kubelet(
        "4.2.1",
        "The kubelet rejects anonymous requests",
        "authentication.anonymous.enabled is false.",
        "Set authentication.anonymous.enabled to false.",
        remedy=remedies.kubelet(authentication={"anonymous": {"enabled": False}}),
    ),
    _kubelet(
        "4.2.2",
        "The kubelet asks the API server for authorization (Webhook)",
        "authorization.mode is not AlwaysAllow.",
        "Set authorization.mode to Webhook.",
        remedy=remedies.kubelet(authorization={"mode": "Webhook"}),
    ),
    _kubelet(
        "4.2.3",
        "The kubelet verifies client certificates against a CA",
        "authentication.x509.clientCAFile is set.",
        "Set authentication.x509.clientCAFile to the cluster's CA.",
        remedy=remedies.kubelet(authentication={"x509": {"clientCAFile": "/etc/kubernetes/pki/ca.crt"}}),
    ),
    _kubelet(
        "4.2.4",
        "The kubelet's read-only port is closed",
        "readOnlyPort is 0.",
        "Set readOnlyPort to 0, and let its clients use port 10250 with a token.",
        assessment=MANUAL,
        remedy=remedies.kubelet(readOnlyPort=None),
    ),
    _kubelet(
        "4.2.5",
        "Idle streaming connections time out",
        "streamingConnectionIdleTimeout is not 0, in any notation.",
        "Set streamingConnectionIdleTimeout to 4h, its default, or less.",
        assessment=MANUAL,
        remedy=remedies.kubelet(streamingConnectionIdleTimeout="4h0m0s"),
    ),
    _kubelet(
        "4.2.6",
        "The kubelet manages its iptables chains",
        "makeIPTablesUtilChains is not false.",
        "Set makeIPTablesUtilChains to true.",
        remedy=remedies.kubelet(makeIPTablesUtilChains=True),
    ),
    Check(
        "4.2.7",
        "The node name is the hostname",
        1,
        MANUAL,
        KUBELET,
        "The command line of the running kubelet: no --hostname-override; effectively, one that equals the"
        " hostname passes.",
        "Remove the node and join it again with its hostname; kubeadm sets the flag when"
        " nodeRegistration.name differs.",
        BREAKING,
        remedy=remedies.none("A node cannot be renamed; drain it, reset it and join it again."),
    ),
    _kubelet(
        "4.2.8",
        "The kubelet's event rate is limited, but sufficient",
        "eventRecordQPS is enough for a busy node; effectively 0, which is unlimited, fails as well.",
        "Set eventRecordQPS to 50, its default, or what your nodes need.",
        level=2,
        assessment=MANUAL,
        remedy=remedies.kubelet(eventRecordQPS=50),
    ),
    _kubelet(
        "4.2.9",
        "The kubelet serves a certificate issued by the cluster's CA",
        "Literally, tlsCertFile and tlsPrivateKeyFile are set; effectively, the issuer of the"
        " certificate that port 10250 serves counts.",
        "Set serverTLSBootstrap, and approve the kubelet's certificate signing requests, renewals included.",
        assessment=MANUAL,
        risk=BREAKING,
        remedy=remedies.kubelet(**_SERVING_CERTIFICATE),
    ),
    _kubelet(
        "4.2.10",
        "The kubelet rotates its client certificate",
        "rotateCertificates is true; kubeadm sets it.",
        "Set rotateCertificates to true.",
        remedy=remedies.kubelet(rotateCertificates=True),
    ),
    _kubelet(
        "4.2.11",
        "The kubelet rotates its serving certificate",
        "Literally, the feature gate RotateKubeletServerCertificate is not disabled; effectively,"
        " serverTLSBootstrap has to be true as well, without which nothing is rotated.",
        "Set serverTLSBootstrap, and do not set the feature gate.",
        assessment=MANUAL,
        risk=BREAKING,
        remedy=remedies.kubelet(
            **_SERVING_CERTIFICATE, featureGates={"RotateKubeletServerCertificate": None}
        ),
    ),
    _kubelet(
        "4.2.12",
        "The kubelet offers strong TLS ciphers only",
        "tlsCipherSuites and tlsMinVersion. Without a list, Go's own choice counts effectively, which has"
        " no weak cipher,"
        " as does TLS 1.3, to which the list does not apply.",
        "Set tlsCipherSuites to AEAD suites with ECDHE.",
        assessment=MANUAL,
        remedy=remedies.kubelet(tlsMinVersion="VersionTLS12", tlsCipherSuites=list(remedies.CIPHERS)),
    ),
    _kubelet(
        "4.2.13",
        "Pods have a PID limit",
        "podPidsLimit is above 0; literally, it has to be set.",
        "Set podPidsLimit, for instance to 4096.",
        assessment=MANUAL,
        remedy=remedies.kubelet(podPidsLimit=4096),
    ),
    _kubelet(
        "4.2.14",
        "Pods use the RuntimeDefault seccomp profile by default",
        "seccompDefault is true; literally, it has to be set.",
        "Set seccompDefault to true. Workloads that need unusual system calls then have to set another"
        " profile.",
        assessment=MANUAL,
        risk=BREAKING,
        remedy=remedies.kubelet(seccompDefault=True),
    ),
    Check(
        "4.3.1",
        "kube-proxy serves metrics on loopback only",
        1,
        MANUAL,
        KUBE_PROXY,
        "metricsBindAddress in the configuration file of the running kube-proxy, as seen by its process, or"
        " its flag; not"
        " applicable without a kube-proxy.",
        "Set metricsBindAddress to 127.0.0.1:10249 in the ConfigMap kube-proxy, and restart its Pods.",
        RESTART,
        remedy=remedies.none(
            "kube-proxy is configured by its ConfigMap, which is not managed by this collection."
        ),
    ),
)
