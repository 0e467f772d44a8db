# Read an archive with R and CRAN's hdf5r: Rscript read_hdf5r.R ARCHIVE [SIGNAL [OUT [STATE]]]
#   OUT    file for all stored samples as 64-bit floats
#   STATE  path of a freeze, /freezes/source for one; without it, the working state
library(hdf5r)
given <- c(commandArgs(trailingOnly = TRUE), "", "", "")
signal <- given[2]
out <- given[3]
state <- given[4]
archive <- H5File$new(given[1], mode = "r")

show <- function(...) cat(paste(..., sep = "\t"), sep = "\n")
exact <- function(x) sprintf("%.17g", x)

root <- h5attributes(archive)
show("source_sha256", root$source_sha256)
show("digest", root$digest)

# Tables are data frames.
segments <- archive[[paste0(state, "/segments")]][]
if (nrow(segments)) show("segment", exact(segments$start), exact(segments$duration))
annotations <- archive[[paste0(state, "/annotations")]][]
if (nrow(annotations)) {
  with(annotations, show("annotation", exact(onset), exact(duration), text, kind))
}

if (nzchar(signal)) {
  dataset <- archive[[paste0(state, "/signals/", signal)]]
  about <- h5attributes(dataset)
  stored <- dataset[]
  physical <- stored * about$scale_factor + about$add_offset
  show("label", about$label)
  show("units", about$units)
  for (name in c("sampling_rate", "scale_factor", "add_offset")) show(name, exact(about[[name]]))
  show("samples", length(stored))
  show("stored", paste(head(stored, 5), collapse = "\t"))
  show("physical", paste(exact(head(physical, 5)), collapse = "\t"))
  if (nzchar(out)) writeBin(as.double(stored), out, endian = "little")
}
archive$close_all()
