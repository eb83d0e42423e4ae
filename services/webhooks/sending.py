"""Sending a message to an endpoint over HTTP.

The name in a URL is resolved for each connection, and only public addresses are connected to, so a name that changes
its address between a check and the connection (DNS rebinding) leads nowhere. Redirects are not followed.
"""

import ssl
from collections.abc import Sequence
from datetime import datetime
from typing import Self

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from billing.errors import WebhookUrlInvalid
from billing.limits import MAX_WEBHOOK_ERROR, MAX_WEBHOOK_HEAD
from billing.webhook_urls import valid_webhook_url
from billing.webhooks import TIMEOUT, Answer, headers_of, retry_after
from services.webhooks.deliveries import Claimed
from services.webhooks.names import PublicResolver, SharedResolver
from services.webhooks.responses import BoundedConnector
from services.webhooks.targets import AddressNotPublic

CONNECTIONS = 32
"""Maximum number of connections of a process to one endpoint."""
IDLE_SECONDS = 60
"""Time that an idle connection to an endpoint stays open, in seconds."""
HEAD_BYTES = 4 * MAX_WEBHOOK_HEAD
"""Maximum number of bytes that are read of a response's body."""
HEADER_BYTES = 8190
"""Maximum size of a line of a response's head, in bytes."""


class Sender:
    """Sends messages, with one pool of connections per endpoint, so that a slow endpoint delays no other.

    With `private_targets`, messages may go to any address, and over `http`. `resolver` resolves names, and
    `certificates` are trusted in addition to those of the system; tests replace both.
    """

    def __init__(
        self,
        *,
        private_targets: bool = False,
        resolver: AbstractResolver | None = None,
        certificates: ssl.SSLContext | None = None,
    ) -> None:
        self._private_targets = private_targets
        self._names = resolver or SharedResolver()
        connector = BoundedConnector(
            limit=0,
            limit_per_host=0,
            resolver=self._names if private_targets else PublicResolver(self._names),
            use_dns_cache=False,
            ssl=certificates or True,
            keepalive_timeout=IDLE_SECONDS,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=TIMEOUT.total_seconds()),
            trust_env=False,
            auto_decompress=False,
            max_line_size=HEADER_BYTES,
            max_field_size=HEADER_BYTES,
            skip_auto_headers=("Accept-Encoding",),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._session.close()
        await self._names.close()

    async def send(self, url: str, secrets: Sequence[bytes], delivery: Claimed, now: datetime) -> Answer:
        """Sends the message of a delivery once, and returns what came of it. Never raises for what an endpoint does."""
        headers = headers_of(secrets, delivery.message_id, now, delivery.body)
        try:
            # Settings may have changed since the URL was saved.
            valid_webhook_url(url, private_targets=self._private_targets)
            async with self._session.post(
                URL(url), data=delivery.body.encode(), headers=headers, allow_redirects=False
            ) as response:
                head = await response.content.read(HEAD_BYTES)
                complete = response.content.at_eof()
                if not complete:
                    response.close()
                return Answer(
                    status=response.status,
                    head=text_of(head) or None,
                    retry_after=retry_after(response.headers.get("Retry-After"), now),
                    error=None if 200 <= response.status < 300 else f"The endpoint responded with {response.status}.",
                )
        except WebhookUrlInvalid as error:
            return Answer(error=shortened(str(error)))
        except TimeoutError:
            return Answer(error=f"The endpoint did not respond within {TIMEOUT.total_seconds():g} seconds.")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Answer(error=shortened(described(error)))


def text_of(head: bytes) -> str:
    """Returns the start of a body as text that PostgreSQL can store."""
    return head.decode(errors="replace").replace("\x00", "�")[:MAX_WEBHOOK_HEAD]


SAID = (
    (aiohttp.ClientConnectorDNSError, "The host name cannot be resolved."),
    (aiohttp.ClientConnectorCertificateError, "The endpoint's TLS certificate is not valid."),
    (aiohttp.ClientSSLError, "The TLS handshake with the endpoint failed."),
    (aiohttp.ClientConnectorError, "The connection failed."),
    (aiohttp.ServerDisconnectedError, "The endpoint closed the connection without a response."),
    (ConnectionResetError, "The endpoint closed the connection without a response."),
    (aiohttp.ClientResponseError, "The endpoint's response is not valid HTTP."),
    (aiohttp.ClientPayloadError, "The endpoint's response is not valid HTTP."),
    (ValueError, "The endpoint's response is not valid HTTP."),
)
"""Why there was no response, in a sentence for the person who runs the endpoint, by the class of the error."""


def described(error: BaseException) -> str:
    if isinstance(error, AddressNotPublic) or isinstance(getattr(error, "os_error", None), AddressNotPublic):
        return "The host name resolves to an address that is not public."
    said = next((said for kind, said in SAID if isinstance(error, kind)), "The request failed.")
    reason = getattr(error, "certificate_error", None) or getattr(error, "os_error", None)
    detail = getattr(reason, "verify_message", None) or getattr(reason, "strerror", None)
    return f"{said} {detail}" if detail else said


def shortened(text: str) -> str:
    return text if len(text) <= MAX_WEBHOOK_ERROR else text[: MAX_WEBHOOK_ERROR - 1] + "…"
