"""Tasks: one package each, tagged by `kind`."""
