"""Behaviour: a history in, a verdict on the training and its likely causes out."""
