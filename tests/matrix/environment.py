# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The oldest and the newest ansible-core that the collection is for, each on its own Python.

Which Python the machine has does not matter: each environment is a Debian root file system with a virtual
environment beside it, both in the lab's cache, named after everything that they are made of.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import math
import os
import re
import shutil
import subprocess
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import yaml

from lab import bases
from lab import packages as debian
from lab.config import LabError, settings
from lab.run import tail, write_atomic

REPO = Path(__file__).resolve().parents[2]
#: What the tests of the plugins import, in the versions that pyproject.toml allows.
TEST_PACKAGES = ("cryptography", "hypothesis", "pytest", "pytest-xdist")
#: Programs of the machine that make and enter the roots.
DEBIAN_PACKAGES = ("debian-archive-keyring", "git", "mmdebstrap", "util-linux")
#: What making one takes; measured on two cores.
PREPARE_SECONDS = 90.0
#: Environments that no run has used for so many days are removed.
KEPT_DAYS = 30
#: What reaches the package registry as the machine does.
CARRIED = re.compile(r"(PIP_\w+|(https?|all|no)_proxy)", re.IGNORECASE)
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
#: Files of the machine that a root needs a copy of, to find and trust what the machine finds and trusts.
COPIED = ("/etc/hosts", "/etc/pip.conf", "/etc/resolv.conf", CERTIFICATES)

#: Enters a root: an overlay whose changes are in memory. They, all mounts and all processes end with the
#: command.
ENTER = """\
root=$1 place=$2 directory=$3
shift 3
mount -t tmpfs tmpfs "$place/mnt"
cd "$place/mnt"
mkdir upper work root
cp -a "$place/etc" upper/
mount -t overlay overlay -o "lowerdir=$root,upperdir=upper,workdir=work" root
cd root
mount -t proc proc proc
for name in dev sys; do mount --rbind "/$name" "$name"; done
while [ "$1" != -- ]; do
  mkdir -p ".$2"
  mount --rbind "$1" ".$2"
  shift 2
done
shift
exec chroot . /bin/sh -ec 'cd "$1"; shift; exec "$@"' enter "$directory" "$@"
"""
UNSHARE = ("unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child")
#: How often the output of a command is looked at that may be hopeless.
_POLL_SECONDS = 2.0


@dataclass(frozen=True)
class Environment:
    """An ansible-core and where it runs.

    :param name: what it is asked for by.
    :param suite: Debian's release.
    :param python: the Python of that release.
    :param core: version of ansible-core.
    :param package: version of the package `ansible`, from which come the collections that this one depends
        on.
    :param pip: version of pip that its ansible-test asks for; a wrong one makes it download a script and
        say which.
    """

    name: str
    suite: str
    python: str
    core: str
    package: str
    pip: str

    @property
    def recipe(self) -> bases.Recipe:
        return bases.Recipe(
            kind="python",
            suite=self.suite,
            packages=(
                "ca-certificates",
                "git",
                "openssh-client",
                "openssl",
                "procps",
                "python3",
                "python3-venv",
            ),
        )

    def key(self, packages: Sequence[str]) -> str:
        """The name of the virtual environment with these packages."""
        text = json.dumps([asdict(self), self.recipe.name, sorted(packages), dependencies()])
        return f"{self.name}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


ENVIRONMENTS = {
    environment.name: environment
    for environment in (
        # The lower end of requires_ansible.
        Environment("oldest", "bookworm", "3.11", "2.19.0", "12.0.0", "24.2"),
        Environment("newest", "trixie", "3.13", "2.21.5", "14.5.0", "25.2"),
    )
}


