"""Thirty small networks in the style of the examples on keras.io, and ports of each.

`originals/NAME.py` has `build`, `ports/NAME.py` has `right` and `wrong`. The ports were
written without running a check, by somebody who had not read this project's code. `table` says
what each network is, how its port is written, and which mistake the wrong one has.
"""
