#!/usr/bin/env bash
# Tests/scripts.sh - tests of the scripts that people run: setup, build, mmaplua, and install.
#
# Simulates machines with fewer packages: a PATH of stubs replaces apt-get, sudo, id, and swift, and a folder holds the
# packages' files. Installs nothing, and writes only to a temporary folder. Prints a line for each failure, and their
# count at the end.
# shellcheck disable=SC2016  # stubs expand their bodies when they run
set -euo pipefail

root=$(CDPATH='' cd -P -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/.." && pwd)
case ${1-} in
-h | --help)
    printf 'usage: Tests/scripts.sh\nTest the scripts on simulated machines.\n'
    exit
    ;;
esac
work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
trap 'exit 130' INT
passed=0 failed=0
name=

# --- helpers

check() { # WHAT COMMAND...
    local what=$1
    shift
    if "$@"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'FAILED  %s: %s (status %s)\n' "$name" "$what" "$status"
        sed 's/^/        | /' "$work/out" "$work/err" "$work/calls" 2>/dev/null || true
    fi
}
status_is() { [[ $status == "$1" ]]; }
says() { grep -qF -- "$1" "$work/err"; }
prints() { [[ $(<"$work/out") == "$1" ]]; }
called() { grep -qE -- "$1" "$work/calls"; }
not_called() { ! called "$1"; }
silent() { [[ ! -s $work/err ]]; }
count_is() { [[ $(grep -cE -- "$1" "$work/calls") == "$2" ]]; }

stub() { # NAME BODY: a command on the simulated machine's PATH
    # The name may be a link to the real command.
    rm -f -- "$work/bin/$1"
    printf '#!/bin/bash\nprintf "%%s\\n" "${0##*/} $*" >>"$CALLS"\n%s\n' "$2" >"$work/bin/$1"
    chmod +x "$work/bin/$1"
}

# Makes a machine: the usual commands, a recent swift, root's rights, all packages, package lists.
machine() {
    name=$1
    rm -rf -- "${work:?}/bin" "${work:?}/root" "${work:?}/calls"
    mkdir -p "$work/bin" "$work/root/var/lib/apt/lists"
    : >"$work/calls"
    : >"$work/root/var/lib/apt/lists/debian_main_Packages.lz4"
    local command
    for command in bash env cat rm mv cp mkdir mktemp dirname readlink find flock cmp sed grep uname stat install sleep chmod rmdir true; do
        ln -s -- "$(type -P "$command")" "$work/bin/$command"
    done
    printf '#define %s\n' 'PCRE2_MAJOR           10' 'PCRE2_MINOR           47' >"$work/pcre2.h"
    stub id 'echo 0'
    stub swift 'echo "Swift version 6.3.1 (swift-6.3.1-RELEASE)"'
    stub apt-get 'case "$*" in *install*)
        case "$*" in *lpeg*) mkdir -p "$R/usr/lib/x-linux-gnu/lua/5.4"; : >"$R/usr/lib/x-linux-gnu/lua/5.4/lpeg.so" ;; esac
        case "$*" in *liblua*) : >"$R/usr/lib/x-linux-gnu/liblua5.4.a" ;; esac ;; esac'
    local file
    for file in usr/bin/{ld,zstd,shellcheck,mandoc,clang-format-19,lua5.4,hexdump,mount,strace,parallel} usr/sbin/mkfs.ext4 usr/share/i18n/locales/de_DE \
        usr/lib/x-linux-gnu/{liblua5.4.a,libpcre2-8.a,libdeflate.a,libxxhash.a,libcrypto.a,libz.a,libzstd.a,crt1.o,libedit.so.2,libcurl.so.4,libxml2.so.2,libsqlite3.so.0,libncurses.so.6} \
        usr/lib/gcc/x-linux-gnu/12/libstdc++.so usr/lib/llvm-19/lib/libLLVMX86CodeGen.a usr/lib/x-linux-gnu/lua/5.4/{lpeg,cjson,lfs}.so; do
        mkdir -p "$work/root/${file%/*}"
        : >"$work/root/$file"
    done
    mkdir -p "$work/root/usr/include"
    mv -- "$work/pcre2.h" "$work/root/usr/include"
    mkdir "$work/root/.build-simdjson"
    sed -n 's/^simdjson_hash=//p' "$root/scripts/setup" >"$work/root/.build-simdjson/hash"
}
without() { rm -f -- "$work/root/$1"; }
without_command() { rm -f -- "$work/bin/$1"; }

