"""Wrong ports of the models, with one mistake each."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from benchmarks.attention.right_ports import (
    FEATURES,
    HEADS,
    RATE,
    SIZE,
    STEPS,
    ByHand,
    Cross,
    Decoder,
    Dropped,
    Encoder,
    Fused,
    Grouped,
    Layer,
    Masked,
    MaskedModule,
    Module,
    Norms,
    RmsByHand,
    Scaled,
    Sdpa,
    join,
    port,
    split,
)


class ScaleMissing(ByHand):
    """Scores are not divided."""

    def scale(self, scores: torch.Tensor, size: int) -> torch.Tensor:
        """Divides the scores."""
        return scores


class ScaleOfModel(ByHand):
    """Scores are divided by the root of the model's features."""

    def scale(self, scores: torch.Tensor, size: int) -> torch.Tensor:
        """Divides the scores."""
        return scores / math.sqrt(FEATURES)


class ScaledTwice(Sdpa):
    """The query is divided, and torch's function divides again."""

    def forward(self, x: torch.Tensor, shown: torch.Tensor | None = None) -> torch.Tensor:
        """Returns (N, T, features)."""
        q, k, v = split(self.q(x)) / math.sqrt(SIZE), split(self.k(x)), split(self.v(x))
        y: torch.Tensor = self.out(join(F.scaled_dot_product_attention(q, k, v, shown)))
        return y


class SoftmaxOverQueries(ByHand):
    """The softmax is over axis 2."""

    def weights(self, scores: torch.Tensor) -> torch.Tensor:
        """Makes weights of scores."""
        return self.drop(scores.softmax(dim=-2))


class SoftmaxOverHeads(ByHand):
    """The softmax is over axis 1, as it is right for tensors without a batch."""

    def weights(self, scores: torch.Tensor) -> torch.Tensor:
        """Makes weights of scores."""
        return self.drop(scores.softmax(dim=1))


class HeadsStrided(ByHand):
    """Heads are the last axis of the view."""

    def forward(self, x: torch.Tensor, shown: torch.Tensor | None = None) -> torch.Tensor:
        """Returns (N, T, features)."""
        n, t, _ = x.shape
        q, k, v = (
            layer(x).view(n, t, SIZE, HEADS).permute(0, 3, 1, 2)
            for layer in (self.q, self.k, self.v)
        )
        y: torch.Tensor = self.out(join(self.weights(self.scale(q @ k.mT, SIZE)) @ v))
        return y


class HeadsByView(ByHand):
    """A view as (N, heads, T, size), without the transpose."""

    def forward(self, x: torch.Tensor, shown: torch.Tensor | None = None) -> torch.Tensor:
        """Returns (N, T, features)."""
        n, t, _ = x.shape
        q, k, v = (layer(x).view(n, HEADS, t, SIZE) for layer in (self.q, self.k, self.v))
        y: torch.Tensor = self.out(join(self.weights(self.scale(q @ k.mT, SIZE)) @ v))
        return y


class JoinedByView(ByHand):
    """The heads are joined without the transpose back."""

    def forward(self, x: torch.Tensor, shown: torch.Tensor | None = None) -> torch.Tensor:
        """Returns (N, T, features)."""
        q, k, v = split(self.q(x)), split(self.k(x)), split(self.v(x))
        heads = self.weights(self.scale(q @ k.mT, SIZE)) @ v
        y: torch.Tensor = self.out(heads.reshape(x.shape))
        return y


class OtherHeads(ByHand):
    """Four heads in the place of two."""

    def forward(self, x: torch.Tensor, shown: torch.Tensor | None = None) -> torch.Tensor:
        """Returns (N, T, features)."""
        q, k, v = split(self.q(x), 4), split(self.k(x), 4), split(self.v(x), 4)
        y: torch.Tensor = self.out(join(self.weights(self.scale(q @ k.mT, q.shape[-1])) @ v))
        return y


class OutputBiasMissing(ByHand):
    """The output projection has no bias."""

    def __init__(self, rate: float = 0.0) -> None:
        super().__init__(rate)
        self.out = nn.Linear(FEATURES, FEATURES, bias=False)


class DropoutOfOutput(ByHand):
    """What comes out is dropped, not the weights."""

    def weights(self, scores: torch.Tensor) -> torch.Tensor:
        """Makes weights of scores."""
        return scores.softmax(dim=-1)

    def forward(self, x: torch.Tensor, shown: torch.Tensor | None = None) -> torch.Tensor:
        """Returns (N, T, features)."""
        y: torch.Tensor = self.drop(super().forward(x, shown))
        return y


class NormFirst(Encoder):
    """Normalises in front of the attention, not behind the sum."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns (N, 3)."""
        y = x + self.attn(self.norm1(x))
        z: torch.Tensor = y + self.linear2(F.relu(self.linear1(self.norm2(y))))
        return self.head(z.mean(1))


class NormLast(Decoder):
    """Normalises the sum, not what goes into the attention."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns (N, 3)."""
        return self.head(self.norm(x + self.attn(x, self.shown())).mean(1))


class NextStep(Decoder):
    """The mask shows the next step, too."""

    def shown(self) -> torch.Tensor:
        """Returns where a step may look."""
        return torch.ones(STEPS, STEPS, dtype=torch.bool).tril(1)


class Unmasked(Decoder):
    """There is no mask."""

    def shown(self) -> Any:
        """Returns where a step may look."""
        return None


class Later(Decoder):
    """The mask shows the later steps: triu for tril."""

    def shown(self) -> torch.Tensor:
        """Returns where a step may look."""
        return torch.ones(STEPS, STEPS, dtype=torch.bool).triu()


class MaskAsNumber(ByHand):
    """The mask of 0 and 1 is added to the scores."""

    def mask(self, scores: torch.Tensor, shown: torch.Tensor | None) -> torch.Tensor:
        """Hides what may not be seen."""
        return scores if shown is None else scores + shown.to(scores.dtype)


class MaskedBehind(ByHand):
    """The weights are masked behind the softmax, and their sum is not one."""

    def forward(self, x: torch.Tensor, shown: torch.Tensor | None = None) -> torch.Tensor:
        """Returns (N, T, features)."""
        q, k, v = split(self.q(x)), split(self.k(x)), split(self.v(x))
        weights = self.scale(q @ k.mT, SIZE).softmax(-1)
        y: torch.Tensor = self.out(join((weights * shown) @ v))
        return y


class MaskInverted(Masked):
    """What is shown and what is hidden are exchanged."""

    def attend(self, x: torch.Tensor, shown: torch.Tensor) -> torch.Tensor:
        """Returns (N, T, features)."""
        y: torch.Tensor = self.attn(x, ~shown[:, None, None])
        return y


class PaddingInverted(MaskedModule):
    """torch's argument is True for what is hidden."""

    def attend(self, x: torch.Tensor, shown: torch.Tensor) -> torch.Tensor:
        """Returns (N, T, features)."""
        y: torch.Tensor = self.attn(x, x, x, key_padding_mask=shown)[0]
        return y


class Exchanged(Cross):
    """Keras's order of the arguments: query, value, key."""

    def attend(self, q: torch.Tensor, v: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
        """Returns (N, T, 6)."""
        y: torch.Tensor = self.mha(q, v, k)[0]
        return y


class Tiled(Grouped):
    """Heads are repeated one after the other: 0, 1, 0, 1 for 0, 0, 1, 1."""

    def repeated(self, x: torch.Tensor) -> torch.Tensor:
        """(N, 2, T, 3) -> (N, 4, T, 3)."""
        return x.repeat(1, 2, 1, 1)


class FusedScaleMissing(Fused):
    """One projection, and scores that are not divided."""

    def forward(self, x: torch.Tensor, shown: torch.Tensor | None = None) -> torch.Tensor:
        """Returns (N, T, features)."""
        n, t, _ = x.shape
        q, k, v = self.qkv(x).reshape(n, t, 3, HEADS, SIZE).permute(2, 0, 3, 1, 4).unbind(0)
        y: torch.Tensor = self.proj(join(self.attn_drop((q @ k.mT).softmax(-1)) @ v))
        return y


FAULTS: dict[str, Callable[[], Any]] = {
    "scale_missing": lambda: Encoder(ScaleMissing(RATE)),
    "scale_of_model": lambda: Encoder(ScaleOfModel(RATE)),
    "scaled_twice": lambda: Decoder(ScaledTwice()),
    "fused_scale_missing": lambda: Encoder(FusedScaleMissing(RATE)),
    "softmax_over_queries": lambda: Encoder(SoftmaxOverQueries(RATE)),
    "softmax_over_heads": lambda: Encoder(SoftmaxOverHeads(RATE)),
    "heads_strided": lambda: Encoder(HeadsStrided(RATE)),
    "heads_by_view": lambda: Encoder(HeadsByView(RATE)),
    "joined_by_view": lambda: Encoder(JoinedByView(RATE)),
    "other_heads": lambda: Encoder(OtherHeads(RATE)),
    "output_bias_missing": lambda: Encoder(OutputBiasMissing(RATE)),
    "attention_dropout_missing": lambda: Encoder(Module()),
    "dropout_of_output": lambda: Encoder(DropoutOfOutput(RATE)),
    "dropout_rate": lambda: Encoder(Sdpa(0.1)),
    "norm_first": lambda: NormFirst(Module(RATE)),
    "norm_first_layer": lambda: Layer(norm_first=True),
    "norm_last": lambda: NormLast(Sdpa()),
    "causal_next_step": lambda: NextStep(Sdpa()),
    "causal_missing": lambda: Unmasked(Module()),
    "causal_later": lambda: Later(ByHand()),
    "mask_as_number": lambda: Decoder(MaskAsNumber()),
    "masked_behind": lambda: Decoder(MaskedBehind()),
    "mask_inverted": lambda: MaskInverted(Sdpa()),
    "padding_inverted": lambda: PaddingInverted(
        nn.MultiheadAttention(FEATURES, HEADS, batch_first=True)
    ),
    "key_value_exchanged": Exchanged,
    "heads_tiled": Tiled,
    "rms_epsilon": lambda: Decoder(Module(), nn.RMSNorm(FEATURES)),
    "rms_epsilon_by_hand": lambda: Decoder(Sdpa(), RmsByHand(1e-5)),
    "layer_scale_initial": lambda: Scaled(1e-2),
    "layer_scale_missing": lambda: Scaled(is_scaled=False),
    "drop_path_rate": lambda: Dropped(0.2),
    "group_count": lambda: Norms(groups=4),
    "group_epsilon": lambda: Norms(eps=1e-5),
    "instance_as_one_group": lambda: Norms(instance=nn.GroupNorm(1, 4, eps=1e-3)),
}


def __getattr__(name: str) -> Any:
    """Returns the factory of a port by its name."""
    if name not in FAULTS:
        raise AttributeError(name)
    return lambda: port(FAULTS[name]())
