"""`carousel experiment off-policy | interleave`: judges models by logs and clicks, without a live experiment."""

from __future__ import annotations

from pathlib import Path

from components.experiments.interleaved_lists import judge_clicks, merge_lists, read_lists, to_table
from components.experiments.policy_log_file import Estimate, LogColumns, judge_file
from components.io import atomic_file

TARGET_VOTERS = 5000  # at which the always-valid interval is narrowest


def show_estimates(log: Path, columns: LogColumns, alpha: float, as_json: bool) -> int:
    """Print the estimates; return the exit code: 0 better than the logging policy, 2 worse, 3 not decided."""
    from flows import terminal

    report = judge_file(log, columns, alpha)
    code = 0 if report.gain.low > 0 else 2 if report.gain.high < 0 else 3
    if as_json:
        terminal.show(report.model_dump(mode="json"), True)
        return code
    left_out = ", ".join(f"{n} {reason}" for reason, n in report.left_out.items())
    terminal.table([
        ("decisions", f"{report.decisions:,}"),
        ("left out", left_out or "none"),
        ("effective sample size", f"{report.effective_sample_size:,.0f}"),
    ])  # fmt: skip
    values = {"logging policy": report.logging, "IPS": report.ips, "SNIPS": report.snips,
              "doubly robust": report.dr, "gain over the logging policy": report.gain}  # fmt: skip
    head = ("value per decision", "estimate", f"{1 - alpha:.0%} interval")
    terminal.table([head, *((name, *_texts(value)) for name, value in values.items() if value is not None)])
    return code


def interleave(
    one: Path, other: Path, out: Path | None, clicks: Path | None, how: tuple[int, str, float], as_json: bool
) -> int:
    """Merge, write and judge; return the exit code: 0 the second is preferred or no clicks, 2 the first, 3 neither.

    how: products of a list, seed, 1 - level of the interval.
    """
    import pyarrow.parquet as pq

    from flows import terminal

    k, seed, alpha = how
    first, second = read_lists(one), read_lists(other)
    merged = merge_lists(first, second, k, seed)
    if out is not None:
        with atomic_file(out) as temporary:
            pq.write_table(to_table(merged), temporary, write_page_checksum=True)
    only_one = len(first.keys() ^ second.keys())
    report = judge_clicks(merged, clicks, only_one, alpha, TARGET_VOTERS)
    terminal.show(report.model_dump(mode="json"), as_json)
    return 0 if clicks is None else {"second": 0, "first": 2}.get(report.verdict, 3)


def _texts(estimate: Estimate) -> tuple[str, str]:
    return f"{estimate.value:.5g}", f"{estimate.low:.5g} to {estimate.high:.5g}"
