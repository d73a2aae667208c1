"""Programs that run inside containers.

They import the standard library and what their image holds, nothing of the platform.
"""
