import Glibc
import Testing

/// Lua's patterns on buffers, against string.match and string.gmatch on strings, messages included.
@Suite struct LuaPatternTests {
    /// Compares one pattern on one text; offsets count from 0 in buffers and from 1 in strings.
    private static let comparison = """
        local buffer = mmap.anonymous(4096)
        -- The text inside other bytes: nothing around it may matter.
        local function place(text)
          local at = #text > 0 and #text % 97 + 1 or 0
          buffer:fill("a(1 ", 0, 4096); buffer:copy(at, text)
          return buffer:slice(at, #text)
        end
        local function show(shift, ok, ...)
          if not ok then return "error: " .. tostring((...)):gsub("^script:%d+: ", "") end
          local shown = {}
          for i = 1, select("#", ...) do
            local v = select(i, ...)
            shown[i] = math.type(v) == "integer" and tostring(v - shift) or v == nil and "nil" or ("%q"):format(v)
          end
          return table.concat(shown, " ")
        end
        local function all(shift, gmatch, ...)
          local shown = {}
          local ok, e = pcall(function(...)
            for a, b, c, d in gmatch(...) do
              shown[#shown + 1] = show(shift, true, a, b, c, d)
              if #shown > 60 then break end
            end
          end, ...)
          shown[#shown + 1] = ok and "" or show(0, ok, e)
          return table.concat(shown, ";")
        end
        function same(pattern, text, from)
          local b = place(text)
          local wanted = show(1, pcall(string.match, text, pattern, from + 1))
          local about = ("%q on %q from %d"):format(pattern, text, from)
          -- Lua's limit of 200 nested calls is none here.
          if wanted:find("too complex") then return wanted end
          eq(show(0, pcall(b.match, b, pattern, from)), wanted, about)
          -- The whole match's place, where no number of a capture is moved by it.
          if not pattern:find("%%%d") and select(2, pattern:gsub("%(", "")) < 30 then
            local placed = pattern:sub(1, 1) == "^" and "^()" .. pattern:sub(2) or "()" .. pattern
            eq(show(0, pcall(b.match, b, placed, from)), show(1, pcall(string.match, text, placed, from + 1)), about)
          end
          eq(all(0, b.gmatch, b, pattern, from), all(1, string.gmatch, text, pattern, from + 1), about)
          return wanted
        end

        """

    @Test func everyShortPatternMatchesAsInLua() {
        check(
            Self.comparison + """
                -- All patterns of up to three of these bytes, on texts where each of them matters.
                local bytes = { "a", ".", "%", "[", "]", "^", "$", "(", ")", "*", "+", "-", "?", "b", "f", "1", "\\0" }
                local texts = { "", "a", "aab]^a", "%$(1)", "]-a.\\0" }
                local patterns, done = { "" }, 0
                for length = 1, 3 do
                  local longer = {}
                  for _, p in ipairs(patterns) do for _, c in ipairs(bytes) do longer[#longer + 1] = p .. c end end
                  patterns = longer
                  for i, p in ipairs(patterns) do
                    -- Each on one text, all on some.
                    same(p, texts[i % #texts + 1], 0); done = done + 1
                    if length < 3 then for _, t in ipairs(texts) do same(p, t, 0); same(p, t, #t) end end
                  end
                end
                eq(done, 17 + 17 ^ 2 + 17 ^ 3)
                """)
    }

    @Test(arguments: [1, 2, 3])
    func randomPatternsMatchAsInLua(seed: Int) {
        check(
            Self.comparison + """
                math.randomseed(\(seed))
                local random = math.random
                local function pick(t) return t[random(#t)] end
                local singles = {
                  "a", "b", "c", ".", "%a", "%d", "%s", "%w", "%p", "%u", "%l", "%x", "%c", "%g", "%z", "%A", "%D", "%S", "%Z",
                  "[ab]", "[^a]", "[a-c]", "[]]", "[^]]", "[]a]", "[a-]", "[%a-z]", "[%-a]", "[a-%%]", "[^%s]", "[^%s%S]",
                  "[%s%S]", "\\0", "[\\0]", "[^\\0]", "%.", "%(", "%)", "%%", "%[", "-", "]", "$", "^", "*", "+", "?", "[%]]",
                  "[a-%]]", "[a^]", "\\xe9", "[\\x80-\\xff]", "[b-a]", "[+-x]", "\\n", "%\\0", "%y",
                }
                local repeats = { "", "", "", "*", "+", "-", "?" }
                local frontiers = { "[a]", "[^a]", "[%w]", "[%W]", "[^%s]", "[\\0]", "[^\\0]", "[%z]", "[]]", "[%d]" }
                local slips = { "$", "^", "(", ")", "%", "[", "%f", "%b", "%bx", "[^", "[a", "[%", "[%a", "[]", "*", "-" }
                local function item(depth)
                  local r = random(100)
                  if r <= 62 then return pick(singles) .. pick(repeats) end
                  if r <= 72 and depth < 3 then
                    local t = {}
                    for i = 1, random(0, 3) do t[i] = item(depth + 1) end
                    return "(" .. table.concat(t) .. ")"
                  end
                  if r <= 76 then return "()" end
                  if r <= 80 then return "%b" .. pick { "()", "[]", "xx", "ab", "aa", "a\\0", "\\0a", "(a" } end
                  if r <= 86 then return "%f" .. pick(frontiers) end
                  if r <= 91 then return "%" .. random(0, 4) end
                  return pick(slips)
                end
                local words = {
                  "a", "b", "ab", "c", "A", "1", " ", "_", "(", ")", "(a)", "xx", "[", "]", "%", "-", ".", "x", "\\0", "\\n",
                  "\\xe9", "*", "aa", "^", "$",
                }
                local found, failed = 0, 0
                for _ = 1, 2000 do
                  local p = {}
                  for i = 1, random(0, 5) do p[i] = item(0) end
                  local t = {}
                  for i = 1, random(0, 14) do t[i] = pick(words) end
                  local text = table.concat(t)
                  local pattern = pick { "", "", "", "", "^" } .. table.concat(p) .. pick { "", "", "", "", "$" }
                  local wanted = same(pattern, text, random(0, #text))
                  if wanted:find("^error") then failed = failed + 1 elseif wanted ~= "nil" then found = found + 1 end
                end
                -- Enough of each kind, or this compares nothing.
                assert(found > 300 and failed > 100, found .. " found, " .. failed .. " failed")
                """)
    }

