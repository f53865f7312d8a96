# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The YAML reader of hosts, beside a library that knows all of the language."""

from __future__ import annotations

import contextlib
import json
import time
import tracemalloc
from typing import Any

import pytest
import yaml as library
from ansible_collections.baremetal.kubernetes.plugins.module_utils._formats import yaml as reader

DOCUMENTS = {
    "kubeadm": """\
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
apiServer:
  extraArgs:            # a list of name and value
  - {name: profiling, value: "false"}
  - {name: audit-policy-file, value: /etc/kubernetes/cis/audit.yaml}
  - name: enable-admission-plugins
    value: NodeRestriction,EventRateLimit   # two
  extraVolumes:
  - {name: cis, hostPath: /etc/kubernetes/cis, mountPath: /etc/kubernetes/cis,
     readOnly: true,   # over two lines
     pathType: Directory}
  certSANs: [api.example.org, "192.0.2.10", 2001:db8::10]
controlPlaneEndpoint: "api.example.org:6443"
controllerManager: {}
dns: {}
etcd:
  external:
    endpoints: ["https://192.0.2.1:2379", https://192.0.2.2:2379]
networking:
  podSubnet: 10.244.0.0/16,fd00::/56
---
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
serverTLSBootstrap: true
podPidsLimit: 4096
memoryThrottlingFactor: 0.9
evictionHard: {memory.available: 100Mi, "nodefs.available": 10%}
tlsCipherSuites: [
  TLS_AES_128_GCM_SHA256,
  TLS_AES_256_GCM_SHA384,
]
""",
    "authentication": """\
# who may speak to the API server
apiVersion: apiserver.config.k8s.io/v1beta1
kind: AuthenticationConfiguration
anonymous:
  enabled: true
  conditions:
  - path: /livez
  - {path: /readyz}
  - path: '/healthz'
jwt:
- issuer:
    url: https://issuer.example.org:8443/realms/x
    audiences: [ kubernetes ]
    certificateAuthority: |
      -----BEGIN CERTIFICATE-----
      MIIB
      -----END CERTIFICATE-----
  claimMappings:
    username: {claim: "sub", prefix: 'oidc:'}
  claimValidationRules:
  - expression: 'claims.hd == "example.com"'
    message: >-
      the hosted domain
      must be example.com
""",
    "authorization": """\
apiVersion: apiserver.config.k8s.io/v1
kind: AuthorizationConfiguration
authorizers:
  - type: Node
    name: node
  - type: RBAC
    name: rbac
  - type: Webhook
    name: policy
    webhook:
      timeout: 3s
      subjectAccessReviewVersion: v1
      failurePolicy: Deny
      connectionInfo: {type: KubeConfigFile, kubeConfigFile: /kube-system-authz-webhook.yaml}
      matchConditions:
      # only requests for resources
      - expression: has(request.resourceAttributes)
      - expression: "!('system:serviceaccounts:kube-system' in request.groups)"
""",
    "encryption": """\
---
apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
  - resources:
      - secrets
      - configmaps
    providers:
      - secretbox:
          keys:
            - name: key1
              secret: YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXoxMjM0NTY=
      - identity: {} # data of before
  - resources: ['*.*']
    providers: [{kms: {apiVersion: v2, name: k, endpoint: unix:///run/kms.sock}}, {identity: {}}]
""",
    "audit": """\
apiVersion: audit.k8s.io/v1 # This is required.
kind: Policy
omitStages:
  - "RequestReceived"
rules:
  - level: None
    users: ["system:kube-proxy"]
    verbs: ["watch"]
    resources:
    - group: "" # core API group
      resources: ["endpoints", "services"]
  - level: None
    nonResourceURLs:
    - "/api*" # Wildcard matching.
    - "/version"
  - level: Request
    resources:
    - group: ""
      resources: ["configmaps"]
    namespaces: ["kube-system"]
  - {level: Metadata, resources: [{group: "", resources: ["secrets", "serviceaccounts/token"]}]}
  - level: Metadata
    omitStages: []
""",
    "admission, block": """\
apiVersion: apiserver.config.k8s.io/v1
kind: AdmissionConfiguration
plugins:
- name: PodSecurity
  configuration:
    apiVersion: pod-security.admission.config.k8s.io/v1
    kind: PodSecurityConfiguration
    defaults:
      enforce: "baseline"
      enforce-version: "latest"
    exemptions:
      usernames: []
      runtimeClasses: []
      namespaces: [kube-system]
- name: EventRateLimit
  path: eventconfig.yaml
""",
    "admission, flow": """\
{apiVersion: apiserver.config.k8s.io/v1, kind: AdmissionConfiguration,
 plugins: [
   {name: EventRateLimit, configuration: {apiVersion: eventratelimit.admission.k8s.io/v1alpha1,
     kind: Configuration, limits: [{type: Server, qps: 50, burst: 100}, # the server's
                                   {type: "Namespace", qps: 5, burst: 10, cacheSize: 2000}]}},
   {name: PodSecurity, path: "",},
 ]}
""",
    "scheduler": """\
apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
clientConnection:
  kubeconfig: /etc/kubernetes/scheduler.conf
enableProfiling: false
leaderElection: { leaderElect: yes }
profiles:
  - schedulerName: default-scheduler
    plugins:
      score:
        disabled:
        - name: "*"
    pluginConfig:
      - name: NodeResourcesFit
        args:
          scoringStrategy:
            resources: [{name: cpu, weight: 1}, {name: memory, weight: 1}]
            type: LeastAllocated
""",
    "kubeconfig": """\
apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: LS0tLS1CRUdJTg==
    server: https://192.0.2.10:6443
  name: kubernetes
contexts:
- context: {cluster: kubernetes, user: system:node:one}
  name: system:node:one@kubernetes
current-context: system:node:one@kubernetes
kind: Config
preferences: {}
users:
- name: system:node:one
  user:
    client-certificate: /var/lib/kubelet/pki/kubelet-client-current.pem
""",
    "etcd": """\
name: "etcd-1"
data-dir: /var/lib/etcd
quota-backend-bytes: 8589934592
client-transport-security:
  cert-file: /etc/etcd/server.crt
  client-cert-auth: true
auto-compaction-retention: "8"
log-outputs: [stderr]
""",
    "json": """\
{
\t"apiVersion": "apiserver.config.k8s.io/v1",
\t"kind": "AuthenticationConfiguration",
\t"anonymous": {"enabled": false, "conditions": null, "list": [1, -2, 0.5, "a: b", "it\\u00e4s # no"]}
}
""",
    "as it was": """\
a:
- one
- two: 2
  three: '3'
-  - nested
-
  - deeper
- - - deepest
-
b:
  c: "quoted \\u00e4: x"
c: 0123x
d: 'it''s'{blanks}
  # a comment that is deeper

e: -1
f: {}
g: []
"h:i": ~
j: https://x:1/y#z
k: NULL
l: "a # b" # c
'm': TRUE
command:
- kube-apiserver
- --a=b:c
- --flag
""".replace("{blanks}", "   "),
    "block scalars": """\
a: |
  first

  second
    deeper
b: |-
  end

c: |+
  kept

d: >
  folded
  line

  other

    deeper

  back
e: >-
  one
  two
f: |2
   one blank before
g:
- |
  in a list
- >+
  and folded

- end
h: | # with a comment
  # none
i: |
k: ""
""",
    "text": "just text\n",
    "nothing": "# nothing\n",
    "empty": "",
    "marks": "--- {a: 1}\n--- [b,\n  c]\n--- d\n",
    "streams": "# before\n---\na: 1\n---  # second\n- b\n...\n---\n\n---\nc\n",
    "windows": "a: 1\r\nb:\r\n- c\r\n",
    "mark": "\ufeffa: 1\n",
}


