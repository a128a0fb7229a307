"""Parts of the page of a report, by their names and kinds."""

from parity.report.page import Folded


def section(page, id):
    return next((each for each in page.sections if each.id == id), None)


def blocks(page, kind):
    found = []
    for each in page.sections:
        waiting = list(each.blocks)
        while waiting:
            block = waiting.pop(0)
            if isinstance(block, Folded):
                waiting += block.blocks
            found.append(block)
    return [block for block in found if isinstance(block, kind)]


def cells(table):
    return [[cell.text for cell in row] for row in table.rows]
