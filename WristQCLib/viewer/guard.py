"""Who may talk to the viewer.

A page of another site, open in the same browser, can reach a server on this computer: it may open a
web socket to it, or have its own name resolve to 127.0.0.1. So requests must name this server and
come from its own pages. Bound wider than to this computer, the server asks for a token besides; it
stands in the address that is printed, and then in a cookie.
"""

from __future__ import annotations

import hmac
import ipaddress
import secrets
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from aiohttp import web

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

TOKEN = "token"  # noqa: S105 - its name in the address
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def is_loopback(host: str) -> bool:
    """Whether a server that is bound to `host` can be reached from this computer alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Guard:
    """Lets requests through that may come.

    Parameters
    ----------
    host
        What the server is bound to.
    with_token
        Whether to ask for a token on this computer too, where several people work on it.

    Attributes
    ----------
    token
        Empty when none is asked for.
    """

    def __init__(self, host: str, *, with_token: bool = False) -> None:
        self._loopback = is_loopback(host)
        self.token = "" if self._loopback and not with_token else secrets.token_urlsafe(24)

    def address(self, host: str, port: int) -> str:
        """Where the page is, token included."""
        if host in ("0.0.0.0", "::", ""):  # noqa: S104 - told, not bound
            import socket

            host = socket.gethostname()
        shown = f"[{host}]" if ":" in host else host
        query = f"?{TOKEN}={self.token}" if self.token else ""
        return f"http://{shown}:{port}/{query}"

    def refusal(self, host: str, origin: str) -> str:
        """Why a request for `host` from a page of `origin` is refused; empty when it is not."""
        if self._loopback and not is_loopback(_name(host)):
            return "This server answers to its own name only: open the address that it printed."
        if origin and urlsplit(origin).netloc != host:
            return "This server answers to its own pages only."
        return ""

    async def __call__(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """The aiohttp middleware."""
        from aiohttp import web

        reason = self.refusal(request.host, request.headers.get("Origin", ""))
        if reason:
            raise web.HTTPForbidden(text=reason)
        if self.token:
            cookie = f"wristqc-{_port(request.host)}"
            if self._is_token(request.query.get(TOKEN, "")):
                found = web.HTTPFound("/index.html")
                found.set_cookie(cookie, self.token, httponly=True, samesite="Strict")
                raise found
            if not self._is_token(request.cookies.get(cookie, "")):
                raise web.HTTPForbidden(
                    text="A token is needed: open the whole address that the server printed."
                )
        response = await handler(request)
        if not response.prepared:
            for name, value in _HEADERS.items():
                response.headers.setdefault(name, value)
        return response

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), self.token.encode())


def _name(host: str) -> str:
    """The name in ``name:port``."""
    return urlsplit(f"//{host}").hostname or ""


def _port(host: str) -> int:
    try:
        return urlsplit(f"//{host}").port or 80
    except ValueError:
        return 80
