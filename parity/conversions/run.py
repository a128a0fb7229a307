"""run_convert: the weights of a file of Keras in a module of the user's, as its state_dict.

weights -> trace of the twin, or of Keras -> PortUnderTest, which pairs -> weights set -> proof
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from parity.conversions.by_shape import (
    GivenPlaces,
    convert_by_shape,
    empty_arrays,
    joined_convolutions,
)
from parity.conversions.further_batches import compared_further
from parity.conversions.optimizer import problems_of_steps, write_optimizer
from parity.conversions.proof import (
    constants_in,
    coverage_of,
    error_of,
    error_with,
    listed,
    output_of,
    place,
    unfilled_parameters,
    untied,
    without_effect,
)
from parity.conversions.source import Source, source_of_bundle, source_of_file
from parity.conversions.state import Done, read_state, write_state
from parity.conversions.twin import limit_memory
from parity.errors import InputError
from parity.files.json_io import read_json, write_json
from parity.halves.torch.port.port_under_test import PortUnderTest
from parity.programs.check_spec import CheckSpec
from parity.traces.folder import RunFolder
from parity.traces.trace import KerasTrace
from parity.weights.copied import BACK, REPORT, REQUEST, STATE, Copied, read_copied
from torch_impl.keras_config.rules import NoTwinError, without_custom
from torch_impl.port import Port


def run_convert(spec: CheckSpec, factory: Callable[[], Any], folder: Path) -> None:
    """Carries weights, and writes what came of it.

    Args:
        spec: has the seed and the folder of the factory.
        factory: returns a module or a Port.
        folder: has `convert.json`; beside it are the weights of the file, or the trace of a bundle.
            Receives `told.json`, and `state.safetensors` or `back.safetensors`.

    Raises:
        InputError: the file, or the module, cannot be used.
    """
    request = read_json(folder / REQUEST)
    files = folder.parent
    source, why = None, ""
    copied = None if request["is_bundle"] else read_copied(files / "weights")
    if copied is None:
        trace = KerasTrace(RunFolder(files).half("keras").path, Path(request["path"]))
        source = source_of_bundle(trace)
    else:
        limit_memory(sum(_size(each["shape"]) for each in copied.weights))
        try:
            source, why = _with_twin(copied, request["config"] or copied.config, files)
        except InputError as error:
            raise InputError(f"{request['path']}: {error}") from None
    if source is not None:
        done = _by_graph(spec, factory, source, request["layers"])
    else:
        assert copied is not None
        given = GivenPlaces(request["layers"], request["same_rows"])
        done = convert_by_shape(spec, factory, copied, given, why)
    _write(done, folder, request, copied)


def _size(shape: list[int]) -> int:
    return int(np.prod(shape, dtype=object))


def _with_twin(
    copied: Copied, config: Mapping[str, Any] | None, files: Path
) -> tuple[Source | None, str]:
    if config is None:
        return None, "the file has no configuration (give it with --config)"
    try:
        return source_of_file(copied, config, files / "twin"), ""
    except InputError:
        raise
    except ValueError as error:
        problems = error.problems if isinstance(error, NoTwinError) else [str(error)]
        reasons = "; ".join(" ".join(each.split()) for each in without_custom(problems))
        return None, f"its configuration has no twin ({reasons})"


def _write(done: Done, folder: Path, request: Mapping[str, Any], copied: Copied | None) -> None:
    """Writes the state of the module, and the report on it."""
    problems = [*done.coverage.problems, *done.problems]
    if request["optimizer"]:
        problems += problems_of_steps(done)
    is_written = not problems or bool(request["anyway"])
    names = {id(t): n for n, t in [*done.module.named_parameters(), *done.module.named_buffers()]}
    spread = {} if done.under_test is None else done.under_test.cargo.spread
    report: dict[str, Any] = {
        "is_written": is_written,
        "problems": problems,
        "proof": done.proof,
        "error": None if done.error is None or not np.isfinite(done.error) else done.error,
        "constants": done.coverage.constants,
        "num_weights": len(done.arrays),
        "num_filled": len(done.items) + len(spread),
        "in_parts": spread,
        "places": [
            {
                "weight": done.keys[item.name],
                "name": item.name,
                "parameters": [names.get(id(t), "?") for t in item.variable.tensors],
                "how": item.how,
            }
            for item in done.items
        ],
    }
    if is_written and request["state"] is not None:
        _write_back(done, folder, request["state"], report)
    elif is_written:
        write_state(folder / STATE, done.factory, done.built.module)
        if request["optimizer"]:
            assert copied is not None
            compiled = copied.compiled or (request["config"] or {}).get("compile_config")
            report["optimizer"] = write_optimizer(done, copied, compiled, folder)
    write_json(folder / REPORT, report)


def _write_back(done: Done, folder: Path, state: str, report: dict[str, Any]) -> None:
    """Writes what the module holds with another state, in Keras's layout."""
    from safetensors.numpy import save_file

    _check_all_placed(done, report["in_parts"])
    read_state(done.built.module, Path(state))
    save_file(
        {done.keys[item.name]: np.ascontiguousarray(item.value()) for item in done.items},
        folder / BACK,
    )
    report["constants"] = []


