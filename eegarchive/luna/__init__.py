"""Luna's command language: scripts of sleep laboratories, run on archives.

`script` takes a script apart, `words` knows the commands, `run` is one archive under a script, `runner` runs a script
on many; `tables` and `database` are for what comes out. Each command is a function in `commands`.
"""
