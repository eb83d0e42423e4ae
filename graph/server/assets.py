"""Files of pages: scripts, styles, fonts and images, which `scripts/build-web` builds from `web/`."""

import asyncio
import gzip
import os
from collections.abc import Mapping
from pathlib import Path

from starlette.datastructures import Headers
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

# File names contain the hash of their content.
IMMUTABLE = {"Cache-Control": "public, max-age=31536000, immutable"}


class Assets(StaticFiles):
    """Serves the files of a page with its headers, compressing each once. The build determines the number of files, so
    the cache is bounded.
    """

    def __init__(self, directory: Path, headers: Mapping[str, str]) -> None:
        super().__init__(directory=directory)
        self._headers = {**headers, **IMMUTABLE}
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
        response.headers.update(self._headers)
        return response


def compressed(path: str | os.PathLike[str]) -> bytes:
    return gzip.compress(Path(path).read_bytes(), compresslevel=9, mtime=0)
