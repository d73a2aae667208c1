"""Pure Python shared by the components and the policy pack; never imports pulumi."""
