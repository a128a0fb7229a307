"""What the page of one run says, of a scenario and of a program of a user's."""

import dataclasses

import numpy as np
import pytest
from page_parts import cells, section
from report_folders import program_spec, run_folder, run_spec
from trace_changes import added, both, fact, gone, put, set_to

from parity.ladder.items import Item
from parity.report.page import Strips, Table, Text
from parity.report.pages.run_page import run_page
from parity.report.read import FoundRun, read_run


@pytest.fixture(scope="module")
def passing(tmp_path_factory):
    folder = tmp_path_factory.mktemp("passing")
    run_folder(folder)
    return read_run(folder)


@pytest.mark.parametrize("spec", [run_spec(), program_spec()], ids=["scenario", "program"])
def test_weights_are_a_table_of_the_steps_in_the_order_of_the_layers(spec, tmp_path):
    kernel = added("training/weights/5/conv2d.kernel", 0.25, (1, 2))
    change = both(kernel, set_to("training/weights/6/dense.bias", np.nan))
    run_folder(tmp_path, spec=spec, change=change)
    table = section(run_page(read_run(tmp_path)), "layers").blocks[-1]
    assert table.head == ("weight", "0", "1", "2", "4", "5", "6")
    assert cells(table) == [
        ["stem.kernel", "0", "0", "0", "0", "0", "0"],
        ["conv2d.kernel", "0", "0", "0", "0", "2.5e-01", "0"],
        ["dense.bias", "0", "0", "0", "0", "0", "∞"],
    ]


@pytest.mark.parametrize(
    "change",
    [
        gone("training/loss"),
        put({"training/loss": np.arange(4.0)}),
        both(fact(True, "has_own_loop"), put({"training/loss": []})),
    ],
    ids=["lost", "other_steps", "own_loop"],
)
def test_running_losses_that_cannot_be_set_against_each_other_do_not_hinder_a_page(
    change, passing, tmp_path, monkeypatch
):
    monkeypatch.setattr("report_folders.with_training", lambda *_: passing.result)
    run_folder(tmp_path, change=change)
    assert len(section(run_page(read_run(tmp_path)), "divergence-by-step").blocks) == 2


def test_the_few_steps_of_the_probes_are_not_drawn_as_steps_of_the_training(passing):
    result = passing.result
    probe = Item("stem.kernel", 0.5, 1.0, "rel", 3, step=1)
    levels = [
        dataclasses.replace(each, items=(probe, *each.items)) if each.id == "trajectory" else each
        for each in result.levels
    ]
    page = run_page(FoundRun(None, dataclasses.replace(result, levels=tuple(levels))))
    weights = section(page, "divergence-by-step").blocks[0]
    assert [row[0] for row in cells(weights.table)] == ["0", "1", "2", "4", "5", "6"]
    assert {row[2] for row in cells(weights.table)} == {"0"}


def test_the_same_predictions_are_told_and_the_confusion_is_counted(passing):
    page = run_page(passing)
    keras, torch = (b for b in section(page, "predictions").blocks if isinstance(b, Table))
    counts = np.array([[int(cell or 0) for cell in row[1:]] for row in cells(keras)])
    assert counts.sum() == 200
    assert np.trace(counts) == 200  # the predictions are the labels themselves
    assert cells(keras) == cells(torch)
    told = [b.text for b in section(page, "predictions").blocks if isinstance(b, Text)]
    assert told == [
        "Both models predict the same for all 200 validation samples; their probabilities differ "
        "by at most 0.0e+00."
    ]


def test_the_images_on_which_the_models_disagree_are_shown_with_what_they_say(tmp_path):
    def change(parts):
        said = parts.arrays["predictions/val"]
        label = int(said[7].argmax())
        said[7] = 0.05
        said[7, (label + 1) % 10] = 0.6

    run_folder(tmp_path, change=change)
    (strips,) = section(run_page(read_run(tmp_path)), "predictions").blocks[-1:]
    assert isinstance(strips, Strips)
    (text,) = strips.labels
    label = int(text.split()[1])
    assert text.splitlines() == [
        f"label {label}", f"Keras {label} (0.82)", f"PyTorch {(label + 1) % 10} (0.60)",
    ]  # fmt: skip


def test_a_report_downloads_no_data(tmp_path, monkeypatch, passing):
    monkeypatch.setenv("PARITY_DATA_DIR", str(tmp_path))
    monkeypatch.setattr("parity.data.sources._get", lambda *_: pytest.fail("it was asked for"))
    spec = passing.result.spec | {"data": "mnist"}
    result = dataclasses.replace(passing.result, spec=spec)
    page = run_page(dataclasses.replace(passing, result=result))
    told = section(page, "predictions").blocks[0].text
    assert told.startswith("The data of the run can no longer be read here")


def test_a_half_written_run_shows_what_there_is(tmp_path):
    run_folder(tmp_path, has_result=False)
    (tmp_path / "torch" / "training" / "_SUCCESS").unlink()
    page = run_page(read_run(tmp_path))
    assert page.verdict == "error"
    assert len(page.problems) == 2
    assert [each.id for each in page.sections] == ["curves", "predictions", "again"]
