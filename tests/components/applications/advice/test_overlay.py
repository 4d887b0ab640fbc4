"""The overlay as text: YAML that says what was guessed, and higher limits where the rows need them."""

from datetime import UTC, datetime

import yaml

from components.applications.advice.draft import Draft, SourceDraft
from components.applications.advice.overlay import About, data_section, render, render_export
from components.applications.advice.trial import Facts
from components.data.quality import Counts, TableQuality

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
ABOUT = About("cups", "carousel init shop", "cups.yaml", NOW)


def facts(**changes: object) -> Facts:
    found = Facts(
        {}, {"purchase": 90, "view": 10}, datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 5, 3, 22, tzinfo=UTC)
    )
    found.targets = ["purchase"]
    for name, value in changes.items():
        setattr(found, name, value)
    return found


def draft() -> Draft:
    events = SourceDraft("events", {"path": "a.csv"}, where=["q > 0", "x = 'y: z'"])
    events.set("user_id", "sha256(lower(trim(email)))", "a note " * 30)
    events.set("event", "'purchase'", "short")
    return Draft([events], {"time_of": {"path": "o.csv", "key": "id", "value": "t"}}, ["b.csv: not read"], ["look"])


def test_the_text_is_yaml_with_what_the_draft_says() -> None:
    text = render(draft(), facts(anonymous_share=0.25, window_users=(50, 40)), ABOUT)
    tree = yaml.safe_load(text)
    assert tree["data"]["sources"] == data_section(draft())["sources"]
    assert tree["data"]["sources"]["events"][0]["where"] == "q > 0 AND x = 'y: z'"
    assert tree["data"]["lookups"] == draft().lookups
    assert (tree["data"]["as_of"], tree["data"]["anonymous_events"]) == ("2025-05-04", True)
    assert tree["split"]["weights"] == {"view": 0.3, "purchase": 1.0}
    assert "event_heads" not in text  # there are two kinds of events
    assert "40 users with a target and a history: few" in text
    assert "# Check:\n#   - look" in text
    assert "# Not used:\n#   - b.csv: not read" in text
    assert all(len(line) <= 240 for line in text.splitlines())


def test_a_shop_that_goes_on_has_no_as_of_and_one_kind_of_event_no_heads() -> None:
    live = facts(newest=datetime(2026, 1, 1, 3, tzinfo=UTC), kinds={"purchase": 9})
    tree = yaml.safe_load(render(draft(), live, ABOUT))
    assert "as_of" not in tree["data"]
    assert tree["models"] == {"sequence": {"event_heads": False}}


def test_seen_products_are_recommended_where_users_buy_again() -> None:
    shares = [yaml.safe_load(render(draft(), facts(repeat_share=s), ABOUT))["recommend"] for s in (0.05, 0.2)]
    assert shares == [{"exclude_seen": True}, {"exclude_seen": False}]


def test_limits_rise_above_what_the_rows_break_and_say_so() -> None:
    zero = dict.fromkeys(("duplicates", "after_as_of", "filtered", "superseded"), 0)
    counts = Counts(read=100, valid=65, quarantined=35, **zero)
    quality = TableQuality(
        counts=counts, rows=counts, sources=[], rules={"item_id: not in products": 30, "timestamp: no time": 5}
    )
    text = render(draft(), facts(qualities={"events": quality}), ABOUT)
    tree = yaml.safe_load(text)
    assert (tree["data"]["max_bad_share"], tree["data"]["max_unknown_share"]) == (0.06, 0.4)
    assert "CHECK: 30.0% of the rows" in text
    assert "events: 30 of 100 rows go to quarantine: item_id: not in products" in text


def test_an_export_gets_the_moment_the_windows_and_the_name_of_the_shop() -> None:
    export = "# old words\ndata:\n  simulated: false\nsplit:\n  target_events: [purchase]\n"
    export += "release:\n  name: x\n  experiment: x\n"
    tree = yaml.safe_load(render_export(export, "x", facts(windows=(30, 30)), ABOUT))
    assert tree["data"] == {"as_of": "2025-05-04", "simulated": False}
    assert tree["split"] == {"validation_days": 30, "test_days": 30, "target_events": ["purchase"]}
    assert tree["release"] == {"name": "cups", "experiment": "cups"}
