"""Examples as arrays: encoders, fingerprints and width-independent inputs."""
