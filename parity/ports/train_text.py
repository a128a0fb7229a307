"""train.py: loss, optimizer, schedules, callbacks and metrics of a Keras program as source."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from parity.ports.custom.losses import HOMES, is_written, loss_texts
from parity.ports.custom.rules import (
    about_step,
    custom_step,
    with_custom_rates,
    with_custom_schedule,
)
from parity.ports.feed_text import NAMES, UNSPLIT, Feed, fed_text
from parity.ports.fit_text import (
    RuleTexts,
    about_later,
    about_output,
    all_names,
    batch_size_of,
    output_text,
    without_watched,
)
from parity.ports.form import Parameter, arguments, literal, readable, without_defaults
from parity.ports.program import Program, Value, defined_in, has_masks, names_called
from parity.ports.reading_text import (
    Arrays,
    about_training,
    array_texts_of,
    arrays_of,
    is_turned,
    opening,
    reading,
    step_data_text,
    weightless_text,
)
from parity.ports.wrapping import excused, from_import, wrapped
from torch_impl import data_file
from torch_impl.keras_config.compiled import Compiled, Training, compiled_of_facts, planned
from torch_impl.keras_config.planned import Planned
from torch_impl.keras_config.training import sentence_of_callback

# Names that train.py has itself.
_NAMES = (
    *("losses", "metrics", "optim", "schedule", "build", "main", "feed", "np", "torch", "math"),
    *("read", "load_weights", "load_state", "train_step", "Path", "Any", "WEIGHTS"),
    *("KerasSeeds", "Port", "Trainer", *data_file.__all__, *NAMES),
)
_LIBRARY = {
    *("layers", "losses", "metrics", "optim", "schedule", "initializers", "constraints"),
    "regularizers",
}
_MODULES = {
    **HOMES,
    "constrain": "torch_impl.constraints",
    "load_arrays": "torch_impl.arrays",
    "draw_initial": "torch_impl.initial_weights",
    "joined_parameters": "torch_impl.layouts",
    "Penalty": "torch_impl.penalty",
    "RegularizedLoss": "torch_impl.penalty",
    "takes_weights": "torch_impl.losses.outputs",
}


def train_text(
    facts: Mapping[str, Any],
    initial: Sequence[str],
    rules: RuleTexts,
    program: Program,
    package: str,
    class_name: str,
    feed: Feed,
) -> tuple[str, list[str], frozenset[str]]:
    """Returns train.py, a sentence for each part that it lacks, and the names of the user's code.

    Args:
        facts: of the trace of the Keras half.
        initial: statements that draw the initial weights of `model` from `seeds`.
        rules: penalties of weights and outputs, and constraints.
        program: the model.
        package: name of the package.
        class_name: of the module.
        feed: how the training is fed, if not by arrays.
    """
    compiled, schedules = with_custom_schedule(
        compiled_of_facts(facts), facts, (*_NAMES, class_name)
    )
    compiled, rates = with_custom_rates(compiled, facts, (*_NAMES, class_name))
    loss_sources: dict[str, str] = {}
    training = planned_parts(facts, compiled, loss_sources, is_masked=has_masks(program))
    left_out = [sentence for _, sentence in training.problems]
    known = all_names(training, compiled.outputs)
    left_out += without_watched(training, known, known)
    body = ["    seeds = KerasSeeds(torch.initial_seed() % 2**32)", f"    model = {class_name}()"]
    body += [excused(line) for text in initial for line in wrapped(f"    {text}")]
    given = {"module": "model"}
    if training.loss is not None:
        given["loss"] = written(training.loss)
        if rules.penalties or rules.activities:
            outputs = f", activities={_mapping(rules.activities)}" if rules.activities else ""
            body += wrapped(f"    penalty = Penalty(model, {_mapping(rules.penalties)}{outputs})")
            if isinstance(training.loss, dict):  # one for each output; penalties are added once
                given["added_loss"] = "lambda model: sum(penalty.terms())"
            else:
                given["loss"] = f"RegularizedLoss({given['loss']}, penalty)"
    if training.optimizer is not None:
        body += wrapped(f"    optimizer = {optimizer_text(training.optimizer)}")
        given["optimizer"] = "optimizer"
        if rules.undecayed:
            body += wrapped(f"    optimizer.exclude_from_weight_decay({rules.undecayed})")
        if rules.joins_norms(training.optimizer):
            body.append("    # both biases of a GRU are one variable in Keras, with one norm")
            body.append("    optimizer.join_norms(joined_parameters(model))")
        if rules.constraints:
            body += wrapped(f"    constrain(model, optimizer, {_mapping(rules.constraints)})")
    if compiled.loss is None and compiled.optimizer is None and training.loss is None:
        left_out.append("the loss and the optimizer: the model is not compiled")
    schedulers = [written(each.on(Parameter("optimizer"))) for each in training.schedulers]
    if schedulers:
        given["scheduler"] = schedulers[0] if len(schedulers) == 1 else f"[{', '.join(schedulers)}]"
    if training.early_stopping is not None:
        given["early_stopping"] = written(training.early_stopping.on(Parameter("model")))
    left_out += [sentence_of_callback(name) for name in compiled.left_out]
    settings = dict(training.settings)
    weights = settings.pop("class_weight", None)
    given |= {name: written(value) for name, value in settings.items()}
    turned = _feed(program)
    if turned:
        given["feed"] = "feed"
    given |= feed.given
    if weights:
        given["class_weight"] = written(weights)
    fit = facts["program"]["fit"]
    arrays = arrays_of(program, facts)
    step = custom_step(fit, class_name, step_data_text(arrays), has_optimizer="optimizer" in given)
    given |= {"train_step": step.given} if step.given else {}
    given["seeds"] = "seeds"
    output, turning = output_text(program, "losses.channels_last")
    given |= {"output": output} if output else {}
    body += about_output(output)
    options = ", ".join(f"{name}={text}" for name, text in given.items() if name != "module")
    body += wrapped(f"    return Port(model, {options})")
    read = _reading(program, arrays, facts, training)
    opens, fed = opening(arrays), fed_text(fit, feed)
    weightless = weightless_text(loss_sources, arrays)
    more = [*about_step(fit, is_plain=False), *about_later(fit)]
    needed = () if step.given else ("loss", "optimizer")
    heads = [text.partition("\n")[0] for text in [*schedules, *rules.own]]
    functions_of_data = ("\n".join(turned), "\n".join(turning), *feed.functions)
    parts = [
        *schedules,
        *rules.own,
        *rates,
        *loss_sources.values(),
        step.source,
        *functions_of_data,
    ]
    standard, numpy = _modules("\n".join([*parts, *body, *read]))
    source = _TEMPLATE.format(
        about=about_training(package, "does", arrays, more, feed.data),
        reading="\n".join(read),
        opening="\n".join(opens),
        fed=fed,
        unsplit=UNSPLIT if feed.is_written else "",
        parser="\n".join(wrapped(f"    {parser_text(fit)}")),
        standard=standard,
        numpy=numpy,
        package=package,
        class_name=class_name,
        own_imports="".join(
            f"from {package}.{file} import {name}\n" for name, file in feed.classes.items()
        ),
        imports=_imports(
            "\n".join(
                [
                    *(*body, *turning, weightless, *heads, *feed.functions),
                    *filter(is_written, loss_sources.values()),
                ]
            ),
            "\n".join([*read, *opens, parser_text(fit), fed, _TEMPLATE]),
            feed.imports,
        ),
        feed="".join(f"{text}\n\n\n" for text in parts if text),
        body="\n".join(body),
        weightless=weightless,
        lacking=lacking_text("port", [n for n in needed if n not in given]),
    )
    codes = [*schedules, *rules.own, *rates, *loss_sources.values(), step.source, *feed.functions]
    return source, left_out, defined_in(codes)


def parser_text(fit: Mapping[str, Any]) -> str:
    """Returns the statement that makes the command line, with the numbers of the program."""
    given = arguments(
        epochs=fit.get("epochs") or 1,
        batch_size=batch_size_of(fit),
        validation_split=fit.get("validation_split") or 0.0,
    )
    return f"parser = training_parser({given})"


def _feed(program: Program) -> Sequence[str]:
    """Returns the function that turns an input, if it is not what a Port gives a module."""
    values = list(program.inputs.values())
    if len(values) > 1 or not _is_sequence(values[0]):
        return []
    return [
        "def feed(x: np.ndarray) -> torch.Tensor:",
        '    """Turns (N, T, C) into (N, C, T)."""',
        "    return torch.as_tensor(x).transpose(1, 2)",
    ]


def _is_sequence(value: Value) -> bool:
    """Whether an input is a sequence with its channels second, which a Port does not turn."""
    return is_turned(value) and len(value.shape) == 3


def _reading(
    program: Program, arrays: Arrays, facts: Mapping[str, Any], training: Training
) -> list[str]:
    """Returns the function that takes the arrays of a file; Trainer turns images itself."""

    def input_text(name: str, text: str) -> str:
        is_here = len(program.inputs) > 1 and _is_sequence(program.inputs[name])
        return f"np.swapaxes({text}, 1, 2)" if is_here else text

    texts = array_texts_of(program, facts, arrays, training.loss)
    return reading(arrays, texts, input_text, "{}", by_name=False)


def _mapping(texts: Mapping[str, str]) -> str:
    """Returns a dictionary of names and source."""
    return "{" + ", ".join(f"{literal(name)}: {text}" for name, text in texts.items()) + "}"


def _imports(body: str, around: str = "", more: Mapping[str, str] = MappingProxyType({})) -> str:
    """Returns the imports of the libraries that a source needs.

    Args:
        body: statements of `build` and what stands beside it.
        around: functions that read a file and train.
        more: name -> module of what they need beside it.
    """
    # A part of the path of a weight is no name: "net.layers.0.kernel".
    used = set(re.findall(r'(?<![\w."])(\w+)\.', body))
    names = {"KerasSeeds", "Port", "Trainer", *(used & _LIBRARY)}
    lines = ["from torch.nn import functional as F"] if "F" in used else []
    lines += from_import("torch_impl", names)
    by_module: dict[str, list[str]] = {}
    for name, module in _MODULES.items():
        if re.search(rf'(?<![\w."]){name}[.(\[]', body) or f", {name})" in body:
            by_module.setdefault(module, []).append(name)
    if readers := names_called(around, data_file.__all__):
        by_module["torch_impl.data_file"] = readers
    by_module.setdefault("torch_impl.arrays", []).append("load_state")
    for name, module in more.items():
        by_module.setdefault(module, []).append(name)
    for module in sorted(by_module):
        lines += from_import(module, by_module[module])
    return "\n".join(lines)


def _modules(source: str) -> tuple[str, str]:
    """Returns the imports of Python, and of NumPy, that a source needs."""
    standard = ["import math"] if re.search(r"(?<![\w.])math\.", source) else []
    standard += ["from pathlib import Path", "from typing import Any"]
    return "\n".join(standard), "import numpy as np\n" if re.search(
        r"(?<![\w.])np\.", source
    ) else ""


def planned_parts(
    facts: Mapping[str, Any],
    compiled: Compiled,
    loss_sources: dict[str, str],
    used_names: Collection[str] = _NAMES,
    *,
    is_masked: bool,
    plain: bool = False,
) -> Training:
    """Plans all that trains the model.

    Args:
        facts: of the trace of the Keras half.
        compiled: the same, in the words of Keras's configs.
        loss_sources: gets the source of the losses of the user's, by name.
        used_names: names that train.py has itself.
        is_masked: see `loss_texts`.
        plain: likewise.
    """
    stubs = loss_texts(facts, loss_sources, used_names, is_masked=is_masked, plain=plain)
    if "" in stubs:
        training = planned(replace(compiled, loss=None))
        training.loss = stubs[""]
    elif stubs:  # any loss stands for them while the others are planned
        training = planned(replace(compiled, loss={**compiled.loss, **dict.fromkeys(stubs, "mse")}))
        training.loss = {**training.loss, **stubs}
    else:
        training = planned(compiled)
    return training


def lacking_text(port: str, names: Sequence[str]) -> str:
    """Returns statements that end a training which lacks a part, with what to do.

    Args:
        port: what has the parts as attributes, in the source.
        names: of the parts that were not ported.
    """
    advice = "was not ported, see README.md: give build() one"
    lines = [
        line
        for name in names
        for line in (
            f"    if {port}.{name} is None:",
            *wrapped(f'        raise SystemExit("the {name} {advice}")'),
        )
    ]
    return "".join(f"{line}\n" for line in lines)


def optimizer_text(plan: Planned) -> str:
    """Returns an optimizer with its rate, whether or not that is the default."""
    settings = dict(plan.settings)
    rate = written(settings.pop("learning_rate"))
    text = written(Planned(plan.kind, Parameter("model.parameters()"), **settings))
    head, _, rest = text.partition("model.parameters()")
    return f"{head}model.parameters(), learning_rate={rate}{rest}"


def written(value: Any) -> str:
    """Returns the source of a plan, or of a nest of plans and plain values."""
    if isinstance(value, Planned):
        plan = without_defaults(value)
        module = value.kind.__module__.split(".")[1]
        named = {
            name: Parameter(
                readable(part)
                if module == "schedule" and isinstance(part, float)
                else written(part)
            )
            for name, part in plan.settings.items()
        }
        text = arguments(*(Parameter(written(part)) for part in plan.arguments), **named)
        return f"{module}.{value.kind.__name__}({text})"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{literal(k)}: {written(part)}' for k, part in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(written, value))}]"
    return literal(value)


_TEMPLATE = '''{about}

from __future__ import annotations

{standard}

{numpy}import torch
{imports}

{own_imports}from {package}.model import {class_name}

WEIGHTS = Path(__file__).with_name("weights.safetensors")


{feed}def build() -> Port:
    """Returns the network with all that trains it, from the seed of torch."""
{body}


def load_weights(model: {class_name}) -> {class_name}:
    """Gives a network the weights that the Keras model had."""
    load_state(model, WEIGHTS)
    return model


{reading}


def main() -> None:
    """Trains as `fit` does: the same order of samples, masks, rates and stops."""
{parser}
    given = parser.parse_args()
    torch.set_default_dtype(getattr(torch, given.dtype))
{opening}
{weightless}    x, y, weight = read(file)
    torch.manual_seed(given.seed)
    port = build()
{lacking}{unsplit}    history = Trainer(port).fit(
{fed}
    )
    for name, values in history.history.items():
        print(name, *(f"{{value:.6g}}" for value in values))
    if given.out is not None:
        torch.save(port.module.state_dict(), given.out)


if __name__ == "__main__":
    main()
'''