    @Test func selectedPatternsMatchAsInLua() {
        check(
            Self.comparison + """
                for _, case in ipairs {
                  { "%b()", "(a(b)c)(" .. ("("):rep(50) .. (")"):rep(49) }, { "%bxx", "axbxcx" },
                  { "(%a+)=(%w*)", "a=1, b=, =3" }, { "()", "abc" }, { "()a*()", "baac" }, { "^a", "aaa" }, { "%f[%w]%w+", "one two" },
                  { "(a*(.)%w(%s*))", "aaab  " }, { "(.)%1", "aabbcd" }, { "a-", "aaa" }, { ".-b", "aabab" }, { "[^\\n]*", "a\\n\\nb" },
                  { ("(a)"):rep(32), ("a"):rep(32) }, { ("(a)"):rep(33), ("a"):rep(33) }, { ("()"):rep(32) .. "%1", "a" },
                  { ("a?"):rep(12) .. ("a"):rep(12), ("a"):rep(12) },
                } do
                  for from = 0, #case[2] do same(case[1], case[2], from) end
                end
                """)
    }

    @Test(
        .enabled(
            if: access("/usr/share/i18n/locales/de_DE", R_OK) == 0, "there is nothing to make a locale of"))
    func classesFollowTheLocale() async {
        await #expect(processExitsWith: .exitCode(0)) {
            var template = Array("/tmp/lua_locales_XXXXXX".utf8CString)
            let folder = String(cString: try #require(mkdtemp(&template)))
            setenv("LOCPATH", folder, 1)
            check(
                """
                local folder <const> = "\(folder)/"
                assert(os.execute("localedef -i de_DE -f ISO-8859-1 " .. folder .. "de_DE.ISO-8859-1"))
                local b = mmap.anonymous(3); b:copy(0, "a\\xe9z")
                local function both() local s = b:string(); eq(b:match("%a+"), s:match("%a+")); eq(b:match("%W"), s:match("%W")) end
                both()
                eq(b:match "%a+", "a")
                assert(os.setlocale("de_DE.ISO-8859-1", "ctype")); both()
                eq(b:match "%a+", b:string())
                for _, name in ipairs { "C.UTF-8", "POSIX", "C" } do os.setlocale(name, "ctype"); both() end
                os.execute("rm -r " .. folder)
                """)
        }
    }

    @Test func misuse() {
        check(
            """
            local b = mmap.anonymous(10)
            fails("bad argument #1 to 'match' %(string expected, got n", function() b:match() end)
            fails("bad argument #1 to 'gmatch' %(string expected, got number%)", function() b:gmatch(1) end)
            fails("offset 11 is out of range %(0 to 10%)", function() b:match("a", 11) end)
            fails("offset %-1 is out of range", function() b:gmatch("a", -1) end)
            fails("number has no integer", function() b:match("a", 1.5) end)
            fails("number expected", function() b:match("a", "1") end)
            fails("mmap.buffer expected", function() b.match("a", "a") end)
            fails("pattern too complex", function() b:match(("[ab]"):rep(5000)) end)
            fails("pattern too complex", function() b:match(("a"):rep(1 << 20)) end)
            eq(b:match("%z", 9.0), "\\0"); eq(b:match("", 10), "")
            """)
    }

    /// More patterns than the cache holds: all are translated correctly, and old ones are dropped.
    @Test func cacheOfTranslationsIsBounded() {
        check(
            """
            local b = mmap.anonymous(10); b:copy(0, "x123")
            local function size() collectgarbage(); collectgarbage(); return collectgarbage("count") end
            local before
            for i = 1, 1500 do
              eq(b:match("x(%d+)[" .. i .. "]?"), "123")
              if i == 500 then before = size() end
            end
            assert(size() < 1.5 * before, before .. " KiB became " .. size())
            """)
    }
}
