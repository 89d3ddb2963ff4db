"""Parts of the report: sections, tables, figures, provenance of the scores, HTML page."""
