import Glibc
import Testing

/// `mmap.regex` and its objects.
@Suite struct RegexTests {
    @Test func findsMatchesAndCounts() {
        check(
            """
            local text = "ab 12-Foo 3-xbar"
            local b = mmap.anonymous(100); b:copy(7, text)
            local re = mmap.regex("(\\\\d+)-(x)?(\\\\w+)", "i")
            local function list(...) return table.concat({ tostring(select("#", ...)), ... }, " ") end
            local function texts(...) local t = table.pack(...) for i = 1, t.n do t[i] = tostring(t[i]) end return list(table.unpack(t)) end
            for _, case in ipairs { { text, 0 }, { b:slice(7, #text), 0 } } do
              local s = case[1]
              eq(texts(re:find(s)), "5 3 6 12 false Foo")
              eq(texts(re:find(s, 4)), "5 4 5 2 false Foo")
              eq(texts(re:find(s, 9)), "5 10 6 3 x bar")
              eq(texts(re:find(s, 12)), "1 nil"); eq(texts(re:find(s, #s)), "1 nil")
              eq(texts(re:find(s, 0, "offsets")), "8 3 6 3 2 false false 6 3")
              eq(texts(re:match(s)), "3 12 false Foo"); eq(texts(re:match(s, nil, "strings")), "3 12 false Foo")
              eq(texts(re:match(s, 9, "offsets")), "6 10 1 12 1 13 3"); eq(texts(re:match(s, 12)), "1 nil")
              eq(re:count(s), 2); eq(re:count(s, 9), 1); eq(re:count(s, 12), 0)
              local found = {}
              for n, x, w in re:gmatch(s) do found[#found + 1] = texts(n, x, w) end
              eq(table.concat(found, ";"), "3 12 false Foo;3 3 x bar")
              found = {}
              for o, l in mmap.regex("o+|r"):gmatch(s, 8, "offsets") do found[#found + 1] = o .. "+" .. l end
              eq(table.concat(found, ";"), "8+1;15+1")
              local step = mmap.regex("Foo"):gmatch(s)
              eq(step(), "Foo"); eq(step(), nil); eq(step(), nil)
            end
            -- Without captures: the match; a place and a length alone.
            eq(texts(mmap.regex("\\\\d+"):match(text)), "1 12"); eq(texts(mmap.regex("\\\\d+"):find(text)), "2 3 2")
            eq(texts(mmap.regex(""):find("")), "2 0 0"); eq(texts(mmap.regex("a"):find(mmap.anonymous(5):slice(5))), "1 nil")
            eq(tostring(re), "mmap.regex: /(\\\\d+)-(x)?(\\\\w+)/i"); eq(tostring(mmap.regex("a")), "mmap.regex: /a/")
            """)
    }

    /// Parts of 256 KiB are counted by line; the end of a part's last line is searched up to 64 MiB after the part.
    @Test func linesMayEndAnywhere() {
        check(
            """
            local b, re = mmap.anonymous(72 << 20), mmap.regex "ab"
            b:fill("ab" .. ("-"):rep(250))
            eq(re:count(b), b:count "ab")
            local piece <const>, far <const> = 1 << 18, 1 << 26
            for _, near in ipairs { piece, far, piece + far, 2 * piece + far, #b - 3 } do
              for place = near - 2, near + 2 do
                local before = b[place]
                b[place] = 10
                eq(re:count(b), b:count "ab", place)
                b[place] = before
              end
            end
            """)
    }

    /// As Perl's //g: after an empty match the next match is not empty, or starts one character later.
    @Test func emptyMatchesAdvance() {
        check(
            """
            local function all(pattern, flags, s)
              local found = {}
              for o, l in mmap.regex(pattern, flags):gmatch(s, 0, "offsets") do found[#found + 1] = o .. "+" .. l end
              eq(mmap.regex(pattern, flags):count(s), #found, pattern)
              return table.concat(found, " ")
            end
            eq(all("a*", nil, "baac"), "0+0 1+2 3+0 4+0"); eq(all("", nil, "abc"), "0+0 1+0 2+0 3+0")
            eq(all("a*?", nil, "aa"), "0+0 0+1 1+0 1+1 2+0"); eq(all("$", "m", "a\\nb\\n"), "1+0 3+0 4+0")
            eq(all("^", "m", "a\\nb\\n"), "0+0 2+0"); eq(all("\\\\b", nil, "ab c"), "0+0 2+0 3+0 4+0")
            eq(all("", "u", "a\\u{e9}\\u{20ac}"), "0+0 1+0 3+0 6+0"); eq(all("a\\\\K", nil, "aab"), "1+0 2+0")
            eq(all("\\\\G\\\\d", nil, "12a3"), "0+1 1+1"); eq(all("(?<=a)b|c(?=d)", nil, "abcbcd"), "1+1 4+1")
            """)
    }

