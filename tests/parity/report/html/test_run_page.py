"""What the page of one run says, of a scenario and of a program of a user's."""

import dataclasses

import numpy as np
import pytest
from page_parts import blocks, cells, section
from report_folders import (
    error_folder,
    program_spec,
    run_folder,
    run_spec,
)
from result_samples import (
    explained_run,
)

from parity.ladder.items import Item, Level
from parity.report.advice import _BY_LEVEL
from parity.report.html.page import Code, Folded, Strips, Table, Text
from parity.report.html.run_page import run_page
from parity.report.read import FoundRun, read_run


@pytest.fixture(scope="module")
def passing(tmp_path_factory):
    folder = tmp_path_factory.mktemp("passing")
    run_folder(folder)
    return read_run(folder)


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    folder = tmp_path_factory.mktemp("program")
    run_folder(folder, spec=program_spec())
    return read_run(folder)


def test_a_passing_run_has_every_section_of_a_run(passing):
    page = run_page(passing)
    assert (page.verdict, page.look, page.problems, page.divergences) == ("pass", "pass", (), None)
    assert [each.id for each in page.sections] == [
        "curves", "behaviour", "divergence-by-step", "layers", "predictions", "again",
    ]  # fmt: skip
    assert [rung.word for rung in page.ladder] == ["pass"] * 11
    facts = {fact.name: fact.value for fact in page.facts}
    assert facts["mode"].startswith("seeded")
    assert facts["Keras"] == "keras 3.15.1, torch 2.13.0, Python 3.11.7"


def test_a_passing_program_has_the_sections_of_a_run_without_what_it_does_not_evaluate(program):
    page = run_page(program)
    assert (page.verdict, page.title) == ("pass", "custom, seed 42")
    assert [each.id for each in page.sections] == [
        "curves", "behaviour", "divergence-by-step", "layers", "again",
    ]  # fmt: skip
    losses = section(page, "divergence-by-step").blocks[1]
    assert losses.caption.startswith("Difference of the running loss")
    codes = {code.label: code.text for code in blocks(page, Code)}
    assert codes["Command"] == "parity run --keras app:build --torch port.py:build --epochs 3"


@pytest.mark.parametrize("spec", [run_spec(), program_spec()], ids=["scenario", "program"])
def test_weights_are_a_table_of_the_steps_in_the_order_of_the_layers(spec, tmp_path):
    def change(parts):
        parts.arrays["training/weights/5/conv2d.kernel"][1, 2] += 0.25
        parts.arrays["training/weights/6/dense.bias"][:] = np.nan

    run_folder(tmp_path, spec=spec, change=change)
    table = section(run_page(read_run(tmp_path)), "layers").blocks[-1]
    assert table.head == ("weight", "0", "1", "2", "4", "5", "6")
    assert cells(table) == [
        ["stem.kernel", "0", "0", "0", "0", "0", "0"],
        ["conv2d.kernel", "0", "0", "0", "0", "2.5e-01", "0"],
        ["dense.bias", "0", "0", "0", "0", "0", "∞"],
    ]


def test_weights_have_a_table_even_if_the_probes_are_lost(tmp_path):
    run_folder(tmp_path)
    (tmp_path / "keras" / "_SUCCESS").unlink()
    table = section(run_page(read_run(tmp_path)), "layers").blocks[-1]
    assert [row[0] for row in cells(table)] == ["conv2d.kernel", "dense.bias", "stem.kernel"]


def lost_loss(parts):
    del parts.arrays["training/loss"]


def other_steps(parts):
    parts.arrays["training/loss"] = parts.arrays["training/loss"][:4]


def own_loop(parts):
    parts.facts["has_own_loop"] = True
    parts.arrays["training/loss"] = np.array([])


