"""What opens over a section and closes again."""
