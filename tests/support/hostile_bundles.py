"""Bundles that nobody's Keras wrote: whole archives with something wrong in them, by family.

A bundle here is two byte strings, facts and arrays, so that either can lie about anything.
"""

import hashlib
import io
import json
import struct
import zipfile

import numpy as np
from changes import REMOVED, places
from changes import changed as replaced
from safetensors.numpy import save

from parity.files.floats import encode_floats
from parity.traces.bundle_coding import encode
from parity.traces.bundle_spec import ARRAYS, FACTS, SCHEMA
from parity.traces.trace import DTYPES


def why_refused(error, path):
    """Why a file is no bundle, in words that a terminal shows as they are."""
    start, _, why = str(error).partition(": not a bundle that can be used: ")
    assert start == str(path)
    assert 0 < len(why) < 1_000
    assert why.isprintable()
    return why


def coded(recorded):
    """Code and content of every array, as `pack` makes them where it can, else as it is."""
    arrays = {key: np.array(a, order="C") for key, a in sorted(recorded.arrays.items())}
    try:
        return encode(recorded.facts, {key: a.shape for key, a in arrays.items()}, arrays.get)
    except (AttributeError, LookupError, TypeError, ValueError):  # facts that are no facts
        names = {np.dtype(kind): name for name, kind in DTYPES.items()}
        codes = {
            key: {"dtype": names[a.dtype], "shape": list(a.shape), "as": "plain"}
            for key, a in arrays.items()
        }
        return codes, arrays


def facts_of(recorded, arrays, codes=None):
    """The text of bundle.json."""
    content = {
        "schema": SCHEMA,
        "spec": recorded.spec,
        "environment": recorded.environment,
        "facts": recorded.facts,
        "arrays": coded(recorded)[0] if codes is None else codes,
        "arrays_sha256": hashlib.sha256(arrays).hexdigest(),
    }
    return json.dumps(encode_floats(content)).encode()


def arrays_of(recorded):
    """The text of arrays.safetensors."""
    return save(coded(recorded)[1])


def forged(recorded):
    """A bundle of what was changed in `recorded`, which `pack` need not take."""
    arrays = arrays_of(recorded)
    return zipped((FACTS, facts_of(recorded, arrays)), (ARRAYS, arrays))


def zipped(*entries, compression=zipfile.ZIP_DEFLATED, comment=b""):
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


def with_codes(recorded, change):
    """A bundle whose codes were changed: `change` gets and returns a mapping."""
    codes, stored = coded(recorded)
    arrays = save(stored)
    return zipped((FACTS, facts_of(recorded, arrays, change(codes))), (ARRAYS, arrays))


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
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # Duplicate name
        yield "facts twice", zipped(pair[0], pair[0])
        yield "arrays twice", zipped(*pair, pair[1])
    for name, rest in zip((ARRAYS, FACTS), pair, strict=True):  # as links to a file outside
        link = zipfile.ZipInfo(name)
        link.external_attr = 0o120777 << 16
        yield "link", zipped(rest, (link, b"/etc/hostname"))
    yield from {
        "no entry": zipped(),
        "facts only": zipped(pair[0]),
        "arrays only": zipped(pair[1]),
        "stored": zipped(*pair, compression=zipfile.ZIP_STORED),
        "bzip2": zipped(*pair, compression=zipfile.ZIP_BZIP2),
        "lzma": zipped(*pair, compression=zipfile.ZIP_LZMA),
        "bomb": zipped((FACTS, b" " * (2**24 + 1)), pair[1]),
        "facts and blanks": zipped((FACTS, facts[:-1] + b" " * 2**22 + b"]"), pair[1]),
        "arrays bomb": zipped(pair[0], (ARRAYS, bytes(2**24))),
        "comment": zipped(*pair, comment=b"PK\5\6"),
        "trailing": whole + b"more",
        "zip in zip": zipped((FACTS, whole), (ARRAYS, whole)),
        "no zip": b"\x93NUMPY" + bytes(500),
        "text": b"<html>not found</html>",
    }.items()
    yield from _fields(whole)


