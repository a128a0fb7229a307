"""A fault that begins within a training."""


class AfterEpochs:
    """Calls `action` once, when `epochs` epochs have ended."""

    def __init__(self, epochs, action):
        self.epochs, self.action, self.ended = epochs, action, 0

    def step(self):
        self.ended += 1
        if self.ended == self.epochs:
            self.action()
