"""`python -m eegarchive.cli` is the same as `eegarchive`."""

from eegarchive.cli import main

main()
