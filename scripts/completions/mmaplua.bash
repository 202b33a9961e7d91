# Completion of mmaplua's command line for bash: options, modules after -l, scripts, then the script's files.
# Install as ~/.local/share/bash-completion/completions/mmaplua, or source it.

# Module names that require would find, for a prefix. Not listed by mmaplua itself: it would run LUA_INIT.
_mmaplua_modules() {
    local directory file name
    for directory in . /usr/local/share/lua/5.4 /usr/share/lua/5.4 /usr/local/lib/lua/5.4 \
        /usr/lib/*/lua/5.4 /usr/lib/lua/5.4; do
        for file in "$directory"/*.lua "$directory"/*.so "$directory"/*/init.lua; do
            [[ -e $file ]] || continue
            name=${file#"$directory"/}
            name=${name%/init.lua}
            name=${name%.*}
            echo "$name"
        done
    done
    printf '%s\n' coroutine debug io math mmap os package string table utf8
}

# Lesson names are in the second column; printing them runs no Lua code.
_mmaplua_lessons() {
    "$1" --lessons 2> /dev/null | while read -r number name _; do
        [[ $number != [0-9]* ]] || echo "$name"
    done
}

_mmaplua() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} word i
    COMPREPLY=()

    # After the script's name everything belongs to the script.
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        case $word in
            --lesson)
                # Arguments after the lesson's name belong to the lesson.
                if ((i + 2 <= COMP_CWORD)); then
                    mapfile -t COMPREPLY < <(compgen -W --check -- "$current")
                    return
                fi
                break
                ;;
            -e | -l | =) ((i++)) ;; # readline splits an option at its '='
            - | -- | [!-]* | '')
                compopt -o default 2> /dev/null
                return
                ;;
        esac
    done

    case $previous in
        -e) return ;;
        --lesson)
            compopt -o filenames 2> /dev/null
            if [[ $current == [./~]* ]]; then
                mapfile -t COMPREPLY < <(compgen -f -X '!*.lua' -- "$current"; compgen -d -- "$current")
            else
                mapfile -t COMPREPLY < <(compgen -W "$(_mmaplua_lessons "${COMP_WORDS[0]}")" -- "$current")
            fi
            return
            ;;
        --lessons)
            mapfile -t COMPREPLY < <(compgen -W --check -- "$current")
            return
            ;;
        -l)
            mapfile -t COMPREPLY < <(compgen -W "$(_mmaplua_modules)" -- "$current")
            return
            ;;
    esac
    [[ $previous != = ]] || previous=${COMP_WORDS[COMP_CWORD - 2]}
    case $previous in
        --allow-read | --allow-write)
            compopt -o filenames 2> /dev/null
            mapfile -t COMPREPLY < <(compgen -f -- "${current#=}")
            return
            ;;
        --memory | --mapped | --time) return ;;
    esac
    case $current in
        -l?*)
            mapfile -t COMPREPLY < <(compgen -P -l -W "$(_mmaplua_modules)" -- "${current#-l}")
            ;;
        -*)
            mapfile -t COMPREPLY < <(compgen -W '-e -i -l -v -E -W - -- --help --version --memory= --mapped= --time=
                --lessons --lesson --faults --trace --no-compile --compile-report --sandbox --allow-read= --allow-write= --allow-env --allow-run
                --allow-compile' -- "$current")
            [[ ${COMPREPLY[*]} != *= ]] || compopt -o nospace 2> /dev/null
            ;;
        *)
            compopt -o filenames 2> /dev/null
            mapfile -t COMPREPLY < <(compgen -f -X '!*.lua' -- "$current"; compgen -d -- "$current")
            ((${#COMPREPLY[@]})) || compopt -o default 2> /dev/null
            ;;
    esac
}

complete -F _mmaplua mmaplua
