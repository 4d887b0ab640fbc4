"""The OpenAPI schema: FastAPI's, with a summary, the needed token, errors and examples of every route."""

from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from components.serving.http.access import ADMIN, PROBES
from components.serving.http.examples import PROBLEMS, ROUTES, SCHEMAS

PROBLEM_TYPE = "application/problem+json"
REFERENCE = {"$ref": "#/components/schemas/Problem"}
SECURITY = {
    "readToken": {"type": "http", "scheme": "bearer", "description": "CAROUSEL_READ_TOKEN, where the service has one"},
    "adminToken": {"type": "http", "scheme": "bearer", "description": "CAROUSEL_ADMIN_TOKEN"},
}


class ServiceApp(FastAPI):
    """An app whose schema is complete."""

    def __init__(self, **options: Any) -> None:
        super().__init__(generate_unique_id_function=_operation_id, **options)

    def openapi(self) -> dict[str, Any]:
        """Return the schema; made once."""
        if self.openapi_schema is None:
            schema = super().openapi()
            for path, methods in schema["paths"].items():
                for method, operation in methods.items():
                    _complete(operation, path, ROUTES.get(f"{method.upper()} {path}"))
            for name, shape in schema["components"]["schemas"].items():
                if name in SCHEMAS:
                    shape["examples"] = SCHEMAS[name]
            schema["components"]["securitySchemes"] = SECURITY
        return self.openapi_schema or {}


def _complete(operation: dict[str, Any], path: str, example: Any) -> None:
    """Add to the operation of a route what FastAPI does not know. example: of an answer that has no schema."""
    operation["summary"] = operation.get("description", operation["summary"]).partition("\n")[0].rstrip(".")
    if path.startswith(ADMIN):
        operation["security"] = [{"adminToken": []}]
    elif path not in PROBES:
        operation["security"] = [{}, {"readToken": []}]  # either
    for status, response in operation["responses"].items():
        if int(status) < 400:
            if example is not None:
                response["content"]["application/json"]["example"] = example
            continue
        response["description"] = PROBLEMS[int(status)]["title"]
        response["content"] = {PROBLEM_TYPE: {"schema": REFERENCE, "example": PROBLEMS[int(status)]}}


def _operation_id(route: APIRoute) -> str:
    return route.name
