"""The generated client: each kind of type, optional and default values, references in order, a method of each route."""

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from infra.docs.client import models_module, routes_module

LABEL = {"type": "string", "description": "On the page."}
SHAPES: dict[str, Any] = {
    "Basket": {
        "description": "A basket.",
        "additionalProperties": False,
        "required": ["lines", "at"],
        "properties": {
            "lines": {"type": "array", "items": {"$ref": "#/components/schemas/Line"}},
            "at": {"type": "string", "format": "date-time"},
            "kind": {"enum": ["a", "b"], "default": "a"},
            "coupon": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            "counts": {"type": "object", "additionalProperties": {"type": "integer"}, "default": None},
        },
    },
    "Line": {"description": "A line.", "required": ["n"], "properties": {"n": {"type": "integer"}, "label": LABEL}},
    "Unused": {"description": "Of no route.", "properties": {}},
}


def operation(name: str, body: str | None, **more: Any) -> dict[str, Any]:
    answer = {"200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Line"}}}}}
    sent = {"content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{body}"}}}} if body else {}
    return {"operationId": name, "description": f"Do {name}.", "requestBody": sent, "responses": answer, **more}


SCHEMA: dict[str, Any] = {
    "components": {"schemas": SHAPES},
    "paths": {
        "/order": {
            "post": operation("order", "Basket", parameters=[{"name": "Idempotency-Key", "in": "header"}]),
            "get": operation("order_by_id", None, parameters=[{"name": "id", "in": "query"}]),
        },
        "/last": {"get": operation("last", None)},
        "/page/x": {"get": operation("x", None)},
    },
}


def test_models_have_the_types_of_the_schema() -> None:
    made: dict[str, Any] = {}
    exec(models_module(SCHEMA), made)
    assert made["__all__"] == ["Basket", "Line"]
    basket: type[BaseModel] = made["Basket"]
    read = basket.model_validate({"lines": [{"n": 1, "new": 2}], "at": "2026-01-01T00:00:00Z"})
    assert read.model_dump(exclude={"at"}) == {
        "lines": [{"n": 1, "label": None}],
        "kind": "a",
        "coupon": None,
        "counts": None,
    }
    for wrong in ({"lines": []}, {"lines": [], "at": "x"}, {"lines": [], "at": read.at, "kind": "c"}):
        with pytest.raises(ValidationError):
            basket.model_validate(wrong)
    with pytest.raises(ValidationError, match="extra"):
        basket.model_validate({"lines": [], "at": "2026-01-01T00:00:00Z", "lnies": []})


def test_routes_have_a_method_each() -> None:
    text = routes_module(SCHEMA)
    assert "def order(self, body: models.Basket, idempotency_key: str | None = None) -> models.Line:" in text
    assert 'self._call("POST", "/order", body, models.Line, idempotency_key)' in text
    assert "def last(self) -> models.Line:" in text
    assert "order_by_id" not in text
    assert "/page/x" not in text
    compile(text, "routes.py", "exec")
