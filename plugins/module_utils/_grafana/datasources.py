# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Data sources, always by uid: Grafana 13 has disabled the endpoints with numbers."""

from __future__ import annotations

import hashlib
import typing as t
from dataclasses import dataclass, field

from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._grafana import canonical, errors, mark
from ansible_collections.baremetal.kubernetes.plugins.module_utils._grafana.canonical import Difference
from ansible_collections.baremetal.kubernetes.plugins.module_utils._grafana.client import Client, quoted
from ansible_collections.baremetal.kubernetes.plugins.module_utils._grafana.plan import Desired, Observed
from ansible_collections.baremetal.kubernetes.plugins.module_utils._redact import redact

KIND = "data source"
#: Fields that may be declared. What else Grafana returns is its own.
FIELDS = frozenset(
    {
        "access",
        "basicAuth",
        "basicAuthUser",
        "database",
        "isDefault",
        "jsonData",
        "name",
        "type",
        "url",
        "user",
        "withCredentials",
    }
)
REQUIRED = ("name", "type", "url")
_BEGIN = "-----BEGIN CERTIFICATE-----"


@dataclass(frozen=True)
class Health:
    """What the data source itself says of its connection.

    :param status: C(ok), C(error), or C(unknown) for a kind that has no check.
    """

    status: str
    message: str = ""


@dataclass(frozen=True)
class Secure:
    """Secrets of a data source, which Grafana takes and never returns.

    :param version: changes with the secrets, and is no secret.
    """

    data: t.Mapping[str, str] = field(default_factory=dict, repr=False)
    version: str = ""

    @property
    def fingerprint(self) -> dict[str, str]:
        """What is public of them. A hash of a password is not: who sees it could guess the password."""
        public = {
            key: hashlib.sha256(value.encode()).hexdigest() if value.lstrip().startswith(_BEGIN) else ""
            for key, value in self.data.items()
        }
        return {**public, "version": self.version}


def desired(uid: str, spec: t.Mapping[str, t.Any], secure: Secure) -> Desired:
    """The data source as it is declared.

    :raises OperatorError: when the spec lacks something, or has what is not declared.
    """
    unknown = sorted(set(spec) - FIELDS)
    missing = [name for name in REQUIRED if not spec.get(name)]
    if unknown or missing:
        found = [f"unknown fields {', '.join(unknown)}"] if unknown else []
        found += [f"no {', '.join(missing)}"] if missing else []
        raise OperatorError(
            f"spec of the data source {uid} has {' and '.join(found)}; expected {', '.join(sorted(FIELDS))}.",
            "Correct it; secrets belong into secure_data.",
        )
    json_data = spec.get("jsonData") or {}
    if not isinstance(json_data, dict):
        raise OperatorError(f"jsonData of the data source {uid} is no mapping.", "Correct it.")
    own = sorted(set(json_data) & set(mark.JSON_FIELDS))
    if own:
        raise OperatorError(
            f"jsonData of the data source {uid} has {', '.join(own)}, which mark it as this cluster's.",
            "Remove them.",
        )
    full = {"access": "proxy", **spec, "jsonData": json_data}
    return Desired(KIND, uid, full, None, canonical.spec_hash({**full, "secure": secure.fingerprint}))


class DataSources:
    """Read and write data sources.

    :param cluster: whose data sources are written.
    """

    def __init__(self, client: Client, cluster: str) -> None:
        self._client = client
        self._cluster = cluster

    def read(self, uid: str, secure: Secure) -> Observed | None:
        """A data source, C(None) when there is none."""
        raw = self._client.find(f"/api/datasources/uid/{quoted(uid)}")
        if raw is None:
            return None
        if not isinstance(raw, dict):
            raise errors.NotGrafanaError(
                f"{self._client.url} did not answer with a data source.",
                "Check that this is the URL of Grafana.",
            )
        json_data = raw.get("jsonData") or {}
        own = mark.from_json_data(json_data, _version_of(raw))
        spec = {key: value for key, value in raw.items() if key in FIELDS}
        spec["jsonData"] = {key: value for key, value in json_data.items() if key not in mark.JSON_FIELDS}
        manager = "a file of Grafana (provisioning)" if raw.get("readOnly") else ""
        return Observed(uid, spec, own, None, manager, raw, self._suspicions(raw, own, secure))

    def create(self, wanted: Desired, secure: Secure) -> None:
        """Create a data source.

        :raises ConflictError: when another one has its name.
        """
        self._save("POST", "/api/datasources", wanted, secure, 1, {})

    def update(self, wanted: Desired, observed: Observed, secure: Secure) -> None:
        """Replace a data source that has been read.

        :raises ConflictError: when somebody else has saved it since.
        """
        version = _version_of(observed.raw)
        kept: dict[str, t.Any] = {"version": version} if version else {}
        if "isDefault" not in wanted.spec:
            # What nobody declares stays as somebody has set it.
            kept["isDefault"] = bool(observed.raw.get("isDefault"))
        path = f"/api/datasources/uid/{quoted(wanted.uid)}"
        self._save("PUT", path, wanted, secure, version + 1, kept)

    def delete(self, uid: str) -> None:
        """Delete a data source."""
        self._client.send("DELETE", f"/api/datasources/uid/{quoted(uid)}")

    def health(self, uid: str) -> Health:
        """Let Grafana ask the data source, with the credentials that it has."""
        status, found = self._client.status_of(f"/api/datasources/uid/{quoted(uid)}/health")
        told = found if isinstance(found, dict) else {}
        message = redact(str(told.get("message") or ""))[:500]
        if status == 200 and str(told.get("status")).upper() == "OK":
            return Health("ok", message)
        # A kind that has no check answers 404, or 503 where its plugin has no backend.
        if status in (404, 501, 503) or (status < 500 and status != 400):
            return Health("unknown", message)
        return Health("error", message or f"HTTP {status}")

    def _suspicions(
        self, raw: t.Mapping[str, t.Any], own: mark.Mark, secure: Secure
    ) -> tuple[Difference, ...]:
        """Secrets that Grafana lacks, or that somebody may have changed: nobody can read them."""
        has = raw.get("secureJsonFields") or {}
        missing = tuple(
            Difference(f"secureJsonData.{key}", "nothing", "a secret")
            for key in sorted(secure.data)
            if not has.get(key)
        )
        if missing or not (own.edited and secure.data):
            return missing
        health = self.health(str(raw.get("uid")))
        if health.status != "error":
            return ()
        return (
            Difference(
                "secureJsonData",
                f"saved by somebody else, and the data source does not answer: {health.message}",
                "the declared secrets",
            ),
        )

    def _save(
        self,
        method: str,
        path: str,
        wanted: Desired,
        secure: Secure,
        version: int,
        extra: t.Mapping[str, t.Any],
    ) -> None:
        body = {
            **wanted.spec,
            **extra,
            "uid": wanted.uid,
            "jsonData": {
                **wanted.spec["jsonData"],
                mark.JSON_OWNER: mark.OWNER,
                mark.JSON_CLUSTER: self._cluster,
                mark.JSON_SPEC_HASH: wanted.hash,
                mark.JSON_VERSION: version,
            },
            "secureJsonData": dict(secure.data),
        }
        try:
            self._client.send(method, path, body)
        except errors.GrafanaError as exc:
            # Grafana may quote what it does not take.
            exc.secrets = frozenset(filter(None, secure.data.values()))
            raise


def _version_of(raw: t.Mapping[str, t.Any]) -> int:
    value = raw.get("version")
    return value if isinstance(value, int) else 0
