# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""TLS of all clients here: every version of Python accepts the same certificates, those that Go accepts."""

from __future__ import annotations

import ssl
import typing as t
import urllib.request

# ssl has its name since Python 3.10. An authority that is given is enough, also when it is no root.
_PARTIAL_CHAIN = 0x80000


def client_context(cadata: str | None = None, cafile: str | None = None) -> ssl.SSLContext:
    """TLS that verifies the server and its name.

    Python 3.13 refuses authorities and certificates that lack extensions of RFC 5280 (C(VERIFY_X509_STRICT)), as those
    of many a site's own authority do. Kubernetes, which is written in Go, accepts them, and so does older Python.

    :param cadata: PEM of authorities to trust, as C(cafile) is a file of them; without any, those of the system.
    :raises OSError: when one cannot be read or is unusable, as C(ssl.SSLError); so are C(ValueError) and C(TypeError).
    """
    context = ssl.create_default_context(cadata=cadata, cafile=cafile)
    context.verify_flags = ssl.VerifyFlags(
        (context.verify_flags & ~ssl.VERIFY_X509_STRICT) | ssl.VerifyFlags(_PARTIAL_CHAIN)
    )
    return context


def unverified_context() -> ssl.SSLContext:
    """TLS to whoever answers, for a caller that evaluates the certificate itself or uses nothing of the answer."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect becomes the answer: credentials must not go where somebody else points to."""

    def redirect_request(self, *_args: t.Any) -> None:
        return None


def opener(context: ssl.SSLContext, proxy: str = "") -> urllib.request.OpenerDirector:
    """Requests to one server, which gets credentials: never redirected, and never through a proxy of the environment.

    :param proxy: URL of the proxy to go through.
    """
    proxies = {"http": proxy, "https": proxy} if proxy else {}
    return urllib.request.build_opener(
        urllib.request.ProxyHandler(proxies), urllib.request.HTTPSHandler(context=context), _NoRedirects()
    )


def is_pair(certificate: str, key: str) -> bool:
    """Whether a file has the key of the certificate in another one."""
    try:
        # A key with a passphrase would ask for it on the terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password=lambda: "")
    except (OSError, ValueError):
        return False
    return True
