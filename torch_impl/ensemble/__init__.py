"""Many seeds in one process: `fit_many` trains runs that differ in seed only, all at a time.

Each run keeps everything of its own: weights, order, masks, generators, callbacks, history. What is
shared is the work: each layer computes all runs in one operation, so that what Python and torch
spend on an operation is spent once. It pays where operations are small (docs/scaling.md).
"""

from __future__ import annotations

from torch_impl.ensemble.train import fit_many

__all__ = ["fit_many"]
