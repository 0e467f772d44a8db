"""States of archives in the files, and in the data sets, of other libraries."""
