"""Operations of keras.ops that choose, join, sort or reduce entries, as functions of torch."""

from __future__ import annotations

from typing import Any

from parity.ports.form import Applied, Form, Layout, arguments, literal
from parity.ports.forms.entrywise import REAL
from parity.ports.forms.operation import Operation, Row, other
from torch_impl.keras_config.operations.arguments import dtype_named


def _last(text: str) -> Form:
    return Form(text, None, Layout.LAST)


def _text(text: str) -> Row:
    """An expression without settings."""
    return lambda operation, call: _last(text)


def _pair(text: str) -> Row:
    """An expression of two tensors; with a number in it, it stays as it is."""

    def row(operation: Operation, call: Applied) -> Form:
        if len(call.inputs) != 2 or operation.arguments[:2] != ["{0}", "{1}"]:
            return other(operation, call)
        return _last(text)

    return row


def _listed(function: str) -> Row:
    def row(operation: Operation, call: Applied) -> Form:
        inner = ", ".join(f"{{{number}}}" for number in range(len(call.inputs)))
        return _last(f"torch.{function}([{inner}])")

    return row


def _axes(operation: Operation, call: Applied, place: int = 1) -> tuple[int, ...]:
    axis = operation.setting("axis", place)
    given = range(call.rank) if axis is None else [axis] if isinstance(axis, int) else axis
    return tuple(given)


def _one(axes: tuple[int, ...]) -> Any:
    return axes[0] if len(axes) == 1 else axes


def _reduction(method: str, *, after: str = "", real: bool = False, **fixed: Any) -> Row:
    """A reduction over one axis or several."""

    def row(operation: Operation, call: Applied) -> Form:
        axes = _one(_axes(operation, call))
        kept = True if operation.setting("keepdims", 2, False) else None
        x = f"{{0}}{REAL}" if real and call.whole else "{0}"
        return _last(f"{x}.{method}({arguments(axes, **fixed, keepdim=kept)}){after}")

    return row


def _prod(operation: Operation, call: Applied) -> Form:
    axes = _axes(operation, call)
    if call.whole or operation.settings.get("dtype"):
        return other(operation, call)
    kept = True if operation.settings.get("keepdims") else None
    single = [axes[0]] if len(axes) == 1 else sorted({a % call.rank for a in axes}, reverse=True)
    return _last("{0}" + "".join(f".prod({arguments(axis, keepdim=kept)})" for axis in single))


def _count(operation: Operation, call: Applied) -> Form:
    axes = arguments(_one(_axes(operation, call)))
    return _last(f"({{0}} != 0).sum({axes}, dtype=torch.int32)")


def _cumulative(method: str) -> Row:
    def row(operation: Operation, call: Applied) -> Form:
        if call.whole or operation.settings.get("dtype"):
            return other(operation, call)
        axis = operation.setting("axis", 1)
        return _last(f"{{0}}.flatten().{method}(0)" if axis is None else f"{{0}}.{method}({axis})")

    return row


def _where(operation: Operation, call: Applied) -> Form:
    if len(operation.arguments) != 3 or all(isinstance(v, int) for v in operation.values[1:]):
        return other(operation, call)
    condition, *ends = operation.arguments
    condition = condition if call.truth else f"{condition}.bool()"
    ranks = {len(shape) for shape in call.inputs}
    layout = Layout.ANY if len(ranks) == 1 else Layout.LAST
    return Form(f"torch.where({', '.join([condition, *ends])})", None, layout)


def _sort(operation: Operation, call: Applied) -> Form:
    axis = operation.setting("axis", 1, -1)
    x = "{0}.flatten().sort()" if axis is None else f"{{0}}.sort(dim={axis})"
    return _last(f"{x}.values")


def _slice(operation: Operation, call: Applied) -> Form:
    starts, sizes = operation.setting("start_indices", 1), operation.setting("shape", 2)
    parts = [
        f"{start or ''}:{'' if size == -1 else start + size}"
        for start, size in zip(starts, sizes, strict=True)
    ]
    return _last(f"{{0}}[{', '.join(parts)}]")


