#!/usr/bin/env bash
# Tests/heap.sh [--full] MMAPLUA [NAME...] - memory runs out in each library function, and in the program's start.
#
# Each function is called in a new process, once for each of its allocations, which fails (Tests/soak/heap.lua). Then
# programs are started in which each allocation fails (Tests/soak/heap.c). A signal is a failure, and so is a status
# other than 0 and 1. With names, tests only those functions. Skips some allocations of a function that has many, unless
# --full is given.
set -euo pipefail

root=$(CDPATH='' cd -P -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/.." && pwd)
export HEAP_FULL=
if [[ ${1-} == --full ]]; then
    HEAP_FULL=1
    shift
fi
program=$(readlink -f -- "$1")
shift
work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
compiler=$(readlink -f -- "$(command -v swiftc)")
"${compiler%/*}/clang" -shared -fPIC -O1 -Wall -Wextra -Werror -o "$work/heap.so" "$root/Tests/soak/heap.c" -ldl
ulimit -c 0
# Lua's small blocks are parts of larger ones (blocks.c); without that, each allocation of Lua can fail.
export MMAPLUA_MALLOC=1

cat >"$work/one" <<'ONE'
mkdir -p "$2/$$" && cd "$2/$$"
LUA_CPATH="$2/?.so" LD_PRELOAD="$2/heap.so" timeout 600 "$1" "$3/Tests/soak/heap.lua" "$3/Tests/methods.lua" "$2/$$" "$4" </dev/null 2>&1 ||
    echo "FAILED  $4: status $?"
rm -rf -- "${2:?}/$$"
ONE
if (($#)); then printf '%s\n' "$@"; else "$program" "$root/Tests/soak/heap.lua" "$root/Tests/methods.lua" "$work"; fi |
    xargs -d '\n' -P "$(nproc)" -I {} sh "$work/one" "$program" "$work" "$root" {} >"$work/log"
grep FAILED "$work/log" || true
failed=$(grep -c FAILED "$work/log" || true)
awk '/^[0-9]+ points/ { points += $1; returned += $3; raised += $5; calls++ }
    END { printf "%d functions, %d points: %d calls returned, %d raised an out-of-memory error\n", calls, points, returned, raised }' "$work/log"

# started WIDTH INPUT ARGUMENT...: walks the program from its start.
started() {
    local width=$1 input=$2
    shift 2
    timeout 600 env HEAP_START="$width" LD_PRELOAD="$work/heap.so" "$program" "$@" <"$input" >"$work/log" 2>&1 ||
        failed=$((failed + 1))
    tail -n 20 -- "$work/log" | cut -c 1-200 | sed "s|^|start: ${1#"$work"/} ${2-}: |"
}
if ! (($#)); then
    printf 'print(mmap.anonymous(10), #arg)\n' >"$work/script.lua"
    printf 'x = 1\nx\nmmap.anonymous(100)\nerror "no"\nfor i = 1, 2 do\nprint(i) end\n' >"$work/input"
    mkdir "$work/folder"
    for width in 1 1000000000 -; do
        if [[ $width == - ]]; then
            width=1
            unset MMAPLUA_MALLOC
        fi
        started "$width" /dev/null "$work/script.lua" a b
        started "$width" "$work/input" -i
        started "$width" /dev/null --trace -W -l string -e 'mmap.anonymous(10):close()'
        started "$width" /dev/null --sandbox --memory=64M --time=50s "--allow-read=$work/folder" "$work/script.lua"
        started "$width" /dev/null --sandbox --allow-env "--allow-write=$work/folder" -e "assert(io.open('$work/folder/x', 'w')):close()
            pcall(io.lines, 'x') pcall(os.remove, 'x') print(os.date(), os.getenv 'A', pcall(require, 'no'))"
        started "$width" /dev/null --help mmap.open
    done
fi
((!failed))
