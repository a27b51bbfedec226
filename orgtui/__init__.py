"""orgtui: the settings of an organization on an AI-workflow platform, in a terminal."""

__version__ = "0.1.0"
