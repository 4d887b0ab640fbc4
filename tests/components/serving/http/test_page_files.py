"""The page's files: none from other hosts, an address that changes with the content, equal texts in both languages."""

import json
import re
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from components.applications.marketing.behaviour import HABITS
from components.applications.marketing.rfm import SEGMENTS
from components.applications.marketing.timing import SLOTS
from components.monitoring import data_checks
from components.monitoring.data_checks import PREFIX
from components.release.checks import (
    AGAINST_CHAMPION,
    ALWAYS,
    DRIFT,
    FINISHED,
    GAIN,
    LEVEL,
    MARGIN,
    NOT_ROLLED_BACK,
    NOT_WORSE,
    REFRESH,
    SLICE,
    UNSEEN,
)  # fmt: skip
from components.serving.http.page_files import FOLDER

SCRIPTS = sorted(FOLDER.glob("**/*.js"))
# texts that the service has in English: tests/components/applications/test_reasons.py and those below compare them
CHINESE_ONLY = ("why.", "trait.", "check.", "limitOf.", "slice.", "verdictReason.", "density.", "period.", "group.")
NAMESPACE = "http://www.w3.org/2000/svg"  # a name, not an address that is loaded


def files_of(client: TestClient) -> list[str]:
    return re.findall(r'(?:src|href)="(page/files[^"]+)"', client.get("/").text)


def test_the_page_and_its_files_are_cached_by_their_content(client: TestClient) -> None:
    page = client.get("/")
    assert (page.headers["content-type"], page.headers["cache-control"]) == ("text/html; charset=utf-8", "no-store")
    assert "script-src" not in page.headers["content-security-policy"]  # default-src 'self' applies: no inline script
    assert "unsafe" not in page.headers["content-security-policy"]
    style, script = files_of(client)
    for name, kind in (
        (style, "text/css"),
        (script, "text/javascript"),
        (script.replace("app.js", "i18n/zh.json"), ""),
    ):
        reply = client.get(f"/{name}")
        assert reply.status_code == 200, name
        assert kind in reply.headers["content-type"]
        assert reply.headers.get_list("cache-control") == ["private, max-age=31536000, immutable"]


def test_another_version_of_a_file_is_not_found(client: TestClient) -> None:
    _, script = files_of(client)
    for wrong in (re.sub("files/[^/]+", "files/0", script), script.replace("app.js", "index.html"), script + "x"):
        assert client.get(f"/{wrong}").status_code == 404


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda p: p.name)
def test_scripts_are_short_and_load_nothing_from_elsewhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= 300
    assert "://" not in text.replace(NAMESPACE, "")
    assert "innerHTML" not in text  # data is set as text
    assert "eval(" not in text


def test_both_dictionaries_have_the_same_texts_and_those_that_the_scripts_use() -> None:
    english, chinese = (json.loads((FOLDER / f"i18n/{name}.json").read_text(encoding="utf-8")) for name in ("en", "zh"))
    assert english.keys() == {key for key in chinese if not key.startswith(CHINESE_ONLY)}
    for key, text in english.items():
        assert set(re.findall(r"\{\w+\}", text)) == set(re.findall(r"\{\w+\}", chinese[key])), key
    html = (FOLDER / "index.html").read_text(encoding="utf-8")
    used = set(re.findall(r'data-(?:t|label)="([^"]+)"', html))
    for path in SCRIPTS:
        used |= set(re.findall(r'\bt\("([^"]+)"', path.read_text(encoding="utf-8")))
    assert {key for key in used if not key.startswith(CHINESE_ONLY)} <= english.keys()
    assert used <= chinese.keys()


def test_segments_are_described_as_marketing_describes_them() -> None:
    english = json.loads((FOLDER / "i18n/en.json").read_text(encoding="utf-8"))
    assert {name: english.get(f"segmentText.{name}") for name in SEGMENTS} == SEGMENTS
    assert all(f"timeSlot.{slot}" in english for slot in SLOTS)


def test_every_habit_of_a_behaviour_segment_has_a_chinese_name() -> None:
    chinese = json.loads((FOLDER / "i18n/zh.json").read_text(encoding="utf-8"))
    assert {f"trait.{habit}.{level}" for habit in HABITS for level in ("high", "low")} <= chinese.keys()


def test_every_check_of_the_gates_has_a_chinese_name_and_rule() -> None:
    chinese = json.loads((FOLDER / "i18n/zh.json").read_text(encoding="utf-8"))
    names = [
        *ALWAYS,
        *AGAINST_CHAMPION,
        *REFRESH,
        LEVEL,
        *(start.strip() for start in (GAIN, NOT_WORSE, MARGIN, SLICE)),
    ]
    assert {f"check.{name}" for name in names} <= chinese.keys()
    facts = {DRIFT, FINISHED, NOT_ROLLED_BACK, UNSEEN}  # their names say all
    assert {f"limitOf.{name}" for name in set(names) - facts} <= chinese.keys()
    families = re.findall(r"^    ([a-z ]+?)  +", data_checks.__doc__ or "", re.M)
    assert len(families) > 10
    assert {f"check.{PREFIX}{name}" for name in families} <= chinese.keys()
