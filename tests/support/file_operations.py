"""What can be wrong with the bytes of a file, by its form: an operation changes one thing.

Each takes the content of a file that is right, and a source of random numbers.
"""

import io
import json
import struct
import zipfile

import numpy as np
from changes import REMOVED, changed, places

# --- JSON ----------------------------------------------------------------------------------------

OTHERS = (None, True, -1, 0, 7, -1.5, "x", "", "NaN", "Infinity", [], {}, [1], {"a": [1.5]})
VERDICTS = (
    *("pass", "fail", "incomplete", "error", "inconclusive", "equivalent", "different", "agree"),
    *("ok", "good_fit", "overfit", "accepted", "skipped"),
)


def _at(content, rng, value):
    """JSON with another value at some place; a mapping or list as often as what is in it."""
    whole = json.loads(content)
    place = rng.choice(list(places(whole)))
    place = place[: rng.randint(1, len(place))]
    return json.dumps(changed(whole, place, value)).encode()


def _numbers(content):
    whole = json.loads(content)
    found = [p for p in places(whole) if type(_inner(whole, p)) in (int, float)]
    return whole, found or list(places(whole))


def _inner(value, place):
    for key in place:
        value = value[key]
    return value


def _other_type(content, rng):
    return _at(content, rng, rng.choice(OTHERS))


def _without_a_key(content, rng):
    return _at(content, rng, REMOVED)


def _further_key(content, rng):
    whole = json.loads(content)
    place = rng.choice([(), *(p for p in places(whole) if isinstance(_inner(whole, p), dict))])
    return json.dumps(changed(whole, (*place, "colour"), 1)).encode()


def _number_of(*texts):
    """Another number, of texts that need not be JSON."""

    def operation(content, rng):
        whole, found = _numbers(content)
        text = json.dumps(changed(whole, rng.choice(found), "@"))
        return text.replace('"@"', rng.choice(texts), 1).encode()

    return operation


_huge_number = _number_of("1e999", "-1e999", "9" * 400, "1e308", "-1e308", "1e-320")
_not_finite = _number_of("NaN", "Infinity", "-Infinity", '"NaN"', '"Infinity"', '"nan"')
_negative_number = _number_of("-3")


def _deep_nesting(content, rng):
    depth = rng.choice([65, 200, 5000, 100_000])
    text = json.dumps(json.loads(content))
    inner = rng.choice(["[" * depth + "]" * depth, '{"a":' * depth + "1" + "}" * depth])
    return text.replace("{", '{"deep": ' + inner + ", ", 1).encode()


def _duplicate_key(content, rng):
    whole = json.loads(content)
    again = json.dumps({rng.choice(list(whole)): rng.choice(OTHERS)})[1:-1]
    return (json.dumps(whole)[:-1] + f", {again}}}").encode()


def _cut(content, rng):
    return content[: rng.randrange(len(content))]


def _other_bytes(content, rng):
    wrong = rng.choice([b"\xff\xfe", b"\x00", b'"\\ud800"', b"\x80\x04\x95.", b"}{", b","])
    place = rng.randrange(len(content))
    return content[:place] + wrong + content[place:]


def _other_verdict(content, rng):
    whole = json.loads(content)
    found = [p for p in places(whole) if p[-1] in ("verdict", "status", "is_accepted")]
    if not found:
        return _other_type(content, rng)
    place = rng.choice(found)
    value = not _inner(whole, place) if place[-1] == "is_accepted" else rng.choice(VERDICTS)
    return json.dumps(changed(whole, place, value)).encode()


def _emptied(content, rng):
    whole = json.loads(content)
    found = [
        p for p in places(whole) if _inner(whole, p) and type(_inner(whole, p)) in (list, dict)
    ]
    place = rng.choice(found)
    return json.dumps(changed(whole, place, type(_inner(whole, place))())).encode()


def _longer_list(content, rng):
    whole = json.loads(content)
    found = [p for p in places(whole) if isinstance(_inner(whole, p), list)]
    if not found:
        return _other_type(content, rng)
    place = rng.choice(found)
    inner = _inner(whole, place)
    return json.dumps(changed(whole, place, [*inner, *(inner[:1] or [1])])).encode()


def _long_text(content, rng):
    return _at(content, rng, "x" * rng.choice([20_000, 2_000_000]))


def _another_file(content, rng):
    return rng.choice([b"", b"null", b"[]", b"{}", b'"text"', b"7", b"\x89PNG\r\n", b"PK\x03\x04"])


# --- safetensors, npz, toml, event files ---------------------------------------------------------


def _header(content):
    size = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + size]), content[8 + size :]


def _with_header(header, rest):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + rest


def _header_length(content, rng):
    size = int.from_bytes(content[:8], "little")
    wrong = rng.choice([0, 1, size - 1, size + 1, 2**31, 2**63, 2**64 - 1, len(content)])
    return struct.pack("<Q", wrong) + content[8:]


