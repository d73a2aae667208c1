"""Programs that run in LiteLLM's image and import what it holds."""
