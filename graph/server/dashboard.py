"""The dashboard: its pages, files and documents, which `scripts/build-web` builds from `web/dashboard`.

Its pages are one file, which shows the page at its own address. It sends requests only to this server, which its
Content-Security-Policy enforces.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from secrets import token_urlsafe

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from graph.server.assets import Assets
from graph.server.trusted import read_trusted

BUILT = Path(__file__).parents[1] / "static" / "dashboard"

PAGES = ("customers", "invoices", "plans", "coupons", "runs", "webhooks", "keys", "settings")
"""First parts of the addresses of pages, in addition to `/`. See `web/dashboard/src/app/router.tsx`."""

NONCE = "NONCE"
"""Stands in the built page for the nonce of a response."""

NONCE_BYTES = 16


def content_security_policy(style_source: str) -> str:
    """Returns the policy of a page or file, with one more source of styles. Scripts are only files of this server."""
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            f"style-src 'self' {style_source}",
            "img-src 'self'",
            "font-src 'self'",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )


async def dashboard_page(_request: Request) -> Response:
    """Returns the page. Its scripts may add style elements that have the nonce of this response."""
    nonce = token_urlsafe(NONCE_BYTES)
    headers = {
        "Content-Security-Policy": content_security_policy(f"'nonce-{nonce}'"),
        "Cache-Control": "no-store",
    }
    return HTMLResponse(built_page().replace(NONCE, nonce), headers=headers)


@cache
def built_page() -> str:
    page = (BUILT / "index.html").read_text(encoding="utf-8")
    assert page.count(NONCE) == 1, "the page names its nonce once"
    return page


def dashboard_routes() -> list[BaseRoute]:
    """Returns the routes of the pages and of their scripts, styles and images."""
    pages = [Route("/", dashboard_page)]
    for name in PAGES:
        pages += [Route(f"/{name}", dashboard_page), Route(f"/{name}/{{path:path}}", dashboard_page)]
    files = Assets(BUILT / "assets", {"Content-Security-Policy": content_security_policy("'none'")})
    return [*pages, Mount("/static/dashboard/assets", files, name="dashboard-assets")]


@cache
def dashboard_documents() -> Mapping[str, str]:
    """Returns the texts of the dashboard's documents by hash."""
    return read_trusted(BUILT / "documents.json")
