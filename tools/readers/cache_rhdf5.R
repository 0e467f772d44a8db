# Read a cache with R and Bioconductor's rhdf5: Rscript cache_rhdf5.R ARCHIVE CACHE [STATE]
#   STATE  path of a freeze, /freezes/N2 for one; without it, the working state's cache is read
# Whether a value still holds for the state isn't looked at: see "Caches" in docs/readers.md.
library(rhdf5)
given <- c(commandArgs(trailingOnly = TRUE), "")
path <- paste0(given[3], "/cache/", given[2])
archive <- H5Fopen(given[1], flags = "H5F_ACC_RDONLY")
group <- H5Gopen(archive, path)
tables <- h5ls(group, recursive = FALSE)$name

# Tables are data frames. 64-bit integers are bit64's, whose NA is -2^63; what is missing is told by `missing`.
table <- function(name) h5read(group, name, bit64conversion = "bit64")
exact <- function(x) {
  if (inherits(x, "integer64")) return(ifelse(is.na(x), "-9223372036854775808", as.character(x)))
  if (is.double(x)) sprintf("%.17g", x) else as.character(if (is.raw(x)) as.integer(x) else x)
}

# Only the factors that an entry has; what stands under others is no level.
strata <- function(row) {
  names <- strsplit(row$factors, ",", fixed = TRUE)[[1]]
  paste0(names, "=", vapply(names, function(name) exact(row[[name]]), ""), collapse = "; ")
}

# Values as text; what is missing is NA.
values <- function(rows) ifelse(rows$missing != 0, NA, exact(rows$value))

show <- function(type, row, values) {
  values[is.na(values)] <- "missing"
  cat(paste(c(type, row$variable, if (nzchar(row$factors)) strata(row) else "", values), collapse = "\t"), sep = "\n")
}

for (type in c("num", "int", "text", "bool")) {
  if (type %in% tables) {
    rows <- table(type)
    all <- values(rows)
    for (i in seq_len(nrow(rows))) show(type, rows[i, ], all[i])
  }
  if (paste0(type, "_vectors") %in% tables) {
    elements <- values(table(paste0(type, "_elements")))
    rows <- table(paste0(type, "_vectors"))
    for (i in seq_len(nrow(rows))) {
      first <- as.integer(rows$start[i])
      show(paste0(type, "[]"), rows[i, ], elements[first + seq_len(as.integer(rows$stop[i]) - first)])
    }
  }
}
