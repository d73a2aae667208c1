"""What bounds the bill (CO)."""
