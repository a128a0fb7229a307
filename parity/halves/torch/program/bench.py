"""bench_program: times a user's port, in rounds that a benchmark asks for, or trains it once."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from parity.bench.server import NotApplicable
from parity.errors import InputError
from parity.halves.torch.bench import clock
from parity.halves.torch.check.loss import Loss, see_targets
from parity.halves.torch.environment import describe_environment
from parity.halves.torch.factories import factory_of
from parity.halves.torch.port.port_under_test import PortUnderTest
from parity.halves.torch.program.spread import is_near, move_port, moved, spread_of
from parity.halves.torch.program.stepper import ReplayedStepper
from parity.halves.torch.program.training import arguments_of, begin, complete, train, with_batches
from parity.programs.check_spec import CheckSpec
from parity.traces.feed_file import read_feed
from parity.traces.trace import CheckWriter, KerasTrace, PortTrace, PortWriter, RunResult
from torch_impl import optim
from torch_impl.layers import Dropout
from torch_impl.native.origins import slow_loops
from torch_impl.port import Port
from torch_impl.trainer import Batch, Callback, Trainer

if TYPE_CHECKING:
    from parity.bench.server import BenchServer, ProgramBenchTask
    from parity.traces.folder import RunFolder


# --- The variants of a benchmark, made of a user's port: each changes one thing, in place ---------
#
# A port goes in as its factory returns it. What a user writes for a variant:
#
#     torch-fused            optim.Adam(..., fused=True), or torch.optim.Adam(..., fused=True)
#     torch-channels-last    module.to(memory_format=torch.channels_last), and the images likewise
#     torch-tuned            both
#     torch-compiled         module.compile()


CHANNELS_LAST = ("torch-channels-last", "torch-tuned")
FUSED = ("torch-fused", "torch-tuned")


def varied(factory: Callable[[], Any], variant: str) -> Callable[[], Any]:
    """Returns a factory of the port of a variant, but for `compile_module`.

    Args:
        factory: of the user's port.
        variant: one of PROGRAM_VARIANTS.

    Returns:
        A factory; it raises NotApplicable if the variant changes nothing of the port.
    """

    def build() -> Any:
        built = factory()
        port = built if isinstance(built, Port) else Port(built)
        if variant in FUSED:
            fuse(port.optimizer)
        if variant in CHANNELS_LAST:
            put_channels_last(port.module)
        return built

    return build


def fuse(optimizer: Any) -> None:
    """Makes an optimizer take its steps by torch's fused kernel, with the same equations.

    Args:
        optimizer: before its first step.

    Raises:
        NotApplicable: it has no such form, or is fused already.
    """
    kind = type(optimizer)
    name = f"{kind.__module__.partition('.')[0]}'s {kind.__name__}"
    is_keras = isinstance(optimizer, optim.Adam)
    stock = kind in (torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD)
    if not (is_keras or stock):
        raise NotApplicable(
            f"{name} has no fused form; Adam and AdamW of torch_impl.optim have one"
        )
    if any(group.get("fused") for group in optimizer.param_groups):
        raise NotApplicable(f"{name} of the port is fused already")
    for group in optimizer.param_groups:
        group["fused"] = True
        if stock:
            group["foreach"] = False


def put_channels_last(module: nn.Module) -> None:
    """Puts the kernels of two-dimensional convolutions in memory with channels last.

    Raises:
        NotApplicable: there are none, or they lie so already.
    """
    kernels = [
        layer.weight
        for layer in module.modules()
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)
    ]
    if not kernels:
        raise NotApplicable("the module has no two-dimensional convolutions")
    last = torch.channels_last
    if all(k.is_contiguous(memory_format=last) and not k.is_contiguous() for k in kernels):
        raise NotApplicable("the kernels of the module have channels last already")
    module.to(memory_format=last)  # type: ignore[call-overload]


def with_channels_last(value: Any) -> Any:
    """Returns images (N, C, H, W) with channels last in memory; other values as they are."""
    if isinstance(value, torch.Tensor) and value.ndim == 4 and value.is_floating_point():
        return value.contiguous(memory_format=torch.channels_last)
    return value


def compile_module(module: nn.Module) -> None:
    """Compiles a module in place, after the port was watched.

    What draws Keras's masks counts its calls, for which it would be compiled anew at every call: it
    stays as it is.
    """
    torch.compiler.set_stance("default")  # it was "force_eager", so that modules can be watched
    for layer in module.modules():
        if isinstance(layer, Dropout):
            layer.draw = torch.compiler.disable(layer.draw)  # type: ignore[method-assign]
    is_cuda = any(parameter.is_cuda for parameter in module.parameters())
    module.compile(mode="reduce-overhead" if is_cuda else "default")


def num_compiled() -> int:
    """Returns the number of functions that torch has compiled in this process."""
    from torch._dynamo.utils import counters

    return int(counters["frames"]["ok"])


# --------------------------------------------------------------------------------------------------
#
# bench_program: times a user's port, in rounds that a benchmark asks for, or trains it once.
#
# The port begins with Keras's weights and is fed what Keras is fed, in Keras's order. While it is
# timed, its dropouts draw by themselves, as they do in the user's hands; where it is judged, they
# keep what Keras's keep. Images of a flow are augmented within the turns, as they are in `fit`.


EAGER = "torch-eager"  # the port as it stands, which the run has trained
ENDLESS = 10**9  # epochs; the callback ends them


def bench_program(task: ProgramBenchTask, folder: RunFolder, server: BenchServer) -> None:
    """Times one variant of a port, or trains it once to be compared.

    Args:
        task: which part, and how.
        folder: of the child; its `training` receives what is compared.
        server: asks for rounds.

    Raises:
        InputError: the port cannot be built.
        NotApplicable: the variant changes nothing of the port.
        NoMoreRounds: there are no more rounds.
    """
    is_judged = task.part == "judged"
    keras, eager = KerasTrace(task.folder("keras").path), task.folder("torch")
    if not is_judged:
        keras.facts["dtype"] = "float32"
    form = str(PortTrace(eager.path).facts["output_form"])
    port = _port(task, keras, form)
    begin(port, {name: keras[f"start/{name}"] for name in keras.below("start")})
    if task.variant == "torch-compiled":
        compile_module(port.built.module)
    environment = {
        **describe_environment(task.spec),
        "precision": task.precision,
        "variant": task.variant,
        "compile": task.variant == "torch-compiled",
        "has_own_loop": port.built.train_epoch is not None,
        "slow_loops": slow_loops(),
    }
    feed = read_feed(task.folder("keras").feed if is_judged else task.feed)
    server.ready(environment, *clock(task))
    if is_judged:
        _judge(task, port, form, feed, folder, server)
        return
    _time(task, port, form, feed, server)


def _port(task: ProgramBenchTask, keras: KerasTrace, form: str) -> PortUnderTest:
    spec = task.spec
    check = CheckSpec(
        keras=spec.keras, torch=spec.torch, seed=spec.seed, folder=spec.folder, device=spec.device
    )
    port = PortUnderTest(varied(factory_of(check), task.variant), spec.seed, keras, spec.device)
    see_targets(port, Loss(port, form))
    dtypes = {str(p.dtype) for p in port.module.parameters() if p.is_floating_point()}
    expected = f"torch.{port.dtype}"
    if dtypes - {expected}:
        raise InputError(
            f"the port has weights in {', '.join(sorted(dtypes))}, and is timed in {expected}"
        )
    return port


class _Stepper(ReplayedStepper):
    """Makes the steps of a variant."""

    has_channels_last = False

    def prepared(self, batch: Batch) -> Batch:
        """Returns a batch in the form that module and loss take."""
        found = super().prepared(batch)
        if not self.has_channels_last:
            return found
        x = found.x
        x = tuple(map(with_channels_last, x)) if isinstance(x, tuple) else with_channels_last(x)
        return dataclasses.replace(found, x=x)


def _judge(
    task: ProgramBenchTask,
    port: PortUnderTest,
    form: str,
    feed: tuple[dict[str, Any], dict[str, Any]],
    folder: RunFolder,
    server: BenchServer,
) -> None:
    """Trains a variant as the port was trained in the run, and writes it down."""
    keras, eager = port.keras, PortTrace(task.folder("torch").training.path)
    weights = {name: keras[f"start/{name}"] for name in keras.below("start")}
    writer: PortWriter = CheckWriter()
    server.begin()
    given = with_batches(port, *feed)
    result = train(port, form, weights, (given, feed[1]), writer, lambda step, total, loss: None)
    if task.is_flow:
        given["train_batches"].write(writer)
    if task.variant == "torch-compiled" and not num_compiled():
        raise InputError("torch.compile has made nothing of the module, which ran as it is")
    spread = eager.facts.get("spread")
    spread = spread or _spread(task, keras, form, feed, eager, writer, result) or {}
    writer.facts["spread"] = spread
    folder.training.path.mkdir()
    folder.training.spec.write_bytes(task.folder("torch").training.spec.read_bytes())
    writer.write(folder.training.path, environment=eager.environment, result=result)
    server.end(task.samples)
    server.begin()


def _spread(
    task: ProgramBenchTask,
    keras: KerasTrace,
    form: str,
    feed: tuple[dict[str, Any], dict[str, Any]],
    eager: PortTrace,
    writer: PortWriter,
    result: RunResult,
) -> dict[str, float] | None:
    """Returns how far a small change drives the port of the run apart, if a variant needs it.

    It is the same for all variants. The run has not found it if its port was near without it.
    """
    if is_near(KerasTrace(task.folder("keras").training.path), writer, result):
        return None
    port = _port(dataclasses.replace(task, variant=EAGER), keras, form)
    other: PortWriter = CheckWriter()
    start = {name: keras[f"start/{name}"] for name in keras.below("start")}
    weights = moved(start, eager.facts["left_open"])
    move_port(port, keras, eager.facts["left_open"])
    fed = with_batches(port, *feed), feed[1]
    train(port, form, weights, fed, other, lambda step, total, loss: None)
    arrays = {f"training/{key}": eager[f"training/{key}"] for key in eager.below("training")}
    return spread_of(arrays, other.arrays)


def _time(
    task: ProgramBenchTask,
    port: PortUnderTest,
    form: str,
    feed: tuple[Mapping[str, Any], Mapping[str, Any]],
    server: BenchServer,
) -> None:
    """Trains without validation, callbacks and rules that act after an epoch; an epoch a round."""
    built = _without_rules(complete(port, CheckWriter()))
    if task.is_flow:
        fed, samples = _of_flow(task, built, port.keras.facts["fit"], *feed), task.samples
    else:
        fed, samples = _fed(task, arguments_of(port.keras.facts["fit"], built, *feed))
    stepper = _Stepper(port, built, form)
    stepper.has_channels_last = task.variant in CHANNELS_LAST
    Trainer(built, stepper).fit(
        **fed,
        batch_size=task.batch_size,
        epochs=ENDLESS,
        shuffle=False,
        callbacks=[_Rounds(server, samples)],
    )


def _without_rules(built: Port) -> Port:
    """Leaves out what acts after an epoch; a schedule that counts steps is the optimizer's own."""
    is_of_steps = built.scheduler_interval == "step"
    return dataclasses.replace(
        built, scheduler=built.scheduler if is_of_steps else None, early_stopping=None
    )


