"""Programs that run inside the engine's own process."""
