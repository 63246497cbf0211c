"""Opening any shipped model as one function from pixels to probabilities."""
