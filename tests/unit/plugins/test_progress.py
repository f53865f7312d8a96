# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The callback progress: its lines as tables, and its output on a terminal and in a pipe."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._progress.record import (
    SHOWN_HOSTS,
    SHOWN_TASKS,
    HostResult,
    Phase,
    Tone,
    clock,
    duration,
    heading,
    names,
    outcome,
    running,
    summary,
)

from tests.unit.support import ssh


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00:00"), (61.9, "0:01:01"), (7322, "2:02:02")])
def test_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (12.6, "13 s"), (75, "1 min 15 s"), (3725, "1 h 2 min")],
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_names_are_cut() -> None:
    assert names(["a", "b"]) == "a, b"
    assert names([f"h{number}" for number in range(10)]).endswith("h7 and 2 more")


def phase(name: str = "Prepare nodes", **hosts: HostResult) -> Phase:
    return Phase(name, name, 12, hosts)


MIXED = phase(
    cp1=HostResult(tasks=5, changed=["Install packages", "Place files"], seconds=11.2),
    w1=HostResult(tasks=5, seconds=1),
    worker2=HostResult(tasks=2, failed="Place files", message="It is full.\nDelete something.", seconds=3),
    w3=HostResult(tasks=1, unreachable="Install packages", message="timed out", seconds=10),
)


def test_outcome_has_a_line_for_each_host() -> None:
    lines = outcome(MIXED, check=False)
    assert [(line.text.split(), line.tone) for line in lines] == [
        (["cp1", "2", "changed", "of", "5", "tasks,", "11", "s"], Tone.CHANGED),
        (["w1", "ok,", "5", "tasks,", "1.0", "s"], Tone.OK),
        (["w3", "unreachable", "at", '"Install', 'packages",', "10", "s"], Tone.UNREACHABLE),
        (["worker2", "FAILED", "at", '"Place', 'files",', "3.0", "s"], Tone.FAILED),
    ]
    assert (
        len({line.text.index(word) for line, word in zip(lines, ("2 ch", "ok,", "unr", "FAI"), strict=True)})
        == 1
    )
    assert "2 would change of 5" in outcome(MIXED, check=True)[0].text
    assert heading(MIXED, check=True).text == "0:00:12  Prepare nodes (check mode)"


def test_outcome_of_many_hosts() -> None:
    """All that changed or failed is named; the others are counted beyond a screen."""
    many = phase(**{f"w{number:04}": HostResult(tasks=1) for number in range(1000)})
    many.hosts["w0999"].changed.append("Place files")
    lines = outcome(many, check=False)
    assert len(lines) == SHOWN_HOSTS + 2
    assert lines[-2].text.split()[0] == "w0999"
    assert lines[-1].text.strip() == f"{999 - SHOWN_HOSTS} more hosts: ok"


def test_running() -> None:
    assert running(MIXED, "Place files", ["cp1", "w1"], 12.3, 75) == (
        "0:01:15  Prepare nodes: Place files on cp1, w1 (12 s)"
    )


def text_of(failed: t.Collection[str], check: bool = False, *phases: Phase) -> str:
    found = phases or (MIXED,)
    hosts = sorted({host for one in found for host in one.hosts})
    return "\n".join(line.text for line in summary(found, failed, hosts, 75, check))


def test_summary() -> None:
    text = text_of({"worker2"})
    assert "Changed:\n  Prepare nodes: Install packages: cp1\n  Prepare nodes: Place files: cp1\n" in text
    assert "Failed:\n  worker2: Prepare nodes: Place files: It is full. Delete something.\n" in text
    assert "Failed: 1 of 4 hosts changed, 1 failed, 1 min 15 s." in text
    assert text.endswith("It continues where this run ended.")


def test_summary_without_changes() -> None:
    text = text_of((), False, phase(cp1=HostResult(tasks=3)))
    assert text.strip() == "Done: 0 of 1 hosts changed, 0 failed, 1 min 15 s."


def test_summary_of_a_rescued_failure() -> None:
    """Ansible does not count it, so it is no failure of the run."""
    assert "Failed" not in text_of(())


def test_summary_with_an_unreachable_host() -> None:
    assert "--limit 'all:!w3'" in text_of({"w3", "worker2"})


def test_summary_of_check_mode() -> None:
    text = text_of((), True)
    assert "Would change:" in text
    assert text.endswith("Next: run the same command without --check to make these changes.")


def test_summary_of_many_changes() -> None:
    changed = [f"Task {number}" for number in range(SHOWN_TASKS + 1)]
    text = text_of((), False, phase(cp1=HostResult(changed=changed), w1=HostResult(changed=changed[:1])))
    assert f"Changed:\n  Prepare nodes: {SHOWN_TASKS + 1} tasks: cp1, w1\n" in text


# --- runs of ansible-playbook ---------------------------------------------------------------------------------------

COMMAND = "ansible.builtin.command"
DEBUG = "ansible.builtin.debug"


