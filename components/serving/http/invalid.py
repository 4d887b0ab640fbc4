"""What an invalid request gets: where it is wrong and what was expected there, never what was sent."""

import re
from collections.abc import Mapping, Sequence
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel

SHOULD = re.compile(r"^\w+ should (?:be|have) ")  # pydantic's words
WORDS = {
    "missing": "expected this field, which is missing",
    "model_attributes_type": "expected an object",
    "dict_type": "expected an object",
    "list_type": "expected a list",
    "string_type": "expected a string",
    "int_type": "expected a whole number",
    "int_from_float": "expected a whole number",
    "finite_number": "expected a finite number",
}


def describe_error(error: Mapping[str, Any], body: Any) -> dict[str, str]:
    """Return `where`, a path such as "body.history.3.item_id", and `what` was expected there.

    error: of pydantic. body: the type of the route's body, None where it has none.
    """
    where, what = [str(part) for part in error["loc"]], str(error["msg"])
    match error["type"]:
        case "extra_forbidden":  # the name of the field is the caller's
            where[-1] = "(unknown field)"
            what = "unknown field" + _list_fields(body, error["loc"][1:-1])
        case "json_invalid":
            what = f"expected JSON; at character {where.pop()}: {error.get('ctx', {}).get('error', 'it is damaged')}"
        case "missing" if where == ["body"]:
            what = "expected a JSON body, which is missing"
        case "value_error":
            what = what.removeprefix("Value error, ")
        case kind:
            what = WORDS.get(kind) or SHOULD.sub("expected ", what)
    return {"where": ".".join(where), "what": what}


def _list_fields(kind: Any, path: Sequence[str | int]) -> str:
    """Return the names of the fields of the model at the path, as the end of a sentence."""
    for part in path:
        if isinstance(part, int):
            kind = get_args(kind)[0]
        else:
            kind = kind.model_fields[part].annotation
            if get_origin(kind) in (Union, UnionType):
                kind = next(option for option in get_args(kind) if option is not NoneType)
    is_model = isinstance(kind, type) and issubclass(kind, BaseModel)
    return f"; expected {', '.join(kind.model_fields)}" if is_model else ""
