"""Where labeled images come from: folders, tables, TensorFlow Datasets, digits. Nothing is decoded here."""
