"""Commands that ship with the framework."""
