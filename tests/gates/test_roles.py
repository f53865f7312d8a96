# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules for roles: what is specified, what is used, what is forbidden."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jinja2 import Environment, TemplateSyntaxError, meta, nodes

from tests.gates import repo

TYPES: dict[str, tuple[type, ...]] = {
    "bool": (bool,),
    "dict": (dict,),
    "float": (float, int),
    "int": (int,),
    "list": (list,),
    "path": (str,),
    "raw": (object,),
    "str": (str,),
}
#: Keywords whose value is an expression without braces.
CONDITIONS = ("changed_when", "failed_when", "that", "until", "when")
#: What Ansible itself provides to expressions.
PROVIDED = {
    "ansible_check_mode",
    "ansible_diff_mode",
    "ansible_facts",
    "ansible_failed_result",
    "ansible_failed_task",
    "ansible_limit",
    "ansible_managed",
    "ansible_play_batch",
    "ansible_play_hosts",
    "ansible_play_hosts_all",
    "group_names",
    "groups",
    "hostvars",
    "inventory_dir",
    "inventory_hostname",
    "item",
    "lookup",
    "now",
    "omit",
    "query",
    "range",
    "role_path",
    "undef",
}
#: The preflight observes every host first, so that the role `node` need not do it again.
SHARED_RESULTS = {("preflight", "node_info"), ("control_plane", "node_joined")}
#: With run_once, a host that does not answer ends the play for all whatever ignore_unreachable says, but for
#: ignore_errors. What a task with all four has found is looked at by the next one.
LOOK_AT_ALL = {"ignore_errors", "ignore_unreachable", "register", "run_once"}
#: Tasks that hand a secret to a module or get one: module -> options of which one is enough.
MOVES_SECRETS = {
    "baremetal.kubernetes.bootstrap_token": {"ttl"},
    "baremetal.kubernetes.encryption_config": {"content", "reveal"},
}
#: helm and the Python client take proxies of the environment, each by rules of its own.
CALLS_API = re.compile(r"kubernetes\.core\.(?!helm_template$)\w+")
API_ENVIRONMENT = "{{ cluster_api_environment }}"
FORBIDDEN_KEYWORDS = ("vars_prompt", "local_action", "with_items", "with_dict", "action")

every_role = pytest.mark.parametrize("role", repo.roles())
every_entry_point = pytest.mark.parametrize(
    ("role", "entry_point"), [(role, name) for role in repo.roles() for name in repo.specifications(role)]
)


@every_role
def test_role_has_a_page(role: str) -> None:
    """Galaxy refuses a collection with a role that has none."""
    page = repo.REPO / "roles" / role / "README.md"
    assert page.is_file(), f"roles/{role}/README.md is missing: say what the role does, with an example"
    assert page.read_text(encoding="utf-8").startswith(f"# {repo.COLLECTION}.{role}\n")


@every_role
def test_role_has_a_specification_for_each_variable(role: str) -> None:
    specifications = repo.specifications(role)
    assert "main" in specifications, f"roles/{role}/meta/argument_specs.yml has no entry point main"
    specified = set(specifications["main"].get("options", {}))
    missing = sorted(set(repo.defaults(role)) - specified)
    assert not missing, (
        f"roles/{role}/defaults/main.yml sets what the specification lacks: {', '.join(missing)}"
    )


@every_entry_point
def test_defaults_equal_the_specification(role: str, entry_point: str) -> None:
    found = repo.defaults(role)
    wrong = []
    for name, option in repo.specifications(role)[entry_point].get("options", {}).items():
        if option.get("required", False):
            if name in found or "default" in option:
                wrong.append(f"{name}: required, so it must have no default")
        elif ("default" in option) != (name in found):
            wrong.append(
                f"{name}: has a default in {'the specification' if 'default' in option else 'defaults'} only"
            )
        elif "default" in option and option["default"] != found[name]:
            wrong.append(f"{name}: specification says {option['default']!r}, defaults say {found[name]!r}")
    assert not wrong, "\n".join(wrong)


