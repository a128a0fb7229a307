"""Many results in one table."""

import dataclasses

from result_samples import passing_check

from parity.ladder.items import ROUNDINGS, Item, Level
from parity.ladder.result import Result
from parity.report.text.summary import summary_lines

RATES = {"learning_rate": [0.001, 0.001, 0.0001]}


def result(verdict, *items, scenario="dropout", seed=42):
    levels = (Level("trajectory", verdict if items else "skipped", "made for this test", items),)
    return Result(
        verdict,
        {"scenario": scenario, "seed": seed},
        levels=() if verdict == "error" else levels,
        history={"keras": RATES, "torch": RATES},
    )


def item(name, worst):
    return Item(name, worst=worst, allowed=1e-12, unit="abs", num_compared=1)


def text(lines):
    return ["".join(part for part, _ in line) for line in lines]


def test_a_row_gives_the_greatest_weight_and_loss_difference_and_the_cuts():
    found = result(
        "pass",
        item("conv1.kernel", 2e-15),
        item("dense2.bias", 3e-14),
        item("running loss", 4e-16),
        item("val_loss", 5e-16),
        item("val_accuracy", 0.25),
    )
    heading, row, counts, _ = text(summary_lines([found]))
    assert heading.split() == [
        "scenario",
        "seed",
        "verdict",
        "worst",
        "weight",
        "worst",
        "loss",
        "cuts",
    ]
    assert row.split() == ["dropout", "42", "pass", "3.0e-14", "5.0e-16", "1"]
    assert counts == "  1 pass; 1 of 1 level compared"


def test_the_few_steps_of_the_probes_are_no_difference_of_the_trainings():
    probes = [item("conv2d.kernel", 0.5), item("loss", 0.25)]
    whole = [item("conv2d.kernel", 2e-15), item("val_loss", 5e-16)]
    found = result("pass", *probes, *(dataclasses.replace(each, epoch=0) for each in whole))
    assert text(summary_lines([found]))[1].split()[3:] == ["2.0e-15", "5.0e-16", "1"]


def test_the_weights_that_a_training_ends_with_count():
    found = result("pass", item("conv2d.kernel", 2e-15), item("val_loss", 5e-16))
    ends = item("conv2d.kernel that the training ends with", 3e-14)
    epoch = dataclasses.replace(item("dense.bias that the training ends with", 2.0), unit="count")
    levels = (*found.levels, Level("schedule", "pass", "why", (ends, epoch)))
    row = text(summary_lines([dataclasses.replace(found, levels=levels)]))[1]
    assert row.split()[3:] == ["3.0e-14", "5.0e-16", "1"]


def test_how_float32_rounds_a_weight_is_no_difference_of_it():
    rounding = dataclasses.replace(item("rounding of conv1.kernel", 0.99), unit=ROUNDINGS)
    found = result("pass", item("conv1.kernel", 2e-15), item("loss", 4e-16), rounding)
    assert text(summary_lines([found]))[1].split()[3:] == ["2.0e-15", "4.0e-16", "1"]


def test_errors_and_skipped_trajectories_have_no_numbers_and_every_verdict_is_counted():
    results = [
        result("error", seed=4294967295),
        result("fail", item("conv1.kernel", 1.0), item("loss", 0.5), scenario="capacity"),
        result("fail", item("layer." * 20, 1.0), scenario="a long name of a scenario"),
        result("fail"),
    ]
    _, error, failed, long, skipped, counts, _ = text(summary_lines(results))
    assert error.split() == ["dropout", "4294967295", "error"]
    assert failed.split() == ["capacity", "42", "fail", "trajectory:", "conv1.kernel"]
    assert "..." in long
    assert skipped.split() == ["dropout", "42", "fail", "skipped"]
    assert counts == "  1 error, 3 fail; 2 of 3 levels compared"
    assert all(len(line) <= 80 for line in (error, failed, long, skipped))


def test_a_check_has_no_losses_of_epochs_and_no_cuts():
    found = passing_check()
    trajectory = Level("trajectory", "pass", "made for this test", (item("conv.kernel", 1e-15),))
    found = dataclasses.replace(found, levels=(*found.levels, trajectory))
    _, first, second, *_ = text(summary_lines([found, passing_check()]))
    assert first.split() == ["model.py:build", "0", "pass", "1.0e-15", "-", "-"]
    assert second.split() == ["model.py:build", "0", "pass"]
