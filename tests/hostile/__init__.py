"""Files that mean harm: each made by a few lines, and given to every way into the package."""
