# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""What is known of every check: the numbers are the benchmark's, all words are the collection's own.

Levels are those of profile cis-2.0; C(profiles.py) knows where another one differs.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.model import sort_key

AUTOMATED = "automated"
MANUAL = "manual"

API_SERVER = "api_server"
CONTROLLER_MANAGER = "controller_manager"
SCHEDULER = "scheduler"
ETCD = "etcd"
CONTROL_PLANE = "control_plane"
KUBELET = "kubelet"
KUBE_PROXY = "kube_proxy"
NODE = "node"
CLUSTER = "cluster"

#: What a host has, as C(cis_node) says it, by the component of a check; those of the cluster are nobody's.
HOST_COMPONENTS: t.Mapping[str, str] = {
    API_SERVER: CONTROL_PLANE,
    CONTROLLER_MANAGER: CONTROL_PLANE,
    SCHEDULER: CONTROL_PLANE,
    CONTROL_PLANE: CONTROL_PLANE,
    ETCD: ETCD,
    KUBELET: NODE,
    KUBE_PROXY: NODE,
    NODE: NODE,
    CLUSTER: CLUSTER,
}

#: What mending a check does. A mode or an owner changes; a program starts anew; what clients do may stop to work;
#: nothing, for somebody must decide.
FILE_MODE = "file_mode"
RESTART = "restart"
BREAKING = "breaking"
NONE = "none"
RISKS = (FILE_MODE, RESTART, BREAKING, NONE)

SECTIONS: t.Mapping[str, str] = {
    "1": "Control plane",
    "1.1": "Files of the control plane",
    "1.2": "API server",
    "1.3": "Controller manager",
    "1.4": "Scheduler",
    "2": "etcd",
    "3": "Configuration of the control plane",
    "3.1": "Authentication of people",
    "3.2": "Audit log",
    "4": "Nodes",
    "4.1": "Files of nodes",
    "4.2": "kubelet",
    "4.3": "kube-proxy",
    "5": "Policies",
    "5.1": "Permissions and service accounts",
    "5.2": "What pods may do",
    "5.3": "Network policies",
    "5.4": "Secrets",
    "5.5": "Admission of images",
    "5.6": "Namespaces and defaults",
}


@dataclass(frozen=True)
class Check:
    """One check.

    :param id: its number in the benchmark. :param title: what shall be so.
    :param level: 1 or 2. :param assessment: whether the benchmark calls it C(automated) or C(manual); most that it
        calls manual are looked at all the same.
    :param component: what it is about. :param method: how the collection looks.
    :param remediation: what to do when it fails. :param risk: what doing that does, one of C(RISKS).
    """

    id: str
    title: str
    level: int
    assessment: str
    component: str
    method: str
    remediation: str
    risk: str

    @property
    def section(self) -> str:
        """First number of the id."""
        return self.id.split(".", 1)[0]

    @property
    def group(self) -> str:
        """The part that it stands in: 1.2.5 in 1.2, 2.1 in 2."""
        return self.id.rpartition(".")[0]

    @property
    def host_component(self) -> str:
        """What a host must have for this check to be about it, C(cluster) for none."""
        return HOST_COMPONENTS[self.component]


def _mode(
    check: str, component: str, files: str, bits: str, how: str = "", assessment: str = AUTOMATED
) -> Check:
    return Check(
        check,
        f"{files}: mode {bits} or stricter",
        1,
        assessment,
        component,
        how
        or "The file is looked at as the host has it, links followed; a missing one that must be there fails.",
        f"chmod it to {bits}, and see to it that what writes it keeps that mode.",
        FILE_MODE,
    )


def _owner(
    check: str,
    component: str,
    files: str,
    how: str = "",
    assessment: str = AUTOMATED,
    owner: str = "root:root",
) -> Check:
    return Check(
        check,
        f"{files}: owned by {owner}",
        1,
        assessment,
        component,
        how or "The numbers of user and group are compared, not their names.",
        f"chown it to {owner}.",
        FILE_MODE,
    )


_MANIFEST = "Manifest of the"
_CNI = (
    "All files in the folders that the container runtime's own configuration names for networks"
    " (/etc/cni/net.d without it)."
)
_ETCD_DATA = (
    "The folder that the running etcd uses: its flag, its variable or its configuration file, as it sees it."
)
_ETCD_FILE = (
    "The manifest on hosts where etcd runs as a static pod; not applicable where it runs in another way."
)
_PKI = (
    "Everything below the folder of the running API server's certificates, /etc/kubernetes/pki without one."
)

