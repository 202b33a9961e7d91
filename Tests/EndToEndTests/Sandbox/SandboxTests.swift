import CMemoryMap
import Glibc
import Testing

/// `--sandbox`: each known way out, and the functions that remain.
@Suite
struct SandboxTests {
    /// A test may allow `data`; it never allows `secret.txt` beside it.
    private let folder: TemporaryFolder
    private let data: String
    private let secret: String

    /// A Lua program, so that running it prints the word too. No other text that a script here can print contains the
    /// word.
    private static let secretText = "print 'escaped' return 'escaped'"

    init() throws {
        folder = try TemporaryFolder()
        data = folder.path + "/data"
        mkdir(data, 0o755)
        secret = try folder.file("secret.txt", Self.secretText)
        try folder.file("data/file.txt", "one\ntwo\n")
        try folder.file("data/module.lua", "return { name = ..., value = 42 }")
    }

    /// Runs code in the sandbox, in the test's folder; `S` is the path of the secret, `D` of the data.
    private func run(
        _ options: [String], _ code: String, input: String = "", environment: [String: String] = [:]
    ) throws -> Outcome {
        try run(code, ["--sandbox"] + options, input: input, environment: environment)
    }

    private func runOutside(_ code: String) throws -> Outcome {
        try run(code, [], input: "", environment: [:])
    }

    private func run(
        _ code: String, _ options: [String], input: String, environment: [String: String]
    ) throws -> Outcome {
        try Program(path: "/bin/sh").run(
            ["-c", "cd '\(folder.path)' && exec \"$@\"", "sh", Program.mmaplua.path] + options
                + ["-e", "S, D = '\(secret)', '\(data)' " + code],
            input: input, environment: environment)
    }

    private func secretText() -> String? { folder.contents("secret.txt") }

    // MARK: Refusals

    /// A call, and the message after the position.
    private static let refused: [(code: String, message: String)] = [
        (
            "io.open('/etc/passwd')",
            "io.open: reading '/etc/passwd' is not allowed (use --allow-read=/etc/passwd)"
        ),
        ("io.open('new', 'w')", "io.open: writing 'new' is not allowed (use --allow-write=new)"),
        ("io.open('new', 'a')", "io.open: writing 'new' is not allowed (use --allow-write=new)"),
        (
            "io.open('new', 'w+')",
            "io.open: reading and writing 'new' is not allowed (use --allow-read=new --allow-write=new)"
        ),
        ("io.lines('/etc/passwd')", "io.lines: reading '/etc/passwd' is not allowed"),
        ("io.input('/etc/passwd')", "io.input: reading '/etc/passwd' is not allowed"),
        ("io.output('new')", "io.output: writing 'new' is not allowed"),
        ("io.tmpfile()", "io.tmpfile: reading and writing '/tmp' is not allowed"),
        ("io.popen('id')", "io.popen: running a program is not allowed (use --allow-run)"),
        ("os.execute('id')", "os.execute: running a program is not allowed (use --allow-run)"),
        (
            "os.getenv('HOME')",
            "os.getenv: reading the environment variable 'HOME' is not allowed (use --allow-env)"
        ),
        (
            "os.remove('secret.txt')",
            "os.remove: writing 'secret.txt' is not allowed (use --allow-write=secret.txt)"
        ),
        ("os.rename('secret.txt', 'x')", "os.rename: writing 'secret.txt' is not allowed"),
        ("os.tmpname()", "os.tmpname: writing '/tmp' is not allowed"),
        ("loadfile('/etc/passwd')", "loadfile: reading '/etc/passwd' is not allowed"),
        ("dofile('/etc/passwd')", "dofile: reading '/etc/passwd' is not allowed"),
        ("package.loadlib('libc.so.6', '*')", "package.loadlib: C modules are not allowed in a sandbox"),
    ]

    @Test(arguments: refused.indices)
    func `a refusal is an error at the script's line that names the option`(index: Int) throws {
        let (code, message) = Self.refused[index]
        let outcome = try run([], "\n\nlocal x = \(code)")
        #expect(outcome.errors.contains(": (command line):3: \(message)"), "\(outcome.errors)")
        #expect(outcome.ending == .status(1))
        #expect(secretText() == Self.secretText)
        #expect(access(folder.path + "/new", F_OK) != 0)
    }

