"""The page at `/` and its files: modules, styles and dictionaries, at an address that changes with their content."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.responses import Response

from components.io import sha256_bytes

FOLDER = Path(__file__).parent / "page"
SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}
TYPES = {".js": "text/javascript", ".css": "text/css", ".json": "application/json"}
# private: behind a read token, no proxy may keep them
CACHED = {"Cache-Control": "private, max-age=31536000, immutable"}


def add_page_files(app: FastAPI) -> None:
    """Add the page and its files, read once; another version of a file has another address."""
    files = {
        path.relative_to(FOLDER).as_posix(): path.read_bytes()
        for path in sorted(FOLDER.rglob("*"))
        if path.suffix in TYPES
    }
    digest = sha256_bytes(b"".join(name.encode() + content for name, content in files.items()))[:16]
    html = (FOLDER / "index.html").read_text(encoding="utf-8").replace("{files}", f"page/files/{digest}").encode()

    @app.get("/", include_in_schema=False)
    async def page() -> Response:
        return Response(html, media_type="text/html", headers=SECURITY_HEADERS)

    @app.get("/page/files/{version}/{name:path}", include_in_schema=False)
    async def page_file(version: str, name: str) -> Response:
        if version != digest or name not in files:  # of another version of the page: it must be loaded again
            raise HTTPException(404)
        media_type = TYPES[Path(name).suffix]
        return Response(files[name], media_type=media_type, headers=SECURITY_HEADERS | CACHED)
