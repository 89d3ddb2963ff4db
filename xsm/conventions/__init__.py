"""Which variable, unit, grid and time axis a Dataset has, and the CF metadata of results."""
