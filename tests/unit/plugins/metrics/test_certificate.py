# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates for metrics: what is decided, what the CA signs, and the whole by real Ansible on this machine."""

from __future__ import annotations

import os
import stat
import typing as t
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from ansible_collections.baremetal.kubernetes.plugins.module_utils._errors import OperatorError
from ansible_collections.baremetal.kubernetes.plugins.module_utils._metrics import certificate as host_side
from ansible_collections.baremetal.kubernetes.plugins.plugin_utils._metrics import authority, certificate
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.unit.support import ssh

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
WANTED = authority.Wanted("node:w1", ("w1", "192.0.2.21"), 90)
DAY = timedelta(days=1)


def request_of(key: ec.EllipticCurvePrivateKey, name: str = "whatever") -> str:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return made.public_bytes(authority.serialization.Encoding.PEM).decode()


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> authority.Authority:
    return authority.ensure(str(tmp_path_factory.mktemp("ca")), "Metrics of site-a", 3650, NOW)


def issued(
    ca: authority.Authority, wanted: authority.Wanted = WANTED, at: datetime = NOW
) -> certificate.Observed:
    pem = authority.sign(ca, request_of(ec.generate_private_key(ec.SECP256R1())), wanted, at)
    return certificate.Observed(ca.pem, pem, has_key=True, key_fits=True)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_what_a_certificate_says(ca: authority.Authority) -> None:
    own = certificate.parse(issued(ca).certificate)
    assert own is not None
    assert certificate.common_name(own) == "node:w1"
    assert certificate.names_of(own) == {"w1", "192.0.2.21"}
    assert own.not_valid_after_utc == NOW + 90 * DAY
    assert own.not_valid_before_utc < NOW
    own.verify_directly_issued_by(ca.certificate)


@pytest.mark.parametrize(
    ("later", "reason"),
    [
        (timedelta(0), ""),
        (59 * DAY, ""),
        (61 * DAY, "expires at 2027-02-28T12:00:00Z, in 29 days, expected at least 30 days"),
        (91 * DAY, "expired at 2027-02-28T12:00:00Z, 1 day ago"),
        (-1 * DAY, "is in the future"),
    ],
)
def test_a_certificate_is_renewed_when_a_third_of_its_life_is_left(
    ca: authority.Authority, later: timedelta, reason: str
) -> None:
    found = certificate.decide(issued(ca), WANTED, ca, NOW + later)
    assert not found.others
    assert bool(found.reasons) == bool(reason)
    assert reason in " ".join(found.reasons)


def test_a_shorter_life_that_is_set_later_counts(ca: authority.Authority) -> None:
    found = certificate.decide(issued(ca), authority.Wanted("node:w1", WANTED.names, 30), ca, NOW)
    assert "expected at most 30 days" in found.reasons[0]


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        (authority.Wanted("prometheus:w1", WANTED.names, 90), "is for node:w1, expected prometheus:w1"),
        (authority.Wanted("node:w1", ("w1", "192.0.2.22"), 90), "expected 192.0.2.22, w1"),
        (authority.Wanted("node:w1", ("W1", "192.0.2.21", "w1", ""), 90), ""),
    ],
)
def test_names(ca: authority.Authority, wanted: authority.Wanted, reason: str) -> None:
    found = certificate.decide(issued(ca), wanted, ca, NOW)
    assert bool(found.reasons) == bool(reason)
    assert reason in " ".join(found.reasons)


def test_addresses_are_compared_as_such(ca: authority.Authority) -> None:
    wanted = authority.Wanted("node:w1", certificate.canonical(["[2001:DB8:0::1]", "W1"]), 90)
    assert wanted.names == ("2001:db8::1", "w1")
    assert not certificate.decide(issued(ca, wanted), wanted, ca, NOW).changed


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"certificate": ""}, "it has no certificate"),
        ({"certificate": "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"}, "cannot be read"),
        ({"key_fits": False}, "its key is not that of its certificate"),
        ({"key_fits": False, "has_key": False}, "key of its certificate is missing"),
    ],
)
def test_files_that_do_not_belong_together(
    ca: authority.Authority, changes: dict[str, t.Any], reason: str
) -> None:
    observed = certificate.Observed(**{**issued(ca).__dict__, **changes})
    assert reason in " ".join(certificate.decide(observed, WANTED, ca, NOW).reasons)


