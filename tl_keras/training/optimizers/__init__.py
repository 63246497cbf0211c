"""Optimizers and schedules made from settings. Which weights train is decided elsewhere."""
