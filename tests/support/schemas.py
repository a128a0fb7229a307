"""The published JSON Schemas, and what a value has against the one that it names."""

import json

from documented import ROOT
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

PATHS = sorted((ROOT / "parity" / "schemas").glob("*.json"))
SCHEMAS = {path.name: json.loads(path.read_text(encoding="utf-8")) for path in PATHS}

_REGISTRY = Registry().with_resources(
    (name, Resource.from_contents(schema)) for name, schema in SCHEMAS.items()
)


def file_of(schema):
    """The name of the file of a schema such as "parity.result/1"."""
    return f"{schema.replace('/', '.')}.schema.json"


def problems(value, schema=None):
    """What is wrong with a value by its schema, each with its place; values as JSON has them."""
    reference = {"$ref": file_of(schema or value["schema"])}
    validator = Draft202012Validator(reference, registry=_REGISTRY)
    return [f"{error.json_path}: {error.message[:300]}" for error in validator.iter_errors(value)]


def assert_valid(value):
    """A value is strict JSON, and what the schema that it names says."""
    assert problems(json.loads(json.dumps(value, allow_nan=False))) == []
