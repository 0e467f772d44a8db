"""What changes a state: each operation makes another draft of one, and touches no file."""
