"""URLs and addresses that webhooks may be sent to. Pure.

A webhook is a request that the server sends on somebody's order. It must not reach what only the server can reach, such
as a cloud's metadata service (server-side request forgery, SSRF).
"""

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

from billing.errors import WebhookUrlInvalid
from billing.limits import MAX_WEBHOOK_URL

ASCII_GRAPHIC = re.compile(r"[\x21-\x7e]+")
NUMBER = re.compile(r"(0[xX][0-9a-fA-F]*|[0-9]+)")
BRACKETED = re.compile(r"\[[^\[\]]*\](:[0-9]*)?")
LABEL = "[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
HOST = re.compile(rf"(?=.{{1,253}}\.?$){LABEL}(\.{LABEL})*\.?")

TRANSLATED = tuple(map(IPv6Network, ("::/96", "64:ff9b::/96", "64:ff9b:1::/48", "2001::/32", "2002::/16")))
"""IPv6 networks whose addresses stand for IPv4 addresses, perhaps private ones."""

SPECIAL: tuple[IPv4Network | IPv6Network, ...] = (
    *map(IPv4Network, ("192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32")),
    IPv6Network("3fff::/20"),
)
"""Networks of IANA's special-purpose registries that not all versions of Python know, and the address at which
Azure's machines reach their host.
"""


def valid_webhook_url(url: str, *, private_targets: bool) -> str:
    """Returns the URL of an endpoint without surrounding white space. Raises `WebhookUrlInvalid`.

    With `private_targets`, `http` and private addresses are allowed. The addresses of a name are checked when it is
    resolved.
    """
    url = url.strip()
    if len(url) > MAX_WEBHOOK_URL:
        raise WebhookUrlInvalid(f"The URL must have at most {MAX_WEBHOOK_URL} characters.")
    if not ASCII_GRAPHIC.fullmatch(url) or "\\" in url:
        raise WebhookUrlInvalid(
            "The URL must be ASCII without white space or backslashes. Write international host names in Punycode."
        )
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise WebhookUrlInvalid("This is not a URL.") from None
    schemes = ("https", "http") if private_targets else ("https",)
    if parts.scheme not in schemes or not host:
        raise WebhookUrlInvalid(
            f"The URL must start with {' or '.join(f'{scheme}://' for scheme in schemes)} followed by a host."
        )
    if "[" in parts.netloc and not BRACKETED.fullmatch(parts.netloc):
        raise WebhookUrlInvalid("This is not a URL.")
    if "@" in parts.netloc or parts.fragment or port == 0:
        raise WebhookUrlInvalid("The URL must not contain a user, a password, a fragment or port 0.")
    address = literal_address(host)
    if address is not None and not private_targets and not is_public(address):
        raise WebhookUrlInvalid(f"{host} is not a public address.")
    return url


def literal_address(host: str) -> IPv4Address | IPv6Address | None:
    """Returns the address that a host is, or None if it is a name. Raises `WebhookUrlInvalid`.

    Other spellings of IPv4 addresses, such as 0x7f.1 or 2130706433, are rejected.
    """
    if ":" in host or NUMBER.fullmatch(host.removesuffix(".").rpartition(".")[2]):
        try:
            return ip_address(host)
        except ValueError:
            raise WebhookUrlInvalid(f"{host} is not a valid IP address.") from None
    if not HOST.fullmatch(host):
        raise WebhookUrlInvalid(f"{host} is not a valid host name.")
    return None


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Returns True if an address belongs to the public internet (IANA's special-purpose registries)."""
    if any(address in network for network in SPECIAL):
        return False
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address.scope_id is not None or address.is_site_local or any(address in network for network in TRANSLATED):
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved
