"""Names the bundles of a project for a cache of CI: `python scripts/bundle_key.py [PROGRAM ...]`.

The key is new whenever a Keras half, what it imports or names, or a version that counts changes:
that of Python, those that this project asks for, or the code of its Keras half. Neither framework
is needed for it. With `--names`, the names of the programs are printed instead, one in a line.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import sys
from importlib import metadata
from pathlib import Path

import keras_impl
from parity.cli.program_specs import user_programs
from parity.errors import InputError, ParityError
from parity.programs.scenarios import SCENARIOS
from parity.programs.tool_table import of_scenario
from parity.programs.user_files import user_files


def bundle_key(names: list[str], folder: Path) -> str:
    """Returns a key of hexadecimal digits.

    Args:
        names: of programs of the project in the working folder, and of scenarios.
        folder: of those programs that the table does not have.

    Raises:
        InputError: a name is unknown.
    """
    table = user_programs()
    found = {}
    for name in names:
        is_scenario = name in SCENARIOS and name not in table.programs
        place = folder if is_scenario else table.folder
        program = of_scenario(name) if is_scenario else table.program(name, f"program {name!r}")
        spec = program.spec(name, place)
        found[name] = [spec.keras, list(spec.arguments), user_files(spec, "keras")]
    asked = sorted(metadata.requires("keras-torch-parity") or ())
    versions = [platform.python_version(), metadata.version("keras-torch-parity"), asked]
    text = json.dumps([versions, found], sort_keys=True)
    digest = hashlib.sha256(text.encode())
    for path in sorted(Path(keras_impl.__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:32]


def main() -> int:
    """Prints the key, or the names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--names", action="store_true", help="print the names of the programs")
    parser.add_argument("programs", nargs="*", metavar="PROGRAM", help="all, if none is given")
    given = parser.parse_args()
    try:
        names = list(dict.fromkeys(given.programs or user_programs().programs))
        if not names:
            raise InputError("expected [tool.parity.programs] in pyproject.toml or parity.toml")
        key = bundle_key(names, Path.cwd())
    except ParityError as error:
        print(f"parity: {error}", file=sys.stderr)
        return error.exit_code
    print("\n".join(names) if given.names else key)
    return 0


if __name__ == "__main__":
    sys.exit(main())
