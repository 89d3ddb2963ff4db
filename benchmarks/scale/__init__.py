"""Graphs, memory, workers and interruptions of work on data larger than memory."""
