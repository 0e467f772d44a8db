#!/usr/bin/env bash
# Read a cache with HDF5's own h5ls and h5dump: cache.sh ARCHIVE CACHE [STATE]
#   STATE  path of a freeze, /freezes/N2 for one; without it, the working state's cache is read
# Whether a value still holds for the state isn't looked at: see "Caches" in docs/readers.md.
set -euo pipefail
archive=$1 path="${3-}/cache/$2"
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT

# A table as lines of columns split by tabs, under the columns' names; see read.sh.
table() {
    h5dump -H -d "$path/$1" "$archive" | sed -nE 's/^ *(\}|H5T_[A-Z0-9_]+) "(.*)";$/\2/p' | paste -sd '\t'
    h5dump -y -w 0 -m %.17g -d "$path/$1" "$archive" |
        awk '/^ *DATA \{/ { on = 1; next }  !on || /^ *\{$/ { next }
             /^ *\}(,|, \{)?$/ { if (n) print row; n = 0; next }
             { sub(/^ */, ""); sub(/,$/, ""); gsub(/^"|"$/, ""); row = n++ ? row "\t" $0 : $0 }' |
        sed -E 's/\\000//g; s/\\377777776/\x01\x022/g; s/\\377777777/\x01\x023/g; s/\\/\\\\/g; s/\x01\x02/\\/g' |
        while IFS= read -r row; do printf '%b\n' "$row"; done
}

# Values of a table, or elements of its vectors; with the factors that each has: what stands under others is no level.
show() {
    awk -F '\t' -v OFS='\t' -v type="$1" '
        FNR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; vectors = "start" in at; next }
        { value = $at["missing"] ? "missing" : $at["value"] }
        !("factors" in at) { elements[n++] = value; next }
        {
            shown = vectors ? "" : "\t" value
            if (vectors) for (i = $at["start"]; i < $at["stop"]; i++) shown = shown "\t" elements[i]
            strata = ""
            count = split($at["factors"], names, ",")
            for (i = 1; i <= count; i++) strata = strata (i > 1 ? "; " : "") names[i] "=" $at[names[i]]
            print type, $at["variable"], strata shown
        }' "${@:2}"
}

tables=$(h5ls "$archive$path" | awk '{ print $1 }')
for type in num int text bool; do
    if grep -qx "$type" <<<"$tables"; then
        table "$type" >"$work/rows"
        show "$type" "$work/rows"
    fi
    if grep -qx "${type}_vectors" <<<"$tables"; then
        table "${type}_elements" >"$work/elements"
        table "${type}_vectors" >"$work/rows"
        show "$type[]" "$work/elements" "$work/rows"
    fi
done
