"""How any resource is read: values, objects, pods, engines and their command lines."""