def _type_errors(name: str, option: dict[str, Any], value: Any) -> Iterator[str]:
    kind = option.get("type", "str")
    if kind not in TYPES:
        yield f"{name}: unknown type {kind!r}"
        return
    if isinstance(value, str) and "{{" in value:
        return
    if not isinstance(value, TYPES[kind]) or (kind in {"int", "float"} and isinstance(value, bool)):
        yield f"{name}: default {value!r} is not of type {kind}"
        return
    allowed = option.get("choices")
    entries: list[Any] = value if isinstance(value, list) else [value]
    if allowed is not None and any(entry not in allowed for entry in entries):
        yield f"{name}: default {value!r} is none of {allowed}"
    if kind == "list" and "elements" not in option:
        yield f"{name}: a list must say what its elements are"
    if kind == "list":
        for entry in entries:
            yield from _type_errors(f"{name}[]", {"type": option.get("elements", "raw")}, entry)
            if isinstance(entry, dict) and "options" in option:
                yield from (f"{name}[]: unknown key {key}" for key in entry if key not in option["options"])


@every_entry_point
def test_specified_types_fit_and_are_described(role: str, entry_point: str) -> None:
    wrong = []
    specification = repo.specifications(role)[entry_point]
    if not specification.get("short_description"):
        wrong.append("no short_description")
    for name, option in specification.get("options", {}).items():
        if not option.get("description"):
            wrong.append(f"{name}: no description")
        if "type" not in option:
            wrong.append(f"{name}: no type")
        if "default" in option:
            wrong += _type_errors(name, option, option["default"])
    assert not wrong, "\n".join(wrong)
    directory = repo.REPO / "roles" / role / "tasks"
    assert not directory.exists() or (directory / f"{entry_point}.yml").exists(), (
        "the entry point has no task file"
    )


def _made(role: str) -> Iterator[tuple[Path, str]]:
    """Variables that a role sets beside its defaults, with the file."""
    for path, content in repo.role_yaml(role):
        if path.parts[2] == "vars":
            yield from ((path, name) for name in content or {})
        if path.parts[2] in {"tasks", "handlers"}:
            for task in repo.tasks(content):
                yield from ((path, name) for name in task.get("ansible.builtin.set_fact", {}))
                if "register" in task:
                    yield path, task["register"]


@every_role
def test_variables_carry_the_prefix_of_their_role(role: str) -> None:
    wrong = [f"defaults: {name}" for name in repo.defaults(role) if not name.startswith(f"{role}_")]
    for path, name in _made(role):
        own = name.startswith(f"__{role}_") or name in repo.interface(role) or (role, name) in SHARED_RESULTS
        wrong += [] if own else [f"{path}: {name}"]
    assert not wrong, (
        f"expected {role}_* for options, __{role}_* for internal variables, and a row in the section Interface of"
        f" roles/{role}/README.md for what other roles read: {', '.join(wrong)}"
    )


@every_role
def test_interface_is_what_the_role_sets(role: str) -> None:
    made = {name for _, name in _made(role)} | {name for owner, name in SHARED_RESULTS if owner == role}
    stale = sorted(repo.interface(role) - made)
    assert not stale, f"roles/{role}/README.md documents what the role does not set: {', '.join(stale)}"
    own = {name for owner, name in SHARED_RESULTS if owner == role}
    wrong = sorted(name for name in repo.interface(role) - own if not name.startswith(f"{role}_"))
    assert not wrong, f"expected {role}_*: {', '.join(wrong)}"


@every_role
def test_role_reads_no_internal_variable_of_another(role: str) -> None:
    owners = {name: owner for owner in repo.roles() if owner != role for _, name in _made(owner)}
    wrong = {
        name: sorted(paths)
        for name, paths in _role_names(role).items()
        if name.startswith("__") and name in owners and not name.startswith(f"__{role}_")
    }
    assert not wrong, f"internal to other roles; use their interface: {wrong}"


@every_role
def test_tasks_use_no_forbidden_keyword(role: str) -> None:
    wrong = []
    for path, content in repo.role_yaml(role):
        for task in repo.tasks(content) if path.parts[2] in {"tasks", "handlers"} else ():
            wrong += [f"{path}: {task.get('name')}: {key}" for key in FORBIDDEN_KEYWORDS if key in task]
            if "ignore_errors" in task and not task.keys() >= LOOK_AT_ALL:
                wrong.append(f"{path}: {task.get('name')}: ignore_errors")
            facts = task.get("ansible.builtin.set_fact", {})
            wrong += [
                f"{path}: set_fact over the option {key}" for key in facts if key in repo.public_variables()
            ]
            if "no_log" not in task and {"token", "certificate_key"} & set(
                str(task.get("register", "")).split("_")
            ):
                wrong.append(f"{path}: {task.get('name')}: a secret is registered without no_log")
            for module, options in MOVES_SECRETS.items():
                if task.get("no_log") is not True and options & set(task.get(module) or ()):
                    wrong.append(f"{path}: {task.get('name')}: a secret is moved without no_log")
            if any(map(CALLS_API.fullmatch, task)) and task.get("environment") != API_ENVIRONMENT:
                wrong.append(f"{path}: {task.get('name')}: calls the API without {API_ENVIRONMENT}")
    assert not wrong, "\n".join(wrong)


