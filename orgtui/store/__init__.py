"""Where an organization is kept: one contract, and the faces that fulfil it."""
