"""Whether a change or a loss is noticed by clients (RL)."""
