"""The picture of a report in the README.

    python scripts/report_picture.py [REPORT]

Checks the first port of examples/migration without its initial weights, and takes a picture of the
first screen of the report in the system's Chromium; or of a REPORT that is there.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from parity.ladder.items import LEVEL_IDS

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "images" / "report.png"
LEVELS = ",".join(level for level in LEVEL_IDS if level not in ("init", "behaviour"))
WIDTH, HEIGHT = 1180, 885


def main() -> None:
    """Writes the picture."""
    with tempfile.TemporaryDirectory() as name:
        if sys.argv[1:]:
            report = Path(sys.argv[1]).absolute()
        else:
            report = Path(name) / "out" / "report.html"
            command = [sys.executable, "-m", "parity", "check", "--levels", LEVELS, "--out"]
            command += [str(report.parent), "--keras", "keras_model.py:build"]
            command += ["--torch", "torch_model_naive.py:build"]
            subprocess.run(command, cwd=ROOT / "examples" / "migration", check=False)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
            )
            page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
            page.goto(report.as_uri())
            page.screenshot(path=PICTURE)
            browser.close()
    print(f"wrote {PICTURE.relative_to(ROOT)} ({PICTURE.stat().st_size / 1000:.0f} kB)")


if __name__ == "__main__":
    main()