_FILES = (
    _mode("1.1.1", CONTROL_PLANE, f"{_MANIFEST} API server", "0600"),
    _owner("1.1.2", CONTROL_PLANE, f"{_MANIFEST} API server"),
    _mode("1.1.3", CONTROL_PLANE, f"{_MANIFEST} controller manager", "0600"),
    _owner("1.1.4", CONTROL_PLANE, f"{_MANIFEST} controller manager"),
    _mode("1.1.5", CONTROL_PLANE, f"{_MANIFEST} scheduler", "0600"),
    _owner("1.1.6", CONTROL_PLANE, f"{_MANIFEST} scheduler"),
    _mode("1.1.7", ETCD, "Manifest of etcd", "0600", _ETCD_FILE),
    _owner("1.1.8", ETCD, "Manifest of etcd", _ETCD_FILE),
    _mode("1.1.9", CONTROL_PLANE, "Configuration of pod networks (CNI)", "0600", _CNI, MANUAL),
    _owner("1.1.10", CONTROL_PLANE, "Configuration of pod networks (CNI)", _CNI, MANUAL),
    _mode("1.1.11", ETCD, "Data folder of etcd", "0700", _ETCD_DATA),
    Check(
        "1.1.12",
        "Data folder of etcd: owned by the user etcd",
        1,
        AUTOMATED,
        ETCD,
        f"{_ETCD_DATA} The host's user etcd must own it, by its number; by the benchmark's words its group as well."
        " kubeadm makes it root's.",
        "Make a system user and group etcd, and chown the folder to them. An etcd that runs as root works on.",
        FILE_MODE,
    ),
    _mode("1.1.13", CONTROL_PLANE, "Kubeconfigs of the administrator (admin.conf, super-admin.conf)", "0600"),
    _owner("1.1.14", CONTROL_PLANE, "Kubeconfigs of the administrator (admin.conf, super-admin.conf)"),
    _mode("1.1.15", CONTROL_PLANE, "Kubeconfig of the scheduler", "0600"),
    _owner("1.1.16", CONTROL_PLANE, "Kubeconfig of the scheduler"),
    _mode("1.1.17", CONTROL_PLANE, "Kubeconfig of the controller manager", "0600"),
    _owner("1.1.18", CONTROL_PLANE, "Kubeconfig of the controller manager"),
    _owner("1.1.19", CONTROL_PLANE, "Certificates and keys of the control plane", _PKI),
    _mode(
        "1.1.20", CONTROL_PLANE, "Certificates of the control plane", "0644", f"{_PKI} Files *.crt.", MANUAL
    ),
    _mode(
        "1.1.21", CONTROL_PLANE, "Private keys of the control plane", "0600", f"{_PKI} Files *.key.", MANUAL
    ),
)


def _api(
    check: str, title: str, method: str, remediation: str, level: int = 1, assessment: str = AUTOMATED,
    risk: str = RESTART,
) -> Check:  # fmt: skip
    return Check(check, title, level, assessment, API_SERVER, method, remediation, risk)


_FLAG = "The command line of the running API server"
_AUTHORIZATION = f"{_FLAG}, or the authorizers of its AuthorizationConfiguration when it has one."
_ADMISSION = (
    f"{_FLAG}: the admission plugins in force, those that are on by default included and those that are disabled"
    " left out."
)
_SERVED = f"{_FLAG}; the files are there."