# Runs a command on the machine, without a terminal; standard input is the caller's.
run() {
    status=0
    setsid -w env -i HOME="$work/home" PATH="$work/bin" TMPDIR="$work" CALLS="$work/calls" R="$work/root" \
        MMAPLUA_SETUP_ROOT="$work/root" "$@" >"$work/out" 2>"$work/err" || status=$?
}
setup=("$root/scripts/setup")

# --- setup

machine 'nothing missing'
run "${setup[@]}" test
check 'succeeds' status_is 0
check 'says nothing' silent
check 'leaves apt alone' not_called '^apt-get'

machine 'two packages missing, root'
without usr/lib/x-linux-gnu/liblua5.4.a
without usr/lib/x-linux-gnu/lua/5.4/lpeg.so
run "${setup[@]}" test
check 'succeeds' status_is 0
check 'says what it installs' says 'installing with apt-get: liblua5.4-dev lua-lpeg'
check 'installs these only' called '^apt-get .* install --no-install-recommends liblua5.4-dev lua-lpeg$'
check 'does not update' not_called 'update'

machine 'no LLVM'
without usr/lib/llvm-19/lib/libLLVMX86CodeGen.a
run "${setup[@]}" build
check 'builds without it' status_is 0
check 'installs nothing' not_called '^apt-get'
run "${setup[@]}" compile
check 'installs it for the compiler' called '^apt-get .* install --no-install-recommends llvm-19-dev$'

machine 'a test package missing, build'
without usr/lib/x-linux-gnu/lua/5.4/lpeg.so
run "${setup[@]}" build
check 'is none of its business' not_called '^apt-get'

machine 'no package lists'
without usr/lib/x-linux-gnu/liblua5.4.a
without var/lib/apt/lists/debian_main_Packages.lz4
run "${setup[@]}"
check 'succeeds' status_is 0
check 'updates first' called '^apt-get .* update$'

machine 'old package lists'
without usr/lib/x-linux-gnu/liblua5.4.a
stub apt-get 'case "$*" in *update*) : >"$R/new" ;; *) [[ -e $R/new ]] || exit 100; : >"$R/usr/lib/x-linux-gnu/liblua5.4.a" ;; esac'
run "${setup[@]}"
check 'succeeds' status_is 0
check 'installs twice' count_is '^apt-get .*install' 2
check 'updates once' count_is '^apt-get .*update' 1

machine 'apt fails'
without usr/lib/x-linux-gnu/liblua5.4.a
stub apt-get 'echo "E: no network" >&2; exit 100'
run "${setup[@]}"
check 'fails' status_is 1
check 'shows why' says 'E: no network'
check 'says what' says 'could not install: liblua5.4-dev'

machine 'apt installs something else'
without usr/lib/x-linux-gnu/liblua5.4.a
stub apt-get ''
run "${setup[@]}"
check 'fails' status_is 1
check 'says so' says 'their files were not found: liblua5.4-dev'

machine 'not root, no sudo'
without usr/lib/x-linux-gnu/liblua5.4.a
stub id 'echo 1000'
run "${setup[@]}"
check 'fails' status_is 1
check 'names the command' says "su - -c 'apt-get install --no-install-recommends liblua5.4-dev'"
check 'leaves apt alone' not_called '^apt-get'

machine 'not root, no sudo, no package lists'
without usr/lib/x-linux-gnu/liblua5.4.a
without var/lib/apt/lists/debian_main_Packages.lz4
stub id 'echo 1000'
run "${setup[@]}"
check 'names both commands' says "su - -c 'apt-get update && apt-get install --no-install-recommends liblua5.4-dev'"
stub sudo 'exit 1'
run "${setup[@]}"
check 'names both, with sudo' says 'sudo apt-get update && sudo apt-get install --no-install-recommends liblua5.4-dev'

machine 'not root, sudo wants a password'
without usr/lib/x-linux-gnu/liblua5.4.a
stub id 'echo 1000'
stub sudo 'exit 1'
run "${setup[@]}"
check 'fails' status_is 1
check 'names the command' says '    sudo apt-get install --no-install-recommends liblua5.4-dev'
check 'leaves apt alone' not_called '^apt-get'

machine 'not root, sudo'
without usr/lib/x-linux-gnu/liblua5.4.a
stub id 'echo 1000'
stub sudo 'shift; exec "$@"'
run "${setup[@]}"
check 'succeeds' status_is 0
check 'goes through sudo' called '^sudo -n env .*apt-get .*install'