    /// `gfind`, `gmatch`, `count`, `split`, and `gsub` step alike, over random patterns.
    @Test func allStepsAgree() {
        check(
            #"""
            local function all(step) local t = {} for o, l in step do t[#t + 1] = o .. "+" .. l end return table.concat(t, " ") end
            eq(all(mmap.regex("x*"):gfind("axb")), "0+0 1+1 2+0 3+0")
            local items = { "x*", "a", "b?", "|", "^", "$", "(?:a|)", "\\b", "(?=b)", ".", "x*?", "(?:ab)*", "\\K", "(?<=a)" }
            math.randomseed(1)
            for round = 1, 3000 do
              local p = ""
              for _ = 1, math.random(4) do p = p .. items[math.random(#items)] end
              local re = mmap.regex(p, ({ "", "m", "u", "s" })[math.random(4)])
              local s = ""
              for _ = 1, math.random(0, 8) do s = s .. ({ "a", "b", "x", "\n", "é", "\xff" })[math.random(6)] end
              local b = mmap.anonymous(#s + 3):slice(3)
              b:copy(0, s)
              for _, subject in ipairs { s, b } do
                local matches, pieces, at = {}, {}, 0
                for o, l in re:gfind(subject) do
                  matches[#matches + 1] = o .. "+" .. l
                  pieces[#pieces + 1] = s:sub(at + 1, o)
                  at = o + l
                end
                pieces[#pieces + 1] = s:sub(at + 1)
                local about = p .. " in " .. s
                eq(all(re:gmatch(subject, 0, "offsets")), table.concat(matches, " "), about)
                eq(re:count(subject), #matches, about)
                local split, ranges = {}, {}
                for piece in re:split(subject) do split[#split + 1] = piece end
                for o, l in re:split(subject, { ranges = true }) do ranges[#ranges + 1] = s:sub(o + 1, o + l) end
                eq(table.concat(split, "|"), table.concat(pieces, "|"), about)
                eq(table.concat(ranges, "|"), table.concat(pieces, "|"), about)
                local replaced, count = re:gsub(subject, "|")
                eq(replaced, table.concat(pieces, "|"), about); eq(count, #matches, about)
              end
            end
            """#)
    }

    @Test func gfindAndNames() {
        check(
            #"""
            local re = mmap.regex("(?<key>\\w+)=(?<value>\\d*)(x)?")
            local found = {}
            for o, l, k, v, x in re:gfind("a=1, bc=23x d=") do found[#found + 1] = ("%d %d %s %s %s"):format(o, l, k, v, x) end
            eq(table.concat(found, ";"), "0 3 a 1 false;5 6 bc 23 x;12 2 d  false")
            found = {}
            for o, l, k in re:gfind("a=1, bc=23x", 3) do found[#found + 1] = o .. k end
            eq(table.concat(found, ";"), "5bc")
            local names = re:names()
            eq(names.key, 1); eq(names.value, 2); eq(names[3], nil)
            local n = 0 for _ in pairs(names) do n = n + 1 end eq(n, 2)
            eq(next(mmap.regex("(a)"):names()), nil)
            eq(mmap.regex("(?J)(x)(?<n>a)|(?<n>b)"):names().n, 2); eq(mmap.regex("(?<é>a)", "u"):names()["é"], 1)
            local many = {}
            for i = 1, 500 do many[i] = "(?<n" .. i .. ">a)?" end
            names = mmap.regex(table.concat(many)):names()
            for i = 1, 500 do eq(names["n" .. i], i) end
            """#)
    }

    /// The forms of string.gsub, against string.gsub where a pattern means the same to both.
    @Test func gsubIsAsStringGsub() {
        check(
            #"""
            local text = "hello world, 12 and 345; x=1"
            local pairs_of = { { "%w+", "\\w+" }, { "(%w)(%w*)", "(\\w)(\\w*)" }, { "%d", "\\d" }, { "o", "o" }, { "z", "z" }, { "(o)", "(o)" } }
            local forms = { "<%0>", "%%", "%1", "", "%0%0", 7, 2.5, string.upper, function() end, function() return false end,
              function(a, b) return (b or "") .. a end, function() return 12 end, { hello = "bye", o = "0", h = false, w = 3 }, setmetatable({}, { __index = function(_, k) return k .. "!" end }) }
            for _, p in ipairs(pairs_of) do
              for i, form in ipairs(forms) do
                for _, n in ipairs { false, 0, 1, 2, 100, -1 } do
                  local wanted = table.pack(text:gsub(p[1], form, n or nil))
                  local b = mmap.anonymous(#text + 1):slice(1); b:copy(0, text)
                  for _, subject in ipairs { text, b } do
                    local got = table.pack(mmap.regex(p[2]):gsub(subject, form, n or nil))
                    eq(got.n, 2); eq(got[1], wanted[1], p[1] .. i); eq(got[2], wanted[2], p[1] .. i)
                  end
                end
              end
            end
            -- A group without a part in the match: nothing, and false.
            local re = mmap.regex("(a)|(b)")
            eq(re:gsub("ab", "[%1%2]"), "[a][b]"); eq(re:gsub("ab", function(a, b) return tostring(a) .. tostring(b) end), "afalsefalseb")
            eq(re:gsub("", "x"), ""); eq(mmap.regex(""):gsub("ab", "-"), "-a-b-")
            local big = ("ab"):rep(1 << 20)
            eq(mmap.regex("b"):gsub(big, "xyz"), (("axyz"):rep(1 << 20)))
            fails("invalid capture index %%3 in replacement string", function() re:gsub("a", "%3") end)
            fails("invalid use of '%%' in replacement string", function() re:gsub("a", "%x") end)
            fails("invalid use of '%%' in replacement string", function() re:gsub("a", "x%") end)
            fails("invalid replacement value %(a table%)", function() re:gsub("a", function() return {} end) end)
            fails("invalid replacement value %(a boolean%)", function() re:gsub("a", { a = true }) end)
            fails("string/function/table expected, got n", function() re:gsub("a") end)
            fails("string/function/table expected, got boolean", function() re:gsub("a", true) end)
            fails("number expected, got string", function() re:gsub("a", "", "1") end)
            fails("integer", function() re:gsub("a", "", 1.5) end)
            fails("string or mmap.buffer expected", function() re:gsub({}, "") end)
            fails("boom", function() re:gsub("a", function() error "boom" end) end)
            fails("yield", function() coroutine.wrap(function() re:gsub("a", coroutine.yield) end)() end)
            fails("option 'range' is not known", function() re:split("a", { range = true }) end)
            fails("boolean expected", function() re:split("a", { ranges = 1 }) end)
            """#)
    }

    /// A function that gsub calls may end or replace all that gsub uses.
    @Test func gsubLooksAgainAfterEachCall() {
        check(
            #"""
            local page = mmap.PAGESIZE
            local function fresh() local b = mmap.anonymous(4 * page); b:fill("ab "); return b, mmap.regex("(a)b") end
            for name, spoil in pairs {
              close = function(b) b:close() end, regex = function(_, re) re:close() end, shrink = function(b) b:resize(1) end,
              protect = function(b) b:protect(mmap.PROT_NONE) end,
            } do
              for _, result in ipairs { "x", false } do
                local b, re = fresh()
                local calls = 0
                local ok, e = pcall(re.gsub, re, b, function() calls = calls + 1 if calls == 3 then spoil(b, re) end return result end)
                eq(ok, false, name); eq(calls, 3, name)
              end
            end
            local b, re = fresh()
            local changed = re:gsub(b, function() b:fill("ab-"); return "c" end, 1)
            eq(#changed, #b - 1)
            -- What is on its stack, one after the other.
            for slot = 1, 12 do
              for _, value in ipairs { false, 0, -5, math.maxinteger, "a", "ababab", 1.5, {}, print, mmap.anonymous(3), mmap.regex("b"), io.stdout } do
                for _, subject in ipairs { ("ab "):rep(50), (fresh()) } do
                  local calls = 0
                  pcall(re.gsub, re, subject, function()
                    calls = calls + 1
                    if calls == 2 then debug.setlocal(2, slot, value) end
                    return "x"
                  end, 20)
                end
              end
              collectgarbage()
            end
            for index = 1, 5 do
              for _, value in ipairs { false, 0, -5, math.maxinteger, math.mininteger, "a", 1.5, {}, print, b, mmap.regex("b") } do
                for _, options in ipairs { {}, { ranges = true } } do
                  local step = re:split("ab-ab-ab", options)
                  assert(step()); debug.setupvalue(step, index, value); pcall(step); pcall(step)
                end
              end
            end
            """#)
    }

    /// What PCRE2's interpreter finds, where an earlier version or its machine code did not.
    @Test func knownFaultsOfMachineCode() {
        check(
            #"""
            local function found(p, s, flags)
              local all = table.pack(mmap.regex(p, flags):find(s, 0, "offsets"))
              for i = 1, all.n do all[i] = tostring(all[i]) end
              return table.concat(all, " ")
            end
            local cases = {
              { "(,|)\\s*,", "," }, { "(a|)b*?a", "a" }, { "(?:a|)y*a", "a" }, { "a|()*+b|()", "b" }, { "a+(*PRUNE)b|.", "aac" }, { "(?=a)b?a", "a" },
              { "x?ab[0-9]{0,2}", " abab" }, { "x?ba.{2}", "cbabc", "u" }, { "x?b\\d{2}", "cb12c", "u" }, { "x?\xc3\xa9\\H{2}", "----\xc3\xa9abab" },
              { "(?<=[ab]?+){2}", "abab" }, { "b++(?<=c?+)+", "1abcbA" }, { "|((*ACCEPT)())++b+", "abbA" }, { "(?1){0,2}(?>.)|(x*+)\\W{0}", "b" },
            }
            for _, case in ipairs(cases) do
              local p, s, flags = table.unpack(case)
              eq(found(p, s, flags), found("(*NO_JIT)" .. p, s, flags), p)
            end
            eq(found("(,|)\\s*,", ","), "0 1 0 0"); eq(found("x?ba.{2}", "cbabc", "u"), "1 4"); eq(found("x?ab[0-9]{0,2}", " abab"), "1 2")
            -- Invalid UTF-8, on which machine code crashed.
            eq(mmap.regex("\\X{1,2}+\\W", "u"):find("\xe2\x82abababc\xe2\x82b\xe2\x82\xac"), nil)
            eq(mmap.regex("(?<!(?:\\W[ab]{1,3}?))??b+\\W??", "u"):find("\xe2\x82b\xff"), 2)
            -- An empty match in it is where the interpreter has it.
            eq(mmap.regex("", "u"):find("\x80\nab"), 1); eq(mmap.regex("", "u"):find("\xc3\xa9", 1), 2); eq(mmap.regex("\\Aa", "u"):find("\xffa"), nil)
            eq(mmap.regex("$", "u"):find("a\xff"), nil); eq(mmap.regex("a\\z", "u"):find("a\xffa"), 2)
            """#)
    }

    @Test func optionsAtTheStartOfAPattern() {
        check(
            """
            for _, kind in ipairs { "", "(*NO_JIT)" } do
              for _, flags in ipairs { "", "u" } do
                eq(mmap.regex(kind .. "(*NOTEMPTY)a*", flags):find("baa"), 1); eq(mmap.regex(kind .. "(*NOTEMPTY)a*", flags):find("b"), nil)
                eq(mmap.regex(kind .. "(*NOTEMPTY)a*", flags):count("baaba"), 2)
                eq(mmap.regex(kind .. "(*NOTEMPTY_ATSTART)a*", flags):find("b"), 1)
                eq(mmap.regex(kind .. "(*NOTEMPTY_ATSTART)a*", flags):find("b", 1), nil)
                eq(mmap.regex("(*NOTEMPTY)" .. kind .. "a*?", flags):find("baa"), 1)
              end
            end
            eq(mmap.regex("(*MARK:(*NOTEMPTY)a*"):find("b"), 0)
            """)
    }

    @Test func flagsChangeMatches() {
        check(
            """
            eq(mmap.regex("ab"):count("AB ab"), 1); eq(mmap.regex("ab", "i"):count("AB ab"), 2)
            eq(mmap.regex("^b$"):count("a\\nb\\nc"), 0); eq(mmap.regex("^b$", "m"):count("a\\nb\\nc"), 1)
            eq(mmap.regex("a.b"):count("a\\nb"), 0); eq(mmap.regex("a.b", "s"):count("a\\nb"), 1)
            eq(mmap.regex("a b # c"):count("ab"), 0); eq(mmap.regex("a b # c", "x"):count("ab"), 1)
            eq(mmap.regex("^.$"):count("\\u{e9}"), 0); eq(mmap.regex("^.$", "u"):count("\\u{e9}"), 1)
            eq(mmap.regex("\\\\w"):count("\\u{e9}"), 0); eq(mmap.regex("\\\\w", "u"):count("\\u{e9}"), 1)
            eq(mmap.regex("\\u{c9}", "iu"):count("\\u{e9}"), 1); eq(mmap.regex("A . B", "ixs"):count("a\\nb"), 1)
            -- Invalid UTF-8 matches nothing and hides nothing.
            local b = mmap.anonymous(9); b:copy(0, "a\\xff\\xe9b\\xc3c")
            eq(mmap.regex("[a-c]", "u"):count(b), 3); eq(mmap.regex("a.", "u"):count(b), 0); eq(mmap.regex("\\\\xff"):count(b), 1)
            """)
    }

    @Test func misuse() {
        check(
            """
            fails("bad argument #1 to 'regex' %(string expected, got n", function() mmap.regex() end)
            fails("string expected, got number", function() mmap.regex(5) end)
            fails("missing closing parenthesis %(at byte 2%)", function() mmap.regex("(a") end)
            fails("quantifier does not follow a repeatable item", function() mmap.regex("*") end)
            fails("flag 'q' is not one of 'i', 'm', 's', 'x' and 'u'", function() mmap.regex("a", "iq") end)
            fails("bad argument #2 to 'regex' %(string expected, got table%)", function() mmap.regex("a", {}) end)
            -- The flag is the only way to UTF-8: without it nobody looks whether the subject is any.
            fails("UTF is disabled", function() mmap.regex("(*UTF)a") end)
            fails("%(at byte %d+%)", function() mmap.regex("\\\\C", "u") end); fails("UTF%-8 error", function() mmap.regex("\\xff", "u") end)
            fails("too large", function() mmap.regex("(?:(?:[ab]{2}){1000}){1000}") end); fails("longer than", function() mmap.regex(("a"):rep(2 << 20)) end)
            local re = mmap.regex("a")
            for _, name in ipairs { "find", "match", "gmatch", "gfind", "count" } do
              local f = re[name]
              fails("bad argument #2 to .*%(string or mmap.buffer expected, got n", function() f(re) end)
              fails("got table", function() f(re, {}) end); fails("got number", function() f(re, 5) end)
              fails("offset 4 is out of range %(0 to 3%)", function() f(re, "abc", 4) end)
              fails("offset %-1 is out of range", function() f(re, "abc", -1) end)
              fails("number expected, got string", function() f(re, "abc", "1") end)
              fails("integer representation", function() f(re, "abc", 0.5) end)
              fails("mmap.regex expected, got string", function() f("a", "abc") end)
              if name ~= "count" then
                fails("'all' is not one of 'strings' and 'offsets'", function() f(re, "abc", 0, "all") end)
                fails("string expected, got boolean", function() f(re, "abc", 0, true) end)
              end
            end
            fails("match takes too much memory", function() mmap.regex("(?:a|b)*[cd]"):find(("ab"):rep(1 << 23)) end)
            local runaway = ("a"):rep(30)
            fails("takes more steps than its %(%*LIMIT_MATCH=100%) allows", function() mmap.regex("(*LIMIT_MATCH=100)(a+)+[cd]"):find(runaway) end)
            fails("deeper than its %(%*LIMIT_DEPTH=5%)", function() mmap.regex("(*NO_JIT)(*LIMIT_DEPTH=5)(a+)+[cd]"):find(runaway) end)
            fails("more memory than its %(%*LIMIT_HEAP=1%)", function() mmap.regex("(*NO_JIT)(*LIMIT_HEAP=1)(a|b)*[cd]"):find(("ab"):rep(20000)) end)
            for _, kind in ipairs { "", "(*NO_JIT)" } do
              for _, steps in ipairs { 1, 100, 9999, 20000, 1000000 } do
                local re = mmap.regex(kind .. "(a+)+[cd]", nil, { steps = steps })
                fails("takes more steps than the 'steps' of its regex %(" .. steps .. "%)", function() re:find(runaway) end)
                fails("'steps' of its regex", function() re:count(runaway) end)
              end
              eq(mmap.regex(kind .. "a+c", nil, { steps = 1000 }):find("aac"), 0)
            end
            fails("too many steps %(more than 10000000; option 'steps' of mmap.regex raises the limit%)", function() mmap.regex("(*NO_JIT)(a+)+[cd]"):find(runaway) end)
            fails("'steps': 0 is out of range %(1 to 4294967295%)", function() mmap.regex("a", nil, { steps = 0 }) end)
            fails("'steps': 4294967296 is out of range", function() mmap.regex("a", "i", { steps = 1 << 32 }) end)
            fails("'steps': integer expected", function() mmap.regex("a", "i", { steps = "1" }) end)
            fails("option 'limit' is not known", function() mmap.regex("a", "i", { limit = 1 }) end)
            fails("table expected", function() mmap.regex("a", "i", 5) end)
            """)
    }

    /// Matches that need more than the initial 32 KiB of stack.
    @Test func deepMatchesWithAndWithoutMachineCode() {
        check(
            """
            for _, n in ipairs { 10, 1000, 1023, 1024, 2000, 100000 } do
              local text = ("ab"):rep(n) .. "c"
              local b = mmap.open(scratch(text))
              for _, subject in ipairs { b, text } do
                eq(mmap.regex("(a|b)*c"):find(subject), 0, n); eq(mmap.regex("^(?:(a)|b)*c$"):match(subject), "a", n)
                eq(select(2, mmap.regex("(*NO_JIT)(a|b)*c"):find(subject)), #text, n)
                eq(mmap.regex("(*NO_JIT)b[ab]"):count(subject), n - 1, n)
              end
              b:close()
              for _, s in ipairs { ("("):rep(n), ("("):rep(n) .. (")"):rep(n), ("()"):rep(n) } do
                local b = mmap.open(scratch(s))
                eq(b:match "%b()", s:match "%b()", n); b:close()
              end
            end
            """)
    }

    @Test func closedRegexRaises() {
        check(
            """
            local text = "aaa"
            for _, finish in ipairs {
              function(re) re:close(); re:close() end, function(re) debug.getmetatable(re).__gc(re); re:close() end,
              function(re) local x <close> = re end,
            } do
              local re = mmap.regex("a")
              local step = re:gmatch(text)
              eq(step(), "a"); finish(re)
              eq(tostring(re), "mmap.regex (closed)")
              for _, name in ipairs { "find", "match", "gmatch", "gfind", "count", "split" } do fails("attempt to use a closed regex", re[name], re, text) end
              fails("attempt to use a closed regex", re.gsub, re, text, ""); fails("attempt to use a closed regex", re.names, re)
              fails("attempt to use a closed regex", step)
            end
            -- An iterator keeps what it needs.
            local step = (function() local b = mmap.anonymous(3); b:fill("a"); return mmap.regex("(a)"):gmatch(b) end)()
            for _ = 1, 3 do collectgarbage(); eq(step(), "a") end
            eq(step(), nil)
            """)
    }

    @Test func regexIsIdentifiedByContent() {
        check(
            """
            local re, b = mmap.regex("a"), mmap.anonymous(10)
            local meta = debug.getmetatable(re)
            for _, stranger in ipairs { io.tmpfile(), b, mmap.anonymous(5) } do
              debug.setmetatable(stranger, meta)
              for _, f in ipairs { re.find, re.match, re.gmatch, re.gfind, re.count, re.gsub, re.split, re.names, re.close, meta.__gc, meta.__tostring } do
                fails("mmap.regex expected", f, stranger)
              end
            end
            fails("mmap.buffer expected", debug.getmetatable(mmap.anonymous(1)).__methods.find, re, "a")
            eq(getmetatable(re), "mmap.regex")
            for i = 1, 4 do debug.setuservalue(re, {}, i) end
            eq(tostring(re):sub(1, 10), "mmap.regex"); eq(re:count("aa"), 2)
            -- Whatever is put in place of what an iterator holds.
            for index = 1, 4 do
              for _, value in ipairs { false, 0, -5, math.maxinteger, math.mininteger, "a", 1.5, {}, print, b, mmap.regex("b") } do
                local step = re:gmatch("aaa")
                eq(step(), "a"); debug.setupvalue(step, index, value); pcall(step); pcall(step)
              end
            end
            """)
    }

    /// The buffer may change between two steps, and in a collection during a step.
    @Test func bufferMayChangeBetweenSteps() {
        check(
            """
            local page = mmap.PAGESIZE
            local path = scratch(("a b "):rep(page))
            local re = mmap.regex("(\\\\w) (\\\\w)")
            local function steps(b) return { re:gmatch(b), b:gmatch("(%w) (%w)"), re:gmatch(b, 0, "offsets") } end
            for i = 1, 3 do
              local b = mmap.open(path, "r+")
              local step = steps(b)[i]
              assert(step()); b:close(); fails("closed buffer", step); fails("closed buffer", step)
              b = mmap.anonymous(4 * page); b:fill("a b ")
              step = steps(b)[i]
              for _ = 1, page do assert(step()) end
              b:resize(page); eq(step(), nil); b:resize(4 * page); eq(step(), nil)
              b = mmap.anonymous(page); b:fill("a b ")
              local slice = b:slice(page - 8)
              step = steps(slice)[i]
              assert(step()); b:resize(page - 4); fails("this slice ends at byte", step)
              b = mmap.anonymous(page); b:fill("a b ")
              step = steps(b)[i]
              assert(step()); b:protect(mmap.PROT_NONE); fails("does not allow reading", step)
            end
            """)
    }

    @Test func finalizerMayCloseBuffer() {
        check(
            """
            collectgarbage("generational"); collectgarbage("incremental", 10, 1000)
            for delay = 1, 60 do
              local b = mmap.anonymous(4096); b:fill("abcdefghijklmnop")
              local re = mmap.regex("(abc)(def)(ghi)(jkl)(m)(n)(o)(p)")
              local function trap(n)
                setmetatable({}, { __gc = function() if n > 0 then trap(n - 1) else b:close(); re:close() end end })
              end
              trap(delay % 7)
              for _ = 1, delay * 3 do
                local ok, e = pcall(function()
                  for o in re:gmatch(b, 0, "offsets") do local x = { re:match(b, o) }; eq(x[8], "p") end
                end)
                if not ok then assert(tostring(e):find("closed"), e) break end
              end
            end
            """)
    }

    @Test func lostPagesAreAnError() async {
        await #expect(processExitsWith: .exitCode(0)) {
            check(
                """
                local page = mmap.PAGESIZE
                for _, use in ipairs {
                  function(b) return mmap.regex("x"):count(b) end, function(b) return mmap.regex("x"):find(b) end,
                  function(b) return mmap.regex("(?s)a.*x"):match(b) end, function(b) return b:match("x") end,
                  function(b) for _ in b:gmatch("a+") do end end, function(b) for _ in mmap.regex("a+", "u"):gmatch(b) do end end,
                } do
                  local path = scratch(("a"):rep(8 * page))
                  local b = mmap.open(path)
                  local f <close> = io.open(path, "w"); f:write(("a"):rep(page)); f:flush()
                  local ok, e = pcall(use, b)
                  assert(not ok and type(e) == "table", tostring(e))
                  eq(e.code, "SIGBUS"); eq(e.path, path); eq(e.offset, page)
                end
                """)
        }
    }
}
