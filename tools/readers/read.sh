#!/usr/bin/env bash
# Read an archive with HDF5's own h5ls and h5dump: read.sh ARCHIVE [SIGNAL [OUT [STATE]]]
#   OUT    file for all samples as they are stored, little-endian
#   STATE  path of a freeze, /freezes/source for one; without it, the working state
set -euo pipefail
archive=$1 signal=${2-} out=${3-} state=${4-}

# What h5dump shows between "DATA {" and "}": a line for each row, columns split by tabs. It writes NUL
# as \000, bytes beyond ASCII as signed octal numbers (\37777777744 for E4), and a backslash as it is.
rows() {
    h5dump -y -w 0 -m %.17g "$@" "$archive" |
        awk '/^ *DATA \{/ { on = 1; next }  !on || /^ *\{$/ { next }
             /^ *\},?$/ { if (n) print row; n = 0; next }
             { sub(/^ */, ""); sub(/,$/, ""); gsub(/^"|"$/, ""); row = n++ ? row "\t" $0 : $0 }' |
        sed -E 's/\\000//g; s/\\377777776/\x01\x022/g; s/\\377777777/\x01\x023/g; s/\\/\\\\/g; s/\x01\x02/\\/g' |
        while IFS= read -r row; do printf '%b\n' "$row"; done
}

for name in source_sha256 digest; do
    printf '%s\t%s\n' "$name" "$(rows -a "/$name")"
done
rows -A 0 -d "$state/segments" | awk '{ print "segment\t" $0 }'
rows -d "$state/annotations" | awk -F '\t' -v OFS='\t' '{ print "annotation", $1, $2, $3, $4 }'

[ -n "$signal" ] || exit 0
path="$state/signals/$signal"
for name in label units sampling_rate scale_factor add_offset; do
    printf '%s\t%s\n' "$name" "$(rows -a "$path/$name")"
done
samples=$(h5ls "$archive$path" | sed 's/.*{\([0-9]*\).*/\1/')

# A dataset that h5dump can't read (a filter it lacks, or damage) has an empty "DATA { }", and a part of
# one ends with exit code 0 all the same: look for the values themselves.
first=''
if [ "$samples" -gt 0 ]; then
    first=$(rows -A 0 --no-compact-subset -d "$path" -s 0 -c $((samples < 5 ? samples : 5)) | sed 's/, /\t/g')
    [ -n "$first" ] || { echo "$path can't be read" >&2 && exit 1; }
fi
printf 'samples\t%s\nstored\t%s\n' "$samples" "$first"
awk -v scale="$(rows -a "$path/scale_factor")" -v offset="$(rows -a "$path/add_offset")" '
    { printf "physical"; for (i = 1; i <= NF; i++) printf "\t%.17g", $i * scale + offset; print "" }' <<<"$first"
[ -z "$out" ] || h5dump --no-compact-subset -d "$path" -b LE -o "$out" "$archive" >/dev/null