def test_a_host_of_another_ca(ca: authority.Authority, tmp_path: Path) -> None:
    other = authority.ensure(str(tmp_path), "Metrics of site-a", 3650, NOW)
    found = certificate.decide(issued(ca), WANTED, other, NOW)
    assert found.foreign
    assert "not of the CA of metrics that the controller has" in found.reasons[0]
    assert certificate.decide(issued(ca), WANTED, None, NOW).foreign
    assert not certificate.decide(certificate.Observed(), WANTED, None, NOW).foreign


def test_a_renewed_ca_verifies_what_the_former_has_signed(tmp_path: Path) -> None:
    directory = str(tmp_path / "metrics")
    first = authority.ensure(directory, "Metrics of site-a", 300, NOW)
    later = NOW + 250 * DAY
    observed = issued(first, at=NOW + 240 * DAY)
    second = authority.ensure(directory, "another name", 300, later)
    assert second.pem != first.pem
    assert second.fingerprint == first.fingerprint
    assert second.certificate.subject == first.certificate.subject
    found = certificate.decide(observed, WANTED, second, later)
    assert not found.foreign
    assert not found.reasons
    assert found.others
    new = certificate.parse(issued(second, at=later).certificate)
    assert new is not None
    new.verify_directly_issued_by(first.certificate)
    assert authority.ensure(directory, "", 300, later).pem == second.pem


def test_the_ca_belongs_to_its_owner_alone(tmp_path: Path) -> None:
    directory = tmp_path / "new/metrics"
    made = authority.ensure(str(directory), "Metrics", 3650, NOW)
    assert mode(directory) == 0o700
    assert mode(directory / "ca.key") == 0o600
    assert (directory / "ca.crt").read_text() == made.pem
    constraints = made.certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.value.ca and constraints.value.path_length == 0


def test_forks_create_one_ca(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: authority.ensure(str(tmp_path), "Metrics", 3650, NOW).pem, range(8)))
    assert len(set(made)) == 1


def test_a_run_that_ended_between_key_and_certificate(tmp_path: Path) -> None:
    first = authority.ensure(str(tmp_path), "Metrics", 3650, NOW)
    (tmp_path / "ca.crt").unlink()
    assert authority.load(str(tmp_path)) is None
    assert authority.ensure(str(tmp_path), "Metrics", 3650, NOW).fingerprint == first.fingerprint


def _without_key(directory: Path) -> None:
    (directory / "ca.key").unlink()


def _readable_key(directory: Path) -> None:
    (directory / "ca.key").chmod(0o640)


def _other_key(directory: Path) -> None:
    other = directory / "other"
    authority.ensure(str(other), "Metrics", 3650, NOW)
    (other / "ca.key").rename(directory / "ca.key")


def _encrypted_key(directory: Path) -> None:
    (directory / "ca.key").write_text(
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAA==\n-----END ENCRYPTED PRIVATE KEY-----\n"
    )


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (_without_key, "ca.key is missing on the controller"),
        (_readable_key, "has mode 0640, expected 0600"),
        (_other_key, "not a pair of certificate and key"),
        (_encrypted_key, "no key that can be used"),
    ],
)
def test_an_unusable_ca_is_not_replaced(harm: t.Callable[[Path], None], message: str, tmp_path: Path) -> None:
    made = authority.ensure(str(tmp_path), "Metrics", 3650, NOW)
    harm(tmp_path)
    with pytest.raises(OperatorError, match=message):
        authority.ensure(str(tmp_path), "Metrics", 3650, NOW)
    assert (tmp_path / "ca.crt").read_text() == made.pem


def test_a_request_that_another_key_has_signed_is_refused(ca: authority.Authority) -> None:
    text = request_of(ec.generate_private_key(ec.SECP256R1())).splitlines()
    # A byte of the signature.
    line = text[-2]
    text[-2] = ("A" if line[0] != "A" else "B") + line[1:]
    with pytest.raises(OperatorError, match="not signed by its own key"):
        authority.sign(ca, "\n".join(text), WANTED, NOW)
    with pytest.raises(OperatorError, match="cannot be read"):
        authority.sign(ca, "nothing", WANTED, NOW)


# -- by Ansible, with this machine as the host --------------------------------------------------------------------


class Site(t.NamedTuple):
    """A controller's directory and a host's."""

    work: Path
    ca: Path
    host: Path

    def arguments(self, **more: t.Any) -> dict[str, t.Any]:
        return {
            "ca_directory": str(self.ca),
            "ca_name": "Metrics of site-a",
            "common_name": "node:w1",
            "names": ["w1", "192.0.2.21", ""],
            "ca_path": str(self.host / "ca.crt"),
            "certificate_path": str(self.host / "tls.crt"),
            "key_path": str(self.host / "tls.key"),
            **more,
        }

    def run(self, *flags: str, **more: t.Any) -> dict[str, t.Any]:
        result, printed = ssh.ad_hoc(
            self.work, "baremetal.kubernetes.metrics_certificate", self.arguments(**more), *flags
        )
        assert "PRIVATE KEY" not in printed
        return result


