# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Apply and delete objects of any kind: server-side apply, tried first as a dry run."""

from __future__ import annotations

import re
import threading
import time
import typing as t
import urllib.parse
from dataclasses import dataclass

from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._kube_api.client import (
    APPLY_PATCH,
    ApiError,
    Client,
    StatusError,
    UnreachableError,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._kube_api.ending import (
    being_deleted,
    wait_gone,
)
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._waiting import Waiting

Json = dict[str, t.Any]
T = t.TypeVar("T")

#: The collection's own field manager.
FIELD_MANAGER = "baremetal.kubernetes"
#: What the API server answers while it starts, is busy, or etcd elects a leader. Apply and delete may be repeated.
PASSING = frozenset({429, 500, 502, 503, 504})
RETRY_SECONDS = 1.0
#: What the API server writes by itself, or controllers do all the time.
_KEPT_BY_SERVER = ("managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink")
#: Label of objects that are declared together, with the name of their set.
PART_OF = "baremetal.kubernetes/part-of"
_SET_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?")
#: So that a name with a suffix is one, too.
_NAME_LENGTH = 200
HIDDEN = "(hidden)"
HIDDEN_CHANGED = "(hidden, another one)"


class Kind(t.NamedTuple):
    """A kind of objects."""

    api_version: str
    name: str


class Ref(t.NamedTuple):
    """What identifies an object.

    :param namespace: empty for an object of the cluster.
    """

    api_version: str
    kind: str
    namespace: str
    name: str

    def identity(self) -> Json:
        """An object with nothing but what identifies it."""
        metadata = {"name": self.name, **({"namespace": self.namespace} if self.namespace else {})}
        return {"apiVersion": self.api_version, "kind": self.kind, "metadata": metadata}

    def __str__(self) -> str:
        return f"{self.kind} {f'{self.namespace}/' if self.namespace else ''}{self.name}"


@dataclass(frozen=True)
class Change:
    """What happens to one object.

    :param before: as it is, C(None) when it does not exist. :param after: likewise; as declared when the API server
        cannot predict it, because its namespace or its kind is made by the same run, or because it is replaced.
    :param replaced: whether it has to be deleted and created again.
    """

    ref: Ref
    before: Json | None
    after: Json | None
    replaced: bool = False

    @property
    def changed(self) -> bool:
        return view(self.before) != view(self.after)


def reference(declared: t.Any, number: int) -> Ref:
    """What an object says of itself.

    :param number: in the list, for the message.
    :raises OperatorError: when that does not identify one object.
    """
    found = declared if isinstance(declared, dict) else {}
    given = found.get("metadata")
    metadata = given if isinstance(given, dict) else {}
    values = (found.get("apiVersion"), found.get("kind"), metadata.get("name"))
    if not all(isinstance(value, str) and value for value in values):
        missing = [
            key
            for key, value in zip(("apiVersion", "kind", "metadata.name"), values, strict=True)
            if not (isinstance(value, str) and value)
        ]
        raise OperatorError(
            f"Object {number} of the list lacks {' and '.join(missing)}. Nothing was changed.",
            "Give each object apiVersion, kind and metadata.name.",
        )
    return Ref(str(values[0]), str(values[1]), str(metadata.get("namespace") or ""), str(values[2]))


def references(objects: t.Sequence[t.Any]) -> list[Ref]:
    """Those of all objects, in their order.

    :raises OperatorError: also for an object that is there twice.
    """
    found: list[Ref] = []
    for number, declared in enumerate(objects, 1):
        ref = reference(declared, number)
        if ref in found:
            raise OperatorError(
                f"{ref} is in the list twice. Nothing was changed.", "Declare each object once."
            )
        found.append(ref)
    return found


def part_of(declared: Json, name: str) -> Json:
    """An object with the label of its set.

    :param name: of the set.
    :raises OperatorError: when that cannot be the value of a label.
    """
    if not _SET_NAME.fullmatch(name):
        raise OperatorError(
            f"part_of is {name!r}. Expected lower-case letters, digits, dots and hyphens, 63 at most. Nothing was"
            " changed.",
            "Correct part_of.",
        )
    metadata = declared["metadata"]
    return {**declared, "metadata": {**metadata, "labels": {**(metadata.get("labels") or {}), PART_OF: name}}}


def view(found: Json | None) -> Json | None:
    """An object without what the API server and controllers write, and with the names of its field managers."""
    if found is None:
        return None
    metadata = found.get("metadata") or {}
    managers = sorted(
        {
            f"{one.get('manager')} ({one.get('operation')})"
            for one in metadata.get("managedFields") or ()
            if not one.get("subresource")
        }
    )
    shown = {key: value for key, value in found.items() if key != "status"}
    shown["metadata"] = {key: value for key, value in metadata.items() if key not in _KEPT_BY_SERVER}
    if managers:
        shown["metadata"]["fieldManagers"] = managers
    return shown


def shown(change: Change) -> tuple[Json | None, Json | None]:
    """Both sides of a change for a person, without the values of Secrets."""
    before, after = view(change.before), view(change.after)
    if change.ref.kind == "Secret":
        known = {key: (before or {}).get(key) or {} for key in ("data", "stringData")}
        for side in filter(None, (before, after)):
            for key in known:
                if isinstance(side.get(key), dict):
                    side[key] = {
                        name: HIDDEN if side is before or known[key].get(name) == value else HIDDEN_CHANGED
                        for name, value in side[key].items()
                    }
    return before, after


def patiently(call: t.Callable[[], T], seconds: float, say: t.Callable[[str], object]) -> T:
    """Call until the API server answers: its virtual IP address moves, its leader changes, it is restarted.

    :param call: which may be repeated. :param seconds: for how long. :param say: shows a line of progress.
    :raises ApiError: the last one when the time is over; at once for a refusal that will not pass.
    """
    deadline = time.monotonic() + seconds
    waiting = Waiting(seconds, say)
    while True:
        try:
            return call()
        except ApiError as error:
            passing = isinstance(error, UnreachableError) or (
                isinstance(error, StatusError) and error.status in PASSING
            )
            if not passing or time.monotonic() + RETRY_SECONDS > deadline:
                raise
            waiting.still([str(error)])
        time.sleep(RETRY_SECONDS)


class Objects:
    """Objects of one cluster. Several threads may use it.

    :param manager: the field manager of what is applied. :param force: whether fields of other managers are taken
        over.
    :param seconds: how long the API server may be without an answer. :param say: shows a line of progress.
    """

    def __init__(
        self, api: Client, manager: str, force: bool, seconds: float, say: t.Callable[[str], object]
    ) -> None:
        self._api = api
        self._query = {"fieldManager": manager, "force": "true" if force else "false"}
        self._seconds = seconds
        self._say = say
        self._served: dict[str, dict[str, Json]] = {}
        self._asking = threading.Lock()
        #: Namespaces that are being deleted, whose objects are as good as gone.
        self._ending: set[str] = set()

    def _ask(self, call: t.Callable[[], T]) -> T:
        return patiently(call, self._seconds, self._say)

    def _resource(self, kind: Kind) -> tuple[str, Json | None]:
        """The path of a group and version, and what it says of a kind, C(None) when it does not serve it."""
        version = kind.api_version
        base = f"/{'apis' if '/' in version else 'api'}/{urllib.parse.quote(version)}"
        with self._asking:
            if version not in self._served:
                found = self._ask(lambda: self._api.get(base)) or {}
                self._served[version] = {
                    str(one.get("kind")): one
                    for one in found.get("resources") or ()
                    if "/" not in str(one.get("name"))
                }
            return base, self._served[version].get(kind.name)

    def path(self, ref: Ref) -> str | None:
        """Path of an object; C(None) when the API server does not serve its kind.

        :raises OperatorError: when the object has a namespace and must not, or the reverse.
        """
        base, resource = self._resource(Kind(ref.api_version, ref.kind))
        if resource is None:
            return None
        if bool(resource.get("namespaced")) != bool(ref.namespace):
            wanted = "a namespace" if resource.get("namespaced") else "no namespace"
            raise OperatorError(f"{ref} needs {wanted}. Nothing was changed.", "Correct metadata.namespace.")
        scope = f"/namespaces/{urllib.parse.quote(ref.namespace, safe='')}" if ref.namespace else ""
        return f"{base}{scope}/{resource['name']}/{urllib.parse.quote(ref.name, safe='')}"

    def forget(self) -> None:
        """Ask again which kinds there are."""
        self._served.clear()

    def predict(
        self, ref: Ref, declared: Json, may_lack: bool, may_replace: bool = False, wait: bool = True
    ) -> Change:
        """What applying an object would change; nothing is.

        :param may_lack: whether its kind or its namespace may not exist yet.
        :param may_replace: whether it may be deleted and created again when the API server does not change it.
        :param wait: whether to wait until one that is being deleted is gone, instead of passing over it.
        :raises OperatorError: when the API server would refuse it, or when its predecessor does not go away.
        """
        path = self.path(ref)
        if path is None:
            if may_lack:
                return Change(ref, None, declared)
            raise OperatorError(
                f"The API server does not serve the kind {ref.kind} of {ref.api_version} ({ref}). Nothing was changed.",
                "Correct apiVersion and kind, or install what defines them (a CustomResourceDefinition).",
            )
        if ref.namespace in self._ending:
            return Change(ref, None, declared)
        before = self._ask(lambda: self._api.get(path))
        if being_deleted(before):
            if not wait:
                if ref.kind == "Namespace":
                    self._ending.add(ref.name)
                return Change(ref, None, declared)
            before = wait_gone(str(ref), before, lambda: self._ask(lambda: self._api.get(path)), self._say)
        try:
            return Change(ref, before, self._patch(path, declared, dry_run=True))
        except StatusError as error:
            if error.status == 404 and ref.namespace and may_lack:
                return Change(ref, None, declared)
            if error.status == 422 and may_replace and before is not None:
                return self._replacement(ref, path, declared, before)
            raise _refused(ref, error, " Nothing was changed.") from error

    def _replacement(self, ref: Ref, path: str, declared: Json, before: Json) -> Change:
        """What replacing an object would change. One of another name shows whether the API server would take it."""
        name = f"{ref.name[:_NAME_LENGTH]}-replacement"
        other = {**declared, "metadata": {**declared["metadata"], "name": name}}
        try:
            after = self._patch(f"{path.rpartition('/')[0]}/{name}", other, dry_run=True)
        except StatusError as error:
            raise _refused(ref, error, " Nothing was changed.") from error
        after = {**after, "metadata": {**after["metadata"], "name": ref.name}}
        return Change(ref, before, after, replaced=True)

    def apply(self, ref: Ref, declared: Json) -> Json:
        """Apply an object, and return it as it is stored.

        :raises OperatorError: when the API server refuses it.
        """
        path = self.path(ref)
        if path is None:
            raise OperatorError(
                f"The API server does not serve the kind {ref.kind} of {ref.api_version} ({ref}).",
                "Install what defines it (a CustomResourceDefinition), and run the playbook again.",
            )
        try:
            return self._patch(path, declared, dry_run=False)
        except StatusError as error:
            raise _refused(ref, error, "") from error

    def _patch(self, path: str, declared: Json, dry_run: bool) -> Json:
        query = urllib.parse.urlencode({**self._query, **({"dryRun": "All"} if dry_run else {})})
        return self._ask(lambda: self._api.patch(f"{path}?{query}", declared, APPLY_PATCH))

    def find(self, ref: Ref) -> Json | None:
        """An object, C(None) when it does not exist."""
        path = self.path(ref)
        return self._ask(lambda: self._api.get(path)) if path else None

    def pods(self, ref: Ref) -> list[Json]:
        """The pods that a workload selects."""
        spec = (self.find(ref) or {}).get("spec") or {}
        labels = (spec.get("selector") or {}).get("matchLabels") or {}
        if not labels:
            return []
        selector = ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
        query = "labelSelector=" + urllib.parse.quote(selector, safe="")
        path = f"/api/v1/namespaces/{urllib.parse.quote(ref.namespace, safe='')}/pods"
        return self._ask(lambda: list(self._api.items(path, query)))

    def of_set(self, name: str, kinds: t.Iterable[Kind]) -> dict[Ref, Json]:
        """The objects of some kinds that an earlier run has applied as part of a set.

        A copy that somebody made of one has its label, too, and another manager: it is not among them. Neither is one
        that is being deleted already.

        :param name: of the set.
        :raises ApiError: when they cannot be listed.
        """
        found = {}
        query = "labelSelector=" + urllib.parse.quote(f"{PART_OF}={name}", safe="")
        for kind in kinds:
            base, resource = self._resource(kind)
            if resource is None:
                continue
            path = f"{base}/{resource['name']}"
            for item in self._ask(lambda path=path: list(self._api.items(path, query))):  # type: ignore[misc]
                metadata = item.get("metadata") or {}
                if self._manages(metadata) and not being_deleted(item):
                    ref = Ref(*kind, str(metadata.get("namespace") or ""), str(metadata.get("name")))
                    found[ref] = {"apiVersion": kind.api_version, "kind": kind.name, **item}
        return found

    def _manages(self, metadata: Json) -> bool:
        return any(
            (one.get("manager"), one.get("operation")) == (self._query["fieldManager"], "Apply")
            for one in metadata.get("managedFields") or ()
        )

    def delete(self, ref: Ref) -> None:
        """Delete an object, and what it owns.

        :raises OperatorError: when the API server refuses that.
        """
        path = self.path(ref)
        if path is not None:
            try:
                self._ask(lambda: self._api.delete(f"{path}?propagationPolicy=Background"))
            except StatusError as error:
                raise _refused(ref, error, "") from error


def _refused(ref: Ref, error: StatusError, more: str) -> OperatorError:
    """The error for a person who declared an object."""
    step = {
        403: "Give the user of the kubeconfig this permission.",
        404: "Create its namespace first, or in the same list before it.",
        409: "Leave these fields to their manager, or take them over (force_conflicts).",
    }.get(error.status, "Correct the object.")
    return OperatorError(f"The API server refuses {ref}: {error.told.rstrip('.')}.{more}", step)
