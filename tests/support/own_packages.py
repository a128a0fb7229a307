"""Packages of models with code of the user's own."""

from pathlib import Path

from parity.halves.keras.check.described import described
from parity.halves.keras.check.weights import get_weights
from parity.ports.package import write_package
from parity.programs.check_spec import CheckSpec

HERE = Path(__file__).parent


def written(build, folder, is_stubbed=True):
    """The package of a model in a new folder, its model.py, and what was told of it."""
    folder.mkdir()
    reference, program, own = described(build, CheckSpec(keras="a:b", folder=str(HERE)))
    if is_stubbed and program["stubbed"]:  # as if no code could be written out
        left, own = program["stubbed"]
        program = {**program, **left}
    model = reference.model
    arrays = get_weights(model)
    facts = {"program": program, "own": own, "loss": None, "optimizer": None}
    facts["weights"] = list(arrays)
    weights = {n.replace(".", "/", 1): array for n, array in arrays.items()}
    told = write_package(facts, weights, folder)
    return told, (folder / "model.py").read_text(encoding="utf-8"), model