def _split(axis: int | None = None) -> Row:
    def row(operation: Operation, call: Applied) -> Form:
        given = operation.setting("indices_or_sections", 1)
        place = operation.setting("axis", 2, 0) if axis is None else axis
        parts = given if isinstance(given, int) else list(given)
        return _last(f"{{0}}.tensor_split({parts}, dim={place})")

    return row


def _halves(operation: Operation, call: Applied) -> Form:
    return _split(0 if call.rank == 1 else 1)(operation, call)


def _unstack(operation: Operation, call: Applied) -> Form:
    return _last(f"{{0}}.unbind({operation.setting('axis', 2, 0)})")


def _repeat(operation: Operation, call: Applied) -> Form:
    times, axis = operation.setting("repeats", 1), operation.setting("axis", 2)
    x = "{0}.flatten()" if axis is None else "{0}"
    many = str(times) if isinstance(times, int) else f"torch.tensor({list(times)})"
    return _last(f"{x}.repeat_interleave({many}, dim={axis or 0})")


def _tile(operation: Operation, call: Applied) -> Form:
    times = operation.setting("repeats", 1)
    return _last(f"{{0}}.tile({literal((times,) if isinstance(times, int) else tuple(times))})")


def _flip(operation: Operation, call: Applied) -> Form:
    return _last(f"{{0}}.flip({literal(_one(_axes(operation, call)))})")


def _roll(operation: Operation, call: Applied) -> Form:
    shift, axis = operation.setting("shift", 1), operation.setting("axis", 2)
    return _last(f"{{0}}.roll({arguments(*([shift] if axis is None else [shift, axis]))})")


def _rot90(operation: Operation, call: Applied) -> Form:
    k, axes = operation.setting("k", 1, 1), operation.setting("axes", 2, (0, 1))
    return _last(f"{{0}}.rot90({arguments(k, tuple(axes))})")


def _pad(operation: Operation, call: Applied) -> Form:
    widths, mode = operation.setting("pad_width", 1), operation.setting("mode", 2, "constant")
    value = operation.setting("constant_values", 3)
    if mode != "constant":
        return other(operation, call)
    pairs = [(widths, widths)] if isinstance(widths, int) else list(widths)
    pairs = pairs * call.rank if len(pairs) == 1 else pairs
    while len(pairs) > 1 and not any(pairs[0]):
        pairs.pop(0)  # F.pad takes the last axes alone
    flat = tuple(number for pair in reversed(pairs) for number in pair)
    return _last(f"F.pad({{0}}, {arguments(flat, value=value)})")


def _diagonal(operation: Operation, call: Applied) -> Form:
    places = enumerate((("offset", 0), ("axis1", 0), ("axis2", 1)), 1)
    told = [operation.setting(name, place, default) for place, (name, default) in places]
    return _last(f"{{0}}.diagonal({arguments(*told)})")


def _corner(method: str) -> Row:
    def row(operation: Operation, call: Applied) -> Form:
        return _last(f"{{0}}.{method}({operation.setting('k', 1, 0) or ''})")

    return row


def _like(function: str) -> Row:
    def row(operation: Operation, call: Applied) -> Form:
        dtype = operation.settings.get("dtype")
        told = arguments(dtype=None if dtype is None else dtype_named(dtype))
        return _last(f"torch.{function}({', '.join(filter(None, ['{0}', told]))})")

    return row


def _append(operation: Operation, call: Applied) -> Form:
    axis = operation.setting("axis", 2)
    if axis is None:
        return _last("torch.cat([{0}.flatten(), {1}.flatten()])")
    return _last(f"torch.cat([{{0}}, {{1}}], dim={axis})")


def _moved(operation: Operation, call: Applied) -> Form:
    ends = (operation.setting("source", 1), operation.setting("destination", 2))
    return _last(f"{{0}}.movedim({arguments(*ends)})")


def _broadcast(operation: Operation, call: Applied) -> Form:
    return _last(f"{{0}}.expand({arguments(*operation.setting('shape', 1))})")


