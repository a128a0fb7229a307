"""`parity report`: a folder in, its report out."""

from __future__ import annotations

from pathlib import Path

import click

from parity.cli.options import COMMON, exit_code, with_options
from parity.cli.saved import check_file, write_json_file


@click.command()
@click.argument("result", type=click.Path(path_type=Path), metavar="DIR")
@click.argument("other", type=click.Path(path_type=Path), metavar="[DIR]", required=False)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Folder for the report.  [default: the last one named]",
)
@click.option(
    "--tensorboard", is_flag=True, help="Write event files, too: the curves of both halves."
)
@with_options(COMMON)
def report(
    result: Path,
    other: Path | None,
    out: Path | None,
    tensorboard: bool,
    json_file: Path | None,
    quiet: bool,
) -> int:
    """Writes report.html, summary.md and junit.xml of what a command has left in DIR.

    DIR is what --out of run, check, sweep, bench or diagnose names, or the file of --json. With a
    second DIR it is the report of that one, beside the first: what has changed from run to run.

    Exit codes: those of the result; 0 parity holds, 1 it does not, 3 a run failed or is missing, or
    the result is undecided.
    """
    from parity.report.write import write_reports
    from parity.traces.folder import REPORT

    check_file(json_file)
    path, before = (result, None) if other is None else (other, result)
    written = write_reports(path, out=out, before=before, events=tensorboard)
    if json_file is not None:
        files = [str(each) for each in written.files]
        write_json_file(json_file, {"verdict": written.verdict, "files": files})
    if not quiet:
        (page,) = (each for each in written.files if each.name == REPORT)
        click.echo(f"{written.verdict}: {page}")
    return exit_code(written.verdict)
