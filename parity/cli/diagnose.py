"""`parity diagnose`: reads a training history and says what is wrong with the training."""

from __future__ import annotations

from pathlib import Path

import click

from parity.cli import options
from parity.cli.options import COMMON, OUT, Finite, number_option, path_option, with_options
from parity.cli.saved import check_file, check_folder, complain, write_json_file
from parity.traces.folder import DIAGNOSIS


@click.command()
@click.argument("history", type=click.Path(path_type=Path), metavar="HISTORY")
@click.option(
    "--data",
    shell_complete=options.files(*options.DATA),
    help="Training data: embedded, mnist, a folder with IDX files, or a .npz file.",
)
@number_option("--train-size", "Number of training samples.")
@number_option("--val-size", "Number of validation samples.")
@click.option("--seed", type=int, default=42, help="Seed for the split of --data.")
@click.option(
    "--split",
    type=click.Choice(["random", "last", "sorted"]),
    default="random",
    help="How validation samples were chosen from --data.",
)
@number_option("--classes", "Number of classes, if --data is not given.", least=2)
@click.option(
    "--target",
    type=Finite(min=0, max=1),
    default=0.9,
    help="Training accuracy that is good enough.",
)
@path_option("--plot", help="Draw the curves to a .svg, .png or .pdf file.")
@OUT
@with_options(COMMON)
def diagnose(
    history: Path,
    data: str | None,
    train_size: int | None,
    val_size: int | None,
    seed: int,
    split: str,
    classes: int | None,
    target: float,
    plot: Path | None,
    out: Path | None,
    json_file: Path | None,
    quiet: bool,
) -> int:
    """Says what is wrong with a training, and why, from its history.

    HISTORY is Keras's History.history as JSON, a CSVLogger file, a TensorBoard folder, a run
    directory, a printed log, a notebook, or a log of Lightning, Hugging Face's Trainer or Weights &
    Biases. With --data, parity examines the images and labels too.

    Exit codes: 0 good fit, 1 anything else, 2 wrong use or bad input.
    """
    from parity.behaviour.diagnosis import diagnose as diagnose_history
    from parity.behaviour.readers.history import read_with_notes
    from parity.data.load import load_data
    from parity.report.export.curves import save_curves
    from parity.report.pages.diagnosis_page import diagnosis_page
    from parity.report.text.page import page_lines, print_lines
    from parity.report.write import attempt_reports

    check_file(json_file)
    check_file(plot, "--plot")
    check_folder(out)
    if data is not None and classes is not None:
        raise click.UsageError(
            "--classes and --data exclude each other: the data set the number of classes"
        )
    columns, notes = read_with_notes(history)
    loaded = None
    if data is not None:
        loaded = load_data(data, train=train_size, val=val_size, seed=seed, split=split)
    found = diagnose_history(
        columns,
        loaded,
        num_classes=classes,
        num_train=train_size,
        num_val=val_size,
        target=target,
        notes=notes,
    )
    if plot is not None:
        save_curves(columns, plot, title=f"{history.name}: {found.verdict}")
    if json_file is not None:
        write_json_file(json_file, found.to_json())
    if out is not None:
        write_json_file(out / DIAGNOSIS, found.to_json(), "--out")
        attempt_reports(out, {out: found}, complain)
    if not quiet:
        print_lines(page_lines(diagnosis_page(found, str(history))))
    return 0 if found.verdict == "good_fit" else 1
