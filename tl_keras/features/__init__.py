"""Activations of a frozen network, computed once and stored by content hash. Nothing trains here."""
