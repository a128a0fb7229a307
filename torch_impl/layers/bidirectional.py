"""Two recurrent layers over one sequence, in both directions."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from torch_impl.layers.recurrent_gates import States
from torch_impl.layers.rnn import Loop

MERGE_MODES = ("concat", "sum", "mul", "ave", None)


class Bidirectional(nn.Module):
    """Two recurrent layers over one sequence, one forwards and one backwards.

    Differs from a bidirectional torch.nn.LSTM in:
    1. without return_sequences, the output of the backward layer is that of its last step, at the
       start of the sequence; torch's `output[:, -1]` has that of its first step;
    2. `merge_mode` says how the two outputs are merged.

    The two layers are children with Keras's names. Keras makes the backward layer from the config
    of the first one: with a seed, both draw the same masks.

    Source: keras 3.15 `layers/rnn/bidirectional.py`.

    Args:
        layer: walks forward.
        backward_layer: walks backwards, with the same return_sequences, return_state and stateful.
        merge_mode: 'concat', 'sum', 'mul', 'ave', or None for both outputs.
        names: of the two children.

    Raises:
        ValueError: the two do not fit together, or the mode is unknown.
    """

    def __init__(
        self,
        layer: Loop,
        backward_layer: Loop,
        merge_mode: str | None = "concat",
        names: tuple[str, str] | None = None,
    ) -> None:
        super().__init__()
        if merge_mode not in MERGE_MODES:
            raise ValueError(f"merge_mode={merge_mode!r}: expected one of {MERGE_MODES}")
        if layer.go_backwards == backward_layer.go_backwards:
            raise ValueError("both layers walk in one direction: expected one to go_backwards")
        for setting in ("return_sequences", "return_state", "stateful"):
            if getattr(layer, setting) != getattr(backward_layer, setting):
                raise ValueError(f"{setting} of the two layers differs: expected the same")
        kind = type(layer).__name__.lower()
        kind = kind.replace("simplernn", "simple_rnn").replace("convlstm", "conv_lstm")
        self.names = names or (f"forward_{kind}", f"backward_{kind}")
        for name, part in zip(self.names, (layer, backward_layer), strict=True):
            self.add_module(name, part)
        self.merge_mode = merge_mode
        self.return_sequences, self.return_state = layer.return_sequences, layer.return_state
        self._channels = -1 - getattr(layer, "rank", 0)  # axis of the channels of an output

    def forward(
        self,
        x: torch.Tensor,
        initial_state: list[torch.Tensor] | None = None,
        mask: torch.Tensor | None = None,
    ) -> torch.Tensor | States:
        """Returns the merged outputs of x, (N, T, C), then all states if they are returned.

        Both layers leave out the steps where the mask, (N, T), is false.
        """
        halves: list[Any] = [None, None]
        if initial_state is not None:
            middle = len(initial_state) // 2
            halves = [initial_state[:middle], initial_state[middle:]]
        outputs: list[torch.Tensor] = []
        states: list[torch.Tensor] = []
        for name, half in zip(self.names, halves, strict=True):
            found = self.get_submodule(name)(x, half, mask=mask)
            output, *rest = found if self.return_state else (found,)
            outputs.append(output)
            states += rest
        if self.return_sequences:
            outputs[1] = outputs[1].flip(1)  # (1)
        if self.merge_mode is None:
            return (*outputs, *states)
        merged = self._merge(*outputs)  # (2)
        return (merged, *states) if self.return_state else merged

    def compute_mask(self, inputs: Any, mask: Any) -> Any:
        """Returns the mask of each output: that of the input if all steps are returned."""
        mask = mask[0] if isinstance(mask, list | tuple) else mask
        one = mask if self.return_sequences else None
        return one if self.merge_mode else (one, one)

    def reset_states(self) -> None:
        """Begins the next call of both layers with zeros."""
        for name in self.names:
            layer: Any = self.get_submodule(name)
            layer.reset_states()

    def _merge(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        if self.merge_mode == "concat":
            return torch.cat([first, second], dim=self._channels)
        if self.merge_mode == "mul":
            return first * second
        return (first + second) / (2 if self.merge_mode == "ave" else 1)
