"""Results by the digest of their inputs."""

from pathlib import Path

import pytest

from components.backtest.cache import Cache, cpu_clock, read_cached
from components.contracts import Record
from components.errors import ContractError

BASE = {"numbers": "data", "fits": "data"}


class Number(Record):
    value: int


def test_a_record_is_made_once_for_equal_inputs(tmp_path: Path) -> None:
    cache, calls = Cache(tmp_path, BASE), list[int]()

    def make() -> Number:
        calls.append(1)
        return Number(value=len(calls))

    found = [cache.record("numbers", inputs, Number, make).value for inputs in ({"a": 1, "b": 2}, {"b": 2, "a": 1})]
    assert (found, len(calls)) == ([1, 1], 1)
    assert cache.record("numbers", {"a": 2}, Number, make).value == 2
    assert Cache(tmp_path, {"numbers": "other data"}).record("numbers", {"a": 1, "b": 2}, Number, make).value == 3


def test_a_folder_is_complete_or_absent(tmp_path: Path) -> None:
    cache = Cache(tmp_path, BASE)

    def fail(out: Path) -> None:
        (out / "half").write_text("x")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.files("fits", {"a": 1}, fail)
    assert list((tmp_path / "fits").iterdir()) == []
    made = cache.files("fits", {"a": 1}, lambda out: (out / "whole").write_text("x") and None)
    assert [file.name for file in made.iterdir()] == ["whole"]
    assert made.name == cache.key("fits", {"a": 1})
    assert cache.files("fits", {"a": 1}, fail) == made


def test_the_first_of_two_backtests_wins(tmp_path: Path) -> None:
    cache = Cache(tmp_path, BASE)

    def make(out: Path) -> None:
        (out / "second").write_text("x")
        cache.files("fits", {}, lambda own: (own / "first").write_text("x") and None)

    assert [file.name for file in cache.files("fits", {}, make).iterdir()] == ["first"]


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    (tmp_path / "one.json").write_text('{"value": "x"}')
    with pytest.raises(ContractError, match=r"one\.json: not a Number .* remove this file"):
        read_cached(tmp_path / "one.json", Number)


def test_the_clock_counts_cpu_time() -> None:
    with cpu_clock() as clock:
        sum(range(2_000_000))
    assert clock.seconds > 0