def _expressions(node: Any, key: str = "") -> Iterator[str]:
    """Everything below a node of a YAML file that Ansible evaluates, as template text."""
    if isinstance(node, dict):
        for name, value in node.items():
            yield from _expressions(value, str(name))
    elif isinstance(node, list):
        for value in node:
            yield from _expressions(value, key)
    elif isinstance(node, str):
        if "{{" in node or "{%" in node:
            yield node
        elif key in CONDITIONS:
            yield "{{ " + node + " }}"


class _AnyPlugin(dict[str, Any]):
    """Knows a filter or test of every name, for Ansible's are not looked up here."""

    def get(self, key: str, default: Any = None) -> Any:
        return super().get(key, lambda value: value)


def _role_names(role: str) -> dict[str, set[str]]:
    """Variables that a role reads, with the files that read them."""
    environment = Environment(autoescape=False)  # noqa: S701 - only parsed, never rendered
    environment.filters, environment.tests = _AnyPlugin(), _AnyPlugin()
    names: dict[str, set[str]] = {}
    texts = [(str(path), text) for path, content in repo.role_yaml(role) for text in _expressions(content)]
    texts += [
        (str(path), (repo.REPO / path).read_text(encoding="utf-8"))
        for path in repo.role_files(role, "templates")
    ]
    for path, text in texts:
        try:
            found = meta.find_undeclared_variables(environment.parse(text))
        except TemplateSyntaxError as exc:
            raise AssertionError(f"{path}: {exc}: {text}") from exc
        for name in found:
            names.setdefault(name, set()).add(path)
    return names


def _defined() -> set[str]:
    """Variables that roles and playbooks make: in vars, by register, by set_fact, for an included role."""
    defined: set[str] = set()
    for role in repo.roles():
        for path, content in repo.role_yaml(role):
            if path.parts[2] == "vars":
                defined |= set(content or {})
                continue
            for task in repo.tasks(content):
                defined |= set(task.get("vars", {})) | {task.get("register", "")}
                defined |= set(task.get("ansible.builtin.set_fact", {}))
                # Variables of the hosts that it puts into a group.
                defined |= set(task.get("ansible.builtin.add_host", {}))
                defined |= {task.get("loop_control", {}).get("loop_var", "")}
    for playbook in (repo.REPO / "playbooks").glob("*.yml"):
        for task in repo.tasks(repo.load(playbook)):
            defined |= set(task.get("ansible.builtin.add_host", {}))
    return defined


def _typed_options() -> dict[str, dict[str, Any]]:
    """Options that are no text, but for what a role passes to another: that comes from no inventory."""
    return {
        name: option
        for role in repo.roles()
        for spec in repo.specifications(role).values()
        for name, option in spec.get("options", {}).items()
        if option["type"] not in {"str", "path", "raw"} and name not in repo.parameters()
    }


def _entries(option: dict[str, Any]) -> Any:
    """The second argument of the filter `typed`; None where it is left out."""
    if option["type"] != "list" or option["elements"] == "str":
        return None
    types = {
        key: inner["type"]
        for key, inner in option.get("options", {}).items()
        if inner.get("type", "str") not in {"str", "raw"}
    }
    return types or option["elements"]


def _converted(node: nodes.Filter, option: dict[str, Any]) -> bool:
    """Whether a filter converts an option to its type."""
    if node.name != f"{repo.COLLECTION}.typed":
        return False
    arguments = [argument.as_const() for argument in node.args]
    expected = [option["type"], *([] if _entries(option) is None else [_entries(option)])]
    # A dictionary's specification has no place for the type of its values.
    return arguments == expected or (option["type"] == "dict" and arguments[:1] == expected)


