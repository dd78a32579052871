"""Readers: one file per raw format, chosen by the `format` key of a source."""
