"""Functions of LearningRateScheduler in train.py."""

from dataclasses import replace

from parity.ports.custom.rules import rate_text, with_custom_rates
from parity.ports.form import Parameter
from parity.ports.train_text import written
from torch_impl.keras_config.compiled import Compiled, planned

TOLD = {
    "name": "warmed",
    "parameters": [["epoch", None], ["lr", None], ["power", "2"]],
    "body": "if epoch < warm:\n    return lr\nreturn lr / power",
    "values": {"warm": "5"},
    "source": {"file": "app.py", "line": 7},
}


def test_a_function_has_its_numbers_in_front_of_its_code():
    assert rate_text("warmed", TOLD).splitlines() == [
        "def warmed(epoch: int, lr: float, power=2) -> float:",
        "    # The code of the Keras program in app.py, line 7.",
        "    warm = 5",
        "    if epoch < warm:",
        "        return lr",
        "    return lr / power",
    ]


def test_each_callback_gets_its_function_under_a_name_that_is_free():
    callbacks = [("LearningRateScheduler", {}), ("EarlyStopping", {"monitor": "loss"})]
    compiled = Compiled(callbacks=[*callbacks, callbacks[0], callbacks[0]])
    made, texts = with_custom_rates(compiled, {"own": {"rates": [TOLD, None, TOLD]}}, ["warmed"])
    training = planned(made)
    assert [written(plan.on(Parameter("optimizer"))) for plan in training.schedulers] == [
        "schedule.LearningRateScheduler(optimizer, warmed2)",
        "schedule.LearningRateScheduler(optimizer, warmed3)",
    ]
    assert [text.partition("(")[0] for text in texts] == ["def warmed2", "def warmed3"]
    assert [why for _, why in training.problems] == [
        "the callback LearningRateScheduler: its function is code of the program"
    ]
    same, texts = with_custom_rates(compiled, {}, [])
    assert (same, texts) == (replace(compiled, callbacks=list(compiled.callbacks)), [])
