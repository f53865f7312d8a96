# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""What an artifact is, as the operator asked for it and as it was found on the host. Values only."""

from __future__ import annotations

import hashlib
import posixpath
import re
import typing as t
from dataclasses import dataclass
from urllib.parse import urlsplit

from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._redact import shown_url

DIGEST_LENGTHS = {"sha256": 64, "sha512": 128}
_MODE = re.compile(r"^0[0-7]{3,4}$")
_SCHEMES = ("https", "http", "file")


class ArtifactError(OperatorError):
    """An artifact cannot be described, fetched, verified or placed."""


@dataclass(frozen=True)
class Checksum:
    """A digest with its algorithm.

    :param algorithm: C(sha256) or C(sha512).
    :param digest: lower-case hexadecimal digest.
    """

    algorithm: str
    digest: str

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.digest}"


@dataclass(frozen=True)
class Member:
    """One file of an archive and where it goes.

    :param source: normalised name inside the archive, for example C(bin/containerd).
    :param dest: absolute path on the host.
    :param mode: permission bits.
    """

    source: str
    dest: str
    mode: int


@dataclass(frozen=True)
class FileSpec:
    """One file as asked for: a plain file (C(dest)), members of an archive, or a whole archive.

    :param content: the bytes of a file that is not downloaded; C(url) is empty then.
    :param sensitive: the content is never shown.
    :param strip: leading path components dropped from the names of an unpacked archive.
    :param exclude: shell patterns of member names (after C(strip)) that are not unpacked.
    """

    name: str
    url: str
    checksum: Checksum
    mode: int
    uid: int
    gid: int
    dest: str | None = None
    members: tuple[Member, ...] = ()
    unpack_to: str | None = None
    strip: int = 0
    exclude: tuple[str, ...] = ()
    content: bytes | None = None
    sensitive: bool = False

    @property
    def is_archive(self) -> bool:
        return self.dest is None

    @property
    def shown_url(self) -> str:
        """The URL for messages and results: its query may be a signature."""
        return shown_url(self.url) if self.url else ""


@dataclass(frozen=True)
class DirectorySpec:
    """A directory as asked for.

    :param purge_marked: text in the first line of those files below it that go when the call does not name them.
    :param data: whether the component keeps data in it.
    """

    path: str
    mode: int
    uid: int
    gid: int
    purge_marked: str = ""
    data: bool = False


@dataclass(frozen=True)
class Request:
    """What one call of the module asks for."""

    files: tuple[FileSpec, ...] = ()
    directories: tuple[DirectorySpec, ...] = ()


@dataclass(frozen=True)
class Found:
    """What is at a path.

    :param kind: C(absent), C(file), C(directory), C(link) or C(other).
    :param digests: algorithm -> hexadecimal digest, for a regular file.
    :param size: bytes.
    """

    kind: str
    digests: t.Mapping[str, str]
    mode: int = 0
    uid: int = -1
    gid: int = -1
    size: int = 0


ABSENT = Found(kind="absent", digests={})


@dataclass(frozen=True)
class MemberFacts:
    """What is known of one regular file inside an archive: its SHA-256 and its size in bytes."""

    sha256: str
    size: int


# The regular files of an archive by normalised name.
Contents = t.Mapping[str, MemberFacts]


def parse_checksum(text: str, name: str) -> Checksum:
    """Read C(sha256:<hex>) or C(sha512:<hex>).

    :raises ArtifactError: for another algorithm or a digest of the wrong length.
    """
    algorithm, sep, digest = text.strip().partition(":")
    algorithm, digest = algorithm.lower(), digest.lower()
    if not sep or algorithm not in DIGEST_LENGTHS:
        raise ArtifactError(
            f"{name}: the checksum is {text!r}, expected sha256:<64 hex digits> or sha512:<128 hex digits>.",
            "Copy the published checksum of the release file.",
        )
    if not re.fullmatch(f"[0-9a-f]{{{DIGEST_LENGTHS[algorithm]}}}", digest):
        raise ArtifactError(
            f"{name}: the {algorithm} checksum has {len(digest)} characters,"
            f" expected {DIGEST_LENGTHS[algorithm]} hexadecimal digits.",
            "Copy the published checksum of the release file.",
        )
    return Checksum(algorithm, digest)


def parse_mode(text: str, name: str) -> int:
    """Read permission bits such as C("0755").

    The leading zero is required: an unquoted 0755 in YAML arrives here as 493 and would set other bits.

    :raises ArtifactError: for anything but four or five octal digits that start with zero.
    """
    if not _MODE.match(text):
        raise ArtifactError(
            f'{name}: the mode is {text!r}, expected a quoted octal number such as "0755".', "Quote the mode."
        )
    return int(text, 8)


