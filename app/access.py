"""Who may talk to the server: pages it served itself and, beyond this machine, whoever has the token."""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

COOKIE = "cascade_token"
HEADER = "x-cascade-token"


def is_loopback(host: str) -> bool:
    """Whether a name or address is this machine's own."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class Access:
    """Decides about one request at a time. `token` None: none is needed, and only loopback names are served."""

    def __init__(self, token: str | None) -> None:
        self.token = token

    def refusal(
        self, *, headers: Mapping[str, str], query: Mapping[str, str], cookies: Mapping[str, str], browser_call: bool
    ) -> str | None:
        """Why a request is refused; None when it is not. `browser_call`: it changes something, or opens a view.

        A page of another site may make a browser send requests here: its `Origin` gives it away, and a name that was
        pointed at this machine (DNS rebinding) gives itself away as `Host`.
        """
        host = headers.get("host", "")
        name = urlsplit(f"//{host}").hostname or ""
        if self.token is None and not is_loopback(name):
            return "this server answers to 127.0.0.1 and localhost; start it with --host for others"
        origin = headers.get("origin")
        if browser_call and origin and urlsplit(origin).netloc.lower() != host.lower():
            return "pages of other sites may not do this"
        if self.token is not None:
            said = (query.get("token"), headers.get(HEADER), cookies.get(COOKIE), _bearer(headers))
            if not any(word and hmac.compare_digest(word.encode(), self.token.encode()) for word in said):
                return "a token is needed: open the address that the server printed"
        return None


def _bearer(headers: Mapping[str, str]) -> str | None:
    kind, _, word = headers.get("authorization", "").partition(" ")
    return word if kind.lower() == "bearer" else None
