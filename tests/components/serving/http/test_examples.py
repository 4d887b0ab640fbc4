"""Every example is valid by the schema, and the service accepts those of requests."""

from typing import Any

from fastapi.testclient import TestClient
from jsonschema import Draft202012Validator

from components.serving.http.examples import ROUTES, SCHEMAS
from tests.components.serving.http.test_openapi import operations
from tests.components.serving.support import TOKEN


def check(schema: dict[str, Any], part: dict[str, Any], example: Any) -> None:
    """Raise where the example is invalid for this part of the schema."""
    Draft202012Validator({**part, "components": schema["components"]}).validate(example)


def test_every_model_and_every_answer_has_an_example_that_validates(schema: dict[str, Any]) -> None:
    shapes = schema["components"]["schemas"]
    assert set(SCHEMAS) == set(shapes)
    for name, shape in shapes.items():
        for example in shape["examples"]:
            check(schema, {"$ref": f"#/components/schemas/{name}"}, example)
    for name, operation in operations(schema).items():
        for status, response in operation["responses"].items():
            if int(status) >= 400:
                content = response["content"].pop("application/problem+json")
                assert content["example"]["status"] == int(status)
                check(schema, content["schema"], content["example"])
                assert not response["content"]
            elif "$ref" not in response["content"]["application/json"]["schema"]:
                check(schema, response["content"]["application/json"]["schema"], ROUTES[name])
                assert response["content"]["application/json"]["example"] == ROUTES[name]


def test_the_service_accepts_every_example_of_a_request(client: TestClient, schema: dict[str, Any]) -> None:
    n_sent = 0
    for name, operation in operations(schema).items():
        body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
        for example in SCHEMAS[body["$ref"].rsplit("/", 1)[1]] if body else ():
            method, path = name.split()
            reply = client.request(method, path, json=example, headers={"authorization": f"Bearer {TOKEN}"})
            assert reply.status_code in (200, 404), (name, reply.text)  # 404: a product that the shop does not have
            n_sent += 1
    assert n_sent >= 15
