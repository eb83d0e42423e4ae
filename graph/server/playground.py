"""The GraphiQL playground: its page and files, which ``scripts/build-playground`` makes of ``web/graphiql``.

The page asks this server and no other host, and its policy has the browser hold it to that. It is to be
served at the endpoint's own address: the address it is loaded from is the one its requests go to.
"""

import asyncio
import gzip
import os
from pathlib import Path

from starlette.datastructures import Headers
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

BUILT = Path(__file__).parents[1] / "static" / "playground"

# Monaco writes `style` attributes into the lines that it shows, some 240 on the first screen, and adds `<style>`
# elements whose text follows the theme: no hash can name them, and it gives them no nonce. Hence 'unsafe-inline' for
# styles, which can load from nowhere else; scripts have no such exception. The red line under a mistake is an image in
# a style sheet. Its workers are files of ours, which it makes without trusted types.
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

# The endpoint's address has other answers, for those who do not ask for HTML.
PAGE_HEADERS = PLAYGROUND_HEADERS | {"Cache-Control": "no-cache", "Vary": "Accept"}

# A file's name holds the hash of its content. A worker obeys the policy that its own script is served with.
ASSET_HEADERS = PLAYGROUND_HEADERS | {"Cache-Control": "public, max-age=31536000, immutable"}


def playground_page() -> Response:
    """The playground as HTML, with the headers that keep it to this server."""
    return HTMLResponse((BUILT / "index.html").read_bytes(), headers=PAGE_HEADERS)


class _Assets(StaticFiles):
    """The files, which are compressed once: their names, and so their number, are those of the build."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory=directory)
        self._compressed: dict[str | os.PathLike[str], bytes] = {}

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        if not isinstance(response, FileResponse):
            return response
        response.headers.add_vary_header("Accept-Encoding")
        headers = Headers(scope=scope)
        if "gzip" not in headers.get("accept-encoding", "") or "range" in headers:
            return response
        body = self._compressed.get(response.path)
        if body is None:
            body = await asyncio.to_thread(compressed, response.path)
            self._compressed[response.path] = body
        del response.headers["content-length"], response.headers["accept-ranges"]
        return Response(body, headers={**response.headers, "Content-Encoding": "gzip"})

    def file_response(
        self,
        full_path: str | os.PathLike[str],
        stat_result: os.stat_result,
        scope: Scope,
        status_code: int = 200,
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers.update(ASSET_HEADERS)
        return response


def compressed(path: str | os.PathLike[str]) -> bytes:
    return gzip.compress(Path(path).read_bytes(), compresslevel=9, mtime=0)


def playground_assets() -> Mount:
    """The scripts, styles, fonts and workers of the page, where it looks for them."""
    return Mount("/static/playground/assets", _Assets(BUILT / "assets"), name="playground-assets")
