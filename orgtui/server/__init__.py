"""The HTTP face: routes derived from the contract, and the little that stands around them."""