    @Test func `mappings are refused in the same way`() throws {
        let outcome = try run(
            [],
            """
            for _, mode in ipairs { 'r', 'c', 'r+', 'w+' } do
                local ok, e = pcall(mmap.open, S, mode, mode == 'w+' and { size = 1 } or nil)
                print(ok, e.call, e.code, e.path == S, e.message:match('%(use .*'))
            end
            print(pcall(mmap.map, 1, 1, 2, 0))
            print(pcall(mmap.map, 4096, mmap.PROT_READ | mmap.PROT_EXEC, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))
            print(pcall(mmap.anonymous(1).protect, mmap.anonymous(1), mmap.PROT_EXEC))
            for _, advice in ipairs { 100, 101 } do print(pcall(mmap.advise, mmap.anonymous(4096), advice)) end
            """)
        let both = "(use --allow-read=\(secret) --allow-write=\(secret))"
        let lines = outcome.output.split(separator: "\n").map(String.init)
        try #require(lines.count == 9)
        #expect(lines[0] == "false\topen\tEACCES\ttrue\t(use --allow-read=\(secret))")
        #expect(lines[1] == lines[0])
        #expect(lines[2] == "false\topen\tEACCES\ttrue\t\(both)")
        #expect(lines[3] == lines[2])
        #expect(lines[4].contains("the number of a descriptor is not allowed in a sandbox"))
        #expect(lines[5].contains("executable memory is not allowed in a sandbox"))
        #expect(lines[6].contains("executable memory is not allowed in a sandbox"))
        // MADV_HWPOISON and MADV_SOFT_OFFLINE, which only root may use.
        #expect(lines[7].contains("out of use is not allowed in a sandbox"))
        #expect(lines[8].contains("out of use is not allowed in a sandbox"))
        #expect(secretText() == Self.secretText)
    }

    @Test func `running programs needs an option`() throws {
        #expect(try run([], "print(os.execute())").output == "false\n")
        #expect(try run(["--allow-run"], "print(os.execute())").output == "true\n")
        #expect(try run(["--allow-run"], "print(io.popen('echo hi'):read())").output == "hi\n")
        #expect(try run(["--allow-env"], "print(os.getenv 'X')", environment: ["X": "y"]).output == "y\n")
    }

    // MARK: Escapes

