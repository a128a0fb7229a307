"""What the torch child of `parity convert` is asked for, and what it leaves in its folder."""

REQUEST = "convert.json"  # asked for
TOLD = "told.json"  # what came of it: `parity.runs.convert.Converted`
STATE = "state.safetensors"  # the state_dict of the module
OPTIMIZER = "optimizer.pt"  # the state of its optimizer
BACK = "back.safetensors"  # weights in Keras's layout, by their paths in the file
