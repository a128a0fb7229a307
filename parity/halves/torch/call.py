"""Call: one call of a watched module or function: what it took and gave, and how to repeat it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from torch_impl.layouts import LAYOUTS, Tensors, Variable, variables

# --------------------------------------------------------------------------------------------------
#
# The weights that a function is called with: `F.linear(x, self.fc.weight)`, `x @ self.table.T`.
#
# A function of torch that is called with parameters of the module under test computes what a layer
# computes. Its arguments go in, the variables of that layer come out: each is read and set in the
# parameter that it comes from, through whatever transposes and views the program applies to it.


# Function, without its number of dimensions -> the module that computes the same, and the names of
# its arguments in order.
_LAYERS: dict[str, tuple[type[nn.Module], str]] = {
    "linear": (nn.Linear, "input weight bias"),
    "conv": (nn.Conv2d, "input weight bias stride padding dilation groups"),
    "conv_transpose": (nn.ConvTranspose2d, "input weight bias"),
    "embedding": (nn.Embedding, "input weight"),
    "batch_norm": (nn.BatchNorm2d, "input running_mean running_var weight bias"),
    "layer_norm": (nn.LayerNorm, "input normalized_shape weight bias"),
    "group_norm": (nn.GroupNorm, "input num_groups weight bias"),
    "instance_norm": (nn.InstanceNorm2d, "input running_mean running_var weight bias"),
    "rms_norm": (nn.RMSNorm, "input normalized_shape weight"),
    "prelu": (nn.PReLU, "input weight"),
}
_PRODUCTS = frozenset(("matmul", "__matmul__", "__rmatmul__", "mm", "addmm", "einsum", "tensordot"))


@dataclass(frozen=True)
class Place:
    """Where the values of a tensor come from.

    Attributes:
        module: holds the parameter or buffer.
        attribute: its name.
        positions: int64, of the shape of the tensor: the flat position of each value.
    """

    module: nn.Module
    attribute: str
    positions: torch.Tensor


@dataclass(frozen=True)
class _Made:
    """A tensor that a program makes from parameters alone: the call, and which output it is."""

    function: Any
    arguments: Any
    keywords: Any
    outputs: list[torch.Tensor]
    number: int


class Weights:
    """The parameters and buffers of a module, and the tensors that a program makes from them.

    Args:
        root: the module under test.
    """

    def __init__(self, root: nn.Module) -> None:
        self._places: dict[int, tuple[nn.Module, str]] = {}
        self._made: dict[int, _Made] = {}
        self._alive: list[torch.Tensor] = []  # so that no id is used twice
        for _, module, name, tensor in tensors_of(root):
            self._places.setdefault(id(tensor), (module, name))
            self._alive.append(tensor)

    def __contains__(self, tensor: torch.Tensor) -> bool:
        return id(tensor) in self._places or id(tensor) in self._made

    def follow(self, function: Any, arguments: Any, keywords: Any, output: Any) -> bool:
        """Keeps what a program makes from parameters alone.

        Returns:
            Whether the call took parameters, or what was made from them, and no other tensors.
        """
        given = flat_tensors((arguments, keywords))
        if not given or any(x not in self for x in given):
            return False
        outputs = flat_tensors(output)
        for number, tensor in enumerate(outputs):
            if tensor not in self:
                self._made[id(tensor)] = _Made(function, arguments, keywords, outputs, number)
                self._alive.append(tensor)
        return True

    @torch.no_grad()
    def of_call(self, function: Any, arguments: Any, keywords: Mapping[str, Any]) -> list[Variable]:
        """Returns the variables of the layer that a function computes with parameters.

        A function that is no layer, such as an addition, has its parameters as they are.
        """
        name = str(getattr(function, "__name__", ""))
        name = name[:-2] if name[-2:] in ("1d", "2d", "3d") else name
        if name in _LAYERS:
            kind, order = _LAYERS[name]
            return self._of_layer(
                kind, dict(zip(order.split(), arguments, strict=False)) | dict(keywords)
            )
        if name in _PRODUCTS:
            return self._of_product(name, [*arguments, *keywords.values()], keywords.get("dims"))
        return self._as_they_are((arguments, keywords))

    def _of_layer(self, kind: type[nn.Module], named: Mapping[str, Any]) -> list[Variable]:
        layer: Any = SimpleNamespace(**{"weight": None, "bias": None, "groups": 1, **named})
        if kind is nn.Conv2d:
            layer.in_channels = layer.weight.shape[1] * layer.groups
        row = next(LAYOUTS[base] for base in kind.__mro__ if base in LAYOUTS)
        found = []
        for variable in row(layer):
            place = self._place(named[variable.attributes[0]])
            if place is not None:
                found.append(placed(variable, place))
        return found

    def _as_they_are(self, value: Any) -> list[Variable]:
        """Returns the parameters behind nested arguments, each once."""
        found = {place: None for x in flat_tensors(value) for place in self._roots(x)}
        return [as_it_is(module, name) for module, name in found]

    def _roots(self, tensor: torch.Tensor) -> list[tuple[nn.Module, str]]:
        if id(tensor) in self._places:
            return [self._places[id(tensor)]] if isinstance(tensor, nn.Parameter) else []
        made = self._made.get(id(tensor))
        if made is None:
            return []
        return [r for x in flat_tensors((made.arguments, made.keywords)) for r in self._roots(x)]

    def _of_product(self, name: str, values: Sequence[Any], axes: Any) -> list[Variable]:
        """Returns the variables of a matrix product with a parameter, (in, out) or (out, in)."""
        operands = flat_tensors(values)
        bias = operands.pop(0) if name == "addmm" else None
        ours = [n for n, x in enumerate(operands) if x in self]
        if len(ours) != 1:
            return []
        weight = operands[ours[0]]
        if name == "einsum":
            axes_of_matrix = _axes_of_matrix(str(values[0]), ours[0])
            if axes_of_matrix is None:
                return self._as_they_are(operands)
            given = (weight, *axes_of_matrix)
            matrix = _as_matrix(*given)
            self.follow(_as_matrix, given, {}, matrix)
            return self._of_layer(nn.Linear, {"weight": matrix, "bias": None})
        if name == "tensordot":
            is_turned = _is_output_first_of(values[-1] if axes is None else axes, ours[0])
        else:
            is_turned = ours[0] == 0
        if weight.ndim != 2:
            return self._as_they_are(operands)
        if not is_turned:  # torch's layer has (out, in)
            matrix = weight.t()
            self.follow(torch.t, (weight,), {}, matrix)
            weight = matrix
        return self._of_layer(nn.Linear, {"weight": weight, "bias": bias})

    def _place(self, tensor: Any) -> Place | None:
        """Returns where a tensor comes from; None if it is no parameter, and not made from one."""
        if id(tensor) in self._places:
            module, name = self._places[id(tensor)]
            return Place(module, name, torch.arange(tensor.numel()).reshape(tensor.shape))
        if id(tensor) not in self._made:
            return None
        made = self._made[id(tensor)]
        given = flat_tensors((made.arguments, made.keywords))
        places = [place for x in given if (place := self._place(x)) is not None]
        if len(given) == 1 and places:
            positions = _moved(made, places[0].positions)
            if positions is not None and _is_selected(positions, tensor, places[0]):
                return replace(places[0], positions=positions)
        # Computed from the weight, such as a weight times a constant: that weight has its shape.
        return next((place for place in places if place.positions.shape == tensor.shape), None)


def tensors_of(root: nn.Module) -> Iterator[tuple[str, nn.Module, str, torch.Tensor]]:
    """Yields (path, module, attribute, tensor) for all parameters and buffers of a module."""
    for path, module in root.named_modules():
        for tensors in (module._parameters, module._buffers):
            for name, tensor in tensors.items():
                if tensor is not None:
                    yield path, module, name, tensor


def flat_tensors(value: Any) -> list[torch.Tensor]:
    """Returns all tensors in nested arguments, in order."""
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return [tensor for item in value for tensor in flat_tensors(item)]
    return []


def is_turned(x: torch.Tensor, output: torch.Tensor) -> bool:
    """Whether a tensor is another one with its axes in another order: `x.mT`."""
    with torch._C.DisableTorchFunction():
        if any(map(torch._C._functorch.is_functorch_wrapped_tensor, (x, output))):
            return False  # inside torch.func, where a tensor has no memory of its own
        is_view = output is not x and output.data_ptr() == x.data_ptr() and x.ndim == output.ndim
        return is_view and output.stride() != x.stride()


def replaced(value: Any, others: list[torch.Tensor], fixed: Any = ()) -> Any:
    """Returns nested arguments with other tensors in the place of theirs, in order.

    Args:
        value: the arguments.
        others: the tensors, taken from the front; when none is left, the old ones stay.
        fixed: tensors that stay.
    """
    if isinstance(value, torch.Tensor):
        return others.pop(0) if others and value not in fixed else value
    if isinstance(value, dict):
        return {name: replaced(item, others, fixed) for name, item in value.items()}
    if isinstance(value, list | tuple):
        items = [replaced(item, others, fixed) for item in value]
        is_named = hasattr(value, "_fields")  # a namedtuple takes its items one by one
        return type(value)(*items) if is_named else type(value)(items)
    return value


def _moved(made: _Made, positions: torch.Tensor) -> torch.Tensor | None:
    """Returns where each value of a tensor was before the call; None if it computes new values."""
    others = [positions.clone()]
    try:
        result = made.function(
            *replaced(list(made.arguments), others), **replaced(dict(made.keywords), others)
        )
    except (RuntimeError, TypeError, ValueError, AttributeError):
        return None
    outputs = flat_tensors(result)
    if len(outputs) != len(made.outputs) or outputs[made.number].dtype != torch.int64:
        return None
    return outputs[made.number]


def _is_selected(positions: torch.Tensor, tensor: torch.Tensor, place: Place) -> bool:
    whole = getattr(place.module, place.attribute).detach().reshape(-1)
    is_inside = positions.numel() and 0 <= int(positions.min()) <= int(positions.max()) < len(whole)
    if not is_inside or positions.shape != tensor.shape:
        return False
    if len(positions.unique()) < positions.numel():  # repeated, as by `expand`
        return False
    return torch.equal(whole[positions.to(whole.device)], tensor.detach().to(whole.dtype))


def as_it_is(module: nn.Module, name: str) -> Variable:
    """Returns a parameter or buffer as a variable of the same layout in both halves."""
    trainable = isinstance(getattr(module, name), nn.Parameter)
    return Variable(name, module, (name,), lambda t: t[0], lambda a: (a,), trainable=trainable)


def placed(variable: Variable, place: Place) -> Variable:
    """Returns a variable as one that is read and set at a place of the module that holds it.

    Args:
        variable: reads and sets a tensor of the shape of the place.
        place: of that tensor.
    """
    tensor = getattr(place.module, place.attribute)
    positions, shape = place.positions.reshape(-1), tensor.shape
    form = place.positions.shape

    def to_keras(tensors: Tensors) -> torch.Tensor:
        values = tensors[0].reshape(-1)[positions.to(tensors[0].device)]
        return variable.to_keras((values.reshape(form),))

    def to_torch(array: torch.Tensor) -> Tensors:
        (values,) = variable.to_torch(array)
        if values.shape != form:
            return (values,)
        whole = values.new_zeros(shape.numel())
        whole[positions.to(values.device)] = values.reshape(-1)
        return (whole.reshape(shape),)

    return Variable(
        variable.name,
        place.module,
        (place.attribute,),
        to_keras,
        to_torch,
        trainable=isinstance(tensor, nn.Parameter),
        part=positions if len(positions) < tensor.numel() else None,
    )


def _axes_of_matrix(equation: str, number: int) -> tuple[tuple[int, ...], int] | None:
    """Returns the order of the axes of an operand of `einsum` that makes it a dense kernel.

    Its inputs come first, in the order of the other operand, then its outputs, in that of the
    result.

    Returns:
        The order and the number of inputs; None if it is no kernel of a dense layer.
    """
    given, _, made = equation.replace(" ", "").replace("...", "").partition("->")
    operands = given.split(",")
    if len(operands) != 2 or not made:
        return None
    kernel, other = operands[number], operands[1 - number]
    summed = [letter for letter in other if letter in kernel and letter not in made]
    free = [letter for letter in made if letter in kernel and letter not in other]
    if not summed or not free or sorted([*summed, *free]) != sorted(kernel):
        return None
    return tuple(kernel.index(letter) for letter in [*summed, *free]), len(summed)


def _as_matrix(weight: torch.Tensor, axes: tuple[int, ...], num_inputs: int) -> torch.Tensor:
    """Returns a kernel of any axes as (out, in), as torch's layer has it."""
    turned = weight.permute(axes)
    num_rows = int(torch.Size(turned.shape[:num_inputs]).numel())
    return turned.reshape(num_rows, -1).t()


