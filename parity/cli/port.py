"""`parity port`: writes a PyTorch package of a Keras program, and checks it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from parity.cli.names import files
from parity.cli.options import COMMON, exit_code, with_children, with_options
from parity.cli.probes import PROBES, spec_of
from parity.cli.saved import check_file, write_results
from parity.cli.streams import say
from parity.halves.options import ChildOptions


@click.command()
@click.argument("keras", metavar="MODULE:FUNCTION", shell_complete=files())
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    required=True,
    help="Folder of the package, which is made; its name is that of the package.",
)
@with_options(PROBES)
@with_children()
@with_options(COMMON)
def port(
    keras: str, out: Path, children: ChildOptions, json_file: Path | None, **settings: Any
) -> int:
    """Writes a PyTorch package of the Keras program that MODULE:FUNCTION returns, and checks it.

    The package has model.py, train.py, weights.safetensors with the weights of the Keras model,
    test_parity.py with what Keras computes, and README.md. It is checked at once: the exit code is
    that of `parity check`.
    """
    from parity.report.text.check import check_lines
    from parity.report.text.terminal import print_lines
    from parity.runs.check_options import CheckOptions
    from parity.runs.port import port_spec

    check_file(json_file)
    ported = port_spec(spec_of(keras=keras, **settings), out, CheckOptions(children=children))
    if json_file is not None:
        write_results(json_file, [ported.result.to_json()])
    if not children.quiet:
        say(f"wrote {out}: {', '.join(ported.files)}")
        for sentence in ported.left_out:
            say(f"not ported: {sentence}")
        print_lines(check_lines(ported.result))
    return exit_code(ported.result.verdict)
