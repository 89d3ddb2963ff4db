"""Fill gaps: the task, statistics of a record, seasonal cycle, climatology."""
