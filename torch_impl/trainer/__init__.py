"""The loop of Keras's `fit` for a torch module: order, batches, running metrics, callbacks."""

from torch_impl.trainer.batches import Batch
from torch_impl.trainer.callbacks import Callback
from torch_impl.trainer.measures import History
from torch_impl.trainer.step import GivenStepper, Stepper
from torch_impl.trainer.trainer import Trainer

__all__ = ["Batch", "Callback", "GivenStepper", "History", "Stepper", "Trainer"]
