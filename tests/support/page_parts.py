"""The page of a result of any kind, and its parts by their names and kinds."""

from parity.behaviour.diagnosis import Diagnosis
from parity.bench.result import BenchResult
from parity.ladder.result import Result
from parity.report.pages.bench_page import bench_page
from parity.report.pages.diagnosis_page import diagnosis_page
from parity.report.pages.runs_page import result_page
from parity.report.pages.sweep_page import sweep_page
from parity.sweeps.result import SweepResult

PAGES = {Result: result_page, SweepResult: sweep_page, BenchResult: bench_page}


def page_of(result, name="x"):
    """The page of a result of any kind; the name is that of a history."""
    if isinstance(result, Diagnosis):
        return diagnosis_page(result, name)
    return PAGES[type(result)](result)


def section(page, id):
    return next((each for each in page.sections if each.id == id), None)


def cells(table):
    return [[cell.text for cell in row] for row in table.rows]
