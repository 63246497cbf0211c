"""One file per command: options, settings, one verb, printed result. No TensorFlow, no work."""
