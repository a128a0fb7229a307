"""`parity report`: writes the report of a folder with results."""

from __future__ import annotations

from pathlib import Path

import click

from parity.cli.options import COMMON, exit_code, out_option, with_options
from parity.cli.saved import check_file, write_json_file
from parity.cli.streams import say


@click.command()
@click.argument("result", type=click.Path(path_type=Path), metavar="DIR")
@click.argument("other", type=click.Path(path_type=Path), metavar="[DIR]", required=False)
@out_option("Folder for the report.  [default: the last DIR]")
@click.option(
    "--tensorboard", is_flag=True, help="Also write the curves of both halves as event files."
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
    """Writes report.html, summary.md and junit.xml from the results in DIR.

    DIR is the folder that run, check, sweep, bench or diagnose wrote with --out, or the file that
    they wrote with --json. With a second DIR, the report is on the second and compares it with the
    first: it shows what has changed.

    Exit codes: 0 parity holds, 1 parity does not hold, 2 wrong use or bad input, 3 a run failed or
    is missing, or the result is undecided.
    """
    from parity.report.text.page import print_lines
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
        say(f"{written.verdict}: {page}")
        print_lines([*written.lines])
    return exit_code(written.verdict)
