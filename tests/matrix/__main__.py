# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run tests on the oldest or on the newest ansible-core.

python -m tests.matrix oldest prepare        make what is missing
python -m tests.matrix oldest unit           unit tests of the plugins, and the templates
python -m tests.matrix oldest sanity         ansible-test sanity on the built collection
python -m tests.matrix oldest site           the playbook `site` on the lab's hosts, which must be up
python -m tests.matrix oldest run ansible --version     any command, in a copy of the checkout
"""

from __future__ import annotations

import contextlib
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from xml.etree import ElementTree

from lab.artifacts.archive import unpack
from lab.config import LabError, settings
from lab.run import run
from tests.matrix.environment import ENVIRONMENTS, REPO, Place, dependencies, prepare

OUTPUT = REPO / "tests" / "output"
#: Where the built collection is inside, and what ansible-test wants the last directories to be.
COLLECTION = "ansible_collections/baremetal/kubernetes"
#: Seconds that a run of `site` that changes nothing may take; 30 on two cores that are busy otherwise.
SITE_SECONDS = 180.0
LOST_RESULT = "matrix: ansible-core has lost a result (ansible/ansible#86027), which has no end; once more."

#: What a module of another collection warns of at every run, whatever it is asked for: kubernetes.core.helm, of a part
#: of what it returns, which this collection does not read.
UNAVOIDABLE = re.compile(
    r"The 'status\.values' return value is deprecated .* from collection 'kubernetes\.core'"
)


def main(argv: Sequence[str]) -> int:
    """Run what the command line says.

    :return: the exit code of the tests; 2 when the command line is wrong.
    """
    tasks: dict[str, Callable[[Place], int]] = {
        "prepare": lambda place: 0,
        "unit": unit,
        "sanity": sanity,
        "site": site,
        "run": lambda place: command(place, argv[2:]),
    }
    if len(argv) < 2 or argv[0] not in ENVIRONMENTS or argv[1] not in tasks:
        print(f"usage: tests.matrix {'|'.join(ENVIRONMENTS)} {'|'.join(tasks)} [COMMAND...]", file=sys.stderr)
        return 2
    try:
        return tasks[argv[1]](prepare(ENVIRONMENTS[argv[0]]))
    except LabError as exc:
        print(f"matrix: {exc}", file=sys.stderr)
        return 1


@contextlib.contextmanager
def _checkout(place: Place) -> Iterator[Path]:
    """A copy of the checkout, with what is not committed yet, for as long as it is needed."""
    listing = run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"], cwd=REPO).stdout
    with tempfile.TemporaryDirectory(prefix="checkout-", dir=place.directory) as name:
        target = Path(name)
        for file in listing.split("\0"):
            if file and (REPO / file).is_file():
                (target / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(REPO / file, target / file)
        # Where the checkout's ansible.cfg looks for collections.
        tree = target / ".venv" / "collections" / "ansible_collections"
        installed = {name: f"/root/collections/ansible_collections/{name}" for name in dependencies()}
        for collection, directory in {**installed, "baremetal/kubernetes": "/src"}.items():
            (tree / collection).parent.mkdir(parents=True, exist_ok=True)
            (tree / collection).symlink_to(directory)
        # The tests ask git what belongs to the project.
        run(["git", "init", "--quiet"], cwd=target)
        run(["git", "add", "--all"], cwd=target)
        yield target


def unit(place: Place) -> int:
    """Unit tests of what runs with Ansible. The lab's do not depend on it."""
    argv = ["python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "--numprocesses=2", "--dist=loadfile"]
    report = f"--junit-xml=/output/matrix-{place.environment.name}-unit.xml"
    OUTPUT.mkdir(parents=True, exist_ok=True)
    with _checkout(place) as checkout:
        binds = {checkout: "/src", OUTPUT: "/output"}
        return place.run(
            [*argv, report, "tests/unit/plugins", "tests/templates"], directory="/src", binds=binds
        )


def sanity(place: Place) -> int:
    """All of ansible-test's sanity tests, on the collection as it is published."""
    galaxy = Path(sys.executable).with_name("ansible-galaxy")
    argv = [
        "ansible-test",
        "sanity",
        "--local",
        "--requirements",
        "--python",
        place.environment.python,
        "--junit",
    ]
    with tempfile.TemporaryDirectory(prefix="collection-", dir=place.directory) as name:
        stage = Path(name)
        run([galaxy, "collection", "build", "--output-path", stage], cwd=REPO)
        content = stage / COLLECTION
        unpack(next(stage.glob("*.tar.gz")), content)
        code = place.run(argv, directory=f"/stage/{COLLECTION}", binds={stage: "/stage"})
        OUTPUT.mkdir(parents=True, exist_ok=True)
        merge(
            sorted((content / "tests" / "output" / "junit").glob("*.xml")),
            OUTPUT / f"matrix-{place.environment.name}-sanity.xml",
        )
    return code


def site(place: Place) -> int:
    """The playbook `site` on the lab's hosts, without facts as variables and without a deprecation warning."""
    code, text = _site(place)
    for _again in range(2):
        if lost_result(text):
            print(text, LOST_RESULT, sep="\n")
            code, text = _site(place)
    print(text)
    warnings = deprecations(text)
    if warnings:
        print(f"matrix: {len(warnings)} deprecation warnings", *warnings, sep="\n", file=sys.stderr)
    return code or int(bool(warnings))


def lost_result(text: str) -> bool:
    """Whether Ansible's thread that receives results has died, so that the run waits for a result forever.

    A race of ansible-core itself, with any playbook (ansible/ansible#85879, #86027).
    """
    return "results_thread_main" in text and "KeyError" in text


def _site(place: Place) -> tuple[int, str]:
    """Exit code and output of the playbook."""
    paths = settings().paths
    log = OUTPUT / f"matrix-{place.environment.name}-site.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.unlink(missing_ok=True)
    with _checkout(place) as checkout:
        code = place.run(
            [
                "env",
                "ANSIBLE_COLLECTIONS_PATH=/src/.venv/collections",
                "ANSIBLE_CONFIG=/src/ansible.cfg",
                "ANSIBLE_DEPRECATION_WARNINGS=true",
                "ANSIBLE_INJECT_FACT_VARS=false",
                "ansible-playbook",
                f"--inventory={paths.inventory}",
                "baremetal.kubernetes.site",
            ],
            directory="/src",
            # The inventory names files of the lab by their paths on this machine.
            binds={checkout: "/src", paths.inventory: str(paths.inventory), paths.state: str(paths.state)},
            log=log,
            limit=SITE_SECONDS,
            hopeless=lost_result,
        )
    text = log.read_text(encoding="utf-8", errors="replace")
    return code, text + (f"\nkilled after {SITE_SECONDS:.0f} s\n" if code == 124 else "")


def deprecations(text: str) -> list[str]:
    """Ansible's warnings about what a later version will not have any more."""
    found = [line for line in text.splitlines() if line.lstrip().startswith("[DEPRECATION WARNING]")]
    return [line for line in found if not UNAVOIDABLE.search(line)]


def command(place: Place, argv: Sequence[str]) -> int:
    """Any command, in a copy of the checkout."""
    with _checkout(place) as checkout:
        return place.run(argv, directory="/src", binds={checkout: "/src"})


def merge(reports: Sequence[Path], target: Path) -> None:
    """Put the reports that ansible-test writes, one for each test, into one."""
    root = ElementTree.Element("testsuites")
    for report in reports:
        found = ElementTree.parse(report).getroot()  # noqa: S314 - ansible-test wrote it
        root.extend([found] if found.tag == "testsuite" else found.iter("testsuite"))
    if len(root):
        ElementTree.ElementTree(root).write(target, encoding="utf-8", xml_declaration=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
