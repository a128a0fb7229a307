"""Divergences of layers without windows, of layers that prepare features, and of random images."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from parity.data.image_changes import GRAIN, ORIENTATION, by_name
from parity.divergences import arithmetic, attention
from parity.divergences.attention import plain
from parity.divergences.between import (
    other_function,
    other_part,
    other_reduction,
    related,
    with_facts,
)
from parity.divergences.divergence import NUMBERS, PLACE, SETTINGS, Match, Recogniser
from parity.divergences.evidence import OF_FLOAT32, Evidence, differs, is_close
from parity.divergences.formulas import formula
from parity.divergences.normalization import (
    NORMS,
    normalised,
    normalised_before,
    tried_epsilons,
    tried_epsilons_before,
)
from parity.divergences.places import RECURRENT, TURNING
from parity.divergences.relations import PERMUTED
from parity.divergences.windows import other_pool
from parity.ladder.comparers.forward import DRAWN, MOVING, START, layers_before, said

# --- Divergences of layers that prepare features: Normalization, Rescaling and MelSpectrogram -----
#
# Keras's layer with another setting is computed, and compared with what the port has behind it.


Array = np.ndarray
Change = tuple[str, Array]
# Relative: Keras's matrix of mel bands is float32, whose rounding the logarithm of a small sum
# widens.
_OF_BANDS = 1e-5
_BREAK, _HIGH = 700.0, 1127.0  # of HTK's mel scale


def _settings(evidence: Evidence) -> Match | None:
    """Recognises another setting of the layer behind which the port has other values."""
    source = _layer(evidence)
    if source is None:
        return None
    start = f"forward/{evidence.mode}/{source['name']}"
    x, made = evidence.keras[f"{start}/input/0"], evidence.keras[f"{start}/output"]
    close = _OF_BANDS if source["kind"] == "mel_spectrogram" else OF_FLOAT32
    for theirs, ours in evidence.compared():
        order = _order(made, theirs)
        if order is None or theirs.shape != ours.shape:
            continue
        for text, value in _CHANGES[str(source["kind"])](x, source["config"]):
            if value.shape != made.shape:
                continue
            changed = value.transpose(order).reshape(theirs.shape)
            if is_close(changed, ours, close) and not is_close(changed, theirs, close):
                return Match(NUMBERS, f"{source['name']}: {text}")
    return None


def _layer(evidence: Evidence) -> Mapping[str, Any] | None:
    """Returns the layer that prepares features, before a place or at it."""
    found = evidence.failing_input() if evidence.is_forward() else None
    node = evidence.node if found is None else evidence.source(found[0])
    while node is not None and node["kind"] in TURNING:
        before = node["sources"][0] if len(node["sources"]) == 1 else None
        node = None if before is None or before < 0 else evidence.keras.facts["nodes"][before]
    return node if node is not None and node["kind"] in _CHANGES else None


def _order(made: Array, theirs: Array) -> tuple[int, ...] | None:
    """Returns in which order of axes Keras's place has what the layer makes."""
    if made.size != theirs.size or made.ndim > 4:
        return None
    for axes in itertools.permutations(range(1, made.ndim)):
        if np.array_equal(made.transpose(0, *axes).reshape(theirs.shape), theirs):
            return (0, *axes)
    return None


# --- Normalization, Rescaling --------------------------------------------------------------------


def _normalizations(x: Array, config: Mapping[str, Any]) -> Iterator[Change]:
    mean, variance = (
        np.asarray(config.get(name) or 0.0, np.float64).reshape(-1) for name in ("mean", "variance")
    )
    if not variance.all() or variance.size not in (1, x.shape[-1]):
        return
    spread = np.sqrt(variance)
    yield "the port divides by the variance, Keras by its root", (x - mean) / variance
    yield "the port does not divide", x - mean
    yield "the port does not subtract the mean", x / spread
    yield "the port does not normalise", x
    yield "the port divides before it subtracts the mean", x / spread - mean
    yield "the port normalises backwards, as with invert=True", x * spread + mean
    for epsilon in (1e-3, 1e-5, 1e-7, 1e-8):
        text = f"the port adds {epsilon:g} to the variance"
        yield text, (x - mean) / np.sqrt(variance + epsilon)
        yield f"the port adds {epsilon:g} to the deviation", (x - mean) / (spread + epsilon)


