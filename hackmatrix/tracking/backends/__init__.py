"""One module per place that rows can be carried to; imported by the registry alone."""
