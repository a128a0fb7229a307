"""Thirty networks in the style of Keras's examples, each with a right port and a faulty one."""
