"""Measures the audit of data: `python benchmarks/accuracy/audit.py clean leaks kinds labels cost`.

Each argument is a part:

    clean     honest splits: which findings they have, and none may accuse them of leakage
    leaks     a share of validation is changed copies of training: the estimated number and the true
    kinds     honest splits and leaks of other kinds of images, and as much validation as training
    labels    wrong labels: recall and precision of the suspects, beside those of cleanlab
    cost      seconds for 10,000 and 2,000 images

With --held-out, other seeds, another data set and other changes than the rules were made with. All
of MNIST is used if PARITY_DATA_DIR names its folder, otherwise the embedded part. scikit-learn and
cleanlab are needed for digits, photographs and the comparison; --packages names a folder with them.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import audit_data as made
import numpy as np

from parity.behaviour.audit.audit import Audit, audit
from parity.behaviour.audit.image_views import blurred
from parity.behaviour.audit.label_noise import label_noise
from parity.behaviour.audit.neighbours import nearest
from parity.behaviour.audit.suspects import probabilities

TRANSFORMS = {
    "shift 1": made.shifted_by(1),
    "shift 2": made.shifted_by(2),
    "shift 3": made.shifted_by(3),
    "rotate 3": made.rotated_by(3),
    "rotate 6": made.rotated_by(6),
    "rotate 10": made.rotated_by(10),
    "mirror": made.mirrored,
    "brightness": made.brightened,
    "noise 0.03": made.noisy(0.03),
    "zoom 1.1": made.zoomed_by(1.1),
    "6 and 1.5": made.augmented(6, 1.5),
}
HELD_OUT_TRANSFORMS = {
    "shift 1.5": made.shifted_by(1.5),
    "shift 2.5": made.shifted_by(2.5),
    "rotate 4.5": made.rotated_by(4.5),
    "rotate 8": made.rotated_by(8),
    "noise 0.05": made.noisy(0.05),
    "zoom 1.07": made.zoomed_by(1.07),
    "8 and 2": made.augmented(8, 2),
}
DATA = {
    "mnist 500": (made.mnist, 500, 400),
    "mnist 2000": (made.mnist, 2000, 400),
    "digits": (made.digits, 1200, 400),
    "textures": (made.textures, 1000, 400),
    "scenes": (made.scenes, 800, 300),
}
HELD_OUT_DATA = {
    "mnist 1000": (made.mnist, 1000, 400),
    "photographs": (made.photographs, 900, 300),
}
# Training and validation images of honest splits.
CLEAN = {
    "mnist": (made.mnist, ((500, 300), (1000, 300), (3000, 500), (10000, 1000))),
    "digits": (made.digits, ((500, 300), (1200, 500))),
    "textures": (made.textures, ((500, 300), (2000, 300))),
    "scenes": (made.scenes, ((500, 300), (1500, 300))),
    "sorted": (made.sorted_halves, ((500, 300), (2000, 500))),
}
HELD_OUT_CLEAN = {
    "mnist": (made.mnist, ((700, 200), (5000, 700))),
    "photographs": (made.photographs, ((400, 200), (900, 300))),
    "scenes": (made.scenes, ((700, 200),)),
}
SHARES = (0.05, 0.2, 0.5, 1.0)
# Other kinds of images, and as much validation as training.
KIND_DATA = {
    "mnist": (made.mnist, 2000, 2000),
    "fields": (made.fields, 400, 200),
    "patchwork": (made.patchwork, 400, 200),
    "scenes": (made.scenes, 400, 200),
}
HELD_OUT_KIND_DATA = {
    "mnist": (made.mnist, 1500, 1500),
    "blobs": (made.blobs, 400, 200),
    "landscapes": (made.landscapes, 400, 200),
}
KIND_TRANSFORMS = {
    "unchanged": made.unchanged,
    "shift 2": made.shifted_by(2),
    "mirror": made.mirrored,
    "within 6": made.turned_within(6),
    "brightness": made.brightened,
}
KIND_SHARES = (0.02, 0.1, 0.5, 1.0)
FACTOR = 1.5
PAIR = (4, 9, 0.2)  # a fifth of the fours have the label nine


def estimate(found: Audit) -> tuple[float, float, float, bool]:
    """Returns number and interval of all copies, and whether the split is accused of any."""
    exact, near = found.val_copies.count, found.near_copies
    ids = {finding.id for finding in found.findings()}
    is_accused = bool(ids & {"duplicates", "near_duplicates"})
    if near is None or near.size is None:
        count = exact + (0 if near is None else near.count)
        return count, count, count, is_accused
    return exact + near.size.count, exact + near.size.low, exact + near.size.high, is_accused


def clean(sets: dict, seeds: range) -> None:
    """Prints the findings of honest splits."""
    runs, accused = 0, 0
    for name, (make, sizes) in sets.items():
        for train, val in sizes:
            told: dict[str, int] = {}
            for seed in seeds if train < 10_000 else seeds[:2]:
                found = audit(make(train, val, seed))
                runs += 1
                accused += estimate(found)[3]
                for finding in found.findings():
                    told[finding.id] = told.get(finding.id, 0) + 1
            print(f"{name:<12}{train:>7}{val:>6}  findings: {told or 'none'}", flush=True)
    print(f"{accused} of {runs} honest splits are accused of leakage", flush=True)


def leaks(sets: dict, transforms: dict, shares: tuple[float, ...], seed: int) -> None:
    """Prints the estimated and the true number of copies."""
    cases = found_cases = right = 0
    errors = []
    for name, (make, train, val) in sets.items():
        data = make(train, val, seed)
        for kind, transform in transforms.items():
            row = []
            for share in shares:
                leaked, rows, _ = made.with_leak(data, transform, share, seed)
                count, low, high, is_accused = estimate(audit(leaked))
                true = len(rows)
                is_right = low <= true <= high or true / FACTOR <= count <= true * FACTOR
                errors.append(abs(count - true) / true)
                cases, found_cases, right = cases + 1, found_cases + is_accused, right + is_right
                sign = ("" if is_right else " *") + ("" if is_accused else " not found")
                row.append(f"{true:>4}: {count:.0f} ({low:.0f}-{high:.0f}){sign}")
            print(f"{name:<12}{kind:<11}" + "  ".join(f"{cell:<24}" for cell in row), flush=True)
    print(
        f"{found_cases} of {cases} leaks are found, {right} sizes are right; relative error: "
        f"median {np.median(errors):.3f}, nine of ten below {np.quantile(errors, 0.9):.2f}",
        flush=True,
    )


def corrupted(
    labels: np.ndarray, kind: float | tuple[int, int, float], generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Returns labels of which some are wrong, and which ones."""
    if isinstance(kind, tuple):
        true, label, share = kind
        is_wrong = (labels == true) & (generator.random(len(labels)) < share)
        return np.where(is_wrong, label, labels), is_wrong
    is_wrong = generator.random(len(labels)) < kind
    other = (labels + generator.integers(1, 10, len(labels))) % 10
    return np.where(is_wrong, other, labels), is_wrong


