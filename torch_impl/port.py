"""Port: what a factory of a user's PyTorch program returns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from torch_impl.errors import PortError
from torch_impl.losses.outputs import OutputLosses
from torch_impl.optim.adopted import adopted
from torch_impl.optim.base import update_after_steps
from torch_impl.penalty import Added, RegularizedLoss
from torch_impl.seeds import KerasSeeds

# One loss, or one for each output: by its name, or in order.
LossOfPort = Callable[[Any, Any], torch.Tensor] | Mapping[str, Any] | Sequence[Any]


@dataclass(frozen=True)
class Port:
    """What a torch factory returns when a module alone does not say everything.

    An attribute that is None is not compared, and the report says so. A module alone is compared up
    to its gradients, with Keras's own loss.

    Attributes:
        module: the network.
        network: what a training calls in the place of `module`, with the same parameters: such as
            `torch_impl.fast.fused(module)`. Single batches are compared in `module`, whose layers
            are known. None: `module` itself.
        loss: called with (output of the module, targets), and with `sample_weight=` if it has that
            argument and the samples have weights; returns a scalar that includes penalties. Of a
            module with several outputs also a mapping by their names, or a sequence in their order,
            of a loss or None for each: see `torch_impl.losses.OutputLosses`. One function of all
            outputs gets targets in the form in which the module returns outputs: in a tuple, or by
            the names of a mapping.
        added_loss: called with the module after each pass; returns a scalar that is added to
            `loss`: what Keras's layers give to `add_loss`, such as `lambda net: net.kl`. It has no
            weights of samples.
        optimizer: holds the parameters of the module. One that wraps an optimizer of torch, as
            Accelerate's does, stands for that. An object of a class of your own that is none of
            torch's has `step()`, and its rate as `lr` or `learning_rate`.
        average: the average of the weights that stands in their place after the training, as with
            `use_ema` of a Keras optimizer: `torch.optim.swa_utils.AveragedModel(module,
            multi_avg_fn=get_ema_multi_avg_fn(0.99))`. The Port updates it after each step of
            `optimizer`. None: the optimizers of `torch_impl.optim` keep it themselves.
        scheduler: sets the learning rate in `step()`, or in `step(value)` if it watches a metric;
            or a sequence of such schedulers.
        scheduler_interval: when `step` is called: after every "epoch" or after every "step".
        monitor: Keras's name of the metric that is passed to `step(value)`; None: the `monitor` of
            the scheduler or rule itself, else "val_loss".
        early_stopping: its `step(value)` returns whether training ends; its `restore()`, if it has
            one, is called after the last epoch.
        before_step: called with the module between `backward` and `optimizer.step`, for example to
            clip gradients.
        feed: turns the arrays of a batch, one for each input, in Keras's layout (N, H, W, C), into
            the arguments of the module. It gets several inputs by keyword if its arguments have
            their names, in one dictionary or list if it has one argument, else in Keras's order.
            None: images become (N, C, H, W), other arrays stay as they are, and several inputs
            reach the module by the names of its arguments, in a row, or in one.
        target: turns the targets of a batch into the argument of the loss; an array that it returns
            becomes a tensor. None: into a tensor.
        output: turns what the module returns into what loss and metrics take, such as
            `torch_impl.losses.channels_last` for images (N, C, H, W) and targets in Keras's layout.
            If the module returns more than Keras's outputs, it chooses them, such as
            `lambda returned: returned[1]`, and all levels compare what it gives. None: loss and
            metrics take what the module returns. Loops and steps of the port's own do it
            themselves.
        load: puts Keras's weights into the module; called with (module, {"conv1.kernel": array}).
            None: the table of layouts is used.
        layers: Keras layer -> module, for pairs that are not found automatically:
            {"conv2d_1": "features.3"}.
        steps_per_epoch: number of steps in an epoch, for a scheduler with interval "epoch" that
            replaces a Keras schedule which changes the rate in every step.
        validation_loss: the loss of validation, called as `loss`; None: `loss`. One with class
            weights inside needs it, since Keras has no class weights in validation.
        class_weight: from label to the weight of its samples in training; the loss then gets them
            as `sample_weight`. None: the port has none, or its loss has them inside.
        metrics: what `compile(metrics=...)` takes: names such as "accuracy", objects of
            `torch_impl.metrics`, functions of (output, targets) with a value for each sample,
            objects with `update(output, targets)`, `compute()` and `reset()`; of several outputs a
            mapping by their names, or a sequence with an entry for each, of such lists.
        weighted_metrics: metrics that count samples by their weights.
        loss_weights: of the losses of several outputs, by name or in order; None: 1 for each.
        output_names: Keras's names of several outputs, in the order in which the module returns
            them; not needed if it returns a mapping, or `loss` is one.
        train_epoch: the port's own loop over an epoch: called with an iterable of batches
            (arguments of the module, targets), or with the weights of the samples as a third;
            returns the numbers of the epoch by Keras's names, such as {"loss": 0.3}. It makes the
            steps, and steps a scheduler with the interval "step"; another one is not stepped any
            more when the loop has done so. It gets the module in the modes in which it has left it.
            None: the loop of Trainer.
        evaluate: its own loop over the validation, called and answered likewise.
        train_step: the port's own step, for a Keras model with a `train_step` of its own: called
            with what Keras's gets, in tensors: x alone, (x, y) or (x, y, weights), where x is what
            `feed` and y what `target` makes of them; returns the numbers that Keras's returns, by
            the same names. It makes the steps of all optimizers. A Trainer makes its steps with
            it, and so does `parity run`, in float64, unless there is `train_epoch`.
        augment: what the port does with the images of a flow of ImageDataGenerator in training: a
            KerasTransform or an ImageDataGenerator of `torch_impl.augment`, a `v2.Compose` with
            one, or a function of (images (N, C, H, W), parameters by the names of Keras's
            `get_random_transform`, (N,) each) that returns images of this shape. It gets the
            parameters that Keras drew. None: the port is fed Keras's images. Used by `parity run`.
        seeds: the generators from which the port has drawn its weights and the seeds of its layers;
            `Trainer.fit` takes the order of the samples from them.
    """

    module: nn.Module
    loss: LossOfPort | None = None
    optimizer: torch.optim.Optimizer | None = None
    scheduler: Any = None
    scheduler_interval: str = "epoch"
    monitor: str | None = None
    early_stopping: Any = None
    before_step: Callable[[nn.Module], Any] | None = None
    feed: Callable[..., Any] | None = None
    target: Callable[[np.ndarray], Any] | None = None
    output: Callable[[Any], Any] | None = None
    load: Callable[[nn.Module, Mapping[str, np.ndarray]], Any] | None = None
    layers: Mapping[str, str] = field(default_factory=dict)
    steps_per_epoch: int = 100
    validation_loss: LossOfPort | None = None
    class_weight: Mapping[int, float] | None = None
    metrics: Sequence[Any] | Mapping[str, Any] = ()
    weighted_metrics: Sequence[Any] | Mapping[str, Any] = ()
    train_epoch: Callable[[Iterable[Any]], Mapping[str, float]] | None = None
    evaluate: Callable[[Iterable[Any]], Mapping[str, float]] | None = None
    train_step: Callable[[Any], Mapping[str, Any]] | None = None
    augment: Any = None
    seeds: KerasSeeds | None = None
    loss_weights: Mapping[str, float] | Sequence[float] | None = None
    output_names: Sequence[str] = ()
    network: nn.Module | None = None
    added_loss: Callable[[nn.Module], torch.Tensor] | None = None
    average: AveragedModel | None = None

    def __post_init__(self) -> None:
        if self.scheduler_interval not in ("epoch", "step"):
            raise PortError(
                f"scheduler_interval={self.scheduler_interval!r}: expected 'epoch' or 'step'"
            )
        object.__setattr__(self, "optimizer", _of_torch(self.optimizer, self.module))
        if self.average is not None:
            update_after_steps(self.average, self.module, self.optimizer)

    @classmethod
    def from_keras(
        cls,
        module: nn.Module,
        compiled: Any,
        *,
        callbacks: Iterable[Any] | None = None,
        **given: Any,
    ) -> Port:
        """Returns a port of a module of your own that is trained as a compiled Keras model is.

            port = Port.from_keras(Net(), "model.keras", callbacks=[...], class_weight={0: 2.0})

        Loss, loss weights, optimizer with its schedule, and metrics are those of `compile`, by
        Keras's equations. Keras is not imported: its files hold JSON, and a model is asked by its
        own methods. `parity port` writes the same parts as source.

        A compile config does not hold everything. Penalties and constraints of weights belong to
        the layers: a warning names those of the model. Callbacks and weights of classes and samples
        belong to `fit`: give them; a bundle has the first two. A function is known by its name
        alone, unless the model itself is given: one with the name of Keras's counts as Keras's, as
        in `keras.models.load_model`. Keras writes no `delta` of a Huber loss and no `axis` of a
        CosineSimilarity: of a file, they are Keras's defaults.

        Args:
            module: the network; the optimizer gets all of its parameters.
            compiled: path of a `.keras`, of a bundle of `parity record`, or of a JSON file; the
                JSON text or the dictionary of `model.get_compile_config()`, or a whole one with
                "compile_config" in it; or a compiled Keras model in the same process.
            callbacks: ReduceLROnPlateau, EarlyStopping and LearningRateScheduler: those of Keras,
                or dictionaries with "class_name" and "config", the arguments. The "schedule" of a
                LearningRateScheduler is a function, or a schedule as Keras serialises it. None:
                those of a bundle.
            **given: other arguments of `Port`. One that Keras's model has too, such as `loss`,
                takes the place of Keras's.

        Raises:
            PortError: the model is not compiled, or a loss, an optimizer, a schedule, a metric or
                a callback is your own or has no equal here; all in one message.
        """
        from torch_impl.keras_config.compiled import port_parts

        return cls(module, **port_parts(module, compiled, callbacks, given))

    def with_one_loss(self) -> Port:
        """Returns a port whose losses of several outputs are one, with what its module adds.

        Raises:
            ValueError: losses, weights and names do not fit together.
        """
        changes: dict[str, Any] = {}
        for name in ("loss", "validation_loss"):
            given: Any = getattr(self, name)
            if isinstance(given, Mapping | list | tuple):
                made = OutputLosses(given, self.loss_weights, self.output_names)
                changes |= {name: made, "output_names": made.names}
            if given is not None and self.added_loss is not None:
                whole = RegularizedLoss(
                    changes.get(name, given), Added(self.module, self.added_loss)
                )
                changes |= {name: whole, "added_loss": None}
        if self.loss_weights is not None and not isinstance(self.loss, Mapping | list | tuple):
            raise ValueError("loss_weights with one loss: expected a mapping or a list of losses")
        if self.added_loss is not None and "loss" not in changes:
            raise ValueError("added_loss without a loss: expected Port(loss=..., added_loss=...)")
        return replace(self, **changes, loss_weights=None) if changes else self

    def taken(self, returned: Any) -> Any:
        """Returns what loss and metrics take of what the module returned."""
        return returned if self.output is None else self.output(returned)

    @property
    def called(self) -> nn.Module:
        """The module that a training calls."""
        return self.module if self.network is None else self.network

    @property
    def schedulers(self) -> Sequence[Any]:
        """The schedulers in order, as a sequence."""
        if self.scheduler is None:
            return ()
        is_many = isinstance(self.scheduler, list | tuple)
        return tuple(self.scheduler) if is_many else (self.scheduler,)


def _of_torch(optimizer: Any, module: nn.Module) -> Any:
    """Returns the optimizer that another one wraps, or one of torch that stands for it."""
    if optimizer is None or hasattr(optimizer, "_optimizer_step_pre_hooks"):
        return optimizer
    held = getattr(optimizer, "__dict__", {}).values()
    inner = (each for each in held if isinstance(each, torch.optim.Optimizer))
    return next(inner, None) or adopted(optimizer, module)
