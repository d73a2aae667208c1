"""Who may reach an engine or the gateway, and with which key (AX)."""
