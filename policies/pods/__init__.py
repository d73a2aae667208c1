"""What a pod may do on its node, and on which node it is (PH)."""
