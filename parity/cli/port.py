"""`parity port`: writes a PyTorch package of a Keras program, and checks it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from parity.cli.options import (
    COMMON,
    PROBES,
    exit_code,
    files,
    spec_of,
    with_children,
    with_options,
    words,
)
from parity.cli.saved import check_file, write_results
from parity.cli.streams import say
from parity.halves.job import ChildOptions


@click.command()
@click.argument("keras", metavar="MODEL", shell_complete=files())
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    required=True,
    help="Folder of the package, which is made; its name is that of the package.",
)
@click.option(
    "--plain",
    is_flag=True,
    help="Network and training import torch alone: what it lacks is written beside them.",
)
@click.option("--arguments", metavar="TEXT", help="Command line of the script, in quotes.")
@with_options(PROBES)
@with_children()
@with_options(COMMON)
def port(
    keras: str,
    out: Path,
    plain: bool,
    arguments: str | None,
    children: ChildOptions,
    json_file: Path | None,
    **settings: Any,
) -> int:
    """Writes a PyTorch package of a Keras program, and checks it.

    MODEL is MODULE:FUNCTION, which returns a compiled model; or a training script, train.py, which
    is run up to its call of fit; or a .keras or .h5 file of model.save, in which no code is run; or
    the folder of a SavedModel, with --keras-python of an interpreter with Keras 2.

    The package has model.py, train.py, weights.safetensors with the weights of the Keras model,
    test_parity.py with what Keras computes, and README.md. It is checked at once: the exit code is
    that of `parity check`. Code of your own is left to be written, and told; it is then 3.

    With --plain, model.py and train.py import neither parity nor torch_impl. What torch lacks of
    Keras's rules is written into parts.py and rules.py. Its seeds are torch's.
    """
    from parity.report.pages.runs_page import result_page
    from parity.report.sentences import is_unfinished
    from parity.report.text.page import page_lines, print_lines
    from parity.runs.check_halves import CheckOptions
    from parity.runs.port import port_spec

    check_file(json_file)
    spec = spec_of(keras=keras, arguments=words(arguments), **settings)
    ported = port_spec(spec, out, CheckOptions(children=children), plain=plain)
    if json_file is not None:
        write_results(json_file, [ported.result.to_json()])
    if not children.quiet:
        say(f"wrote {out}: {', '.join(ported.files)}")
        for sentence in ported.left_out:
            say(f"not ported: {sentence}")
        for sentence in ported.differs:
            say(f"cannot be Keras's: {sentence}")
        for sentence in ported.open:
            say(f"to be written: {out}/{sentence}")
        print_lines(page_lines(result_page(ported.result, len(ported.left_out))))
        if is_unfinished(ported.result):
            say(f"Write it, then run: pytest {out}/test_parity.py")
    return exit_code(ported.result.verdict)
