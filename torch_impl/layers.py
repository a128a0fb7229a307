"""What a Keras image classifier has and torch lacks: layers and initialisers, by Keras's rules.

Each says in what it differs from torch's own, and marks the line where it does.
"""

from __future__ import annotations

import math

import torch
from torch import nn

from torch_impl.philox import stateless_keep, stateless_uniform
from torch_impl.seeds import KerasSeeds


class Dropout(nn.Module):
    """Inverted dropout with the mask that Keras draws.

    y = x / (1 - rate) where u >= rate, else 0, with u = stateless_uniform(shape of x in Keras's
    layout, seed=(layer seed, number of earlier calls in train mode)).

    Differs from torch.nn.Dropout in:
    1. the mask is a function of the layer's seed and a counter, not of the global generator;
    2. it is drawn in the order (N, H, W, C), also for an input of layout (N, C, H, W);
    3. seed and counter are part of the layer's state, so that a run can be resumed.

    Args:
        rate: fraction to drop, in [0, 1).
        seed: of the layer; `initialise` sets it from the program's seed.
    """

    def __init__(self, rate: float, seed: int = 0) -> None:
        super().__init__()
        if not 0 <= rate < 1:
            raise ValueError(f"rate={rate!r}: expected a number in [0, 1)")
        self.rate = rate
        self.seed = seed
        self.num_calls = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Drops in train mode, passes through in eval mode; x is (N, C, H, W) or (N, C)."""
        if not self.training or self.rate == 0:
            return x
        channels_last = x.movedim(1, -1)  # (2)
        keep = stateless_keep(
            channels_last.shape,
            self.rate,
            seed=(self.seed, self.num_calls),
            dtype=x.dtype,
            device=x.device,
        )  # (1)
        self.num_calls += 1
        # Not a product with the mask, which makes NaN of a dropped infinity.
        dropped = torch.where(keep, channels_last * (1 / (1 - self.rate)), 0)
        return dropped.movedim(-1, 1)

    def get_extra_state(self) -> dict[str, int]:
        """Part of the state_dict."""
        return {"seed": self.seed, "num_calls": self.num_calls}  # (3)

    def set_extra_state(self, state: dict[str, int]) -> None:
        """Part of load_state_dict."""
        self.seed, self.num_calls = state["seed"], state["num_calls"]

    def extra_repr(self) -> str:
        """Shown in the module's repr."""
        return f"rate={self.rate}, seed={self.seed}"


class Flatten(nn.Module):
    """Flattens (N, C, H, W) in Keras's order: index = (h * W + w) * C + c.

    Differs from torch.nn.Flatten in:
    1. channels vary fastest, as in Keras's layout (N, H, W, C); with channels-last memory this is
       a view.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns (N, H * W * C)."""
        return x.movedim(1, -1).flatten(1)  # (1)


def glorot_uniform(
    shape: tuple[int, ...], *, seed: int, dtype: torch.dtype = torch.float32
) -> torch.Tensor:
    """Returns what Keras's GlorotUniform draws for a kernel from an integer seed, bit for bit.

    U(-l, l) with l = sqrt(6 / (fan_in + fan_out)) (Glorot & Bengio 2010), drawn in Keras's layout.

    Args:
        shape: Keras's: (height, width, in, out) of a convolution, (in, out) of a Dense layer.
        seed: of the initialiser.
        dtype: torch.float32 or torch.float64; the two streams are unrelated.
    """
    receptive_field = math.prod(shape[:-2])
    fan_in, fan_out = shape[-2] * receptive_field, shape[-1] * receptive_field
    # As Keras's VarianceScaling writes it: another order rounds differently in the last bit.
    limit = math.sqrt(3.0 * (1.0 / max(1.0, (fan_in + fan_out) / 2.0)))
    # Keras casts the bounds through float32, in float64 runs too.
    low, high = torch.tensor([-limit, limit], dtype=torch.float32).to(dtype)
    return stateless_uniform(shape, seed=(seed, 0), dtype=dtype) * (high - low) + low


@torch.no_grad()
def initialise(model: nn.Module, seeds: KerasSeeds) -> None:
    """Gives every layer what Keras draws for it, in the order in which Keras constructs layers.

    Kernels are Glorot-uniform, biases zero, each Dropout gets its seed. Differs from torch's
    defaults (Kaiming-uniform kernels with bound 1/sqrt(fan_in), uniform biases) in both.

    Args:
        model: whose modules stand in the order of the Keras program.
        seeds: advanced by one draw for each Conv2d, Linear and Dropout.
    """
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            out_channels, in_channels, height, width = layer.weight.shape
            kernel = glorot_uniform(
                (height, width, in_channels, out_channels),
                seed=seeds.next_layer_seed(),
                dtype=layer.weight.dtype,
            )
            layer.weight.copy_(kernel.permute(3, 2, 0, 1))  # HWIO -> OIHW
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.Linear):
            out_features, in_features = layer.weight.shape
            kernel = glorot_uniform(
                (in_features, out_features),
                seed=seeds.next_layer_seed(),
                dtype=layer.weight.dtype,
            )
            layer.weight.copy_(kernel.T)  # (in, out) -> (out, in)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, Dropout) and layer.rate > 0:  # at rate 0 Keras draws none
            layer.seed = seeds.next_layer_seed()


@torch.no_grad()
def initialise_independently(model: nn.Sequential) -> None:
    """Gives every layer Keras's distributions, drawn from torch's own generator.

    What a migrated program does that does not follow Keras's seed: Glorot-uniform kernels, zero
    biases, and torch.nn.Dropout in the place of every Dropout.

    Args:
        model: its layers are changed, and its Dropout layers replaced.
    """
    for name, layer in list(model.named_children()):
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, Dropout):
            setattr(model, name, nn.Dropout(layer.rate))
