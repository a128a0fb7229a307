"""Measures the audit of data: `python benchmarks/accuracy/audit.py clean leaks labels cost`.

Each argument is a part:

    clean     honest splits, which must have no finding of leakage
    leaks     a share of validation is changed copies of training: the estimated number and the true
    labels    wrong labels: recall and precision of the suspects, beside those of cleanlab
    cost      seconds for 10,000 and 2,000 images
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import audit_data as made

from parity.behaviour.audit.audit import audit

TRANSFORMS = {
    "shift 1": made.shifted_by(1),
    "shift 2": made.shifted_by(2),
    "shift 3": made.shifted_by(3),
    "rotate 3": made.rotated_by(3),
    "rotate 6": made.rotated_by(6),
    "rotate 10": made.rotated_by(10),
    "mirror": made.mirrored,
    "brightness": made.brightened,
    "noise 0.03": made.noisy(0.03),
    "zoom 1.1": made.zoomed_by(1.1),
    "6 and 1.5": made.augmented(6, 1.5),
}
SHARES = (0.05, 0.2, 0.5, 1.0)
DATA = {
    "mnist 500": (made.mnist, 500, 500),
    "mnist 2000": (made.mnist, 2000, 500),
    "digits": (made.digits, 1200, 500),
    "textures": (made.textures, 1500, 500),
    "scenes": (made.scenes, 1500, 500),
}
