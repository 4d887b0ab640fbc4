"""The overlay as YAML text: what was guessed stands as a comment beside it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import yaml

from components.applications.advice.draft import Draft, SourceDraft
from components.applications.advice.trial import FEW_USERS, REPEATS, WEIGHTS, Facts, end_of, is_live, round_up
from components.params.yaml_files import parse

MAX_BAD, MAX_UNKNOWN = 0.02, 0.2  # defaults of params.yaml
WIDTH = 120
ORDER = ("products", "events", "reviews", "searches")


@dataclass(frozen=True)
class About:
    """What the overlay says about itself."""

    name: str  # release.name
    command: str  # that wrote it
    path: str  # where it is written
    now: datetime


def render(draft: Draft, facts: Facts, about: About) -> str:
    """Return the overlay of a draft."""
    lines = [*_heading(about), *_data(draft, facts, about), *_settings(facts, about), *_remarks(draft, facts)]
    return "\n".join(lines) + "\n"


def render_export(text: str, name: str, facts: Facts, about: About) -> str:
    """Return the overlay of a well-known export, with the moment and the windows of these files."""
    tree = parse(text, name)
    body = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    if "as_of" not in tree["data"] and facts.newest is not None and not is_live(facts.newest, about.now):
        body = body.replace("data:\n", f"data:\n{_as_of(facts, about)}\n", 1)
    if not {"validation_days", "test_days"} & set(tree.get("split", {})):
        body = body.replace("split:\n", "split:\n" + "\n".join(_windows(facts)) + "\n", 1)
    body = re.sub(r"(?m)^  (name|experiment): .*$", lambda m: f"  {m[1]}: {about.name}", body)
    return "\n".join([*_heading(about), f"# The files are an export of {name}: docs/exports.md", body]) + "\n"


def data_section(draft: Draft) -> dict[str, Any]:
    """Return the sources and lookups of the section `data`, as its parser takes them."""
    sources: dict[str, list[dict[str, Any]]] = {}
    for table in ORDER:
        listed = [_source(s) for s in draft.of(table)]
        if listed:
            sources[table] = listed
    return {"sources": sources} | ({"lookups": draft.lookups} if draft.lookups else {})


def _source(source: SourceDraft) -> dict[str, Any]:
    where = {"where": " AND ".join(source.where)} if source.where else {}
    return source.source | where | {"columns": source.columns}


def _heading(about: About) -> list[str]:
    return [
        f"# {about.name}: written by `{about.command}`, from the names and values of the columns.",
        "# Read the comments, correct what is wrong, then:",
        f"#   carousel doctor  --params {about.path}",
        f"#   carousel retrain --params {about.path} --bootstrap",
        "# Every name is explained in docs/your-shop.md.",
    ]


def _data(draft: Draft, facts: Facts, about: About) -> list[str]:
    lines = ["data:", "  simulated: false"]
    if facts.newest is not None and not is_live(facts.newest, about.now):
        lines.append(_as_of(facts, about))
    if facts.anonymous_share > 0:
        lines.append(
            _value(
                "anonymous_events",
                True,
                f"{facts.anonymous_share:.1%} of the events have no user; they count for items only",
            )
        )
    lines += _limits(facts)
    if draft.lookups:
        lines.append("  lookups:                         # values that another table has")
        for name, lookup in draft.lookups.items():
            lines += [f"    {name}:", *(f"      {key}: {_scalar(value)}" for key, value in lookup.items())]
    lines.append("  sources:")
    for table in ORDER:
        if draft.of(table):
            lines += [f"    {table}:", *(line for s in draft.of(table) for line in _source_lines(s))]
    return lines


def _source_lines(source: SourceDraft) -> Iterator[str]:
    for text in source.about:
        yield f"      # {text}"
    keys = list(source.source.items()) + ([("where", " AND ".join(source.where))] if source.where else [])
    for number, (key, value) in enumerate(keys):
        yield f"      {'-' if number == 0 else ' '} {key}: {_scalar(value)}"
    yield "        columns:"
    for column, expression in source.columns.items():
        note = source.notes.get(column, "")
        line = f"          {column}: {_scalar(expression)}"
        if note and len(line) + len(note) + 5 > WIDTH:
            yield f"          # {note}"
            yield line
        else:
            yield line + (f"  # {note}" if note else "")


def _limits(facts: Facts) -> Iterator[str]:
    """Yield higher limits where the trial found more bad rows than a run allows."""
    for name, default, share in (
        ("max_bad_share", MAX_BAD, max((facts.bad_share(t) for t in facts.qualities), default=0.0)),
        ("max_unknown_share", MAX_UNKNOWN, max((facts.unknown_share(t) for t in facts.qualities), default=0.0)),
    ):
        if share > default:
            yield _value(
                name, round_up(share), f"CHECK: {share:.1%} of the rows of a table; see data/quarantine after a run"
            )


def _as_of(facts: Facts, about: About) -> str:
    moment = f"{end_of(facts.newest):%Y-%m-%d}" if facts.newest is not None else f"{about.now:%Y-%m-%d}"
    return _value("as_of", moment, f"newest event {facts.newest:%Y-%m-%d %H:%M}; remove this line for data that go on")


def _windows(facts: Facts) -> list[str]:
    validation, test = facts.windows
    users = facts.window_users
    few = "" if min(users) >= FEW_USERS else ": few; the verdict may be `not enough evidence`"
    return [
        _value("validation_days", validation, f"{users[0]} users with a target and a history"),
        _value("test_days", test, f"{users[1]} users with a target and a history{few}"),
    ]


def _settings(facts: Facts, about: About) -> Iterator[str]:
    kinds = [k for k in WEIGHTS if facts.kinds.get(k)] or list(facts.targets)
    yield "split:"
    yield from _windows(facts)
    yield _value(
        "target_events", facts.targets, f"events: {', '.join(f'{n} {kind}' for kind, n in facts.kinds.items())}"
    )
    yield _value("weights", {k: WEIGHTS.get(k, 0.3) for k in kinds}, "what models learn from, and how much it counts")
    yield "recommend:"
    exclude = facts.repeat_share < REPEATS
    yield _value(
        "exclude_seen", exclude, f"{facts.repeat_share:.1%} of what users choose in the test window they had before"
    )
    if len(kinds) < 2:
        yield from ("models:", "  sequence:")
        yield _value("event_heads", False, "there is one kind of event", indent=4)
    yield from ("release:", f"  name: {about.name}", f"  experiment: {about.name}")


def _remarks(draft: Draft, facts: Facts) -> Iterator[str]:
    yield f"# Seen: {facts.n_users} users, {facts.n_products} products, {sum(facts.kinds.values())} events"
    for title, texts in (("Check", [*_broken(facts), *draft.checks]), ("Not used", draft.not_used)):
        if texts:
            yield f"# {title}:"
            yield from (f"#   - {' '.join(text.split())}" for text in texts)


def _broken(facts: Facts) -> Iterator[str]:
    """Yield the most frequent reasons for quarantine, and what ingest finds odd, of each table."""
    for table, quality in facts.qualities.items():
        for rule, n in sorted(quality.rules.items(), key=lambda r: -r[1])[:3]:
            yield f"{table}: {n} of {quality.rows.read} rows go to quarantine: {rule}"
        if quality.rows.after_as_of:
            yield f"{table}: {quality.rows.after_as_of} rows lie in the future and are left out"
        yield from (f"{table}: {finding}" for finding in quality.findings[:3])


def _value(name: str, value: Any, note: str, indent: int = 2) -> str:
    text = f"{' ' * indent}{name}: {_scalar(value)}"
    return f"{text.ljust(33)}  # {note}"


def _scalar(value: Any) -> str:
    """Return a value on one line of YAML."""
    text: str = yaml.safe_dump(value, default_flow_style=True, width=10**6, allow_unicode=True, sort_keys=False)
    return text.removesuffix("\n").removesuffix("\n...").strip()
