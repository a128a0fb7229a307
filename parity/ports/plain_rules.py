"""Rules of a training in plain torch: losses, optimizers, initial weights, constraints."""

from __future__ import annotations

import ast
import inspect
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import nn

from parity.ports.fit_text import all_names, names_of_epoch, without_watched
from parity.ports.form import (
    Parameter,
    arguments,
    defaults_of,
    literal,
    readable,
    short_number,
    without_defaults,
)
from parity.ports.plain import Place, arguments_of, places_of
from parity.ports.train_text import written
from parity.ports.weights import Draw
from parity.ports.wrapping import with_texts, wrapped
from torch_impl import constraints, initializers, metrics
from torch_impl.initial_weights import with_axes
from torch_impl.initializers import Initializer, UnitForgetBias, VarianceScaling
from torch_impl.initializers.draws import compute_fans
from torch_impl.keras_config.compiled import Training
from torch_impl.keras_config.planned import Planned
from torch_impl.layouts import joined_parameters
from torch_impl.plain import callbacks, losses, optimizers, schedules
from torch_impl.weights import variable_of

# --- Constraints of the weights of a written module as source in plain torch ----------------------


def constraint_lines(
    rules: Mapping[str, str], full: nn.Module, plain: nn.Module, left_out: list[str]
) -> list[str]:
    """Returns the statement that constrains weights after each step of `optimizer`.

    Args:
        rules: name of a module and Keras's of a weight -> source of its constraint in `torch_impl`.
        full: the module with the parts of `torch_impl`.
        plain: the same without them.
        left_out: gets a sentence for each constraint that has no plain form.
    """
    trained = {name for name, weight in plain.named_parameters() if weight.requires_grad}
    pairs: list[str] = []
    for name, text in rules.items():
        variable = variable_of(full, name)
        shape = tuple(variable.to_keras(variable.tensors).shape)
        try:
            places = places_of(full, plain, {name: variable})[name]
            made = [(p.name, _text(text, p, shape)) for p in places if p.name in trained]
        except ValueError:
            left_out.append(f"{text} of {name!r}: it has no plain form")
            continue
        pairs += [f'(model.get_parameter("{path}"), {rule})' for path, rule in made]
    return wrapped(f"    rules.constrain(optimizer, [{', '.join(pairs)}])") if pairs else []


def _text(text: str, place: Place, shape: tuple[int, ...]) -> str:
    """Returns the source of a constraint of a parameter.

    Args:
        text: the call that makes it, in `torch_impl`.
        place: of the parameter in Keras's weight.
        shape: of that weight.

    Raises:
        ValueError: it has no plain form, or its axes are none of the parameter.
    """
    call = ast.parse(text, mode="eval").body
    if not isinstance(call, ast.Call) or not text.startswith("constraints."):
        raise ValueError(f"{text} has no plain form")
    kind = text.removeprefix("constraints.").partition("(")[0]
    given = inspect.signature(getattr(constraints, kind)).bind(
        *map(ast.literal_eval, call.args),
        **{str(each.arg): ast.literal_eval(each.value) for each in call.keywords},
    )
    given.apply_defaults()
    settings = given.arguments
    if kind == "NonNeg":
        return "rules.non_negative"
    axes = literal(_axes(settings["axis"], place, shape))
    if kind == "UnitNorm":
        return f"rules.unit_norm({axes})"
    if kind == "MaxNorm":
        return f"rules.max_norm({literal(settings['max_value'])}, {axes})"
    numbers = [literal(settings[name]) for name in ("min_value", "max_value", "rate")]
    return f"rules.min_max_norm({', '.join(numbers)}, {axes})"


