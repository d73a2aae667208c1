"""`make plan`, and `make bench-planner`, which holds it against published starts."""
