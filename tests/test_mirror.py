"""The two halves match: same files, same public names in the same order, same arguments.

Read from the source, so that neither framework is needed. What one half has alone is listed here,
each with its reason; anything else is a difference that nobody meant.
"""

import ast
import importlib
from collections import Counter

import pytest
from paths import ROOT

HALVES = ("keras_impl", "torch_impl")

# What Keras gives for free and torch lacks: the listing of this folder explains a migration.
ONLY_TORCH_FILES = {
    "philox.py": "TensorFlow's random generator",
    "native.py": "compiles C files, for speed",
    "source.py": "a Keras model as the source of a torch program",
    "arrays.py": "Keras keeps the arrays of a graph in its config",
    "data_file.py": "the Keras program has its data itself",
    "initial_weights.py": "Keras's layers draw by themselves",
    "seeds.py": "what keras.utils.set_random_seed fixes",
    "keras_config.py": "Keras reads its own configs",
    "layers.py": "Keras's layers by Keras's rules",
    "layouts.py": "how torch and Keras store the same variable",
    "parametrized.py": "a Keras variable is never computed from others",
    "initializers.py": "initialisers by Keras's rules, from a seed",
    "normals.py": "TensorFlow's normal numbers",
    "c_library.py": "functions that TensorFlow takes from the C library",
    "losses.py": "losses by Keras's equations",
    "metrics.py": "metrics by Keras's equations",
    "configured.py": "Keras reads its own configs",
    "constraints.py": "constraints of weights by Keras's rules",
    "regularizers.py": "penalties of a tensor by Keras's rules",
    "penalty.py": "the penalties that Keras keeps in its layers",
    "optim.py": "optimizers by Keras's equations",
    "fast.py": "layers in fewer passes over memory",
    "masks.py": "Keras's layers give masks of sequences on by themselves",
    "clip.py": "clipping with TensorFlow's gradient",
    "epochs.py": "model.fit is handed callbacks, and keeps the history",
    "image_data.py": "in Keras it is augment.py, which is the package of Keras's part here",
    "schedule.py": "learning rates and callbacks by Keras's rules",
    "trainer.py": "the loop of model.fit",
    "torch_names.py": "torch's names for what has Keras's name",
    "near_names.py": "Keras tells itself what it has not",
}

# Of the harness, what only one child does.
ONLY_TORCH_HARNESS_FILES = {
    "arguments.py": "of functions; a Keras layer tells its configuration itself",
    "compiled.py": "a port is told what Keras was compiled with; a Keras model is compiled",
    "copies.py": "an operation of TensorFlow changes no tensor in its place",
    "given.py": "a call of a port is given other tensors; Keras's layers draw what is recorded",
    "eager.py": "the program as people write it, whose speed is compared",
    "convert.py": "weights of a file get into a user's module; Keras loads its own files",
    "port.py": "a user's module: paired, fed and watched; Keras's layers tell the rest themselves",
    "written.py": "a port is written by the torch half",
    "step_rate.py": "an optimizer of torch may have its schedule inside",
    "saved.py": "weights that a run leaves are state_dicts of the port, also those of Keras",
}
ONLY_KERAS_HARNESS_FILES = {
    "one_replica.py": "torch spreads no variable over replicas",
    "float64_functions.py": "torch makes tensors of its default dtype",
    "ctc.py": "a port's loss is CTC in its own dtype",
    "grouped_convolutions.py": "torch has these kernels",
    "data_layers.py": "Keras's layers of data compute otherwise outside of a graph; torch has none",
    "attention.py": "Keras's attention is one layer; a port writes its parts, which are watched",
    "layer_config.py": "torch has no configuration: arguments.py reads attributes",
    "kept_samples.py": "a port is given which samples Keras kept",
    "last_activations.py": "a port may end with any function, which is seen",
    "call_list.py": "in torch a part of call.py",
    "inner_constants.py": "what rounding changes is measured once, in the reference",
    "call_masks.py": "a module of torch has no configuration, and its masks are its inputs",
    "compiled_rate.py": "a schedule of torch_impl is told which rates to give",
    "direct_operations.py": "torch runs every operation as it is",
    "noted_initializers.py": "torch keeps no initialiser, only what it drew",
    "loss_constants.py": "what rounding changes is measured once, in the reference",
    "float32_masks.py": "a layer of torch_impl is told which masks to draw",
    "float64_pools.py": "torch has these kernels",
    "own_schedules.py": "code of a port's schedule computes in numbers of Python",
    "random_images.py": "port/given_images.py: a port is given what they drew",
    "float64_numbers.py": "torch computes with numbers of Python in float64",
    "float64_layers.py": "torch has these kernels",
    "inner_dropouts.py": "a port is given Keras's masks, as those of dropout layers",
    "own_dropouts.py": "likewise",
    "recurrent_calls.py": "a port is given Keras's masks inside of a layer: port/inner_masks.py",
    "recurrent_masks.py": "likewise",
    "stacked_cells.py": "port/recurrent_stack.py takes those of torch apart",
    "rounded_layer.py": "what rounding changes is measured once, in the reference",
    "rounding.py": "likewise",
    "versions.py": "names that differ between Keras 2 and Keras 3",
}