_API_SERVER = (
    _api(
        "1.2.1",
        "Anonymous requests are refused, or reach nothing but named health paths",
        f"{_FLAG}, and the conditions in its AuthenticationConfiguration. In force passes what limits anonymous"
        " requests to paths; profiles before cis-2.1 ask, by their words, for none at all.",
        "Give the API server an AuthenticationConfiguration whose anonymous.conditions name /livez, /readyz and"
        " /healthz. Anonymous authentication off as a whole makes the probes of kubeadm's manifest fail.",
        assessment=MANUAL,
        risk=BREAKING,
    ),
    _api(
        "1.2.2",
        "No file of static tokens",
        f"{_FLAG}: --token-auth-file is not there.",
        "Take --token-auth-file away and give its users certificates, an OpenID provider or service accounts.",
        risk=BREAKING,
    ),
    _api(
        "1.2.3",
        "Services may not claim external addresses",
        f"{_ADMISSION} A validating policy that denies spec.externalIPs counts, too.",
        "Add DenyServiceExternalIPs to --enable-admission-plugins.",
        assessment=MANUAL,
        risk=BREAKING,
    ),
    _api(
        "1.2.4",
        "The API server has a client certificate for kubelets",
        f"{_FLAG}: --kubelet-client-certificate and --kubelet-client-key are set, and both files are there.",
        "Set both flags; kubeadm makes the files as apiserver-kubelet-client.",
    ),
    _api(
        "1.2.5",
        "The API server verifies the certificates of kubelets",
        f"{_FLAG}: --kubelet-certificate-authority names a file that holds a CA.",
        "First have every kubelet serve a certificate of the cluster's CA (4.2.9), then set the flag: before that,"
        " logs, exec and port-forward stop working.",
        risk=BREAKING,
    ),
    _api(
        "1.2.6",
        "Requests are not all allowed",
        f"{_AUTHORIZATION} AlwaysAllow is not among them.",
        "Take AlwaysAllow away and authorise with Node and RBAC.",
        risk=BREAKING,
    ),
    _api(
        "1.2.7",
        "The node authorizer is in use",
        f"{_AUTHORIZATION} Node is among them.",
        "Add Node to --authorization-mode, or an authorizer of type Node to the configuration.",
    ),
    _api(
        "1.2.8",
        "Requests are authorised by roles (RBAC)",
        f"{_AUTHORIZATION} RBAC is among them.",
        "Add RBAC to --authorization-mode, or an authorizer of type RBAC to the configuration.",
    ),
    _api(
        "1.2.9",
        "The rate of events is limited (EventRateLimit)",
        f"{_ADMISSION} The limits in the file of --admission-control-config-file are there.",
        "Add EventRateLimit to --enable-admission-plugins, and its limits to the admission configuration.",
        assessment=MANUAL,
    ),
    _api(
        "1.2.10",
        "The admission plugin AlwaysAdmit is off",
        _ADMISSION,
        "Take AlwaysAdmit out of --enable-admission-plugins.",
    ),
    _api(
        "1.2.11",
        "Images are pulled with the pod's own credentials each time (AlwaysPullImages)",
        _ADMISSION,
        "Add AlwaysPullImages to --enable-admission-plugins. Pods do not start then while the registry is away.",
        assessment=MANUAL,
        risk=BREAKING,
    ),
    _api(
        "1.2.12",
        "The admission plugin ServiceAccount is on",
        _ADMISSION,
        "Take ServiceAccount out of --disable-admission-plugins.",
        level=2,
    ),
    _api(
        "1.2.13",
        "The admission plugin NamespaceLifecycle is on",
        _ADMISSION,
        "Take NamespaceLifecycle out of --disable-admission-plugins.",
        level=2,
    ),
    _api(
        "1.2.14",
        "The admission plugin NodeRestriction is on",
        _ADMISSION,
        "Add NodeRestriction to --enable-admission-plugins.",
        level=2,
    ),
    _api(
        "1.2.15",
        "The API server shows no profiles of itself",
        f"{_FLAG}: --profiling=false; its default is true.",
        "Set --profiling=false.",
    ),
    _api(
        "1.2.16",
        "An audit log is written",
        f"{_FLAG}: --audit-log-path is set, and a policy with it, for without one nothing is logged. In force counts"
        " a webhook as well.",
        "Set --audit-log-path and --audit-policy-file, and mount both into the pod: without the mount the API server"
        " does not start.",
    ),
    _api(
        "1.2.17",
        "Audit logs are kept for 30 days at least",
        f"{_FLAG}: --audit-log-maxage. In force 0 keeps them for ever: the default before 1.36, later 366.",
        "Set --audit-log-maxage=30 or more.",
    ),
    _api(
        "1.2.18",
        "10 old audit logs are kept at least",
        f"{_FLAG}: --audit-log-maxbackup. In force 0 keeps all; it is the default before 1.36, later 100 are.",
        "Set --audit-log-maxbackup=10 or more.",
    ),
    _api(
        "1.2.19",
        "Audit logs are turned over at 100 MB, not before",
        f"{_FLAG}: --audit-log-maxsize. In force its default, 100, counts.",
        "Set --audit-log-maxsize=100 or more.",
    ),
    _api(
        "1.2.20",
        "Requests end after a sensible time",
        f"{_FLAG}: --request-timeout is from a second to some minutes; its default is 60 s.",
        "Take --request-timeout away, or set a time that your slowest request needs and no more.",
        assessment=MANUAL,
    ),
    _api(
        "1.2.21",
        "Tokens of deleted service accounts are refused",
        f"{_FLAG}: --service-account-lookup is not false.",
        "Take --service-account-lookup=false away.",
    ),
    _api(
        "1.2.22",
        "Tokens of service accounts are verified with a key of their own",
        f"{_FLAG}: --service-account-key-file is set, and the file is there.",
        "Set --service-account-key-file to the public key of the pair that signs tokens.",
    ),
    _api(
        "1.2.23",
        "The API server has a client certificate for etcd",
        f"{_SERVED} --etcd-certfile and --etcd-keyfile.",
        "Set both flags; kubeadm makes the files as apiserver-etcd-client.",
    ),
    _api(
        "1.2.24",
        "The API server serves a certificate that was made for it",
        f"{_SERVED} --tls-cert-file and --tls-private-key-file. Without them it makes a certificate that nobody"
        " can verify.",
        "Set both flags; kubeadm makes the files as apiserver.",
    ),
    _api(
        "1.2.25",
        "Client certificates are verified with a CA",
        f"{_SERVED} --client-ca-file.",
        "Set --client-ca-file to the cluster's CA.",
    ),
    _api(
        "1.2.26",
        "The certificate of etcd is verified",
        f"{_SERVED} --etcd-cafile.",
        "Set --etcd-cafile to the CA of etcd.",
    ),
    _api(
        "1.2.27",
        "Secrets are encrypted in etcd",
        f"{_FLAG}: --encryption-provider-config; in force, what that file does for Secrets counts.",
        "Put the same EncryptionConfiguration on all control planes, then set the flag on one after the other, then"
        " write all Secrets again. Keep a copy of the key: a backup of etcd is worth nothing without it.",
        assessment=MANUAL,
        risk=BREAKING,
    ),
    _api(
        "1.2.28",
        "Secrets are encrypted with a strong provider",
        "In the EncryptionConfiguration, the first provider of the first block that covers Secrets: aescbc, kms or"
        " secretbox; in force aesgcm is none, as its keys wear out.",
        "Put secretbox or kms (v2) first for Secrets, and write all Secrets again.",
        assessment=MANUAL,
        risk=BREAKING,
    ),
    _api(
        "1.2.29",
        "The API server offers strong ciphers only",
        f"{_FLAG}: --tls-cipher-suites and --tls-min-version. Without a list, in force count Go's own choice, which"
        " has no weak one, and TLS 1.3, where the list says nothing.",
        "Set --tls-cipher-suites to AEAD suites with ECDHE; one of TLS_ECDHE_*_AES_128_GCM_SHA256 must stay for"
        " HTTP/2.",
        assessment=MANUAL,
    ),
    _api(
        "1.2.30",
        "Tokens of service accounts last no longer than asked for",
        f"{_FLAG}: --service-account-extend-token-expiration=false; its default is true, which makes a year of an"
        " hour.",
        "Set the flag to false. Programs that never read their token again are refused after an hour.",
        risk=BREAKING,
    ),
)


