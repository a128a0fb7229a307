"""How well the level init judges: `python benchmarks/accuracy/initial_weights.py`.

False alarms: right ports of all random initialisers of Keras, from 4 to 10,000 values, are judged
at the rate of a whole check. Power: ports with another initialiser are judged as one of 20 random
weights. Every weight is drawn as often as a check draws it. `torch.nn.init` draws for the port, and
NumPy for Keras; the initialisers of Keras that torch lacks are drawn by NumPy for both.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import special
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from parity.data.draws import ENOUGH, num_draws
from parity.ladder.initial_weights import TRUNCATED, compare_draws, law_of, p_limit
from parity.ladder.items import FAIL

# From 4 to 10,000 values, in Keras's layout: dense, conv, depthwise.
SHAPES = ((4, 1), (2, 8), (8, 4), (3, 3, 6, 1), (3, 3, 1, 8), (8, 32), (3, 3, 16, 32), (50, 200))
CONFIGS: dict[str, dict[str, Any]] = {
    **{name: {} for name in ("GlorotUniform", "GlorotNormal", "HeUniform", "HeNormal")},
    **{name: {} for name in ("LecunUniform", "LecunNormal")},
    "VarianceScaling": {"scale": 0.5, "mode": "fan_out", "distribution": "untruncated_normal"},
    "RandomUniform": {"minval": -0.05, "maxval": 0.05},
    "RandomNormal": {"mean": 0.0, "stddev": 0.05},
    "TruncatedNormal": {"mean": 0.0, "stddev": 0.02},
    "Orthogonal": {"gain": 1.0},
}


def drawn(config: dict[str, Any], shape: Sequence[int], draw: np.random.Generator) -> np.ndarray:
    """Draws a weight by the formula of a Keras initialiser, in NumPy."""
    law = law_of(config, shape)
    assert law is not None
    if law.kind == "uniform":
        return draw.uniform(law.center - law.scale, law.center + law.scale, shape)
    if law.kind == "normal":
        return draw.normal(law.center, law.scale, shape)
    if law.kind == "truncated":
        share = draw.uniform(special.ndtr(-2), special.ndtr(2), shape)
        return np.asarray(law.center + law.scale * special.ndtri(share))
    rows = math.prod(shape[:-1])
    q, r = np.linalg.qr(draw.normal(size=(max(rows, shape[-1]), min(rows, shape[-1]))))
    q = q * np.sign(np.diagonal(r))
    return np.asarray(law.scale * (q if rows >= shape[-1] else q.T)).reshape(shape)


def _torch_weight(shape: Sequence[int]) -> torch.Tensor:
    """Returns an empty weight in torch's layout."""
    return torch.empty((shape[-1], shape[-2], *shape[:-2]), dtype=torch.float64)


def _fan_in(w: torch.Tensor) -> float:
    return math.prod(w.shape[1:])


def _deviation(w: torch.Tensor) -> float:
    return math.sqrt(2 / (_fan_in(w) + w.shape[0] * math.prod(w.shape[2:])))


def _cut(w: torch.Tensor, s: float) -> Any:
    return nn.init.trunc_normal_(w, std=s, a=-2 * s, b=2 * s)


