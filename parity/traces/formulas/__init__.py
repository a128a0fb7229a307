"""What layers of Keras compute, in NumPy: predictions of the arrays of a trace.

An array that a formula predicts to some units in the last place takes only these units in a bundle
(`parity.traces.bundle_coding`). Formulas decide nothing: where one is wrong, or there is none, the
array is stored as it is. So they may be simple, and only have to be the same in `pack` and
`unpack`.
"""
