"""Keras models with right and wrong ports, for `benchmarks/accuracy/matrices.py`.

`keras_*` have the Keras factories, `torch_*` the right ports of models with the same names, and
`faults_*` the ports with one mistake; `table` and `fault_table` say which belong together. Models
are tiny, so that hundreds of checks take minutes.
"""
