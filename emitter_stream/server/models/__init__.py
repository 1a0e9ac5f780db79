"""What stands behind a run: the port for models, and the scripted one."""
