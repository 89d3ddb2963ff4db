"""Measurements of xsm: how fast (`speed`) and how well (`skill`). Nothing here is shipped."""
