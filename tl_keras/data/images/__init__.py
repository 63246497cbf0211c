"""From a file to pixels, and facts about it. One way, with a twin in TensorFlow operations."""
