"""CSV exports of MLflow and of Weights & Biases."""

import pytest
from helpers import refusal

from parity.behaviour.readers.history import read_history

MLFLOW = """\
run_id,key,value,step,timestamp
a1,loss,2.0,0,1700000000
a1,val_loss,2.5,0,1700000001
a1,loss,1.0,1,1700000002
a1,val_loss,1.5,1,1700000003
"""
WANDB = """\
"Step","brave-sun-1 - train/loss","brave-sun-1 - train/loss__MIN","brave-sun-1 - train/loss__MAX"
"0","2.0","2.0","2.0"
"1","1.0","1.0","1.0"
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "export.csv"


def test_the_values_of_mlflow_become_columns(path):
    path.write_text(MLFLOW)
    assert read_history(path) == {"loss": [2.0, 1.0], "val_loss": [2.5, 1.5]}


def test_the_bounds_of_weights_and_biases_are_left_out(path):
    path.write_text(WANDB)
    assert read_history(path) == {"loss": [2.0, 1.0]}


@pytest.mark.parametrize(
    "text",
    [MLFLOW + "b2,loss,3.0,0,1700000004\n", 'Step,a - loss,b - loss\n0,"1.0","2.0"\n'],
    ids=["mlflow", "wandb"],
)
def test_several_runs_are_refused_with_their_names(path, text):
    path.write_text(text)
    message = refusal(read_history, path)
    assert "2 runs (a" in message
    assert "export one of them alone" in message


@pytest.mark.parametrize("row", ["a1,loss,high,2,0\n", "a1,loss,1.0,,0\n"])
def test_what_is_no_number_is_refused(path, row):
    path.write_text(MLFLOW + row)
    assert "expected a number as step and as value" in refusal(read_history, path)


def test_two_metrics_that_differ_by_a_slash_stay_two(path):
    path.write_text('Step,a - train/loss,a - train_loss\n0,"1.0","2.0"\n')
    assert read_history(path) == {"train/loss": [1.0], "loss": [2.0]}
