"""Labeled images: lists, splits, sampling, batches. It knows no network."""