def _array_entry(content, rng):
    header, rest = _header(content)
    name = rng.choice([name for name in header if name != "__metadata__"])
    key = rng.choice(["dtype", "shape", "data_offsets"])
    wrong = {
        "dtype": ["F8_E4M3", "O", "", 7, None, "F16", "BOOL"],
        "shape": [[-1], [2**62, 4], [], "x", [1.5], [0], [2**40]],
        "data_offsets": [[0, 2**62], [8, 0], [-8, 0], [0], "x", [1, 9], [2**63, 2**63]],
    }[key]
    header[name] = {**header[name], key: rng.choice(wrong)}
    return _with_header(header, rest)


def _array_missing(content, rng):
    header, rest = _header(content)
    del header[rng.choice(list(header))]
    return _with_header(header, rest)


def _header_text(content, rng):
    header, rest = _header(content)
    text = json.dumps(header).encode()
    wrong = [b"[]", b"", b"{", b"[" * 50_000, text[:-1], text + b"}", text.replace(b'"', b"'")]
    return _with_header(rng.choice(wrong), rest)


def _rest_of_arrays(content, rng):
    return rng.choice([content[:-1], content + b"\0", content[: len(content) // 2]])


def _members(content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _archive(members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return file.getvalue()


def _npy(array, **options):
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


def _other_array(content, rng):
    members = _members(content)
    name = rng.choice(list(members))
    wrong = [
        np.array([{"a": 1}] * 40, dtype=object),
        np.full((40, 28, 28), np.nan),
        np.zeros((40, 28, 28)) - 1,
        np.zeros((3, 28, 28), np.uint8),
        np.zeros(40, complex),
        np.array("text"),
        np.zeros((0, 28, 28), np.uint8),
        np.full(40, 2**40),
        np.full(40, 2.5),
        np.zeros((40, 2), "datetime64[s]"),
    ]
    members[name] = _npy(rng.choice(wrong), allow_pickle=True)
    return _archive(members.items())


def _other_members(content, rng):
    members = list(_members(content).items())
    first = members[0]
    wrong = [
        members[1:],
        [*members, first],
        [*members, ("../x.npy", first[1])],
        [*members, ("/etc/x.npy", first[1])],
        [(name.upper(), each) for name, each in members],
        [(first[0], first[1][:20]), *members[1:]],
        [(first[0], b""), *members[1:]],
        [(first[0], first[1].replace(b"(40,", b"(9999999999,")), *members[1:]],
        [(first[0], first[1].replace(b"'|u1'", b"'|O'  "[:5])), *members[1:]],
        [(first[0], b"\x80\x04\x95."), *members[1:]],
    ]
    return _archive(rng.choice(wrong))


def _flipped_bits(content, rng):
    raw = bytearray(content)
    for _ in range(rng.randint(1, 8)):
        raw[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)
    return bytes(raw)


def _other_setting(content, rng):
    lines = content.decode().splitlines()
    number = rng.choice([n for n, line in enumerate(lines) if "=" in line])
    wrong = ["7", "-1", "true", '""', "[]", "{}", "1e999", "nan", "1979-05-27", '"a\\u0000b"']
    wrong += ["9" * 400, "[" * 500 + "]" * 500, "{a = {b = {c = 1}}}", "'''x'''"]
    lines[number] = f"{lines[number].split('=')[0]}= {rng.choice(wrong)}"
    return "\n".join(lines).encode()


def _further_setting(content, rng):
    lines = content.decode().splitlines()
    number = rng.randrange(len(lines) + 1)
    lines.insert(number, rng.choice(["colour = 1", "[programs]", "[programs.migration]", "= 1"]))
    return "\n".join(lines).encode()


def _record_length(content, rng):
    wrong = rng.choice([0, 2**20 + 1, 2**40, 2**63, 2**64 - 1])
    return struct.pack("<Q", wrong) + content[8:]


_BYTES = (_cut, _flipped_bits, _another_file)
OPERATIONS = {
    "json": (
        *(_other_type, _without_a_key, _further_key, _huge_number, _not_finite),
        *(_negative_number, _deep_nesting, _duplicate_key, _cut, _other_bytes),
        *(_other_verdict, _emptied, _longer_list, _long_text, _another_file),
    ),
    "safetensors": (
        *(_header_length, _array_entry, _array_missing, _header_text, _rest_of_arrays, _cut),
    ),
    "npz": (_other_array, _other_members, _other_array, _other_members, *_BYTES, _other_array),
    "toml": (_other_setting, _further_setting, _other_setting, _cut, _other_bytes, _other_setting),
    "events": (_flipped_bits, _record_length, _cut, _other_bytes, _another_file),
}
