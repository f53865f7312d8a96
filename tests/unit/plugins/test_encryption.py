# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Encryption at rest: plans as tables, and the modules while an API server still has its old configuration."""

from __future__ import annotations

import base64
import json
import re
import typing as t
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml
from ansible_collections.baremetal.kubernetes.plugins.module_utils._encryption import plan, reload
from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.client import Client
from ansible_collections.baremetal.kubernetes.plugins.modules import encryption_config, reencrypt_resources
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.support.modules import RunModule

SECRET = base64.b64encode(bytes(range(32))).decode()
KEY = plan.Key("key-1", SECRET)
CONFIG = plan.Config(("secrets",), (KEY,))
OTHER = plan.Config(("secrets",), (plan.Key("key-1", base64.b64encode(bytes(32)).decode()),))


@pytest.mark.parametrize("writes", [plan.SECRETBOX, plan.IDENTITY])
@pytest.mark.parametrize("keys", [(KEY,), (plan.Key("key: 2", SECRET), KEY)], ids=["one", "two"])
def test_parse_reads_what_render_writes(writes: str, keys: tuple[plan.Key, ...]) -> None:
    config = plan.Config(("secrets", "configmaps"), keys, writes)
    text = plan.render(config)
    assert plan.parse(text, "file") == config
    document = yaml.safe_load(text)
    assert document["kind"] == "EncryptionConfiguration"
    assert next(iter(document["resources"][0]["providers"][0])) == writes


@pytest.mark.parametrize(
    "text",
    [
        "",
        "kind: [",
        "kind: Other\nresources: []\n",
        "kind: EncryptionConfiguration\nresources:\n- resources: [secrets]\n  providers:\n  - kms: {name: a}\n",
        plan.render(CONFIG).replace("EncryptionConfiguration", "Else"),
        plan.render(CONFIG) + "  - resources:\n    - configmaps\n    providers:\n    - identity: {}\n",
    ],
)
def test_a_foreign_configuration_is_refused_without_showing_its_keys(text: str) -> None:
    with pytest.raises(OperatorError, match="did not make") as caught:
        plan.parse(text, "cp1: /file")
    assert SECRET not in str(caught.value)
    assert "cluster_encryption_at_rest" in str(caught.value)


@pytest.mark.parametrize(
    ("found", "given", "new", "expected"),
    [
        (None, None, None, None),
        (None, None, KEY, CONFIG),
        (CONFIG, None, KEY, CONFIG),
        (None, CONFIG, KEY, CONFIG),
        (CONFIG, CONFIG, None, CONFIG),
    ],
    ids=["nothing", "first", "there", "given", "same"],
)
def test_plan(
    found: plan.Config | None, given: plan.Config | None, new: plan.Key | None, expected: plan.Config | None
) -> None:
    assert plan.desired(found, given, ("secrets",), plan.SECRETBOX, new, "cp1") == expected


def test_two_keys_in_one_cluster_are_refused() -> None:
    with pytest.raises(OperatorError, match="other keys") as caught:
        plan.desired(CONFIG, OTHER, ("secrets",), plan.SECRETBOX, None, "cp2")
    assert SECRET not in str(caught.value)


def test_neither_repr_nor_difference_shows_a_key() -> None:
    assert SECRET not in repr(CONFIG)
    assert SECRET not in "".join(plan.difference(None, CONFIG))


ENCRYPTED = b"k8s:enc:secretbox:v1:key-1:abc"
PLAIN = b"k8s\x00\n"


class Module:
    """What a module needs of Ansible."""

    def __init__(self, check_mode: bool = False, **params: t.Any) -> None:
        self.params = params
        self.check_mode = check_mode
        self._diff = True


def config(path: Path, check_mode: bool = False, **changes: t.Any) -> dict[str, t.Any]:
    params = {name: spec.get("default") for name, spec in encryption_config.ARGUMENT_SPEC.items()}
    module = Module(check_mode, **{**params, "path": str(path), **changes})
    return encryption_config.run(t.cast(t.Any, module))


