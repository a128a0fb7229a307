"""Files from outside: turns JSON text into a value of a type, or says in a sentence what is wrong.

A record is a class whose annotations describe its JSON completely: no extra or missing keys, no
value of another type or out of its range. `scripts/make_schemas.py` makes the published schemas
from the same classes, and their descriptions from the "Attributes" of the docstrings.

    class Row(Record):
        name: Name
        seconds: Number

    row = read_record(Row, path, max_bytes=1000)

Strict JSON is checked first (`parity.files.json_io`), then the types (msgspec), and last, in
the reader of each file, what types cannot express. Only the parent imports this module: no child
needs msgspec.
"""

from __future__ import annotations

import bisect
import copy
import dataclasses
import math
import re
import types
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, TypedDict, TypeVar

import msgspec
from msgspec import Meta

from parity.errors import InputError
from parity.files.json_io import check_plain, read_start, read_strict
from parity.files.ranges import MAX_ENTRIES

T = TypeVar("T")
Out = TypeVar("Out")

MAX_NAME = 10_000  # characters; users choose the names of layers
MAX_SHOWN = 40  # characters of a wrong value in a message
NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}

# What `make` raises: for values that it refuses, and for numbers that nothing can be computed from.
UNUSABLE = (ValueError, ArithmeticError, LookupError)
_MIRRORS: dict[type, Any] = {}  # dataclass -> its record
_AT = re.compile(r"(.*?)(?: - at (`key` in )?`(\$[\w.\[\]]*)`)?", re.DOTALL)
_NAMES = re.compile(r"Expected `str` matching regex '\^\(\?:(.*)\)\\\\Z'")
_STEP = re.compile(r"\.(\w+)|\[(\d+)\]|(\[\.\.\.\])")


def one_of(*names: str) -> Meta:
    """Returns the constraint that a text is one of these."""
    pattern = rf"^(?:{'|'.join(map(re.escape, names))})\Z"
    return Meta(pattern=pattern, extra_json_schema={"enum": list(names)})


Name = Annotated[str, Meta(max_length=MAX_NAME)]
Count = Annotated[int, Meta(ge=0)]
AtLeastOne = Annotated[int, Meta(ge=1)]
Amount = Annotated[float, Meta(ge=0)]
Share = Annotated[float, Meta(ge=0, le=1)]
Half = Annotated[str, one_of("keras", "torch")]
Many = Annotated[list[T], Meta(max_length=MAX_ENTRIES)]


