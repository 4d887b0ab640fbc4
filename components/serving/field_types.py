"""Types of single fields of requests: ids by the rules of ingest, and times."""

import re
from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BeforeValidator,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic.json_schema import WithJsonSchema

from components import ids
from components.params.privacy import PURPOSES, ConsentPurpose
from components.times import FIRST_TIME

_ID_SCHEMA = {"type": "string", "minLength": 1, "maxLength": ids.MAX_LENGTH}
Id = Annotated[str, AfterValidator(ids.parse), WithJsonSchema(_ID_SCHEMA)]
"""Cleaned and refused by the rules of ingest."""
OptionalId = Annotated[
    str | None,
    AfterValidator(lambda text: None if text is None else ids.parse_optional(text)),
    WithJsonSchema({"anyOf": [_ID_SCHEMA, {"type": "null"}]}),
]
"""Null also where the text is blank or stands for no value, such as NULL: ingest reads it so too."""
_BLANK_BEFORE_OFFSET = re.compile(r"(?<=\d) +(?=[+-]\d\d:?\d\d$)")
Timestamp = Annotated[
    AwareDatetime,
    BeforeValidator(lambda value: _BLANK_BEFORE_OFFSET.sub("", value) if isinstance(value, str) else value),
]
"""ISO 8601 with Z or an offset, "2026-01-02 10:15:27 -0500" too; a number is seconds or milliseconds since 1970."""
ZONES = timedelta(hours=-12), timedelta(hours=14)  # the time zones of the earth


def check_event_time(value: Any, parse: ValidatorFunctionWrapHandler) -> datetime:
    """Return the time of an event; raises ValueError without a possible zone, and before FIRST_TIME."""
    try:
        at: datetime = parse(value)
    except ValidationError:
        at = datetime.min
    offset = at.utcoffset()
    if offset is None or not ZONES[0] <= offset <= ZONES[1]:
        raise ValueError("expected a date-time with a zone from -12:00 to +14:00, such as 2026-03-01T12:00:00+01:00")
    if at < FIRST_TIME:
        raise ValueError(f"before {FIRST_TIME:%Y-%m-%d}: the clock of the sender is wrong, or the unit is not seconds")
    return at


EventTime = Annotated[Timestamp, WrapValidator(check_event_time)]


def check_consent(value: Any) -> Any:
    """Return the purposes; raises ValueError for a flag, which says nothing of purposes, and other values."""
    if value is None or isinstance(value, list):
        return value
    raise ValueError(f'expected a list of {", ".join(PURPOSES)}, such as ["recommend"], or [] for none, or null')


Consent = Annotated[list[ConsentPurpose] | None, BeforeValidator(check_consent)]
IDEMPOTENCY_KEY = re.compile(r"""("?)([!#-\[\]-~]{1,255})\1""")  # visible ASCII without " and \


def parse_idempotency_key(text: str) -> str:
    """Return the key, which may stand between double quotes, as a string of RFC 9651 does. Raises ValueError."""
    found = IDEMPOTENCY_KEY.fullmatch(text.strip())
    if found is None:
        raise ValueError('expected 1 to 255 visible ASCII characters without " and \\, such as a UUID')
    return found[2]


IdempotencyKey = Annotated[
    str,
    AfterValidator(parse_idempotency_key),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[!#-\[\]-~]+$"}),
]
"""The same in each repetition of a request, another in every other one."""
