"""Pairs of a Keras model and a port, right and wrong ones, for `benchmarks/accuracy/matrices.py`.

`keras_*` hold the Keras factories, `torch_*` right ports of the models of the same name,
`faults_*` ports with one mistake; `table` says which belong together. Models are tiny, so that
hundreds of checks take minutes.
"""
