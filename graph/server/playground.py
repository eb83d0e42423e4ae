"""The GraphiQL playground: its page and files, which `scripts/build-web` builds from `web/graphiql`.

The page sends requests only to this server, which its Content-Security-Policy enforces. It must be served at the
address of the endpoint, because it sends its requests to its own address.
"""

from pathlib import Path

from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount

from graph.server.assets import Assets

BUILT = Path(__file__).parents[1] / "static" / "playground"

# Monaco writes about 240 `style` attributes on the first screen, and adds `<style>` elements whose text depends on the
# theme. Hashes cannot cover them, and Monaco sets no nonce, so styles need 'unsafe-inline', but load from nowhere else.
# Scripts have no such exception. `data:` is for the red underline of errors, an image in a style sheet. `worker-src`
# is for Monaco's workers, which are files of this server that it creates without trusted types.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "worker-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)

PLAYGROUND_HEADERS = {"Content-Security-Policy": CONTENT_SECURITY_POLICY}

# The endpoint responds differently to clients that do not request HTML.
PAGE_HEADERS = PLAYGROUND_HEADERS | {"Cache-Control": "no-cache", "Vary": "Accept"}


def playground_page() -> Response:
    """Returns the playground page, with headers that restrict it to this server."""
    return HTMLResponse((BUILT / "index.html").read_bytes(), headers=PAGE_HEADERS)


def playground_assets() -> Mount:
    """Returns the route of the page's scripts, styles, fonts and workers."""
    # With the policy, because a worker obeys that of its own script.
    files = Assets(BUILT / "assets", PLAYGROUND_HEADERS)
    return Mount("/static/playground/assets", files, name="playground-assets")
