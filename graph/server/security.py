"""Headers that every answer has: they tell a browser to make nothing of it but what it is.

See https://owasp.org/www-project-secure-headers/. `Cross-Origin-Embedder-Policy` is not among them: it would open what
no page here uses.
"""

from collections.abc import Awaitable
from typing import Any

from starlette.applications import Starlette
from starlette.types import ASGIApp, Message, Receive, Scope, Send

Headers = list[tuple[bytes, bytes]]

POLICY = b"content-security-policy"
NOTHING = b"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""What an answer may load and do that is no page."""

SECURITY_HEADERS: Headers = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    # Scripts of the allowed origins read answers by CORS, which this does not concern.
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()"),
]


class SecuredStarlette(Starlette):
    """A Starlette application whose every answer has these headers, to faults and to what is not there as well."""

    def __init__(self, *, hsts_seconds: int, **options: Any) -> None:
        super().__init__(**options)
        # A redirect would name the host that the client has named, and lose the body of a request.
        self.router.redirect_slashes = False
        self._headers = [*SECURITY_HEADERS]
        if hsts_seconds:
            self._headers.append((b"strict-transport-security", b"max-age=%d" % hsts_seconds))

    def build_middleware_stack(self) -> ASGIApp:
        # Outside of what answers faults, which is outside of all middleware that an application is given.
        return secured(super().build_middleware_stack(), self._headers)


def secured(app: ASGIApp, headers: Headers) -> ASGIApp:
    """`app`, whose answers have `headers`, and may load and do nothing where they do not say what."""
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