# Of the probes of `parity check`, whose listing is the ladder in both halves.
ONLY_KERAS_CHECK_FILES = {
    "described.py": "torch_impl/source writes what is described",
    "own_code.py": "likewise",
    "own_layers.py": "likewise",
    "own_losses.py": "likewise",
    "loss_graphs.py": "likewise",
    "local_names.py": "likewise",
    "rate_code.py": "likewise",
    "quoted_helpers.py": "likewise",
    "schedule_code.py": "likewise",
    "step_code.py": "likewise",
    "rule_code.py": "likewise",
    "open_sides.py": "likewise",
    "masked_by.py": "likewise",
    "outer_values.py": "likewise",
    "taken_nests.py": "likewise",
    "feed_facts.py": "likewise",
    "given_batches.py": "likewise",
    "plain_values.py": "likewise",
    "quoted.py": "likewise",
    "inlined.py": "likewise",
    "held_array.py": "likewise",
    "trial.py": "likewise",
    "each_sample.py": "likewise",
    "held_weight.py": "likewise",
    "attributes.py": "likewise",
    "named_weights.py": "likewise",
    "inner_calls.py": "likewise",
    "subclassed.py": "likewise",
    "as_built.py": "torch is given the weights",
    "batch_of_one.py": "tells whether a program makes such a step",
    "augmented.py": "port/given_images.py: a port is given these images",
    "given.py": "torch is given the targets",
    "held_weights.py": "a port reads the weights from the trace, one at a time",
    "parts.py": "in torch a part of how a port is fed: port/parts.py",
    "repeated_norms.py": "what Keras normalises apart is told once, of the reference",
    "step_data.py": "torch is given the data of a step",
    "metric_outputs.py": "torch is given the outputs of metrics",
    "objective.py": "port_loss.py: a port may return and call anything",
    "output_losses.py": "a port tells its losses itself",
    "sample_weights.py": "torch is given the weights",
    "target_forms.py": "torch is given the targets",
    "brief.py": "Keras decides what a probe leaves out",
    "begun_anew.py": "a factory of torch returns an optimizer that has made no step",
    "exercised.py": "a probe is drawn by Keras, and the port is given it",
    "inputs.py": "a probe is drawn by Keras, and the port is given it",
    "structure.py": "likewise",
    "uses.py": "likewise",
    "ranges.py": "likewise",
    "widened.py": "likewise",
    "flat_steps.py": "torch's optimizers take all weights at once",
    "left_out.py": "what a Keras program uses and nothing compares",
    "kept_states.py": "torch's optimizers keep their slots themselves",
    "constraints.py": "a probe is drawn by Keras, and the port is given it",
    "incomplete.py": "Keras tells which of its parts a port cannot be given",
    "occurrences.py": "torch adds up the rows of a token before a step",
    "passes.py": "a probe is drawn by Keras, and the port is given it",
    "model.py": "names and sets the weights of a model, as PortUnderTest does with a port",
    "initializers.py": "torch keeps no initialiser, only what it drew",
    "sequence_masks.py": "Keras tells which steps count, and a port is compared there",
    "noise.py": "what rounding changes is measured once, in the reference",
    "outputs.py": "the port's are those of the trainer: port/outputs.py",
    "own_steps.py": "a port has no train_step",
    "steps.py": "torch's steps need not be compiled, and its slots are cleared with a fresh port",
}

