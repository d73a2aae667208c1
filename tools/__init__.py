"""What the make targets run: tools, embedded control plane, stacks, image pins, benchmarks."""
