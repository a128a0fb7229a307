"""The end of a child: at once, and with everything done that the user's code wants done."""

import subprocess
import sys

from paths import ROOT

PROGRAM = """
import atexit, sys, threading, time
sys.path.insert(0, {root!r})
from parity.worker import leave

class Slow:
    def __del__(self):
        time.sleep(60)

kept = Slow()
atexit.register(print, "said at the end")
threading.Thread(target=time.sleep, args=(60,)).start()
sys.stdout.write("begun ")
sys.stderr.write("told")
leave({code})
"""


def test_a_child_ends_at_once_with_its_code_and_all_that_it_said():
    for code in (0, 7):
        program = PROGRAM.format(root=str(ROOT), code=code)
        ended = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, timeout=30
        )
        assert ended.returncode == code
        assert ended.stdout == "begun said at the end\n"
        assert ended.stderr == "told"