    /// Code that prints the word if it escapes, or ends with a refusal.
    private static let ways = [
        // Bytecode, by every function that loads code.
        "local code = string.dump(function() print 'escaped' end) assert(load(code))()",
        "local code = string.dump(function() print 'escaped' end) assert(load(code, '', 'b'))()",
        "local code = string.dump(function() print 'escaped' end) assert(load(function() local c = code code = nil return c end, '', 'bt'))()",
        "assert(load(string.dump(function() print 'escaped' end), '', 'bt', _G))()",
        // Original functions, kept in the libraries.
        "for _, name in ipairs { 'io', 'os', 'debug', 'package' } do assert(package.loaded[name] == _G[name]) end assert(package.loaded._G == _G) print(package.loaded.io.open(S):read())",
        "assert(getmetatable('').__index.dump == string.dump) getmetatable('').__index = io print((S):open():read())",
        "if debug.getregistry or debug.getupvalue or debug.setmetatable or debug.sethook or debug.upvaluejoin or debug.setuservalue or debug.getmetatable or debug.getlocal or debug.debug then print 'escaped' end",
        "local f = debug.getinfo(1, 'f').func if f then print 'escaped' end",
        "load(function() if debug.getinfo(2, 'nSlutf').func then print 'escaped' end end)",
        // In an error handler, the function that raised the error is still on the stack.
        "xpcall(dofile, function() for i = 0, 20 do local t = debug.getinfo(i) if t and t.func then print 'escaped' end end end, '/nonexistent')",
        "if package.loadlib ~= nil and pcall(package.loadlib, 'libc.so.6', '*') then print 'escaped' end",
        "if #package.searchers ~= 3 or package.cpath ~= '' then print 'escaped' end",
        // Search paths set by the script.
        "package.path = S require 'x'", "package.path = D .. '/../?.txt' require 'secret'",
        "package.path = '?.txt' require(S:sub(1, -5))", "package.path = './?/../secret.txt' require 'data'",
        // A loaded library without a function of that name: it was found and opened.
        "package.cpath = '/lib/x86_64-linux-gnu/?.so.6;/lib64/?.so.6' local _, e = pcall(require, 'libc') if e:find 'luaopen_libc' then print 'escaped' end",
        "if package.searchpath('secret', './?.txt') then print 'escaped' end",
        // Other names of a file.
        "print(io.open(D .. '/../secret.txt'):read())", "print(io.open('data/../secret.txt'):read())",
        "print(io.open('data/link'):read())", "print(io.open('data/up/secret.txt'):read())",
        "assert(io.open('data/link', 'w')) print 'escaped'", "print(mmap.open('data/link'):string())",
        "assert(mmap.open('data/link', 'w+', { size = 1 })) print 'escaped'",
        "print(io.open('data//..//secret.txt'):read())",
        "print(io.open('secret.txt\\0/../data/file.txt'):read())",
        "print(io.open('/proc/self/root' .. S):read())", "print(io.open('/proc/self/cwd/secret.txt'):read())",
        "assert(io.open('/proc/self/mem', 'r+')) print 'escaped'",
        "assert(io.open('/proc/self/environ')) print 'escaped'",
        "assert(io.open('/proc/self/maps')) print 'escaped'",
        "assert(io.open('/dev/null', 'r+')) print 'escaped'",
        // Not 0: opening a pipe without a writer would wait. The allowed folder is open too, and permitted; a pipe
        // cannot seek, the folder can. Files that another test has open must not be truncated.
        "for i = 1, 30 do for _, mode in ipairs { 'r', 'w', 'r+' } do local ok, f = pcall(io.open, '/proc/self/fd/' .. i, mode) if ok and f and f:seek() then break end if ok and f then print 'escaped' end end end",
        "for i = 1, 30 do for _, mode in ipairs { 'r', 'w', 'r+' } do local ok, f = pcall(io.open, '/dev/fd/' .. i, mode) if ok and f and f:seek() then break end if ok and f then print 'escaped' end end end",
        "local f = io.open('data/file.txt') for i = 0, 30 do if pcall(mmap.map, 1, 1, 1, i) then print 'escaped' end end",
        "assert(os.remove('data/../secret.txt')) print 'escaped'",
        "assert(os.rename('data/file.txt', 'moved')) print 'escaped'",
        "assert(os.rename('secret.txt', 'data/moved')) print 'escaped'",
        "assert(os.rename('data/up', 'up')) print 'escaped'",
        "assert(os.rename('data/up/secret.txt', 'data/moved')) print 'escaped'",
        // Code that runs in another context.
        "coroutine.wrap(function() print(io.open(S):read()) end)()",
        "setmetatable({}, { __gc = function() if pcall(io.open, S) then print 'escaped' end end }) collectgarbage()",
        "do local x <close> = setmetatable({}, { __close = function() print(io.open(S):read()) end }) end",
        "local _ENV = setmetatable({}, { __index = _G }) print(io.open(S):read())",
        "load('print(io.open(S):read())', 'x', 't', setmetatable({}, { __index = _G }))()",
        "table.sort({ S, S }, function(a) print(io.open(a):read()) end)", "string.gsub(S, '^.*$', dofile)",
        "string.gsub(S, '^.*$', function(path) print(io.open(path):read()) end)",
        "error(setmetatable({}, { __tostring = function() return io.open(S):read() end }))",
        "local t = setmetatable({}, { __index = function(_, k) return io.open(k) end }) print(t[S]:read())",
        "warn('@on') require = nil package = nil io = nil if os.getenv then os.getenv 'HOME' print 'escaped' end",
        "if not pcall(os.setlocale, '/etc') or os.setlocale('') or os.setlocale('de_DE.UTF-8') then print 'escaped' end",
        "io.stdout:setvbuf('full', 1 << 40) io.stderr:seek('set', 0) assert(io.open('data/file.txt', 'w')) print 'escaped'",
    ]

    private func makeLinks() {
        symlink("../secret.txt", data + "/link")
        symlink("..", data + "/up")
    }

    /// Runs code that must not escape, and checks that it did not.
    private func expectKept(_ code: String) throws {
        makeLinks()
        let outcome = try run(["--allow-read=data"], code)
        #expect(!(outcome.output + outcome.errors).contains("escaped"), "\(code): \(outcome)")
        if case .signal = outcome.ending { Issue.record("died: \(code)") }
        #expect(outcome.ending != .timeout)
        #expect(secretText() == Self.secretText)
        #expect(folder.contents("data/file.txt") == "one\ntwo\n")
        #expect(access(folder.path + "/moved", F_OK) != 0)
    }

    @Test(arguments: ways) func `there is no way out`(code: String) throws {
        try expectKept(code)
        // Outside of a sandbox the code must escape, or the test would prove nothing.
        let outside = try runOutside(code)
        #expect((outside.output + outside.errors).contains("escaped"), "\(code): \(outside)")
    }

    /// Ways that are closed outside of a sandbox too: the kernel does not resolve `..` after a file, and `mmap.open`
    /// accepts no zero byte. A sandbox that resolved paths as text would open them.
    @Test(arguments: [
        "print(io.open('data/new/../../secret.txt'):read())",
        "print(io.open('data/file.txt/../../secret.txt'):read())",
        "print(mmap.open('secret.txt\\0'):string())",
        "print(mmap.open('secret.txt\\0/../data/file.txt'):string())",
    ])
    func `paths are not resolved as text`(code: String) throws { try expectKept(code) }

