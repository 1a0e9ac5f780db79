"""requests' session as it is used here, and what of a user's own counts."""

from __future__ import annotations

import contextlib
import http.cookiejar
import os
from typing import Any

import requests
import requests.adapters
import urllib3.util

from .secrets import (
    Secret,
    basic_credentials,
    hide_headers,
    passwords_in,
    secrets_in,
    split_credentials,
)
from .sockets import Adapter, watching

__all__ = ["Session", "TransportSession"]

Session = requests.Session
"""What ``OpenAI(session=...)`` takes."""


class TransportSession(requests.Session):
    """The session of a transport, with what a user's session says where one is given.

    Of that one count: ``verify``, ``cert``, ``proxies``, ``trust_env`` (as they are at the first
    request), ``headers`` (under the client's own), ``params``, ``hooks``, ``auth`` (it has the last
    word on the ``Authorization``), the cookies that are in it, and its adapters. Where it has
    requests' plain ``HTTPAdapter``, ours takes its place. Nothing is written into it.
    """

    def __init__(self, given: requests.Session | None = None) -> None:
        super().__init__()
        self._given = given
        # With no auth of its own, requests takes one from ~/.netrc and overwrites ours.
        self.auth = _keep_headers
        self.trust_env = False  # see settings_for
        self._plain = Adapter(pool_maxsize=1_000)
        self.mount("http://", self._plain)
        self.mount("https://", self._plain)
        if given is not None:
            self.headers.update(given.headers)
            self.params, self.hooks = given.params, given.hooks
            self.auth = given.auth or _keep_headers
            self.cookies.update(given.cookies)
        # The servers' cookies are not kept: what one answer sets is nothing to the next request.
        self.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=()))

    def settings_for(self, url: str) -> tuple[dict[str, Any], list[Secret]]:
        """Return what ``send`` is to be told of proxies and certificates, and the passwords in it.

        Beside what requests reads from the environment, ``SSL_CERT_FILE`` and ``SSL_CERT_DIR``
        count, which everything else that is made with OpenSSL looks at.
        """
        asked = self._given or requests.Session()
        settings: Any = asked.merge_environment_settings(url, {}, True, None, None)
        if asked.verify is not True:
            settings["verify"] = asked.verify  # requests would let the environment go over it
        elif settings["verify"] is True and asked.trust_env:
            named = os.environ.get("SSL_CERT_FILE") or os.environ.get("SSL_CERT_DIR")
            settings["verify"] = named or True
        self._plain.certificates = (settings["verify"], settings["cert"])
        passwords: list[Secret] = []
        is_ours = self.get_adapter(url) is self._plain
        for scheme, proxy in settings["proxies"].items():
            if not isinstance(proxy, str):
                continue
            bare, userinfo = split_credentials(proxy if "//" in proxy else f"http://{proxy}")
            passwords += passwords_in(userinfo)
            if userinfo is None:
                continue
            settings["proxies"][scheme] = Secret(proxy)
            if is_ours and bare.lower().startswith("http"):  # urllib3 wants it whole for SOCKS
                with contextlib.suppress(ValueError):  # requests says what is wrong with it
                    bare = requests.utils.prepend_scheme_if_needed(bare, "http")  # type: ignore[no-untyped-call]
                self._plain.credentials[bare] = basic_credentials(userinfo)
                settings["proxies"][scheme] = bare
        return settings, [*passwords, *secrets_in(self._plain.credentials)]

    def get_adapter(self, url: str) -> Any:
        if self._given is None:
            return super().get_adapter(url)
        theirs = self._given.get_adapter(url)
        if type(theirs) is requests.adapters.HTTPAdapter:
            return super().get_adapter(url)
        return watching(theirs)

    def prepare_request(self, request: requests.Request) -> requests.PreparedRequest:
        prepared = super().prepare_request(request)
        prepared.headers.update(hide_headers(prepared.headers))  # what `auth` and cookies added
        for name in ("User-Agent", "Accept-Encoding"):
            # Not wished for: but what is only missing, urllib3 would add.
            prepared.headers.setdefault(name, urllib3.util.SKIP_HEADER)
        return prepared

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Return nothing: redirects are left to ``Exchange``.

        requests would look at each even if told not to follow: read its body, however long, and
        parse where it leads, which may raise anything.
        """


def _keep_headers(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request
