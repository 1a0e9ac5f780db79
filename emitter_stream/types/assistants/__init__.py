"""The objects of the Assistants API."""