def _axes(axes: int | Sequence[int], place: Place, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Returns the axes of a parameter for those of Keras's weight."""
    if place.row is not None or place.shape != tuple(shape[axis] for axis in place.axes):
        raise ValueError(f"{place.name} has other axes than Keras's weight")
    wanted: Any = [axes] if isinstance(axes, int) else axes
    of_keras = {axis % len(shape) for axis in wanted}
    return tuple(at for at, axis in enumerate(place.axes) if axis in of_keras)


# --- Initial weights and penalties of a written module as source in plain torch -------------------


def initial_lines(
    full: nn.Module, plain: nn.Module, draws: Sequence[Draw], left_out: list[str]
) -> list[str]:
    """Returns the statements that draw the initial weights of `model`.

    Args:
        full: the module with the parts of `torch_impl`.
        plain: the same without them.
        draws: of the first one.
        left_out: gets a sentence for each initialiser that has no plain form.
    """
    trained = {name: p for name, p in plain.named_parameters() if p.requires_grad}
    names = {id(module): name for name, module in full.named_modules()}
    by_text: dict[str, list[str]] = {}
    for draw in draws:
        if draw.initializer is None:
            continue
        variable = variable_of(full, draw.name)
        before = names[id(variable.module)]
        attributes = [f"{before}.{a}" if before else a for a in variable.attributes]
        shape = tuple(variable.to_keras(variable.tensors).shape)
        if attributes[0] not in trained:
            continue
        tensor = tuple(trained[attributes[0]].shape)
        try:
            text = _text_of_plain_initial(
                with_axes(draw.initializer, variable.module), shape, tensor
            )
        except ValueError as error:
            left_out.append(f"the initialiser of {draw.name!r}: {error}")
            continue
        by_text.setdefault(text, []).extend(name for name in attributes if name in trained)
    lines: list[str] = []
    for text, found in by_text.items():
        if len(found) == 1:
            weight = f'model.get_parameter("{found[0]}")'
            lines += wrapped(f"    {text.replace('{}', weight)}")
        elif found:
            inner = ", ".join(f'"{name}"' for name in found)
            head = wrapped(f"    for name in ({inner})", behind=1)
            lines += [*head[:-1], f"{head[-1]}:"]
            lines += wrapped(f"        {text.replace('{}', 'model.get_parameter(name)')}")
    return lines


def joined_biases(full: nn.Module, plain: nn.Module) -> list[str]:
    """Returns the modules of a plain network whose two biases are one variable in Keras.

    Args:
        full: the module with the parts of `torch_impl`.
        plain: the same without them.
    """
    trained = {name for name, p in plain.named_parameters() if p.requires_grad}
    names = {id(parameter): name for name, parameter in full.named_parameters()}
    sets = [[names[id(parameter)] for parameter in each] for each in joined_parameters(full)]
    return [each[0].rpartition(".")[0] for each in sets if trained.issuperset(each)]


def _text_of_plain_initial(
    initializer: Initializer, shape: Sequence[int], tensor: Sequence[int]
) -> str:
    """Returns the statement that fills a weight, "{}".

    Args:
        initializer: of Keras.
        shape: of the weight in Keras's layout.
        tensor: its shape in torch.
    """
    kind = type(initializer).__name__
    given: Any = initializer
    if kind == "Zeros":
        return "nn.init.zeros_({})"
    if kind == "Ones":
        return "nn.init.ones_({})"
    if kind == "Constant" and not isinstance(given.value, tuple):
        return f"nn.init.constant_({{}}, {arguments(given.value)})"
    if kind == "RandomUniform":
        return f"nn.init.uniform_({{}}, {arguments(given.minval, given.maxval)})"
    if kind == "RandomNormal":
        return f"nn.init.normal_({{}}, {arguments(given.mean, given.stddev)})"
    if kind == "TruncatedNormal":
        return f"rules.truncated_normal_({{}}, {arguments(given.mean, given.stddev)})"
    if isinstance(initializer, UnitForgetBias) and initializer.bias == initializers.Zeros():
        return "rules.forget_ones_({})"
    if kind == "Orthogonal" and (len(shape) == 2 or tensor[0] == shape[-1]):
        gain = "" if given.gain == 1 else f", {given.gain}"
        return f"nn.init.orthogonal_({{}}{gain})"
    if isinstance(initializer, VarianceScaling):
        return _scaled(initializer, shape, tensor)
    raise ValueError(f"{kind}{' of an array' if kind == 'Constant' else ''} has no plain form")


def _scaled(initializer: VarianceScaling, shape: Sequence[int], tensor: Sequence[int]) -> str:
    axes = initializer.input_axes, initializer.output_axes
    fan_in, fan_out = compute_fans(shape, *axes)
    of_torch: tuple[int, ...] = ()
    if len(tensor) > 1:
        field = math.prod(tensor[2:])
        of_torch = (tensor[1] * field, tensor[0] * field)
    is_glorot = (initializer.scale, initializer.mode) == (1.0, "fan_avg")
    if is_glorot and initializer.distribution == "uniform" and (fan_in, fan_out) == of_torch:
        return "nn.init.xavier_uniform_({})"
    scale = initializer.scale
    if initializer.mode == "fan_avg":  # scale / ((inputs + outputs) / 2)
        variance = f"{short_number(2 * scale)} / ({fan_in} + {fan_out})"
    else:
        fan = max(1, {"fan_in": fan_in, "fan_out": fan_out}[initializer.mode])
        variance = f"{short_number(scale)} / {short_number(fan)}"
    if initializer.distribution == "untruncated_normal":
        return f"nn.init.normal_({{}}, 0.0, ({variance}) ** 0.5)"
    name = "uniform" if initializer.distribution == "uniform" else "normal"
    return f"rules.scaled_{name}_({{}}, {variance})"


def penalty_lines(penalties: Mapping[str, str], plain: nn.Module, left_out: list[str]) -> list[str]:
    """Returns the function `penalty` of a model; nothing if it has none.

    Args:
        penalties: name of a parameter -> source of its regulariser in `torch_impl`.
        plain: the module.
        left_out: gets a sentence for each regulariser that has no plain form.
    """
    known = {name for name, _ in plain.named_parameters()}
    by_text: dict[str, list[str]] = {}
    for name, text in penalties.items():
        kind, _, rest = text.removeprefix("regularizers.").partition("(")
        factors = [part.partition("=")[2] or part for part in rest[:-1].split(", ")]
        is_keras = text.startswith("regularizers.")  # the user's own may have such a name, too
        rule = {"L1": "l1", "L2": "l2", "L1L2": "l1_l2"}.get(kind) if is_keras else None
        if name not in known or rule is None:
            left_out.append(f"the regulariser {kind} of {name!r}: it has no plain form")
            continue
        default = "0.0" if kind == "L1L2" else "0.01"
        values = [factor or default for factor in factors]
        if kind == "L1L2":
            pairs = dict(part.split("=") for part in rest[:-1].split(", ") if "=" in part)
            values = [pairs.get(key, default) for key in ("l1", "l2")]
        by_text.setdefault(f"rules.{rule}({', '.join(values)})", []).append(name)
    if not by_text:
        return []
    lines = [
        "def penalty(model: nn.Module) -> torch.Tensor:",
        '    """Returns the regularisers of the weights, which are part of the loss."""',
    ]
    terms = [
        f'{text}(model.get_parameter("{name}"))'
        for text, names in by_text.items()
        for name in names
    ]
    if len(terms) == 1:
        return [*lines, *wrapped(f"    return {terms[0]}")]
    for number, term in enumerate(terms):
        lines += wrapped(f"    total = {'total + ' if number else ''}{term}")
    return [*lines, "    return total"]


# --- Rules of a training as source in plain torch: losses, optimizers, schedules, metrics ---------


_HOMES = {"losses": losses, "optim": optimizers, "schedule": schedules}
_CALL = re.compile(rf"\b({'|'.join(_HOMES)})\.(\w+)\(")
_CLIPS = {
    "clipnorm": "clip_norm",
    "clipvalue": "clip_value",
    "global_clipnorm": "clip_global_norm",
}
_ACTS_ON = {"ReduceLROnPlateau": "optimizer", "EarlyStopping": "model"}
_REDUCTIONS = ("sum_over_batch_size", "sum")
_STOCK_SGD = re.compile(r"optim\.SGD\(model\.parameters\(\), learning_rate=([\d.e-]+)\)")


def as_rule(text: str) -> str:
    """Returns source with the losses, optimizers and schedules of `torch_impl` in plain torch.

    Raises:
        ValueError: one of them has no plain form.
    """
    stock = _STOCK_SGD.fullmatch(text)
    if stock is not None:  # torch computes the same
        return f"torch.optim.SGD(model.parameters(), lr={stock[1]})"
    for setting, name in _CLIPS.items():
        text = _replaced(text, rf"\b{setting}=([\d.e-]+)", rf"clip=rules.{name}(\1)")
    for call in ast.walk(ast.parse(text, mode="eval")):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute):
            home = getattr(call.func.value, "id", "")
            if home in _HOMES:
                _check(getattr(_HOMES[home], call.func.attr, None), call)
    return _replaced(text, _CALL, r"rules.\2(")


