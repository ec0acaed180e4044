"""Values: made, compared, shown and changed as frozen dataclasses are."""

from __future__ import annotations

from typing import Any

import pytest

from wa.values import Value, replace


class Point(Value):
    """A point."""

    x: int
    y: int = 0


class Named(Point, hidden=("key",)):
    """A point with a name."""

    name: str = ""
    key: bytes | None = None


def test_fields_come_in_their_order_by_name_or_by_default():
    assert vars(Point(1)) == {"x": 1, "y": 0}
    assert vars(Point(1, 2)) == vars(Point(y=2, x=1))
    assert vars(Named(1, name="a")) == {"x": 1, "y": 0, "name": "a", "key": None}
    assert Point.__doc__ == "A point."


@pytest.mark.parametrize(
    ("args", "named"), [((), {}), ((1, 2, 3), {}), ((1,), {"z": 1}), ((1,), {"x": 1}), ((), {"y": 1})]
)
def test_other_arguments_are_an_error(args: tuple[int, ...], named: dict[str, Any]):
    with pytest.raises(TypeError, match="Point takes x, y"):
        Point(*args, **named)


def test_values_are_equal_by_class_and_fields():
    assert Point(1, 2) == Point(1, 2) != Point(1, 3)
    assert Point(1, 2) != Named(1, 2)
    assert Point(1, 2) != (1, 2)
    assert len({Point(1, 2), Point(1, 2), Point(2, 1)}) == 2


def test_a_value_does_not_change():
    point = Point(1)
    with pytest.raises(AttributeError):
        point.x = 2  # type: ignore[misc]
    assert point == Point(1)


def test_a_hidden_field_is_not_shown():
    assert repr(Named(1, name="a", key=b"secret")) == "Named(x=1, y=0, name='a')"


def test_replace_changes_some_fields_of_a_new_value():
    point = Named(1, 2, "a", b"k")
    assert replace(point, y=5) == Named(1, 5, "a", b"k")
    assert point.y == 2
    with pytest.raises(TypeError):
        replace(point, z=1)
