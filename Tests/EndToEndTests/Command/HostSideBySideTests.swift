import Testing

/// A command line, run with both interpreters under the same name.
struct CommandLineCase: Sendable, CustomTestStringConvertible {
    var arguments: [String]
    var input = ""
    var environment: [String: String] = [:]

    init(_ arguments: [String], input: String = "", environment: [String: String] = [:]) {
        self.arguments = arguments
        self.input = input
        self.environment = environment
    }

    var testDescription: String {
        (environment.map { "\($0)=\($1)" } + ["lua"] + arguments).joined(separator: " ")
            + (input.isEmpty ? "" : " <<< \(input)")
    }
}

/// mmaplua behaves as lua5.4: same output, same errors, same exit status.
@Suite(.enabled(if: Program.lua.exists, "lua5.4 is the measure here"))
struct HostSideBySideTests {
    private func compare(_ line: CommandLineCase, in folder: TemporaryFolder? = nil) throws {
        var environment = line.environment
        if let folder { environment["PATH_OF_TEST"] = folder.path }
        let expected = try Program.lua.run(
            line.arguments, input: line.input, environment: environment, name: "lua")
        let actual = try Program.mmaplua.run(
            line.arguments, input: line.input, environment: environment, name: "lua")
        #expect(actual == expected, "\(line.testDescription)")
        #expect(expected.ending != .timeout)
    }

    @Test(arguments: [
        CommandLineCase(["-v"]), CommandLineCase(["-v", "-E"]), CommandLineCase(["-E", "-v", "-W"]),
        CommandLineCase(["-v", "-e", "print 'hello'"]), CommandLineCase(["-v", "-"], input: "print(1)"),
        CommandLineCase(["-i"]), CommandLineCase(["-i", "-v"]), CommandLineCase(["-v", "-i"]),
        CommandLineCase(["-e", "print(1)"]), CommandLineCase(["-eprint(1)"]), CommandLineCase(["-e "]),
        CommandLineCase(["-eprint(1)", "-ea=3", "-e", "print(a)"]), CommandLineCase(["-e", ""]),
        CommandLineCase(["-e", "print(1)", "-E", "-e", "print(2)", "-W", "-e", "warn 'x'"]),
        CommandLineCase(["-e", "warn 'before'", "-W", "-e", "warn 'after'"]),
        CommandLineCase(["-l", "string", "-e", "print(string.rep('a', 3))"]),
        CommandLineCase(["-lstring", "-lm=math", "-l", "t=table", "-e", "print(m.pi, t.concat{1, 2})"]),
        CommandLineCase(["-l", "a=b=c"]),
        CommandLineCase(["-l", "=string", "-e", "print(_G[''] == string)"]),
        CommandLineCase(["-l", "a="]), CommandLineCase(["-l=", "-e", "print(1)"]),
        CommandLineCase(["-l", "no.such.module"]), CommandLineCase(["-lx=no.such.module"]),
        CommandLineCase([], input: "print(10)\nprint(2)\n"), CommandLineCase([], input: "return 5"),
        CommandLineCase([], input: "error 'in stdin'"), CommandLineCase([], input: "x ="),
        CommandLineCase([], input: "# not a comment in the middle\nprint(debug.getinfo(1).currentline)"),
        CommandLineCase(["-"], input: "print(...)"),
        CommandLineCase(["-", "-h"], input: "print(arg[1], ...)"),
        CommandLineCase(["--"], input: "print(1)"), CommandLineCase(["--", "-"], input: "print(1)"),
        CommandLineCase(["-e", "print(1)", "--"], input: "print(2)"), CommandLineCase([""]),
        CommandLineCase(["-W", "--", "no-such-file"]),
        CommandLineCase(["-e", "print(1)", "-"], input: "print(2)"),
        CommandLineCase(["no-such-file"]), CommandLineCase(["/"]), CommandLineCase(["-E"], input: "print(1)"),
        CommandLineCase(["-W"], input: "warn('@off') warn('x') warn('@on') warn('y', 'z')"),
        CommandLineCase(["-W", "-"], input: "setmetatable({}, {__gc = function() error 'late' end})"),
    ])
    func `options in every form`(line: CommandLineCase) throws { try compare(line) }

