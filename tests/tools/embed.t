#!/bin/sh
# tools/embed carries every byte, and a NUL after them that its size does not count.
. "${PL_ROOT:-$(dirname "$0")/../..}/tests/tap.sh"

i=0
while [ $i -lt 256 ]; do
    # shellcheck disable=SC2059 # the format is the byte
    printf "\\$(printf %03o $i)"
    i=$((i + 1))
done >"$T/in"
cat >"$T/main.c" <<'C'
#include <stdio.h>
extern const unsigned char every_byte[];
extern const size_t every_byte_size;
int main(void) { return fwrite(every_byte, 1, every_byte_size, stdout) != every_byte_size || every_byte[every_byte_size]; }
C
same() {
    "$ROOT/tools/embed" every_byte "$1" "$T/out.c" &&
        gcc -std=c11 -pedantic -Wall -Wextra -Werror "$T/out.c" "$T/main.c" -o "$T/prog" &&
        "$T/prog" >"$T/back" && cmp "$1" "$T/back"
}
: >"$T/empty"
t 'every byte comes back' same "$T/in"
t 'an empty file is an empty array' same "$T/empty"
t 'a symbol that is no C name is refused' exits 1 "$ROOT/tools/embed" 'a-b' "$T/in" "$T/out.c"
t_done
