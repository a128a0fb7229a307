"""Makes the published schemas, `parity/schemas/*.json`, of the records that files are read with.

    python scripts/make_schemas.py            writes them
    python scripts/make_schemas.py --check    exits 1 if a committed file differs

Types, ranges and needed keys are those of the records, descriptions those of their docstrings.
"""

import inspect
import json
import re
import sys
import textwrap
from pathlib import Path
from typing import Any

import msgspec

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # so that it runs from a checkout that is not installed

from parity.behaviour import result_file as diagnosis_file  # noqa: E402
from parity.bench import result_file as bench_file  # noqa: E402
from parity.files.records import Decoded, Number  # noqa: E402
from parity.ladder import result_record  # noqa: E402
from parity.programs import spec_record  # noqa: E402
from parity.sweeps import result_file as sweep_file  # noqa: E402

FOLDER = ROOT / "parity" / "schemas"
DRAFT = "https://json-schema.org/draft/2020-12/schema"
WIDTH = 118  # of a line

# What a file holds, and what else its schema speaks of.
RECORDS = {
    result_record.SCHEMA: (
        result_record.ResultRecord,
        spec_record.RunSpecRecord,
        spec_record.CheckSpecRecord,
        spec_record.ProgramSpecRecord,
    ),
    result_record.ALL_RESULTS: (result_record.ResultsRecord,),
    sweep_file.SCHEMA: (sweep_file.SweepRecord,),
    bench_file.SCHEMA: (bench_file.BenchRecord,),
    diagnosis_file.SCHEMA: (diagnosis_file.DiagnosisRecord,),
}


def file_of(name: str) -> str:
    """Returns the name of the file of a schema such as "parity.result/1"."""
    return f"{name.replace('/', '.')}.schema.json"


def schema_of(name: str) -> dict[str, Any]:
    """Returns a published schema, by its name."""
    _, found = msgspec.json.schema_components(
        RECORDS[name], schema_hook=_own, ref_template="#/$defs/{name}"
    )
    others = {RECORDS[other][0].__name__: file_of(other) for other in RECORDS if other != name}
    parts = {_key(key): _simple(_described(part), others) for key, part in found.items()}
    main = {"$schema": DRAFT, "title": name, **parts.pop(_key(RECORDS[name][0].__name__))}
    if others.keys() & found.keys():  # which have files of their own, with all that they need
        return main
    if "#/$defs/number" in json.dumps([main, parts]):
        parts["number"] = {"description": _sentence(inspect.getdoc(Number)), **Number.SCHEMA}
    return {**main, "$defs": parts} if parts else main


def _own(kind: Any) -> dict[str, Any]:
    assert isinstance(kind, Decoded)
    return {"$ref": "#/$defs/number"} if kind is Number else kind.SCHEMA


def _described(part: dict[str, Any]) -> dict[str, Any]:
    """A record with what its docstrings say of each key.

    Of a dataclass they are its own, those of its bases, and that of the class that mirrors it,
    which has the first word.
    """
    docs = [inspect.cleandoc(doc) for doc in part["description"].split("\f")]
    told: dict[str, str] = {}
    for doc in (docs[-1], *docs):
        for names, text in re.findall(r"(?m)^    (\w+(?:, \w+)*): (.*(?:\n {8}.*)*)", doc):
            told = dict.fromkeys(names.split(", "), _sentence(text)) | told
    part["description"] = _sentence((docs[-1] or docs[0]).partition("\n\n")[0])
    part["properties"] = {k: {"description": told[k]} | v for k, v in part["properties"].items()}
    del part["title"]
    return part


def _sentence(text: str) -> str:
    text = " ".join(text.split()).replace("None = ", "None: ").replace("None", "null")
    text = text.rstrip(".") + "."
    return text[0].upper() + text[1:] if re.match("(a|[a-z]{2,})[ ,.]", text) else text


def _key(name: str) -> str:
    """`RunSpecRecord` -> `run_spec`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.removesuffix("Record")).lower()


def _simple(part: Any, others: dict[str, str]) -> Any:
    """The same, said as people would: an enum without its pattern, a null among the types."""
    if isinstance(part, list):
        return [_simple(inner, others) for inner in part]
    if not isinstance(part, dict):
        return part
    part = {key: _simple(inner, others) for key, inner in part.items() if key != "default"}
    if "$ref" in part:
        name = part["$ref"].rpartition("/")[2]
        part["$ref"] = others.get(name) or f"#/$defs/{_key(name)}"
    if "enum" in part:
        part = {key: value for key, value in part.items() if key not in ("type", "pattern")}
        if len(part["enum"]) == 1:
            part["const"] = part.pop("enum")[0]
    if "if" in part:
        part.pop("type", None)  # which both branches say
    match part.get("anyOf"):
        case [{"enum": names, **rest}, {"type": "null"}] if not rest:
            del part["anyOf"]
            return {**part, "enum": [*names, None]}
        case [{"type": str(kind), **rest}, {"type": "null"}]:
            del part["anyOf"]
            return {**part, "type": [kind, "null"], **rest}
    return part


def text_of(value: Any, indent: int = 0) -> str:
    """Returns JSON whose lists and mappings stand on one line where they fit."""
    line = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, dict | list) or len(line) + indent < WIDTH:
        return line
    pad = "\n" + " " * (indent + 1)
    if isinstance(value, dict):
        rows = [f"{json.dumps(k)}: {text_of(inner, indent + 1)}" for k, inner in value.items()]
    elif any(isinstance(inner, dict | list) for inner in value):
        rows = [text_of(inner, indent + 1) for inner in value]
    else:  # names, as many on a line as fit
        words = ", ".join(json.dumps(name).replace(" ", "\0") for name in value)
        filled = textwrap.wrap(words, WIDTH - indent, break_on_hyphens=False)
        return f"[{pad}{pad.join(filled)}{pad[:-1]}]".replace("\0", " ")
    return f"{line[0]}{pad}{f',{pad}'.join(rows)}{pad[:-1]}{line[-1]}"


def main(arguments: list[str]) -> int:
    """Writes the schemas, or checks them."""
    texts = {FOLDER / file_of(name): text_of(schema_of(name)) + "\n" for name in RECORDS}
    if arguments == ["--check"]:
        old = [path for path, text in texts.items() if path.read_text(encoding="utf-8") != text]
        for path in old:
            print(f"{path.relative_to(ROOT)} is not what the records say; run this without --check")
        return len(old) > 0
    for path, text in texts.items():
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
