# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""A running program of the control plane: its flags, and files as it sees them."""

from __future__ import annotations

import hashlib
import ipaddress
import typing as t
from dataclasses import dataclass, field, replace

from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.host.arguments import Arguments
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.host.reader import Process, Reader
from ansible_collections.baremetal.kubernetes.plugins.module_utils._cis.model import (
    ERROR,
    FAIL,
    PASS,
    Evidence,
    Result,
    worst,
)
from ansible_collections.baremetal.kubernetes.plugins.module_utils._formats import x509

# Boolean flags of these programs.
_BOOLEANS = (
    "allow-privileged",
    "anonymous-auth",
    "contention-profiling",
    "enable-bootstrap-token-auth",
    "leader-elect",
    "profiling",
    "service-account-extend-token-expiration",
    "service-account-lookup",
    "use-service-account-credentials",
)
#: How many failures of one check are listed.
MOST = 100


class Undecided(Exception):  # noqa: N818 - an answer, not an error of this program
    """No verdict is possible.

    :param message: why, and the next step. :param evidence: what was found.
    """

    def __init__(self, message: str, *evidence: Evidence) -> None:
        super().__init__(message)
        self.evidence = evidence


@dataclass(frozen=True)
class Verdict:
    """The verdict on one process; fields as in C(model.Result)."""

    status: str
    message: str
    evidence: tuple[Evidence, ...] = ()
    literal: str = ""


@dataclass(frozen=True)
class Text:
    """Content of a file."""

    path: str
    content: str = field(repr=False)
    digest: str = ""


class Program:
    """A process, its arguments, and its files."""

    def __init__(self, reader: Reader, process: Process) -> None:
        self.reader = reader
        self.process = process
        self.arguments = Arguments(process.argv, _BOOLEANS)
        self.source = f"process {process.name}"

    def value(self, flag: str) -> str:
        """Value of a flag; empty when it is not set, which these programs treat alike."""
        return self.arguments.last(flag) or ""

    def evidence(
        self, flag: str, expected: str, status: str, observed: t.Any = None, digest: str = ""
    ) -> Evidence:
        """What a flag is set to; all values when it is given several times."""
        if observed is None:
            given = self.arguments.all(flag)
            observed = ", then ".join(value or "(empty)" for value in given) if given else "not set"
        return Evidence(self.source, f"--{flag}", observed, expected, status, digest=digest)

    def truth(self, flag: str, default: bool) -> bool:
        """Effective value of a boolean flag.

        :raises Undecided: when its value is invalid.
        """
        try:
            found = self.arguments.truth(flag)
        except ValueError as exc:
            raise Undecided(
                f"{exc}. The program cannot have started with it: inspect the process.",
                self.evidence(flag, "true or false", ""),
            ) from exc
        return default if found is None else found

    def number(self, flag: str) -> int | None:
        """Value of an integer flag, C(None) when it is not set.

        :raises Undecided: when its value is invalid.
        """
        value = self.value(flag)
        if not value:
            return None
        try:
            return int(value, 0)
        except ValueError:
            raise Undecided(
                f"--{flag}={value} is not a number. The program cannot have started with it: inspect the"
                " process.",
                self.evidence(flag, "an integer", ""),
            ) from None

    def read(self, path: str) -> Text:
        """A file as the program sees it.

        :raises Undecided: when it cannot be read.
        """
        self._absolute(path)
        try:
            data = self.reader.read(path, self.process)
            return Text(path, data.decode(), "sha256:" + hashlib.sha256(data).hexdigest())
        except (OSError, UnicodeDecodeError) as exc:
            reason = exc.strerror or str(exc) if isinstance(exc, OSError) else "it is not text"
            raise Undecided(
                f"{path} cannot be read as {self.process.name} sees it: {reason}."
                " Run the audit as root, and check that the file is mounted into the Pod.",
                Evidence(path, "contents", reason, "a readable file"),
            ) from exc

    def _absolute(self, path: str) -> None:
        if not path.startswith("/"):
            raise Undecided(
                f"{path} is relative to an unknown directory. Give {self.process.name} an absolute path.",
                Evidence(self.source, "", path, "an absolute path"),
            )

    def file(self, flag: str, path: str) -> Evidence:
        """Verdict on the file of a flag: whether it exists.

        :raises Undecided: when that is not known.
        """
        self._absolute(path)
        fact = self.reader.stat(path, self.process)
        if fact.error:
            raise Undecided(
                f"{path} cannot be read: {fact.error}. Run the audit as root.",
                self.evidence(flag, "an existing file", "", f"{path}: {fact.error}"),
            )
        there = fact.kind == "file"
        observed = path if there else f"{path}: {'no such file' if fact.kind == 'missing' else fact.kind}"
        return self.evidence(flag, "an existing file", PASS if there else FAIL, observed)

    def authority(self, flag: str, path: str) -> Evidence:
        """Verdict on a file with CA certificates.

        :raises Undecided: when it cannot be read.
        """
        found = self.file(flag, path)
        if found.status == FAIL:
            return replace(found, expected="a file with a CA")
        text = self.read(path)
        try:
            held = x509.parse_bundle(text.content)
        except x509.CertificateError as exc:
            return self.evidence(flag, "a file with a CA", FAIL, f"{path}: {exc}", text.digest)
        names = ", ".join(certificate.common_name or "(no name)" for certificate in held)
        if not any(certificate.is_ca for certificate in held):
            observed = f"{path}: {names}, which is not a CA"
            return self.evidence(flag, "a file with a CA", FAIL, observed, text.digest)
        return self.evidence(flag, "a file with a CA", PASS, f"{path}: {names}", text.digest)


