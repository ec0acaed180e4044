"""A table as one test: every case runs, and a failure shows the values of each case that failed."""

from __future__ import annotations

from inspect import signature

import pytest
from for_each import for_each


def test_all_cases_run_in_their_order_and_fixtures_remain() -> None:
    seen = []

    @for_each(("number", "name"), [(1, "one"), (2, "two")])
    @for_each("sign", "+-")
    def check(sign: str, tmp_path: str, number: int, name: str) -> None:
        seen.append((f"{sign}{number}", name, tmp_path))

    assert list(signature(check).parameters) == ["tmp_path"]
    check(tmp_path="/")
    assert seen == [("+1", "one", "/"), ("-1", "one", "/"), ("+2", "two", "/"), ("-2", "two", "/")]


def test_a_failure_shows_every_case_that_failed() -> None:
    @for_each("number", range(4))
    def check(number: int) -> None:
        assert number % 2
        if number == 3:
            raise KeyError("odd")

    with pytest.raises(pytest.fail.Exception) as failed:
        check()
    told = str(failed.value)
    assert told.startswith("3 of 4 cases failed\n")
    assert [f"{{'number': {number}}}" in told for number in range(4)] == [True, False, True, True]
    assert "assert number % 2" in told
    assert "KeyError: 'odd'" in told


def test_names_that_the_test_does_not_take_are_refused() -> None:
    with pytest.raises(AssertionError, match="lacks one of"):
        for_each("other", [1])(lambda number: None)
