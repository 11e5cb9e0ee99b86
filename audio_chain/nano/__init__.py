"""The nano models: small enough to ship, in the file formats of the big ones."""
