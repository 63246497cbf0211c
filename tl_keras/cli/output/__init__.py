"""Results on stdout: tables for people, JSON and CSV for programs. Nothing is computed here."""