def _quality(rows: np.ndarray, is_wrong: np.ndarray) -> str:
    suspected = is_wrong[rows]
    return f"{suspected.sum() / is_wrong.sum():.2f} at {suspected.mean():.2f}"


def labels(sets: dict, seeds: range) -> None:
    """Prints recall at precision of suspects: ours; before; cleanlab, same and other model."""
    from cleanlab.filter import find_label_issues
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_predict

    warnings.filterwarnings("ignore")
    print(f"{'recall at precision':<34}ours          unsupported   cleanlab, neighbours  logistic")
    for name, (make, train) in sets.items():
        for kind in (0.02, 0.05, 0.1, 0.2, PAIR):
            for seed in seeds:
                data = make(train, 10, seed)
                looks = blurred(data.x_train)
                near = nearest(looks, looks, 10, own=np.arange(train))
                wrong, is_wrong = corrupted(data.y_train, kind, np.random.default_rng(seed))
                found = label_noise(wrong, near.index, near.distance)
                assert found is not None
                chance = probabilities(wrong, near.index, near.distance)
                flat = data.x_train.reshape(train, -1)
                logistic = cross_val_predict(
                    LogisticRegression(max_iter=100), flat, wrong, cv=5, method="predict_proba"
                )
                lists = (
                    np.array(found.suspected, int),
                    np.array(found.unsupported, int),
                    find_label_issues(wrong, chance),
                    find_label_issues(wrong, logistic),
                )
                told = "  ".join(_quality(rows, is_wrong) for rows in lists)
                pairs = [(pair.true, pair.label, round(pair.share, 2)) for pair in found.pairs]
                interval = f"{found.estimate:.3f} ({found.low:.3f}-{found.high:.3f})"
                print(
                    f"{name:<8}{train:>5} {kind!s:<12} seed {seed:<3}{told}  true "
                    f"{is_wrong.mean():.3f}, estimated {interval}; pairs {pairs}",
                    flush=True,
                )


def cost() -> None:
    """Prints the seconds of one core."""
    data = made.mnist(4000, 2000, 0)
    # The embedded part is too small: its images twice more, with a little noise.
    generator = np.random.default_rng(0)
    noisy = [made.noisy(0.1)(data.x_train, generator) for _ in range(2)]
    x, y = np.concatenate([data.x_train, *noisy]), np.concatenate([data.y_train] * 3)
    both = made.split(
        np.concatenate([x, data.x_val]), np.concatenate([y, data.y_val]), 10_000, 2_000, 0, "cost"
    )
    start = time.process_time()
    audit(both)
    print(f"{time.process_time() - start:.1f} s for 10,000 and 2,000 images of 28×28")


def main() -> None:
    """Prints what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="+", choices=("clean", "leaks", "kinds", "labels", "cost"))
    parser.add_argument("--held-out", action="store_true")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", help="data sets whose names begin so")
    parser.add_argument("--packages", help="folder with scikit-learn and cleanlab")
    arguments = parser.parse_args()
    if arguments.packages:
        sys.path.append(arguments.packages)
    is_new = arguments.held_out
    first = 100 if is_new else 0
    seeds = range(first, first + arguments.seeds)

    def chosen(sets: dict) -> dict:
        return {k: v for k, v in sets.items() if k.startswith(arguments.only or "")}

    if "clean" in arguments.parts:
        clean(chosen(HELD_OUT_CLEAN if is_new else CLEAN), seeds)
    if "leaks" in arguments.parts:
        sets = chosen(HELD_OUT_DATA if is_new else DATA)
        leaks(sets, HELD_OUT_TRANSFORMS if is_new else TRANSFORMS, SHARES, first)
    if "kinds" in arguments.parts:
        sets = chosen(HELD_OUT_KIND_DATA if is_new else KIND_DATA)
        clean({name: (make, (sizes,)) for name, (make, *sizes) in sets.items()}, seeds)
        leaks(sets, KIND_TRANSFORMS, KIND_SHARES, first)
    if "labels" in arguments.parts:
        sizes = {"mnist": (made.mnist, 3000 if is_new else 2000), "digits": (made.digits, 1400)}
        labels(chosen(sizes), seeds[:2])
    if "cost" in arguments.parts:
        cost()


if __name__ == "__main__":
    main()
