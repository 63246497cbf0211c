"""Figures drawn from results. It needs neither TensorFlow nor a model."""
