"""A run on disk: its folder, settings, images, lock, and what of it can be resumed. Nothing trains here."""
