"""The API's objects, as typed views over what was received."""
