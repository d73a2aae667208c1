"""The policy pack: refuses unsafe changes in preview. Of the rest it imports `components.core`."""
