"""The rates of a program are written of a model of its own, which is built where they change."""

import keras
import pytest
from rows import each_row

from keras_impl.reference import Reference
from parity.halves.keras.check.facts import write_schedule
from parity.programs.check_spec import CheckSpec
from parity.traces.trace import TraceWriter

SPEC = CheckSpec(keras="here:build", torch="here:build")
_DECAY = keras.optimizers.schedules.ExponentialDecay


def _reference(rate=0.1, callbacks=()):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(rate), "mse")
    return Reference(model, callbacks=callbacks)


def _written(make):
    """What is written, and how many models were built for it."""
    before, built, writer = make(), [], TraceWriter()
    # Steps that were made before change the rate of that model.
    before.model.optimizer.iterations.assign(7)
    if not callable(getattr(before.model.optimizer, "_learning_rate", None)):
        before.model.optimizer.learning_rate = 0.05

    def factory():
        built.append(make())
        return built[-1]

    write_schedule(SPEC, factory, before, writer)
    return writer, len(built)


def test_a_rate_that_stays_needs_no_other_model():
    writer, num_built = _written(_reference)
    assert num_built == 0
    assert writer.facts["schedule"] == {"kind": None, "callbacks": [], "not_compared": []}
    assert writer.arrays == {}


class Own(keras.callbacks.Callback):
    """May change numbers, as any callback of the user's."""


@each_row("callback", ["known", "of the user"])
def test_callbacks_begin_with_the_rate_of_a_new_model(callback):
    is_known = callback == "known"
    kind = keras.callbacks.ReduceLROnPlateau if is_known else Own
    writer, num_built = _written(lambda: _reference(callbacks=[kind()]))
    assert num_built == 1
    facts = writer.facts["schedule"]
    assert facts["not_compared"] == ([] if is_known else ["Own"])
    assert len(facts["callbacks"]) == int(is_known)
    assert ("schedule/epochs" in writer.arrays) == is_known
    if is_known:
        assert writer.arrays["schedule/epochs"][0] == pytest.approx(0.1, rel=1e-6)


def test_what_a_schedule_of_the_users_gives_without_rounding_is_not_known():
    class Own(keras.optimizers.schedules.LearningRateSchedule):
        def __call__(self, step):
            return 0.1 / (1.0 + step)

        def get_config(self):
            return {}

    for schedule, is_known in ((Own(), False), (_DECAY(0.1, 1, 0.5), True)):
        writer, _ = _written(lambda schedule=schedule: _reference(schedule))
        assert writer.facts["schedule"]["exact_known"] is is_known


def test_a_schedule_is_that_of_a_new_model():
    writer, num_built = _written(lambda: _reference(_DECAY(0.1, 1, 0.5)))
    assert num_built == 1
    assert writer.facts["schedule"]["kind"] == "ExponentialDecay"
    # Of steps from 0 on.
    assert writer.arrays["schedule/steps"][:2] == pytest.approx([0.1, 0.05], rel=1e-6)
