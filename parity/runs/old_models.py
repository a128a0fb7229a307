"""A SavedModel of Keras 2 as the model of a port: an old interpreter writes it as `.h5`."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

from parity.files.json_io import write_json
from parity.halves.job import ChildJob
from parity.halves.options import ChildOptions
from parity.programs.check_spec import CheckSpec
from parity.runs.alone import run_alone
from parity.runs.check_options import CheckOptions
from parity.runs.model_files import is_of_keras_2
from parity.traces.folder import RunFolder


def read_old_model(
    spec: CheckSpec, folder: Path, options: CheckOptions
) -> tuple[CheckSpec, CheckOptions]:
    """Returns what reads the model with Keras 3; the same, if it is no SavedModel of Keras 2.

    Only an interpreter that the user named loads the folder, since that runs what is in it.

    Args:
        spec: its `keras` may be the folder.
        folder: for the file, which has the name of the SavedModel.
        options: its `keras_python` has Keras 2.

    Raises:
        InputError: the interpreter has no Keras 2, or Keras cannot load or write the model.
        RunError: the child crashed.
    """
    python = options.children.keras_python
    source = Path(spec.folder) / str(spec.keras)
    if not spec.is_model_file or not is_of_keras_2(source) or python == sys.executable:
        return spec, options
    options.children.check_interpreters()
    target = folder / f"{source.resolve().name}.h5"
    directory = folder / "old"
    directory.mkdir()
    write_json(
        RunFolder(directory).spec,
        {"source": os.fspath(source.absolute()), "target": os.fspath(target)},
    )
    job = ChildJob(
        name="load keras",
        half="keras",
        work="save",
        python=python,
        directories=(directory,),
        log=folder / "old.log",
    )
    run_alone(job, options.children)
    children = replace(options.children, keras_python=ChildOptions().keras_python)
    return spec.replace(keras=os.fspath(target)), replace(options, children=children)