def _is_output_first_of(axes: Any, number: int) -> bool:
    """The same for `tensordot`, which is told the axes that it sums over."""
    if isinstance(axes, list | tuple):
        summed = axes[number]
        return 0 not in [axis % 2 for axis in ([summed] if isinstance(summed, int) else summed)]
    return number == 0  # the last axes of the first operand, the first ones of the second


# --- Packed sequences of torch, as the padded ones that Keras has: (N, T, features), and back -----
#
# The steps behind the end of a sequence are zeros. T is that of the longest sequence.


def padded(packed: PackedSequence) -> torch.Tensor:
    """Returns a packed sequence as a tensor, (N, T, features), as a part of the graph."""
    with torch._C.DisableTorchFunction():  # it is no call of the port
        return pad_packed_sequence(packed, batch_first=True)[0]


def repacked(tensor: torch.Tensor, like: PackedSequence) -> PackedSequence:
    """Returns a tensor, (N, T, features), packed as another sequence of the same lengths."""
    with torch._C.DisableTorchFunction():
        lengths = pad_packed_sequence(like, batch_first=True)[1]
        return pack_padded_sequence(tensor, lengths, batch_first=True, enforce_sorted=False)


def packed_in(value: Any) -> list[PackedSequence]:
    """Returns the packed sequences in nested arguments, in order."""
    if isinstance(value, PackedSequence):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return [packed for item in value for packed in packed_in(item)]
    return []


