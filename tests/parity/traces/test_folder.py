"""The folder of a run: every name in one place, and what makes it complete."""

from parity.traces.folder import RunFolder


def test_files_lie_where_they_are_documented(tmp_path):
    run = RunFolder(tmp_path)
    keras = run.half("keras")
    found = {
        "keras/spec.json": keras.spec,
        "keras/environment.json": keras.environment,
        "keras/history.json": keras.history,
        "keras/trace.safetensors": keras.arrays,
        "keras/trace.json": keras.index,
        "keras/failure.json": keras.failure,
        "keras/anchors": keras.anchors,
        "data.safetensors": run.data,
        "result.json": run.result,
        "torch.log": run.log("torch"),
    }
    assert {path: path for path in found} == {
        path.relative_to(tmp_path).as_posix(): name for name, path in found.items()
    }


def test_a_half_is_begun_by_its_spec_and_complete_once_it_says_so(tmp_path):
    run = RunFolder(tmp_path)
    run.half("torch").path.mkdir()
    states = [(run.was_started, run.is_complete)]
    for step in (run.half("torch").spec.touch, run.complete):
        step()
        states.append((run.was_started, run.is_complete))
    assert states == [(False, False), (True, False), (True, True)]
    assert (tmp_path / "_SUCCESS").exists()
    assert run.logs() == []
    for name in ("torch", "keras"):
        run.log(name).touch()
    assert [path.name for path in run.logs()] == ["keras.log", "torch.log"]
