"""`parity bench`: compares the training speed of a program in both frameworks."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from parity.cli import options
from parity.cli.options import (
    COMMON,
    OUT,
    PAIR,
    Finite,
    exit_code,
    files,
    given,
    number_option,
    one_of,
    path_option,
    several_of,
    with_children,
    with_options,
)
from parity.cli.program_specs import bench_spec_of
from parity.cli.saved import check_file, check_folder, complain, write_json_file, write_text_file
from parity.errors import ParityError
from parity.files.atomic import is_special
from parity.halves.job import ChildOptions
from parity.traces.folder import BENCH


def _names(
    context: click.Context, option: click.Parameter, value: str | None
) -> tuple[str, ...] | None:
    if value is None:
        return None
    return tuple(part.strip() for part in value.split(",") if part.strip())


def _numbers(
    context: click.Context, option: click.Parameter, value: str | None
) -> tuple[int, ...] | None:
    if value is None:
        return None
    try:
        return tuple(int(part) for part in value.split(","))
    except ValueError:
        raise click.BadParameter(f"{value!r}: expected whole numbers, such as 32,128") from None


@click.command()
@click.argument("program", required=False, shell_complete=options.programs)
@with_options(PAIR)
@click.option(
    "--parts",
    callback=_names,
    shell_complete=several_of(options.parts),
    default="train",
    metavar="A,B",
    help="What to time: train, step, input, augment, startup; your own program: train, step.",
)
@click.option(
    "--variants",
    callback=_names,
    shell_complete=several_of(options.variants),
    metavar="A,B",
    help="Variants to time: keras, keras-tuned, keras-torch, torch-eager, torch, torch-own, "
    "torch-compiled; your own program: keras, torch-eager, torch-fused, torch-channels-last, "
    "torch-tuned, torch-compiled.  [default: keras,torch-eager,torch; your own program: "
    "keras,torch-eager,torch-fused,torch-channels-last]",
)
@click.option(
    "--baseline",
    default="keras",
    shell_complete=one_of(options.variants),
    help="Variant that the others are compared with.",
)
@click.option("--compile", "is_compiled", is_flag=True, help="Add the variant torch-compiled.")
@click.option(
    "--batch-size",
    "batch_sizes",
    callback=_numbers,
    metavar="N,M",
    help="Batch sizes to time.  [default: 32, or your program's own]",
)
@click.option(
    "--precision",
    "precisions",
    callback=_names,
    shell_complete=several_of(options.precisions),
    default="fp32",
    metavar="A,B",
    help="Precisions to time: fp32, tf32, bf16, fp16; your own program: fp32.",
)
@click.option(
    "--across-precision",
    is_flag=True,
    help="Compare other precisions with the baseline in fp32.  [default: do not compare]",
)
@click.option("--device", default="cpu", help="Device: cpu, cuda or cuda:N.")
@number_option("--threads", "Intra-op threads of each variant.", default=2)
@number_option(
    "--rounds", "Number of rounds; each starts all variants in new processes.", least=3, default=7
)
@number_option(
    "--train-size",
    "Number of training samples in a turn; of your own program an epoch, or so many of it.",
    default=2048,
)
@number_option("--val-size", "Number of validation samples.", default=512)
@click.option("--accuracy", type=Finite(0, 1), help="Also measure the time to this accuracy.")
@click.option(
    "--data",
    shell_complete=files(*options.DATA),
    help="Data source, as for `parity run`.  [default: embedded, or your program's own]",
)
@click.option(
    "--seed", type=int, help="Seed for weights and samples.  [default: 42, or a script's own]"
)
@number_option(
    "--gate-seeds",
    "Runs used to check the accuracy of variants with their own random numbers; fewer than 6 "
    "decide nothing; 0 = no check.",
    least=0,
    default=8,
)
@path_option("--csv", "csv_file", help="Write the rows as CSV.")
@path_option("--markdown", "markdown_file", help="Write the table as Markdown.")
@path_option(
    "--compare",
    metavar="OLD.json",
    help="Compare with an earlier result; exit code 1 if a row got slower.",
)
@OUT
@with_children(workers=False)  # variants run one after another
@with_options(COMMON)
def bench(
    program: str | None,
    keras: str | None,
    torch: str | None,
    arguments: str | None,
    is_compiled: bool,
    csv_file: Path | None,
    markdown_file: Path | None,
    compare: Path | None,
    out: Path | None,
    children: ChildOptions,
    json_file: Path | None,
    **settings: Any,
) -> int:
    """Compares the training speed of a PROGRAM in both frameworks.

    A PROGRAM is a built-in scenario, by default dropout, or one of [tool.parity.programs] in
    pyproject.toml (see `parity list`); --keras and --torch give one without a name.

    Exit codes: 0 everything was measured, and no variant is known to train differently; 1 a variant
    trains differently, or a row got slower than in OLD.json (rows that cannot be compared do not
    count); 2 wrong use or bad input; 3 a variant could not be measured.
    """
    from parity.bench.comparison import FAIL, read_result
    from parity.bench.comparison import compare as compare_results
    from parity.bench.run import run_bench
    from parity.report.export.curves import to_csv
    from parity.report.export.summary import summary_markdown
    from parity.report.pages.bench_page import bench_page, comparison_page
    from parity.report.text.page import page_lines, print_lines
    from parity.report.write import attempt_reports

    pair = {"keras": keras, "torch": torch, "arguments": arguments}
    spec = bench_spec_of(program, pair, is_compiled, given(settings))
    check_file(json_file)
    check_file(csv_file, "--csv")
    check_file(markdown_file, "--markdown")
    check_folder(out)
    old = None if compare is None else read_result(compare)

    def keep(unfinished: Any) -> None:
        """Writes what was measured so far; the benchmark goes on if that fails."""
        for path in (json_file, None if out is None else out / BENCH):
            # A device or a pipe takes one result, the last.
            if path is not None and not is_special(path):
                with suppress(ParityError):
                    write_json_file(path, unfinished.to_json())

    result = run_bench(
        spec,
        children=children,
        say=lambda text: None if children.quiet else complain(f"bench: {text}"),
        on_result=keep,
    )
    page = bench_page(result)
    try:
        if json_file is not None:
            write_json_file(json_file, result.to_json())
        if out is not None:
            write_json_file(out / BENCH, result.to_json(), "--out")
            attempt_reports(out, {out: result}, complain)
        if csv_file is not None:
            write_text_file(csv_file, to_csv(result), "--csv")
        if markdown_file is not None:
            write_text_file(markdown_file, summary_markdown(page, max_lines=None), "--markdown")
    finally:  # a full disk must not cost the report as well
        if not children.quiet:
            print_lines(page_lines(page))
    code = exit_code(result.verdict)
    if old is None:
        return code
    found = compare_results(old, result)
    if not children.quiet:
        print_lines(page_lines(comparison_page(found)))
    return code or (1 if found.verdict == FAIL else 0)
