"""Changes of an archive are all or nothing: crashes, errors, damaged journals, and readers meanwhile."""
