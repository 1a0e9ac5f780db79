"""What becomes of a run, from its creation to its end."""
