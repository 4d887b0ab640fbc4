"""The schema: every route has a summary, a tag, errors and who may call it."""

from typing import Any


def operations(schema: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {f"{m.upper()} {path}": o for path, methods in schema["paths"].items() for m, o in methods.items()}


def test_every_route_has_a_summary_a_tag_errors_and_its_token(schema: dict[str, Any]) -> None:
    for name, operation in operations(schema).items():
        path = name.split()[1]
        assert operation["summary"] == operation["description"].splitlines()[0].rstrip("."), name
        assert len(operation["tags"]) == 1, name
        if path in ("/livez", "/readyz"):
            assert "security" not in operation
        else:
            assert {"400", "401", "403", "408", "413", "415", "422", "500", "503"} <= set(operation["responses"]), name
            admin, reader = [{"adminToken": []}], [{}, {"readToken": []}]
            assert operation["security"] == (admin if path.startswith("/admin/") else reader), name
    ids = [operation["operationId"] for operation in operations(schema).values()]
    assert len(set(ids)) == len(ids)
