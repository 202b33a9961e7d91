import Testing

/// The allocator of the Lua state (blocks.c), beside malloc(3).
@Suite struct BlocksTests {
    private static let malloc = ["MMAPLUA_MALLOC": "1"]

    private func run(
        _ code: String, _ options: [String] = [], limits: String = ":", environment: [String: String] = [:]
    ) throws -> Outcome {
        try Program(path: "/bin/sh").run(
            [
                "-c", #"ulimit -c 0; eval "$1"; shift; exec "$@""#, "sh", limits, Program.mmaplua.path,
            ] + options + ["-e", code],
            environment: environment)
    }

    /// Blocks of all sizes at once, which grow, shrink, end and are made again in an order of chance.
    private let churn = """
        local random <const>, kept <const> = math.random, {}
        math.randomseed(1)
        local function byte(i) return ("%c"):format(i % 256) end
        local makers = {
            function(i)
                local n = random(0, 600)
                local s = byte(i):rep(n)
                return function() return s == byte(i):rep(n) end
            end,
            function(i)
                local t, n = {}, random(0, 40)
                for k = 1, n do t[k] = i + k end
                return function()
                    if n > 0 and random(2) == 1 then t[n], n = nil, n - 1 else n = n + 1 t[n] = i + n end
                    for k = 1, n do if t[k] ~= i + k then return false end end
                    return #t == n
                end
            end,
            function(i)
                local t, n = {}, random(0, 40)
                for k = 1, n do t["k" .. k] = i end
                return function()
                    local count = 0
                    for k, v in pairs(t) do
                        if v ~= i then return false end
                        count = count + 1
                        if random(8) == 1 then t[k], n, count = nil, n - 1, count - 1 end
                    end
                    return count == n
                end
            end,
            function(i)
                local thread = coroutine.wrap(function()
                    local a <const>, b <const> = i, byte(i):rep(50)
                    while true do coroutine.yield(a == i and b == byte(i):rep(50)) end
                end)
                return thread
            end,
            function(i)
                local text = ("local a = %d return function() return a == %d%s end"):format(i, i, (" and a"):rep(i % 30))
                return load(text)()
            end,
        }
        local wrong = 0
        for i = 1, 300000 do
            local place = random(5000)
            local check = kept[place]
            if check and not check() then wrong = wrong + 1 end
            if not check or random(3) == 1 then kept[place] = makers[random(#makers)](i) end
            if i % 100000 == 0 then collectgarbage(i == 100000 and "incremental" or "generational") end
        end
        print(wrong, #kept)
        """

    @Test func `blocks keep their bytes`() throws {
        let outcome = try run(churn)
        #expect(outcome == Outcome(output: "0\t5000\n", errors: "", ending: .status(0)))
        #expect(try run(churn, environment: Self.malloc) == outcome)
        #expect(try run(churn, ["--memory=64M"]) == outcome)
    }

    /// Dropped objects of one size make room for those of another, and their memory goes back to the system.
    @Test func `memory goes back`() throws {
        let outcome = try run(
            """
            local function resident()
                for line in io.lines "/proc/self/status" do
                    local kib = line:match "^VmRSS:%s*(%d+)"
                    if kib then return kib // 1024 end
                end
            end
            local function fill(n, make)
                local t = {}
                for i = 1, n do t[i] = make(i) end
                return t
            end
            local before, most = resident(), 0
            for _, make in ipairs {
                function(i) return "a string of some bytes " .. i end, function(i) return { i } end,
                function(i) return function() return i end end, function(i) return { i, i, i, i, i, i, i, i } end,
            } do
                local t = fill(500000, make)
                most = math.max(most, resident())
                t = nil
                collectgarbage()
                collectgarbage()
                print(resident() - before < 25)
            end
            print(most - before > 80)
            """)
        let good = String(repeating: "true\n", count: 5)
        #expect(outcome == Outcome(output: good, errors: "", ending: .status(0)))
    }

    /// The size of each object counts, not that of its block.
    @Test func `the memory limit counts the same`() throws {
        let code = """
            local t, n = {}, 0
            print(pcall(function() while true do n = n + 1 t[n] = { "string " .. n } end end))
            t = nil
            print(n)
            """
        let outcome = try run(code, ["--memory=32M"])
        #expect(outcome.output.hasPrefix("false\tnot enough memory\n"))
        #expect(try run(code, ["--memory=32M"], environment: Self.malloc) == outcome)
    }

    @Test func `when malloc has no memory, objects of another size find that of those dropped`() throws {
        let outcome = try run(
            """
            local function fill(make)
                local t, n = {}, 0
                local ok, e = pcall(function() while true do n = n + 1 t[n] = make(n) end end)
                for i = 2, n - 1 do if t[i] == nil then print "lost" end end
                return n, ok, e
            end
            local string_of <const> = function(i) return "string number " .. i end
            local first, ok, e = fill(string_of)
            print(ok, e)
            local tables = fill(function(i) return { i } end)
            local last = fill(string_of)
            print(tables > first // 4, last > first // 3)
            """, limits: "ulimit -v 200000")
        #expect(
            outcome
                == Outcome(
                    output: "false\tnot enough memory\ntrue\ttrue\n", errors: "", ending: .status(0)))
    }

    @Test func `warnings are those of Lua's own state`() throws {
        let code = """
            warn "1" warn "@on" warn("2", "@off", "3") warn("@off", "4") warn "@other" warn "5" warn "@off" warn "6" warn("@on", "7")
            """
        let outcome = try run(code)
        #expect(outcome.errors == "Lua warning: 2@off3\nLua warning: @off4\nLua warning: 5\n")
        #expect(try run(code, environment: Self.malloc) == outcome)
    }
}
