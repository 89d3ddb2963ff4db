"""Whole networks on a CPU, day by day: schedule of the layers, ring buffer, executor."""