@pytest.mark.parametrize("change", [lost_loss, other_steps, own_loop])
def test_running_losses_that_cannot_be_set_against_each_other_do_not_hinder_a_page(
    change, passing, tmp_path
):
    trained = run_folder(tmp_path / "whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("report_folders.with_training", lambda result, *_: trained)
        run_folder(tmp_path / "changed", change=change)
    assert len(section(run_page(read_run(tmp_path / "changed")), "divergence-by-step").blocks) == 2


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
    monkeypatch.setattr("parity.data.download._get", lambda *_: pytest.fail("it was asked for"))
    spec = passing.result.spec | {"data": "mnist"}
    result = dataclasses.replace(passing.result, spec=spec)
    page = run_page(dataclasses.replace(passing, result=result))
    told = section(page, "predictions").blocks[0].text
    assert told.startswith("The data of the run can no longer be read here")


def test_data_that_have_changed_are_not_shown(passing):
    digests = passing.result.data["sha256"] | {"x_val": "0" * 64}
    result = dataclasses.replace(passing.result, data={"source": "embedded", "sha256": digests})
    told = section(run_page(dataclasses.replace(passing, result=result)), "predictions").blocks
    assert told[0].text.startswith("The data of the run can no longer be read here")


def test_a_port_that_is_fed_the_images_of_keras_has_none_to_show(tmp_path):
    def change(parts):
        del parts.arrays["training/images/1"]

    run_folder(tmp_path, spec=run_spec("augmentation"), change=change)
    assert section(run_page(read_run(tmp_path)), "samples") is None


def test_augmented_images_that_differ_are_counted_with_their_greatest_difference(tmp_path):
    def change(parts):
        parts.arrays["training/images/1"][3, 5, 5] += 0.25
        parts.arrays["training/images/1"][4, 1, 1] += 0.125

    run_folder(tmp_path, spec=run_spec("augmentation"), change=change)
    page = run_page(read_run(tmp_path))
    (strips,) = section(page, "samples").blocks
    assert strips.caption.startswith("Images of the first step of the training")
    assert "2 of the 20 recorded images differ, by at most 0.25" in strips.caption.replace(
        "2.5e-01", "0.25"
    )
    assert [row.name for row in strips.rows] == ["Keras", "PyTorch", "difference × 4"]
    keras, torch, _ = strips.rows
    differing = [
        n for n, pair in enumerate(zip(keras.pngs, torch.pngs, strict=True)) if len(set(pair)) > 1
    ]
    assert differing == [3, 4]


@pytest.mark.parametrize("name", list(_BY_LEVEL))
def test_a_run_that_fails_leads_with_what_to_do(name, passing):
    failed = Level(
        name, "fail", "why", (Item("conv1.kernel", 0.5, 0.0, "abs", 3, keras=1.0, torch=1.5),)
    )
    levels = [failed if each.id == name else each for each in passing.result.levels]
    result = dataclasses.replace(passing.result, verdict="fail", levels=tuple(levels))
    page = run_page(FoundRun(None, result))
    assert page.look == "fail"
    assert page.divergences.title == "First divergence"
    (found,) = page.divergences.found
    assert name in found.place
    assert found.causes[0].fix == _BY_LEVEL[name].action
    facts = {fact.name: fact.value for fact in found.facts}
    assert (facts["Keras"], facts["PyTorch"]) == ("1.0", "1.5")
    assert facts["difference"] == "5.0e-01 (abs), allowed 0"


def test_the_failed_level_comes_first_among_the_layers_and_its_items_are_marked(tmp_path):
    run_folder(tmp_path, failing="gradient")
    first = section(run_page(read_run(tmp_path)), "layers").blocks[0]
    assert first.caption.startswith("Gradient of every parameter")
    looks = {row[0].text: row[1].look for row in first.rows}
    assert looks == {"stem.kernel": "", "conv2d.kernel": "fail"}


def test_a_level_that_only_follows_is_folded_after_those_that_fail_by_themselves():
    page = run_page(FoundRun(None, explained_run()))
    shown = section(page, "layers").blocks
    assert [block.caption.split(" (")[0] for block in shown if isinstance(block, Table)] == [
        "Output of every layer", "Gradient of every parameter",
    ]  # fmt: skip
    folded = [block.summary for block in shown if isinstance(block, Folded)]
    assert "Trajectory (trajectory)" in folded
    assert page.sentence.startswith("The two runs are different: padding 'same'")
    assert [(fact.name, fact.value) for fact in page.divergences.follows] == [
        ("trajectory", "conv.kernel, loss, val_loss"), ("schedule", "learning_rate"),
    ]  # fmt: skip


def test_a_run_that_crashed_shows_its_reason_and_its_log(tmp_path):
    error_folder(tmp_path)
    page = run_page(read_run(tmp_path))
    assert page.problems == ("the child ended with exit code 1",)
    assert "KeyError: 'conv9'" in section(page, "log").blocks[0].text


def test_a_half_written_run_shows_what_there_is(tmp_path):
    run_folder(tmp_path, has_result=False)
    (tmp_path / "torch" / "training" / "_SUCCESS").unlink()
    page = run_page(read_run(tmp_path))
    assert page.verdict == "error"
    assert len(page.problems) == 2
    assert [each.id for each in page.sections] == ["curves", "predictions", "again"]