def _each_sample(operation: Operation, call: Applied) -> Form:
    sides = ", ".join(["len({1})", *["-1"] * (call.rank - 1)])
    return _last(f"{{0}}.expand({sides})")


def _positions(operation: Operation, call: Applied) -> Form:
    dtype = operation.settings["dtype"]
    # Whole numbers of 64 bits are as good wherever numbers are looked up or compared.
    kind = "" if dtype in ("int32", "int64") else f"dtype=torch.{dtype}, "
    side = f"{{0}}.shape[{call.axis(operation.settings['axis'])}]"
    return Form(f"torch.arange({side}, {kind}device={{0}}.device)", gives=Layout.LAST)


def _meshgrid(operation: Operation, call: Applied) -> Form:
    inner = ", ".join(f"{{{number}}}" for number in range(len(call.inputs)))
    indexing = operation.settings.get("indexing", "xy")
    return _last(f"torch.meshgrid({inner}, {arguments(indexing=indexing)})")


def _diff(operation: Operation, call: Applied) -> Form:
    n, axis = operation.setting("n", 1, 1), operation.setting("axis", 2, -1)
    return _last(f"{{0}}.diff({arguments(n=n if n != 1 else None, dim=axis)})")


def _tensordot(operation: Operation, call: Applied) -> Form:
    axes = operation.setting("axes", 2, 2)
    if not isinstance(axes, int):
        axes = tuple((a,) if isinstance(a, int) else tuple(a) for a in axes)
    return _last(f"torch.tensordot({{0}}, {{1}}, {literal(axes)})")


def _cholesky(operation: Operation, call: Applied) -> Form:
    upper = True if operation.setting("upper", 1, False) else None
    return _last(
        f"torch.linalg.cholesky({', '.join(filter(None, ['{0}', arguments(upper=upper)]))})"
    )


ROWS: dict[str, Row] = {
    "Var": _reduction("var", real=True, correction=0),
    "Std": _reduction("var", after=".sqrt()", real=True, correction=0),
    "Logsumexp": _reduction("logsumexp", real=True),
    "All": _reduction("all"),
    "Any": _reduction("any"),
    "Prod": _prod,
    "CountNonzero": _count,
    "Cumsum": _cumulative("cumsum"),
    "Cumprod": _cumulative("cumprod"),
    "Diff": _diff,
    "Where": _where,
    "Sort": _sort,
    "Slice": _slice,
    "Split": _split(),
    "ArraySplit": _split(),
    "Hsplit": _halves,
    "Vsplit": _split(0),
    "Dsplit": _split(2),
    "Unstack": _unstack,
    "Hstack": _listed("hstack"),
    "Vstack": _listed("vstack"),
    "Dstack": _listed("dstack"),
    "Append": _append,
    "Repeat": _repeat,
    "Tile": _tile,
    "Flip": _flip,
    "Fliplr": _text("{0}.fliplr()"),
    "Flipud": _text("{0}.flipud()"),
    "Roll": _roll,
    "Rot90": _rot90,
    "Pad": _pad,
    "Ravel": _text("{0}.flatten()"),
    "Moveaxis": _moved,
    "BroadcastTo": _broadcast,
    "EachSample": _each_sample,
    "Positions": _positions,
    "Diag": _corner("diag"),
    "Diagonal": _diagonal,
    "Tril": _corner("tril"),
    "Triu": _corner("triu"),
    "ZerosLike": _like("zeros_like"),
    "OnesLike": _like("ones_like"),
    "Meshgrid": _meshgrid,
    "Outer": _pair("torch.outer({0}.flatten(), {1}.flatten())"),
    "Vdot": _pair("torch.dot({0}.flatten(), {1}.flatten())"),
    "Tensordot": _tensordot,
    "Kron": _pair("torch.kron({0}, {1})"),
    "Inv": _text("torch.linalg.inv({0})"),
    "Det": _text("torch.linalg.det({0})"),
    "Logdet": _text("torch.logdet({0})"),
    "Slogdet": _text("torch.linalg.slogdet({0})"),
    "Cholesky": _cholesky,
    "Solve": _pair("torch.linalg.solve({0}, {1})"),
}
