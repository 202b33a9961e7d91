#!/usr/bin/env bash
# Tests/examples.sh [--compiled] [FILTER] - run the Lua examples (or those whose file name contains FILTER) with the
# release binary, as scripts/test does. --compiled: with every function compiled, by Tests/compiled.lua.
#
# Each example contains its own tests. A line
#     -- test: ARGS
# among its first 20 runs it with these arguments, and it must exit with status 0. ARGS are shell words, with
# redirections if needed; $TMP is an empty folder, one per example, and $EXAMPLES the examples' folder. Several such
# lines are several runs, in order, with the same $TMP. If there is a file NAME.expected next to NAME.lua, the runs
# together must print exactly its content. Every example must have such a line; `-- test: none, REASON` counts.
set -euo pipefail

case ${1-} in
-h | --help)
    printf 'usage: Tests/examples.sh [--compiled] [FILTER]\nRun the Lua examples with the release binary.\n'
    exit
    ;;
esac
by=
if [[ ${1-} == --compiled ]]; then
    by=Tests/compiled.lua
    shift
fi
root=$(CDPATH='' cd -P -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/.." && pwd)
cd -- "$root"
work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
trap 'exit 130' INT
export EXAMPLES=$root/examples TMP mmaplua=$root/.build/release/mmaplua example

passed=0 failed=0
run_example() {
    local line lines
    mapfile -t lines < <(sed -n '1,20s/^-- test:[[:space:]]*//p' "$example")
    if ((!${#lines[@]})); then
        echo 'no line "-- test: ARGS"'
        return 1
    fi
    [[ ${lines[0]} != none,* ]] || return 0
    for line in "${lines[@]}"; do
        if ! timeout -k 5 60 bash -c "\"\$mmaplua\" $by \"\$example\" $line" \
            </dev/null >>"$work/out" 2>>"$work/err"; then
            printf 'failed: %s %s\n' "${example#"$root/"}" "$line"
            cat -- "$work/out" "$work/err"
            return 1
        fi
    done
    local expected=${example##*/}
    expected=$root/Tests/examples/${expected%.lua}.txt
    [[ ! -e $expected ]] || diff -u -- "$expected" "$work/out"
}

for example in "$EXAMPLES"/{,compile/}*.lua; do
    [[ -e $example && ${example##*/} == *"${1-}"* ]] || continue
    # Children of mmap.spawn get no compiled functions.
    [[ -z $by ]] || ! grep -q 'mmap\.spawn' -- "$example" || continue
    TMP=$work/tmp
    rm -rf -- "$TMP" "$work/out" "$work/err"
    mkdir -- "$TMP"
    : >"$work/out"
    : >"$work/err"
    if said=$(run_example); then
        passed=$((passed + 1))
        printf 'ok      %s\n' "${example##*/}"
    else
        failed=$((failed + 1))
        printf 'FAILED  %s\n' "${example##*/}"
        printf '%s\n' "$said" | sed 's/^/        /'
    fi
done
printf 'examples: %d passed, %d failed\n' "$passed" "$failed"
((!failed))
