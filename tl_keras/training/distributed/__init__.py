"""Devices, TF_CONFIG, strategies, and the only barriers between workers."""