    /// For each path one line with the results of all calls, without the path.
    private func sayOfPaths(_ paths: [String], from place: String) throws -> [String] {
        let list = paths.map { "'\($0)'" }.joined(separator: ", ")
        let code = """
            for _, path in ipairs { \(list) } do
                local f = assert(io.open('\(data)/file.txt', 'w')) f:close()
                local texts = {}
                for _, call in ipairs {
                    io.open, mmap.open, function(path) return io.open(path, 'a') end,
                    function(path) return package.searchpath('x', path) end,
                    function(path) return os.rename(path, path) end, os.remove,
                } do
                    local ok, result, message = pcall(call, path)
                    local text = ok and result and 'done' or tostring(ok and message or result)
                    texts[#texts + 1] = text:gsub(path:gsub('%p', '%%%0'), 'PATH')
                end
                print(table.concat(texts, '; '))
            end
            """
        let outcome = try Program(path: "/bin/sh").run([
            "-c", "cd '\(place)' && exec \"$@\"", "sh", Program.mmaplua.path, "--sandbox",
            "--allow-read=\(data)",
            "--allow-write=\(data)", "-e", code,
        ])
        #expect(outcome.errors == "")
        return outcome.output.split(separator: "\n").map(String.init)
    }

    /// A path that leads through a forbidden name and back would reveal whether the name exists, and whether it is a
    /// folder or a file.
    @Test func `a path through a forbidden name reveals nothing`() throws {
        mkdir(folder.path + "/other", 0o755)
        let file = data + "/file.txt"
        let lines = try sayOfPaths(
            [
                secret, "/etc/..\(file)", "/etc/passwd/..\(file)", "/etc/nope/..\(file)", "/nope/..\(file)",
                "/etc/passwd/../..\(file)", "\(folder.path)/other/../data/file.txt",
                "\(secret)/../data/file.txt", "\(folder.path)/nope/../data/file.txt",
                "other/../data/file.txt",
                "secret.txt/../data/file.txt", "nope/../data/file.txt", "data/../other/../data/file.txt",
            ], from: folder.path)
        #expect(lines.count == 13)
        // The message for the secret itself, which is plainly outside.
        let first = lines.first ?? ""
        #expect(first.split(separator: " is not allowed (use --allow-").count == 7, "\(first)")
        for line in lines { #expect(line == first) }
    }

    @Test func `a path through known folders is resolved`() throws {
        mkdir(data + "/sub", 0o755)
        mkdir(folder.path + "/here", 0o755)
        mkdir(folder.path + "/here/below", 0o755)
        let name = folder.path.split(separator: "/").last ?? ""
        let lines = try sayOfPaths(
            [
                "\(data)/file.txt", "\(data)/sub/../file.txt", "\(data)/./file.txt", "\(data)//file.txt",
                "\(data)/../data/file.txt", "/tmp/..\(data)/file.txt", "/..\(data)/file.txt",
                "../../data/file.txt", "../../../\(name)/data/sub/../file.txt", "./../.././data/file.txt",
                "../../here/below/../../data/file.txt", "\(folder.path)/here/../data/file.txt",
            ], from: folder.path + "/here/below")
        #expect(lines == Array(repeating: "done; done; done; done; done; done", count: 12))
    }

    // MARK: Errors

    /// The state of a mapped file's path after its pages are gone; `F` is the path, `W` the folder, `L` moves a
    /// prepared link to the path.
    private static let places: [(code: String, tells: String)] = [
        ("", "and has 0 now"), ("os.remove(F)", "is not at its path now"),
        ("os.rename(W .. '/short', F)", "is not at its path now"), ("L 'secret'", "is not at its path now"),
        ("L 'missing'", "is not at its path now"), ("L 'folder'", "is not at its path now"),
        ("L 'pipe'", "is not at its path now"), ("L 'loop'", "is not at its path now"),
        ("os.rename(F, W .. '/moved') L 'moved'", "and has 0 now"),
    ]

    private static let lost = """
        local b = mmap.open(F, 'r+')
        local v = b:view 'u8'
        io.open(F, 'w'):close()
        L = function(name) os.remove(F) assert(os.rename(W .. '/link-' .. name, F)) end
        PLACE
        local function say(...) print((tostring(select(2, pcall(...))):gsub('^.-: ', ''))) end
        say(b.sync, b, 4096, 4096) say(b.lock, b)
        say(b.get, b, 'u8', 5000)
        say(b.string, b) say(b.copy, b, 0, 'x') say(v.sum, v)
        """

    /// An error reveals nothing about a file other than the mapped one: neither its size nor its existence.
    @Test(arguments: places.indices, [[], ["--allow-run"]])
    func `an error reveals nothing about another file`(index: Int, options: [String]) throws {
        let (place, tells) = Self.places[index]
        try folder.file("data/mapped", String(repeating: "x", count: 8192))
        try folder.file("data/short", "short")
        mkfifo(data + "/pipe", 0o644)
        for (name, target) in [
            ("secret", secret), ("missing", folder.path + "/none"), ("folder", folder.path), ("pipe", "pipe"),
            ("loop", "mapped"), ("moved", "moved"),
        ] { symlink(target, "\(data)/link-\(name)") }
        let code = Self.lost.split(separator: "PLACE")
        let outcome = try run(
            ["--allow-read=data", "--allow-write=data"] + options,
            "W = D F = D .. '/mapped' \(code[0])\n\(place)\n\(code[1])")
        #expect(outcome.errors == "" && outcome.ending == .status(0))
        let lines = outcome.output.split(separator: "\n")
        try #require(lines.count == 6)
        let size = Self.secretText.utf8.count
        #expect(
            !outcome.output.contains(" \(size) ") && !outcome.output.contains("has 5 "), "\(outcome.output)")
        for line in lines.dropFirst(2) { #expect(line.contains(tells), "\(line)") }
        // Only the calls that find the mapped file too short give its size.
        #expect(lines[0].contains("has 0 now") == tells.contains("has 0 now"), "\(lines[0])")
    }

    /// The kernel lets privileged callers open a file by its mapping, even for writing. Tested with and without Landlock.
    @Test func `a readable file allows only shared locks`() throws {
        for options in [[], ["--allow-run"]] {
            let outcome = try run(
                ["--allow-read=data"] + options,
                """
                local b = mmap.open(D .. '/file.txt')
                local ok, e = pcall(b.lockrange, b, 0, 3)
                print(ok, e.code, e.message:match 'exclusive lock' or e.message)
                print(pcall(b.lockrange, b, 0, 3, 'shared'))
                """)
            let lines = outcome.output.split(separator: "\n")
            try #require(lines.count == 2, "\(outcome)")
            #expect(lines[0].hasPrefix("false\tEACCES\t"), "\(lines[0])")
            #expect(lines[1].hasPrefix("true\tmmap.lock: shared"), "\(lines[1])")
        }
    }

    /// A script may see `LUA_PATH`, as it is for `require`, but not the paths of C modules.
    @Test(arguments: ["LUA_CPATH", "LUA_CPATH_5_4"])
    func `paths of C modules are hidden`(variable: String) throws {
        let outcome = try run(
            [], "print(package.path, package.cpath)", environment: [variable: "/topsecret/?.so"])
        #expect(!outcome.output.contains("topsecret") && outcome.ending == .status(0), "\(outcome)")
    }

    /// This list has every function that a walk over tables and metatables reaches.
    @Test func `nothing else can be reached`() throws {
        let outcome = try run(
            [],
            """
            local seen, found = {}, {}
            local function walk(value, name)
                local kind = type(value)
                if kind ~= 'table' and kind ~= 'function' and kind ~= 'userdata' or seen[value] then return end
                seen[value] = true
                -- One function is both of these, and which is met first is chance.
                if name == '__close' then name = '__gc' end
                if kind == 'function' then found[#found + 1] = name end
                local meta = getmetatable(value)
                if type(meta) == 'table' then walk(meta, 'meta') end
                if kind == 'table' then for k, v in next, value do walk(k, 'key') walk(v, tostring(k)) end end
            end
            for _, name in ipairs { 'string', 'table', 'math', 'utf8', 'coroutine' } do walk(_G[name]) seen[_G[name]] = true end
            found = {}
            walk(_G, '_G') walk(mmap.anonymous(1), 'buffer') walk(getmetatable('').__index)
            for i = #found, 1, -1 do if found[i]:find '^mmap' then table.remove(found, i) end end
            table.sort(found)
            print(table.concat(found, ' '))
            """)
        let expected = """
            1 2 3 __gc __tostring assert clock close close collectgarbage date difftime dofile error execute exit \
            flush flush getenv getinfo getmetatable input ipairs lines lines load loadfile loadlib next open output pairs \
            pcall popen print rawequal rawget rawlen rawset read read remove rename require searchpath seek select \
            setlocale setmetatable setvbuf time tmpfile tmpname tonumber tostring traceback type type warn write write \
            xpcall

            """
        #expect(outcome.output == expected, "\(outcome.errors)")
    }

    /// Another process alternates a name between a folder and a link that leads out. With `--allow-run` there is no
    /// Landlock; without it, any call that Landlock has to refuse shows a bug of the policy.
    @Test(arguments: [[], ["--allow-run"]]) func `no race leads out`(options: [String]) throws {
        symlink("..", data + "/up")
        mkdir(data + "/real", 0o755)
        try folder.file("data/real/secret.txt", "inside")
        try folder.file("made", "outside")
        // Ends by itself, in case the test does not end it.
        let swapper = try folder.file(
            "swapper.lua",
            """
            local real, name, up = '\(data)/real', '\(data)/name', '\(data)/up'
            for i = 1, 1 << 28 do
                os.rename(real, name) os.rename(up, real) os.rename(real, up) os.rename(name, real)
                -- The way into the folder is longer than a look at the link.
                for _ = 1, 4000 do end
            end
            """)
        // All paths are below the alternating name, so the script cannot remove what the other process renames. The
        // files that it makes, removes, and renames have names that exist outside too.
        let script = try folder.file(
            "script.lua",
            """
            local real <const> = '\(data)/real/'
            local function readAll(file) local text = file:read 'a' file:close() return text end
            local function open(mode) return function()
                local file = io.open(real .. 'secret.txt', mode)
                return file and readAll(file)
            end end
            local calls = {
                { 'r', open 'r' }, { 'r+', open 'r+' },
                { 'map', function() return mmap.open(real .. 'secret.txt', 'r'):string() end },
                { 'make', function() return #mmap.open(real .. 'made', 'w+', { size = 4 }) == 4 and 'inside' end },
                { 'rename', function() return os.rename(real .. 'made', real .. 'moved') and 'inside' end },
                { 'back', function() return os.rename(real .. 'moved', real .. 'made') and 'inside' end },
                { 'remove', function() return os.remove(real .. 'made') and 'inside' end },
            }
            local done, refused, stopped = {}, {}, 0
            local function try(name, call)
                local ok, result, message = pcall(call)
                local text = tostring(ok and message or result)
                if ok and result then
                    if result ~= 'inside' then print('escaped', name, result) end
                    done[name] = (done[name] or 0) + 1
                elseif text:find 'is not allowed' then
                    refused[name] = (refused[name] or 0) + 1
                elseif text:find 'Permission denied' then
                    stopped = stopped + 1
                end
            end
            for i = 1, 4000 do for _, call in ipairs(calls) do try(call[1], call[2]) end end
            for _, call in ipairs(calls) do print(call[1], done[call[1]] or 0, refused[call[1]] or 0) end
            print('stopped', stopped)
            """)
        let command = """
            "$1" "$2" & child=$!
            shift 2; "$@"; status=$?
            kill $child; wait $child 2> /dev/null; exit $status
            """
        let outcome = try Program(path: "/bin/bash").run(
            ["-c", command, "bash", Program.mmaplua.path, swapper, Program.mmaplua.path, "--sandbox"]
                + options
                + ["--allow-read=\(data)", "--allow-write=\(data)", script])
        #expect(outcome.ending == .status(0) && outcome.errors == "", "\(outcome)")
        print(
            "no race leads out, \(options): what was done and what refused:\n\(outcome.output)",
            terminator: "")
        var lines = outcome.output.split(separator: "\n").map { $0.split(separator: "\t") }
        #expect(lines.popLast() == ["stopped", "0"], "\(outcome.output)")
        #expect(lines.count == 7, "\(outcome.output)")
        for line in lines {
            #expect(
                line.count == 3 && line.dropFirst().allSatisfy { Int($0).map { $0 > 0 } == true }, "\(line)")
        }
        #expect(secretText() == Self.secretText)
        #expect(folder.contents("made") == "outside")
        #expect(access(folder.path + "/moved", F_OK) != 0)
    }

