"""run_check: writes down what a Keras model computes in every part of its training."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any, cast

import keras
import numpy as np

from keras_impl.reference import Reference
from parity.data import draws as initial_draws
from parity.data.samples import Samples
from parity.halves.keras import casts, factories, versions
from parity.halves.keras.batches import with_first_batch
from parity.halves.keras.check.custom_losses import write_loss_graphs
from parity.halves.keras.check.custom_training import write_custom_training
from parity.halves.keras.check.described import described
from parity.halves.keras.check.facts import write_schedule
from parity.halves.keras.check.inputs import inputs_of, stateful_layers
from parity.halves.keras.check.noise import (
    ChangeWriter,
    has_rounded_constants,
    loss_noise_of,
    moved_by_constants,
    noise_of,
)
from parity.halves.keras.check.not_compared import left_out as left_out_of
from parity.halves.keras.check.not_compared import not_a_number, not_compared
from parity.halves.keras.check.optimizer import write_optimizer, write_trajectory
from parity.halves.keras.check.parts import plan_of, whole_of
from parity.halves.keras.check.passes import (
    Pass,
    most_exercised,
    optimizers_of,
    write_image_changes,
)
from parity.halves.keras.check.quoted_code import rates_of
from parity.halves.keras.check.steps import OneByOneSteps, Steps, is_one_by_one
from parity.halves.keras.check.weights import (
    Initializer,
    all_initializers,
    build,
    get_weights,
    set_weights,
)
from parity.halves.keras.factories import BATCH_SIZE, called_anew, num_trained
from parity.halves.keras.float64 import (
    as_asked,
    ctc_in_float64,
    float32_places,
    forget_places,
    functions_in_float64,
)
from parity.halves.keras.kernels import direct_operations, quick_grouped_convolutions
from parity.halves.keras.loss_constants import constants_as_written
from parity.halves.memory import free_memory, give_back_large_blocks
from parity.programs.check_spec import LARGE_MODEL, CheckSpec
from parity.programs.settings import later_seed
from parity.traces.facts import Described, NotCompared, OwnCode
from parity.traces.trace import KerasTrace, KerasWriter

# --- Whether `fit` makes a step with one sample, which a port may refuse --------------------------
#
# What `fit` gets goes in. The fact `batch_of_one` comes out: torch's BatchNorm raises for such a
# step, and that matters only to a program that makes one.


def has_batch_of_one(reference: Reference, samples: Samples) -> bool:
    """Returns whether a step of the program has one sample; False if its batches are not known.

    Args:
        reference: what `fit` gets.
        samples: of the check.
    """
    size = reference.batch_size
    if size == 1 or samples.batch_size == 1:
        return True
    if reference.x is None or versions.IS_KERAS_2 or not versions.are_arrays(reference.x):
        return False
    number = num_trained(reference, len(keras.tree.flatten(reference.x)[0]))
    return number % (size or BATCH_SIZE) == 1


# --- Initial weights that a factory draws, as samples of its distributions ------------------------
#
# A factory goes in; `init/…` comes out: of each weight some draws, the first one that of the model.
# A weight is drawn again by its initialiser, or with the whole model if its layer does not tell it.


SMALL_MODEL = 200_000  # parameters; a larger model is built again only if this is needed
NUM_MODELS = 5


def write_init(
    spec: CheckSpec,
    factory: Callable[[], Any],
    reference: Reference,
    samples: Samples,
    writer: KerasWriter,
) -> None:
    """Writes the weights of the factory, drawn more often if they are small."""
    weights = get_weights(reference.model)
    found = all_initializers(reference.model)
    draws = {name: _drawn(array, found.get(name), spec.seed) for name, array in weights.items()}
    left = [name for name, arrays in draws.items() if not arrays]
    for name in left:
        draws[name] = [weights[name]]
    is_small = sum(weight.size for weight in weights.values()) <= SMALL_MODEL
    is_tiny = any(weights[name].size < initial_draws.FEW for name in left)
    for number in range(1, NUM_MODELS if is_small else 2 if is_tiny else 1):
        if not left:
            break
        redrawn = called_anew(factory, later_seed(spec.seed, number))
        build(redrawn, samples)
        again = get_weights(redrawn.model)
        for name in left:
            draws[name].append(again[name])
    for name, arrays in draws.items():
        most = initial_draws.enough(found[name].config.get("class") if name in found else None)
        writer.put(f"init/{name}", np.stack([array.reshape(-1)[:most] for array in arrays]))


def _drawn(array: np.ndarray, initializer: Initializer | None, seed: int) -> list[np.ndarray]:
    """Returns the draws of a weight, its own first; none if its initialiser is not known."""
    if initializer is None:
        is_sure = array.size >= initial_draws.FEW and initial_draws.is_constant(
            array.reshape(1, -1)
        )
        return [array] if is_sure else []
    kind = initializer.config.get("class")
    if kind in initial_draws.CONSTANT or not array.size:
        return [array]
    wanted = initial_draws.num_draws(array.size, initial_draws.enough(kind))
    wanted = max(wanted, 1 if kind in initial_draws.RANDOM else 2)
    draws = [array]
    for number in range(1, wanted):
        try:
            drawn = initializer.draw(array.shape, later_seed(seed, number))
        except Exception:  # of the user's code, which may take other arguments
            return []
        if drawn.shape != array.shape:
            return []
        draws.append(drawn)
    return draws


# --- run_check: writes down what a Keras model computes in every part of its training -------------
#
# This is the reference of `parity check`: everything is in float64, in the portable layout. There
# are two passes or more. In all but the first, every weight is moved by one unit in the last place
# of the port's dtype, and other rounded values are moved too. The difference of the passes is what
# rounding alone explains, and by how much a port may differ.


# In float32, rounding may decide on which side of zero a ReLU is, or which number a pool takes.
# What hangs on that shows in some of the passes only.
NUM_PERTURBED = {"float64": 1, "float32": 4}
# That round what the program asks for in float32: by chance, one may change a number little.
NUM_AS_ASKED = 2
# If a model has constants that may hide each other: see `Perturbation.sign_of`.
NUM_WITH_CONSTANTS = 2


def run_check(
    spec: CheckSpec,
    factory: Callable[[], Any],
    writer: KerasWriter,
    keras: KerasTrace | None = None,
) -> None:
    """Probes the model that a factory builds.

    Args:
        spec: settings of the check.
        factory: returns a compiled model or a Reference.
        writer: receives the arrays `init/…`, `weights/…`, `input/…`, `target/…`, `forward/…`,
            `loss/…`, `gradient/…`, `optimizer/…`, `trajectory/…`, `schedule/…`, and the facts.
        keras: None; only the port is compared with Keras's trace.

    Raises:
        InputError: the model cannot be probed.
    """
    versions.use_dtype("float64")
    # On a GPU nobody has measured it.
    operations = direct_operations() if spec.device == "cpu" else nullcontext()
    with ctc_in_float64(), quick_grouped_convolutions(), operations, functions_in_float64():
        _run_check(spec, factory, writer)


def _run_check(spec: CheckSpec, factory: Callable[[], Any], writer: KerasWriter) -> None:
    forget_places()
    if spec.described:
        reference, program, custom_code = described(factory, spec)
        writer.facts["program"] = cast("Described", program)
        rates = rates_of(reference, Path(spec.folder))
        writer.facts["own"] = cast("OwnCode", {**custom_code, "rates": rates})
    else:
        reference = called_anew(factory, spec.seed)
    reference, factory = with_first_batch(reference, factory, spec.seed)
    if (plan := plan_of(reference, spec)) is not None:
        factory = plan.factory(factory)
        reference = called_anew(factory, spec.seed)  # the other one has made a step
    inputs = inputs_of(reference, spec.batch_size)
    samples = Samples(spec, inputs.each, inputs.batch_size)
    build(reference, samples)
    # A pass begins with other numbers where a weight shows nothing, such as a bias of zeros.
    built = get_weights(reference.model) if spec.described else {}
    if is_large := reference.model.count_params() >= LARGE_MODEL:
        give_back_large_blocks()
    write_init(spec, factory, reference, samples, writer)
    first = most_exercised(spec, factory, reference, samples)
    first.writer.facts["incomplete"] += not_a_number(first.writer.arrays, has_data=samples.has_data)
    if spec.described and first.objective is not None:
        write_loss_graphs(first.objective, writer.facts["own"]["losses"])
    _write_training(spec, factory, first)
    del reference  # a model with its optimizer, of which only one is in memory at a time
    writer.arrays |= first.writer.arrays
    writer.facts |= first.writer.facts
    writer.facts["dtype"] = cast("Any", spec.dtype)  # its setting has the same two values
    writer.facts["batch_of_one"] = has_batch_of_one(first.reference, samples)
    writer.facts["input_structure"] = inputs.structure
    model = first.reference.model
    if stateful := stateful_layers(model):
        writer.facts["stateful"] = [layer.name for layer in stateful]
    whole = whole_of(first.reference).model
    left = [
        *left_out_of(first.reference, whole),
        *factories.left_out(whole),
        *casts.left_out(whole),
    ]
    left_out: list[NotCompared] = [{**each, "arrays": []} for each in left]  # a bundle has them all
    set_weights(model, first.weights)
    write_image_changes(first.reference, inputs.batch_size, writer)
    write_schedule(spec, factory, first.reference, writer)
    arrays, exercise, start = first.writer.arrays, first.exercise, first.start
    has_constants = any(map(has_rounded_constants, optimizers_of(first.reference)))
    del first, model, whole
    moved: list[ChangeWriter] = []
    wanted = NUM_PERTURBED[spec.dtype]
    while len(moved) < wanted:
        if is_large:
            free_memory()
        moved.append(ChangeWriter(first=arrays))
        one = start.perturbed(spec, factory, moved[-1], len(moved))
        _write_training(spec, factory, one)
        if one.perturbation is not None and one.perturbation.needs_another:
            wanted = max(wanted, NUM_WITH_CONSTANTS)
        del one
    writer.facts["constants"] = {}
    if has_constants:
        if is_large:
            free_memory()
        constants = ChangeWriter(first=arrays)
        one = start.again(factory, start.weights, moves_constants=True, writer=constants)
        one.run(spec)
        with constants_as_written():  # those in the code of an optimizer, too
            _write_training(spec, factory, one)
        del one
        writer.facts["constants"] = moved_by_constants(constants)
    asked: list[ChangeWriter] = []
    for number in range(NUM_AS_ASKED if float32_places() else 0):
        if asked and not any(asked[-1].changes.values()):
            break  # nothing of it is rounded, such as a mask
        if is_large:
            free_memory()
        asked.append(ChangeWriter(first=arrays))
        with as_asked(number):
            one = start.again(factory, start.weights, writer=asked[-1])
            one.run(spec)
            _write_training(spec, factory, one)
        del one
    if is_large:
        free_memory()
    writer.put_all("weights", start.weights)
    for name, weight in built.items():
        if not np.array_equal(weight, start.weights[name]):
            writer.put(f"built/{name}", np.asarray(weight, dtype=np.float64))
    # A layer that code makes in each call has another name there.
    writer.facts["noise"] = {k: v for k, v in noise_of(moved).items() if k in writer.arrays}
    if asked:
        changes = {k: v for k, v in noise_of(asked).items() if k in writer.arrays and v}
        writer.facts["float32_noise"] = changes
    writer.facts["loss_noise"] = loss_noise_of(moved)
    writer.facts["not_compared"] = [
        *inputs.left_out,
        *writer.facts.get("not_compared", []),
        *left_out,
        *not_compared(exercise, writer),
    ]


def _write_training(spec: CheckSpec, factory: Callable[[], Any], one: Pass) -> None:
    """Writes a few steps of training, and those of the optimizer alone."""
    model = one.reference.model
    if "own_steps" in one.writer.facts and not versions.IS_KERAS_2:
        fresh = one.start.again(
            factory, one.weights, one.perturbation, moves_constants=one.moves_constants
        ).reference
        set_weights(fresh.model, one.weights)
        write_custom_training(spec, fresh, one.writer, one.perturbation)
    if getattr(model, "optimizer", None) is None:
        return
    if model.count_params() >= LARGE_MODEL:
        free_memory()  # that of the passes
    set_weights(model, one.weights)
    steps = OneByOneSteps(model) if is_one_by_one(model) else Steps(model)
    if one.writer.facts["loss"] is not None:
        versions.reseed(one.samples.seed)
        assert one.objective is not None
        write_trajectory(spec, one.objective, steps, one.writer, one.perturbation)
    write_optimizer(spec, one.reference, steps, one.weights, one.writer)