def task(name: str, module: str, arguments: t.Any, **more: t.Any) -> dict[str, t.Any]:
    return {"name": name, module: {"argv": arguments} if isinstance(arguments, list) else arguments, **more}


class Runs:
    """Runs of ansible-playbook with the callback."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.plays: list[dict[str, t.Any]] = []

    def play(self, name: str, *tasks: dict[str, t.Any], hosts: str = "all", **more: t.Any) -> None:
        self.plays.append({"name": name, "hosts": hosts, "gather_facts": False, "tasks": list(tasks), **more})

    def _command(self, *flags: str) -> dict[str, t.Any]:
        path = self.directory / "play.yml"
        path.write_text(json.dumps(self.plays))
        settings = {
            "ANSIBLE_STDOUT_CALLBACK": "baremetal.kubernetes.progress",
            "ANSIBLE_TRANSPORT": "ansible.builtin.local",
            "ANSIBLE_LOG_PATH": str(self.directory / "log"),
            "TERM": "xterm",
        }
        return {
            "args": ["ansible-playbook", "-i", "cp1,w1,", str(path), *flags],
            "cwd": ssh.ROOT,
            "env": ssh.environment(self.directory, **settings),
            "stdin": subprocess.DEVNULL,
        }

    def pipe(self, *flags: str) -> tuple[int, str]:
        done = subprocess.run(
            **self._command(*flags),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        return done.returncode, done.stdout

    def terminal(self, *flags: str) -> tuple[int, str]:
        """Output on a terminal of 80 columns, with its control sequences."""
        ours, theirs = pty.openpty()
        command = self._command(*flags)
        command["env"] = {**command["env"], "ANSIBLE_NOCOLOR": "false", "ANSIBLE_FORCE_COLOR": "true"}
        process = subprocess.Popen(**command, stdout=theirs, stderr=theirs)
        os.close(theirs)
        data = b""
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:
                break
            if not piece:
                break
            data += piece
        os.close(ours)
        return process.wait(timeout=120), data.decode()


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path)


def screen(data: str) -> list[str]:
    """Lines that stay on a terminal, without colours."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", data).replace("\r\n", "\n")
    return [re.split(r"\r?\x1b\[K", line)[-1].rstrip() for line in plain.split("\n")]


def seconds_out(text: str) -> str:
    return re.sub(r"\d+(\.\d)? s\b", "N s", text)


CHANGES = task("Change", COMMAND, ["true"])
STAYS = task("Read", COMMAND, ["true"], changed_when=False)
SKIPPED = task("Skip", COMMAND, ["true"], when=False)
SECRET = task("Keep", COMMAND, ["echo", "s3cret"], no_log=True)
BREAKS = task(
    "Break",
    "ansible.builtin.fail",
    {"msg": "It is full. Delete something."},
    when="inventory_hostname == 'w1'",
)
RESCUED = {"name": "Try", "block": [task("Fail", COMMAND, ["false"])], "rescue": [STAYS]}
IGNORED = task("Ignore", COMMAND, ["false"], ignore_errors=True)


def test_phases_hosts_and_summary(runs: Runs) -> None:
    runs.play("Prepare nodes", STAYS, CHANGES, SKIPPED, SECRET)
    runs.play("Join workers", STAYS, hosts="w1")
    code, out = runs.pipe()
    assert code == 0, out
    assert re.sub(r"0:00:\d\d", "0:00:NN", seconds_out(out)).splitlines() == [
        "0:00:NN  Prepare nodes",
        "         cp1  2 changed of 3 tasks, N s",
        "         w1   2 changed of 3 tasks, N s",
        "0:00:NN  Join workers",
        "         w1  ok, 1 task, N s",
        "",
        "Changed:",
        "  Prepare nodes: Change: cp1, w1",
        "  Prepare nodes: Keep: cp1, w1",
        "Done: 2 of 2 hosts changed, 0 failed, N s.",
    ]
    assert "Prepare nodes" in (runs.directory / "log").read_text()


def test_failure_keeps_the_whole_message(runs: Runs) -> None:
    runs.play("Prepare nodes", RESCUED, IGNORED, BREAKS)
    runs.play("Join workers", STAYS)
    code, out = runs.pipe()
    assert code == 2
    assert "TASK [Break]" in out
    assert 'fatal: [w1]: FAILED! => {"changed": false, "msg": "It is full. Delete something."}' in out
    assert "...ignoring" in out
    text = seconds_out(out)
    assert '         w1   FAILED at "Break", N s' in text
    _, _, end = text.partition("\nFailed:\n")
    assert end.splitlines() == [
        "  w1: Prepare nodes: Break: It is full. Delete something.",
        "Failed: 0 of 2 hosts changed, 1 failed, N s.",
        "Next: do what the messages say and run the same command again. It continues where this run ended.",
    ]


def test_nothing_secret_at_any_verbosity(runs: Runs) -> None:
    runs.play("Prepare nodes", SECRET, {**SECRET, "failed_when": True})
    for flags in ([], ["-vvv"]):
        code, out = runs.pipe(*flags)
        assert code == 2
        # The command itself is in the playbook, which a failure quotes.
        assert '"stdout": "s3cret"' not in out
        assert "hidden due to the fact that 'no_log: true'" in out


