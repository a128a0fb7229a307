"""Wrong ports, each with one mistake that people make."""

from __future__ import annotations

from typing import Any

from benchmarks.held_out.late import Late
from benchmarks.held_out.torch_side import F, nn, torch
from benchmarks.recurrent_cases import nets
from benchmarks.recurrent_cases.torch_side import locked, port

kl, assign = Late("torch_impl.layers"), Late("torch_impl.weights", "assign")


def dropped_each_step() -> Any:
    """`nn.Dropout` in front: each step drops others."""
    return port(nets.Dropped(lambda x, training: F.dropout(x, 0.4, training)))


def dropped_not() -> Any:
    """No dropout."""
    return port(nets.Dropped(lambda x, training: x))


def dropped_behind() -> Any:
    """The dropout of the output, as people take `nn.LSTM(dropout=...)` to be."""

    class Behind(nets.Dropped):
        def forward(self, x: Any) -> Any:
            _, (h, _) = self.memory(x)
            return self.targets(F.dropout(h[-1], 0.4, self.training))

    return port(Behind(None))


def dropped_other_rate() -> Any:
    """The share that is kept, as in TensorFlow 1."""
    return port(nets.Dropped(lambda x, training: locked(x, 0.6, training)))


def recurrent_dropped_not() -> Any:
    """The states are not dropped."""
    return port(nets.GatedLSTM(0.2, 0.0))


def recurrent_dropped_each_step() -> Any:
    """The states of each step are dropped by masks of their own."""
    return port(nets.GatedLSTM(0.2, 0.3, every_step=True))


def recurrent_dropped_shared() -> Any:
    """One mask for all gates."""
    return port(nets.GatedLSTM(0.2, 0.3, shared=True))


def states_dropped_not() -> Any:
    """The state is not dropped."""
    return port(nets.LoopedRNN("never"))


def states_dropped_each_step() -> Any:
    """Each step drops others."""
    return port(nets.LoopedRNN("every step"))


def states_not_passed() -> Any:
    """The decoder begins with zeros."""
    return port(nets.EncoderDecoder("nothing"))


def h_for_c() -> Any:
    """The decoder begins with h twice."""
    return port(nets.EncoderDecoder("h twice"))


def states_swapped() -> Any:
    """The states of both directions are joined the other way round."""
    return port(nets.GRUEncoderDecoder((1, 0)))


def h_used_for_c() -> Any:
    """The state h goes into the dense layer in the place of c."""
    return port(nets.StateUsed("h"))


def backwards_flipped_back() -> Any:
    """The output is flipped, too, as Bidirectional does it."""
    return port(nets.Backwards((True, True)))


def backwards_not() -> Any:
    """The sequence is read from its start."""
    return port(nets.Backwards((False, False)))


def both_averaged() -> Any:
    """The halves are averaged."""
    return port(nets.BothSummed(lambda a, b: (a + b) / 2))


def both_multiplied() -> Any:
    """The halves are multiplied."""
    return port(nets.BothSummed(torch.mul))


def backward_not_flipped() -> Any:
    """What the backward direction gives stays in its own order."""

    class NotFlipped(nets.BothSummed):
        def forward(self, x: Any) -> Any:
            y, _ = self.memory(x)
            there, back = y.chunk(2, dim=2)
            return self.targets((there + back.flip(1)).amax(1))

    return port(NotFlipped())


def c_for_h() -> Any:
    """The outputs are the c of each step."""
    return port(nets.CellLoop(1))


def gate_order() -> Any:
    """Keras's weights as they are, for gates in the order i, f, o, g."""

    def load(module: Any, weights: Any) -> None:
        own = {name: array for name, array in weights.items() if name.startswith("memory")}
        assign(module.memory, own)
        assign(module.targets, {name: weights[f"targets.{name}"] for name in ("kernel", "bias")})

    return port(nets.OneCellByHand("ifog"), load=load)


def biases_doubled() -> Any:
    """Both biases of `nn.LSTM` are trained."""
    made = port(nets.Dropped(lambda x, training: locked(x, 0.4, training)))
    made.module.memory.bias_hh_l0.requires_grad_(True)
    made.optimizer.add_param_group({"params": [made.module.memory.bias_hh_l0]})
    return made


def forget_bias_missing() -> Any:
    """The bias of the forget gate begins at 0."""
    made = port(nets.Dropped(lambda x, training: locked(x, 0.4, training)))
    nn.init.zeros_(made.module.memory.bias_ih_l0)
    return made


def reset_after() -> Any:
    """`nn.GRU`, which resets behind the product."""
    return port(nets.Plain(kl.GRU(3, 5, reset_after=True, return_sequences=True)))


def reset_after_stock() -> Any:
    """`nn.GRU`."""
    return port(nets.StockGRU())


def images_gate_order() -> Any:
    """Keras's weights as they are, for gates in the order i, f, o, g."""

    def load(module: Any, weights: Any) -> None:
        for name, cell in (("lower", module.lower), ("upper", module.upper)):
            held = (weights[f"{name}.conv_lstm_cell/{n}"] for n in ("kernel", "recurrent_kernel"))
            parts = [torch.as_tensor(array).permute(3, 2, 0, 1) for array in held]
            cell.conv.weight.copy_(torch.cat(parts, dim=1))
            cell.conv.bias.copy_(torch.as_tensor(weights[f"{name}.conv_lstm_cell/bias"]))
        assign(module.targets, {name: weights[f"targets.{name}"] for name in ("kernel", "bias")})

    return port(nets.Images("ifog"), load=load)


def images_sigmoid() -> Any:
    """A sigmoid in the place of the hard one."""
    return port(nets.Images(gate=torch.sigmoid))


def images_hard_sigmoid_of_keras_2() -> Any:
    """The hard sigmoid of Keras 2."""
    return port(nets.Images(gate=lambda x: (0.2 * x + 0.5).clamp(0, 1)))


def valid_images_padded() -> Any:
    """Padding 'same', cropped to the size."""
    return port(nets.CroppedImages())


def stateful_forgets() -> Any:
    """Each batch begins with zeros."""
    return port(nets.Stateful(forgets=True))