machine 'not root, nothing missing'
stub id 'echo 1000'
run "${setup[@]}" test
check 'needs no sudo' status_is 0

machine 'no apt'
without usr/lib/x-linux-gnu/liblua5.4.a
without_command apt-get
run "${setup[@]}"
check 'fails' status_is 1
check 'names the packages' says 'missing, under their Debian names: liblua5.4-dev'

machine 'no swift'
without_command swift
run "${setup[@]}"
check 'fails' status_is 1
check 'says where to get it' says 'https://www.swift.org/install/'

machine 'swift in a usual place'
mkdir -p "$work/root/opt/swift/usr/bin"
mv "$work/bin/swift" "$work/root/opt/swift/usr/bin/swift"
run "${setup[@]}"
check 'is found' status_is 0

for version in '5.10.1' '6.2.4' '6.0'; do
    machine "swift $version"
    stub swift "echo 'Swift version $version (swift-$version-RELEASE)'"
    run "${setup[@]}"
    check 'is too old' status_is 1
    check 'is told so' says 'mmaplua needs 6.3 or newer'
done
for version in '6.3' '6.10-dev' '7.0.1'; do
    machine "swift $version"
    stub swift "echo 'Swift version $version (LLVM)'"
    run "${setup[@]}"
    check 'is new enough' status_is 0
done