class Record(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Base of all records."""


class Decoded(type):
    """Metaclass of types that are read by their own `decode`."""

    def __instancecheck__(cls, value: object) -> bool:
        return True


if TYPE_CHECKING:
    Number = float
    Scalar = Any
else:

    class Number(metaclass=Decoded):
        """A number; NaN and the infinities are strings."""

        SCHEMA: ClassVar = {"anyOf": [{"type": "number"}, {"enum": list(NOT_FINITE)}]}

        @staticmethod
        def decode(value: Any) -> float:
            """Returns the number."""
            if type(value) in (float, int):
                return float(value)
            if isinstance(value, str) and value in NOT_FINITE:
                return NOT_FINITE[value]
            raise ValueError(f"Expected a number, or one of {', '.join(map(repr, NOT_FINITE))}")

    class Scalar(metaclass=Decoded):
        """A number, a text, true, false or null; NaN and the infinities are strings."""

        SCHEMA: ClassVar = {"type": ["number", "string", "boolean", "null"]}

        @staticmethod
        def decode(value: Any) -> Any:
            """Returns the value."""
            if isinstance(value, dict | list):
                raise ValueError("Expected a number, a text, true, false or null")
            return NOT_FINITE.get(value, value) if isinstance(value, str) else value


def mirrors(kind: type, omit: tuple[str, ...] = ()) -> Callable[[type[T]], type[T]]:
    """Makes a class the record of a dataclass, with all its fields, each required.

    An annotation of the class replaces that of the dataclass, or adds a key. In other fields, the
    ranges of the dataclass hold, a float without one may be NaN or infinite, and a dataclass is
    replaced by its record.

    Args:
        kind: the dataclass.
        omit: fields that are not in the JSON.
    """

    def make(declared: type[T]) -> type[T]:
        hints = typing.get_type_hints(kind, include_extras=True)
        names = [field.name for field in dataclasses.fields(kind) if field.name not in omit]
        hints |= (added := typing.get_type_hints(declared, include_extras=True))
        found = {name: _of_json(hints[name]) for name in dict.fromkeys((*names, *added))}
        default = vars(declared)
        fields = [(n, h, default[n]) if n in default else (n, h) for n, h in found.items()]
        bases = [base for base in kind.__mro__ if dataclasses.is_dataclass(base)]
        doc = "\f".join(each.__doc__ or "" for each in (*bases, declared))  # for the schemas
        record = msgspec.defstruct(
            declared.__name__, fields, bases=(Record,), namespace={"__doc__": doc}, kw_only=True
        )
        _MIRRORS[kind] = record
        return typing.cast(type[T], record)

    return make


def mirror(kind: type) -> Any:
    """Returns the record of a dataclass that adds nothing to it: `RowRecord` of `Row`."""
    return mirrors(kind)(type(f"{kind.__name__}Record", (), {}))


def _of_json(hint: Any) -> Any:
    """Returns the type in JSON for the annotation of a dataclass."""
    if hint is float:
        return Number
    if typing.is_typeddict(hint):
        return _MIRRORS.get(hint) or _MIRRORS.setdefault(hint, _checked_dict(hint))
    if dataclasses.is_dataclass(hint):
        assert isinstance(hint, type)
        return _MIRRORS.get(hint) or mirror(hint)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        return Annotated[str, one_of(*arguments)]
    if origin is Annotated:
        base, *rules = arguments
        metas = tuple(rule if isinstance(rule, Meta) else _meta(rule.meta) for rule in rules)
        return Annotated[(base if base is float else _of_json(base), *metas)]
    if not arguments:
        return hint
    inner = tuple(map(_of_json, arguments))
    if origin in (typing.NotRequired, dict):
        return origin[inner if origin is dict else inner[0]]
    return typing.Union[inner] if origin is types.UnionType else origin[inner]  # noqa: UP007


def _checked_dict(kind: Any) -> Any:
    """Returns a typed dict whose ranges msgspec knows."""
    hints = typing.get_type_hints(kind, include_extras=True)
    made: Any = TypedDict  # mypy knows no name that is computed
    return made(kind.__name__, {name: _of_json(hint) for name, hint in hints.items()})


def problem(kind: Any, value: Any, place: str) -> str:
    """Returns what is wrong with a plain value, "" if nothing is; see `checked`.

    Args:
        kind: a typed dict, which may have more keys, or a mapping or list of such; with the ranges
            of `parity.files.ranges`.
        value: as for `checked`.
        place: of the value.
    """
    try:
        checked(_of_json(kind), value, place)
    except ValueError as error:
        return str(error)
    return ""


def _meta(of: Mapping[str, Any]) -> Meta:
    """Returns the constraint that a rule of settings is in a file."""
    return one_of(*of["names"]) if "names" in of else Meta(**of)


def read_record(
    kind: type[T],
    path: Path,
    make: Callable[[T], Out],
    *,
    max_bytes: int,
    max_text: int | None = None,
) -> Out:
    """Reads a JSON file that may be from anyone.

    Args:
        kind: class of the record.
        path: path of the file.
        make: makes the result from the record; it raises a ValueError for what types cannot check,
            or an ArithmeticError or LookupError where nothing follows from the values.
        max_bytes: largest size of the file.
        max_text: largest number of characters in a text; None = no limit.

    Raises:
        InputError: the file cannot be read, or is not such a record; one sentence with the place.
    """
    content = read_start(path, max_bytes)
    try:
        return make(checked(kind, read_strict(content, max_bytes, max_text)))
    except UNUSABLE as error:
        raise refusal(kind, str(path), error) from None


def record_from(
    kind: type[T], value: Any, source: str, make: Callable[[T], Out], max_text: int | None = None
) -> Out:
    """Does what `read_record` does, for a value from a JSON file.

    Args:
        kind: class of the record.
        value: as `json.loads` returns it.
        source: the file, and the place in it, for messages.
        make: as for `read_record`.
        max_text: as for `read_record`.

    Raises:
        InputError: the value is not such a record.
    """
    try:
        check_plain(value, max_text)
        return make(checked(kind, value))
    except UNUSABLE as error:
        raise refusal(kind, source, error) from None


def checked(kind: type[T], value: Any, place: str = "") -> T:
    """Returns a plain value as a record.

    Args:
        kind: class of the record.
        value: mappings, lists, texts, numbers, true, false and null.
        place: place of the value in its file; "" for the whole file.

    Raises:
        ValueError: it is not such a record; the message names the place, the value there and what
            was expected.
    """
    try:
        return _converted(kind, value)
    except msgspec.ValidationError as error:
        raise ValueError(_message(kind, value, str(error), place)) from None


def domain(kind: type[T], record: Any) -> T:
    """Converts a record, or a list of records, to the dataclasses of the program."""
    return msgspec.convert(record, kind, from_attributes=True)


def plain(record: Any) -> Any:
    """Returns a record as mappings, lists and plain values; floats may be NaN or infinite."""
    return msgspec.to_builtins(record)


def _converted(kind: type[T], value: Any) -> T:
    return msgspec.convert(value, kind, dec_hook=lambda target, found: target.decode(found))


def refusal(kind: type, source: str, error: Exception) -> InputError:
    """Returns the error that a value from a source is no such record, for an UNUSABLE."""
    what = re.split(r"[:;.]\s|\.$", kind.__doc__ or "")[0]  # "What `parity bench --json` writes"
    return InputError(f"{source} is not {what[:1].lower()}{what[1:]}: {error}")


def _message(kind: type, value: Any, text: str, place: str) -> str:
    """Returns msgspec's message about a value, plus the key and the value."""
    found = _AT.fullmatch(text)
    assert found is not None  # the expression takes any text
    problem, is_key, path = found[1], bool(found[2]), found[3] or "$"
    here = value = copy.deepcopy(value)
    for step in _STEP.finditer(path):
        key: Any = _only_wrong(kind, value, here, text) if step[3] else step[1] or int(step[2])
        here = here[key]
        place += f"[{key}]" if step[2] else f"{'.' if place else ''}{shown(key, quoted=False)}"
    if is_key:
        key = shown(_only_wrong(kind, value, here, text))
        return f"a key of {place} is {key}; {_expected(problem)}"
    whole = place or "the file"
    if problem.startswith("Object missing required field"):
        return f"{whole} has no {problem.split('`')[1]!r}"
    if problem.startswith("Object contains unknown field"):
        key = problem.removeprefix("Object contains unknown field `").removesuffix("`")
        return f"{whole} has the unknown key {shown(key)}"
    return f"{whole} is {shown(here)}; {_expected(problem)}"


def _only_wrong(kind: type, whole: Any, mapping: dict[str, Any], text: str) -> str:
    """Returns the first key of a mapping in `whole` that gives a message, found by bisection.

    It removes all other keys from the mapping.
    """
    entries = list(mapping.items())

    def is_wrong(count: int) -> bool:
        mapping.clear()
        mapping.update(entries[:count])
        try:
            _converted(kind, whole)
        except msgspec.ValidationError as error:
            return str(error) == text
        return False

    key, value = entries[bisect.bisect_left(range(1, len(entries)), True, key=is_wrong)]
    mapping.clear()
    mapping[key] = value
    return key


def _expected(problem: str) -> str:
    """Returns what msgspec expected; for `one_of`, the names in its expression."""
    if (found := _NAMES.fullmatch(problem)) is None:
        return problem.replace("`", "").replace("Expected", "expected", 1)
    names = re.sub(r"\\\\(.)", r"\1", found[1]).split("|")
    return f"expected {' or '.join(map(repr, names))}"


def shown(value: Any, *, quoted: bool = True) -> str:
    """Returns a value, shortened; a key has no quotes if it cannot be misread."""
    if not quoted and value.isascii() and value.isprintable() and len(value) <= MAX_SHOWN:
        return str(value)
    text = repr(value)
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 3] + "..."
