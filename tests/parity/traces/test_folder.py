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


def test_a_half_is_complete_once_it_says_so(tmp_path):
    half = RunFolder(tmp_path)
    assert not half.is_complete
    half.complete()
    assert [path.name for path in tmp_path.iterdir()] == ["_SUCCESS"]
    assert half.is_complete


def test_a_run_was_begun_where_a_half_has_its_spec(tmp_path):
    run = RunFolder(tmp_path)
    assert not run.was_begun
    run.half("torch").path.mkdir()
    assert not run.was_begun
    run.half("torch").spec.touch()
    assert run.was_begun


def test_logs_are_found_by_their_names(tmp_path):
    run = RunFolder(tmp_path)
    assert run.logs() == []
    for name in ("torch", "keras"):
        run.log(name).touch()
    assert [path.name for path in run.logs()] == ["keras.log", "torch.log"]
