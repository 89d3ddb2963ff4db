"""Estimates from predictors: blocks of pixels as sequences, and samples for a fit."""