def test_a_key_is_created_once_copied_and_used(tmp_path: Path) -> None:
    first, second = tmp_path / "cp1" / "encryption" / "config.yaml", tmp_path / "cp2" / "config.yaml"
    assert config(first) == {
        "changed": False,
        "exists": False,
        "digest": None,
        "writes": None,
        "key_names": [],
    }
    foreseen = config(first, check_mode=True, generate=True, writes="identity")
    assert foreseen["changed"]
    assert not first.exists()
    made = config(first, generate=True, writes="identity")
    assert made["changed"]
    assert made["writes"] == "identity"
    assert first.stat().st_mode & 0o777 == 0o600
    assert first.parent.stat().st_mode & 0o777 == 0o700
    assert not config(first, generate=True)["changed"]
    revealed = config(first, reveal=True)
    assert not revealed["changed"]
    placed = config(second, content=revealed["content"])
    assert (placed["changed"], placed["digest"]) == (True, made["digest"])
    for path in (first, second):
        assert config(path, writes="secretbox")["changed"]
        assert not config(path)["changed"]
        assert config(path)["writes"] == "secretbox"
    assert first.read_text() == second.read_text()
    secret = plan.parse(first.read_text(), "").keys[0].secret
    assert len(base64.b64decode(secret)) == 32
    for result in (made, placed):
        assert secret not in json.dumps(result)


def test_two_operators_at_once_get_one_key(tmp_path: Path, run_module: RunModule) -> None:
    """Each looked, found no key, and wrote one of its own: what one had copied already, nobody could read."""
    path = tmp_path / "encryption" / "config.yaml"
    arguments = {"path": str(path), "generate": True, "reveal": True}
    with ThreadPoolExecutor(6) as pool:
        runs = [pool.submit(run_module, "encryption_config", arguments) for _number in range(6)]
        results = [run.result() for run in runs]
    assert len({result["content"] for result in results}) == 1
    assert sum(result["changed"] for result in results) == 1
    assert [item.name for item in path.parent.iterdir()] == ["config.yaml"]


def test_a_run_that_takes_too_long_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encryption_config, "LOCK_SECONDS", 0)
    path = tmp_path / "config.yaml"
    with encryption_config.exclusive(str(path)):
        with pytest.raises(OperatorError, match="another run works on"):
            config(path, generate=True)
        assert not config(path)["exists"]
        assert config(path, check_mode=True, generate=True)["changed"]
    assert config(path, generate=True)["changed"]


def test_keys_have_names_of_their_own() -> None:
    """Under one name, the API server takes the first key and fails for data of the other."""
    names = {
        plan.named_key(base64.b64encode(bytes([number] * 32)).decode(), "20261128").name for number in (1, 2)
    }
    assert len(names) == 2
    assert all(re.fullmatch(r"key-20261128-[0-9a-f]{8}", name) for name in names)


def test_a_file_that_others_may_read_is_corrected(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    config(path, generate=True)
    path.chmod(0o644)
    assert config(path)["changed"]
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_file_of_the_site_stays(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("kind: EncryptionConfiguration\nresources: []\n")
    with pytest.raises(OperatorError, match="did not make"):
        config(path, generate=True)
    assert path.read_text().endswith("resources: []\n")


class Store(Client):
    """etcd and an API server that encrypts what is written, once it has read its configuration.

    :param reloads: number of writes after which it has. :param stored: by key. :param conflicts: 409s to come.
    :param writes: what is stored then.
    """

    def __init__(
        self, stored: dict[str, bytes], reloads: int = 0, conflicts: int = 0, writes: bytes = b""
    ) -> None:
        self.server = "https://127.0.0.1:6443"
        self._host = "cp1"
        self.stored = stored
        self.reloads = reloads
        self.writes = writes or ENCRYPTED
        self.conflicts = conflicts
        self.written: list[str] = []

    def values(self, prefix: str) -> t.Iterator[tuple[str, bytes]]:
        yield from ((name, value) for name, value in sorted(self.stored.items()) if name.startswith(prefix))

    def request(
        self, path: str, method: str = "GET", body: t.Any = None, accept: str = "", media: str = ""
    ) -> tuple[int, str]:
        _, _, _, _, namespace, resource, name = path.split("/")
        key = f"/registry/{resource}/{namespace}/{name}"
        if key not in self.stored:
            return 404, "{}"
        if method == "GET":
            return 200, json.dumps({"metadata": {"name": name}})
        assert body == {"metadata": {"name": name}}
        if self.conflicts:
            self.conflicts -= 1
            return 409, "{}"
        self.written.append(key)
        if len(self.written) > self.reloads:
            self.stored[key] = self.writes
        return 200, "{}"


def stored(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    store: Store,
    check_mode: bool = False,
    timeout: int = 30,
    file: plan.Config | None = CONFIG,
    writes: str = plan.SECRETBOX,
) -> dict[str, t.Any]:
    path = tmp_path / "config.yaml"
    path.unlink(missing_ok=True)
    if file:
        path.write_text(plan.render(file))
    monkeypatch.setattr(reencrypt_resources, "Etcd", lambda: store)
    monkeypatch.setattr(reencrypt_resources, "Api", lambda: store)
    monkeypatch.setattr(reencrypt_resources, "_POLL_SECONDS", 0.01)
    module = Module(check_mode, path=str(path), resources=["secrets"], writes=writes, timeout=timeout)
    return reencrypt_resources.run(t.cast(t.Any, module))


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ({}, 0),
        ({"/registry/secrets/a/b": ENCRYPTED}, 0),
        ({"/registry/secrets/a/b": ENCRYPTED, "/registry/secrets/a/c": PLAIN}, 1),
        ({"/registry/secrets/a/b": b"k8s:enc:secretbox:v1:key-0:abc"}, 1),
        ({"/registry/configmaps/a/b": PLAIN}, 0),
    ],
    ids=["empty", "done", "plain", "old key", "not asked for"],
)
def test_stale_objects_are_written_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, before: dict[str, bytes], expected: int
) -> None:
    store = Store(dict(before))
    assert stored(monkeypatch, tmp_path, store, check_mode=True)["rewritten"] == expected
    assert not store.written
    result = stored(monkeypatch, tmp_path, store)
    assert (result["changed"], result["rewritten"]) == (expected > 0, expected)
    assert not stored(monkeypatch, tmp_path, store)["changed"]


