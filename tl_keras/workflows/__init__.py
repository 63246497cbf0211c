"""One file per verb, which is the Python API. What a verb is made of lies below, never here."""
