"""Rows of steps and epochs apart, put together to a row per epoch."""

from read_files import read, reading

from parity.behaviour.readers.tables import by_group

LIGHTNING = """\
epoch,lr-SGD,step,train_acc_epoch,train_acc_step,train_loss,val_acc,val_loss
,0.1,1,,,,,
0,,1,,0.5,2.0,,
0,,3,,0.75,1.0,,
0,,3,,,,0.5,1.25
0,,3,0.625,,,,
,0.01,5,,,,,
1,,5,,1.0,0.5,,
1,,7,,,,0.75,0.75
1,,7,0.875,,,,
2,,7,,,,0.25,9.0
"""


def test_the_rows_of_lightning_become_one_row_per_epoch(tmp_path):
    found = reading(tmp_path / "metrics.csv", LIGHTNING)
    assert found.history == {
        "learning_rate": [0.1, 0.01],
        "accuracy": [0.625, 0.875],
        "loss": [1.5, 0.5],
        "val_accuracy": [0.5, 0.75],
        "val_loss": [1.25, 0.75],
    }
    assert found.notes == (
        "the mean of what was logged in one epoch: train_loss",
        "1 rows without a training loss are left out",
    )


def test_a_table_whose_rows_are_epochs_stays_as_it_is(tmp_path):
    text = "epoch,step,loss\n0,10,2.0\n1,20,1.0\n"
    assert read(tmp_path / "log.csv", text) == {"loss": [2.0, 1.0]}


def test_a_rate_keeps_its_last_value_and_a_loss_becomes_its_mean():
    found = by_group([{"lr": 0.1, "loss": 3.0}, {"lr": 0.2, "loss": 1.0}], [1, 1], "epoch")
    assert found.columns == {"learning_rate": [0.2], "loss": [2.0]}
    assert found.notes == ("the mean of what was logged in one epoch: loss",)
