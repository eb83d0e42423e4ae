"""Security headers of every response, which restrict what browsers do with it.

See https://owasp.org/www-project-secure-headers/. `Cross-Origin-Embedder-Policy` is omitted: it would enable features
that no page here uses.
"""

from collections.abc import Awaitable
from typing import Any

from starlette.applications import Starlette
from starlette.types import ASGIApp, Message, Receive, Scope, Send

Headers = list[tuple[bytes, bytes]]

POLICY = b"content-security-policy"
NOTHING = b"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""Content-Security-Policy of responses that are not pages: they may load and do nothing."""

SECURITY_HEADERS: Headers = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    # CORS requests are exempt from this header, so scripts of allowed origins can still read responses.
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()"),
]


class SecuredStarlette(Starlette):
    """A Starlette application that adds the headers to every response, including server errors and 404s."""

    def __init__(self, *, hsts_seconds: int, **options: Any) -> None:
        super().__init__(**options)
        # A redirect would contain the host name sent by the client, and drop the body of a request.
        self.router.redirect_slashes = False
        self._headers = [*SECURITY_HEADERS]
        if hsts_seconds:
            self._headers.append((b"strict-transport-security", b"max-age=%d" % hsts_seconds))

    def build_middleware_stack(self) -> ASGIApp:
        # Outside of Starlette's own error middleware, which wraps all middleware passed to an application.
        return secured(super().build_middleware_stack(), self._headers)


def secured(app: ASGIApp, headers: Headers) -> ASGIApp:
    """Wraps `app` so that responses have `headers`, and the policy `NOTHING` unless they set their own."""
    with_policy = [*headers, (POLICY, NOTHING)]

    async def answered(scope: Scope, receive: Receive, send: Send) -> None:
        def sending(message: Message) -> Awaitable[None]:
            if message["type"] == "http.response.start":
                own = message["headers"]
                has_policy = any(name == POLICY for name, _ in own)
                message["headers"] = [*own, *(headers if has_policy else with_policy)]
            return send(message)

        await app(scope, receive, sending)

    return answered
