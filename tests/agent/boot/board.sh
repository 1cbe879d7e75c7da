#!/bin/sh
# A board's script with RAUC's verbs, over files beside it: the order of slots and the starts that each has left.
# Where the file `die_at` holds N, the N-th write is its last.
cd "$(dirname "$0")" || exit 1
writes=0
keep() {
    printf '%s\n' "$2" > "$1.new" && mv "$1.new" "$1"
    writes=$((writes + 1))
    if [ "$writes" = "$(cat die_at 2>/dev/null)" ]; then rm die_at; kill -9 $$; fi
}
left() { cat "left_$1" 2>/dev/null || echo 3; }
has() { case " $(cat order) " in *" $1 "*) return 0 ;; *) return 1 ;; esac; }
other() { if [ "$1" = one ]; then echo two; else echo one; fi; }

case "$1" in
get-primary)
    for slot in $(cat order); do
        if [ "$(left "$slot")" -gt 0 ]; then echo "$slot"; exit 0; fi
    done
    set -- $(cat order); echo "$1" ;;
set-primary)
    keep "left_$2" 3
    if has "$(other "$2")"; then keep order "$2 $(other "$2")"; else keep order "$2"; fi
    if ! has "$(other "$2")"; then keep "left_$(other "$2")" 3; keep order "$2 $(other "$2")"; fi ;;
get-state)
    if has "$2" && [ "$(left "$2")" -gt 0 ]; then echo good; else echo bad; fi ;;
set-state)
    if [ "$3" = good ]; then
        keep "left_$2" 3
        has "$2" || keep order "$(cat order) $2"
    else
        has "$(other "$2")" && keep order "$(other "$2")"
        keep "left_$2" 0
    fi ;;
get-current) cat booted ;;
*) echo "unknown verb $1" >&2; exit 1 ;;
esac