def _replaced(text: str, pattern: str | re.Pattern[str], by: str) -> str:
    """Returns source with something else in the place of code, and not of texts."""
    return with_texts(text, lambda code: [re.sub(pattern, by, code)])[0]


def _check(part: Any, call: ast.Call) -> None:
    assert isinstance(call.func, ast.Attribute)
    if part is None:
        raise ValueError(f"{call.func.attr} has no plain form")
    for each in call.keywords:
        value = ast.unparse(each.value)
        is_known = each.arg in arguments_of(part)
        if not is_known or (each.arg == "reduction" and ast.literal_eval(value) not in _REDUCTIONS):
            raise ValueError(f"{call.func.attr} with {each.arg}={value} has no plain form")


def callback(plan: Planned) -> str:
    """Returns the source of a callback that watches a metric.

    Args:
        plan: of a rule of `torch_impl.schedule`, without what it acts on.

    Raises:
        ValueError: it has no plain form, or the name of the metric does not say whether more is
            better.
    """
    kind = plan.kind.__name__
    of = _ACTS_ON.get(kind)
    if of is None:
        raise ValueError(f"the callback {kind}: it has no plain form")
    part: Any = getattr(callbacks, kind)
    accepted = {key: value for key, value in plan.settings.items() if key in arguments_of(part)}
    if accepted.get("mode", "auto") == "auto":
        try:
            is_less = _is_less_better(str(accepted.get("monitor", "val_loss")))
        except ValueError as error:
            raise ValueError(f"the callback {kind}: {error}") from None
        accepted["mode"] = "min" if is_less else "max"
    short = without_defaults(Planned(part, **accepted))
    settings = {
        key: Parameter(readable(each)) if isinstance(each, float) else each
        for key, each in short.settings.items()
    }
    given = arguments(*short.arguments, **settings)
    return f"rules.{kind}({', '.join(filter(None, [of, given]))})"


