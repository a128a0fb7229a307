"""Changes of a port that Keras's configuration suggests, each tried on the probe.

`change` says what is changed and does it, `piece` reads the settings of a call, and the other files
suggest changes of layers, of the loss, of the optimizer and of the schedule.
"""
