"""Programs that run inside containers; they import the standard library and what is there."""
