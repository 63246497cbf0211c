"""Looking for what is wrong with a set of labelled images."""