def _fields(whole):
    """Every field of both kinds of header of an entry, and of the end, as other numbers."""
    for signature, fields in (
        (b"PK\3\4", {6: "H", 8: "H", 14: "L", 18: "L", 22: "L", 26: "H", 28: "H"}),
        (b"PK\1\2", {8: "H", 10: "H", 16: "L", 20: "L", 24: "L", 28: "H", 30: "H", 42: "L"}),
        (b"PK\5\6", {4: "H", 8: "H", 10: "H", 12: "L", 16: "L", 20: "H"}),
    ):
        for start in [n for n in range(len(whole) - 4) if whole[n : n + 4] == signature]:
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
        ("twice", b'{"schema": "parity.bundle/2", "schema": "parity.bundle/2"}'),
        ("zero bytes", bytes(1_000)),
    ):
        yield f"text {name}", with_text(recorded, lambda _, text=text: text)
    for old, new in (
        (b'"parity.bundle/2"', b'"parity.bundle/1"'),
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
    return json.loads(arrays[8 : 8 + int.from_bytes(arrays[:8], "little")])[key]["data_offsets"]


def codes(recorded):
    """Codes that lie."""
    given = coded(recorded)[0].items()
    plain, same, ulps = (
        next(key for key, code in given if code["as"] == way) for way in ("plain", "same", "ulps")
    )
    raw = "weights/dense1.kernel"

    def code(key, **changes):
        return lambda codes: {**codes, key: {**codes[key], **changes}}

    def without(key, *names):
        return lambda codes: {
            **codes,
            key: {name: value for name, value in codes[key].items() if name not in names},
        }

    large = {"dtype": "F64", "shape": [2**40], "as": "same", "of": raw}
    for name, change in {
        "unknown": code(raw, **{"as": "pickle"}),
        "list": code(raw, **{"as": ["bytes"]}),
        "number": code(raw, **{"as": 3}),
        "of": code(raw, of=raw),
        "extra": code(raw, code="import os"),
        "dtype": code(raw, dtype="F32"),
        "dtype unknown": code(raw, dtype="OBJECT"),
        "dtype list": code(raw, dtype=["F64"]),
        "shape": code(raw, shape=[4, 5]),
        "shape larger": code(raw, shape=[50, 4]),
        "shape huge": code(raw, shape=[2**40, 2**40]),
        "shape negative": code(raw, shape=[-5, -4]),
        "shape text": code(raw, shape="5x4"),
        "shape none": code(raw, shape=None),
        "no as": without(raw, "as"),
        "no shape": without(raw, "shape"),
        "no of": without(same, "of"),
        "of itself": code(same, of=same),
        "of a later one": code(same, of="trajectory/losses"),
        "of nothing": code(same, of="weights/other"),
        "of a number": code(same, of=7),
        "of another dtype": code(same, of=plain),
        "of another size": code(same, of="weights/dense2.bias"),
        "plain as bytes": code(plain, **{"as": "bytes"}),
        "bytes as plain": code(raw, **{"as": "plain"}),
        "bytes as float32": code(raw, **{"as": "float32"}),
        "bytes as ulps": code("input/probe/0", **{"as": "ulps"}),
        "ulps as bytes": code(ulps, **{"as": "bytes"}),
        "same as bytes": without(same, "of"),
        "code is a list": lambda c: {**c, raw: []},
        "code is text": lambda c: {**c, raw: "bytes"},
        "left out": lambda c: {k: v for k, v in c.items() if k != raw},
        "nothing": lambda c: {},
        "is a list": lambda c: [],
        "is a number": lambda c: 7,
        "unknown part": lambda c: {**c, "pickle/x": {**c[same], "of": raw}},
        "path": lambda c: {**c, "../../escaped": {**c[same], "of": raw}},
        "not stored": lambda c: {**c, "weights/other": c[raw]},
        "large": lambda c: {**c, "forward/eval/x/input/0": large},
        "many": lambda c: {
            **c,
            **{
                f"forward/eval/x{n}/input/0": {**c[raw], "as": "same", "of": raw}
                for n in range(99_999)
            },
        },
    }.items():
        yield f"code {name}", with_codes(recorded, change)


# --- facts ---------------------------------------------------------------------------------------

OTHERS = (None, True, -1, 1.5, 2**62, "", "x" * 100_000, "NaN", [], {}, [[]], {"": None})


def facts(recorded, draw, num=260):
    """Every fact taken out, then some as another value."""
    everything = {"facts": recorded.facts, "spec": recorded.spec}
    found = [path for path in places(everything) if len(path) > 1 and path[1] != "noise"]
    changes = [(path, REMOVED) for path in found]
    changes += [
        (found[int(draw.integers(len(found)))], OTHERS[int(draw.integers(len(OTHERS)))])
        for _ in range(num)
    ]
    for path, new in changes:
        changed = recorded.copy()
        content = replaced(everything, path, new)
        changed.facts, changed.spec = content["facts"], content["spec"]
        word = "without" if new is REMOVED else f"{str(new)[:20]!r} as"
        yield f"{word} {'.'.join(map(str, path))}", changed


# --- whole bundles that mean harm ----------------------------------------------------------------


def meant(recorded):
    """Bundles whose form is right: (name, what is recorded). No right port is like any of these."""
    for name, change in MEANT.items():
        changed = recorded.copy()
        change(changed)
        changed.facts["noise"] = {
            key: value for key, value in changed.facts["noise"].items() if key in changed.arrays
        }
        yield name, changed


def _fact(value, *path):
    def change(r):
        r.facts = replaced(r.facts, path, value)

    return change


def _array(key, change):
    def changed(r):
        r.arrays[key] = np.asarray(change(r.arrays[key]))

    return changed


def _all(*changes):
    def change(r):
        for each in changes:
            each(r)

    return change


def _noisy(r):
    """Says that everything is rounding."""
    r.facts["noise"] = dict.fromkeys(r.arrays, 1e300)


def _renamed(old, new):
    """Another name of a node, in all places."""

    def change(r):
        r.arrays = {k.replace(f"/{old}/", f"/{new}/"): a for k, a in r.arrays.items()}
        for node in r.facts["nodes"]:
            node["name"] = new if node["name"] == old else node["name"]

    return change


def _scheduled(**callback):
    def change(r):
        r.facts["schedule"]["callbacks"] = [{"class": "ReduceLROnPlateau", **callback}]
        r.arrays["schedule/epochs"] = np.linspace(1, 0.1, 40)
        r.arrays["schedule/stopped"] = np.array(-1)

    return change


_WRONG = _array("forward/eval/output", lambda a: a * 2)
_TRAINED_WRONG = _array("optimizer/1/weights/dense1.bias", lambda a: a + 1)
# What the facts say is wrong, and nothing that is computed follows from it.
HARMLESS = frozenset(
    [
        *("class_weight", "not_trained", "true_output", "kernel_size"),
        "weights_of_others",  # every weight still has its place, and every value is compared
    ]
)
MEANT = {
    "all_noise_forward": _all(_array("forward/eval/output", lambda a: -a), _noisy),
    "all_noise_loss": _all(_array("loss/value", lambda a: a * 1.001), _noisy),
    "all_noise_zero_gradient": _all(_array("gradient/dense1.kernel", lambda a: a * 0), _noisy),
    "gradient_of_what_is_not_trained": _all(
        _fact(False, "weights", "dense1.kernel", "trainable"),
        _array("gradient/dense1.kernel", np.negative),
    ),
    "unknown_loss": _all(_fact("os.system", "loss", "name"), _WRONG),
    "loss_class": _all(_fact({"class_name": ["a"]}, "loss", "config"), _WRONG),
    "class_weight": _fact({"0": 1e308}, "loss", "class_weight"),
    "activation_attribute": _all(_fact("__class__", "output_activation"), _WRONG),
    "rate_text": _fact("x", "nodes", 2, "config", "rate"),
    "rate_huge": _fact(1e308, "nodes", 2, "config", "rate"),
    "kernel_size": _all(
        _fact("conv", "nodes", 0, "kind"),
        _fact({"kernel_size": [10**6, 10**6], "strides": 0}, "nodes", 0, "config"),
        _WRONG,
    ),
    "weights_of_others": _fact(["dense1.kernel", "dense1.bias"], "nodes", 3, "weights"),
    "not_trained": _fact(False, "weights", "dense1.kernel", "trainable"),
    "name_of_escapes": _all(_renamed("dense1", "\x1b[2J\r\n\0"), _array("loss/value", np.negative)),
    "name_of_a_key": _renamed("dropout", "dense1/input/0"),
    "nan_weights": _array("weights/dense1.kernel", lambda a: a * np.nan),
    "huge_weights": _array("weights/dense1.kernel", lambda a: np.sign(a) * 1e308),
    "nan_output": _array("forward/eval/output", lambda a: a * np.nan),
    "true_output": _array("forward/train/dense1/output", lambda a: a > 0),
    "seed_of_another": lambda r: r.spec.update(seed=r.spec["seed"] + 1),
    "target_of_classes": _array("target/probe", lambda a: np.full(len(a), 2**40)),
    "input_shape": _array("input/step1/0", lambda a: a[:, :2]),
    "mask_shape": _array("mask/train/dropout", lambda a: a[:, :3]),
    "optimizer_settings": _all(
        _fact({"learning_rate": "x", "momentum": [1], "beta_1": None}, "optimizer", "config"),
        _TRAINED_WRONG,
    ),
    "seed": lambda r: r.spec.update(seed=2**32 - 1),
    "plateau_settings": _scheduled(factor="x", patience=[], min_delta={}, mode=3, monitor=[1]),
    "schedule_kind": _all(_scheduled(), _fact("os.system", "schedule", "kind")),
    "initializers": _all(
        _fact({"class": 7, "distribution": [1]}, "initializers", "dense1.kernel"),
        _array("init/dense1.kernel", lambda a: a * 100),
    ),
    "environment": _all(lambda r: r.environment.update(versions=[1], device={"a": []}), _WRONG),
}
