"""Where people live: the one place that knows an institution's own ids."""
