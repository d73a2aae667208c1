"""What the gateway lets through, and which model answers: one gateway with all rules and ways."""
