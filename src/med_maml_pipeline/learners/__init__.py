"""Methods of every lane behind one protocol."""
