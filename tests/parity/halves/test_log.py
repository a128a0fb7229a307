"""What a child says in its log."""

from parity.halves.job import ChildJob
from parity.halves.process import ProgressReader
from parity.halves.protocol import say_note, say_progress


def test_a_note_of_a_child_is_told_once_and_moves_nothing(tmp_path, capsys):
    job = ChildJob(
        name="a torch", half="torch", directories=(tmp_path / "a",), log=tmp_path / "log"
    )
    job.log.touch()
    reader = ProgressReader(job, 0)
    say_progress("a", 3, 4, 0.5)
    say_note("trains \x1b[31ma second time")
    say_note("really")
    job.log.write_text(capsys.readouterr().out)
    found = reader.read()
    reader.close()
    assert (found.step, found.num_steps, found.fraction) == (3, 4, 0.75)
    assert found.note == "trains \ufffd[31ma second time; really"


def test_a_note_before_any_progress_is_told(tmp_path, capsys):
    job = ChildJob(
        name="a torch", half="torch", directories=(tmp_path / "a",), log=tmp_path / "log"
    )
    say_note("begins")
    job.log.write_text(capsys.readouterr().out)
    reader = ProgressReader(job, 0)
    assert reader.read().note == "begins"
    assert reader.read() is None
    reader.close()
