# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""The EncryptionConfiguration of the API server. Pure: texts in, a text out."""

from __future__ import annotations

import hashlib
import json
import re
import typing as t
from dataclasses import dataclass, field, replace

from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._formats import yaml
from ansible_collections.baremetal.kubernetes.plugins.module_utils._os.marks import FIRST_LINE

API_VERSION = "apiserver.config.k8s.io/v1"
KIND = "EncryptionConfiguration"
#: Encrypts with a key of 32 bytes (XSalsa20 and Poly1305): the strongest that needs no service of its own.
SECRETBOX = "secretbox"
#: Does not encrypt. As the last provider, it lets the API server read what was stored before.
IDENTITY = "identity"
KEY_BYTES = 32
#: Steps of a rotation.
ADD, PROMOTE, REMOVE = "add", "promote", "remove"
_DATE = re.compile(r"^key-(\d{8,14})-.*$")
_HEADER = FIRST_LINE + (
    "# Without these keys nobody can read what etcd holds, or a backup of it: keep a copy in a safe place.\n"
)


@dataclass(frozen=True)
class Key:
    """A key.

    :param secret: its bytes in base64.
    """

    name: str
    secret: str = field(repr=False)


def named_key(secret: str, date: str) -> Key:
    """A new key, whose name no other key has: the API server tells keys apart by their names alone.

    :param secret: its random bytes in base64; the name has a part of their hash, which does not reveal them.
    """
    return Key(f"key-{date}-{hashlib.sha256(secret.encode()).hexdigest()[:8]}", secret)


@dataclass(frozen=True)
class Config:
    """The configuration in force, or to be.

    :param resources: what is encrypted, as C(secrets). :param keys: the first one encrypts, all decrypt.
    :param writes: the provider that encrypts what is stored from now on.
    """

    resources: tuple[str, ...]
    keys: tuple[Key, ...]
    writes: str = SECRETBOX

    @property
    def digest(self) -> str:
        """The same for the same keys; it does not reveal them."""
        joined = "\n".join(f"{key.name}:{key.secret}" for key in self.keys)
        return "sha256:" + hashlib.sha256(joined.encode()).hexdigest()


def parse(text: str, where: str) -> Config:
    """Read a file that L(render) made.

    :param where: what a message calls it.
    :raises OperatorError: for any other configuration: a site may have its own, which is left alone.
    """
    own = OperatorError(
        f"{where} is an encryption configuration that this collection did not make.",
        "Keep it with cluster_encryption_at_rest: false and set its arguments in control_plane_cluster_configuration,"
        " or move it away.",
    )
    try:
        document = yaml.load(text)
        blocks = document["resources"]
        (block,) = blocks
        providers = [next(iter(provider.items())) for provider in block["providers"]]
        by_name = dict(providers)
        keys = tuple(Key(str(key["name"]), str(key["secret"])) for key in by_name[SECRETBOX]["keys"])
    except (yaml.YamlError, KeyError, TypeError, ValueError, AttributeError, StopIteration) as exc:
        raise own from exc
    if document.get("kind") != KIND or set(by_name) != {SECRETBOX, IDENTITY} or not keys:
        raise own
    return Config(tuple(map(str, block["resources"])), keys, providers[0][0])


def render(config: Config) -> str:
    """The file."""
    secretbox = [f"    - {SECRETBOX}:\n        keys:\n"]
    secretbox += [
        f"        - name: {json.dumps(key.name)}\n          secret: {key.secret}\n" for key in config.keys
    ]
    providers = ["".join(secretbox), f"    - {IDENTITY}: {{}}\n"]
    if config.writes == IDENTITY:
        providers.reverse()
    resources = "".join(f"    - {json.dumps(name)}\n" for name in config.resources)
    return (
        f"{_HEADER}apiVersion: {API_VERSION}\nkind: {KIND}\nresources:\n"
        f"  - resources:\n{resources}    providers:\n{''.join(providers)}"
    )


def desired(
    found: Config | None,
    given: Config | None,
    resources: t.Sequence[str],
    writes: str,
    new_key: Key | None,
    host: str,
) -> Config | None:
    """The configuration that the host has to have.

    :param found: what it has. :param given: what another control plane has. :param new_key: for the first one.
    :return: C(None) when there is no key, and none may be created.
    :raises OperatorError: when two control planes have different keys.
    """
    if found and given and found.digest != given.digest:
        raise OperatorError(
            f"{host} encrypts with other keys ({', '.join(key.name for key in found.keys)}) than the other control"
            f" planes ({', '.join(key.name for key in given.keys)}), so they cannot read each other's data.",
            "If a rotation was interrupted, run the playbook rotate_encryption_key again. Otherwise keep the file of a"
            " control plane whose API server encrypts with it (--encryption-provider-config): stored data needs its"
            " keys. Where no API server encrypts yet, as when two runs have each created a key, keep either. Move the"
            " other file away, and run the playbook site again.",
        )
    base = found or given
    if base is None:
        return Config(tuple(resources), (new_key,), writes) if new_key else None
    return replace(base, resources=tuple(resources), writes=writes)


def newest(keys: t.Sequence[Key]) -> Key:
    """The key that a rotation leads to: names have the time of their creation."""
    return max(keys, key=lambda key: key.name)


def created_after(keys: t.Sequence[Key], date: str) -> str:
    """The date in the name of a new key, so that it is the newest also when a clock was set back.

    :param date: digits of the present time.
    """
    dates = [match.group(1) for key in keys if (match := _DATE.match(key.name))]
    return str(max([int(date), *(int(own.ljust(14, "9")) + 1 for own in dates)]))


def rotated(found: Config, given: Config | None, step: str, new_key: Key | None) -> Config:
    """The configuration after a step of a rotation.

    C(add): it has the keys of both and a new one, and encrypts as before. C(promote): the newest key encrypts.
    C(remove): the newest key is the only one. Each step can be done again on any host: no interruption matters, as
    long as all hosts have done a step before the next one begins.

    :param found: what the host has. :param given: what another control plane has, for C(add).
    :param new_key: for C(add), where no host has a second key yet.
    """
    if step == ADD:
        more = [*(given.keys if given else ()), *([new_key] if new_key else [])]
        known = {key.name for key in found.keys}
        return replace(found, keys=(*found.keys, *(key for key in more if key.name not in known)))
    first = newest(found.keys)
    if step == PROMOTE:
        return replace(found, keys=(first, *(key for key in found.keys if key != first)))
    return replace(found, keys=(first,))


def difference(before: Config | None, after: Config) -> tuple[str, str]:
    """Both for a diff, without the keys."""

    def told(config: Config | None) -> str:
        if config is None:
            return ""
        return (
            f"resources: {', '.join(config.resources)}\nwrites with: {config.writes}\n"
            f"keys: {', '.join(key.name for key in config.keys)} (not shown)\n"
        )

    return told(before), told(after)
