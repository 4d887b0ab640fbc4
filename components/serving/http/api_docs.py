"""The interactive reference at `/docs`: Swagger UI on the schema of the app; its files are in a package."""

from importlib.util import find_spec
from pathlib import Path

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response

from components.errors import ContractError

FOLDER = Path(__file__).parent
SECURITY_HEADERS = {  # Swagger UI sets styles of its own
    "Content-Security-Policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}
PACKAGE = "fastapi_offline"


def add_api_docs(app: FastAPI) -> None:
    """Add `/docs` and the files that it loads. Raises ContractError where the package is not installed."""
    swagger_ui = find_swagger_ui()
    files = {
        "docs.js": (FOLDER / "docs.js", "text/javascript"),
        "swagger-ui-bundle.js": (swagger_ui / "swagger-ui-bundle.js", "text/javascript"),
        "swagger-ui.css": (swagger_ui / "swagger-ui.css", "text/css"),
        "favicon.png": (swagger_ui / "favicon.png", "image/png"),
    }

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return FileResponse(FOLDER / "docs.html", media_type="text/html", headers=SECURITY_HEADERS)

    @app.get("/docs/{name}", include_in_schema=False)
    async def docs_file(name: str) -> Response:
        if name not in files:
            raise HTTPException(404)
        path, media_type = files[name]
        return FileResponse(path, media_type=media_type, headers=SECURITY_HEADERS)


def find_swagger_ui() -> Path:
    """Return the folder of Swagger UI's files; the package is not imported."""
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise ContractError(
            "expected the files of Swagger UI in the package fastapi-offline, which is not installed; run "
            "pip install -c constraints.txt -e ., or set serving.page=false"
        )
    return Path(spec.origin).parent / "static"
