"""The table of backbones, heads, freezing and weights. It knows no images, files of runs or training loop."""
