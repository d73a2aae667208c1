"""How long a prompt may be, and whether a model fits what it is given (ML)."""