    // MARK: What works

    @Test func `allowed calls work as without a sandbox`() throws {
        let code = """
            local f = assert(io.open('data/file.txt')) print(f:read 'a') f:close() print(io.type(f))
            for line in io.lines('data/file.txt', 'L') do io.write(line) end
            local step, _, _, file = io.lines('data/file.txt') while step() do end print(io.type(file), pcall(step))
            print(io.open('data/none')) print(pcall(io.lines, 'data/none')) print(pcall(io.input, 'data/none'))
            print(io.open('data')) print(pcall(io.open, 'data/file.txt', 'rw'))
            io.input('data/file.txt') print(io.read('n', 'l', 'L', 'a')) io.close(io.input())
            local out = assert(io.open('data/out', 'w')) print(out:write('1 2')) out:close()
            out = assert(io.open('data/out', 'a+')) out:write(' 3') out:seek('set') print(out:read('n', 'n', 'n')) out:close()
            io.output('data/out') io.write('x = ...; return x') io.close() io.output(io.stdout)
            print(loadfile('data/out')) print(loadfile('data/out', 'b')) print(loadfile('data/none'))
            print(select('#', dofile('data/out')), x) local env = {} loadfile('data/out', 't', env)(7) print(env.x)
            package.path = './data/?.lua' print(require('module').value, select(2, require 'module'))
            print(package.searchpath('module', './data/?.txt;./data/?.lua'), package.searchpath('m.x', './data/?'))
            print(pcall(require, 'none'))
            print(mmap.open('data/file.txt', 'r+'):string(), #mmap.open('data/grown', 'w+', { size = 10 }))
            print(mmap.map(4, mmap.PROT_READ, mmap.MAP_SHARED, io.open('data/file.txt')):string())
            print(os.rename('data/out', 'data/moved'), os.remove('data/moved'), os.remove('data/moved'))
            print(os.rename('data/none', 'data/x')) os.remove('data/grown')
            print(os.setlocale(), os.setlocale('C'), type(os.time()), os.date('!%Y', 0), type(os.clock()))
            print(load('return ...', 'x', 't')(5), load('x =', '=x'), pcall(load, 1))
            print(debug.getinfo(1, 'l').currentline, debug.getinfo(print).what, pcall(debug.getinfo, 1, '>S'))
            print((debug.traceback('t', 1):gsub('\\n.*', '')), pcall(string.rep)) print(pcall(io.open)) print(pcall(io.open, {}))
            """
        // Different by design: a sandbox does not search for C modules.
        let plain = code.replacing("print(pcall(require, 'none'))", with: "")
        let path = folder.path
        let words = ["-c", "cd '\(path)' && exec \"$@\"", "sh"]
        let inside = try Program(path: "/bin/sh").run(
            words + [
                Program.mmaplua.path, "--sandbox", "--allow-read=data", "--allow-write=data", "-e", plain,
            ], name: "x")
        let outside = try Program(path: "/bin/sh").run(
            words + [Program.mmaplua.path, "-e", plain], name: "x")
        let addresses = { (text: String) in text.replacing(/0x[0-9a-f]+/, with: "0x") }
        #expect(addresses(inside.output) == addresses(outside.output))
        #expect(inside.errors == outside.errors)
        #expect(outside.ending == .status(0))
    }

