"""How what ships in the wheel was made; nothing here is needed to run it."""
