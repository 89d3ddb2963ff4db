"""Measurements of xsm: how fast (`speed`), how accurate (`skill`) and how it scores (`validation`).

Nothing in here is shipped.
"""
