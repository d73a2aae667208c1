"""Will a model start on a GPU, how many requests at once, how fast and for how much."""