@pytest.mark.parametrize("text", DOCUMENTS.values(), ids=DOCUMENTS.keys())
def test_documents_are_read_as_a_library_does(text: str) -> None:
    expected = [value for value in library.safe_load_all(text.replace("\t", " ")) if value is not None]
    assert reader.load_all(text) == expected


class _Dumper(library.SafeDumper):
    """Writes every text in one line."""


def _in_one_line(dumper: library.SafeDumper, text: str) -> library.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, '"' if "\n" in text else None)


_Dumper.add_representer(str, _in_one_line)


@pytest.mark.parametrize("text", DOCUMENTS.values(), ids=DOCUMENTS.keys())
@pytest.mark.parametrize("flow", [True, False])
def test_what_a_library_writes_is_read_back(text: str, flow: bool) -> None:
    values = [value for value in library.safe_load_all(text.replace("\t", " ")) if value is not None]
    written = library.dump_all(values, Dumper=_Dumper, default_flow_style=flow, width=10_000)
    assert reader.load_all(written) == values
    assert [reader.load(json.dumps(value, indent="\t")) for value in values] == values


REFUSED = {
    "an anchor": ("a: 1\nb: &x 1\n", 2),
    "an alias": ("a: *x\n", 1),
    "a tag": ("a:\n- !!str 1\n", 2),
    "a merge key": ("a:\n  <<: b\n", 2),
    "a merge key in braces": ("a: {<<: b}\n", 1),
    "a key of several lines": ("? a\n: b\n", 1),
    "a tab as indentation": ("a:\n\t- b\n", 2),
    "a tab in a value": ("a: b\tc\n", 1),
    "a key twice": ("a: 1\nb: 2\na: 2\n", 3),
    "a key twice in braces": ("{a: 1,\n a: 2}\n", 2),
    "a key twice in JSON": ('{"a": 1,\n"b": {"c": 1, "c": 2}}\n', 2),
    "a value over lines": ("a: b\n   c\n", 2),
    "a quoted value over lines": ('a: "b\n  c"\n', 1),
    "a value over lines in braces": ("{a: b\n c}\n", 2),
    "a list behind a mapping": ("a: b\n- c\n", 2),
    "a mapping behind a list": ("- c\na: b\n", 2),
    "a colon in a value": ("a: b: c\n", 1),
    "a value behind a quote": ('a: "b" c\n', 1),
    "a comment that touches": ('a: "b"#c\n', 1),
    "a value behind a bracket": ("a: [b] c\n", 1),
    "a tab before a comment": ("a: b\t# c\n", 1),
    "a blank line with a tab": ("a: 1\n\t\nb: 2\n", 2),
    "a block scalar that begins with a tab": ("a: |\n  \tb\n", 2),
    "a block scalar that begins deeper": ("a: |\n    \n  b\n", 3),
    "a mapping beside a mark": ("--- a: b\n", 1),
    "a list beside a mark": ("--- - a\n", 1),
    "a document behind an end": ("a: 1\n...\nb: 1\n", 3),
    "an end at the beginning": ("...\na: 1\n", 1),
    "a document behind an empty one": ("---\n---\na: 1\n", 2),
    "a colon that touches": ("{a:, b: 1}\n", 1),
    "a value that begins with a colon": ("[:a]\n", 1),
    "a question in brackets": ("[a?b]\n", 1),
    "a long key": ("a" * 1030 + ": b\n", 1),
    "a long key in braces": ("{" + "a" * 1030 + ": b}\n", 1),
    "an open bracket": ("x: z\na: [b,\n  c\nd: e\n", 4),
    "an open brace at the end": ("a: {b: 1,\n", 1),
    "a document in brackets": ("a: [b,\n---\nc]\n", 1),
    "the wrong bracket": ("a: [b}\n", 1),
    "a pair in a list": ("a: [b: c]\n", 1),
    "a key alone in braces": ("a: {b}\n", 1),
    "two commas": ("a: [b,,c]\n", 1),
    "a mapping as a key": ("{a: b}: c\n", 1),
    "less indentation": ("a:\n    b: 1\n  c: 2\n", 3),
    "more indentation": ("a: 1\n  b: 2\n", 2),
    "a directive": ("%YAML 1.2\n---\na: 1\n", 1),
    "a block scalar behind a mark": ("--- |\n  a\n", 1),
    "a word that programs read differently": ("a: y\n", 1),
    "an escape beyond JSON": ('a: "\\N"\n', 1),
    "a dash in a value": ("a: - b\n", 1),
    "no number": ("a: .nan\n", 1),
    "no number in JSON": ("[1, NaN: 2]", 1),
    "no bottom": ("[" * 5000, 1),
    "no bottom in blocks": ("- " * 5000 + "a\n", 1),
}


