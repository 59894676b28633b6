"""What the outside may observe: metrics, traces and the log line; `names` holds every name once."""
