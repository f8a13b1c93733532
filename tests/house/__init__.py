"""The house keeps its own rules: imports, public names, docstrings, sizes."""