@pytest.mark.parametrize(("text", "line"), REFUSED.values(), ids=REFUSED.keys())
def test_what_it_does_not_know_is_refused_with_the_line(text: str, line: int) -> None:
    with pytest.raises(reader.YamlError, match=f"^line {line}: "):
        reader.load(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0x0", 0),
        ("0x32", 50),
        ("0x1000", 4096),
        ("-0x1f", -31),
        ("0x_1_f", 31),
        ("0123", 83),
        ("00", 0),
        ("0b101", 5),
        ("1_000", 1000),
        ("+7", 7),
        ("-0", 0),
        ("18446744073709551615", 2**64 - 1),
        ("1.50", 1.5),
        ("10.96.0.0/12", "10.96.0.0/12"),
        ("2001:db8::10", "2001:db8::10"),
        ("4h0m0s", "4h0m0s"),
        ("1.36.4", "1.36.4"),
        ("_1", "_1"),
        ("2026-01-01", "2026-01-01"),
        ("\u0661\u0662", "\u0661\u0662"),
        ("\u00a0x\u00a0", "\u00a0x\u00a0"),
        ("x\u00a0# y", "x\u00a0# y"),
        ("off", False),
        ("Yes", True),
    ],
)
def test_plain_scalars_are_resolved_as_in_kubernetes(text: str, value: Any) -> None:
    read = [reader.load(f"a: {text}\n")["a"], reader.load(f"b: [{text}]")["b"][0]]
    assert read == [value, value]
    assert {type(one) for one in read} == {type(value)}


