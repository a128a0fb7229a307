"""24 Keras programs in the style of keras-io, each with a right port and three mistakes.

They were written by somebody who knew the documentation and not the code that judges them, and each
right port was proved without it: outputs, losses, and weights after 3 to 12 steps. `table.py`
says what is changed in a right port. `python benchmarks/accuracy/foreign.py strangers` checks them, and
`first_sight.md` has what it said first.
"""
