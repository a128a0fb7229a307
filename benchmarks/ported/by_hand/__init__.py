"""Four networks in Keras, and in plain torch by somebody who had seen no written port."""