@pytest.mark.parametrize(
    "text",
    [
        *("0o17", "0O17", "0X1f", "0x", "0b", "0b_", "08", "0B1", "-_1", "+_1_0"),
        *(
            "1e3",
            "1.5e+3",
            ".5",
            "-.5",
            "1.",
            "00.5",
            "1_0.5",
            "1" * 5000,
            "18446744073709551616",
            "9" * 400 + ".5",
        ),
        *("12:30:45", "1:30", "-1:30", "1:30.5", ".inf", "-.INF", "+.Inf", ".NaN", "y", "N", "=", "<<"),
    ],
)
def test_scalars_that_programs_read_differently_are_refused(text: str) -> None:
    for whole in (f"a: {text}\n", f"[a, {text}]", f"- {text}\n", f"{text}: a\n"):
        with pytest.raises(reader.YamlError):
            reader.load(whole)


@pytest.mark.parametrize("key", ["yes", "True", "null", "~", "0x1", "01", "+1", "1_0", "1.5"])
def test_keys_that_kubernetes_writes_otherwise_are_refused(key: str) -> None:
    for whole in (f"{key}: a\n", f"{{{key}: a}}", f"- {key}: a\n"):
        with pytest.raises(reader.YamlError):
            reader.load(whole)
    assert reader.load(f"'{key}': a\n") == {key: "a"}