    /// mmaplua's own options are listed after those of lua.
    @Test(arguments: [
        ["-h"], ["---"], ["--x"], ["-Ex"], ["-Wx"], ["-vv"], ["-iv"], ["-ix"], ["-e"], ["-l"], ["-e", "-v"],
        ["-l", "-"], ["-v", "-e", "print(1)", "-z"], ["-i", "-e", "--"], ["-%s"], ["--helpless"],
        ["-e", "x", "-l"],
    ])
    func `usage errors`(arguments: [String]) throws {
        let expected = try Program.lua.run(arguments, name: "lua")
        let actual = try Program.mmaplua.run(arguments, name: "lua")
        #expect(actual.errors.hasPrefix(expected.errors))
        #expect(expected.errors.hasPrefix("lua: "))
        #expect(actual.output == expected.output)
        #expect(actual.ending == .status(1))
    }

    @Test(arguments: [
        "error 'text'", "error('text', 0)", "error('text', 2)", "error()", "error(nil)", "error(12)",
        "error(1.5)",
        "error(true)", "error {}", "error(print)", "error(coroutine.create(print))",
        "error(setmetatable({}, {__tostring = function() return 'object' end}))",
        "error(setmetatable({}, {__tostring = function() return 12 end}))",
        "error(setmetatable({}, {__tostring = 'no function'}))",
        "error(setmetatable({}, {__name = 'My.Type'}))", "error('a\\0b')", "local x <const> = 1; x = 2",
        "nothing.field = 1", "local t = {} t.x.y = 1", "('x')()", "return 1 + {}", "goto nowhere",
        "string.rep('x', -1, {})", "assert(false)", "assert(nil, 'message')", "assert(false, {})",
        "string.rep('x', 1 << 40)",
        "coroutine.wrap(function() error 'inside' end)()", "error(debug.traceback('own', 1), 0)",
        "local function deep(n) if n == 0 then error 'deep' end deep(n - 1) print() end deep(40)",
        "local t <close> = setmetatable({}, {__close = function() print 'closed' end}) error 'x'",
        "print(debug.traceback('here'))", "print(pcall(error))", "print(xpcall(error, debug.traceback, 'm'))",
        "load 'x = '()", "require 'no.such'", "dofile 'no-such-file'", "print(select('#', ...))",
        "io.stderr:write 'to stderr' io.stdout:write 'to stdout'", "debug.sethook(error, 'c') print(1)",
    ])
    func `errors and their tracebacks`(code: String) throws {
        try compare(CommandLineCase(["-e", code]))
        try compare(CommandLineCase(["-"], input: code))
        try compare(CommandLineCase([], environment: ["LUA_INIT": code]))
    }

    @Test(arguments: [
        "os.exit()", "os.exit(0)", "os.exit(1)", "os.exit(7)", "os.exit(256 + 9)", "os.exit(-1)",
        "os.exit(true)",
        "os.exit(false)", "os.exit(nil, true)", "os.exit(0, true)", "os.exit(3, true)",
        "os.exit(false, true)",
        "local a <close> = setmetatable({}, {__close = function(_, e) print('close', e) end}) os.exit(4, true)",
        "setmetatable({}, {__gc = function() print 'collected' end}) os.exit(5, true)",
        "setmetatable({}, {__gc = function() print 'collected' end}) os.exit(5)",
        "setmetatable({}, {__gc = function() os.exit(6, true) end})",
        "coroutine.wrap(function() os.exit(8, true) end)()", "io.write 'no newline' os.exit(2)",
    ])
    func `os.exit`(code: String) throws { try compare(CommandLineCase(["-e", code])) }

    @Test(arguments: [
        ["LUA_INIT": "print 'init'"], ["LUA_INIT_5_4": "print(54)", "LUA_INIT": "print 'plain'"],
        ["LUA_INIT": "error 'msg'"], ["LUA_INIT": "x ="], ["LUA_INIT": "@no-such-file"], ["LUA_INIT": ""],
        ["LUA_INIT_5_4": "", "LUA_INIT": "print 'plain'"], ["LUA_INIT_5_4": "error {}"],
        ["LUA_INIT": "print(arg[-1], arg[0], arg[1], #arg)"], ["LUA_INIT": "os.exit(9, true)"],
        ["LUA_INIT": "arg = nil"], ["LUA_INIT": "arg = {'changed', 'too'}"],
        ["LUA_PATH": "x"], ["LUA_PATH": "a;;b"], ["LUA_PATH": ";;"], ["LUA_PATH": ";"], ["LUA_PATH": ";;b"],
        ["LUA_PATH_5_4": "y", "LUA_PATH": "x"], ["LUA_CPATH": "x"], ["LUA_CPATH": "a;;"],
        ["LUA_CPATH_5_4": "y", "LUA_CPATH": "x"], [:],
    ])
    func `the environment`(environment: [String: String]) throws {
        for option in [[], ["-E"], ["-v"]] {
            let script = ["-", "one", "two"]
            try compare(
                CommandLineCase(
                    option + script, input: "print(package.path, package.cpath, ...)",
                    environment: environment))
        }
    }