def _flagged(
    check: str, component: str, title: str, method: str, remediation: str, level: int = 1,
    assessment: str = AUTOMATED, risk: str = RESTART,
) -> Check:  # fmt: skip
    return Check(check, title, level, assessment, component, method, remediation, risk)


_KCM = "The command line of the running controller manager"

_MANAGERS = (
    _flagged(
        "1.3.1",
        CONTROLLER_MANAGER,
        "Ended pods are removed at a number that somebody chose",
        f"{_KCM}: --terminated-pod-gc-threshold is set, and above 0; its default is 12500.",
        "Set the flag, for instance to 1000. The benchmark's example, 10, also removes what tells of failures.",
        assessment=MANUAL,
    ),
    _flagged(
        "1.3.2",
        CONTROLLER_MANAGER,
        "The controller manager shows no profiles of itself",
        f"{_KCM}: --profiling=false; its default is true.",
        "Set --profiling=false.",
    ),
    _flagged(
        "1.3.3",
        CONTROLLER_MANAGER,
        "Each controller has a service account of its own",
        f"{_KCM}: --use-service-account-credentials=true.",
        "Set the flag to true.",
    ),
    _flagged(
        "1.3.4",
        CONTROLLER_MANAGER,
        "Tokens of service accounts are signed with a key of their own",
        f"{_KCM}: --service-account-private-key-file is set, and the file is there.",
        "Set the flag to the private key whose public one the API server has (1.2.22).",
    ),
    _flagged(
        "1.3.5",
        CONTROLLER_MANAGER,
        "Pods are given the CA to verify the API server with",
        f"{_KCM}: --root-ca-file is set, and the file is there.",
        "Set --root-ca-file to the CA that signed the API server's certificate.",
    ),
    _flagged(
        "1.3.6",
        CONTROLLER_MANAGER,
        "Kubelets can renew their serving certificates",
        f"{_KCM}: the feature gate RotateKubeletServerCertificate is not off; it is on by default.",
        "Take RotateKubeletServerCertificate=false out of --feature-gates.",
    ),
    _flagged(
        "1.3.7",
        CONTROLLER_MANAGER,
        "The controller manager listens on the loopback address alone",
        f"{_KCM}: --bind-address is a loopback address, IPv6's as well. In force its default, all addresses, fails.",
        "Set --bind-address=127.0.0.1.",
    ),
    _flagged(
        "1.4.1",
        SCHEDULER,
        "The scheduler shows no profiles of itself",
        "The command line of the running scheduler; with --config, enableProfiling in that file, for the flag says"
        " nothing then.",
        "Set --profiling=false, or enableProfiling: false in its configuration.",
    ),
    _flagged(
        "1.4.2",
        SCHEDULER,
        "The scheduler listens on the loopback address alone",
        "The command line of the running scheduler: --bind-address is a loopback address, IPv6's as well. In force"
        " its default, all addresses, fails.",
        "Set --bind-address=127.0.0.1.",
    ),
)

