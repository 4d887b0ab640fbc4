"""reports/backtest: the records as JSON, tables as Markdown, plots as SVG, and one self-contained HTML page."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import accumulate
from pathlib import Path

from components.backtest.replay import Backtest, PolicyReplay
from components.backtest.summary import refusals, summarise_faults, summarise_policies, summarise_rules
from components.backtest.timelines import timelines
from components.evaluation import plots
from components.evaluation.pages import render_page
from components.io import write_record, write_text

TEMPLATES = Path(__file__).parent / "templates"
Row = dict[str, str]


def policy_table(backtest: Backtest) -> list[Row]:
    """Return a row for each policy: quality, comparisons, compute, and what shipped."""
    return [
        {
            "policy": row.policy,
            backtest.metric: f"{row.mean:.4f}",
            "over superiority": _percent(row.over_superiority),
            "over newest": _percent(row.over_newest),
            "worst period against never": _percent(row.worst_against_never),
            "CPU s": f"{row.cpu_s:,.0f}",
            "retrains promoted": _part_of(row.promoted, row.retrains),
            "refreshes refused": _part_of(row.refused, row.refreshes),
            "recipes": str(row.recipes),
        }
        for row in summarise_policies(backtest)
    ]


def period_table(backtest: Backtest) -> list[Row]:
    """Return a row for each period with the value of each policy."""
    return [
        {"from": period.start[:10], "to": period.end[:10], "users": str(period.n_users)}
        | {replay.policy: f"{replay.periods[number].value:.4f}" for replay in backtest.replays}
        for number, period in enumerate(backtest.replays[0].periods)
    ]


def fault_table(backtest: Backtest) -> list[Row]:
    """Return a row for each planted fault and judged policy; [] without faults, or without the policy newest."""
    return [
        {
            "fault": row.fault,
            "policy": row.policy,
            "dates": str(row.dates),
            "cost, mean": _percent(row.mean_cost),
            "cost, largest": _percent(row.largest_cost),
            "refused": f"{row.refused} of {row.dates}",
            "refused where it costs 5 % or more": f"{row.costly_refused} of {row.costly}",
            "ships after mending": f"{row.shipped_after} of {row.dates}",
        }
        for row in summarise_faults(backtest)
    ]


def rule_table(backtest: Backtest) -> list[Row]:
    """Return a row for each check that refused a refresh: how often, and how often no other check did."""
    return [
        {
            "check of a refresh": row.rule,
            "refuses sound data": str(row.sound),
            "alone": str(row.sound_alone),
            "refuses a fault": str(row.planted),
            "alone a fault": str(row.planted_alone),
            "alone one that costs 5 % or more": str(row.costly_alone),
        }
        for row in summarise_rules(backtest)
    ]


def refusal_table(backtest: Backtest) -> list[Row]:
    """Return a row for each judged pass that did not ship, on sound data and on planted faults."""
    rows = [
        {"data": "sound", "policy": replay.policy, "as of": done.as_of[:10], "pass": done.purpose}
        | {"verdict": done.verdict.replace("_", " "), "why": "; ".join(done.reasons)}
        for replay in backtest.replays
        for done in refusals(replay)
    ]
    for planted in backtest.planted:
        rows += [
            {"data": planted.fault, "policy": planted.policy, "as of": done.as_of[:10], "pass": done.purpose}
            | {"verdict": done.verdict.replace("_", " "), "why": "; ".join(done.reasons)}
            for done in planted.periods[0].passes
            if not done.ships
        ]
    return rows


def write_report(out: Path, backtest: Backtest) -> None:
    """Write backtest.json, backtest.md, quality.svg, compute.svg and report.html below `out`; the first one last."""
    out.mkdir(parents=True, exist_ok=True)
    tables = {
        "Policies": policy_table(backtest),
        "Planted faults": fault_table(backtest),
        "Rules": rule_table(backtest),
        "Periods": period_table(backtest),
        "Not shipped": refusal_table(backtest),
    }
    pictures = {"quality": quality_plot(backtest), "compute": compute_plot(backtest)}
    for name, svg in pictures.items():
        write_text(out / f"{name}.svg", plots.standalone(svg))
    text = "\n".join(f"## {title}\n\n{markdown(rows)}" for title, rows in tables.items() if rows)
    write_text(out / "backtest.md", f"# Backtest\n\n{_meanings(backtest)}\n{text}")
    write_text(out / "report.html", _page(backtest, tables, pictures))
    write_record(out / "backtest.json", backtest)


def markdown(rows: Sequence[Row]) -> str:
    """Return the rows as a Markdown table; "" for none."""
    if not rows:
        return ""
    lines = [list(rows[0]), ["---"] * len(rows[0]), *(list(row.values()) for row in rows)]
    return "".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |\n" for line in lines)


def quality_plot(backtest: Backtest) -> str:
    """Return the plot of what serves, one line for each policy, by the start of the period."""
    series = {
        replay.policy: [(datetime.fromisoformat(p.start), p.value) for p in replay.periods]
        for replay in backtest.replays
    }
    return timelines(series, f"{backtest.metric} of what serves", "The values are in the table of periods.")


def compute_plot(backtest: Backtest) -> str:
    """Return the plot of CPU seconds spent since the start, one line for each policy."""
    series = {replay.policy: _spent(replay) for replay in backtest.replays}
    return timelines(series, "CPU seconds of training and evaluation since the start", "Totals are in the table.")


def _spent(replay: PolicyReplay) -> list[tuple[datetime, float]]:
    spent = accumulate(sum(done.cpu_s for done in period.passes) for period in replay.periods)
    return [(datetime.fromisoformat(p.start), total) for p, total in zip(replay.periods, spent, strict=True)]


def _meanings(backtest: Backtest) -> str:
    meanings = backtest.policies | backtest.faults
    return "".join(f"- `{name}`: {meaning}\n" for name, meaning in meanings.items())


def _page(backtest: Backtest, tables: dict[str, list[Row]], pictures: dict[str, str]) -> str:
    context = {
        "backtest": backtest,
        "first": backtest.replays[0].periods[0].start[:10],
        "last": backtest.replays[0].periods[-1].end[:10],
        "tables": {title: rows for title, rows in tables.items() if rows},
    }
    return render_page(TEMPLATES, pictures, context)


def _part_of(part: int, total: int) -> str:
    return f"{part} of {total}" if total else "-"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:+.1f} %"
