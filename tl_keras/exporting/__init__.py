"""One file per format, and the comparison with the trained model. Nothing is trained here."""
