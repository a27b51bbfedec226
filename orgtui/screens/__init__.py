"""One screen for each section of the sidebar."""
