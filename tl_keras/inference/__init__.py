"""Any shipped model as a function from pixels to probabilities. It knows no run."""