def data_alone(value: Any) -> Any:
    """Returns nested arguments with the data of each packed sequence in its place."""
    if isinstance(value, PackedSequence):
        return value.data
    if isinstance(value, dict):
        return {name: data_alone(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        items = [data_alone(item) for item in value]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    return value


def first_padded(output: Any) -> torch.Tensor | None:
    """Returns the first of what a module returned if it is a packed sequence, else None."""
    first = output
    while isinstance(first, tuple | list) and not isinstance(first, PackedSequence) and first:
        first = first[0]
    return padded(first) if isinstance(first, PackedSequence) else None


# --------------------------------------------------------------------------------------------------
#
# The plain arguments of a torch function: `F.leaky_relu(x, 0.2)` has a negative_slope of 0.2.
#
# A function and what it was called with go in; names and values come out, the defaults of torch
# included, so that they can be compared with the settings of a Keras layer.


# Function without its rank -> its arguments in order; those without a value are tensors or have no
# default. Most of these functions have no signature that Python could read.
_TABLE = """
    conv: input weight bias stride=1 padding=0 dilation=1 groups=1
    conv_transpose: input weight bias stride=1 padding=0 output_padding=0 groups=1 dilation=1
    max_pool: input kernel_size stride padding=0 dilation=1 ceil_mode=False
    avg_pool: input kernel_size stride padding=0 ceil_mode=False count_include_pad=True
    leaky_relu: input negative_slope=0.01
    elu: input alpha=1.0
    gelu: input approximate=none
    pad: input pad mode=constant value
    dropout: input p=0.5 training=True
    softmax: input dim
    log_softmax: input dim
    interpolate: input size scale_factor mode=nearest align_corners=False
    batch_norm: input mean var weight bias training=False momentum=0.1 eps=1e-05
    layer_norm: input normalized_shape weight bias eps=1e-05
    group_norm: input num_groups weight bias eps=1e-05
    rms_norm: input normalized_shape weight eps
"""


def _value(text: str) -> Any:
    if text in ("True", "False"):
        return text == "True"
    try:
        return float(text) if "." in text or "e-" in text else int(text)
    except ValueError:
        return text


def _read(table: str) -> dict[str, list[tuple[str, Any]]]:
    found = {}
    for line in table.strip().splitlines():
        name, _, arguments = line.strip().partition(": ")
        pairs = [argument.partition("=") for argument in arguments.split()]
        found[name] = [(key, _value(value) if value else None) for key, _, value in pairs]
    return found


_ARGUMENTS = _read(_TABLE)


def names_of(function: str) -> tuple[str, ...]:
    """Returns the names of a function's arguments in order; the input alone if they are not known.

    Args:
        function: its name, such as "max_pool2d" or "leaky_relu_".
    """
    name = function[:-2] if function[-2:] in ("1d", "2d", "3d") else function
    rows = _ARGUMENTS.get(name.rstrip("_"))
    return ("input",) if rows is None else tuple(name for name, _ in rows)


def arguments_of(
    function: str, positional: Sequence[Any], keywords: Mapping[str, Any]
) -> dict[str, Any]:
    """Returns the numbers, words and lists of numbers among the arguments of a function.

    Args:
        function: its name, such as "max_pool2d".
        positional: its positional arguments, the input first.
        keywords: its other arguments.
    """
    rows = _ARGUMENTS.get(function[:-2] if function[-2:] in ("1d", "2d", "3d") else function, [])
    given = {
        name: positional[number] if number < len(positional) else keywords.get(name, default)
        for number, (name, default) in enumerate(rows)
    }
    return {name: value for name, value in given.items() if _is_plain(value)}


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(isinstance(item, int | float) for item in value)
    return isinstance(value, bool | int | float | str)


# --- What a call is given: its tensors, and others in their place ---------------------------------


# (the name of a call, its tensors) -> place of a tensor -> what the call is given there.
Given = Callable[[str, list[torch.Tensor]], Mapping[int, torch.Tensor]]


@dataclass
class Taken:
    """The tensors that a call is given, and where they come from; see `Call`."""

    inputs: list[torch.Tensor]
    sources: list[int | None]
    origins: list[int | None]
    nearest: list[int | None]
    whole: torch.Tensor | None  # input of a dropout, which may work in place; part of the graph
    has_weights: bool  # whether parameters are among the arguments


def with_given(
    given: Given, name: str, arguments: Any, weights: Weights
) -> tuple[Any, list[tuple[torch.Tensor, torch.Tensor]]]:
    """Returns the arguments of a call, and (the new tensor, the one in whose place it is).

    Args:
        given: says what a call is given.
        name: of the call.
        arguments: nested; parameters among them stay.
        weights: the parameters.
    """
    tensors = [x for x in flat_tensors(arguments) if x not in weights]
    others = given(name, tensors)
    if not others:
        return arguments, []
    left = [others.get(place, x) for place, x in enumerate(tensors)]
    pairs = [(other, tensors[place]) for place, other in others.items()]
    return replaced(arguments, left, weights), pairs


# --- Copies of what calls were given and made, which later calls may change in place --------------


def copied(
    tensor: torch.Tensor, is_kept: bool = True, same: torch.Tensor | None = None
) -> torch.Tensor:
    """Returns a tensor to keep: `same`, if it has the same values, or a copy."""
    with torch._C.DisableTorchFunction():
        if not is_kept:
            return tensor.detach()
        if same is not None and _is_equal(same, tensor):
            return same  # an output goes into the next layer, and often into another one
        return tensor.detach().clone()


def _is_equal(a: torch.Tensor, b: torch.Tensor) -> bool:
    is_plain = a.layout == b.layout == torch.strided and not (a.is_nested or b.is_nested)
    return is_plain and a.dtype == b.dtype and torch.equal(a, b)


# --------------------------------------------------------------------------------------------------
#
# Call: one call of a watched module or function: what it took and gave, and how to repeat it.


@dataclass
class Call:
    """One call of a watched module, or of a function outside any watched module.

    Attributes:
        name: path of the module, with "#2" from its second call on; or the name and number of the
            function, such as "relu()" and "relu()#2".
        kind: a word of `parity/halves/torch/kinds.py`.
        run: computes the output from other inputs.
        inputs: copies of the input tensors; a later change in place does not reach them.
        output: copy of the output tensor, or of the first of several.
        final: the last states of a recurrent torch module, concatenated, or those that a module
            of the user's returns beside all outputs: what Keras returns unless it returns
            sequences. None for other modules.
        sources: what made each input: the number of a call, -1 for an input of the model, None
            if that was not watched.
        origins: the same, but traced back through functions that are not watched, such as
            `squeeze`.
        nearest: the same, but traced back to the nearest call that was watched: `origins` goes
            on through permutations.
        module: None for a function.
        weights: the variables that a function is called with, or None; see `variables`.
        where: line of the user's code that made the call, "model.py:23"; "" if there is none.
        given: of a function, what was called: the function, its arguments, its keywords, and the
            parameters of the module.
        rate: of a dropout, the fraction to drop.
        is_active: whether a dropout dropped anything.
        arguments: of a function: its numbers and words, by name.
    """

    name: str
    kind: str
    run: Callable[..., Any]
    inputs: list[torch.Tensor]
    output: torch.Tensor
    final: torch.Tensor | None = None
    sources: list[int | None] = field(default_factory=list)
    origins: list[int | None] = field(default_factory=list)
    nearest: list[int | None] = field(default_factory=list)
    module: nn.Module | None = None
    weights: Callable[[], list[Variable]] | None = None
    where: str = ""
    given: tuple[Any, Any, Any, Weights] | None = None
    rate: float | None = None
    is_active: bool = False
    arguments: dict[str, Any] = field(default_factory=dict)

    @property
    def variables(self) -> list[Variable]:
        """The variables of the module, or those that the function was called with."""
        if self.weights is not None:
            return self.weights()
        if self.module is None:
            return []
        try:
            return list(variables(self.module))
        except ValueError:  # no layer of Keras has such weights
            return []


class Calls(list[Call]):
    """Calls in order.

    Attributes:
        draws: where random numbers were drawn that no dropout replaces: "rand() at model.py:23".
        replaced: where masks or other numbers were drawn by a function, and replaced.
        dropping: the dropout whose output is asked for.
    """

    def __init__(self) -> None:
        super().__init__()
        self.draws: list[str] = []
        self.replaced: list[str] = []
        self.dropping: Call | None = None


def first_tensor(output: Any) -> torch.Tensor:
    """Returns an output, or the first of several; a packed sequence with its steps side by side."""
    found = first_padded(output)
    return flat_tensors(output)[0] if found is None else found


def final_states(module: nn.Module | None, output: Any) -> torch.Tensor | None:
    """Returns the last states (N, directions * units) of what a recurrent module returned."""
    if not isinstance(module, nn.RNNBase):
        return states_beside(output)
    if not isinstance(output, tuple):
        return None
    with torch._C.DisableTorchFunction():
        return joined_states(module, output).detach().clone()


def states_beside(output: Any) -> torch.Tensor | None:
    """Returns the states (N, units) that a module by hand returns beside outputs of all steps.

    An LSTM returns them with the states of its cells: (outputs, (h, c)).
    """
    if not isinstance(output, tuple) or len(output) < 2:
        return None
    states = output[1][0] if isinstance(output[1], tuple | list) and output[1] else output[1]
    first = output[0]
    both = isinstance(first, torch.Tensor) and isinstance(states, torch.Tensor)
    return states if both and states.ndim + 1 == first.ndim else None


def joined_states(module: nn.RNNBase, output: Any) -> torch.Tensor:
    """Returns the last states, (N, directions * units), as a part of the graph."""
    return torch.cat(list(hidden_of(output)[-num_directions(module) :]), dim=-1)


def hidden_of(output: Any) -> torch.Tensor:
    """Returns the hidden states, (layers * directions, N, units), that a torch.nn.RNNBase returned.

    An LSTM returns them with the states of its cells.
    """
    states = output[1]
    hidden: torch.Tensor = states[0] if isinstance(states, tuple) else states
    return hidden


def num_directions(module: nn.RNNBase) -> int:
    """Returns 2 for a module that reads its input from both ends, else 1."""
    return 2 if module.bidirectional else 1


def output_of(
    output: torch.Tensor, final: torch.Tensor | None, shape: Sequence[int]
) -> torch.Tensor:
    """Returns the output, or the last states if only they have Keras's shape."""
    is_final = final is not None and list(final.shape) == list(shape) != list(output.shape)
    return final if is_final and final is not None else output


def rerun(function: Any, arguments: Any, keywords: Any, weights: Weights) -> Callable[..., Any]:
    """Returns a function that repeats the call with other tensors, in the order of the old ones.

    Parameters stay.
    """

    def run(*others: torch.Tensor) -> Any:
        if packed := packed_in(arguments):  # of a recurrent module, which has one
            return function(repacked(others[0], packed[0]), *arguments[1:], **keywords)
        left = list(others)
        given = replaced(list(arguments), left, weights)
        return function(*given, **replaced(keywords, left, weights))

    return run
