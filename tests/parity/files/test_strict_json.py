"""JSON from anyone: what Python's own reader lets through is refused with a reason."""

import json

import pytest
from rows import each_row

from parity.errors import InputError
from parity.files.json_io import MAX_DEPTH, read_start, read_strict


@each_row(
    "value",
    [
        {"a": [1, -2.5, None, True, "ä € 𝄞 \u0000 \\"], "b": {"": {}}},
        [2**63 - 1, -(2**63), 1e308, 5e-324, -0.0],
        "text",
        [],
    ],
    ids=["nested", "extremes", "a_string", "empty"],
)
def test_what_json_can_say_comes_back(value):
    assert read_strict(json.dumps(value).encode()) == value
    assert read_strict(json.dumps(value, ensure_ascii=False).encode()) == value


@each_row(
    ("content", "message"),
    [
        (b"", "Expecting value"),
        (b"{", "Expecting property name"),
        (b"{} {}", "Extra data"),
        (b'{"a": 1, "a": 2}', "a key occurs twice"),
        (b'[{"b": {"a": 1, "a": 1}}]', "a key occurs twice"),
        (b"[NaN]", "NaN is not JSON"),
        (b"[-Infinity]", "-Infinity is not JSON"),
        (b"[1e999]", "the number 1e999 is too large"),
        (b"[-1e999]", "the number -1e999 is too large"),
        (b"[9223372036854775808]", "the integer 9223372036854775808 has more than 64 bits"),
        (b"[" + b"9" * 10_000 + b"]", "has more than 64 bits"),
        (b'["\\ud800"]', "surrogates not allowed"),
        (b'{"\\udfff": 1}', "surrogates not allowed"),
        (b'"\xff"', "invalid start byte"),
        (b'\xff\xfe"\x00a\x00"\x00', "invalid start byte"),
        (b"[" * 100_000, "nested too deep"),
        (b"[" * 100_000 + b"]" * 100_000, "nested too deep"),
        (b'{"a":' * 50_000 + b"1" + b"}" * 50_000, "nested too deep"),
    ],
    ids=lambda value: None if isinstance(value, bytes) else value.replace(" ", "_"),
)
def test_anything_else_is_refused(content, message):
    with pytest.raises(ValueError, match=message):
        read_strict(content)


@each_row("pair", [("[", "]"), ('{"a":', "}")], ids=["lists", "mappings"])
def test_the_depth_is_bounded(pair):
    def nested(depth):
        return (pair[0] * depth + "1" + pair[1] * depth).encode()

    read_strict(nested(MAX_DEPTH))
    with pytest.raises(ValueError, match=f"nested deeper than {MAX_DEPTH}"):
        read_strict(nested(MAX_DEPTH + 1))


def test_size_and_texts_are_bounded_where_that_is_asked_for():
    content = b'{"key": "text"}'
    assert read_strict(content, max_bytes=15, max_text=4) == {"key": "text"}
    with pytest.raises(ValueError, match="it has more than 14 bytes"):
        read_strict(content, max_bytes=14)
    with pytest.raises(ValueError, match="a text has 4 characters; the limit is 3"):
        read_strict(content, max_text=3)
    with pytest.raises(ValueError, match="a text has 3 characters; the limit is 2"):
        read_strict(b'{"key": 1}', max_text=2)


def test_no_more_of_a_file_is_read_than_is_needed_to_refuse_it(tmp_path):
    path = tmp_path / "large.json"
    path.write_bytes(b"x" * 100)
    assert read_start(path, 100) == b"x" * 100
    assert read_start(path, 10) == b"x" * 11


@pytest.mark.parametrize("name", ["missing.json", ".", "a\0b", "x" * 300])
def test_a_file_that_cannot_be_read_is_bad_input(tmp_path, name):
    with pytest.raises(InputError, match=r"cannot be read .*; check the path"):
        read_start(tmp_path / name, 100)