_ETCD_SETTING = (
    "The running etcd: its configuration file, else its flags, else its variables, as etcd itself decides."
)

_ETCD = (
    _flagged(
        "2.1",
        ETCD,
        "etcd serves clients with a certificate",
        f"{_ETCD_SETTING} cert-file and key-file are set.",
        "Set both, and give clients https addresses.",
    ),
    _flagged(
        "2.2",
        ETCD,
        "etcd asks clients for a certificate",
        f"{_ETCD_SETTING} client-cert-auth is true.",
        "Set client-cert-auth to true, and trusted-ca-file with it.",
        risk=BREAKING,
    ),
    _flagged(
        "2.3",
        ETCD,
        "etcd makes no certificates for clients by itself",
        f"{_ETCD_SETTING} auto-tls is not true.",
        "Take auto-tls away; nobody can verify such a certificate.",
    ),
    _flagged(
        "2.4",
        ETCD,
        "etcd serves its peers with a certificate",
        f"{_ETCD_SETTING} peer-cert-file and peer-key-file are set.",
        "Set both on all members, one after the other.",
    ),
    _flagged(
        "2.5",
        ETCD,
        "etcd asks its peers for a certificate",
        f"{_ETCD_SETTING} peer-client-cert-auth is true.",
        "Set peer-client-cert-auth to true on all members, and peer-trusted-ca-file with it.",
        risk=BREAKING,
    ),
    _flagged(
        "2.6",
        ETCD,
        "etcd makes no certificates for peers by itself",
        f"{_ETCD_SETTING} peer-auto-tls is not true.",
        "Take peer-auto-tls away.",
    ),
    _flagged(
        "2.7",
        ETCD,
        "etcd trusts a CA of its own",
        f"{_ETCD_SETTING} The keys in trusted-ca-file are compared with those that the API server accepts from"
        " clients: in force they must differ.",
        "Sign the certificates of etcd with a CA of their own, as kubeadm does in pki/etcd.",
        level=2,
        assessment=MANUAL,
        risk=BREAKING,
    ),
)


def _policy(
    check: str, title: str, method: str, remediation: str, level: int = 1, component: str = CLUSTER,
    risk: str = NONE,
) -> Check:  # fmt: skip
    return Check(check, title, level, MANUAL, component, method, remediation, risk)


_CONFIGURATION = (
    _policy(
        "3.1.1",
        "People do not log in with client certificates",
        "Client certificates that were issued through the API, and those in files of the control plane. Who holds"
        " them only you know: what is found is named.",
        "Have people log in through an OpenID provider; keep admin.conf for emergencies.",
        level=1,
    ),
    _policy(
        "3.1.2",
        "People do not log in with tokens of service accounts",
        "Secrets of type service-account-token, with the time of their last use where the API knows it.",
        "Delete tokens that people use; programs in pods get theirs by projection.",
    ),
    _policy(
        "3.1.3",
        "People do not log in with bootstrap tokens",
        "Bootstrap tokens that have not expired: those with authentication and groups other than kubeadm's.",
        "Delete them: kubeadm token delete ID.",
    ),
    _policy(
        "3.2.1",
        "There is an audit policy",
        f"{_FLAG}: --audit-policy-file names a file that can be read and has rules.",
        "Write a policy, and set --audit-policy-file.",
        component=API_SERVER,
        risk=RESTART,
    ),
    _policy(
        "3.2.2",
        "The audit policy covers what matters",
        "The policy's rules are applied, in their order, to made-up requests: secrets, configmaps and tokenreviews"
        " (no more than metadata), pods, deployments, exec, attach, port-forward, proxy, certificate requests, tokens.",
        "Add rules for what is named; put those for secrets before wider ones, and at level Metadata.",
        level=2,
        component=API_SERVER,
        risk=RESTART,
    ),
)

_UNIT = (
    "The unit of the running kubelet and all its drop-ins, wherever systemd has them, or its OpenRC script."
)
_PROXY_FILE = (
    "The kubeconfig that the running kube-proxy uses, as it sees it; not applicable without a kube-proxy, or when it"
    " has none on the host."
)
_KUBELET_CA = "The file in clientCAFile of the kubelet's configuration in force."
_KUBELET_FILES = (
    "The file of the running kubelet's --config, and all drop-ins of --config-dir; kubeadm's default without the"
    " flag."
)
_KUBECONFIG = "The file of the running kubelet's --kubeconfig; kubeadm's default without the flag."

