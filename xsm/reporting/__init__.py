"""The parts of the report: page, tables, figures, identity of the data."""
