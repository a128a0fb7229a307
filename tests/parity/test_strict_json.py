"""JSON from anyone: what Python's own reader lets through is refused with a reason."""

import json

import pytest

from parity.strict_json import MAX_DEPTH, read_strict


@pytest.mark.parametrize(
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


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "Expecting value"),
        (b"{", "Expecting property name"),
        (b"{} {}", "Extra data"),
        (b'{"a": 1, "a": 2}', "a key stands twice"),
        (b'[{"b": {"a": 1, "a": 1}}]', "a key stands twice"),
        (b"[NaN]", "NaN is no JSON"),
        (b"[-Infinity]", "-Infinity is no JSON"),
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


@pytest.mark.parametrize("pair", [("[", "]"), ('{"a":', "}")], ids=["lists", "mappings"])
def test_the_depth_is_bounded(pair):
    def nested(depth):
        return (pair[0] * depth + "1" + pair[1] * depth).encode()

    read_strict(nested(MAX_DEPTH))
    with pytest.raises(ValueError, match=f"nested deeper than {MAX_DEPTH}"):
        read_strict(nested(MAX_DEPTH + 1))
