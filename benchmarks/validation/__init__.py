"""Validation: a worked example on a simulated Earth, and the speed of the metrics."""
