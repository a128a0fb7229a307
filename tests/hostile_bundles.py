"""Bundles that nobody's Keras wrote: whole archives with something wrong in them, by family.

A bundle here is two byte strings, facts and arrays, so that either can lie about anything.
"""

import copy
import hashlib
import io
import json
import struct
import zipfile

import numpy as np
from safetensors.numpy import save

from parity.bundle import ARRAYS, FACTS, SCHEMA
from parity.trace import encode_floats


def facts_of(recorded, arrays):
    """The text of bundle.json."""
    content = {
        "schema": SCHEMA,
        "spec": recorded.spec,
        "environment": recorded.environment,
        "facts": recorded.facts,
        "arrays_sha256": hashlib.sha256(arrays).hexdigest(),
    }
    return json.dumps(encode_floats(content)).encode()


def arrays_of(recorded):
    """The text of arrays.safetensors."""
    return save({key: np.array(a, order="C") for key, a in sorted(recorded.arrays.items())})


def forged(recorded):
    """A bundle of what was changed in `recorded`, which `write_bundle` need not take."""
    arrays = arrays_of(recorded)
    return zipped((FACTS, facts_of(recorded, arrays)), (ARRAYS, arrays))


def zipped(*entries, compression=zipfile.ZIP_STORED, comment=b""):
    """An archive; an entry is (name or ZipInfo, content)."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in entries:
            entry = name if isinstance(name, zipfile.ZipInfo) else zipfile.ZipInfo(name)
            archive.writestr(entry, content, compression)
        archive.comment = comment
    return file.getvalue()


def with_header(recorded, change):
    """A bundle whose header of arrays was changed: `change` gets and returns a mapping or bytes."""
    arrays = arrays_of(recorded)
    size = int.from_bytes(arrays[:8], "little")
    header = change(json.loads(arrays[8 : 8 + size]))
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return with_arrays(recorded, struct.pack("<Q", len(text)) + text + arrays[8 + size :])


def with_arrays(recorded, arrays):
    """A bundle with any bytes as its arrays, their digest being right."""
    return zipped((FACTS, facts_of(recorded, arrays)), (ARRAYS, arrays))


def with_text(recorded, change):
    """A bundle whose facts are any text: `change` gets and returns bytes."""
    arrays = arrays_of(recorded)
    return zipped((FACTS, change(facts_of(recorded, arrays))), (ARRAYS, arrays))


def with_directory(whole, count):
    """An archive that says that it has two entries, and whose directory lists one `count` times."""
    start = whole.index(b"PK\1\2")
    entry, end = whole[start : start + 46 + len(FACTS)], bytearray(whole[-22:])
    struct.pack_into("<LL", end, 12, len(entry) * count, start)
    return whole[:start] + entry * count + bytes(end)


# --- damage --------------------------------------------------------------------------------------


def truncated(whole, draw):
    for end in (0, 1, 21, 22, 100, *draw.integers(0, len(whole), size=40)):
        yield f"truncated at {end}", whole[:end]


def flipped(whole, draw):
    for _ in range(80):
        content = bytearray(whole)
        for place in draw.integers(0, len(whole), size=draw.integers(1, 4)):
            content[place] ^= 1 << int(draw.integers(8))
        yield "flipped", bytes(content)
    start = whole.rindex(b"PK\1\2") - 80  # directory and end: where the sizes stand
    for place in range(start, len(whole), 3):
        content = bytearray(whole)
        content[place] ^= 0xFF
        yield f"flipped at {place}", bytes(content)


# --- archive -------------------------------------------------------------------------------------


def archives(whole, draw):
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        facts, arrays = archive.read(FACTS), archive.read(ARRAYS)
    pair = ((FACTS, facts), (ARRAYS, arrays))
    for name in (
        "extra.txt",
        "../escaped",
        "../../../../escaped",
        "/tmp/parity-escaped",
        "C:\\escaped",
        "..\\escaped",
        "folder/",
        "bundle.json ",
        "Bundle.json",
        "a" * 60_000,
    ):
        yield f"extra {name[:20]}", zipped(*pair, (name, b"escaped"))
        yield f"facts as {name[:20]}", zipped((name, facts), pair[1])
    yield "no entry", zipped()
    yield "facts only", zipped(pair[0])
    yield "arrays only", zipped(pair[1])
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # Duplicate name
        yield "facts twice", zipped(pair[0], pair[0])
        yield "arrays twice", zipped(*pair, pair[1])
    for number in (2, 3):  # both names, as links to a file outside
        link = zipfile.ZipInfo(ARRAYS if number == 2 else FACTS)
        link.external_attr = 0o120777 << 16
        target = b"/etc/hostname"
        rest = pair[0] if number == 2 else pair[1]
        yield "link", zipped(rest, (link, target))
    yield "compressed", zipped(*pair, compression=zipfile.ZIP_DEFLATED)
    yield "bzip2", zipped(*pair, compression=zipfile.ZIP_BZIP2)
    yield "lzma", zipped(*pair, compression=zipfile.ZIP_LZMA)
    yield "bomb", zipped((FACTS, b" " * 2**24), pair[1], compression=zipfile.ZIP_DEFLATED)
    yield "arrays bomb", zipped(pair[0], (ARRAYS, bytes(2**24)), compression=zipfile.ZIP_DEFLATED)
    yield "comment", zipped(*pair, comment=b"PK\5\6")
    yield "trailing", whole + b"more"
    yield "zip in zip", zipped((FACTS, whole), (ARRAYS, whole))
    yield "no zip", b"\x93NUMPY" + bytes(500)
    yield "text", b"<html>not found</html>"
    yield from _fields(whole)


def _fields(whole):
    """Every field of both kinds of header of an entry, and of the end, as other numbers."""
    for signature, fields in (
        (b"PK\3\4", {6: "H", 8: "H", 14: "L", 18: "L", 22: "L", 26: "H", 28: "H"}),
        (b"PK\1\2", {8: "H", 10: "H", 16: "L", 20: "L", 24: "L", 28: "H", 30: "H", 42: "L"}),
        (b"PK\5\6", {4: "H", 8: "H", 10: "H", 12: "L", 16: "L", 20: "H"}),
    ):
        places = [n for n in range(len(whole) - 4) if whole[n : n + 4] == signature]
        for start in places:
            for offset, form in fields.items():
                most = 2 ** (8 * struct.calcsize(f"<{form}")) - 1
                for value in (1, most // 2, most):
                    content = bytearray(whole)
                    struct.pack_into(f"<{form}", content, start + offset, value)
                    yield f"{signature[2:]} field {offset}={value}", bytes(content)


# --- texts ---------------------------------------------------------------------------------------


def texts(recorded):
    """Facts that are no such JSON."""
    for name, text in (
        ("empty", b""),
        ("null", b"null"),
        ("list", b"[]"),
        ("empty object", b"{}"),
        ("NaN", b'{"schema": NaN}'),
        ("infinite", b'{"schema": 1e999}'),
        ("brackets", b"[" * 100_000 + b"]" * 100_000),
        ("open brackets", b"[" * 100_000),
        ("mappings", b'{"a":' * 100_000),
        ("not utf-8", b'{"schema": "\xff\xfe"}'),
        ("utf-16", '{"schema": 1}'.encode("utf-16")),
        ("huge integer", b'{"schema": ' + b"9" * 5_000 + b"}"),
        ("twice", b'{"schema": "parity.bundle/1", "schema": "parity.bundle/1"}'),
        ("zero bytes", bytes(1_000)),
    ):
        yield f"text {name}", with_text(recorded, lambda _, text=text: text)
    for old, new in (
        (b'"parity.bundle/1"', b'"parity.bundle/2"'),
        (b'"seed": 3', b'"seed": 3, "seed": 3'),
        (b'"seed": 3', b'"seed": NaN'),
        (b'"seed": 3', b'"seed": 1e999'),
        (b'"num_parameters": 39', b'"num_parameters": ' + b"1" * 400),
        (b'"num_parameters": 39', b'"num_parameters": 1' + b"0" * 25),
        (b'"dense1.kernel"', b'"\\ud800.kernel"'),
        (b'"config": {}', b'"config": ' + b"[" * 900 + b"]" * 900),
        (b'"config": {}', b'"config": ' + b'{"a":' * 900 + b"1" + b"}" * 900),
        (b'"arrays_sha256": "', b'"arrays_sha256": "0'),
    ):
        name = f"text {old.decode()} as {new[:30]!r}"
        yield name, with_text(recorded, lambda text, a=old, b=new: text.replace(a, b))


def headers(recorded):
    """Headers of arrays that lie."""
    key = "weights/dense1.kernel"

    def entry(**changes):
        return lambda header: {**header, key: {**header[key], **changes}}

    start, end = arrays_offsets(recorded, key)
    for name, change in {
        "overlap": entry(data_offsets=[start - 8, end - 8]),
        "gap": entry(data_offsets=[start + 8, end + 8]),
        "out of range": entry(data_offsets=[start, 2**62]),
        "backwards": entry(data_offsets=[end, start]),
        "negative": entry(data_offsets=[-160, 0]),
        "fractions": entry(data_offsets=[0.5, 1.5]),
        "text offsets": entry(data_offsets="all"),
        "three offsets": entry(data_offsets=[start, end, end]),
        "float32": entry(dtype="F32"),
        "half": entry(dtype="F16"),
        "integers": entry(dtype="I64"),
        "unknown": entry(dtype="OBJECT"),
        "no dtype": entry(dtype=None),
        "list dtype": entry(dtype=["F64"]),
        "shape": entry(shape=[4, 5]),
        "rank": entry(shape=[1] * 70 + [20]),
        "large": entry(shape=[2**62, 2**62]),
        "huge": entry(shape=[10**30]),
        "empty": entry(shape=[2**40, 0]),
        "negative shape": entry(shape=[-5, -4]),
        "text shape": entry(shape="5x4"),
        "true shape": entry(shape=[True, 20]),
        "float shape": entry(shape=[5.0, 4.0]),
        "extra field": entry(code="import os"),
        "no shape": lambda h: {**h, key: {"dtype": "F64"}},
        "entry is a list": lambda h: {**h, key: []},
        "metadata": lambda h: {**h, "__metadata__": {"a": "b"}},
        "deep metadata": lambda h: {**h, "__metadata__": {"a": {"b": []}}},
        "unknown part": lambda h: {**h, "pickle/x": h[key]},
        "no part": lambda h: {**h, "": h[key]},
        "path": lambda h: {**h, "../../escaped": h[key]},
        "same bytes": lambda h: {**h, "weights/other": h[key]},
        "long key": lambda h: {**h, "forward/" + "x" * 100_000: h[key]},
        "left out": lambda h: {k: v for k, v in h.items() if k != key},
        "nothing": lambda h: {},
        "list": lambda h: b"[]",
        "null": lambda h: b"null",
        "brackets": lambda h: b"[" * 100_000,
        "twice": lambda h: json.dumps(h).encode().replace(b"{", b'{"a": 1, "a": 1, ', 1),
        "not utf-8": lambda h: b'{"\xff": 1}',
        "NaN": lambda h: b'{"a": NaN}',
        "huge number": lambda h: b'{"a": ' + b"9" * 5_000 + b"}",
    }.items():
        yield f"header {name}", with_header(recorded, change)
    arrays = arrays_of(recorded)
    for size in (0, 1, 7, len(arrays) - 8, len(arrays), 2**24 + 1, 2**63, 2**64 - 1):
        yield f"header of {size}", with_arrays(recorded, struct.pack("<Q", size) + arrays[8:])
    for cut in (0, 4, 8, 9, 200, len(arrays) - 1):
        yield f"arrays cut at {cut}", with_arrays(recorded, arrays[:cut])
    yield "arrays and more", with_arrays(recorded, arrays + bytes(8))


def arrays_offsets(recorded, key):
    arrays = arrays_of(recorded)
    size = int.from_bytes(arrays[:8], "little")
    return json.loads(arrays[8 : 8 + size])[key]["data_offsets"]


# --- facts ---------------------------------------------------------------------------------------

OTHERS = (None, True, -1, 1.5, 2**62, "", "x" * 100_000, "NaN", [], {}, [[]], {"": None})


def places(value, path=()):
    """The path of every value inside nested mappings and lists."""
    yield path
    items = value.items() if isinstance(value, dict) else ()
    items = enumerate(value) if isinstance(value, list) else items
    for key, inner in items:
        yield from places(inner, (*path, key))


def replaced(value, path, new):
    """A copy with another value at a place; taken out where `new` is `places`."""
    value = copy.deepcopy(value)
    if not path:
        return new
    inner = value
    for key in path[:-1]:
        inner = inner[key]
    if new is places:
        del inner[path[-1]]
    else:
        inner[path[-1]] = new
    return value


def facts(recorded, draw, num=260):
    """Every fact taken out, then some as another value."""
    everything = {"facts": recorded.facts, "spec": recorded.spec}
    found = [path for path in places(everything) if len(path) > 1 and path[1] != "noise"]
    changes = [(path, places) for path in found]
    changes += [
        (found[int(draw.integers(len(found)))], OTHERS[int(draw.integers(len(OTHERS)))])
        for _ in range(num)
    ]
    for path, new in changes:
        changed = recorded.copy()
        content = replaced(everything, path, new)
        changed.facts, changed.spec = content["facts"], content["spec"]
        word = "without" if new is places else f"{str(new)[:20]!r} as"
        yield f"{word} {'.'.join(map(str, path))}", changed
