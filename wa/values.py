"""Values: plain objects that hold what they were made with, and do not change.

They are what frozen dataclasses are, without the code that `dataclasses` writes and compiles for each class
when it is imported: 0.3 ms a class, and most commands would compile some fifty.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

if TYPE_CHECKING:
    from typing_extensions import dataclass_transform
else:

    def dataclass_transform(**_: object) -> Any:
        """Return a decorator that does nothing; the real one tells type checkers what a class takes."""
        return lambda made: made


@dataclass_transform(frozen_default=True)
class Value:
    """A base class: what a class annotates are its fields, in their order, with their defaults.

    Two values are equal if they are of one class and so are all their fields. `hidden` names fields that
    the repr does not show, for a log may hold it.
    """

    _names: ClassVar[tuple[str, ...]] = ()
    _defaults: ClassVar[dict[str, Any]] = {}
    _hidden: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, hidden: tuple[str, ...] = ()) -> None:
        own = tuple(cls.__annotations__)
        cls._names = (*cls._names, *own)
        cls._defaults = {**cls._defaults, **{name: vars(cls)[name] for name in own if name in vars(cls)}}
        cls._hidden = (*cls._hidden, *hidden)

    def __init__(self, *args: Any, **named: Any) -> None:
        fields = self.__dict__
        fields.update(self._defaults)
        fields.update(zip(self._names, args, strict=False))
        fields.update(named)
        is_twice = args and named and not named.keys().isdisjoint(self._names[: len(args)])
        if len(fields) != len(self._names) or len(args) > len(self._names) or is_twice:
            raise TypeError(f"{type(self).__name__} takes {', '.join(self._names)}")

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} does not change: {name}")

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self._fields() == other._fields()

    def __hash__(self) -> int:
        return hash((type(self), self._fields()))

    def __repr__(self) -> str:
        shown = (name for name in self._names if name not in self._hidden)
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"

    def _fields(self) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in self._names)


V = TypeVar("V", bound=Value)


def replace(value: V, **changes: Any) -> V:
    """Return a value like this one with some fields changed. Raise TypeError for a name that is no field."""
    return type(value)(**{**vars(value), **changes})