def clean_member(source: str) -> str:
    """The normalised name of an archive member: no leading C(./), no doubled or trailing slash."""
    return posixpath.normpath(source)


def _absolute(path: str, what: str, name: str) -> str:
    clean = posixpath.normpath(path)
    if not path.startswith("/") or "\x00" in path or clean in ("/", "//"):
        raise ArtifactError(
            f"{name}: {what} is {path!r}, expected an absolute path below /.", "Correct the path."
        )
    return clean


def parse_file(raw: t.Mapping[str, t.Any], uid: int, gid: int) -> FileSpec:
    """Turn one entry of the module's C(files) into a C(FileSpec).

    :param raw: the entry, with every sub-option present (C(None) where it was not set).
    :param uid: numeric owner. :param gid: numeric group.
    :raises ArtifactError: when the entry is not one of the three shapes or holds an unusable value.
    """
    name = str(raw["name"])
    if raw.get("content") is not None or raw.get("secret") is not None:
        return _parse_content(raw, name, uid, gid)
    if not raw.get("url") or not raw.get("checksum"):
        raise ArtifactError(
            f"{name}: neither content nor secret nor both of url and checksum are given.",
            "Correct the entry.",
        )
    url = str(raw["url"])
    scheme = url.partition(":")[0].lower()
    if scheme not in _SCHEMES:
        raise ArtifactError(
            f"{name}: the URL {shown_url(url)!r} is not of https, http or file.", "Correct the URL."
        )
    if "@" in urlsplit(url).netloc:
        raise ArtifactError(
            f"{name}: the URL holds credentials, which logs would show.", "Give them in headers."
        )
    mode = parse_mode(str(raw.get("mode") or "0755"), name)
    dest, members, unpack_to = raw.get("dest"), raw.get("members"), raw.get("unpack_to")
    if sum(1 for given in (dest, members, unpack_to) if given) != 1:
        raise ArtifactError(
            f"{name}: exactly one of dest, members and unpack_to must be given.", "Correct the entry."
        )
    strip = int(raw.get("strip") or 0)
    if strip < 0:
        raise ArtifactError(f"{name}: strip is {strip}, expected zero or more.", "Correct the entry.")
    parsed = tuple(
        Member(
            source=clean_member(str(member["source"])),
            dest=_absolute(str(member["dest"]), "dest of a member", name),
            mode=parse_mode(str(member["mode"]), name) if member.get("mode") else mode,
        )
        for member in (members or ())
    )
    return FileSpec(
        name=name,
        url=url,
        checksum=parse_checksum(str(raw["checksum"]), name),
        mode=mode,
        uid=uid,
        gid=gid,
        dest=_absolute(str(dest), "dest", name) if dest else None,
        members=parsed,
        unpack_to=_absolute(str(unpack_to), "unpack_to", name) if unpack_to else None,
        strip=strip,
        exclude=tuple(str(pattern) for pattern in (raw.get("exclude") or ())),
    )


def _parse_content(raw: t.Mapping[str, t.Any], name: str, uid: int, gid: int) -> FileSpec:
    secret = raw.get("content") is None
    given = "secret" if secret else "content"
    unfit = [key for key in ("url", "checksum", "members", "unpack_to") if raw.get(key)]
    if not secret and raw.get("secret") is not None:
        unfit.append("secret")
    if unfit or not raw.get("dest"):
        raise ArtifactError(
            f"{name}: {given} is given with {' and '.join(unfit) or 'no dest'}, expected it with dest alone.",
            "Correct the entry.",
        )
    content = str(raw[given]).encode()
    return FileSpec(
        name=name,
        url="",
        checksum=Checksum("sha256", hashlib.sha256(content).hexdigest()),
        mode=parse_mode(str(raw.get("mode") or "0755"), name),
        uid=uid,
        gid=gid,
        dest=_absolute(str(raw["dest"]), "dest", name),
        content=content,
        sensitive=secret,
    )


def parse_directory(raw: t.Mapping[str, t.Any], uid: int, gid: int) -> DirectorySpec:
    """Turn one entry of the module's C(directories) into a C(DirectorySpec).

    :param raw: the entry. :param uid: numeric owner. :param gid: numeric group.
    :raises ArtifactError: for a path that is not absolute, or a mode that is not octal.
    """
    path = _absolute(str(raw["path"]), "path", "directory")
    return DirectorySpec(
        path,
        parse_mode(str(raw["mode"]), path),
        uid,
        gid,
        str(raw.get("purge_marked") or ""),
        bool(raw.get("data")),
    )