    @Test func `a forbidden module names the option`() throws {
        let outcome = try run([], "package.path = './data/?.lua' require 'module'")
        #expect(
            outcome.errors.contains(
                "reading './data/module.lua' is not allowed (use --allow-read=./data/module.lua)"))
        #expect(outcome.errors.contains("C modules are not allowed in a sandbox"))
    }

    @Test func `the script itself needs no permission, and gives none`() throws {
        let script = try folder.file(
            "script.lua", "#!/usr/bin/env mmaplua\nprint(..., pcall(io.open, arg[0]))")
        let outcome = try Program.mmaplua.run(["--sandbox", script, "1"])
        #expect(
            outcome.output
                == "1\tfalse\tio.open: reading '\(script)' is not allowed (use --allow-read=\(script))\n")
        #expect(try Program.mmaplua.run(["--sandbox", "-"], input: "print(1)").output == "1\n")
        #expect(try Program.mmaplua.run(["--sandbox"], input: "print(2)").output == "2\n")
        #expect(try Program.mmaplua.run(["--sandbox", "-i"], input: "1 + 2\n").output.contains("3"))
        let missing = try Program.mmaplua.run(["--sandbox", "/nonexistent.lua"])
        #expect(missing.errors.contains("cannot open /nonexistent.lua"))
    }

    @Test func `no way of loading accepts bytecode`() throws {
        let code = folder.path + "/code.luac"
        let dump =
            "local f = io.open('\(code)', 'w') f:write(string.dump(function() print('o' .. 'ut') end)) f:close()"
        #expect(try Program.mmaplua.run(["-e", dump]).ending == .status(0))
        let command = { (arguments: String) in
            try Program(path: "/bin/sh").run(["-c", "'\(Program.mmaplua.path)' --sandbox \(arguments)"])
        }
        for arguments in [
            code, "< \(code)", "- < \(code)", "-i < \(code)", "--allow-read=/ -e 'dofile \"\(code)\"'",
            "--allow-read=/ -e 'assert(loadfile(\"\(code)\", \"b\"))()'", "-e 'dofile()' < \(code)",
            "-e 'assert(loadfile(nil, \"bt\"))()' < \(code)",
            "--allow-read=/ -e 'package.path = \"\(code)\" require \"x\"'",
        ] {
            let outcome = try command(arguments)
            #expect(!outcome.output.contains("out"), "\(arguments)")
            #expect(
                outcome.errors.contains("attempt to load a binary chunk"), "\(arguments): \(outcome.errors)")
        }
        #expect(try Program.mmaplua.run([code]).output == "out\n")
    }

    @Test func `code in LUA_INIT runs in the sandbox`() throws {
        let outcome = try run(
            [], "print(2)", environment: ["LUA_INIT": "print(pcall(io.open, '/etc/passwd'))"])
        #expect(outcome.output.hasPrefix("false\tio.open: reading '/etc/passwd' is not allowed"))
        #expect(outcome.output.hasSuffix("\n2\n"))
        let path = try folder.file("init.lua", "print 'init'")
        #expect(try run([], "", environment: ["LUA_INIT": "@\(path)"]).output == "init\n")
        #expect(
            try run(["-l", "module"], "", environment: ["LUA_PATH": "\(data)/?.lua"]).ending == .status(1))
        #expect(
            try run(
                ["--allow-read=data", "-l", "module"], "print(module.value)",
                environment: ["LUA_PATH": "\(data)/?.lua"]
            )
            .output == "42\n")
    }

    @Test func `the library's own view of the process is still there`() throws {
        let outcome = try run(
            ["--allow-read=data"],
            """
            local b = mmap.anonymous(1 << 20) b:fill(1)
            -- The kernel may have joined the mapping with a neighbor's.
            print(b:smaps().rss >= 1 << 20, #b:pages(), type(b:pagemap()))
            print(mmap.open('data/file.txt'):explain():find 'data/file.txt' ~= nil)
            print(mmap.faults(function() b = mmap.anonymous(8 << 20) b:fill(1) end).rss > 0)
            """)
        #expect(outcome.output == "true\t256\ttable\ntrue\ntrue\n", "\(outcome.errors)")
    }

    @Test func `temporary files where their folder is allowed`() throws {
        let code = """
            local f = io.tmpfile() f:write('x') f:seek('set') print(f:read 'a')
            local name = os.tmpname() print(name:match '^/tmp/lua_%w+$' == name, io.open(name):read 'a', os.remove(name))
            """
        #expect(try run(["--allow-read=/tmp", "--allow-write=/tmp"], code).output == "x\ntrue\t\ttrue\n")
    }

    @Test(arguments: ["--allow-read=data", "--allow-write=data", "--allow-env", "--allow-run"])
    func `allowing something without a sandbox is a mistake`(option: String) throws {
        let outcome = try Program.mmaplua.run([option, "-e", "print(1)"], name: "mmaplua")
        #expect(outcome.errors.hasPrefix("mmaplua: '\(option)' needs --sandbox\n"))
        #expect(outcome.output == "")
        #expect(outcome.ending == .status(1))
    }

    @Test(arguments: [
        "--allow-read", "--allow-read=", "--allow-write", "--allow-write=", "--sandbox=1", "--allow-all",
    ])
    func `misspelled options are refused`(option: String) throws {
        let outcome = try Program.mmaplua.run(["--sandbox", option, "-e", "print(1)"], name: "mmaplua")
        #expect(outcome.errors.contains("'\(option)'"))
        #expect(outcome.output == "")
    }

    @Test func `an invalid path is refused at the start`() throws {
        let outcome = try Program.mmaplua.run(
            ["--sandbox", "--allow-read=/nonexistent/x", "-e", "print(1)"], name: "mmaplua")
        #expect(outcome.errors == "mmaplua: '--allow-read=/nonexistent/x': No such file or directory\n")
        #expect(outcome.output == "")
        #expect(outcome.ending == .status(1))
    }

    @Test func `limits and the sandbox go together`() throws {
        let outcome = try run(
            ["--memory=32M", "--time=2s"], "print(pcall(mmap.anonymous, 1 << 30)) while true do end")
        #expect(outcome.ending == .status(124))
        #expect(outcome.output.hasPrefix("false\t"))
    }

    /// Landlock requires a process that has given up new privileges.
    @Test func `Landlock is active without --allow-run`() throws {
        let status = { (options: String) in
            let command = """
                coproc '\(Program.mmaplua.path)' \(options) -e 'print "ready" io.stdout:flush() io.read()'
                read -r -u "${COPROC[0]}" && grep NoNewPrivs "/proc/$COPROC_PID/status"
                """
            return try Program(path: "/bin/bash").run(["-c", command]).output
        }
        guard try status("").hasSuffix("\t0\n") else {
            print("skipped: this process can gain no privileges already")
            return
        }
        let hasLandlock = mm_landlock_version() > 0
        #expect(try status("--sandbox") == "NoNewPrivs:\t\(hasLandlock ? 1 : 0)\n")
        #expect(try status("--sandbox --allow-run") == "NoNewPrivs:\t0\n")
    }
}