_NODE_FILES = (
    _mode("4.1.1", NODE, "Service file of the kubelet", "0600", _UNIT),
    _owner("4.1.2", NODE, "Service file of the kubelet", _UNIT),
    _mode("4.1.3", KUBE_PROXY, "Kubeconfig of kube-proxy", "0600", _PROXY_FILE, MANUAL),
    _owner("4.1.4", KUBE_PROXY, "Kubeconfig of kube-proxy", _PROXY_FILE, MANUAL),
    _mode("4.1.5", NODE, "Kubeconfig of the kubelet", "0600", _KUBECONFIG),
    _owner("4.1.6", NODE, "Kubeconfig of the kubelet", _KUBECONFIG),
    _mode("4.1.7", NODE, "CA of the kubelet's clients", "0644", _KUBELET_CA, MANUAL),
    _owner("4.1.8", NODE, "CA of the kubelet's clients", _KUBELET_CA, MANUAL),
    _mode("4.1.9", NODE, "Configuration of the kubelet", "0600", _KUBELET_FILES),
    _owner("4.1.10", NODE, "Configuration of the kubelet", _KUBELET_FILES),
)

_KUBELET_VALUE = (
    "The kubelet's configuration in force: what it answers on /configz, else its file, drop-ins and flags put"
    " together."
)


def _kubelet(
    check: str, title: str, field: str, remediation: str, level: int = 1, assessment: str = AUTOMATED,
    risk: str = RESTART,
) -> Check:  # fmt: skip
    return Check(check, title, level, assessment, KUBELET, f"{_KUBELET_VALUE} {field}", remediation, risk)


_KUBELETS = (
    _kubelet(
        "4.2.1",
        "The kubelet refuses anonymous requests",
        "authentication.anonymous.enabled is false.",
        "Set authentication.anonymous.enabled to false.",
    ),
    _kubelet(
        "4.2.2",
        "The kubelet asks the API server who may do what",
        "authorization.mode is not AlwaysAllow.",
        "Set authorization.mode to Webhook.",
    ),
    _kubelet(
        "4.2.3",
        "The kubelet verifies client certificates with a CA",
        "authentication.x509.clientCAFile is set.",
        "Set authentication.x509.clientCAFile to the cluster's CA.",
    ),
    _kubelet(
        "4.2.4",
        "The kubelet's port without authentication is closed",
        "readOnlyPort is 0.",
        "Set readOnlyPort to 0, and have what read from it use port 10250 with a token.",
        assessment=MANUAL,
    ),
    _kubelet(
        "4.2.5",
        "Idle streams end",
        "streamingConnectionIdleTimeout is not 0, however it is written.",
        "Set streamingConnectionIdleTimeout to 4h, its default, or less.",
        assessment=MANUAL,
    ),
    _kubelet(
        "4.2.6",
        "The kubelet makes its iptables chains",
        "makeIPTablesUtilChains is not false.",
        "Set makeIPTablesUtilChains to true.",
    ),
    Check(
        "4.2.7",
        "The node has the name of its host",
        1,
        MANUAL,
        KUBELET,
        "The command line of the running kubelet: no --hostname-override, or in force one that is the host's name.",
        "Join the node again under its host's name; kubeadm sets the flag when nodeRegistration.name differs.",
        BREAKING,
    ),
    _kubelet(
        "4.2.8",
        "The kubelet's events are not lost, and not without limit",
        "eventRecordQPS is enough for a busy node; in force 0, which is no limit at all, fails as well.",
        "Set eventRecordQPS to 50, its default, or what your nodes need.",
        level=2,
        assessment=MANUAL,
    ),
    _kubelet(
        "4.2.9",
        "The kubelet serves a certificate of the cluster's CA",
        "By the benchmark's words tlsCertFile and tlsPrivateKeyFile are set; in force counts who issued the"
        " certificate that port 10250 shows.",
        "Set serverTLSBootstrap, and approve the kubelet's requests, the later ones as well.",
        assessment=MANUAL,
        risk=BREAKING,
    ),
    _kubelet(
        "4.2.10",
        "The kubelet renews its client certificate",
        "rotateCertificates is true; kubeadm sets it.",
        "Set rotateCertificates to true.",
    ),
    _kubelet(
        "4.2.11",
        "The kubelet renews its serving certificate",
        "By the benchmark's words the feature gate RotateKubeletServerCertificate is not off; in force"
        " serverTLSBootstrap is on as well, without which nothing is renewed.",
        "Set serverTLSBootstrap, and leave the feature gate alone.",
        assessment=MANUAL,
        risk=BREAKING,
    ),
    _kubelet(
        "4.2.12",
        "The kubelet offers strong ciphers only",
        "tlsCipherSuites and tlsMinVersion. Without a list, in force count Go's own choice, which has no weak one,"
        " and TLS 1.3, where the list says nothing.",
        "Set tlsCipherSuites to AEAD suites with ECDHE.",
        assessment=MANUAL,
    ),
    _kubelet(
        "4.2.13",
        "Pods have a limit of processes",
        "podPidsLimit is above 0; by the benchmark's words it need only be set.",
        "Set podPidsLimit, for instance to 4096.",
        assessment=MANUAL,
    ),
    _kubelet(
        "4.2.14",
        "Pods run with the runtime's seccomp profile by default",
        "seccompDefault is true; by the benchmark's words it need only be set.",
        "Set seccompDefault to true. Programs that need unusual calls must then ask for another profile.",
        assessment=MANUAL,
        risk=BREAKING,
    ),
    Check(
        "4.3.1",
        "Metrics of kube-proxy are served on the loopback address alone",
        1,
        MANUAL,
        KUBE_PROXY,
        "metricsBindAddress in the configuration file of the running kube-proxy, as it sees it, or its flag; not"
        " applicable without a kube-proxy.",
        "Set metricsBindAddress to 127.0.0.1:10249 in the ConfigMap kube-proxy, and start its pods anew.",
        RESTART,
    ),
)

