"""Where images and weights come from (SC)."""
