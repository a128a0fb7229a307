"""Ports of the corpus with loops of their own: right ones pass, mistakes are found and told."""

import pytest
from corpus_cases import FOLDER, read
from made_once import folder_of, locked
from programs_here import keras_half, result_of

from parity.programs.program_spec import ProgramSpec


@pytest.fixture
def found(tmp_path_factory, tmp_path):
    """Returns the result of a port of a case; Keras trains each program once."""

    def compare(name, port, dtype="float32"):
        case = read(FOLDER / "loops" / f"{name}.md")
        root = folder_of(tmp_path_factory, "case", {"name": name})
        with locked(root):
            if not (root / case.key).exists():
                case.write(root)
        (torch,) = (case.torch(each) for each in case.ports if each.name == port)
        spec = ProgramSpec(keras=case.reference, torch=torch, folder=str(root), dtype=dtype)
        return result_of(spec, tmp_path / port, keras_half(tmp_path_factory, spec))

    return compare


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "name", ["conv_bn_adam", "accumulate_4", "ema", "frozen_smoothing", "cut_with_momentum"]
)
def test_a_right_loop_passes(found, name, dtype):
    result = found(name, "other" if name == "frozen_smoothing" else "right", dtype)
    assert (result.verdict, result.incomplete) == ("pass", ()), result.first


@pytest.mark.parametrize(
    ("name", "port", "item", "step", "cause"),
    [
        ("conv_bn_adam", "train_forgotten_after_check", "train mode", 12, "C7"),
        ("sgd_plain", "batch_twice", "batch of the step", 20, "I4"),
        ("own_sgd_exp_decay", "two_steps", "steps of the optimizer for the batch", 6, "I4"),
        ("closure", "statistics_twice_late", "passes in train mode for the batch", 18, "I4"),
        ("ema", "not_applied", "weights that the training ends with", 21, "F14"),
        ("cut_with_momentum", "never_cut", "learning_rate", 13, "G12"),
        # In front of a step, counted from 0.
        ("ema", "applied_every_epoch", "weights and slots changed between two steps", 7, "I4"),
        ("ema", "decay", "average of dense_1.bias", 2, "F14"),
        ("accumulate_4", "left_over_cleared", "batch_normalization.beta", 8, "I4"),
    ],
)
def test_a_mistake_is_found_where_it_is_made(found, name, port, item, step, cause):
    result = found(name, port)
    first = result.first
    assert (result.verdict, first.item.name, first.item.step) == ("fail", item, step)
    assert first.causes[0]["id"] == cause


def test_a_momentum_that_a_cut_of_the_rate_scales_at_once_is_another_training(found):
    result = found("cut_with_momentum", "momentum_of_torch")
    assert (result.verdict, result.first.level) == ("fail", "optimizer")
    assert result.first.causes[0]["id"] == "F5"
