"""Addresses are read from the environment, in one place."""

from pathlib import Path

import pytest

from components.settings import Settings


def test_home_is_below_the_checkout_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CAROUSEL_HOME", raising=False)
    monkeypatch.delenv("CAROUSEL_TRACKING_URI", raising=False)
    settings = Settings().resolved(tmp_path)
    assert settings.home == tmp_path / ".carousel"
    assert settings.tracking_uri == f"sqlite:///{tmp_path}/.carousel/mlflow.db"


def test_the_environment_overrides_the_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAROUSEL_HOME", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("CAROUSEL_TRACKING_URI", "http://127.0.0.1:5000")
    settings = Settings().resolved(Path("/checkout"))
    assert settings.home == tmp_path / "elsewhere"
    assert settings.tracking_uri == "http://127.0.0.1:5000"


def test_bundles_may_be_on_a_disk_of_the_machine_while_home_is_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAROUSEL_HOME", "/shared")
    monkeypatch.delenv("CAROUSEL_BUNDLE_CACHE", raising=False)
    assert Settings().resolved(Path("/app")).bundles("shop") == Path("/shared/shops/shop/serving")
    monkeypatch.setenv("CAROUSEL_BUNDLE_CACHE", "cache")
    settings = Settings().resolved(Path("/app"))
    assert settings.bundles("shop") == Path("/app/cache/shop")
    assert settings.shop("shop") == Path("/shared/shops/shop")


def test_the_event_store_is_also_read_from_the_variable_of_version_0_1(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("CAROUSEL_EVENT_STORE_URL", raising=False)
    monkeypatch.delenv("CAROUSEL_STATE_URL", raising=False)
    assert Settings().event_store_address is None
    assert caplog.text == ""
    monkeypatch.setenv("CAROUSEL_STATE_URL", "postgresql://user:secret@old/store")
    assert Settings().event_store_address == "postgresql://user:secret@old/store"
    assert "CAROUSEL_STATE_URL is deprecated: set CAROUSEL_EVENT_STORE_URL" in caplog.text
    assert "secret" not in caplog.text
    monkeypatch.setenv("CAROUSEL_EVENT_STORE_URL", "postgresql://new/store")
    assert Settings().event_store_address == "postgresql://new/store"
    monkeypatch.setenv("CAROUSEL_EVENT_STORE_URL", "")
    monkeypatch.delenv("CAROUSEL_STATE_URL")
    assert Settings().event_store_address is None