# What pip and zipfile make, as far as setup looks.
python='case "$*" in
    *download*) while [[ $# -gt 1 && $1 != -r ]]; do shift; done; cat "$2" >>"$CALLS"; : >a.whl ;;
    *zipfile*-e*) mkdir -p wheel/simdjson wheel/x.data/data/{include,lib64,src/libpcre2/testdata,share/doc/pcre2}
        : >wheel/simdjson/simdjson.h && : >wheel/simdjson/simdjson.cpp
        cd wheel/x.data/data && : >share/doc/pcre2/LICENCE.md && : >lib64/libpcre2-8.a ;; esac'
old_pcre2() { sed -i 's/47/42/' "$work/root/usr/include/pcre2.h"; }
pcre2=.build-pcre2/lib/libpcre2-8.a

machine 'an old PCRE2'
old_pcre2
stub python3 "$python"
run "${setup[@]}"
check 'succeeds' status_is 0
check 'says what it gets' says 'getting PCRE2 10.47'
check 'asks for one file' called '^python3 .* --require-hashes --no-deps'
check 'by its hash' called '^pcre2==[0-9.]+ --hash=sha256:[0-9a-f]{64}$'
check 'puts the library in its place' test -e "$work/root/$pcre2"
check 'leaves nothing else' test "$(compgen -G "$work/root/.build-pcre2*")" = "$work/root/.build-pcre2"
: >"$work/calls"
run "${setup[@]}"
check 'gets it once' not_called download
check 'says nothing then' silent
run bash -c 'source "$1"; setup_build && printf %s "$MMAPLUA_PCRE2"' - "${setup[@]}"
check 'names its folder' prints "$work/root/.build-pcre2/lib"
echo other >"$work/root/.build-pcre2/hash"
run "${setup[@]}"
check 'another one is replaced' called download
sed -i 's/42/47/' "$work/root/usr/include/pcre2.h"
run bash -c 'source "$1"; setup_build && printf %s "${MMAPLUA_PCRE2-none}"' - "${setup[@]}"
check 'the system has a new one now' prints none
check 'which is taken' test ! -e "$work/root/.build-pcre2"

machine 'no PCRE2, no pip'
rm "$work/root/usr/include/pcre2.h" "$work/root/usr/lib/x-linux-gnu/libpcre2-8.a"
printf '#!/bin/bash\n%s\n' "$python" >"$work/debian-python3"
chmod +x "$work/debian-python3"
stub apt-get 'case "$*" in *python3-pip*)
    mkdir -p "$R/usr/lib/python3/dist-packages/pip"; : >"$R/usr/lib/python3/dist-packages/pip/__main__.py"
    cp "${CALLS%/*}/debian-python3" "$R/usr/bin/python3" ;; esac'
run "${setup[@]}"
check 'succeeds' status_is 0
check 'installs pip' called '^apt-get .* install --no-install-recommends python3-pip$'
check 'puts the library in its place' test -e "$work/root/$pcre2"

machine 'no network'
old_pcre2
stub python3 'case "$*" in *download*) echo "ERROR: no route" >&2; exit 1 ;; esac'
run "${setup[@]}"
check 'fails' status_is 1
check 'shows why' says 'ERROR: no route'
check 'says what to do' says 'install libpcre2-dev 10.47 or newer'
check 'leaves nothing' test ! -e "$work/root/.build-pcre2"

machine 'no simdjson'
rm -r "$work/root/.build-simdjson"
stub python3 "$python"
run bash -c 'source "$1"; setup_build && printf %s "$MMAPLUA_SIMDJSON"' - "${setup[@]}"
check 'succeeds' status_is 0
check 'says what it gets' says 'getting simdjson'
check 'by its hash' called '^pysimdjson==[0-9.]+ --hash=sha256:[0-9a-f]{64}$'
check 'names its folder' prints "$work/root/.build-simdjson"
check 'puts the sources in their place' test -e "$work/root/.build-simdjson/simdjson/simdjson.cpp"
check 'leaves nothing else' test "$(compgen -G "$work/root/.build-simdjson*")" = "$work/root/.build-simdjson"
: >"$work/calls"
run "${setup[@]}"
check 'gets it once' not_called download
echo other >"$work/root/.build-simdjson/hash"
run "${setup[@]}"
check 'another one is replaced' called download
stub python3 'case "$*" in *download*) echo "ERROR: no route" >&2; exit 1 ;; esac'
rm -r "$work/root/.build-simdjson"
run "${setup[@]}"
check 'fails without a network' status_is 1
check 'says what is missing' says 'could not get simdjson'
check 'leaves nothing' test ! -e "$work/root/.build-simdjson"

machine 'another processor'
old_pcre2
stub uname 'echo riscv64'
run "${setup[@]}"
check 'fails' status_is 1
check 'says why' says 'no library for riscv64'

# --- mmaplua and build: a copy of the tree, and a compiler that makes a shell script

tree="$work/the tree"
build_machine() {
    machine "$1"
    # Without the compiler, which the stubs could not make.
    without usr/lib/llvm-19/lib/libLLVMX86CodeGen.a
    rm -rf -- "$tree"
    mkdir -p "$tree/Sources/x" "$work/elsewhere"
    cp -r "$root/scripts" "$tree/scripts"
    : >"$tree/Package.swift"
    : >"$tree/Sources/x/x.swift"
    stub swift 'case "$*" in
        --version) echo "Swift version 6.3.1" ;;
        *--show-bin-path) echo "$PWD/.build/x/release" ;;
        *) cat >>"$CALLS"; sleep 0.2
            [[ ! -e fail ]] || { echo "error: no such thing"; exit 1; }
            echo "Compiling"; mkdir -p .build/x/release; [[ -e .build/release ]] || ln -s x/release .build/release
            printf "%s\n" "#!/bin/bash" "printf \"[%s]\" \"\$@\"" cat >.build/release/mmaplua
            chmod +x .build/release/mmaplua ;; esac'
    stub swiftc ': >.build/release/mmap.so.new; : >.build/x/release/mmap.so.new'
    stub objcopy ''
    stub objdump ''
    stub as 'while [[ $1 != -o ]]; do shift; done; : >"$2"'
    stub ld 'while [[ $1 != -o ]]; do shift; done; : >"$2"'
    ln -sf -- "$(type -P ln)" "$work/bin/ln"
}
mmaplua=("$tree/scripts/mmaplua")
stale() { sleep 0.05; : >"$tree/Sources/x/x.swift"; }

build_machine 'the first run'
run "${mmaplua[@]}" 'a b' -e '' <<<input
check 'succeeds' status_is 0
check 'passes arguments and input on' prints '[a b][-e][]input'
check 'says that it builds' says 'building the release binary'
check 'shows nothing of the build' count_is 'Compiling' 0
check 'builds for release, statically' called '^swift build -c release --static-swift-stdlib --disable-local-rpath$'

name='the second run'
: >"$work/calls"
run "${mmaplua[@]}" x </dev/null
check 'succeeds' prints '[x]'
check 'builds nothing' not_called .
check 'says nothing' silent

name='a changed source'
stale
run "${mmaplua[@]}" x <<<more
check 'succeeds' prints '[x]more'
check 'is built' called '^swift build -c'
check 'says nothing without a terminal' silent

name='a removed source'
: >"$work/calls"
sleep 0.05
rm "$tree/Sources/x/x.swift"
run "${mmaplua[@]}" </dev/null
check 'is built' called '^swift build -c'

