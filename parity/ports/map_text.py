"""The maps of a tf.data.Dataset as source of train.py: Keras's layers, and stubs for other code."""

from __future__ import annotations

from typing import Any

from parity.ports.feed import Facts, Feed, Model, stub
from parity.ports.form import Parameter, arguments
from parity.ports.own.stub_text import PLACE, place_of
from parity.ports.wrapping import docstring, head, wrapped

_SILENT = ("prefetch", "options", "model", "assert_cardinality", "finalize")  # change no sample


def write_maps(told: Facts, prefix: str, model: Model, found: Feed) -> None:
    """Writes the maps of a tf.data.Dataset: layers of Keras, and stubs for other code."""
    steps = told["steps"]
    maps = [n for n, step in enumerate(steps) if step["name"] == "map" and _is_written(step)]
    if not maps:
        return
    by_sample: list[str] = []
    by_batch: list[str] = []
    settings: dict[str, Any] = {}
    what = "the dataset of the validation" if prefix else "the dataset of `fit`"
    is_shuffled = any(step["name"] == "shuffle" for step in steps)
    for number, step in enumerate(steps):
        name = step["name"]
        if number in maps:
            made = _map(step, f"{prefix}augmentation", len(by_sample) + len(by_batch), model, found)
            (by_sample if step["is_each"] else by_batch).append(made)
            if step["is_parallel"] and step["model"] is not None:
                found.differs.append(
                    f"the numbers that the layers of {what} draw: num_parallel_calls maps in an "
                    "order that is not fixed"
                )
        elif name == "batch":
            settings["drop_remainder"] = step["drop_remainder"] or None
        elif number > maps[0] and name not in (*_SILENT, "shuffle"):
            why = _WHY.get(name, "train.py does not do it")
            count = f"({step['count']})" if "count" in step else ""
            found.left_out.append(f"{name}{count} of {what}, behind a map: {why}")
    array = "x_val" if prefix else "x"
    found.data.append(f"{array} has the images as {what} gives them before its first map.")
    if by_sample:
        settings["sample_maps"] = Parameter(f"[{', '.join(by_sample)}]")
    if is_shuffled and not prefix:
        settings["shuffle"] = True
        found.differs.append(
            f"the order of samples: torch draws it for each epoch, and {what} by a generator of "
            "its own"
        )
    found.imports["MappedBatches"] = "torch_impl.augment"
    data = 'read(file, "_val")' if prefix else "(x, y, weight)"
    size = Parameter("given.batch_size")
    function = f"{prefix}batches"
    text = arguments(
        Parameter("(np.moveaxis(x, -1, 1), y, weight)"),
        Parameter(f"[{', '.join(by_batch)}]"),
        Parameter("batch_size"),
        **settings,
    )
    found.functions.append(
        "\n".join(
            [
                *head(f"def {function}(data: Any, batch_size: int, seeds: Any) -> MappedBatches:"),
                *docstring(f"Returns the batches of {what}, of arrays in Keras's layout.", "    "),
                "    x, y, weight = data",
                *wrapped(f"    return MappedBatches({text})"),
            ]
        )
    )
    call = f"{function}({arguments(Parameter(data), size, Parameter('port.seeds'))})"
    if prefix:
        found.validation = call
    else:
        found.training = [call]


_WHY = {
    "cache": "Keras keeps the images of the first epoch, and train.py makes new ones in each",
    "repeat": "an epoch of train.py is one pass",
}


def _is_written(step: Facts) -> bool:
    return step["model"] is not None or (step["is_own"] and step["source"] is not None)


def _map(step: Facts, name: str, number: int, model: Model, found: Feed) -> str:
    """Returns the expression of what a map applies; writes what it calls."""
    name = f"{name}_{number + 1}" if number else name
    made = None if step["model"] is None else model(step, name)
    if made is not None:
        class_name, found.files[f"{name}.py"], drawn, lacks = made
        found.left_out += lacks
        found.classes[class_name] = name
        lines = [
            f"def {name}(seeds: KerasSeeds) -> {class_name}:",
            '    """Returns the layers of `Dataset.map`, with the seeds that Keras draws."""',
            f"    model, seeds = {class_name}(), KerasSeeds(seeds.seed)",
            *(line for text in drawn for line in wrapped(f"    {text}")),
            "    return model",
        ]
        found.functions.append("\n".join(lines))
        return f"{name}(seeds)"
    source = step["source"]
    place = place_of(source)
    lines = head(f"def {name}(*sample: torch.Tensor) -> tuple[torch.Tensor, ...]:")
    lines += docstring(f"Keras's function of Dataset.map{place}; it is to be written.", "    ")
    part = "one sample, with a batch axis of 1" if step["is_each"] else "a batch"
    told = (
        f"{PLACE}: sample is {part}: images (N, C, H, W), labels, and weights if there are any; "
        "returns the same parts"
    )
    found.functions.append(
        stub(lines, told, source, f"{name} is to be written: what Dataset.map applies{place}")
    )
    return name
