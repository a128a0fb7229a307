"""Settings: frozen values that are complete and valid, or an error that names the setting.

A kind of settings is a frozen dataclass. Its annotations say what each value must be, such as
`seed: Seed`, `device: Device`, `steps: AtLeast1`, and are checked when it is created. It is stored
as JSON (`to_dict`, `from_dict`). An unknown key is an error, so no setting is ignored silently.
Readers of files and the published schemas take the same annotations: `parity.files.ranges`.
"""

from __future__ import annotations

import copy
import dataclasses
import re
import sys
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Self

from parity.errors import InputError
from parity.files.ranges import Rule, least, one_of

LARGEST = sys.float_info.max  # which no float exceeds but infinity; an integer may
NUM_SEEDS = 2**32  # that keras.utils.set_random_seed takes


def later_seed(seed: int, number: int) -> int:
    """Returns the seed that comes `number` after one; 0 follows the largest, 2**32 - 1."""
    return (seed + number) % NUM_SEEDS


_DEVICE = re.compile(r"cpu|cuda(:(0|[1-9][0-9]*))?")
_LONG = {"max_length": 10_000}  # characters of what users name

# Types that several kinds of settings use. A seed has 32 bits, since keras.utils.set_random_seed
# calls numpy.random.seed.
Seed = Annotated[
    int,
    Rule(
        lambda value: 0 <= value < NUM_SEEDS,
        "an integer in [0, 2**32 - 1]",
        {"ge": 0, "le": NUM_SEEDS - 1},
    ),
]
Device = Annotated[
    str,
    Rule(
        lambda value: _DEVICE.fullmatch(value) is not None,
        "'cpu', 'cuda' or 'cuda:N'",
        {"pattern": r"^cpu$|^cuda(:(0|[1-9][0-9]*))?$"},
    ),
]
DTYPES = ("float32", "float64")
Dtype = Annotated[str, one_of(DTYPES)]
AtLeast2 = Annotated[int, least(2)]
Positive = Annotated[float, Rule(lambda value: value > 0, "a number above 0", {"gt": 0})]
Name = Annotated[
    str,
    Rule(
        lambda value: re.fullmatch(r"[A-Za-z0-9][\w.+-]*", value) is not None,
        "letters, digits, '.', '_', '+' and '-'",
        _LONG,
    ),
]
Text = Annotated[
    str, Rule(lambda value: value != "" and "\0" not in value, "text that is not empty", _LONG)
]


