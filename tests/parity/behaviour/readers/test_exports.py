"""CSV exports of Weights & Biases."""

import pytest
from read_files import read, refused

WANDB = """\
"Step","brave-sun-1 - train/loss","brave-sun-1 - train/loss__MIN","brave-sun-1 - train/loss__MAX"
"0","2.0","2.0","2.0"
"1","1.0","1.0","1.0"
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "export.csv"


def test_the_bounds_of_weights_and_biases_are_left_out(path):
    assert read(path, WANDB) == {"loss": [2.0, 1.0]}


def test_several_runs_are_refused_with_their_names(path):
    message = refused(path, 'Step,a - loss,b - loss\n0,"1.0","2.0"\n')
    assert "2 runs (a, b)" in message
    assert "export one of them alone" in message


def test_two_metrics_that_differ_by_a_slash_stay_two(path):
    text = 'Step,a - train/loss,a - train_loss\n0,"1.0","2.0"\n'
    assert read(path, text) == {"train/loss": [1.0], "loss": [2.0]}