    @Test func `arg and ...`() throws {
        let folder = try TemporaryFolder()
        let script = try folder.file(
            "script.lua",
            """
            local low = 0
            while arg[low - 1] do low = low - 1 end
            for i = low, #arg do print(i, arg[i]) end
            print(select('#', ...), ...)
            """)
        for options in [
            [], ["-e "], ["-e", "x=1"], ["-W", "-E", "--"], ["-lstring"], ["-v"], ["-e", "arg[2] = 'new'"],
            ["-e", "arg[1] = nil"], ["-e", "arg = 1"], ["-e", "arg = setmetatable({}, {__len = error})"],
            ["-e", "arg = setmetatable({}, {__len = function() return 'x' end})"],
        ] {
            for arguments in [[], ["a"], ["a", "", "-e", "--help"], Array(repeating: "x", count: 300)] {
                try compare(CommandLineCase(options + [script] + arguments))
            }
        }
    }

    @Test(arguments: [
        "#!/usr/bin/env lua\nprint(debug.getinfo(1).currentline)", "#only a comment", "#\nerror 'second'",
        "\u{FEFF}#!bom\nprint 'bom'", "print 'no newline at the end' --", "return 1, 2", "",
        "\u{1B}Lua broken",
        "print(debug.getinfo(1).source:match '[^/]+$', debug.getinfo(1, 'S').what)", "error 'script'", "x ==",
        "io.output(os.getenv 'PATH_OF_TEST' .. '/out') io.write 'unclosed'", "warn '@on' warn 'w'",
        "print(io.read 'n', io.read 'a')", "collectgarbage 'step' print(collectgarbage 'incremental')",
        "local p = io.popen 'exit 3' print(p:close())", "print(os.execute 'kill -9 $$')",
        "print(_VERSION, math.type(1), #arg, os.setlocale())",
    ])
    func `script files`(text: String) throws {
        let folder = try TemporaryFolder()
        let script = try folder.file("script.lua", text)
        try compare(CommandLineCase([script], input: "42 rest"), in: folder)
        try compare(CommandLineCase(["-i", script], input: "print 'then'\n"), in: folder)
        try compare(CommandLineCase([], input: "1", environment: ["LUA_INIT": "@" + script]), in: folder)
    }

    @Test(arguments: [
        "1\n", "1, nil, 'x'\n", "= 7\n", "=\n", "a = 10\na\n", "a =\n10\nprint(a)\na", "\n\n", "x y\n",
        "nil\n",
        "for i = 1, 2 do\nprint(i)\nend\n", "s = [[b\nc]]\n=s\n", "error 'x'\n1\n", "error {}\n1\n",
        "error()\n",
        "error(setmetatable({}, {__tostring = function() return 'object' end}))\n", "return 5\n",
        "local x = 5\nx\n",
        "print = nil\n1\n", "print = error\n1\n", "print = function() error {} end\n1\n", "(6*2-6) -- ===\n",
        "_PROMPT = 'new> '\n_PROMPT2 = 'more> '\nx =\n1\n", "_PROMPT = 12\n", "_PROMPT = false\n1\n",
        "_PROMPT = setmetatable({}, {__tostring = function() return 'made> ' end})\n1\n",
        "_PROMPT = setmetatable({}, {__tostring = function() error 'prompt' end})\n1\n",
        "_PROMPT = setmetatable({}, {__tostring = function() return 1 end})\n1\n",
        "os.exit(3)\n", "os.exit(4, true)\n", "io.read()\nread by the line above\n", "goto x\n", "break\n",
        "...\n",
    ])
    func `a session from a pipe`(input: String) throws { try compare(CommandLineCase(["-i"], input: input)) }

    @Test func `print and io.write without a reader are as in lua`() throws {
        for program in [Program.lua, .mmaplua] {
            let shell = try Program(path: "/bin/bash").run([
                "-c",
                "'\(program.path)' -e 'for i = 1, 1e6 do print(i) end' | head -1; echo ${PIPESTATUS[0]}",
            ])
            #expect(shell.output == "1\n141\n")
        }
    }
}