@dataclass(frozen=True)
class Settings:
    """Base of all kinds of settings.

    A field may hold settings of another kind, which may be given as a mapping. A subclass may
    define `check` for conditions that an annotation cannot express.

    Attributes:
        GROUP: the setting that holds settings of this kind, with a dot: "augmentation.".
        NOUN: name of the settings in messages.

    Raises:
        InputError: a value is of another type, or out of its range.
    """

    GROUP: ClassVar[str] = ""
    NOUN: ClassVar[str] = "settings"

    def __post_init__(self) -> None:
        self._settle(_hints(type(self)))

    def _settle(self, names: Iterable[str]) -> None:
        """Converts and checks some of the settings, and whether all go together."""
        for name in names:
            hint, fits = _hints(type(self))[name]
            if not fits(given := getattr(self, name)):
                object.__setattr__(self, name, _from_json(given, hint))
                self.require(fits(getattr(self, name)), name, _expected(hint))
        self.check()

    def check(self) -> None:
        """Raises an InputError if values contradict each other."""

    def require(self, holds: bool, name: str, expected: str) -> None:
        """Raises an InputError that names a setting and its value if a condition does not hold."""
        if not holds:
            value = getattr(self, name)
            texts = map(str, value) if isinstance(value, tuple) else [repr(value)]
            shown = ",".join(texts) or "none"
            raise InputError(f"{self.GROUP}{name}={shown}: expected {expected}")

    def replace(self, **changes: Any) -> Self:
        """Returns a copy with some settings changed.

        Raises:
            InputError: a key is unknown or a value is out of range.
        """
        if changes.keys() - _hints(type(self)).keys():
            return self.from_dict(changes)  # which says what is unknown
        made = copy.copy(self)  # what stays has been checked
        vars(made).update(changes)
        made._settle(changes)
        return made

    def to_dict(self) -> dict[str, Any]:
        """Returns JSON-ready values; `from_dict` is the inverse."""
        return {name: _to_json(getattr(self, name)) for name in _hints(type(self))}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Makes settings from the values of `to_dict`; missing keys get their defaults.

        Raises:
            InputError: a key is unknown or a value is out of range.
        """
        if not isinstance(values, Mapping):
            raise InputError(f"spec={values!r}: expected a mapping from settings to values")
        known = _hints(cls)
        for key in values:
            if key not in known:
                raise InputError(
                    f"unknown setting {cls.GROUP + str(key)!r}: the settings are {', '.join(known)}"
                )
        return cls(**values)


Test = Callable[[Any], bool]
_HINTS: dict[type[Settings], dict[str, tuple[Any, Test]]] = {}  # there may be 100,000 runs


def _hints(kind: type[Settings]) -> dict[str, tuple[Any, Test]]:
    """Returns the annotation of each setting, in order, and whether a value fits it."""
    if kind not in _HINTS:
        found = typing.get_type_hints(kind, include_extras=True)
        hints = {field.name: found[field.name] for field in dataclasses.fields(kind)}
        _HINTS[kind] = {name: (hint, _test(hint)) for name, hint in hints.items()}
    return _HINTS[kind]


def _to_json(value: Any) -> Any:
    if isinstance(value, Settings):
        return value.to_dict()
    return list(value) if isinstance(value, tuple) else value


def _parts(hint: Any) -> tuple[Any, ...]:
    """Returns the alternatives of a union; any other annotation has one alternative, itself."""
    is_union = typing.get_origin(hint) in (typing.Union, types.UnionType)
    return typing.get_args(hint) if is_union else (hint,)


def _from_json(value: Any, hint: Any) -> Any:
    """Converts a value from JSON: lists to tuples, mappings to groups of settings."""
    for part in _parts(hint):
        if isinstance(value, list) and typing.get_origin(part) is tuple:
            return tuple(value)
        if isinstance(value, Mapping) and isinstance(part, type) and issubclass(part, Settings):
            return part.from_dict(value)
    return value


def _test(hint: Any) -> Test:
    """Returns whether a value is what an annotation says."""
    arguments, origin = typing.get_args(hint), typing.get_origin(hint)
    if len(parts := _parts(hint)) > 1:
        tests = [*map(_test, parts)]
        return lambda value: any(fits(value) for fits in tests)
    if origin is Annotated:
        base, holds = _test(arguments[0]), [rule.holds for rule in arguments[1:]]
        return lambda value: base(value) and all(rule(value) for rule in holds)
    if origin is tuple:
        item = _test(arguments[0])
        return lambda value: isinstance(value, tuple) and all(map(item, value))
    if hint is float:
        return lambda value: (
            isinstance(value, (float, int))
            and not isinstance(value, bool)
            and abs(value) <= LARGEST
        )
    if hint is int:  # True is an int to Python
        return lambda value: isinstance(value, int) and not isinstance(value, bool)
    return lambda value: isinstance(value, hint)


def _expected(hint: Any) -> str:
    origin = typing.get_origin(hint)
    if origin is Annotated:
        return str(typing.get_args(hint)[1].expected)
    if origin is tuple:
        return f"a list, each {_expected(typing.get_args(hint)[0])}"
    parts = _parts(hint)
    if len(parts) > 1:
        return ", or ".join(map(_expected, parts))
    if issubclass(hint, Settings):
        return str(hint.NOUN)
    return _NAMES[hint]


_NAMES = {
    str: "a string",
    int: "an integer",
    float: "a finite number",
    bool: "True or False",
    type(None): "None",
}
