"""Devices, TF_CONFIG, strategies, and the only barriers between workers. It knows no model and no run."""