def _is_less_better(monitor: str) -> bool:
    from torch_impl.schedule.callbacks import Monitor

    return Monitor(monitor, "auto", 0.0).is_better(0.0, 1.0)


def metric(plan: str | Planned) -> str:
    """Returns the source of a metric of `compile(metrics=...)`.

    Args:
        plan: its name, or its plan.

    Raises:
        ValueError: it has no plain form.
    """
    if isinstance(plan, str) and plan.lower() in ("accuracy", "acc"):
        return f"rules.Average({literal(plan)}, rules.accuracy)"
    if isinstance(plan, str):
        kind, name, settings = type(metrics.from_config(plan)), plan, {}
    else:
        made = plan.build()
        kind, name = type(made), made.name
        defaults = defaults_of(Planned(kind))
        settings = {
            key: each
            for key, each in _settings_of(plan).items()
            if key in defaults and key not in ("name", "dtype") and each != defaults[key]
        }
    shown = f"the metric {name!r}: {kind.__name__}"
    row = _METRICS.get(kind.__name__)
    if row is None:
        raise ValueError(f"{shown} has no plain form")
    function, known = row
    unknown = sorted(set(settings) - set(known))
    if unknown:
        raise ValueError(f"{shown} with {', '.join(unknown)} has no plain form")
    return function(literal(name), kind.__name__, settings)


def _settings_of(plan: Planned) -> Mapping[str, Any]:
    """Returns the settings of a metric, also of one that is made of a config."""
    if plan.kind is not metrics.from_config:
        return plan.settings
    settings = plan.arguments[0]["config"]
    return settings if isinstance(settings, Mapping) else {}


_Row = tuple[Callable[[str, str, Mapping[str, Any]], str], Sequence[str]]


def _of_function(function: str) -> _Row:
    return lambda name, kind, settings: f"rules.Average({name}, rules.{function})", ()


def _of_top_k(function: str) -> _Row:
    def row(name: str, kind: str, settings: Mapping[str, Any]) -> str:
        return f"rules.Average({name}, rules.{function}({literal(settings.get('k', 5))}))"

    return row, ("k",)


def _of_loss(loss: str, *known: str) -> _Row:
    def row(name: str, kind: str, settings: Mapping[str, Any]) -> str:
        return f"rules.Average({name}, rules.{loss}({arguments(**settings)}).per_sample)"

    return row, known


def _of_class(*known: str) -> _Row:
    def row(name: str, kind: str, settings: Mapping[str, Any]) -> str:
        given = ", ".join(filter(None, [name, arguments(**settings)]))
        return f"rules.{kind}({given})"

    return row, known


