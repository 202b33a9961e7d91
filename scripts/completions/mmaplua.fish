# Completion of mmaplua's command line for fish. Install it as ~/.config/fish/completions/mmaplua.fish.

# Options come before the script; after its name everything belongs to the script.
function __mmaplua_before_script
    set -l words (commandline -opc)[2..-1]
    set -l value no
    for word in $words
        if test $value = yes
            set value no
        else
            switch $word
                case -e -l
                    set value yes
                case - -- ''
                    return 1
                case '-*'
                case '*'
                    return 1
            end
        end
    end
    return 0
end

# Lesson names are in the second column; printing them runs no Lua code.
function __mmaplua_lessons
    set -l program (commandline -opc)[1]
    $program --lessons 2>/dev/null | string replace -rf '^ *\d+ +(\S+) +(.*)' '$1\t$2'
    __fish_complete_suffix .lua
end

function __mmaplua_modules
    printf '%s\n' coroutine debug io math mmap os package string table utf8
    for directory in . /usr/local/share/lua/5.4 /usr/share/lua/5.4 /usr/local/lib/lua/5.4 /usr/lib/*/lua/5.4 /usr/lib/lua/5.4
        for file in $directory/*.lua $directory/*.so
            string replace -r '.*/([^/]*)\.(lua|so)$' '$1' -- $file
        end
        for file in $directory/*/init.lua
            string replace -r '.*/([^/]*)/init\.lua$' '$1' -- $file
        end
    end
end

complete -c mmaplua -n __mmaplua_before_script -s e -x -d 'Execute a string'
complete -c mmaplua -n __mmaplua_before_script -s l -x -a '(__mmaplua_modules)' -d 'Require a library into a global'
complete -c mmaplua -n __mmaplua_before_script -s i -d 'Enter interactive mode after executing the script'
complete -c mmaplua -n __mmaplua_before_script -s v -d 'Show version information'
complete -c mmaplua -n __mmaplua_before_script -s E -d 'Ignore environment variables'
complete -c mmaplua -n __mmaplua_before_script -s W -d 'Turn warnings on'
complete -c mmaplua -n __mmaplua_before_script -l help -d 'Show help and leave'
complete -c mmaplua -n __mmaplua_before_script -l version -d 'Show the version of mmaplua and leave'
complete -c mmaplua -n __mmaplua_before_script -l memory -x -a '64M 256M 1G' -d 'Limit the memory of the process'
complete -c mmaplua -n __mmaplua_before_script -l mapped -x -a '64M 1G 100G' -d 'Limit the files that are mapped'
complete -c mmaplua -n __mmaplua_before_script -l time -x -a '1s 10s 1m' -d 'Limit the running time'
complete -c mmaplua -n __mmaplua_before_script -l lessons -d 'List the lessons, or check them all'
complete -c mmaplua -n __mmaplua_before_script -l lesson -x -a '(__mmaplua_lessons)' -d 'Run a lesson'
complete -c mmaplua -n '__fish_seen_argument -l lesson -l lessons' -l check -d 'Run without pauses'
complete -c mmaplua -n __mmaplua_before_script -l faults -d 'Say at the end how many page faults there were'
complete -c mmaplua -n __mmaplua_before_script -l trace -d 'Report the system calls of the library'
complete -c mmaplua -n __mmaplua_before_script -l sandbox -d 'Allow nothing but computing'
complete -c mmaplua -n __mmaplua_before_script -l allow-read -r -F -d 'In the sandbox, allow reading'
complete -c mmaplua -n __mmaplua_before_script -l allow-write -r -F -d 'In the sandbox, allow writing'
complete -c mmaplua -n __mmaplua_before_script -l allow-env -d 'In the sandbox, allow the environment'
complete -c mmaplua -n __mmaplua_before_script -l allow-run -d 'In the sandbox, allow programs'
complete -c mmaplua -n __mmaplua_before_script -l allow-compile -d 'In the sandbox, allow machine code'
complete -c mmaplua -n __mmaplua_before_script -l no-compile -d 'Make no machine code'
complete -c mmaplua -n __mmaplua_before_script -l compile-report -d 'Say at the end what was compiled'