@pytest.mark.parametrize(
    "mark", ["\r", "\x85", "\u2028", "\u2029", "\x0b", "\x0c", "\x1c", "\x00", "\ufeff", "\ufffe"]
)
def test_other_line_breaks_and_control_characters_are_refused(mark: str) -> None:
    for text in (f"a: 1 # c{mark}b: 2\n", f'a: "x{mark}y"\n', f"a: |\n  x{mark}y\n", f'{{"a": "x{mark}y"}}'):
        with pytest.raises(reader.YamlError, match="beyond this reader"):
            reader.load("# first\n" + text)


def test_a_rule_behind_a_line_separator_is_not_overlooked() -> None:
    text = "rules:\n- level: Metadata # \u2028- level: None\n"
    assert len(library.safe_load(text)["rules"]) == 2
    with pytest.raises(reader.YamlError, match=r"line 2: .* U\+2028"):
        reader.load(text)


def test_half_a_pair_is_refused() -> None:
    for text in ('a: "\\ud83d\\ude00"\n', 'a: "\\ud800"\n', '{"a": "\\ud800"}'):
        with pytest.raises(reader.YamlError):
            reader.load(text)
    assert reader.load('{"a": "\\ud83d\\ude00"}') == {"a": "\U0001f600"}


def test_json_has_bounds() -> None:
    for text in ("[1e999]", "[" + "1" * 101 + "]", "[-9223372036854775809]", "[" * 70 + "]" * 70):
        with pytest.raises(reader.YamlError):
            reader.load(text)
    assert reader.load('{"a": 1e3}') == {"a": 1000.0}


def test_text_without_a_last_line_break() -> None:
    assert reader.load("a: |\n  b") == {"a": "b"}
    assert reader.load("a: >+\n  b") == {"a": "b"}
    assert reader.load_all("a: |\n  b\n---\nc") == [{"a": "b\n"}, "c"]


def test_escapes() -> None:
    assert reader.load(r'a: "\x41\\x41\\\x41\u00e4\n\""') == {"a": 'A\\x41\\A\u00e4\n"'}


def test_keys_are_texts() -> None:
    assert reader.load("1: a\ntrue: b\n'': c\n") == {"1": "a", "true": "b", "": "c"}
    assert reader.load("{1: a, true: b}") == {"1": "a", "true": "b"}


def test_a_second_document_is_refused_where_one_is_wanted() -> None:
    with pytest.raises(reader.YamlError, match="line 2: a second document"):
        reader.load("a: 1\n---\nb: 1\n")


def test_streams_are_split() -> None:
    assert reader.split("---\na: 1\n---\nb: 2\n") == ["a: 1\n", "b: 2\n"]


LARGE = {
    "brackets": "[" * 1_000_000,
    "dashes": "- " * 1_000_000,
    "blanks in brackets": "[a" + " " * 1_000_000 + "b]",
    "backslashes": '"' + "\\" * 1_000_000,
    "quotes": "'" * 1_000_000,
    "comments": "a: b" + " #" * 500_000,
    "marks": "---\n" * 250_000,
    "empty lines": "a: >\n" + "  b\n\n" * 200_000,
    "digits": "a: " + "1" * 1_000_000,
    "digits in JSON": "[" + "1" * 1_000_000 + "]",
    "a key": "a" + " " * 1_000_000 + ": b",
}


@pytest.mark.parametrize("text", LARGE.values(), ids=LARGE.keys())
def test_time_and_memory_are_bounded(text: str) -> None:
    tracemalloc.start()
    begin = time.process_time()
    with contextlib.suppress(reader.YamlError):
        reader.load_all(text)
    spent, (_now, most) = time.process_time() - begin, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert spent < 10
    assert most < 200 * len(text)


def test_a_large_file_takes_no_time() -> None:
    text = "rules:\n" + "".join(
        f"- level: None # {number}\n  users: [u{number}, 'v']\n  verbs:\n  - get\n" for number in range(5000)
    )
    begin = time.process_time()
    assert len(reader.load(text)["rules"]) == 5000
    assert len(reader.load("a: [" + "b c  d, " * 50_000 + "]")["a"]) == 50_000
    assert time.process_time() - begin < 5
