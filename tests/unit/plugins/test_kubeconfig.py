# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Readers of kubeconfigs, against PyYAML and the kubernetes package: never more permissive, and never a crash."""

from __future__ import annotations

import base64
import copy
import time
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.baremetal.kubernetes.plugins.module_utils._formats import kubeconfig
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api import portable
from hypothesis import given
from hypothesis import strategies as st
from kubernetes import client as kubernetes_client
from kubernetes import config as kubernetes_config

from tests.unit.support import certificates
from tests.unit.support.certificates import encoded

AUTHORITY = certificates.authority()
ADMIN = certificates.issue("kubernetes-admin", issuer=AUTHORITY)
CONFIG: dict[str, t.Any] = {
    "apiVersion": "v1",
    "kind": "Config",
    "clusters": [
        {
            "name": "kubernetes",
            "cluster": {
                "server": "https://192.0.2.10:6443",
                "certificate-authority-data": encoded(AUTHORITY.pem),
            },
        }
    ],
    "users": [
        {
            "name": "admin",
            "user": {
                "client-certificate-data": encoded(ADMIN.pem),
                "client-key-data": encoded(ADMIN.key_pem),
            },
        }
    ],
    "contexts": [{"name": "admin@kubernetes", "context": {"cluster": "kubernetes", "user": "admin"}}],
    "current-context": "admin@kubernetes",
}
TEXT = yaml.safe_dump(CONFIG)
#: Fields of kubeconfigs that do more than a certificate does, by where they stand.
MORE: dict[str, dict[str, t.Any]] = {
    "user": {
        "exec": {"command": "/bin/sh", "apiVersion": "client.authentication.k8s.io/v1"},
        "auth-provider": {"name": "gcp", "config": {"cmd-path": "/bin/sh"}},
        "token": "abc",
        "tokenFile": "/etc/shadow",
        "client-key": "/root/.ssh/id_ed25519",
        "client-certificate": "/etc/hostname",
        "username": "root",
        "password": "secret",
        "as": "system:admin",
        "as-groups": ["system:masters"],
        "extensions": [{"name": "x", "extension": {}}],
    },
    "cluster": {
        "proxy-url": "http://192.0.2.66:3128",
        "insecure-skip-tls-verify": True,
        "certificate-authority": "/etc/shadow",
        "tls-server-name": "other",
        "disable-compression": True,
        "extensions": [{"name": "x", "extension": {}}],
    },
    "context": {"namespace": "kube-system", "extensions": []},
    "top": {"extensions": [], "preferences": {"colors": True}},
}


def place(config: dict[str, t.Any], kind: str) -> dict[str, t.Any]:
    return config if kind == "top" else config[f"{kind}s"][0][kind]


def read(config: object) -> portable.Portable:
    return portable.read(yaml.safe_dump(config).encode())


def refused(config: object) -> str:
    with pytest.raises(kubeconfig.KubeconfigError) as caught:
        read(config)
    text = str(caught.value)
    assert encoded(ADMIN.key_pem)[:60] not in text
    assert text.isprintable()
    return text


@pytest.mark.parametrize(("kind", "key"), [(kind, key) for kind, keys in MORE.items() for key in keys])
def test_fields_that_do_more_are_refused_by_name(kind: str, key: str) -> None:
    config = copy.deepcopy(CONFIG)
    place(config, kind)[key] = MORE[kind][key]
    assert key in refused(config)


@pytest.mark.parametrize(
    "change",
    [
        {"clusters": CONFIG["clusters"] * 2},
        {"users": [*CONFIG["users"], {"name": "other", "user": {"exec": {"command": "sh"}}}]},
        {"contexts": []},
        {"users": None},
        {"users": {"admin": {}}},
        {"clusters": [None]},
        {"kind": "List"},
        {"apiVersion": "v2"},
        {"current-context": "other"},
        {"current-context": ""},
        {"contexts": [{"name": "admin@kubernetes", "context": {"cluster": "kubernetes", "user": "other"}}]},
        {"users": [{"name": "a\x1b[2J", "user": CONFIG["users"][0]["user"]}]},
    ],
)
def test_exactly_one_cluster_user_and_context(change: dict[str, t.Any]) -> None:
    refused({**CONFIG, **change})


