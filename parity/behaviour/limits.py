"""The limits of the rules, each with its reason; accuracies are fractions."""

from __future__ import annotations

Z_SUSPICION = 3.0  # a suspicion needs more evidence: one false one in 741 honest runs
MAX_GAP = 0.05  # a gap that users of the model notice, even if samples prove a smaller one
MAX_GAP_RISING = 0.02  # ... if the validation loss shows it too
RISE = 1.5  # validation losses of good fits end within 1.2 of their minimum (docs/behaviour.md)
LOSS_RISE = 1.2  # the same without an accuracy
SPREAD = 3.0  # val_loss / training loss: fits without an accuracy that are called good have up to 2
EXPLOSION = 2.0  # a flat loss varies by less
MIN_PROGRESS = 0.05  # of accuracy, or of the first loss
MIN_WAY = 0.1  # fraction of the distance from chance to the target
STEADY_GAIN = 0.02  # of accuracy: with both losses lower by LEARNS, the run learns, if slowly
LEARNS = 0.1  # of the first loss; flat runs lose up to 0.05 of it
NUM_STAGNANT = 3  # fewer epochs are too short a curve
BY_HEART = 0.995  # training and validation accuracy, in eval mode, that suggest a leak
# For a running mean. Dropout or augmentation keep it lower: then nothing is known by heart.
BY_HEART_RUNNING = 0.999
HONEST_RATIO = 1.5  # val_loss / training loss: honest runs that memorise have 5 and more
# Three passes do not make memory. What is right by then on new images is an easy task. In eval mode
# both losses are of the same weights, and their ratio alone tells memory from knowledge.
EASY_EPOCHS = 3
EASY = 0.95
BAD_GUESS = 1.25  # val_loss / log(classes): validation contradicts training
FAR_ABOVE = 0.2  # of the way from chance to 1: validation has learned what training teaches
SAME = 1e-4  # accuracies in logs of four digits that are equal
CONSTANT_TRAINING = 0.002  # range of a running mean over batches that always get one class
MAJORITY_LOSS = 0.9  # loss / entropy of always naming a class that is right as often