def _unconverted(node: nodes.Node, options: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Options that an expression reads other than by their conversion."""
    if isinstance(node, nodes.Filter):
        inner = node.node
        while isinstance(inner, nodes.Filter) and inner.name == "default":
            inner = inner.node
        if isinstance(inner, nodes.Name) and inner.name in options and _converted(node, options[inner.name]):
            return
    if isinstance(node, nodes.Name) and node.ctx == "load" and node.name in options:
        yield node.name
    for child in node.iter_child_nodes():
        yield from _unconverted(child, options)


def _documentation(*path: str, part: str = "DOCUMENTATION") -> Any:
    """The documentation in a Python file below plugins.

    :param part: name of the text; a fragment may have several.
    """
    text = repo.REPO.joinpath("plugins", *path).with_suffix(".py").read_text(encoding="utf-8")
    return yaml.safe_load(text.partition(f'{part} = r"""')[2].partition('"""')[0])


def _fragment(name: str) -> Any:
    """A fragment of the collection by its name, ``NAMESPACE.COLLECTION.FILE`` or that and the part of the file."""
    file, _dot, part = name.removeprefix(f"{repo.COLLECTION}.").partition(".")
    return _documentation("doc_fragments", file, part=part.upper() or "DOCUMENTATION")


def _module_types(name: str) -> dict[str, str]:
    """The type of each parameter of a module of the collection."""
    found = _documentation("modules", name.rpartition(".")[2])
    documents = [found, *map(_fragment, found.get("extends_documentation_fragment", []))]
    return {key: value["type"] for document in documents for key, value in document["options"].items()}


def _evaluated(task: dict[str, Any], options: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """A task without options that a module of ours gets as they are, as it converts them itself."""
    found = dict(task)
    for module in [key for key in task if key.startswith(f"{repo.COLLECTION}.") and task[key]]:
        types = _module_types(module)
        found[module] = {
            key: value
            for key, value in task[module].items()
            if options.get(str(value).strip("{} "), {"type": ""})["type"] != types[key]
        }
    return {key: value for key, value in found.items() if key not in {"block", "rescue", "always"}}


@every_role
def test_options_are_converted_where_they_are_read(role: str) -> None:
    """INI inventories and -e make text of booleans, numbers, lists and dictionaries, and Ansible converts nothing."""
    environment = Environment(autoescape=False)  # noqa: S701 - only parsed, never rendered
    environment.filters, environment.tests = _AnyPlugin(), _AnyPlugin()
    options = _typed_options()
    wrong = []
    for path, content in repo.role_yaml(role):
        if path.parts[2] == "defaults":
            continue
        tasks = path.parts[2] == "tasks"
        parts = [_evaluated(task, options) for task in repo.tasks(content)] if tasks else [content]
        for part in parts:
            for text in _expressions(part):
                wrong += [f"{path}: {name}" for name in _unconverted(environment.parse(text), options)]
    for path in repo.role_files(role, "templates"):
        text = (repo.REPO / path).read_text(encoding="utf-8")
        wrong += [f"{path}: {name}" for name in _unconverted(environment.parse(text), options)]
    assert not wrong, (
        "read through `| baremetal.kubernetes.typed(TYPE)` with the type of the specification, or given as it is to a"
        f" parameter of this type of a module of ours: {', '.join(wrong)}"
    )


@every_role
def test_every_variable_that_a_role_reads_exists(role: str) -> None:
    known = PROVIDED | set(repo.public_variables()) | _defined()
    unknown = {name: sorted(paths) for name, paths in _role_names(role).items() if name not in known}
    assert not unknown, f"neither specified nor made anywhere: {unknown}"


def test_every_variable_is_read() -> None:
    made = set(repo.public_variables()) | {name for name in _defined() if name.startswith("__")}
    read: set[str] = set()
    for role in repo.roles():
        read |= set(_role_names(role))
        for path in repo.role_files(role, "tasks", "vars", "templates"):
            # hostvars[...].name and ['name'] are reads, too
            text = (repo.REPO / path).read_text(encoding="utf-8")
            read |= {name for name in made if f".{name}" in text or f"'{name}'" in text}
    for playbook in (repo.REPO / "playbooks").glob("*.yml"):
        read |= repo.words(playbook.read_text(encoding="utf-8"))
    unused = sorted(made - read)
    assert not unused, f"specified or made, but never read: {', '.join(unused)}"
