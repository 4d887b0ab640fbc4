"""Secrets are removed from messages, log records and tracebacks, and nothing else is."""

import io
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from components import redact as module
from components.errors import ReleaseError
from components.redact import HIDDEN, holds_literal_secret, install, redact

ROOT = Path(__file__).parents[2]
SECRET = "Tr0ub4dor"


@pytest.mark.parametrize(
    "text",
    [
        f"registry at postgresql://ann:{SECRET}@db:5432/mlflow: OperationalError",
        f"cannot parse 'mysql+pymysql://ann:{SECRET}@db/x'",
        f"https://{SECRET}@git.example/shop.git",  # a token instead of a user
        f"postgresql://ann:a@b/{SECRET}@db/x",  # signs that should have been escaped
        f"postgresql://ann:{SECRET}?x#y@db/x",
        f"postgresql://db/x?user=ann&password={SECRET}&sslmode=require",
        f"host=db user=ann password={SECRET} dbname=x",
        f"host=db password = '{SECRET} with \\' signs' dbname=x",
        f'{{"user": "ann", "password": "{SECRET}"}}',
        f"{{'mlflow_token': '{SECRET}'}}",
        f"https://bucket.example/object?X-Amz-Signature={SECRET}",
        f"https://account.example/file?sv=1&sig={SECRET}",
        f"headers: Authorization: Bearer {SECRET}",
        f"{{'Authorization': 'Basic {SECRET}=='}}",
        f"aws_secret_access_key={SECRET}",
        f"DefaultEndpointsProtocol=https;AccountName=shop;AccountKey={SECRET}==;EndpointSuffix=example",
    ],
)
def test_secrets_by_their_form_are_removed(text: str) -> None:
    assert SECRET not in redact(text)
    assert HIDDEN in redact(text)
    assert redact(redact(text)) == redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "registry at http://127.0.0.1:5000: connection refused",
        "sqlite:////srv/home/mlflow.db",
        "models:/carousel@champion",
        "write to ops@shop.example, see https://shop.example/a?k=5&item_id=P00001",
        "language.max_tokens=48; primary key=id; trainer.max_epochs=5",
        "admin routes need CAROUSEL_ADMIN_TOKEN as a bearer token",
        "the environment variable DB_PASSWORD is not set, `attach` needs it; set it",
        '{"passed": true, "value": 0.5}',
        "/usr/lib/model.json: not there",
    ],
)
def test_other_text_stays_as_it_is(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false")
    monkeypatch.setenv("SHOP_USE_TOKEN", "true")
    monkeypatch.setenv("PWD", "/srv/shop")
    monkeypatch.setenv("SHOP_TLS_KEY", "/usr/lib")
    assert redact(text) == text


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("CAROUSEL_ADMIN_TOKEN", SECRET, f"got {SECRET!r}"),
        ("MLFLOW_TRACKING_PASSWORD", "p w", "x"),
        ("AWS_SECRET_ACCESS_KEY", f"/{SECRET}", f"key /{SECRET} is unknown"),
        ("PREFECT_API_AUTH_STRING", f"carousel:{SECRET}", f"401 for {SECRET}"),
        ("AWS_SECRET_ACCESS_KEY", SECRET, f"key {SECRET} is unknown"),
        ("SHOP_DB", f"host=db user=ann password={SECRET}", f'FATAL: password "{SECRET}" is wrong'),
        ("CAROUSEL_TRACKING_URI", f"postgresql://ann:{SECRET}@db/x", f"could not parse {SECRET}"),
        ("CAROUSEL_EVENT_STORE_URL", f"postgresql://ann:{SECRET}/et@db/x", f'invalid port number: "{SECRET}"'),
        ("CAROUSEL_TRACKING_URI", "postgresql://ann:Tr0ub%404dor@db/x", "wrong: Tr0ub@4dor"),
        ("CAROUSEL_TRACKING_URI", f"https://{SECRET}@host/x", f"token {SECRET}"),
        ("HTTPS_PROXY", f"http://ann:{SECRET}@proxy:3128", f"proxy refused {SECRET}"),
    ],
)
def test_secrets_of_the_environment_are_removed_in_any_form(
    name: str, value: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    for form in (message, repr(message), f"{value}: {message}"):
        assert SECRET not in redact(form)
        assert "Tr0ub@4dor" not in redact(form)


def test_a_short_secret_is_replaced_as_a_word_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_PASSWORD", "reds")
    assert redact("hundreds of reds") == f"hundreds of {HIDDEN}"


def test_a_value_that_was_remembered_is_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_remembered", set())
    module.remember(SECRET)
    assert redact(f"cannot attach {SECRET}") == f"cannot attach {HIDDEN}"


def test_every_carousel_error_is_redacted() -> None:
    error = ReleaseError(f"registry at postgresql://ann:{SECRET}@db/x")
    assert str(error) == f"registry at postgresql://{HIDDEN}@db/x"
    assert ReleaseError(7).args == (7,)


@pytest.mark.parametrize(
    ("text", "is_literal"),
    [
        (f"postgresql://ann:{SECRET}@db/x", True),
        (f"host=db password={SECRET}", True),
        ("host=db password='x y'", True),
        ("host=db user=ann password=${SHOP_PASSWORD}", False),
        ("postgresql://ann:${SHOP_PASSWORD}@db/x", False),
        ("postgresql://ann@db/x", False),
        ("${SHOP_DB}", False),
        ("data/shop.duckdb", False),
    ],
)
def test_a_password_that_is_written_out_is_found(text: str, is_literal: bool) -> None:
    assert holds_literal_secret(text) is is_literal


def test_log_records_and_their_tracebacks_are_redacted() -> None:
    install()
    factory = logging.getLogRecordFactory()
    install()
    assert logging.getLogRecordFactory() is factory
    stream, log = io.StringIO(), logging.getLogger("a library")
    handler = logging.StreamHandler(stream)
    log.addHandler(handler)
    try:
        log.error("cannot reach %s", f"postgresql://ann:{SECRET}@db/x")
        try:
            raise ValueError(f"postgresql://ann:{SECRET}@db/x")
        except ValueError:
            log.exception("failed")
        log.warning("%d of %s", 3, "four")
    finally:
        log.removeHandler(handler)
    shown = stream.getvalue()
    assert SECRET not in shown
    assert f"cannot reach postgresql://{HIDDEN}@db/x" in shown
    assert "Traceback" in shown
    assert "3 of four" in shown


FAILING = """
import logging, sys, threading, warnings
from components.redact import install
install()
logging.basicConfig()
logging.captureWarnings(True)
url = sys.argv[1]
warnings.warn(url)
thread = threading.Thread(target=lambda: 1 / len(url[:0]) if not url else open(url), name="reader")
thread.start()
thread.join()
try:
    raise RuntimeError(url)
except RuntimeError as error:
    raise OSError("cannot go on") from error
"""


def test_warnings_threads_and_uncaught_errors_of_a_process_are_redacted() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FAILING, f"postgresql://ann:{SECRET}@db/x"],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert SECRET not in done.stdout + done.stderr
    for part in ("UserWarning", "Exception in thread reader", "cannot go on", "RuntimeError: postgresql://***@db/x"):
        assert part in done.stderr