_METRICS: dict[str, _Row] = {
    "BinaryAccuracy": _of_function("binary_accuracy"),
    "CategoricalAccuracy": _of_function("categorical_accuracy"),
    "SparseCategoricalAccuracy": _of_function("sparse_categorical_accuracy"),
    "TopKCategoricalAccuracy": _of_top_k("top_k_categorical_accuracy"),
    "SparseTopKCategoricalAccuracy": _of_top_k("sparse_top_k_categorical_accuracy"),
    "MeanSquaredError": _of_loss("MeanSquaredError"),
    "MeanAbsoluteError": _of_loss("MeanAbsoluteError"),
    "MeanAbsolutePercentageError": _of_loss("MeanAbsolutePercentageError"),
    "MeanSquaredLogarithmicError": _of_loss("MeanSquaredLogarithmicError"),
    "LogCoshError": _of_loss("LogCosh"),
    **{
        name: _of_loss(name)
        for name in ("Hinge", "SquaredHinge", "CategoricalHinge", "KLDivergence", "Poisson")
    },
    "BinaryCrossentropy": _of_loss("BinaryCrossentropy", "from_logits", "label_smoothing"),
    "CategoricalCrossentropy": _of_loss(
        "CategoricalCrossentropy", "from_logits", "label_smoothing"
    ),
    "SparseCategoricalCrossentropy": _of_loss("SparseCategoricalCrossentropy", "from_logits"),
    "RootMeanSquaredError": _of_class(),
    "Precision": _of_class("thresholds"),
    "Recall": _of_class("thresholds"),
    "AUC": _of_class("num_thresholds"),
}


# --------------------------------------------------------------------------------------------------
#
# Loss, metrics and callbacks of a program as source in plain torch, as far as they have a form.


def loss_of(training: Training, left_out: list[str]) -> str | None:
    """Returns the loss, or those of several outputs in one; None if there is none.

    Args:
        training: all that was planned.
        left_out: gets a sentence for a loss that has no plain form.
    """
    if training.loss is None:
        return None
    try:
        text = as_rule(written(training.loss))
    except ValueError as error:
        left_out.append(f"the loss: {error}")
        return None
    if not isinstance(training.loss, Mapping):
        return text
    weights = training.settings.get("loss_weights")
    return f"rules.OutputLosses({', '.join([text, *([written(weights)] if weights else [])])})"


def callbacks_of(
    training: Training,
    measured: Any,
    left_out: list[str],
    outputs: Sequence[str],
    *,
    has_optimizer: bool,
) -> dict[str, str]:
    """Returns the callbacks that watch what an epoch has, by the names of arguments.

    Args:
        training: all that was planned.
        measured: the metrics that have a plain form.
        left_out: gets a sentence for each callback that has none.
        outputs: names of the outputs.
        has_optimizer: whether there is one, on which some callbacks act.
    """
    found: dict[str, str] = {}
    known = names_of_epoch(training.loss, {"metrics": measured}, outputs)
    left_out += without_watched(training, known, all_names(training, outputs))
    plans = training.schedulers if has_optimizer else []
    schedulers = [text for plan in plans if (text := _tried(callback, plan, left_out))]
    if schedulers:
        found["schedulers"] = f"[{', '.join(schedulers)}]"
    if training.early_stopping is not None:
        text = _tried(callback, training.early_stopping, left_out)
        found |= {"early_stopping": text} if text else {}
    return found


def metrics_of(training: Training, left_out: list[str]) -> tuple[dict[str, str], Any]:
    """Returns the argument of the metrics, as source, and the plans of those that have a form.

    Args:
        training: all that was planned.
        left_out: gets a sentence for each metric that has none.
    """
    if "weighted_metrics" in training.settings:
        left_out.append("the metrics that count samples by their weights")
    plans = training.settings.get("metrics", [])
    parts = {
        name: _written_metrics(each, left_out)
        for name, each in (plans if isinstance(plans, Mapping) else {"": plans}).items()
    }
    texts = {
        name: f"[{', '.join(text for _, text in part)}]" for name, part in parts.items() if part
    }
    measured: Any = {name: [plan for plan, _ in part] for name, part in parts.items()}
    if not isinstance(plans, Mapping):
        return ({"metrics": texts[""]} if texts else {}), measured[""]
    inner = ", ".join(f"{literal(name)}: {text}" for name, text in texts.items())
    return ({"metrics": f"{{{inner}}}"} if texts else {}), measured


def _written_metrics(plans: Any, left_out: list[str]) -> list[tuple[Any, str]]:
    """Returns each metric with its source, but for those that have none."""
    plans = plans if isinstance(plans, list) else [plans]
    return [(plan, text) for plan in plans if (text := _tried(metric, plan, left_out))]


def _tried(write: Callable[[Any], str], plan: Any, left_out: list[str]) -> str | None:
    """Returns source; None, with the reason, if there is no plain form."""
    try:
        return write(plan)
    except ValueError as error:
        left_out.append(str(error))
        return None