name='from elsewhere, through links'
: >"$work/calls"
ln -sf -- "$tree/scripts/mmaplua" "$work/elsewhere/one"
ln -sf -- one "$work/elsewhere/two"
run bash -c 'cd "$1"; ./two y' - "$work/elsewhere" </dev/null
check 'succeeds' prints '[y]'
check 'builds nothing' not_called .
run bash -c 'cd "$1"; bash mmaplua z' - "$tree/scripts" </dev/null
check 'runs by its bare name' prints '[z]'
run bash -c 'cd "$1"; CDPATH=/usr:. scripts/mmaplua z' - "$tree" </dev/null
check 'is not led astray by CDPATH' prints '[z]'

name='a build that fails'
: >"$tree/fail"
stale
run "${mmaplua[@]}" x <<<input
check 'fails' status_is 1
check 'shows why' says 'error: no such thing'
check 'prints nothing' prints ''
run "${mmaplua[@]}" x </dev/null
check 'fails again' status_is 1
rm "$tree/fail"
run "${mmaplua[@]}" x </dev/null
check 'succeeds once it is mended' prints '[x]'

name='five at once'
stale
run bash -c 'for i in 1 2 3 4 5; do "$0" "$i" & done; wait' "${mmaplua[@]}" </dev/null
check 'all run' grep -q '.....' <(sed 's/[^][1-5]//g; s/[][]//g' "$work/out")
check 'nobody complains' silent

name='a missing package'
: >"$work/calls"
without usr/lib/x-linux-gnu/liblua5.4.a
run "${mmaplua[@]}" x </dev/null
check 'does not matter while there is nothing to build' prints '[x]'
stub id 'echo 1000'
stale
run "${mmaplua[@]}" x </dev/null
check 'fails' status_is 1
check 'says what to do' says "su - -c 'apt-get install --no-install-recommends liblua5.4-dev'"

# --- install

build_machine 'install'
mkdir -p "$tree/man" "$tree/.build/manual" "$tree/scripts/completions" "$tree/examples/lessons"
: >"$tree/examples/lessons/01-first.lua"
: >"$tree/examples/tour.lua"
: >"$tree/man/mmaplua.1"
: >"$tree/.build/manual/mmap.3lua"
: >"$tree/.build/manual/mmap.lua"
: >"$tree/scripts/completions/mmaplua.bash"
: >"$tree/scripts/completions/_mmaplua"
: >"$tree/scripts/completions/mmaplua.fish"
installed() { (cd "$work/dest" && find . -type f | sort | tr '\n' ' '); }
all='./usr/bin/mmaplua ./usr/lib/lua/5.4/mmap.so ./usr/share/bash-completion/completions/mmaplua ./usr/share/fish/vendor_completions.d/mmaplua.fish ./usr/share/man/man1/mmaplua.1 ./usr/share/man/man3/mmap.3lua ./usr/share/mmaplua/examples/tour.lua ./usr/share/mmaplua/lessons/01-first.lua ./usr/share/mmaplua/types/mmap.lua ./usr/share/zsh/site-functions/_mmaplua '
run env DESTDIR="$work/dest" "$tree/scripts/install" /usr </dev/null
check 'succeeds' status_is 0
check 'puts all in place' test "$(installed)" = "$all"
check 'the program can be run' test -x "$work/dest/usr/bin/mmaplua"
run env DESTDIR="$work/dest" "$tree/scripts/install" --uninstall /usr </dev/null
check 'takes all away' test -z "$(installed)"
check 'and its own folders' test ! -e "$work/dest/usr/share/mmaplua"
rm "$tree/man/mmaplua.1"
run "$tree/scripts/install" "$work/dest" </dev/null
check 'does without a man page' status_is 0
check 'a prefix alone' test -x "$work/dest/bin/mmaplua"
rm -rf "$work/dest"
run bash -c 'cd "$1" && "$2" dest/a' - "$work" "$tree/scripts/install" </dev/null
check 'a relative prefix' test -x "$work/dest/a/bin/mmaplua"

# --- options and messages

name=manners
for script in setup build test test-cluster install check-traps soak fuzz; do
    run "$root/scripts/$script" --help </dev/null
    check "$script --help succeeds" status_is 0
    check "$script --help prints its usage" grep -q "^usage: scripts/$script" "$work/out"
    run "$root/scripts/$script" --no-such-option </dev/null
    check "$script refuses an unknown option" status_is 2
    check "$script says how it is used" says "usage: scripts/$script"
done

printf 'scripts: %d passed, %d failed\n' "$passed" "$failed"
((!failed))
