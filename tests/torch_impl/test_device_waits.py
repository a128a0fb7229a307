"""Nothing that a step of training runs waits for the device, and one code serves all devices.

A GPU works behind the program. Who reads a value of a tensor waits until it is computed, and then
the GPU idles until there is new work. Every place that reads values, or asks which device it is on,
is listed with its reason; anything else is a place that nobody meant. `test_meta_steps` runs the
steps; this test also reads the lines that it does not reach.
"""

import ast

import pytest
from covering import one_test
from paths import ROOT

HALF = ROOT / "torch_impl"
# Forward, loss, gradient, optimizer, metrics, masks, augmentation. `harness` compares what was
# trained, and reads values for that; `keras_config`, `initializers` and `weights` come before.
PARTS = (
    *("optim", "layers", "losses", "metrics", "schedule", "fast", "augment", "trainer"),
    *("philox.py", "normals.py", "clip.py", "penalty.py", "regularizers.py", "parametrized.py"),
    "seeds.py",
)
NOT_IN_A_STEP = {"fast/rewrite.py"}  # wraps a network before its training

# Methods and functions that copy values from a device, or whose result has a shape that hangs on
# values.
READING = {
    *("item", "tolist", "numpy", "cpu", "synchronize", "equal", "allclose", "is_nonzero"),
    *("nonzero", "argwhere", "unique", "unique_consecutive", "masked_select", "bincount"),
}

NUMBERS = ("float", "int", "bool")
REDUCTIONS = ("any", "all", "sum", "mean", "min", "max", "amin", "amax", "norm", "result")

READS = {
    "augment/affine.py move": "numbers of samples, for the loop of the CPU",
    "augment/datasets.py __getitem__": "numbers of samples, which a DataLoader gives",
    "augment/directory.py _augmented": "numbers of samples, whose files are opened",
    "augment/files.py to_pil": "an image becomes a file",
    "augment/datasets.py state_dict": "an order, for a checkpoint",
    "augment/generator.py fit": "statistics of all images, once, in NumPy as Keras does",
    "augment/generator.py get_random_transform": "parameters, which are arrays of NumPy",
    "augment/standardize.py change_brightness": "images that are not finite are refused",
    "augment/directory.py _resized_with_pad": "sizes of an image, which are numbers of NumPy",
    "augment/affine.py interpolate": "maps, which are arrays of NumPy",
    "augment/iterators.py _keep": "labels of all samples, once, when an iterator is made",
    "augment/iterators.py _save": "images become files",
    "augment/parameters.py _shift": "a setting, when a transform is made",
    "augment/layout.py as_pil": "a PIL image, which is on the CPU",
    "augment/datasets.py _words": "random words, which are drawn on the CPU",
    "augment/transform.py _one_each": "recorded parameters, of which NumPy makes matrices",
    "layers/categories.py forward": "with num_oov_indices=0 an unknown integer is an error",
    "layers/categories.py _numbered": "integers are hashed on the CPU, as whole numbers of Python",
    "layers/image/resample.py _sums": "images on the CPU alone: channel_mean asks",
    "layers/image/moves.py apply_drawn": "a place, which is drawn on the CPU",
    "layers/image/moves.py maps": "angles, which are drawn on the CPU",
    "layers/image/resample.py _area": "sizes, which are numbers of NumPy",
    "layers/image/resample.py _spans": "sizes, which are numbers of NumPy",
    "layers/recurrent.py compute_mask": "rounds a setting",
    "metrics/confusion.py is_even": "thresholds, once, when a metric is made",
    "parametrized.py set_computed": "a weight that is set from outside",
    "schedule/base.py plain": "numbers, for a checkpoint",
    "seeds.py fit_order": "drawn on the CPU, once, before a training",
    "seeds.py state_dict": "a generator of NumPy, for a checkpoint",
    "trainer/measures.py __getitem__": "a metric, when someone asks for it: once an epoch",
    "trainer/batches.py _like": "an order, for samples that are arrays of NumPy",
}

