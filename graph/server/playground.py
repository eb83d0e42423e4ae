"""The GraphiQL playground: its page and files, which `scripts/build-playground` builds from `web/graphiql`.

The page sends requests only to this server, which its Content-Security-Policy enforces. It must be served at the
address of the endpoint, because it sends its requests to its own address.
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

# File names contain the hash of their content. The headers include the policy, because a worker obeys its own script's.
ASSET_HEADERS = PLAYGROUND_HEADERS | {"Cache-Control": "public, max-age=31536000, immutable"}


def playground_page() -> Response:
    """Returns the playground page, with headers that restrict it to this server."""
    return HTMLResponse((BUILT / "index.html").read_bytes(), headers=PAGE_HEADERS)


class _Assets(StaticFiles):
    """Serves the files, compressing each once. The build determines the number of files, so the cache is bounded."""

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
    """Returns the route of the page's scripts, styles, fonts and workers."""
    return Mount("/static/playground/assets", _Assets(BUILT / "assets"), name="playground-assets")