ONLY_KERAS_NAMES = {
    "Input": "inputs are drawn by Keras, and the port is given them",
    "save_as_h5": "of a SavedModel of Keras 2, in its environment",
}

ONLY_TORCH_CHECK_FILES = {
    "broadcasts.py": "Keras does not broadcast outputs and targets",
    "refused_steps.py": "leaves out a step that torch refuses; Keras takes one sample",
    "compared_entries.py": "of steps of a port; Keras has flat_steps.py",
    "given_steps.py": "the port is given what Keras's step gets and draws",
    "taken_targets.py": "Keras takes targets in more than one form",
    "seen_images.py": "a port is run up to the layers that get images",
    "compiled_metrics.py": "those of Keras, as its trace tells them",
    "port_loss.py": "objective.py: Keras's structure of outputs is known",
    "forced.py": "the port is run with Keras's values; Keras has its own",
    "layers.py": "which layers of the port differ, by that run",
    "metric_trials.py": "definitions that give the numbers of a port's metrics",
    "fixes.py": "changes of a port, tried on the probe; Keras is never changed",
}

# "half file function": why the other half has none.
_ONLY_ONE_HALF = {
    "keras_impl data.py in_batches": "in torch these are ArrayBatches",
    "torch_impl data.py to_tensors": "Keras takes arrays as they are",
    "keras_impl train.py callbacks_of": "in torch each is a rule of its own, in epochs.py",
    "torch_impl train.py criterion_of": "a compiled model has its own",
    "torch_impl train.py optimizer_of": "a compiled model has its own",
    "keras_impl models.py build_network": "a benchmark sets the dtype by itself",
    "torch_impl train.py prepare": "model.fit holds what it trains with",
    "torch_impl weights.py named_parameters": "named_variables, in torch's word",
    "torch_impl weights.py to_portable": "the portable layout is Keras's own",
    "torch_impl weights.py from_portable": "the portable layout is Keras's own",
    "torch_impl weights.py assign": "weights of one module, of any torch program",
    "torch_impl weights.py read": "what assign sets",
    "torch_impl weights.py gradient_of": "in Keras a tape has them",
    "torch_impl weights.py put": "a Keras variable is never a part of a tensor",
    "torch_impl weights.py set_variable": "a Keras variable is assigned to",
    "torch_impl weights.py to_array": "a Keras variable is an array",
    "torch_impl weights.py variable_of": "Keras's variables are attributes of its layers",
    "torch_impl weights.py match": "Keras's paths for torch's names",
    "torch_impl harness/kinds.py draws": "a Keras layer that draws is known by its name",
    "torch_impl harness/kinds.py rate_of": "the configuration of a Keras layer has it",
    "torch_impl harness/kinds.py kind_of_function": "kind_of_operation, in torch's word",
    "torch_impl harness/kinds.py refined": "a function of torch's may do what several layers do",
    "torch_impl harness/kinds.py is_leaf": "what is not is_container, in torch's word",
    "keras_impl harness/kinds.py activation_kind": "in torch it is a module or a function",
    "keras_impl harness/kinds.py kind_of_operation": "kind_of_function, in Keras's word",
    "keras_impl harness/kinds.py is_container": "what is not is_leaf, in Keras's word",
    "torch_impl harness/check/facts.py write_weights": "Keras writes all of its own",
    "torch_impl harness/check/forward.py form_by_range": "a port may return logits, Keras does not",
    "torch_impl harness/check/forward.py output_form": "a port may return logits, Keras does not",
    "keras_impl harness/factories.py num_trained": "a port is given its samples",
    "keras_impl harness/factories.py building": "a module of torch is made double as a whole",
    "keras_impl harness/factories.py begin": "a script begins without a factory",
    "torch_impl harness/factories.py factory_of": "in Keras a script may be one: program/script.py",
    "torch_impl harness/check/optimizer.py make_step": "a port may clip and schedule by itself",
    "torch_impl harness/check/optimizer.py given_rates": "the rates are Keras's",
    "keras_impl harness/check/facts.py plain_nested": "a Keras config is nested",
    "keras_impl harness/check/facts.py loss_facts": "torch is told them",
    "keras_impl harness/check/forward.py write_calls": "in torch pairs of calls are written",
    "keras_impl harness/check/loss.py loss_name": "torch is told it by the bundle",
    "keras_impl harness/check/loss.py kind_of_targets": "torch is given the targets",
    "keras_impl harness/check/loss.py adding_layers": "a port adds them in its loss",
    "keras_impl harness/check/loss.py added_losses": "a port adds them in its loss",
    "keras_impl harness/check/forward.py write_drawn": "a port is given what Keras drew",
    "torch_impl harness/check/facts.py optimizer_facts": "Keras tells class and configuration",
    "keras_impl harness/check/forward.py as_one": "in torch port/outputs.py",
    "keras_impl harness/check/facts.py objective_facts": "torch is told them",
    "keras_impl harness/check/loss.py activation_of": "in torch it is a call of its own",
    "keras_impl harness/check/metrics.py metrics_of": "torch is told it by the bundle",
    "keras_impl harness/check/loss.py penalties": "in torch a part of the loss",
    "keras_impl weights.py named_layers": "torch layers carry their names",
    "keras_impl weights.py named_variables": "named_parameters, in Keras's word",
}
ONLY_ONE_HALF = [tuple(row.split()) for row in _ONLY_ONE_HALF]

