"""Model files: kinds, embedded class names, reading and writing."""