def test_waits_for_an_api_server_that_has_not_read_the_key_yet(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    store = Store({"/registry/secrets/a/b": PLAIN}, reloads=3, conflicts=2)
    assert stored(monkeypatch, tmp_path, store)["rewritten"] == 1
    assert len(store.written) == 4


def test_times_out_for_an_api_server_that_never_reads_the_key(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    store = Store({"/registry/secrets/a/b": PLAIN}, reloads=10**6)
    with pytest.raises(OperatorError, match=r"still not encrypted with key-1.*secrets/a/b"):
        stored(monkeypatch, tmp_path, store, timeout=0)


LEFT = plan.Config(("secrets",), (KEY,), plan.IDENTITY)


@pytest.mark.parametrize(
    ("file", "writes", "says"),
    [
        (LEFT, plan.SECRETBOX, "says to store as it is.*at_rest: true"),
        (CONFIG, plan.IDENTITY, "says to encrypt.*at_rest: false"),
        (None, plan.SECRETBOX, "cannot be read"),
        (None, plan.IDENTITY, "cannot be read"),
    ],
    ids=["left", "encrypts", "no file", "no file to leave"],
)
def test_nothing_is_written_while_the_file_has_another_provider(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, file: plan.Config | None, writes: str, says: str
) -> None:
    store = Store({"/registry/secrets/a/b": PLAIN, "/registry/secrets/a/c": ENCRYPTED})
    with pytest.raises(OperatorError, match=says) as caught:
        stored(monkeypatch, tmp_path, store, file=file, writes=writes)
    assert SECRET not in str(caught.value)
    # With a key that is still to be made, everything is to be written again.
    expected = 2 if file is None and writes == plan.SECRETBOX else 1
    foreseen = stored(monkeypatch, tmp_path, store, check_mode=True, file=file, writes=writes)
    assert (foreseen["changed"], foreseen["rewritten"]) == (True, expected)
    assert not store.written


def test_encrypted_objects_are_decrypted_before_encryption_is_disabled(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = {
        "/registry/secrets/a/b": ENCRYPTED,
        "/registry/secrets/a/c": PLAIN,
        "/registry/secrets/a/d": b"k8s:enc:aescbc:v1:older:abc",
    }
    store = Store(dict(before), reloads=1, writes=PLAIN)
    left = {"file": LEFT, "writes": plan.IDENTITY}
    result = stored(monkeypatch, tmp_path, store, **left)
    assert (result["rewritten"], result["stored"], result["key"]) == (2, 3, None)
    assert set(store.stored.values()) == {PLAIN}
    assert not stored(monkeypatch, tmp_path, store, **left)["changed"]
    never = Store(dict(before), reloads=10**6)
    with pytest.raises(OperatorError, match=r"still encrypted, 0 s"):
        stored(monkeypatch, tmp_path, never, timeout=0, **left)


METRICS = '# HELP x\napiserver_encryption_config_controller_last_config_info{{apiserver_id_hash="a",hash="{}"}} {}\n'


@pytest.mark.parametrize(
    ("metrics", "expected"),
    [
        ("other 1\n", None),
        (METRICS.format("sha256:abc", 1), True),
        (METRICS.format("sha256:abc", 0), False),
        (METRICS.format("sha256:abd", 1), False),
    ],
)
def test_whether_the_api_server_has_read_the_file(metrics: str, expected: bool | None) -> None:
    assert reload.loaded(metrics, "abc") is expected


def test_a_new_key_is_the_newest_also_when_the_clock_was_set_back() -> None:
    old = plan.named_key(SECRET, "20261121")
    same_day = plan.named_key(SECRET, plan.created_after([old], "20261121101500"))
    back = plan.named_key(SECRET, plan.created_after([old, same_day], "20200101000000"))
    assert plan.newest([back, old, same_day]) == back and same_day.name > old.name
    assert plan.created_after([plan.Key("other", SECRET)], "20261121101500") == "20261121101500"


def test_steps_of_a_rotation(tmp_path: Path) -> None:
    first, second = tmp_path / "cp1" / "config.yaml", tmp_path / "cp2" / "config.yaml"
    with pytest.raises(OperatorError, match="does not exist"):
        config(first, rotation="add", generate=True)
    config(first, generate=True, writes="identity")
    with pytest.raises(OperatorError, match="does not encrypt"):
        config(first, rotation="add", generate=True)
    config(first, writes="secretbox")
    old = config(second, content=config(first, reveal=True)["content"])["key_names"][0]
    foreseen = config(first, check_mode=True, rotation="add", generate=True)
    assert foreseen["changed"] and len(foreseen["key_names"]) == 2 and len(config(first)["key_names"]) == 1
    added = config(first, rotation="add", generate=True)["key_names"]
    assert added[0] == old and len(added) == 2
    assert not config(first, rotation="add", generate=True)["changed"], "an interrupted rotation is continued"
    content = config(first, reveal=True)["content"]
    assert config(second, rotation="add", content=content)["key_names"] == added
    for path in (first, second):
        assert not config(path, rotation="add", content=content)["changed"]
        assert config(path, rotation="promote")["key_names"] == added[::-1]
        assert not config(path, rotation="promote")["changed"]
    for path in (first, second):
        assert config(path, rotation="remove")["key_names"] == [added[1]]
        assert not config(path, rotation="remove")["changed"]
    assert config(first)["digest"] == config(second)["digest"]


@given(st.integers(1, 5), st.lists(st.integers(0, 12), max_size=5), st.data())
def test_an_interrupted_rotation_is_always_readable_and_ends(
    size: int, interruptions: list[int], data: st.DataObject
) -> None:
    """As the role does it: each step on all hosts, in any order, and killed after any number of writes."""
    old = plan.named_key(SECRET, "20261121000000")
    hosts = [plan.Config(("secrets",), (old,)) for _host in range(size)]
    stored = {old.name}

    def check() -> None:
        # Whatever is stored, or may be stored at this moment, every API server can read.
        writing = {host.keys[0].name for host in hosts}
        for host in hosts:
            assert stored | writing <= {key.name for key in host.keys}

    def run(writes: int) -> bool:
        """:return: whether it came to its end."""
        several = [host for host in hosts if len(host.keys) > 1]
        left = [writes]

        def apply(
            step: str, index: int, given: plan.Config | None = None, key: plan.Key | None = None
        ) -> bool:
            wanted = plan.rotated(hosts[index], given, step, key)
            if wanted != hosts[index]:
                if left[0] == 0:
                    return False
                left[0] -= 1
                stored.add(hosts[index].keys[0].name)
                hosts[index] = wanted
                check()
            return True

        source = hosts.index(several[0]) if several else 0
        names = [key.name for host in hosts for key in host.keys]
        fresh = plan.named_key(SECRET, str(max(int(name.split("-")[1]) for name in names) + 1))
        if not apply(plan.ADD, source, key=None if several else fresh):
            return False
        for step in (plan.ADD, plan.PROMOTE, plan.REMOVE):
            if step == plan.REMOVE:
                stored.clear()
                stored.add(hosts[0].keys[0].name)
            order = data.draw(st.permutations(range(size)))
            if not all(apply(step, index, hosts[source] if step == plan.ADD else None) for index in order):
                return False
        return True

    for writes in interruptions:
        run(writes)
    assert run(1000)
    assert len({host.digest for host in hosts}) == 1 and len(hosts[0].keys) == 1
    assert hosts[0].keys[0] != old
