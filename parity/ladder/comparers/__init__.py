"""The comparers: one file per level, with the comparer of a run and of a probe."""