@pytest.mark.parametrize(
    "server",
    [
        "http://192.0.2.10:6443",
        "https://user:secret@192.0.2.10:6443",
        "https://192.0.2.10:6443/proxy/",
        "https://192.0.2.10:6443?x",
        "https://192.0.2.10:6443#x",
        "https://192.0.2.10:99999",
        "https://192.0.2.10:",
        "https://",
        "https://a b",
        "https://[fe80::1%eth0]:6443",
        "unix:///run/x",
        "https://{{ lookup('pipe', 'id') }}:6443",
        "",
        5,
        None,
        ["https://192.0.2.10:6443"],
    ],
)
def test_a_server_is_an_address(server: object) -> None:
    config = copy.deepcopy(CONFIG)
    config["clusters"][0]["cluster"]["server"] = server
    assert "server" in refused(config)


@pytest.mark.parametrize(
    "server", ["https://192.0.2.10:6443", "https://[2001:db8::1]:6443", "https://k8s.example.org"]
)
def test_addresses_of_servers(server: str) -> None:
    config = copy.deepcopy(CONFIG)
    config["clusters"][0]["cluster"]["server"] = server
    assert read(config).server == server


@pytest.mark.parametrize(
    ("key", "pem"),
    [
        ("client-key-data", ADMIN.key_pem.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY")),
        ("client-key-data", ADMIN.pem),
        ("client-key-data", ADMIN.key_pem * 2),
        ("client-key-data", ADMIN.key_pem.replace("-----\n", "-----\nProc-Type: 4,ENCRYPTED\n\n", 1)),
        ("client-certificate-data", ADMIN.pair),
        ("client-certificate-data", "remark\n" + ADMIN.pem),
        ("client-certificate-data", ADMIN.pem + "remark\n"),
        ("client-certificate-data", "/etc/shadow"),
        ("client-certificate-data", ""),
    ],
)
def test_certificates_and_keys_are_nothing_else(key: str, pem: str) -> None:
    config = copy.deepcopy(CONFIG)
    config["users"][0]["user"][key] = encoded(pem)
    assert key in refused(config)


def test_a_large_file_is_refused_before_it_is_read() -> None:
    began = time.monotonic()
    with pytest.raises(kubeconfig.KubeconfigError, match="bytes"):
        portable.read(b"[" * (portable.MAX_BYTES + 1))
    for hostile in (
        b"[" * portable.MAX_BYTES,
        b"- " * (portable.MAX_BYTES // 2),
        b"a:\n" * (portable.MAX_BYTES // 3),
    ):
        with pytest.raises(kubeconfig.KubeconfigError):
            portable.read(hostile)
    assert time.monotonic() - began < 5


# --- against the reference ------------------------------------------------------------------------------------------


def reference(text: bytes, directory: Path) -> kubernetes_client.Configuration:
    """What the kubernetes package makes of it."""
    path = directory / "config"
    path.write_bytes(text)
    configuration = kubernetes_client.Configuration()
    kubernetes_config.load_kube_config(
        config_file=str(path), client_configuration=configuration, persist_config=False
    )
    return configuration


def compare(data: bytes, directory: Path) -> None:
    """What is read is what the reference reads, and what is written has nothing else."""
    try:
        found = portable.read(data)
    except kubeconfig.KubeconfigError:
        return
    written = portable.render(found)
    assert portable.read(written) == found, "a second run changes nothing"
    loaded, original = yaml.safe_load(written), yaml.safe_load(data)
    for kind, keys in (
        ("cluster", {"server", "certificate-authority-data"}),
        ("user", {"client-certificate-data", "client-key-data"}),
        ("context", {"cluster", "user"}),
    ):
        assert set(place(loaded, kind)) == set(place(original, kind)) == keys
        assert loaded[f"{kind}s"][0]["name"] == original[f"{kind}s"][0]["name"]
    configuration = reference(written, directory)
    given = reference(data, directory)
    assert configuration.host == given.host.rstrip("/").lower() == found.server
    assert configuration.verify_ssl
    assert not configuration.api_key
    assert not configuration.proxy
    for name, pem in (("ssl_ca_cert", found.ca), ("cert_file", found.cert), ("key_file", found.key)):
        ours, theirs = (Path(getattr(one, name)).read_bytes() for one in (configuration, given))
        assert ours == pem
        assert b"".join(ours.split()) == b"".join(theirs.split())


PARTS = st.sampled_from(
    [
        *(
            "exec:",
            "command: /bin/sh",
            "tokenFile: /etc/shadow",
            "- name: other",
            "&a",
            "*a",
            "<<: *a",
            "!!binary",
            "---",
        ),
        *(
            "\n",
            "\n  ",
            "\n    ",
            "- ",
            ": ",
            "? ",
            "|",
            ">-",
            "#",
            "'",
            '"',
            "\\",
            "{",
            "}",
            "[",
            "]",
            ",",
            "\t",
            "\r",
        ),
        *(
            "\x85",
            "\u2028",
            "\u00a0",
            "\ufeff",
            "\x00",
            "!",
            "%",
            "@",
            "`",
            "~",
            "null",
            "0x10",
            "yes",
            "https://192.0.2.66",
        ),
    ]
)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A kubeconfig into which something was written, or from which something was taken."""
    text = TEXT
    for _count in range(draw(st.integers(1, 4))):
        lines = text.split("\n")
        at = draw(st.integers(0, len(lines) - 1))
        kind = draw(st.sampled_from(["insert", "replace", "delete", "repeat", "indent", "swap"]))
        if kind == "insert":
            lines.insert(at, " " * draw(st.integers(0, 8)) + "".join(draw(st.lists(PARTS, max_size=4))))
        elif kind == "replace":
            column = draw(st.integers(0, len(lines[at])))
            end = draw(st.integers(column, min(len(lines[at]), column + 4)))
            lines[at] = lines[at][:column] + "".join(draw(st.lists(PARTS, max_size=3))) + lines[at][end:]
        elif kind == "delete":
            del lines[at]
        elif kind == "repeat":
            lines.insert(at, lines[draw(st.integers(0, len(lines) - 1))])
        elif kind == "indent":
            lines[at] = " " * draw(st.integers(0, 8)) + lines[at].lstrip(" ")
        else:
            other = draw(st.integers(0, len(lines) - 1))
            lines[at], lines[other] = lines[other], lines[at]
        text = "\n".join(lines)
    return text.encode("utf-8", "surrogatepass")


@given(damaged())
def test_a_damaged_kubeconfig(tmp_path: Path, data: bytes) -> None:
    compare(data, tmp_path)


@given(st.binary(max_size=200))
def test_any_bytes(tmp_path: Path, data: bytes) -> None:
    compare(data, tmp_path)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=10)
    | st.sampled_from(["kubernetes", "admin", "https://a"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from([*CONFIG, "name", "user", "cluster"]), inner)
    ),
    max_leaves=6,
)


@given(
    st.lists(
        st.tuples(
            st.sampled_from([*MORE]),
            st.text(max_size=8) | st.sampled_from(["name", "user", "server"]),
            VALUES,
        )
    )
)
def test_any_structure(tmp_path: Path, changes: list[tuple[str, str, object]]) -> None:
    config = copy.deepcopy(CONFIG)
    for kind, key, value in changes:
        try:
            place(config, kind)[key] = value
        except (KeyError, TypeError, IndexError):
            continue
    compare(yaml.safe_dump(config, allow_unicode=True).encode("utf-8", "surrogatepass"), tmp_path)


@given(damaged())
def test_the_reader_of_hosts(data: bytes) -> None:
    """It ignores what it does not use, and takes nothing that PyYAML reads differently."""
    try:
        found = kubeconfig.parse(data.decode("utf-8"))
    except (kubeconfig.KubeconfigError, UnicodeDecodeError):
        return
    original = yaml.safe_load(data)
    (cluster,), users = original["clusters"], original.get("users") or [{}]
    user = users[0].get("user") or {}
    assert found.server == cluster["cluster"]["server"]
    for ours, key in ((found.client_cert, "client-certificate-data"), (found.client_key, "client-key-data")):
        theirs = user.get(key)
        assert ours == (base64.b64decode(theirs) if theirs else None)
