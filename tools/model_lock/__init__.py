"""`make lock`: what a model holds, from the hub into `models/`, without a weight."""