SHARED_FILES = (
    *("models.py", "data.py", "train.py", "programs.py", "weights.py"),
    *("harness/environment.py", "harness/factories.py", "harness/kinds.py"),
    "harness/program/run.py",
    *("harness/check/run.py", "harness/check/facts.py", "harness/check/initial.py"),
    *("harness/check/forward.py", "harness/check/loss.py", "harness/check/gradient.py"),
    *("harness/check/optimizer.py", "harness/check/trajectory.py"),
    "harness/check/schedule.py",
    *("harness/check/metrics.py", "harness/check/image_changes.py"),
    *("harness/check/own_training.py", "harness/check/part_calls.py", "harness/check/applied.py"),
)

# What a factory returns, by the name of its half.
SUBJECTS = {"Reference": "Port"}

SAME_ARGUMENTS = {
    # capacity takes the regulariser in Keras, which belongs to the loss in torch
    "models.py": ("underfit", "dropout", "linear", "build_model"),
    "train.py": ("fit",),
    "harness/program/run.py": ("run_program",),
    "harness/environment.py": ("configure", "describe_environment"),
    "harness/factories.py": ("call_factory",),
    "harness/check/run.py": ("run_check",),
    "weights.py": ("get_weights", "set_weights"),
    # training_data takes the seeds in torch, which Keras hides
    "data.py": ("validation_data", "evaluation_data"),
}


def source(half, name):
    return ast.parse((ROOT / half / name).read_text(encoding="utf-8"))


def public_functions(half, name):
    """Top-level functions without underscore, by name, in the order of the file."""
    return {
        node.name: node
        for node in source(half, name).body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
    }


def arguments(function):
    parts = function.args
    names = [argument.arg for argument in (*parts.posonlyargs, *parts.args, *parts.kwonlyargs)]
    defaults = [ast.unparse(default) for default in parts.defaults]
    return names, defaults


def exported(half):
    """The list `__all__` of a half."""
    for node in source(half, "__init__.py").body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return ast.literal_eval(node.value)
    raise AssertionError(f"{half}/__init__.py has no __all__")


def files(half, folder="."):
    """The files of a folder; a package counts as the file in whose place it stands."""
    here = ROOT / half / folder
    packages = {f"{path.parent.name}.py" for path in here.glob("*/__init__.py")}
    return {path.name for path in here.glob("*.py")} | packages


