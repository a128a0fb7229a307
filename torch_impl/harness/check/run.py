"""run_check: what a port computes where Keras computed what the bundle holds, written down.

The same probes in the same order as `keras_impl/check`, under the same keys and the same names, in
the portable layout. Every paired layer is judged twice: as it is reached in the port (an error
may be inherited), and fed with Keras's own input (an error is its own). What raises is written down
too, and the next probe goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from parity.errors import ParityError
from parity.programs.check_spec import CheckSpec
from parity.traces.bundle import Bundle
from parity.traces.trace import TraceWriter
from torch_impl.harness.check.facts import write_facts
from torch_impl.harness.check.forward import output_form, write_forward
from torch_impl.harness.check.gradient import write_gradients
from torch_impl.harness.check.initial import write_init
from torch_impl.harness.check.loss import loss_of, write_confident_loss
from torch_impl.harness.check.optimizer import write_optimizer
from torch_impl.harness.check.schedule import write_schedule
from torch_impl.harness.check.trajectory import write_trajectory
from torch_impl.harness.port.call_places import line_of
from torch_impl.harness.port.port_under_test import PortUnderTest


def run_check(
    spec: CheckSpec,
    factory: Callable[[], Any],
    writer: TraceWriter,
    bundle: Bundle | None = None,
) -> None:
    """Probes the port that a factory builds.

    Args:
        spec: how; seed and sizes are the bundle's.
        factory: returns a module or a Port.
        writer: receives arrays under the keys of the bundle, `forward/…/own` beside them, and the
            facts `nodes`, `pairs`, `problems`, `raised`, `settings`.
        bundle: what Keras computed; it is needed.

    Raises:
        InputError: the port cannot be probed at all.
    """
    assert bundle is not None
    port = PortUnderTest(factory, spec.seed, bundle, spec.device)
    raised: dict[str, str] = {}
    writer.facts["raised"] = raised
    write_facts(port, writer)
    write_init(spec, factory, port, writer)
    writer.put_all("weights", port.weights())
    for mode in ("eval", "train"):
        with _noted(raised, f"forward/{mode}"):
            write_forward(port, mode, writer)
    form = output_form(port, writer)
    writer.facts["output_form"] = form
    if bundle.facts["loss"] is not None:
        _write_training(spec, factory, port, form, writer)
    if port.built.optimizer is not None and bundle.facts["optimizer"] is not None:
        with _noted(raised, "optimizer"):
            write_optimizer(PortUnderTest(factory, spec.seed, bundle, spec.device), writer)
    with _noted(raised, "schedule"):
        write_schedule(spec, factory, bundle, writer)


def _write_training(
    spec: CheckSpec, factory: Callable[[], Any], port: PortUnderTest, form: str, writer: TraceWriter
) -> None:
    """Loss, gradients, and a few steps."""
    raised, bundle = writer.facts["raised"], port.bundle
    try:
        loss = loss_of(port, form)
    except (AttributeError, LookupError, TypeError, ValueError) as error:  # one of the user's own
        writer.facts["no_loss"] = f"give the port a loss, since Keras's is not known here ({error})"
        return
    with _noted(raised, "loss"):
        write_confident_loss(port, form, loss, writer)
    with _noted(raised, "gradient"), port.kept():
        write_gradients(port, loss, writer)
    if port.built.optimizer is not None and bundle.facts["optimizer"] is not None:
        with _noted(raised, "trajectory"):
            write_trajectory(PortUnderTest(factory, spec.seed, bundle, spec.device), form, writer)


@contextmanager
def _noted(raised: dict[str, str], stage: str) -> Iterator[None]:
    """Writes down what the user's code raises, with its line."""
    try:
        yield
    except ParityError:
        raise
    except Exception as error:  # whatever a port may raise is a finding about the port
        line = line_of(error)
        raised[stage] = f"{type(error).__name__}: {error}" + (f" ({line})" if line else "")
