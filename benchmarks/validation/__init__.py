"""Validation: worked examples and what they are made of."""
