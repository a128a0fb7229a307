"""Recorded runs of the user's program of these tests, and bundles of them that somebody changed."""

import copy
import hashlib
import io
import json
import shutil
import zipfile

from made_once import folder_of, locked
from programs_here import spec_of, trained
from safetensors.numpy import load, save

import parity.halves.keras
import parity.halves.torch
from parity.files.json_io import read_json, write_json
from parity.runs.against import run_against
from parity.runs.child import in_order
from parity.runs.pair import compared
from parity.runs.steps import Recorded
from parity.traces.bundle_coding import RunArrays, planes
from parity.traces.bundle_run import pack_run, unpack_run
from parity.traces.bundle_spec import RUN_ARRAYS, RUN_FACTS
from parity.traces.folder import RunFolder


def recorded(folder, **settings):
    """Trains the Keras half in this process; returns its run folder and its bundle."""
    spec = spec_of(**settings)
    run = RunFolder(folder / "reference")
    trained(parity.halves.keras, spec, run.path)
    half = run.half("keras")
    index = read_json(half.index)  # as a child leaves it
    (index["facts"],) = in_order([index["facts"]])
    write_json(half.index, index)
    bundle = folder / "run.parity"
    pack_run(half, bundle, {})
    return run, bundle


def shared(tmp_path_factory, **settings):
    """What `recorded` returns, made once for all files and all workers.

    Nothing may be written to it.
    """
    folder = folder_of(tmp_path_factory, "program", spec_of(**settings).to_dict())
    with locked(folder):
        if not (folder / "run.parity").exists():
            recorded(folder, **settings)
    return RunFolder(folder / "reference"), folder / "run.parity"


def against(bundle, asked, folder):
    """The result of a port that is trained against a bundle; `asked` is the spec."""
    run = RunFolder(folder)
    unpack_run(bundle, run.half("keras"))
    _, spec = run_against(asked, bundle)
    trained(parity.halves.torch, spec, run.path)
    return compared(spec, run, Recorded(bundle, unpack_run))


def told(result):
    """A result without seconds and versions."""
    return {k: v for k, v in result.to_json().items() if k not in ("environment", "wall_s")}


def entries_of(bundle):
    """The entries of an archive, by name."""
    with zipfile.ZipFile(bundle) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def archived(entries):
    """An archive of entries, as bytes."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in entries.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return file.getvalue()


def forged(bundle, change):
    """A bundle whose run was changed: `change` gets the content of run.json and what is stored.

    Every array is stored by itself, as bytes.
    """
    entries = entries_of(bundle)
    content, stored = json.loads(entries[RUN_FACTS]), load(entries[RUN_ARRAYS])
    arrays = RunArrays(content["arrays"], stored.__getitem__)
    stored = {key: planes(arrays[key]) for key in content["arrays"]}
    for key, code in content["arrays"].items():
        content["arrays"][key] = {"dtype": code["dtype"], "shape": code["shape"], "as": "bytes"}
    change(content, stored)
    arrays = save(stored)
    content["arrays_sha256"] = hashlib.sha256(arrays).hexdigest()
    return archived({**entries, RUN_FACTS: json.dumps(content).encode(), RUN_ARRAYS: arrays})


def with_text(bundle, name, change):
    """A bundle with another text of an entry: `change` gets and returns bytes."""
    entries = entries_of(bundle)
    return archived({**entries, name: change(entries[name])})


def copied(run, to):
    """A copy of the Keras half of a run, in another run folder."""
    shutil.copytree(run.half("keras").path, RunFolder(to).half("keras").path)
    return copy.copy(RunFolder(to))
