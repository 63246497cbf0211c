"""One training phase each: what trains, on what, from which weights. No printing of results, no barriers."""