INIT: Any = nn.init
# What a right port in torch says, for the initialisers that torch has.
IN_TORCH: dict[str, Callable[[torch.Tensor], Any]] = {
    "GlorotUniform": INIT.xavier_uniform_,
    "GlorotNormal": lambda w: _cut(w, _deviation(w) / TRUNCATED),
    "HeUniform": lambda w: INIT.kaiming_uniform_(w, nonlinearity="relu"),
    "HeNormal": lambda w: _cut(w, math.sqrt(2 / _fan_in(w)) / TRUNCATED),
    "LecunUniform": lambda w: INIT.kaiming_uniform_(w, nonlinearity="linear"),
    "LecunNormal": lambda w: _cut(w, math.sqrt(1 / _fan_in(w)) / TRUNCATED),
    "RandomUniform": lambda w: INIT.uniform_(w, -0.05, 0.05),
    "RandomNormal": lambda w: INIT.normal_(w, 0.0, 0.05),
    "TruncatedNormal": lambda w: _cut(w, 0.02),
    "Orthogonal": INIT.orthogonal_,
}
# (name, Keras's initialiser, what the port says instead)
WRONG: tuple[tuple[str, str, Callable[[torch.Tensor], Any]], ...] = (
    ("torch's default", "GlorotUniform", lambda w: INIT.kaiming_uniform_(w, a=5**0.5)),
    ("torch's default", "HeNormal", lambda w: INIT.kaiming_uniform_(w, a=5**0.5)),
    ("he uniform", "GlorotUniform", lambda w: INIT.kaiming_uniform_(w, nonlinearity="relu")),
    ("lecun uniform", "GlorotUniform", lambda w: INIT.kaiming_uniform_(w, nonlinearity="linear")),
    ("glorot normal, cut", "GlorotUniform", IN_TORCH["GlorotNormal"]),
    ("glorot normal, not cut", "GlorotUniform", INIT.xavier_normal_),
    ("gain √2", "GlorotUniform", lambda w: INIT.xavier_uniform_(w, gain=2**0.5)),
    ("U(±0.354) for U(±0.414)", "GlorotUniform", lambda w: INIT.xavier_uniform_(w, gain=0.855)),
    ("5 % wider", "GlorotUniform", lambda w: INIT.xavier_uniform_(w, gain=1.05)),
    ("5 % narrower", "GlorotUniform", lambda w: INIT.xavier_uniform_(w, gain=0.95)),
    ("not cut", "HeNormal", lambda w: INIT.kaiming_normal_(w, nonlinearity="relu")),
    ("fan_out for fan_in", "HeNormal", lambda w: INIT.kaiming_normal_(w, mode="fan_out")),
    ("cut, not widened", "HeNormal", lambda w: _cut(w, math.sqrt(2 / _fan_in(w)))),
    ("uniform", "HeNormal", lambda w: INIT.kaiming_uniform_(w, nonlinearity="relu")),
    ("glorot uniform", "HeUniform", INIT.xavier_uniform_),
    ("std 0.02 for 0.05", "RandomNormal", lambda w: INIT.normal_(w, 0.0, 0.02)),
    ("std 0.045 for 0.05", "RandomNormal", lambda w: INIT.normal_(w, 0.0, 0.045)),
    ("cut", "RandomNormal", lambda w: _cut(w, 0.05)),
    (
        "trunc_normal_(std), as torch cuts",
        "TruncatedNormal",
        lambda w: INIT.trunc_normal_(w, std=0.02),
    ),
    ("gain 1.1", "Orthogonal", lambda w: INIT.orthogonal_(w, gain=1.1)),
    ("normal", "Orthogonal", lambda w: INIT.normal_(w, std=max(_fan_in(w), len(w)) ** -0.5)),
)


def _port(say: Callable[[torch.Tensor], Any], shape: Sequence[int]) -> np.ndarray:
    w = _torch_weight(shape)
    say(w)
    array: np.ndarray = w.permute(*range(2, w.ndim), 1, 0).numpy()
    return array


def judge(
    name: str,
    shape: Sequence[int],
    say: Callable[[torch.Tensor], Any] | None,
    draw: np.random.Generator,
    limit: float,
) -> bool:
    """Whether a check calls a port wrong; `say` None draws by NumPy what Keras draws."""
    config = {"class": name, **CONFIGS[name]}
    count = num_draws(math.prod(shape))
    theirs = [drawn(config, shape, draw).reshape(-1)[:ENOUGH] for _ in range(count)]
    ours = [
        (drawn(config, shape, draw) if say is None else _port(say, shape)).reshape(-1)
        for _ in range(count)
    ]
    item = compare_draws("w", np.stack(theirs), np.stack(ours), config, shape, limit)
    return item.status == FAIL


def main() -> None:
    """Prints both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200, help="of each initialiser and shape")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    torch.manual_seed(arguments.seed)
    draw = np.random.default_rng(arguments.seed)
    total = alarms = 0
    for name in CONFIGS:
        found = [
            judge(name, shape, say, draw, p_limit(1))
            for say in {IN_TORCH.get(name), None}
            for shape in SHAPES
            for _ in range(arguments.rounds)
        ]
        print(f"{name:16} right ports called wrong: {sum(found)} of {len(found)}")
        total, alarms = total + len(found), alarms + sum(found)
    print(f"{'all':16} right ports called wrong: {alarms} of {total}, {alarms / total:.2%}")
    sizes = [math.prod(shape) for shape in SHAPES]
    print(f"\n{'caught of wrong ones, in %, by size':50}" + "".join(f"{n:7d}" for n in sizes))
    rounds = max(arguments.rounds // 4, 1)
    for text, name, say in WRONG:
        shares = [
            sum(judge(name, shape, say, draw, p_limit(20)) for _ in range(rounds)) / rounds
            for shape in SHAPES
        ]
        print(f"{f'{text} ({name})':50}" + "".join(f"{share:7.0%}" for share in shares))


if __name__ == "__main__":
    main()
