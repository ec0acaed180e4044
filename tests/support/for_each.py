"""Tables of cases as one test: to pytest, each of ten thousand tests costs more than such a case does."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any

import pytest

Test = Callable[..., None]


def for_each(names: str | Iterable[str], cases: Iterable[Any]) -> Callable[[Test], Test]:
    """Run a test for all cases of a table, as one test: `@for_each("text, seconds", [("1h", 3600), …])`.

    The test fails with the values and the traceback of every case that fails. It is used like
    `pytest.mark.parametrize`, which a test needs that writes anywhere: the cases here share one home.
    """
    fields = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
    table = [case if len(fields) > 1 else (case,) for case in cases]
    assert table, "a table without cases tests nothing"

    def decorate(test: Test) -> Test:
        @wraps(test)
        def run(**given: Any) -> None:
            failures = []
            for case in table:
                values = dict(zip(fields, case, strict=True))
                try:
                    test(**given, **values)
                except (Exception, pytest.fail.Exception):
                    failures.append(f"{values!r}\n{traceback.format_exc()}")
            if failures:
                count = f"{len(failures)} of {len(table)} cases failed"
                pytest.fail("\n".join([count, *failures]), pytrace=False)

        own = inspect.signature(test)
        others = [each for name, each in own.parameters.items() if name not in fields]
        assert len(others) == len(own.parameters) - len(fields), f"{own} lacks one of {fields}"
        run.__signature__ = own.replace(parameters=others)  # type: ignore[attr-defined]
        return run

    return decorate