_LOOP = "a loop in C, which reads the memory of the CPU; the same in torch elsewhere"
_TRIAL = "a loop in C is tried where it can run"
DEVICES = {
    "augment/affine.py typical": _TRIAL,
    "fast/conv_pool.py typical": _TRIAL,
    "fast/pool.py typical": _TRIAL,
    "optim/adam.py typical": _TRIAL,
    "layers/image/resample.py channel_mean": "the order of sums is that of TensorFlow's CPU",
    "augment/affine.py _compiled_loop": _LOOP,
    "augment/affine.py move": _LOOP,
    "fast/conv_pool.py _loops_for": _LOOP,
    "fast/pool.py _loops_for": _LOOP,
    "optim/adam.py _is_for_the_loop": _LOOP,
    "philox.py _fill": _LOOP,
    "philox.py stateless_bits": "the default of an argument",
    "philox.py stateless_keep": "the default of an argument",
    "philox.py stateless_uniform": "the default of an argument",
    "layers/attention.py causal": "the default of an argument",
    "layers/attention.py window": "the default of an argument",
    "layers/dropout.py draw": "the default of an argument",
    "trainer/step.py __init__": "a module without parameters is fed on the CPU",
}


def files():
    for part in PARTS:
        place = HALF / part
        found = [place] if place.is_file() else sorted(place.rglob("*.py"))
        yield from (path for path in found if name_of(path) not in NOT_IN_A_STEP)


def name_of(path):
    return path.relative_to(HALF).as_posix()


def functions(tree):
    """(name, node) of the functions and methods of a file, with what is defined in them."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            yield from functions(node)
        elif isinstance(node, ast.FunctionDef):
            yield node.name, node


def reads(function):
    """The expressions of a function that read values of a tensor."""
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            to_cpu = node.func.attr == "to" and "'cpu'" in map(ast.unparse, node.args)
            if node.func.attr in READING or to_cpu:
                yield ast.unparse(node)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in NUMBERS:
            yield from reduced(node, REDUCTIONS)
        elif isinstance(node, ast.If | ast.While | ast.IfExp | ast.Assert):
            yield from reduced(node.test, ("any", "all"))


def reduced(expression, methods):
    """The reductions of a tensor to one value, within a condition or a number of Python."""
    for node in ast.walk(expression):
        is_method = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        if is_method and node.func.attr in methods:
            yield ast.unparse(node)


def devices(function):
    """The expressions of a function that hang on the device."""
    for node in ast.walk(function):
        if isinstance(node, ast.Attribute):
            is_type = node.attr == "type" and ast.unparse(node.value).endswith("device")
            if is_type or node.attr in ("is_cuda", "is_cpu", "is_mps"):
                yield ast.unparse(node)
        elif isinstance(node, ast.Constant) and str(node.value).partition(":")[0] in (
            *("cpu", "cuda", "mps"),
        ):
            yield ast.unparse(node)


def places(found_by):
    """ "file function" -> what is found in it."""
    found = {}
    for path in files():
        for name, function in functions(ast.parse(path.read_text(encoding="utf-8"))):
            if expressions := list(found_by(function)):
                found.setdefault(f"{name_of(path)} {name}", []).extend(expressions)
    return found


@one_test
@pytest.mark.parametrize(
    ("found_by", "listed"), [(reads, READS), (devices, DEVICES)], ids=["reads", "devices"]
)
def test_every_place_is_listed_with_its_reason_and_no_other(found_by, listed):
    found = places(found_by)
    assert {place: found[place] for place in set(found) - set(listed)} == {}
    assert set(listed) - set(found) == set(), "listed, and no longer there"


@one_test
@pytest.mark.parametrize(
    ("line", "found_by"),
    [
        ("return loss.item()", reads),
        ("x = x.detach().cpu()", reads),
        ("x = x.to('cpu')", reads),
        ("return np.sum(x.numpy())", reads),
        ("return float(x.abs().mean())", reads),
        ("if (x > 0).any(): x = x + 1", reads),
        ("y = 1 if torch.isnan(x).all() else 0", reads),
        ("if x.device.type == 'cuda': x = x + 1", devices),
        ("if x.is_cuda: x = x + 1", devices),
        ("x = x.to('cuda:1')", devices),
    ],
)
def test_a_line_that_waits_or_asks_is_found(line, found_by):
    """The faults that the test above must catch."""
    assert list(found_by(ast.parse(f"def forward(self, x):\n    {line}")))


@one_test
@pytest.mark.parametrize(
    "line",
    [
        "x = x.to(weight.device, weight.dtype)",
        "kept = torch.where((x > 0).any(-1), x, 0)",
        "if all(p.grad is None for p in group): return",
        "for name, slot in slots.items(): slot.zero_()",
    ],
)
def test_a_line_that_does_not_wait_is_left_alone(line):
    function = ast.parse(f"def forward(self, x):\n    {line}")
    assert [*reads(function), *devices(function)] == []
