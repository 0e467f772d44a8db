"""HDF5 below the level of EEG: objects, codecs, pieces, the guard, the seal, atomic files."""