def check_of(
    check: str, program: str, evaluate: t.Callable[[Program], Verdict]
) -> t.Callable[[Reader], Result]:
    """A check that evaluates every process of a program; the worst verdict counts."""

    def run(reader: Reader) -> Result:
        processes = reader.processes(program)
        if not processes:
            return Result(
                check,
                ERROR,
                f"No {program} runs on this host. Start it and audit again, or audit the host without its"
                " component.",
                (Evidence(f"process {program}", "", "not running", "running"),),
            )
        return _together(check, [_verdict(evaluate, Program(reader, process)) for process in processes])

    return run


def _verdict(evaluate: t.Callable[[Program], Verdict], program: Program) -> Verdict:
    try:
        return evaluate(program)
    except Undecided as exc:
        return Verdict(ERROR, str(exc), exc.evidence)


def _together(check: str, verdicts: t.Sequence[Verdict]) -> Result:
    status = worst(verdict.status for verdict in verdicts)
    literal = worst(verdict.literal or verdict.status for verdict in verdicts)
    message = next(verdict.message for verdict in verdicts if verdict.status == status)
    evidence = [evidence for verdict in verdicts for evidence in verdict.evidence]
    return Result(check, status, message, limited(evidence), "" if literal == status else literal)


def limited(evidence: t.Sequence[Evidence]) -> tuple[Evidence, ...]:
    """A readable number of failures, and how many were omitted."""
    failed = [item for item in evidence if item.status == FAIL]
    if len(failed) <= MOST:
        return tuple(evidence)
    kept = set(map(id, failed[:MOST]))
    left = [item for item in evidence if item.status != FAIL or id(item) in kept]
    rest = len(failed) - MOST
    return (*left, Evidence(failed[MOST].source, "", f"{rest} more", "none", FAIL))


def verdict_of(evidence: t.Sequence[Evidence], good: str, bad: str, literal: str = "") -> Verdict:
    """The verdict of the worst evidence."""
    status = worst(item.status for item in evidence if item.status)
    return Verdict(status, good if status == PASS else bad, tuple(evidence), literal)


# --- checks that several programs share -----------------------------------------------------------------------------


def profiling(program: Program) -> Verdict:
    """C(--profiling=false); the default is true."""
    off = not program.truth("profiling", True)
    status = PASS if off else FAIL
    evidence = program.evidence("profiling", "false (its default is true)", status)
    return Verdict(
        status,
        "Profiling is disabled."
        if off
        else "Profiling is enabled: /debug/pprof exposes memory and running code.",
        (evidence,),
    )


def loopback(program: Program) -> Verdict:
    """C(--bind-address) is a loopback address. Literally, 127.0.0.1 or no flag at all passes."""
    value = program.value("bind-address")
    literal = PASS if value in ("", "127.0.0.1") else FAIL
    if program.number("secure-port") == 0:
        evidence = program.evidence("secure-port", "0, or a loopback address", PASS)
        return Verdict(PASS, "It serves no port: --secure-port is 0.", (evidence,), literal)
    try:
        local = ipaddress.ip_address(value or "0.0.0.0").is_loopback  # noqa: S104 - the program's default
    except ValueError:
        raise Undecided(
            f"--bind-address={value} is not an address. The program cannot have started with it: inspect the"
            " process.",
            program.evidence("bind-address", "a loopback address", ""),
        ) from None
    observed = value or "not set: 0.0.0.0, all addresses"
    status = PASS if local else FAIL
    evidence = program.evidence("bind-address", "127.0.0.1 or ::1", status, observed)
    message = f"It listens on {value}." if local else "Its port can be reached from other hosts."
    return Verdict(status, message, (evidence,), literal)


def file_flag(
    *flags: str, authority: bool = False, without: str = "It is not set."
) -> t.Callable[[Program], Verdict]:
    """A check of flags for files: they are set, and the files exist.

    :param without: the message when one is not set.
    """

    def evaluate(program: Program) -> Verdict:
        evidence = []
        for flag in flags:
            value = program.value(flag)
            if not value:
                evidence.append(program.evidence(flag, "a file", FAIL))
            else:
                evidence.append((program.authority if authority else program.file)(flag, value))
        unset = any(not program.value(flag) for flag in flags)
        names = " and ".join(f"--{flag}" for flag in flags)
        bad = without if unset else f"A file of {names} is missing or invalid: the next start would fail."
        return verdict_of(evidence, f"{names}: set, and the files exist.", bad, FAIL if unset else PASS)

    return evaluate
