"""What becomes of every argument of a Keras program: compared, without effect, or left out.

Each name of Keras's own signatures stands here once, with its row. What a program uses, by another
value than Keras's default, and nothing compares, a result lists under `not_compared`. A test holds
the tables against Keras itself, so that an argument of a new release cannot be silent.
"""

from __future__ import annotations

from dataclasses import dataclass

COMPARED, FED, NO_EFFECT, LEFT_OUT = "compared", "fed", "no effect", "left out"
NO_EPOCHS = "a check makes no epochs; `parity run` trains both halves with it"
UNKNOWN_BATCHES = (
    "no batch can be looked at before the training; `parity run` trains both halves with them"
)
CUSTOM_CALLBACK = (
    "code of your own, for which no rule is known here; a port needs its counterpart where it "
    "changes weights, rates or the number of epochs, and a run shows that in the numbers alone"
)


@dataclass(frozen=True)
class Row:
    """What becomes of one argument.

    Attributes:
        kind: COMPARED; FED, the same to both halves of a run; NO_EFFECT; or LEFT_OUT.
        why: levels that compare it, or the reason.
        most: the largest value that is compared; None: any.
    """

    kind: str
    why: str
    most: int | None = None


def _compared(levels: str, most: int | None = None) -> Row:
    return Row(COMPARED, levels, most)


def _no_effect(why: str) -> Row:
    return Row(NO_EFFECT, why)


def _left_out(why: str) -> Row:
    return Row(LEFT_OUT, why)


def _each(names: str, row: Row) -> dict[str, Row]:
    return dict.fromkeys(names.split(), row)


_FED = Row(FED, NO_EPOCHS)
_TEXT = _no_effect("it is text, or says how much of it is shown")

COMPILE = {
    **_each("optimizer", _compared("optimizer, trajectory")),
    **_each("loss loss_weights", _compared("loss, gradient")),
    **_each("metrics weighted_metrics", _compared("metrics")),
    **_each("run_eagerly", _no_effect("the same operations, compiled or not")),
    **_each("steps_per_execution", _no_effect("the same steps, several in one call")),
    "jit_compile": _left_out(
        "XLA rounds and draws in other ways than the operations one by one, which are compared"
    ),
    "auto_scale_loss": _no_effect(
        "a check computes in float64, where no gradient has to be scaled; a scale is listed"
    ),
}
FIT = {
    **_each("x y batch_size", _compared("data, trajectory")),
    **_each("epochs", _no_effect("how long it trains; no single step depends on it")),
    **_each("verbose", _TEXT),
    **_each("callbacks", _compared("schedule; see CALLBACKS")),
    **_each("class_weight sample_weight", _compared("loss, gradient, trajectory")),
    **_each("validation_split validation_data validation_steps validation_batch_size", _FED),
    **_each("validation_freq shuffle initial_epoch steps_per_epoch", _FED),
}
# Of all optimizers; the probe makes 12 steps, 7 of them before its cut of the rate.
OPTIMIZER = {
    **_each("learning_rate", _compared("optimizer, schedule")),
    **_each("name", _TEXT),
    **_each("weight_decay clipnorm clipvalue global_clipnorm", _compared("optimizer")),
    **_each("use_ema ema_momentum", _compared("optimizer")),
    "ema_overwrite_frequency": _compared("optimizer", most=7),
    "gradient_accumulation_steps": _compared("optimizer", most=7),
    "loss_scale_factor": _no_effect("gradients are divided by what the loss is multiplied by"),
    # Of single ones.
    **_each(
        "rho epsilon momentum nesterov centered amsgrad beta_1 beta_2 beta", _compared("optimizer")
    ),
    **_each(
        "beta_2_decay epsilon_1 epsilon_2 clip_threshold relative_step", _compared("optimizer")
    ),
    **_each("initial_accumulator_value learning_rate_power", _compared("optimizer")),
    **_each("l1_regularization_strength l2_regularization_strength", _compared("optimizer")),
    **_each("l2_shrinkage_regularization_strength adam_beta_1 adam_beta_2", _compared("optimizer")),
    **_each(
        "adam_weight_decay adam_lr_ratio exclude_layers exclude_embeddings", _compared("optimizer")
    ),
    **_each("muon_a muon_b muon_c ns_steps rms_rate", _compared("optimizer")),
    "warmup_steps": _compared("optimizer", most=7),
    **_each("optimizer_map default_optimizer", _compared("optimizer")),
    **_each("inner_optimizer", _compared("optimizer")),
    **_each("initial_scale dynamic_growth_steps", COMPILE["auto_scale_loss"]),
}
LAYER = {
    **_each("activity_regularizer", _compared("loss, gradient")),
    **_each("trainable", _compared("gradient, optimizer")),
    **_each("dtype autocast", _left_out("a check computes in float64 by the layer's equations")),
    **_each("name", _TEXT),
}
_WRITES = _no_effect("it writes files or shows numbers, and changes none")
_RULE = _compared("schedule")
_IN_EPOCHS = _left_out(
    "it acts in whole trainings, and a check makes none; no rule of a port is known"
)
CALLBACKS = {
    **_each("ReduceLROnPlateau EarlyStopping LearningRateScheduler", _RULE),
    **_each("CSVLogger History ModelCheckpoint OrbaxCheckpoint ProgbarLogger", _WRITES),
    **_each("RemoteMonitor TensorBoard Callback CallbackList", _WRITES),
    **_each("BackupAndRestore", _no_effect("it goes on with a training that was interrupted")),
    **_each("SwapEMAWeights TerminateOnNaN LambdaCallback", _IN_EPOCHS),
}
# Of the callbacks with a rule; those without one have no argument that changes a number.
CALLBACK_ARGUMENTS = {
    **_each("monitor factor patience mode min_delta cooldown min_lr", _RULE),
    **_each("baseline restore_best_weights start_from_epoch schedule", _RULE),
    **_each("verbose", _TEXT),
}
# Functions of keras.config and keras.distribution that set something, without "set_" or "enable_".
SURROUNDINGS = {
    **_each("backend", _no_effect("another one than TensorFlow is refused")),
    **_each("floatx dtype_policy", LAYER["dtype"]),
    **_each("epsilon", _compared("loss, forward")),
    **_each("image_data_format", _compared("forward")),
    **_each("flash_attention", _no_effect("the same sums in another order")),
    **_each("interactive_logging traceback_filtering", _TEXT),
    **_each("unsafe_deserialization", _no_effect("which files may be loaded")),
    **_each(
        "max_epochs max_steps_per_epoch", _no_effect("a run that they would shorten is refused")
    ),
    **_each("distribution", _left_out("one device computes, whatever is asked for")),
}
# Methods of a model that a class of the user's may have in the place of Keras's.
METHODS = {
    "train_step": _compared(
        "loss, gradient, trajectory, if the port gives its own; else incomplete"
    ),
    "compute_loss": _compared("loss, gradient, if the port gives a loss; else incomplete"),
    "make_train_function": _compared("trajectory, in a run alone: a check is incomplete"),
    "test_step": _left_out("a check validates nothing; `parity run` compares what it returns"),
    "compute_metrics": _left_out(
        "a check compares the metrics of `compile`; `parity run` compares what it returns"
    ),
    "predict_step": _no_effect("no training calls it"),
    "make_test_function": _left_out("a check validates nothing; `parity run` does"),
    "make_predict_function": _no_effect("no training calls it"),
}
