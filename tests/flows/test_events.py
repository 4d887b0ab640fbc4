"""Events about a shop name the shop, the moment and the reasons."""

from pathlib import Path
from typing import Any

import pytest

from flows import events
from flows.workspace import open_workspace


def test_an_event_names_the_shop(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[dict[str, Any]] = []
    monkeypatch.setattr(events, "emit_event", lambda **event: sent.append(event))
    events.emit_shop_event(open_workspace([], ["release.name=corner"], None), "carousel.alarm", "2026-03-01", ("a",))
    assert sent == [
        {
            "event": "carousel.alarm",
            "resource": {"prefect.resource.id": "carousel.shop.corner", "prefect.resource.name": "corner"},
            "payload": {"as_of": "2026-03-01", "reasons": ["a"]},
        }
    ]
