"""run_check: makes a port compute what Keras computed, and writes it down.

It makes the same probes in the same order as `parity/halves/keras/check`, under the same keys and
names, in the portable layout. The port runs as it is, which decides the verdict, and once more with
Keras's value after every layer, so that each difference is seen where it arises. An error that the
port raises is written down too, and the next probe goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import Any

from parity.errors import ParityError, UnfinishedError
from parity.halves.memory import give_back_large_blocks
from parity.halves.torch.casts import without_casts
from parity.halves.torch.check.custom_training import write_custom_training
from parity.halves.torch.check.facts import write_facts, write_init, write_schedule, write_weights
from parity.halves.torch.check.fixes.made import changed_port
from parity.halves.torch.check.fixes.run import write_fixes
from parity.halves.torch.check.fixes.training import Written
from parity.halves.torch.check.forward import output_form, write_forward
from parity.halves.torch.check.image_changes import write_image_changes
from parity.halves.torch.check.layers import write_layers
from parity.halves.torch.check.loss import Loss, see_targets, write_confident_loss, write_gradients
from parity.halves.torch.check.metrics import write_metrics
from parity.halves.torch.check.optimizer import write_optimizer, write_trajectory
from parity.halves.torch.check.optimizer_changes import write_optimizer_changes
from parity.halves.torch.factories import advice_on, call_factory, check_written, line_of
from parity.halves.torch.port.port_under_test import PortUnderTest, built_again, forget_values
from parity.ladder.engine import OF_PROBE, compare_levels
from parity.ladder.incomplete import CUSTOM_TRAIN_STEP
from parity.ladder.items import FAIL
from parity.ladder.rounding import dtype_of
from parity.programs.check_spec import LARGE_MODEL, CheckSpec
from parity.traces.trace import CheckWriter, KerasTrace, PortWriter

ROUNDS = "how the port rounds"  # what is not compared of casts of its own


def run_check(
    spec: CheckSpec,
    factory: Callable[[], Any],
    writer: PortWriter,
    keras: KerasTrace | None = None,
) -> None:
    """Probes the port that a factory builds.

    Args:
        spec: settings of the check; seed and sizes are those of Keras's trace.
        factory: returns a module or a Port.
        writer: receives arrays under the keys of `keras`, also `forward/…/own` and `forced/…`,
            and the facts `nodes`, `pairs`, `problems`, `raised`, `settings`, `style`.
        keras: what Keras computed; required.

    Raises:
        InputError: the port cannot be probed at all.
    """
    assert keras is not None
    with without_casts(dtype_of(keras.facts)) as casts:
        _run(spec, factory, writer, keras)
    if casts:
        why = "a check computes in float64 what it computes, apart from these casts"
        what = f"{ROUNDS} ({', '.join(casts)})"
        writer.facts.setdefault("not_compared", []).append({"what": what, "why": why})


def _run(
    spec: CheckSpec,
    factory: Callable[[], Any],
    writer: PortWriter,
    keras: KerasTrace,
    *,
    tries_fixes: bool = True,
) -> None:
    if keras.facts["num_parameters"] >= LARGE_MODEL:
        give_back_large_blocks()
    port = PortUnderTest(factory, spec.seed, keras, spec.device)
    raised: dict[str, str] = {}
    writer.facts["raised"] = raised
    write_facts(port, writer)
    is_brief = bool(keras.facts.get("brief"))
    if is_brief:
        forget_values(port)
    write_init(spec, factory, port, writer)
    write_weights(port, writer)
    for mode in ("eval", "train"):
        with _noted(raised, f"forward/{mode}", port.dtype):
            write_forward(port, mode, writer)
    form = output_form(port, writer)
    writer.facts["output_form"] = form
    writer.facts["not_compared"] += port.outputs.not_compared(form)
    loss = _loss(port, form, writer)
    with _noted(raised, "layers", port.dtype):
        write_layers(port, form, loss, writer)
    with _noted(raised, "images", port.dtype):
        write_image_changes(port, writer)
    with _noted(raised, "metrics", port.dtype):
        write_metrics(port, form, writer)
    if loss is not None:
        _write_passes(port, form, loss, writer)
    stages: list[Callable[[], None]] = []
    if port.built.optimizer is not None and keras.facts["optimizer"] is not None:
        if loss is not None:
            stages.append(lambda: _write_trajectory(spec, factory, port, form, writer, is_brief))
        stages.append(lambda: _write_optimizer(port, writer, is_brief))
    # The trajectory has an optimizer of its own, so that of the port is before its first step. If
    # nothing comes after both, the port is given back before the trajectory.
    for stage in reversed(stages) if is_brief else stages:
        stage()
    if port.built.train_step is not None and "own_training" in keras.facts:
        fresh = PortUnderTest(factory, spec.seed, keras, spec.device)
        try:
            with _noted(raised, "train_step", port.dtype):
                write_custom_training(fresh, writer)
        except UnfinishedError as error:  # what the network computes is compared all the same
            writer.facts["given"]["train_step"] = False
            writer.facts.setdefault("incomplete", []).append(
                {"what": CUSTOM_TRAIN_STEP, "why": str(error), "do": "write it, and check again"}
            )
    with _noted(raised, "schedule", port.dtype):
        write_schedule(spec, factory, keras, writer)
    if is_brief:
        return  # a check that finds a difference is made again with all layers
    if not tries_fixes:
        return
    with _noted(raised, "fixes", port.dtype):
        write_optimizer_changes(port, writer)
        write_fixes(spec, factory, port, writer)
        writer.facts["ended"] = _ended(spec, factory, writer, keras)


def _ended(
    spec: CheckSpec, factory: Callable[[], Any], writer: PortWriter, keras: KerasTrace
) -> dict[str, list[str]]:
    """Returns level -> items that agree with all fixes applied to the port.

    What differed only because of what they mend is among them; so it is known to follow from that.
    A large model is not probed a second time.
    """
    changes = [change for record in writer.facts["fixes"] for change in _listed(record["change"])]
    if not changes or keras.facts["num_parameters"] >= LARGE_MODEL:
        return {}

    def changed() -> Any:
        return changed_port(call_factory(factory, spec.seed, dtype_of(keras.facts)), changes)

    tried: PortWriter = CheckWriter()
    _run(spec, changed, tried, keras, tries_fixes=False)
    port = Written(tried, tried.facts, raised=tried.facts["raised"]).as_trace
    levels = compare_levels(OF_PROBE, keras, port)
    failed = {level.id: {i.name for i in level.items if i.status == FAIL} for level in levels}
    return {
        level.id: list(dict.fromkeys(i.name for i in level.items if i.name not in failed[level.id]))
        for level in levels
        if level.items
    }


def _listed(change: Any) -> list[Any]:
    return change if isinstance(change, list) else [change]


def _loss(port: PortUnderTest, form: str, writer: PortWriter) -> Loss | None:
    """Returns the loss of the port, or Keras's; None if there is none that could be computed."""
    if port.keras.facts["loss"] is None:
        return None
    if port.built.loss is None and port.keras.facts.get("own_loss"):
        writer.facts["no_loss"] = "give the port a loss, since the Keras model has a compute_loss"
        return None
    try:
        loss = Loss(port, form)
        see_targets(port, loss)
        with suppress(Exception):  # of the user's code; a later stage tells it
            if found := loss.broadcasts(port.nest, loss.arrays("target/probe")):
                writer.facts["broadcast"] = list(found[0])
        return loss
    except (AttributeError, LookupError, TypeError, ValueError) as error:  # a loss of the user
        writer.facts["no_loss"] = f"give the port a loss, since Keras's is not known here ({error})"
        return None


