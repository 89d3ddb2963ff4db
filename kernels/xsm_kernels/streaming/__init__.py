"""Whole networks on a CPU, day by day: layers, ring buffers, schedule."""
