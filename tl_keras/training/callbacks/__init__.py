"""Keras callbacks, one per file. What decides a phase's settings does not belong here."""
