"""Choosing a head on stored features. It sees features, never images."""