def _write_passes(port: PortUnderTest, form: str, loss: Loss, writer: PortWriter) -> None:
    """Writes the loss and the gradients."""
    raised = writer.facts["raised"]
    with _noted(raised, "loss", port.dtype):
        # A loss may use what the module kept of its last pass, as Keras's activity penalties do.
        port.forward("eval", "probe", training=False)
        if port.keras.facts.get("confident", True):
            write_confident_loss(port, form, loss, writer)
    with _noted(raised, "gradient", port.dtype), port.kept():
        write_gradients(port, loss, writer)


def _write_optimizer(port: PortUnderTest, writer: PortWriter, is_last: bool) -> None:
    """Writes the steps of the optimizer; a port that is asked later is as before."""
    if is_last:
        port.as_built = {}
    kept = nullcontext() if is_last else port.kept()
    with _noted(writer.facts["raised"], "optimizer", port.dtype), kept:
        write_optimizer(port, writer, is_brief=is_last)


def _write_trajectory(
    spec: CheckSpec,
    factory: Callable[[], Any],
    port: PortUnderTest,
    form: str,
    writer: PortWriter,
    is_last: bool,
) -> None:
    """Writes a few steps of training."""
    with _noted(writer.facts["raised"], "trajectory", port.dtype):
        fresh = built_again(port, factory, spec.seed, is_last=is_last)
        write_trajectory(fresh, form, writer)


@contextmanager
def _noted(raised: dict[str, str], stage: str, dtype: str) -> Iterator[None]:
    """Writes down an error of the user's code, with its line."""
    try:
        yield
    except ParityError:
        raise
    except Exception as error:  # any error of the port is a finding about the port
        check_written(error)
        line, advice = line_of(error), advice_on(error, dtype)
        message = f"{type(error).__name__}: {error}" + (f" ({line})" if line else "")
        raised[stage] = f"{message}; {advice}" if advice else message