_GRANT = (
    "All roles and bindings of the API. Named is who may, through which binding and role; the cluster's own"
    " subjects that must be able to are known by name."
)
_PODS = (
    "What Pod Security admission, validating policies, Kyverno or Gatekeeper forbid in each namespace, and the pods"
    " that run there, all kinds of their containers."
)
_LABEL = "Enforce the Pod Security level {} in the namespace, and mend the workloads that are named."


def _grant(check: str, title: str, what: str, remediation: str = "") -> Check:
    return _policy(
        check,
        title,
        f"{_GRANT} {what}",
        remediation
        or "Take the permission out of the roles, or the subjects out of the bindings, that are named.",
    )


def _pods(check: str, title: str, what: str, standard: str, level: int = 1) -> Check:
    return _policy(check, title, f"{_PODS} {what}", _LABEL.format(standard), level)


_POLICIES = (
    _grant(
        "5.1.1",
        "cluster-admin is bound where it must be, and nowhere else",
        "Looked for are bindings to cluster-admin, in namespaces as well.",
        "Bind a role that has what the subject needs.",
    ),
    _grant("5.1.2", "Few may read Secrets", "Looked for are get, list and watch of secrets."),
    _grant(
        "5.1.3",
        "Roles name what they allow",
        "Looked for are * among groups, resources and verbs of roles that Kubernetes does not bring along.",
        "List the groups, resources and verbs that are needed.",
    ),
    _grant("5.1.4", "Few may create pods", "Looked for are create of pods and of what makes pods."),
    _policy(
        "5.1.5",
        "Default service accounts are not used",
        "In each namespace: the account default has no permissions of its own, mounts no token, and pods with it"
        " mount none.",
        "Set automountServiceAccountToken: false on the account default; give pods that talk to the API an account"
        " of their own.",
    ),
    _policy(
        "5.1.6",
        "Pods mount a token only where they need it",
        "Pods that mount the token of an account which nothing is bound to; the cluster's own are known.",
        "Set automountServiceAccountToken: false on the account or in the pod.",
    ),
    _policy(
        "5.1.7",
        "The group system:masters is not used",
        "Bindings to the group, certificate requests for it, and client certificates on control planes whose"
        " organisation it is; super-admin.conf is named.",
        "Give the certificate's holder a group with a role; keep super-admin.conf away from the hosts.",
    ),
    _grant(
        "5.1.8",
        "Few may raise their own permissions",
        "Looked for are bind and escalate of roles, and impersonate.",
    ),
    _grant("5.1.9", "Few may create persistent volumes", "Looked for is create of persistentvolumes."),
    _grant(
        "5.1.10",
        "Few may reach kubelets through the API",
        "Looked for is nodes/proxy.",
        "Grant nodes/metrics, nodes/stats, nodes/log or nodes/healthz instead, which kubelets tell apart.",
    ),
    _grant(
        "5.1.11",
        "Few may approve certificates",
        "Looked for are update of certificatesigningrequests/approval, and approve of signers.",
    ),
    _grant(
        "5.1.12",
        "Few may change admission",
        "Looked for are writing verbs on webhook configurations and on admission policies.",
    ),
    _grant(
        "5.1.13",
        "Few may make tokens of service accounts",
        "Looked for is create of serviceaccounts/token.",
    ),
    _policy(
        "5.2.1",
        "Something decides what pods may do",
        "Each namespace has a Pod Security label or default that enforces, or a policy of ValidatingAdmissionPolicy,"
        " Kyverno or Gatekeeper is about its pods.",
        "Set pod-security.kubernetes.io/enforce on the namespace, or a default in the admission configuration.",
    ),
    _pods("5.2.2", "No privileged containers", "securityContext.privileged.", "baseline"),
    _pods("5.2.3", "No pods in the host's process space", "hostPID.", "baseline"),
    _pods("5.2.4", "No pods in the host's IPC space", "hostIPC.", "baseline"),
    _pods("5.2.5", "No pods in the host's network", "hostNetwork.", "baseline"),
    _pods(
        "5.2.6",
        "Processes cannot gain privileges",
        "allowPrivilegeEscalation; unset allows it.",
        "restricted",
    ),
    _pods("5.2.7", "No containers of root", "runAsNonRoot, or runAsUser above 0.", "restricted", 2),
    _pods("5.2.8", "No containers with NET_RAW", "capabilities.drop has ALL or NET_RAW.", "restricted"),
    _pods(
        "5.2.9",
        "Containers drop all capabilities",
        "capabilities.drop has ALL; nothing but NET_BIND_SERVICE is added.",
        "restricted",
        2,
    ),
    _pods(
        "5.2.10",
        "No Windows containers with the host's rights",
        "windowsOptions.hostProcess; not applicable without Windows nodes.",
        "baseline",
    ),
    _pods("5.2.11", "No folders of the host in pods", "Volumes of type hostPath.", "baseline"),
    _pods("5.2.12", "No ports of the host for pods", "hostPort.", "baseline"),
    _policy(
        "5.3.1",
        "The pod network enforces network policies",
        "The network plugin is known by its DaemonSet; whether it enforces policies is known of each.",
        "Use a network plugin that does, such as Cilium or Calico.",
    ),
    _policy(
        "5.3.2",
        "Every namespace has network policies",
        "For each namespace: a policy that selects all pods and denies what no other allows.",
        "Add a policy that denies by default, then those that allow what is needed.",
        level=2,
    ),
    _policy(
        "5.4.1",
        "Secrets reach pods as files",
        "env and envFrom of all containers in templates of workloads.",
        "Mount the Secret as a volume: variables end up in dumps and in child processes.",
        level=2,
    ),
    _policy(
        "5.4.2",
        "A store outside the cluster for secrets was considered",
        "Signs of one: a KMS provider, the Secrets Store CSI driver, External Secrets or Vault's operator. Without,"
        " it is for you to decide.",
        "Weigh a store with its own audit and rotation; say in an attestation what was decided.",
        level=2,
    ),
    _policy(
        "5.5.1",
        "Only images whose origin is known run",
        "Signs of it: ImagePolicyWebhook, policies of Kyverno, Sigstore or Ratify that verify images. Without, it is"
        " for you to decide.",
        "Have a policy verify signatures of images; say in an attestation what was decided.",
        level=2,
    ),
    _policy(
        "5.6.1",
        "Namespaces separate what does not belong together",
        "Namespaces are listed with what they hold. Whether they follow your boundaries only you can tell.",
        "Give teams and applications namespaces of their own; say in an attestation who looked.",
    ),
    _policy(
        "5.6.2",
        "Pods run with the runtime's seccomp profile",
        "seccompProfile of pods and containers, and seccompDefault of the kubelets.",
        "Set seccompProfile.type: RuntimeDefault, or seccompDefault on all kubelets (4.2.14).",
        level=2,
    ),
    _policy(
        "5.6.3",
        "Pods and containers have a security context",
        "Workloads whose pods and containers set none of runAsNonRoot, allowPrivilegeEscalation, capabilities,"
        " seccompProfile and readOnlyRootFilesystem.",
        "Set a securityContext that gives the workload what it needs and no more.",
        level=2,
    ),
    _policy(
        "5.6.4",
        "The namespace default is empty",
        "Objects in it other than the Service kubernetes, the account default and the ConfigMap with the CA.",
        "Move workloads into namespaces of their own.",
        level=2,
    ),
)

#: All checks by id, in the benchmark's order.
CHECKS: t.Mapping[str, Check] = {
    check.id: check
    for check in sorted(
        (
            *_FILES,
            *_API_SERVER,
            *_MANAGERS,
            *_ETCD,
            *_CONFIGURATION,
            *_NODE_FILES,
            *_KUBELETS,
            *_POLICIES,
        ),
        key=lambda check: sort_key(check.id),
    )
}


def of_component(component: str) -> tuple[Check, ...]:
    """The checks that are about hosts with this component, or about the cluster.

    :param component: C(control_plane), C(etcd), C(node) or C(cluster).
    """
    return tuple(check for check in CHECKS.values() if check.host_component == component)
