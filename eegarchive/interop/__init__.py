"""A state as other libraries know recordings: read, never changed."""
