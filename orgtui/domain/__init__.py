"""Values and rules of an organization: no I/O, no framework, nothing else of ours."""
