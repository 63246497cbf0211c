"""The settings: schema, and loading from YAML. It decides nothing for a run."""
