"""Removal of secrets from text: passwords in addresses, named secrets, and the values of secret variables.

Every CarouselError passes through `redact`; `install` does the same for the log, warnings and tracebacks of a process.
"""

import logging
import os
import re
import sys
import threading
import traceback
from functools import lru_cache, partial
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote, unquote

HIDDEN = "***"
MIN_SECRET = 4  # characters; a shorter value occurs in ordinary words
WHOLE_WORD = 8  # characters below which a secret is replaced only where it is a word of its own
_KEY = r"(?:api|access|account|private)[_-]?key(?:[_-]?id)?"
_NAME = rf"[\w-]*(?:password|passwd|passphrase|pwd|secret|token|signature|{_KEY})"
_VALUE = r"""(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[^\s&;,'")\]}]+)"""
PATTERNS = (
    (re.compile(r"(\b[a-z][a-z0-9+.-]*://)(?:[^\s/?#]*|[^\s:/?#]*:\S*)@", re.I), rf"\1{HIDDEN}@"),  # user:password@
    (re.compile(rf"(\b{_NAME}\s*=\s*){_VALUE}", re.I), rf"\1{HIDDEN}"),  # password=..., also of libpq
    (re.compile(rf"""(["']{_NAME}["']\s*:\s*){_VALUE}""", re.I), rf"\1{HIDDEN}"),  # JSON and Python
    (re.compile(r"([?&](?:key|sig|sas|auth|code)=)[^\s&'\"]+", re.I), rf"\1{HIDDEN}"),
    (
        re.compile(r"(\bauthorization\b['\"]?\s*[:=]\s*['\"]?(?:(?:bearer|basic|token)\s+)?)[^\s'\",}]+", re.I),
        rf"\1{HIDDEN}",
    ),
)
LITERAL = re.compile(rf"://[^\s/@:]*:[^\s@]+@|\b{_NAME}\s*=\s*{_VALUE}", re.I)
SECRET_VARIABLE = re.compile(
    r"(?:^|_)(?:PASSWORD|PASSWD|PASS|PASSPHRASE|SECRET|TOKEN|KEY|CREDENTIAL|AUTH_STRING)$|_PWD$", re.I
)
STORE_VARIABLES = ("CAROUSEL_EVENT_STORE_URL", "CAROUSEL_STATE_URL")  # secret as a whole where they are no address
PLAIN = frozenset({"true", "false", "none", "null", "default"})  # values of variables that only sound secret
_remembered: set[str] = set()


def redact(text: str) -> str:
    """Return the text with `***` in place of secrets. User names in addresses are removed with their passwords."""
    secrets = _secrets(tuple(os.environ.items()), frozenset(_remembered))
    if secrets is not None:
        text = secrets.sub(HIDDEN, text)
    for pattern, replacement in PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def remember(value: str) -> None:
    """Treat a value that is not in a variable with a secret's name as secret, too."""
    _remembered.add(value)


def holds_literal_secret(text: str) -> bool:
    """Return whether an address or connection string contains a password itself, not as ${VARIABLE}."""
    return LITERAL.search(re.sub(r"\$\{\w+\}", "", text)) is not None


def install() -> None:
    """Redact every log record and every uncaught exception of this process from now on."""
    factory = logging.getLogRecordFactory()
    if getattr(factory, "func", None) is _make_record:
        return
    logging.setLogRecordFactory(partial(_make_record, factory))
    sys.excepthook = _print_exception
    threading.excepthook = _print_thread_exception


def format_exception(error: BaseException) -> str:
    """Return the traceback of an error and its causes, redacted."""
    return redact("".join(traceback.format_exception(error)))


def _make_record(factory: Any, *args: Any, **kwargs: Any) -> logging.LogRecord:
    record: logging.LogRecord = factory(*args, **kwargs)
    try:
        text = record.getMessage()
    except (TypeError, ValueError):  # wrong arguments: logging reports them itself
        text = ""
    if (redacted := redact(text)) != text:
        record.msg, record.args = redacted, ()
    if record.exc_info and record.exc_info[1] is not None:
        original = "".join(traceback.format_exception(record.exc_info[1]))
        if (redacted := redact(original)) != original:
            record.exc_info, record.exc_text = None, redacted.rstrip()
    return record


def _print_exception(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
    else:
        sys.stderr.write(format_exception(error))


def _print_thread_exception(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None and not isinstance(args.exc_value, SystemExit):
        name = args.thread.name if args.thread else "?"
        sys.stderr.write(f"Exception in thread {name}:\n{format_exception(args.exc_value)}")


@lru_cache(maxsize=4)
def _secrets(environment: tuple[tuple[str, str], ...], remembered: frozenset[str]) -> re.Pattern[str] | None:
    """Return a pattern of the secret values, longest first; None where there is none."""
    found = set(remembered)
    for name, value in environment:
        if SECRET_VARIABLE.search(name) or (name in STORE_VARIABLES and "=" not in value and "://" not in value):
            found |= {value.strip(), value.strip().rpartition(":")[2]}  # user:password
        found |= _secrets_of_address(value)
        found |= {match[0].split("=", 1)[1].strip(" '\"") for match in LITERAL.finditer(value) if "://" not in match[0]}
    found |= {form for value in found for form in (quote(value, safe=""), unquote(value), repr(value)[1:-1])}
    usable = [value for value in found if len(value) >= MIN_SECRET and value.lower() not in PLAIN]
    usable = [value for value in usable if not (value.startswith("/") and _exists(value))]  # the file of a key
    parts = [_as_pattern(value) for value in sorted(usable, key=len, reverse=True)]
    return re.compile("|".join(parts)) if parts else None


def _exists(path: str) -> bool:
    try:
        return Path(path).exists()
    except OSError:  # such as a name that is too long
        return False


def _as_pattern(value: str) -> str:
    escaped = re.escape(value)
    return escaped if len(value) >= WHOLE_WORD else rf"(?<![A-Za-z0-9]){escaped}(?![A-Za-z0-9])"


def _secrets_of_address(value: str) -> set[str]:
    """Return the password of scheme://user:password@host, and its parts: a parser splits it at unescaped signs."""
    _, separator, rest = value.partition("://")
    if not separator or "@" not in rest:
        return set()
    user, colon, password = rest.rpartition("@")[0].partition(":")
    secret = password if colon else user
    return {secret, *re.split(r"[@/:?#&=\s\[\]]", secret)} if secret else set()
