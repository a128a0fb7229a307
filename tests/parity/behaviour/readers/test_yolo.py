"""results.csv of YOLO."""

from parity.behaviour.readers.history import read_with_notes

DETECTOR = """\
   epoch,  train/box_loss, train/cls_loss, metrics/mAP50(B), val/box_loss, val/cls_loss, lr/pg0
       1,             1.5,            2.0,              0.5,          1.0,          2.0,    0.1
       2,             1.0,            1.0,             0.75,          0.5,          1.0,   0.01
"""
CLASSIFIER = """\
epoch,time,train/loss,metrics/accuracy_top1,metrics/accuracy_top5,val/loss,lr/pg0,lr/pg1
1,73.9,0.5,0.25,1,0.75,0.1,0.1
2,121.3,0.25,0.5,1,0.5,0.01,0.01
"""


def read(tmp_path, text):
    path = tmp_path / "results.csv"
    path.write_text(text)
    return read_with_notes(path)


def test_the_loss_of_a_detector_is_the_sum_of_its_parts(tmp_path):
    reading = read(tmp_path, DETECTOR)
    assert reading.history == {
        "loss": [3.5, 2.0],
        "val_loss": [3.0, 1.5],
        "metrics/mAP50(B)": [0.5, 0.75],
        "learning_rate": [0.1, 0.01],
    }
    assert reading.notes == (
        "loss is the sum of train/box_loss, train/cls_loss",
        "val_loss is the sum of val/box_loss, val/cls_loss",
        "not used for the verdict: metrics/mAP50(B)",
    )


def test_a_classifier_has_one_loss_and_the_accuracy_of_validation(tmp_path):
    reading = read(tmp_path, CLASSIFIER)
    assert {name: reading.history[name] for name in ("loss", "val_loss", "val_accuracy")} == {
        "loss": [0.5, 0.25],
        "val_loss": [0.75, 0.5],
        "val_accuracy": [0.25, 0.5],
    }
    assert reading.notes == ("not used for the verdict: metrics/accuracy_top5, lr/pg1",)
