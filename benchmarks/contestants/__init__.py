"""One script per contestant: a job as JSON in the first argument, a result as one JSON line."""
