"""How the shipped weights were trained."""
