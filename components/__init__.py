"""One module a component; `platform` wires them together."""