def test_no_two_test_files_have_the_same_name():
    """pytest imports them by their bare names: of two, it refuses the second."""
    names = Counter(path.name for path in (ROOT / "tests").rglob("test_*.py"))
    assert [name for name, count in names.items() if count > 1] == []


@pytest.mark.parametrize(
    ("folder", "only_keras", "only_torch"),
    [
        (".", {}, ONLY_TORCH_FILES),
        ("harness", ONLY_KERAS_HARNESS_FILES, ONLY_TORCH_HARNESS_FILES),
        ("harness/check", ONLY_KERAS_CHECK_FILES, ONLY_TORCH_CHECK_FILES),
    ],
)
def test_both_halves_have_the_same_files_but_for_what_is_listed(folder, only_keras, only_torch):
    keras_files, torch_files = (files(half, folder) for half in HALVES)
    assert keras_files - torch_files == set(only_keras)
    assert torch_files - keras_files == set(only_torch)


def test_every_stage_of_a_check_is_compared_function_by_function():
    here = files("torch_impl", "harness/check") - set(ONLY_TORCH_CHECK_FILES)
    stages = {f"harness/check/{name}" for name in here}
    shared = {name for name in SHARED_FILES if name.startswith("harness/check/")}
    assert stages == shared | {"harness/check/__init__.py"}


@pytest.mark.parametrize("name", SHARED_FILES)
def test_a_file_has_the_same_public_functions_in_the_same_order(name):
    shared = [
        [
            function
            for function in public_functions(half, name)
            if (half, name, function) not in ONLY_ONE_HALF
        ]
        for half in HALVES
    ]
    assert shared[0] == shared[1]
    assert shared[0]


@pytest.mark.parametrize(
    ("half", "name", "function"), ONLY_ONE_HALF, ids=[".".join(key) for key in ONLY_ONE_HALF]
)
def test_what_is_listed_as_one_halfs_own_is_there_and_not_in_the_other(half, name, function):
    other = HALVES[1 - HALVES.index(half)]
    assert function in public_functions(half, name)
    assert function not in public_functions(other, name)


@pytest.mark.parametrize(
    ("name", "function"),
    [(name, function) for name, functions in SAME_ARGUMENTS.items() for function in functions],
)
def test_a_shared_function_has_the_same_arguments_and_defaults(name, function):
    ours, theirs = (arguments(public_functions(half, name)[function]) for half in HALVES)
    assert ours == theirs


def test_training_data_takes_one_argument_more_in_torch():
    """There the generators are a value that is handed on; Keras keeps them in the process."""
    keras_names, torch_names = (
        arguments(public_functions(half, "data.py")["training_data"])[0] for half in HALVES
    )
    assert torch_names == [*keras_names, "seeds"]


def test_capacity_takes_its_regulariser_in_keras_only():
    """In torch the penalty belongs to the loss, which is given the model."""
    (keras_names, keras_defaults), (torch_names, torch_defaults) = (
        arguments(public_functions(half, "models.py")["capacity"]) for half in HALVES
    )
    assert keras_names == [*torch_names, "kernel_regularizer"]
    assert (keras_defaults, torch_defaults) == (["None"], [])


def test_the_table_of_models_is_the_same():
    tables = [
        ast.unparse(node.value)
        for half in HALVES
        for node in source(half, "models.py").body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "MODELS"
    ]
    assert len(tables) == 2
    assert tables[0] == tables[1]


def test_what_the_keras_half_exports_the_torch_half_exports_too():
    names = {SUBJECTS.get(name, name) for name in exported("keras_impl")} - set(ONLY_KERAS_NAMES)
    assert names <= set(exported("torch_impl"))
    for half in HALVES:
        assert exported(half) == sorted(exported(half))


@pytest.mark.parametrize("half", HALVES)
def test_dir_of_a_half_lists_its_public_names_only(half):
    assert dir(importlib.import_module(half)) == exported(half)


@pytest.mark.parametrize("function", ["underfit", "capacity", "dropout", "linear"])
def test_a_network_is_described_by_the_same_words(function):
    ours, theirs = (public_functions(half, "models.py")[function] for half in HALVES)
    assert ast.get_docstring(ours) == ast.get_docstring(theirs)
