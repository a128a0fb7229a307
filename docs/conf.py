"""How Sphinx builds this folder: `make docs`.

In: the Markdown files here, the docstrings of the packages, the two tables that `tables` makes.
Out: HTML. Nothing is fetched, by the build or by the pages.
"""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

project = "keras-torch-parity"
author = "the authors of keras-torch-parity"
release = version = importlib.metadata.version(project)

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_heading_anchors = 3  # the headings that a link may end in, as on GitHub

# Docstrings write code as Markdown does, between single backticks: a name in them becomes a link
# where the site has the object.
default_role = "py:obj"
add_module_names = False
highlight_language = "text"
# Half of the build's time would be TensorFlow's; no signature needs more of it than names.
autodoc_mock_imports = ["keras", "tensorflow"]
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
python_maximum_signature_line_length = 88
napoleon_custom_sections = [("Attributes", "params_style")]
napoleon_use_rtype = False

smartquotes = False  # it would make a dash of the two of an option

html_theme = "furo"
html_title = project
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_copyright = False


def setup(app: Any) -> None:
    """Adds the generated tables, and the reading of docstrings."""
    import docstrings
    import tables

    # Before napoleon, whose priority is 500.
    app.connect("autodoc-process-docstring", docstrings.process, priority=400)
    app.connect("source-read", tables.insert)