def _rescalings(x: Array, config: Mapping[str, Any]) -> Iterator[Change]:
    scale, offset = (np.asarray(config.get(name) or 0.0) for name in ("scale", "offset"))
    yield "the port does not scale", x + offset
    yield "the port does not add the offset", x * scale
    yield "the port adds the offset before it scales", (x + offset) * scale
    yield "the port subtracts the offset", x * scale - offset
    yield "the port scales by 1 / 256", x / 256 + offset
    yield "the port scales by 1 / 255", x / 255 + offset
    yield "the port scales to -1 to 1", x / 127.5 - 1
    yield "the port does neither", x


# --- MelSpectrogram ------------------------------------------------------------------------------


def _bands(config: Mapping[str, Any], bins: int) -> Array:
    """Returns the matrix (bins, bands) of triangles on the mel scale."""
    to_mel = _slaney if config.get("scale") == "slaney" else _htk
    rate, lowest, highest = (
        float(config[name]) for name in ("sampling_rate", "min_freq", "max_freq")
    )
    edges = np.linspace(to_mel(lowest), to_mel(highest), int(config["num_mel_bins"]) + 2)
    at = to_mel(np.linspace(0.0, rate / 2, bins))[:, None]
    rising = (at - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - at) / (edges[2:] - edges[1:-1])
    matrix = np.maximum(0, np.minimum(rising, falling))
    if not config.get("has_constant"):
        matrix[0] = 0
    return np.asarray(matrix)


def _htk(hertz: Any) -> Any:
    return _HIGH * np.log(1 + np.asarray(hertz) / _BREAK)


def _slaney(hertz: Any) -> Any:
    hertz = np.asarray(hertz, np.float64)
    above = 15 + 27 * np.log(np.maximum(hertz, 1000.0) / 1000.0) / np.log(6.4)
    return np.asarray(np.where(hertz >= 1000.0, above, hertz * 3 / 200))


def _decibel(power: Array, config: Mapping[str, Any]) -> Array:
    lowest, top = float(config["min_power"]), float(config["top_db"])
    logs = 10 * np.log10(np.maximum(power, lowest))
    logs = logs - 10 * np.log10(max(abs(float(config["ref_power"])), lowest))
    return np.asarray(np.maximum(logs, logs.max() - top))


