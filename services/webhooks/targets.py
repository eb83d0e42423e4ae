"""Checks of the addresses that the name in an endpoint's URL leads to."""

import asyncio
from collections.abc import Iterable
from ipaddress import ip_address
from urllib.parse import urlsplit

from billing.errors import WebhookUrlInvalid
from billing.webhook_urls import is_public, literal_address, valid_webhook_url
from services.webhooks.lookups import addresses_of

RESOLVE_SECONDS = 5
"""Timeout for resolving a name, in seconds."""


class AddressNotPublic(OSError):
    """A name leads to an address that is not public."""


def require_public(host: str, addresses: Iterable[str]) -> None:
    """Raises `AddressNotPublic` unless all addresses of a host are public."""
    if not all(is_public(ip_address(address)) for address in addresses):
        # Without the address: errors must not show what a private name server knows.
        raise AddressNotPublic(f"{host} resolves to an address that is not public")


async def require_reachable(url: str, *, private_targets: bool) -> str:
    """Returns the URL of an endpoint without surrounding white space.

    Raises `WebhookUrlInvalid`, also if the host name cannot be resolved or has a non-public address. `private_targets`
    skips the check of addresses.
    """
    url = valid_webhook_url(url, private_targets=private_targets)
    host = urlsplit(url).hostname
    assert host is not None, "the URL is valid"
    if private_targets or literal_address(host) is not None:
        return url
    try:
        async with asyncio.timeout(RESOLVE_SECONDS):
            found = await addresses_of(host)
        require_public(host, [str(address[0]) for *_, address in found])
    except AddressNotPublic:
        raise WebhookUrlInvalid(f"{host} resolves to an address that is not public.") from None
    except (OSError, TimeoutError):
        raise WebhookUrlInvalid(f"The name {host} cannot be resolved.") from None
    return url