@pytest.fixture
def site(tmp_path: Path) -> Site:
    host = tmp_path / "host"
    host.mkdir()
    return Site(tmp_path, tmp_path / "controller/metrics", host)


def test_issue_and_leave_alone(site: Site) -> None:
    predicted = site.run("--check", "--diff")
    assert predicted["changed"] and predicted["reasons"] == ["it has no certificate"]
    assert predicted["ca_sha256"] == "" and not site.ca.exists() and not list(site.host.iterdir())
    made = site.run("--diff", "-vvv")
    assert made["changed"] and made["days_left"] == 89
    assert sorted(path.name for path in site.host.iterdir()) == ["ca.crt", "tls.crt", "tls.key"]
    assert [mode(site.host / name) for name in ("ca.crt", "tls.crt", "tls.key")] == [0o644, 0o644, 0o640]
    assert (site.host / "ca.crt").read_bytes() == (site.ca / "ca.crt").read_bytes()
    again = site.run("--diff")
    assert not again["changed"], again
    assert not site.run("--check")["changed"]
    key = (site.host / "tls.key").read_text()
    assert site.run(renew=True)["changed"]
    assert (site.host / "tls.key").read_text() != key


def test_what_was_edited_is_repaired(site: Site) -> None:
    site.run()
    certificate_text = (site.host / "tls.crt").read_text()
    (site.host / "tls.key").chmod(0o644)
    (site.host / "ca.crt").unlink()
    repaired = site.run()
    assert repaired["changed"] and not repaired["reasons"] and len(repaired["others"]) == 2
    assert mode(site.host / "tls.key") == 0o640
    assert (site.host / "tls.crt").read_text() == certificate_text
    assert not site.run()["changed"]


def test_another_ca_is_refused_until_it_is_asked_for(site: Site) -> None:
    site.run()
    site.ca.rename(site.ca.parent / "lost")
    predicted = site.run("--check")
    assert predicted["foreign"] and predicted["changed"]
    before = {path.name: path.read_bytes() for path in site.host.iterdir()}
    refused = site.run()
    assert "another CA of metrics" in refused["msg"] and "host: " in refused["msg"]
    assert {path.name: path.read_bytes() for path in site.host.iterdir()} == before
    assert not site.ca.exists()
    replaced = site.run(replace_ca=True)
    assert replaced["changed"] and not site.run()["changed"]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"common_name": "node:" + "w" * 60}, "expected 1 to 64 characters"),
        ({"days": 0}, "at least one day"),
        ({"ca_directory": ""}, "metrics_ca_directory is empty"),
        ({"group": "no-such-group"}, "there is no group no-such-group"),
        ({"key_path": "/no/such/directory/tls.key"}, "/no/such/directory"),
    ],
)
def test_errors_name_the_host(site: Site, more: dict[str, t.Any], message: str) -> None:
    result = site.run(**more)
    assert not result["changed"]
    assert result["msg"].startswith("host: ") and message in result["msg"]


def test_without_openssl(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_side.programs, "find", lambda _name: None)
    paths = host_side.Paths(*(str(site.host / name) for name in ("ca.crt", "tls.crt", "tls.key")))
    with pytest.raises(OperatorError, match="there is no openssl"):
        host_side.request(paths)


def test_a_certificate_for_another_key_is_not_installed(site: Site, ca: authority.Authority) -> None:
    paths = host_side.Paths(*(str(site.host / name) for name in ("ca.crt", "tls.crt", "tls.key")))
    mask = os.umask(0o022)
    os.umask(mask)
    host_side.request(paths)
    assert mode(site.host / "tls.key.new") == 0o600
    assert os.umask(mask) == mask
    with pytest.raises(OperatorError, match="not that of the key"):
        host_side.install(paths, ca.pem, issued(ca).certificate)
    assert [path.name for path in site.host.iterdir()] == ["tls.key.new"]
    text = authority.sign(ca, host_side.request(paths), WANTED, datetime.now(UTC))
    host_side.install(paths, ca.pem, text)
    assert host_side.observe(paths) == {
        "ca": ca.pem,
        "certificate": text,
        "has_key": True,
        "key_fits": True,
        "attributes": [],
    }
