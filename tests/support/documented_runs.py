"""Which commands and snippets of the pages are run: the one place of exceptions.

A command that trains, or starts a framework, has to stand in RUN or NOT_RUN: a test fails for one
that does not, and for an entry that no page needs any more.
"""

# Commands that finish within seconds, by their first words; `--help` does always.
QUICK = (
    "make help",
    "parity diagnose",
    "parity completion",
    "parity explain",
    "parity list",
    "python benchmarks/accuracy/drift.py",
    "python benchmarks/accuracy/wild_histories.py",
    "python benchmarks/speed/reference.py --show",
)

# What is run besides: the words that are added to make it small (of two equal options the last one
# counts), and the exit code that it has then; "..." stands for any further words. A quick command
# that does not end with 0 stands here too.
SMALL = ("--epochs", "1", "--train-size", "64", "--val-size", "32")
RUN = {
    "parity record model.parity --keras mypackage.keras_model:build": ((), 0),
    "parity check --against model.parity --torch mypackage.torch_model:build": ((), 0),
    "parity port mypackage.keras_model:build --out my_port": ((), 0),
    # One port from its first check to CI, in docs/migration.md.
    "parity check sensors --out first": ((), 1),
    "parity check sensors": ((), 0),
    "parity run sensors": ((), 0),
    "parity sweep sensors --seeds 0:12": (("--seeds", "0:1", "--epochs", "1"), 3),
    "parity bench sensors --threads 1": (
        ("--rounds", "3", "--train-size", "64", "--variants", "keras"),
        0,
    ),
    "pytest -q": ((), 0),
    "parity record sensors.parity sensors": ((), 0),
    "pytest -q -k computes --parity-against sensors.parity": ((), 0),
    "parity run underfit --seeds 0:2 --out runs": ((*SMALL, "--dtype", "float64"), 0),
    "parity report runs": ((), 0),
    "parity report runs/underfit-seed0 runs/underfit-seed1 --out changes": ((), 0),
    "parity report runs --tensorboard": ((), 0),
    # No history of the tutorial is a good fit.
    "parity diagnose stagnant.json --classes 10": ((), 1),
    "parity diagnose docs/histories/underfit.json ...": ((), 1),
    "parity diagnose docs/histories/capacity.json ...": ((), 1),
    "parity diagnose docs/histories/leak.json ...": ((), 1),
    "parity diagnose docs/histories/sorted_split.json ...": ((), 1),
    "parity diagnose docs/histories/noisy_labels.json ...": ((), 1),
}
# What is not run, with the reason. "..." stands for any further words.
NOT_RUN = {
    "parity port app.keras_model:build ...": "docs/port.md has it with a program that is there",
    "parity port keras_model.py:build ...": "likewise",
    "parity port mypackage.keras_model:build --out plain_port --plain": (
        "tests/parity/runs/test_port.py runs it on what Keras has computed for it"
    ),
    "parity port train.py ...": "tests/parity/runs/test_port.py ports a script",
    "parity port model.keras ...": (
        "needs a trained model; tests/parity/halves/keras/program/test_saved_model.py loads one"
    ),
    "make ...": "sets up an environment, or runs this suite, as CI does",
    "parity convert ...": "needs a trained model; tests/parity/runs/test_convert.py converts one",
    "python benchmarks/accuracy/converted_weights.py": (
        "minutes; tests/parity/conversions/test_convert_run.py has its styles"
    ),
    "python benchmarks/accuracy/plain_ports.py": "a quarter of an hour of checks",
    "python benchmarks/accuracy/damaged_weights.py": (
        "minutes; tests/parity/weights/test_damaged_files.py has 200 of its files"
    ),
    "pip ...": "installs or builds, as test_package.py does; that its extras exist is checked",
    "pytest ...": "is a part of this suite; that its paths and options exist is checked",
    "parity bench ...": (
        "minutes alone on a machine; test_bench_run.py and test_bench_program.py of "
        "tests/parity/bench run one"
    ),
    "parity check --keras app.keras_model:build --torch app.torch_model:build": (
        "records a bundle and checks against it, which two commands of docs/check.md do"
    ),
    "parity check --keras mypackage.keras_model:build --torch mypackage.torch_model:build": (
        "likewise"
    ),
    "parity check --keras model.keras --torch torch_model.py:build": (
        "needs the file of a model; `tests/parity/runs` checks ports against such files"
    ),
    "parity check --keras keras_model.py:build --torch torch_model.py:build --data samples.npz": (
        "likewise; samples are read in tests/parity/data/test_samples.py"
    ),
    "parity check --keras keras_model.py:build --torch torch_model_naive.py:build ...": (
        "examples/migration/test_readme.py compares what it reports"
    ),
    "parity record --dtype float32": "tests/parity/runs/test_check_float32.py checks pairs so",
    "parity check --against keras_model.parity --torch torch_model_naive.py:build": "likewise",
    "parity record parity-bundles/migration.parity migration": "tests/test_action.py records so",
    "parity check --against parity-bundles ...": "tests/test_action.py runs the job and the hook",
    "parity check --against parity-bundles": "likewise",
    "parity record model.parity migration": (
        "tests/parity/cli/test_cli_check.py gives it names; it records as the commands above"
    ),
    "parity check --against keras_model.parity --torch torch_model.py:build": (
        "a figure of its time; examples/migration/test_migration.py checks against a bundle"
    ),
    "parity record keras_model.parity --keras keras_model.py:build": "likewise",
    "parity run --keras keras_model.py:build --torch torch_model.py:build ...": (
        "half a minute; tests/parity/cli/test_cli_run.py runs a program of a table"
    ),
    "parity run migration ...": "likewise",
    "parity run sensors --seeds 0:3 --out parity-runs": (
        "the same page runs it with one seed; docs/report.md names seeds and a folder"
    ),
    "parity record migration.parity migration --run": (
        "half a minute; tests/parity/runs/test_record_run.py records a program of a table"
    ),
    "parity run migration --against migration.parity": "likewise; it runs without Keras there",
    "parity record --run": "likewise",
    "python benchmarks/accuracy/run_bundles.py ...": (
        "ten minutes; tests/parity/runs/test_against.py compares both ways likewise"
    ),
    "parity run example_1 example_2 example_3": (
        "half an hour; examples/article/test_article.py trains one epoch of each"
    ),
    "parity check migration": "likewise",
    "parity run --keras app.keras_model:build --torch app.torch_model:build": "likewise",
    "python benchmarks/accuracy/image_layers.py": (
        "ten minutes; tests/torch_impl/layers/image compares the same, and one of its layers"
    ),
    "python benchmarks/accuracy/image_arguments.py": "likewise",
    "python benchmarks/accuracy/audit.py": "two minutes",
    "parity doctor": "half a minute; tests/parity/runs/test_doctor.py runs it",
    "parity run capacity augmentation dropout ...": "a quarter of an hour to hours",
    "parity run dropout --dtype float64 --train-size 5000 ...": "a quarter of an hour",
    "parity run dropout --seeds 0:5 --dtype float64": (
        "minutes; the command below it trains in float64 too"
    ),
    "parity run dropout": "a minute; the commands of docs/report.md train another scenario",
    "parity run capacity": "as long as the whole article; the command of docs/json.md is run",
    "parity run underfit --seeds 0:2 ...": "fails; tests/parity/runs/test_run.py wants no GPU too",
    "parity report result.json --out page": "the report of a file is that of its folder",
    "parity report parity-sweep": "tests/parity/report/test_write.py reports a sweep",
    "parity run leak sorted_split noisy_labels --dtype float64 --out more": "minutes",
    "parity run underfit capacity augmentation dropout ...": "minutes",
    "parity sweep too_large cured_by_dropout cured_by_augmentation": "an hour",
    "parity check --keras keras_model.py:build --torch torch_model.py:build": (
        "examples/migration/test_migration.py checks the same pair"
    ),
    "python docs/pictures.py": "draws the pictures of the tutorial anew",
    "parity sweep": "an hour",
    "parity sweep migration ...": (
        "minutes; tests/parity/sweeps/test_program_sweep.py sweeps a program"
    ),
    "parity sweep --histories 'keras/*.json' 'torch/*.csv'": (
        "tests/parity/cli/test_cli_sweep.py judges such files"
    ),
    "python benchmarks/accuracy/public_layers.py": (
        "a quarter of an hour of processor time; "
        "tests/torch_impl/keras_config/test_public_layers.py compares a part of it"
    ),
    "python benchmarks/accuracy/old_files.py --keras-python KERAS_2": (
        "needs Keras 2; tests/parity/halves/keras/program/test_old_file.py reads its files"
    ),
    "python benchmarks/accuracy/ported.py ...": (
        "minutes; tests/parity/ports/test_source_package.py has what it found"
    ),
    "python benchmarks/accuracy/program_sweeps.py": "minutes; its parts are tested likewise",
    "parity sweep --engine ray ...": (
        "a cluster; tests/parity/sweeps/test_ray_cluster.py starts one on this machine"
    ),
    "parity sweep --mode seeded --seeds 0:10": "hours",
    "parity sweep too_large cured_by_dropout --seeds 0:50 ...": "hours",
    "parity sweep too_short --seeds 0:2 ...": "tests/parity/sweeps/test_sweep.py runs smaller ones",
    "parity sweep too_short little_data noisy_labels --full ...": "hours",
    "python -c ...": "starts a framework, to see how long that takes",
    "python benchmarks/speed/augment.py ...": "minutes, alone on a machine",
    "python benchmarks/accuracy/bundle_sizes.py": (
        "a minute; tests/parity/runs/test_check.py has the largest of its networks"
    ),
    "python benchmarks/accuracy/fixes.py": (
        "minutes; tests/parity/divergences/test_printed_fixes.py applies the fixes of the matrices"
    ),
    "python benchmarks/speed/growth.py ...": "half an hour, alone on a machine",
    "python benchmarks/speed/loops.py ...": "a quarter of an hour",
    "python benchmarks/speed/masks.py": "seconds, which mean something alone on a machine only",
    "python benchmarks/accuracy/initial_weights.py ...": (
        "minutes; tests/parity/ladder/test_initial_weights.py judges the same ports"
    ),
    "python benchmarks/accuracy/corpus.py ...": (
        "minutes to hours; tests/test_corpus_sample.py checks a part of its ports"
    ),
    "python benchmarks/accuracy/mutants.py ...": "hours; this suite is what it measures",
    "python benchmarks/accuracy/planted_moments.py ...": (
        "an hour; tests/parity/ladder/test_anchored.py has faults of its kinds"
    ),
    "python benchmarks/accuracy/right_runs.py ...": (
        "hours; tests/parity/runs/test_run.py has right runs"
    ),
    "python benchmarks/speed/overhead.py ...": "minutes, alone on a machine",
    "python benchmarks/speed/program_overhead.py ...": "minutes, alone on a machine",
    "python benchmarks/speed/reference.py ...": "half an hour, alone on a machine",
    "python benchmarks/speed/report.py": "test_write.py times the same report",
    "python benchmarks/accuracy/rewrites.py": (
        "half an hour; the families of tests/corpus have its ports as they are"
    ),
    "python benchmarks/accuracy/application_checks.py ...": (
        "hours, and gigabytes of memory; tests/torch_impl/keras_config/test_twin_applications.py "
        "compares small networks"
    ),
    "python benchmarks/accuracy/large_faults.py ...": "half an hour, and gigabytes of memory",
    "python benchmarks/speed/check_costs.py ...": "minutes, alone on a machine",
    "python benchmarks/speed/roofline.py ...": "minutes; tests/test_roofline.py runs a small one",
    "python benchmarks/speed/same_against_same.py ...": "half an hour, alone on a machine",
    "python benchmarks/accuracy/sensitivity.py ...": "minutes; test_sensitivity.py has its faults",
    "python benchmarks/accuracy/group_statistics.py ...": (
        "minutes; tests/parity/sweeps/test_sweep_groups.py simulates some of its groups"
    ),
    "python benchmarks/accuracy/sweep_statistics.py ...": (
        "minutes; tests/parity/sweeps/test_pairs.py simulates some of its pairs"
    ),
    "python benchmarks/accuracy/sweep_chance.py ...": "takes the store of a finished sweep",
    "python benchmarks/speed/sweep.py ...": "minutes, alone on a machine",
    "python benchmarks/installs.py": "gigabytes; tests/test_package.py installs a wheel",
    "python scripts/make_options.py": "writes docs/commands.md; tests/test_docs.py compares it",
    "python scripts/augment_pictures.py": "writes the pictures in docs",
}
# Blocks of Python that cannot run as they stand, by page and first line, with the reason.
SNIPPETS_NOT_RUN: dict[tuple[str, str], str] = {}

# Options in the text that are those of other programs, which they name.
FOREIGN_OPTIONS: dict[str, str] = {
    "--train": "docs/pictures.py",
    "--validation-split": "parity/ports/plain_package.py",  # of the train.py of a port
}
