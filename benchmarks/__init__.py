"""What the README's figures rest on."""
