"""What is compared at each level: a file a level, with the comparer of a run and of a probe."""
