"""The inner and outer loop."""
