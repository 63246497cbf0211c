"""Numbers about predictions, and their files. It knows no run and trains nothing."""