def _fed(task: ProgramBenchTask, given: Mapping[str, Any]) -> tuple[dict[str, Any], int]:
    """Returns x, y and weights of a turn, and the number of samples in it."""
    names = ("x", "y", "sample_weight")
    if task.part == "step":
        number = max(1, task.samples // task.batch_size)
        size = min(task.batch_size, task.samples)
        rows: Any = np.tile(np.arange(size), number)
    else:
        size, number, rows = task.samples, 1, slice(0, task.samples)
    found = {name: _rows(given[name], rows) for name in names}
    # Batches that were written down have the weights of the classes in those of the samples.
    by_class = None if task.is_written else given["class_weight"]
    return {**found, "class_weight": by_class}, number * size


def _of_flow(
    task: ProgramBenchTask,
    built: Port,
    fit: Mapping[str, Any],
    nests: Mapping[str, Any],
    settings: Mapping[str, Any],
) -> dict[str, Any]:
    """Returns the batches of a flow, which are augmented in every turn, and weights of classes."""
    # It imports torchvision, which a program without images need not have loaded.
    from parity.halves.torch.program.flow_batches import TimedFlow

    flow = TimedFlow(
        nests["train_flow"],
        settings["flows"]["train_flow"],
        built,
        samples=task.samples,
        batch_size=task.batch_size,
        shuffle=bool(fit["shuffle"]),
    )
    return {"x": flow, "class_weight": built.class_weight}


def _rows(nest: Any, rows: Any) -> Any:
    if nest is None:
        return None
    if isinstance(nest, Mapping):
        return {name: _rows(part, rows) for name, part in nest.items()}
    if isinstance(nest, tuple | list):
        return tuple(_rows(part, rows) for part in nest)
    return nest[rows]


class _Rounds(Callback):
    """Every epoch is a round."""

    def __init__(self, server: BenchServer, samples: int) -> None:
        self._server, self._samples = server, samples

    def on_epoch_begin(self, epoch: int) -> None:
        """Waits for the next round."""
        self._server.begin()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float]) -> None:
        """Ends the round."""
        self._server.end(self._samples)
