"""Give every parser of the package inputs that nobody would make on purpose, and see that it survives them."""