def _check_all_placed(done: Done, spread: Mapping[str, list[str]]) -> None:
    """Refuses a module that does not hold each weight of Keras in one place of its own."""
    if spread:
        places = "; ".join(f"{name} in {', '.join(parts)}" for name, parts in spread.items())
        raise InputError(
            f"the Port's `load` spreads weights over several parameters ({places}), and nothing "
            "turns it round: for --to-keras, hold each of them in one parameter"
        )
    placed = {item.name for item in done.items}
    if missing := [name for name in done.arrays if name not in placed]:
        raise InputError(
            f"the module holds no {listed(missing)}: a file that Keras loads needs all weights"
        )


def _by_graph(
    spec: CheckSpec, factory: Callable[[], Any], source: Source, layers: Mapping[str, str]
) -> Done:
    with _with_map_in_errors(layers):
        built = _with_layers(factory, layers)
        port = PortUnderTest(built, spec.seed, source.trace, any_form=True)
    items, problems = list(port.carried), [*port.problems]
    problems += [f"{each['what']}: {each['why']}" for each in port.cargo.incomplete]
    error = error_of(port)
    if not error <= source.most:
        far = f"differs by {error:.1e}" if np.isfinite(error) else "has another shape, or fails"
        problems.append(f"the output of the module {far} from {source.told}; see `parity check`")
        problems += empty_arrays(port.module, items, partial(output_of, port))
    elif lost := without_effect(port, items):
        problems.append(
            f"the output does not depend on {listed(lost)}, so that its place is not proved"
        )
    if not problems:
        new_problems, again = compared_further(port, items, source.further, source.told)
        problems, error = [*problems, *new_problems], max(error, again)
    constants = [] if problems else constants_in(port, unfilled_parameters(port.module, items))
    place(port, items, source.arrays)
    spread = port.cargo.spread
    coverage = coverage_of(port.module, items, source.arrays, spread)
    coverage.constants += [name for name in coverage.unfilled if name in constants]
    coverage.unfilled = [name for name in coverage.unfilled if name not in constants]
    shapes = {name: array.shape for name, array in source.arrays.items()}
    coverage.untied = untied(source.trace.facts, port.module, coverage.unfilled, shapes)
    unused = {name: shapes[name] for name in coverage.unused}
    problems += joined_convolutions(port.module, coverage.unfilled, unused)
    if source.again is not None and not problems:
        trace, most = source.again()
        again = error_with(port, trace)
        error = max(error, again)
        if not again <= most:
            problems.append(f"with the weights of the file, the output differs by {again:.1e}")
    left = [each for one in source.further for each in one.left]
    more = f"; not compared, since no number is there: {listed(left)}" if left else ""
    proof = f"the output of the module is that of {source.told}{more}"
    return Done(
        factory,
        port.built,
        port.module,
        items,
        source.arrays,
        source.keys,
        coverage,
        problems,
        proof,
        error,
        port,
        source.trainable,
    )


@contextmanager
def _with_map_in_errors(layers: Mapping[str, str]) -> Iterator[None]:
    """Lets an error about pairs of layers speak of --map, by which the user gave them."""
    try:
        yield
    except InputError as error:
        start, _, rest = str(error).partition("}: ")
        if not (layers and rest and start.startswith("layers={")):
            raise
        given = " ".join(f"--map {layer}={module}" for layer, module in layers.items())
        raise InputError(f"{given}: {rest}") from error


def _with_layers(factory: Callable[[], Any], layers: Mapping[str, str]) -> Callable[[], Any]:
    """Returns a factory whose port has some more pairs of layers."""
    if not layers:
        return factory

    def build() -> Port:
        built = factory()
        port = built if isinstance(built, Port) else Port(built)
        return dataclasses.replace(port, layers={**port.layers, **layers})

    return build