def _power(x: Array, config: Mapping[str, Any]) -> Array:
    """Returns the powers of the bands, (N, steps, bands)."""
    length, fft = int(config["sequence_length"]), int(config["fft_length"])
    stride = int(config["sequence_stride"])
    places = np.arange(length)
    of = length - 1 if config.get("is_symmetric") else length
    shapes = {
        "hann": 0.5 - 0.5 * np.cos(2 * np.pi * places / of),
        "hamming": 0.54 - 0.46 * np.cos(2 * np.pi * places / of),
    }
    window = shapes.get(str(config["window"]), np.ones(length))
    before = (fft - length) // 2
    window = np.pad(window, (before, fft - length - before))
    padded = np.pad(x, ((0, 0), (fft // 2, fft // 2)), mode=config.get("pad", "reflect"))
    count = 1 + (padded.shape[1] - fft) // stride
    frames = np.stack([padded[:, n * stride : n * stride + fft] for n in range(count)], axis=1)
    size = np.abs(np.fft.rfft(frames * window, axis=-1)) ** float(config["mag_exp"])
    return np.asarray(size @ _bands(config, size.shape[-1]))


def _spectrogram(x: Array, config: Mapping[str, Any]) -> Array:
    power = _power(x, config)
    made = _decibel(power, config) if config["power_to_db"] else power
    return np.swapaxes(made, -1, -2)


def _spectrograms(x: Array, config: Mapping[str, Any]) -> Iterator[Change]:
    if x.ndim != 2:
        return
    rate = float(config["sampling_rate"])
    for text, changes in (
        ("the port takes magnitudes, Keras powers", {"mag_exp": 1.0}),
        ("the port takes powers, Keras magnitudes", {"mag_exp": 2.0}),
        ("the port has no decibels", {"power_to_db": False}),
        ("only the port has decibels", {"power_to_db": True}),
        ("the port's window is Hann's", {"window": "hann"}),
        ("the port's window is Hamming's", {"window": "hamming"}),
        ("the port has no window", {"window": "none"}),
        ("the port's window is symmetric, Keras's periodic", {"is_symmetric": True}),
        ("the port pads with zeros, Keras by reflection", {"pad": "constant"}),
        ("the port's bands begin at 0 Hz", {"min_freq": 0.0}),
        ("the port's bands end at half the rate", {"max_freq": rate / 2}),
        ("the port takes another rate: 16000", {"sampling_rate": 16000}),
        ("the port takes another rate: 22050", {"sampling_rate": 22050}),
        ("the port keeps the constant bin, which Keras leaves out", {"has_constant": True}),
        ("the port's mel scale is Slaney's, Keras's is HTK's", {"scale": "slaney"}),
        ("the port does not limit the range of decibels", {"top_db": np.inf}),
    ):
        yield text, _spectrogram(x, {**config, **changes})
    power = np.swapaxes(_power(x, config), -1, -2)
    lowest = float(config["min_power"])
    yield "the port takes natural logarithms", np.log(np.maximum(power, lowest))
    yield "the port takes log10 without a factor of 10", np.log10(np.maximum(power, lowest))
    yield "the port takes log(1 + power)", np.log1p(power)
    for added in (1e-6, 1e-10, 1e-9):
        yield f"the port takes log(power + {added:g})", np.log(power + added)
    top = _decibel(power, {**config, "top_db": np.inf})
    each = top.reshape(len(top), -1).max(1).reshape(-1, 1, 1)
    limited = np.maximum(top, each - float(config["top_db"]))
    yield "the port limits the range of decibels for each sample, Keras for the batch", limited
    yield "the port's decibels are relative to the largest", top - top.max()


_CHANGES: dict[str, Callable[[Array, Mapping[str, Any]], Iterator[Change]]] = {
    "normalization": _normalizations,
    "rescaling": _rescalings,
    "mel_spectrogram": _spectrograms,
}
RULES_OF_FEATURE_LAYERS: dict[str, Recogniser] = {"A44": _settings}


# --- Divergences of layers without windows, and of operations between two layers ------------------


def _other_epsilon(evidence: Evidence) -> Match | None:
    """Recognises epsilon of LayerNormalization and GroupNormalization, slope of LeakyReLU, ..."""
    if (found := tried_epsilons_before(evidence)) is not None:
        return found
    if not evidence.is_forward():
        return None
    config, settings = evidence.config, evidence.settings
    names = (
        ("epsilon", "eps"),
        ("epsilon", "epsilon"),
        ("negative_slope", "negative_slope"),
        ("alpha", "alpha"),
        ("groups", "num_groups"),
        ("axis", "dim"),
    )
    if evidence.kind == "rms_norm" or (evidence.kind in NORMS and not settings):
        return tried_epsilons(evidence)
    if evidence.kind in NORMS or evidence.kind.startswith("activation:"):
        for theirs, ours in names:
            if theirs in config and ours in settings and differs(config[theirs], settings[ours]):
                if theirs == "axis":
                    continue
                said = f"{theirs} {config[theirs]:g} in Keras, {settings[ours]:g} in the port"
                is_proven = evidence.gives(_computed(evidence, theirs, settings[ours]))
                return Match(NUMBERS if is_proven else SETTINGS, said)
    if evidence.kind == "activation:leaky_relu":
        return _tried(evidence, "leaky_relu (0.01)", "leaky_relu (0.3)", "leaky_relu")
    return None


def _computed(evidence: Evidence, name: str, value: Any) -> np.ndarray | None:
    """Returns what Keras's layer gives with another constant; None if its formula is not here."""
    x = evidence.keras_input()
    if x is None or evidence.node is None:
        return None
    if name == "negative_slope":
        return np.where(x > 0, x, value * x)
    if name == "alpha" and evidence.kind == "activation:elu":
        return np.where(x > 0, x, value * np.expm1(np.minimum(x, 0)))
    return normalised(evidence, evidence.node, x, {name: value})


# --- activations ---------------------------------------------------------------------------------


def _tried(evidence: Evidence, *names: str) -> Match | None:
    x = evidence.keras_input()
    if x is None:
        return None
    for name in names:
        if evidence.gives(arithmetic.ACTIVATIONS[name](x)):
            return Match(NUMBERS, f"the port computes {name}")
    return None


def _gelu(evidence: Evidence) -> Match | None:
    if not evidence.is_forward():
        return None
    if evidence.kind == "activation:gelu":
        return _tried(evidence, "gelu (exact)", "gelu (tanh)")
    return _between(evidence, "gelu (exact)", "gelu (tanh)")


def _softmax_axis(evidence: Evidence) -> Match | None:
    x = evidence.keras_input()
    if not evidence.is_forward("activation:softmax") or x is None:
        return None
    for axis in range(x.ndim):
        shifted = np.exp(x - x.max(axis=axis, keepdims=True))
        if evidence.gives(shifted / shifted.sum(axis=axis, keepdims=True)):
            return Match(NUMBERS, f"the port takes the softmax over axis {axis}")
    return None


def _between(evidence: Evidence, *names: str) -> Match | None:
    """Recognises a different activation before a layer."""
    found = evidence.failing_input()
    if found is None or evidence.node is None:
        return None
    number, theirs, ours = found
    before = evidence.source(number)
    if before is None or not before["kind"].startswith("activation:"):
        return None
    key = f"forward/{evidence.mode}/{before['name']}/input/0"
    for name in names if key in evidence.keras else ():
        made = arithmetic.ACTIVATIONS[name](evidence.keras[key])
        # A port, and TensorFlow, may have a constant of the function in float32.
        if evidence.is_close(made, ours) or (
            evidence.is_close(made, ours, OF_FLOAT32)
            and not evidence.is_close(made, theirs, OF_FLOAT32)
        ):
            return Match(NUMBERS, f"the port computes {name} before {evidence.node['name']}")
    return None


def _added(evidence: Evidence) -> Match | None:
    """Recognises an additional activation before a layer of the port."""
    found = evidence.failing_input()
    if found is None or evidence.node is None:
        return None
    _, x, ours = found
    for name, activation in arithmetic.ACTIVATIONS.items():
        if evidence.is_close(activation(x), ours):
            return Match(NUMBERS, f"only the port computes {name} before {evidence.node['name']}")
    return None


def other_activation(evidence: Evidence) -> Match | None:
    """Recognises a different or missing activation."""
    if not evidence.is_forward():
        return None
    failing = evidence.failing_input()
    before = evidence.source(failing[0]) if failing else None
    same = str(before["kind"]).removeprefix("activation:") if before else ""
    # The same with other constants has a name of its own.
    names = [n for n in arithmetic.ACTIVATIONS if n != same and not n.startswith(f"{same} (")]
    found = _between(evidence, *names) or _added(evidence)
    if found is None and evidence.kind.startswith("activation:"):
        # The same function may have other constants.
        function = evidence.kind.removeprefix("activation:")
        others = [name for name in arithmetic.ACTIVATIONS if not name.startswith(function)]
        found = _tried(evidence, *others)
    return found


def features_order(evidence: Evidence) -> Match | None:
    """Recognises the same input features in a different order."""
    x, ours = evidence.keras_input(), evidence.port_input()
    if not evidence.is_forward("dense", "batch_norm") or x is None or ours is None:
        return None
    if evidence.is_close(x, ours) or not evidence.is_close(
        np.sort(x, axis=-1), np.sort(ours, axis=-1)
    ):
        return None
    before = evidence.source()
    is_flat = before is None or before["kind"] in TURNING
    if not is_flat and related(PERMUTED)(evidence) is not None:
        return None
    return Match(NUMBERS, "the same features in a different order")


def _wiring(evidence: Evidence) -> Match | None:
    """Recognises an input of the port's layer that Keras has at a different place."""
    found, node = evidence.failing_input(), evidence.node
    if evidence.level.id not in ("data", "forward") or found is None or node is None:
        return None
    number, theirs_given, ours = found
    if (moved := normalised_before(evidence, theirs_given, ours)) is not None:
        return moved
    for place in range(len(node["input_shapes"])):
        if evidence.is_recorded(f"{node['name']}/input/{place}", ours):
            return Match(NUMBERS, f"the inputs of {node['name']} are in a different order")
    for other in evidence.keras.facts["nodes"]:
        key = f"forward/{evidence.mode}/{other['name']}/output"
        if evidence.is_in_doubt(other["name"]):  # the port has it from Keras, at a place of its own
            continue
        is_last = (
            other["kind"] in RECURRENT
            and key in evidence.keras
            and evidence.keras[key].ndim == 3
            and evidence.is_close(evidence.keras[key][:, -1], ours)
        )
        if is_last or evidence.is_recorded(f"{other['name']}/output", ours):
            before = evidence.source(number)
            theirs = before["name"] if before else "a different tensor"
            return Match(
                NUMBERS, f"{node['name']} gets {other['name']} in the port, {theirs} in Keras"
            )
        for place, source in enumerate(other["sources"]):
            is_of_model = source == -1 and other["name"] != node["name"]
            if is_of_model and evidence.is_recorded(f"{other['name']}/input/{place}", ours):
                text = f"{node['name']} gets what {other['name']} gets in Keras"
                return Match(NUMBERS, f"in the port, {text}")
    return None


def _between_layers(evidence: Evidence) -> Match | None:
    """Recognises an unknown difference between two layers, or behind the last one."""
    if evidence.is_output:
        text = "what comes after the last layer that was compared"
        return Match(PLACE, with_facts(evidence, text))
    if not evidence.is_forward() or not evidence.is_input:
        return None
    found = evidence.failing_input()
    before = evidence.source(found[0] if found else 0)
    name = before["name"] if before else "the input"
    text = f"{name} and what comes after it, up to {evidence.node['name']}"  # type: ignore[index]
    return Match(PLACE, with_facts(evidence, text))


# --- dropout, resampling -------------------------------------------------------------------------


def _rate(evidence: Evidence) -> Match | None:
    item = evidence.item
    if not evidence.is_forward() or not item.name.endswith((".rate", ".stddev")):
        return None
    theirs, ours = float(item.keras), float(item.torch)
    inverted = abs(theirs + ours - 1) < 1e-12
    return Match(NUMBERS, "the port has 1 - rate" if inverted else f"{theirs:g} against {ours:g}")


def _grain(evidence: Evidence) -> Match | None:
    item = evidence.item
    if not evidence.is_forward("dropout") or not item.name.endswith(" drops"):
        return None
    if item.keras == "the same in all steps":  # that of a recurrent layer
        return None
    return Match(NUMBERS, f"{item.keras} in Keras, {item.torch} in the port")


def _mode(evidence: Evidence) -> Match | None:
    item = evidence.item
    is_image = evidence.kind.startswith("random_image:")
    if not evidence.is_forward() or item.keras not in ("on", "off") or is_image:
        return None
    return Match(NUMBERS, f"{item.name}: {item.keras} in Keras, {item.torch} in the port")


def _resampling(evidence: Evidence) -> Match | None:
    if not evidence.is_forward("upsampling") or evidence.is_own is False:
        return None
    detail = f"{evidence.config.get('interpolation', 'nearest')} in Keras"
    said = evidence.settings.get("mode")
    if said is not None:
        detail += f", {said} in the port"
    return Match(SETTINGS, detail)


def _wrong_layer(evidence: Evidence) -> Match | None:
    """Recognises a layer that is wrong for Keras's input, without a known formula."""
    if not evidence.is_forward() or not evidence.is_own or evidence.node is None:
        return None
    text = f"{evidence.node['name']} itself gives a different output"
    return Match(PLACE / 2, with_facts(evidence, text))


RULES: dict[str, Recogniser] = {
    "A13": lambda evidence: (
        _other_epsilon(evidence)
        or other_function(evidence, "leaky_relu")
        or formula("A13")(evidence)
    ),
    "A20": lambda evidence: (
        _gelu(evidence) or other_function(evidence, "gelu") or formula("A20")(evidence)
    ),
    "A21": lambda evidence: (
        _softmax_axis(evidence)
        or attention.softmax_axis(evidence)
        or plain("A21")(evidence)
        or formula("A21")(evidence)
    ),
    "C6": _rate,
    "C15": _grain,
    "C7": _mode,
    "C14": _resampling,
    "A22": lambda evidence: (
        attention.exchanged(evidence)
        or plain("A22")(evidence)
        or _wiring(evidence)
        or other_part(evidence)
        or formula("A22")(evidence)
    ),
    "A23": lambda evidence: other_pool(evidence) or other_reduction(evidence),
    "N1": _between_layers,
    "N2": _wrong_layer,
}


# --- Divergences of layers that change images at random -------------------------------------------
#
# What both halves made of one pattern goes in, as ranges of angles, zooms, shifts and pixels. A
# rule that gives the port's range from Keras's setting, such as a factor that is taken as degrees,
# is the cause.


IN_EVAL, FLIP, ROTATION, ZOOM, SHIFT = "K1", "K2", "K3", "K4", "K5"
FILLING, PIXELS, ELSEWHERE, MISSING, OTHER = "K6", "K7", "K8", "K9", "K10"
_SETTINGS = (
    *("mode", "factor", "height_factor", "width_factor", "height", "width"),
    *("fill_mode", "fill_value", "interpolation", "value_range"),
)
_NEAR = 0.04  # relative: the greatest of some hundred draws is as near to the end of its range
_GEOMETRY = ("angle", "width", "height", "shift right", "shift down")
_ROUGH = 0.05  # smoothness of an image whose pixels are repeated
_OF_QUANTITY = {
    **dict.fromkeys(ORIENTATION, FLIP),
    "angle": ROTATION,
    **dict.fromkeys(("width", "height"), ZOOM),
    **dict.fromkeys(("shift right", "shift down"), SHIFT),
    **dict.fromkeys(("brightness", "contrast"), PIXELS),
    **dict.fromkeys(("darkest", "brightest", "smoothness"), FILLING),
}


def _found(evidence: Evidence) -> dict[str, Match]:
    """Returns the causes of a difference of a random layer of images, by ID."""
    if evidence.level.id != "forward" or not evidence.kind.startswith(START):
        return {}
    item = evidence.item
    if evidence.mode == "eval":
        is_on = any(fact["in_eval"] for fact in _facts(evidence).values())
        text = f"{evidence.node['name'] if evidence.node else item.name} is off in Keras, on"
        return {IN_EVAL: Match(NUMBERS, f"in eval mode, {text} in the port")} if is_on else {}
    if DRAWN not in item.name:  # a layer of torch_impl, which draws Keras's numbers
        rows = list(_settings_of_images(evidence))
        return {OTHER: Match(NUMBERS, "; ".join(rows))} if rows else {}
    samples = next(iter(_samples(evidence)), None)
    if samples is None:
        return {}
    return _of_samples(evidence, item.name.partition(DRAWN)[2].removesuffix(" (train)"), *samples)


def _facts(evidence: Evidence) -> Mapping[str, Mapping[str, Any]]:
    found: Mapping[str, Mapping[str, Any]] = evidence.port.facts.get("augmentation") or {}
    return found


def _samples(
    evidence: Evidence,
) -> Iterator[tuple[Mapping[str, np.ndarray], Mapping[str, np.ndarray], Mapping[str, Any]]]:
    """Yields Keras's quantities, the port's, and the facts of each place behind the layer."""
    nodes = evidence.keras.facts["nodes"]
    for place, fact in _facts(evidence).items():
        names = [node["name"] for node in layers_before(nodes, place.rpartition("/")[0])]
        key = f"image_changes/{place}"
        is_after = evidence.node is not None and evidence.node["name"] in names
        if is_after and key in evidence.keras and key in evidence.port:
            yield by_name(evidence.keras[key]), by_name(evidence.port[key]), fact


def _of_samples(
    evidence: Evidence,
    quantity: str,
    theirs: Mapping[str, np.ndarray],
    ours: Mapping[str, np.ndarray],
    fact: Mapping[str, Any],
) -> dict[str, Match]:
    text = f"{said(quantity, theirs[quantity])} in Keras, {said(quantity, ours[quantity])} here"
    kind = evidence.kind.removeprefix(START)
    if quantity in _GEOMETRY and _is_rough(theirs, ours):
        return {FILLING: Match(NUMBERS, "pixels are interpolated in Keras, repeated in the port")}
    is_missing = _is_off(quantity, ours[quantity]) and not _is_off(quantity, theirs[quantity])
    if is_missing and (quantity in (*ORIENTATION, *_GEOMETRY) or kind not in MOVING):
        beside = [name for name in ORIENTATION if name != quantity]
        if quantity not in ORIENTATION or all(_is_off(name, ours[name]) for name in beside):
            return {MISSING: Match(NUMBERS, f"{text}: the port lacks {kind}")}
    if moved := _elsewhere(evidence, quantity, fact):
        return {ELSEWHERE: Match(NUMBERS, f"{moved}; {text}")}
    name = _OF_QUANTITY[quantity]
    if name == ZOOM and "Contrast" in kind:
        name = PIXELS
    if name == PIXELS and kind in MOVING:  # by what it fills in
        name = FILLING
    rule = _rule_of(evidence, quantity, theirs, ours)
    return {name: Match(NUMBERS, f"{text}{rule}")}


def _rule_of(
    evidence: Evidence,
    quantity: str,
    theirs: Mapping[str, np.ndarray],
    ours: Mapping[str, np.ndarray],
) -> str:
    """Returns the rule that gives the port's range from Keras's settings, in words, or ""."""
    exchanged = {"width": "height", "shift right": "shift down"}
    exchanged |= {b: a for a, b in exchanged.items()}
    if quantity in exchanged:
        pairs = [(theirs[quantity], ours[exchanged[quantity]])]
        pairs.append((theirs[exchanged[quantity]], ours[quantity]))
        if all(math.isclose(_reach(a), _reach(b), rel_tol=_NEAR) for a, b in pairs):
            return ": height and width are exchanged"
    if quantity == "angle":
        factor = max(map(abs, _pair(evidence.config.get("factor"))), default=0.0)
        for number, unit in (
            (factor, "degrees"),
            (math.degrees(factor), "radians"),
            (factor * 180, "a share of half a turn"),
            (factor * 100, "per cent, in degrees"),
        ):
            if number and math.isclose(_reach(ours["angle"]), number, rel_tol=_NEAR):
                return f": the factor {factor:g} is taken as {unit}, not as a share of a turn"
    return ""


def _pair(value: Any) -> Sequence[float]:
    values = value if isinstance(value, list | tuple) else [value]
    return [float(each) for each in values if isinstance(each, int | float)]


def _reach(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(np.abs(known).max()) if known.size else math.nan


def _is_off(quantity: str, values: np.ndarray) -> bool:
    return _reach(values) <= GRAIN[quantity] / 30


def _is_rough(theirs: Mapping[str, np.ndarray], ours: Mapping[str, np.ndarray]) -> bool:
    """Whether the port repeats pixels, and moves the image as Keras does apart from that."""
    is_rough = _reach(ours["smoothness"]) > _ROUGH > 2 * _reach(theirs["smoothness"])
    return is_rough and abs(float(np.std(ours["angle"]) - np.std(theirs["angle"]))) <= 0.15 * max(
        float(np.std(theirs["angle"])), GRAIN["angle"]
    )


def _elsewhere(evidence: Evidence, quantity: str, fact: Mapping[str, Any]) -> str:
    """Returns what the port's transform gets, if the pixels have another range than in Keras."""
    ranges = evidence.keras.facts.get("augmented_from") or {}
    theirs, ours = next(iter(ranges.values()), None), fact.get("given")
    is_moved = quantity in _GEOMETRY and evidence.kind.removeprefix(START) in MOVING
    if theirs is None or ours is None or quantity in ORIENTATION or is_moved:
        return ""
    span = max(abs(value) for value in (*theirs, *ours)) or 1.0
    if all(abs(a - b) <= _NEAR * span for a, b in zip(theirs, ours, strict=True)):
        return ""
    low, high = (" to ".join(f"{value:.3g}" for value in pixels) for pixels in (theirs, ours))
    return f"Keras changes pixels of {low}, the port pixels of {high}"


def _settings_of_images(evidence: Evidence) -> Iterator[str]:
    """Yields the settings of a layer of torch_impl that are not Keras's."""
    settings = evidence.settings
    for name in _SETTINGS:
        theirs, ours = evidence.config.get(name), settings.get(name)
        if name in settings and differs(_bounds(theirs), _bounds(ours)):
            yield f"{name} {theirs} in Keras, {ours} in the port"


def _bounds(value: Any) -> Any:
    """Returns a factor as two bounds, as both halves read it."""
    return [-value, value] if isinstance(value, float) and value > 0 else value


def _rule(name: str) -> Recogniser:
    return lambda evidence: evidence.once(_found).get(name)


RULES_OF_IMAGES: dict[str, Recogniser] = {
    name: _rule(name)
    for name in (
        *(IN_EVAL, FLIP, ROTATION, ZOOM, SHIFT),
        *(FILLING, PIXELS, ELSEWHERE, MISSING, OTHER),
    )
}
