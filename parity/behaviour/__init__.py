"""Behaviour: a verdict on a training and its likely causes, from its history."""