def test_details_with_v(runs: Runs) -> None:
    runs.play("Prepare nodes", STAYS, CHANGES, SKIPPED)
    code, out = runs.pipe("-v")
    assert code == 0
    for words in (
        "PLAY [Prepare nodes]",
        "TASK [Read]",
        "ok: [cp1] => {",
        "skipping: [w1]",
        "PLAY RECAP",
        "Done: 2 of 2",
    ):
        assert words in out


def test_difference_and_check_mode(runs: Runs) -> None:
    path = runs.directory / "file"
    runs.play(
        "Place files",
        task("Place", "ansible.builtin.copy", {"content": "new\n", "dest": str(path)}),
        hosts="w1",
    )
    code, out = runs.pipe("--check", "--diff")
    assert code == 0
    assert not path.exists()
    assert "+new" in out
    assert "changed: [w1]" in out
    assert "Place files (check mode)" in out
    assert "w1  1 would change of 1 task" in out
    assert "Would change:\n  Place files: Place: w1\n" in out
    assert "without --check" in out
    code, out = runs.pipe("--check")
    assert "+new" not in out


def test_messages_and_warnings_of_tasks(runs: Runs) -> None:
    runs.play(
        "Say",
        task("Say", DEBUG, {"msg": "for the operator"}, run_once=True),
        task("Warn", COMMAND, "echo {{ 1 }} warn", run_once=True),
        task("Loop", DEBUG, {"msg": "item {{ item }}"}, loop=["one"], run_once=True),
        task(
            "Retry",
            COMMAND,
            ["false"],
            run_once=True,
            retries=1,
            delay=0,
            until="not failed",
            register="failed_",
        ),
    )
    runs.plays[0]["tasks"][3] |= {"until": "failed_ is succeeded"}
    _code, out = runs.pipe()
    for words in ("for the operator", "item one", "FAILED - RETRYING: [cp1]: Retry"):
        assert words in out


def test_batches_are_one_phase(runs: Runs) -> None:
    runs.play("Join control planes", STAYS, serial=1)
    code, out = runs.pipe()
    assert code == 0
    assert out.count("Join control planes") == 1
    assert re.findall(r"(cp1|w1) +ok, 1 task", out) == ["cp1", "w1"]


def test_live_line_on_a_terminal(runs: Runs) -> None:
    runs.play(
        "Prepare nodes",
        task("Wait for it", COMMAND, ["sleep", "2.5"], timeout=20),
        task("Say", DEBUG, {"msg": "in between"}, run_once=True),
        CHANGES,
    )
    code, data = runs.terminal()
    assert code == 0, data
    assert re.search(r"\r\x1b\[K0:00:\d\d  Prepare nodes: Wait for it on cp1, w1 \(\d s\)", data), data
    lines = screen(data)
    assert not [line for line in lines if "Wait for it on" in line], "the live line has stayed"
    assert any('"msg": "in between"' in line for line in lines)
    assert "\x1b[0;33m         cp1  2 changed of 3 tasks" in data
    assert any(line.startswith("Done: 2 of 2 hosts changed") for line in lines)
    assert all(len(line) < 80 for line in re.findall(r"\x1b\[K([^\r\n\x1b]+)", data))


def test_no_control_sequences_in_a_pipe(runs: Runs) -> None:
    runs.play("Prepare nodes", STAYS)
    _code, out = runs.pipe()
    assert "\x1b" not in out
    assert "\r" not in out


def test_long_task_in_a_log(runs: Runs) -> None:
    """A copy of the plugin whose interval is short."""
    runs.play("Prepare nodes", task("Wait for it", COMMAND, ["sleep", "3"]))
    code = (
        "import sys\n"
        "from ansible.plugins.loader import init_plugin_loader\n"
        "init_plugin_loader()\n"
        "import ansible_collections.baremetal.kubernetes.plugins.callback.progress as progress\n"
        "progress.LOG_SECONDS = 1.0\n"
        "from ansible.cli.playbook import main\n"
        "main()\n"
    )
    command = runs._command()
    arguments = [sys.executable, "-c", code, *command.pop("args")[1:]]
    done = subprocess.run(
        arguments,
        **command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    assert re.search(r"^0:00:\d\d  Prepare nodes: Wait for it on cp1, w1 \(\d s\)$", done.stdout, re.M), (
        done.stdout
    )


def test_documentation() -> None:
    done = subprocess.run(
        ["ansible-doc", "-t", "callback", "--json", "baremetal.kubernetes.progress"],
        cwd=ssh.ROOT,
        env={**os.environ, "ANSIBLE_CONFIG": str(ssh.ROOT / "ansible.cfg")},
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout)["baremetal.kubernetes.progress"]["doc"]
    assert found["type"] == "stdout"
    assert {"display_failed_stderr", "result_format"} <= set(found["options"])