def packages(environment: Environment) -> list[str]:
    """What is installed with pip."""
    project = tomllib.loads((REPO / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    known = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    named = {re.split("[^A-Za-z0-9._-]", entry)[0]: entry for entry in known}
    lines = (REPO / "requirements.txt").read_text(encoding="utf-8").splitlines()
    required = [line for line in lines if line[:1].isalnum()]
    return [f"ansible-core=={environment.core}", *required, *(named[name] for name in TEST_PACKAGES)]


@dataclass(frozen=True)
class Place:
    """An environment as it is on this machine.

    :param root: Debian's files; never written.
    :param directory: the virtual environment, and those that ansible-test makes; written.
    """

    environment: Environment
    root: Path
    directory: Path

    def command(self, argv: Sequence[str], directory: str, binds: Mapping[Path, str]) -> list[str]:
        """How a command is run in it.

        :param directory: where it starts, seen from inside.
        :param binds: directories of the machine, and where they are inside.
        """
        everything = {self.directory / "home": "/root", self.directory / "venv": "/venv", **binds}
        pairs = [item for source, target in everything.items() for item in (str(source), target)]
        enter = [*UNSHARE, "--", "/bin/sh", "-euc", ENTER, "enter"]
        return [*enter, str(self.root), str(self.directory), directory, *pairs, "--", *argv]

    def run(
        self,
        argv: Sequence[str],
        *,
        directory: str = "/",
        binds: Mapping[Path, str] | None = None,
        log: Path | None = None,
        limit: float | None = None,
        hopeless: Callable[[str], bool] = lambda text: False,
    ) -> int:
        """Run a command in it; its output goes to the terminal, or to a file.

        :param limit: seconds after which it is killed.
        :param hopeless: whether it is killed at once, by its output so far; for a command with a log.
        :return: the exit code, 124 when it was killed, as of timeout(1).
        """
        for name in ("etc", "home", "mnt", "venv"):
            (self.directory / name).mkdir(parents=True, exist_ok=True)
        for name in COPIED:
            if Path(name).exists():
                write_atomic(self.directory / name.lstrip("/"), Path(name).read_bytes())
        with contextlib.ExitStack() as stack:
            sink = stack.enter_context(log.open("ab")) if log else None
            process = stack.enter_context(
                subprocess.Popen(
                    self.command(argv, directory, binds or {}),
                    env=variables(os.environ),
                    stdin=subprocess.DEVNULL,
                    stdout=sink,
                    stderr=subprocess.STDOUT if sink else None,
                )
            )
            ends = time.monotonic() + (math.inf if limit is None else limit)
            try:
                while time.monotonic() < ends:
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        return process.wait(min(_POLL_SECONDS, max(0.0, ends - time.monotonic())))
                    if log and hopeless(log.read_text(encoding="utf-8", errors="replace")):
                        break
                return 124
            finally:
                process.kill()


def variables(environ: Mapping[str, str]) -> dict[str, str]:
    """The process environment inside, given the machine's."""
    carried = {key: value for key, value in environ.items() if CARRIED.fullmatch(key)}
    return {
        **carried,
        "HOME": "/root",
        "LC_ALL": "C.UTF-8",
        "PATH": "/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "PIP_CERT": CERTIFICATES,
        "PIP_NO_INPUT": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def required_seconds(environment: Environment) -> float:
    """How long :func:`prepare` will take, seconds."""
    complete = settings().paths.matrix / environment.key(packages(environment)) / "complete"
    return 0.0 if complete.exists() else PREPARE_SECONDS


def prepare(environment: Environment) -> Place:
    """Create what is missing of an environment.

    :raises LabError: packages, the root or the virtual environment cannot be made; says where the whole
        output is.
    """
    wanted = packages(environment)
    cache = settings().paths.matrix
    directory = cache / environment.key(wanted)
    marker = directory / "complete"
    with _alone(cache, environment.name):
        debian.install(DEBIAN_PACKAGES)
        place = Place(environment, bases.make(cache / "roots", environment.recipe), directory)
        if not marker.exists():
            # Partly made, by a run that was interrupted.
            shutil.rmtree(directory, ignore_errors=True)
            _install(place, wanted)
        marker.touch()
        _remove_unused(cache, time.time() - KEPT_DAYS * 24 * 3600)
    return place


def _install(place: Place, wanted: Sequence[str]) -> None:
    script = Path(__file__).with_name("get_pip.py")
    # Where ansible-test looks before it downloads.
    name = f"get_pip_{place.environment.pip.replace('.', '_')}.py"
    write_atomic(place.directory / "home" / ".ansible" / "test" / "cache" / name, script.read_bytes())
    log = place.directory / "install.log"
    steps: tuple[tuple[str, ...], ...] = (
        ("python3", "-m", "venv", "/venv"),
        ("pip", "install", "--disable-pip-version-check", *wanted),
        # For its collections alone; only those that are used are kept below.
        (
            "pip",
            "install",
            "--disable-pip-version-check",
            "--no-compile",
            "--no-deps",
            "--target=/root/package",
            f"ansible=={place.environment.package}",
        ),
    )
    for argv in steps:
        code = place.run(argv, log=log)
        if code != 0:
            raise LabError(
                f"{place.environment.name}: `{' '.join(argv)}` ended with code {code}:\n{tail(log)}",
                f"the whole output is in {log}",
            )
    package, kept = (place.directory / "home" / name for name in ("package", "collections"))
    for name in dependencies():
        directory = Path("ansible_collections", name)
        (kept / directory).parent.mkdir(parents=True, exist_ok=True)
        (package / directory).rename(kept / directory)
    shutil.rmtree(package)


def dependencies() -> list[str]:
    """Directories of the collections that this one depends on, below `ansible_collections`."""
    galaxy = yaml.safe_load((REPO / "galaxy.yml").read_text(encoding="utf-8"))
    return [name.replace(".", "/") for name in galaxy["dependencies"]]


@contextlib.contextmanager
def _alone(cache: Path, name: str) -> Iterator[None]:
    """Let one process at a time make an environment: the cache is shared by all checkouts."""
    cache.mkdir(parents=True, exist_ok=True)
    with open(cache / f".{name}.lock", "a", encoding="utf-8") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _remove_unused(cache: Path, since: float) -> None:
    """Remove environments that were last used before a time, and copies that a killed run left a day ago.

    `lab free --all` removes everything.
    """
    for marker in cache.glob("*/complete"):
        if marker.stat().st_mtime < since:
            shutil.rmtree(marker.parent)
    for pattern in ("checkout-*", "collection-*"):
        for copy in cache.glob(f"*/{pattern}"):
            if copy.stat().st_mtime < time.time() - 24 * 3600:
                shutil.rmtree(copy)
