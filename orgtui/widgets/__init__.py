"""The project's own widgets: what the look asks for and Textual does not have."""
