import Testing

/// The order of views and records, and what is computed of neighbors, as a script sees it. What is computed is tested in
/// the library; here are arguments, results and errors.
@Suite struct ScriptOrderTests {
    @Test func sorting() {
        check(
            """
            local nan = 0 / 0
            local v = mmap.anonymous(48):view "f64"
            local function set(...) v:set(0, ...) return v end
            local function list(v) local t = v:totable() for i, x in ipairs(t) do t[i] = x ~= x and "nan" or ("%g"):format(x) end return table.concat(t, " ") end
            eq(list(set(3, nan, 1, 2, nan, 1):sort()), "1 1 2 3 nan nan")
            eq(list(set(3, nan, 1, 2, nan, 1):sort "desc"), "3 2 1 1 nan nan")
            eq(list(set(3, nan, 1, 2, nan, 1):argsort()), "2 5 3 0 1 4")
            eq(list(v:argsort "desc"), "0 3 2 5 1 4")
            eq(list(v), "3 nan 1 2 nan 1")
            eq(list(set(0.0, -0.0, 0.0, -1, 1, -0.0):argsort()), "3 0 1 2 5 4")
            local order = v:argsort()
            eq(order:info().type:sub(1, 3), "u64"); eq(order:info().path, nil); eq(#order, 6)
            for _, bad in ipairs { ">", "asc", "DESC", "desc\\0" } do
              fails('the only option is "desc"', v.sort, v, bad); fails('the only option is "desc"', v.argsort, v, bad)
            end
            fails("string expected, got function", v.sort, v, print); fails("string expected, got boolean", v.argsort, v, true)
            fails("too many arguments", v.sort, v, "desc", 1); fails("too many arguments", v.argsort, v, "desc", 1)
            fails("too many arguments", v.dedup, v, 1)
            eq(v:sort(nil, nil), v)
            local empty = v:slice(0, 0)
            eq(#empty:argsort(), 0); eq(empty:dedup(), 0); eq(empty:sort "desc", empty)
            -- Its memory lives as long as it does.
            for i = 1, 50 do local o = mmap.anonymous(80000):view("u32"):argsort() collectgarbage() eq(o[19999], 19999) end
            local u = mmap.anonymous(9):view "u8"
            u:set(0, 1, 1, 2, 2, 2, 1, 0, 0, 5)
            eq(u:dedup(), 5); eq(list(u:slice(0, 5)), "1 2 1 0 5")
            """)
    }

    @Test func gathering() {
        check(
            """
            local v = mmap.anonymous(40):view "i32"
            for i = 0, 9 do v[i] = i * i end
            local order = mmap.anonymous(3):view "u8"
            order:set(0, 9, 0, 3)
            local t = mmap.anonymous(24):view "f64"
            eq(t:gather(order, v), t); eq(t[0], 81.0); eq(t[1], 0.0); eq(t[2], 9.0)
            local small = mmap.anonymous(3):view "i8"
            eq(small:gather(order, v)[0], 81)
            v[9] = 300
            fails("element 0: value 300 is out of range for i8", small.gather, small, order, v); eq(small[0], 81)
            order[2] = 10
            fails("element 2: index 10 is out of range %(0 to 9%)", t.gather, t, order, v)
            local negative = mmap.anonymous(24):view "i64"
            negative[1] = -1
            fails("element 1: index %-1 is out of range", t.gather, t, negative, v)
            fails("the source is empty", t.gather, t, negative, v:slice(0, 0))
            fails("the order has 2 elements, the target 3", t.gather, t, order:slice(0, 2), v)
            fails("the elements of an order must be integers", t.gather, t, mmap.anonymous(24):view "f64", v)
            fails("shares memory", v.gather, v, mmap.anonymous(10):view "u8", v)
            fails("shares memory", order.gather, order, order, v)
            fails("mmap.view expected, got table", t.gather, t, { 1 }, v); fails("mmap.view expected, got no value", t.gather, t, order)
            fails("too many arguments", t.gather, t, order, v, 1)
            eq(#t:slice(0, 0):gather(order:slice(0, 0), v), 0)
            local r = mmap.open(scratch(("\\1"):rep(24))):view "f64"
            fails("read%-only", r.gather, r, order, v)
            """)
    }

    @Test func quantiles() {
        check(
            """
            local nan = 0 / 0
            local v = mmap.anonymous(40):view "f64"
            v:set(0, 3, 1, 2, 5, 10)
            eq(v:median(), 3.0); eq(v:quantile(0), 1.0); eq(v:quantile(1), 10.0); eq(v:quantile(0.5), 3.0); eq(v:quantile(0.9), 8.0)
            local q = v:quantile { 0.25, 1, 0 }
            eq(#q, 3); eq(q[1], 2.0); eq(q[2], 10.0); eq(q[3], 1.0); eq(#v:quantile {}, 0)
            eq(math.type(mmap.anonymous(3):view("u8"):median()), "float")
            for _, name in ipairs { "u64", "i8" } do
              local u = mmap.anonymous(16):view(name, 0, 2)
              u:set(0, name == "u64" and -1 or -128, 0)
              eq(u:median(), name == "u64" and 2.0 ^ 63 or -64.0)
            end
            for _, bad in ipairs { -0.1, 1.1, nan, 1 / 0 } do
              fails("part .* is out of range %(0 to 1%)", v.quantile, v, bad)
              fails("element 2: part .* is out of range", v.quantile, v, { 0, bad })
            end
            fails("number or table expected, got string", v.quantile, v, "0.5"); fails("number or table expected, got no value", v.quantile, v)
            fails("element 1: not a number", v.quantile, v, { "x" })
            local long = {}
            for i = 1, 1048577 do long[i] = 0 end
            fails("1048577 parts are too many", v.quantile, v, long)
            local empty = v:slice(0, 0)
            eq(empty:median(), nil); eq(empty:quantile(0.5), nil); eq(empty:quantile { 0.5 }, nil)
            v[2] = nan
            assert(v:median() ~= v:median()); assert(v:quantile(0) ~= v:quantile(0)); local l = v:quantile { 0, 1 } assert(l[1] ~= l[1] and l[2] ~= l[2])
            eq(v:median "skipnan", 4.0); eq(v:quantile(0.5, "skipnan"), 4.0); eq(v:quantile({ 1 }, "skipnan")[1], 10.0)
            fails('the only option is "skipnan"', v.median, v, "wrap"); fails('the only option is "skipnan"', v.quantile, v, 0.5, "x")
            """)
    }

    @Test func withoutNaN() {
        check(
            """
            local nan = 0 / 0
            for _, type in ipairs { "f64", "f32be", "f16", "bf16le" } do
              local v = mmap.anonymous(40000):view(type, 1, 4000)
              for i = 0, 3999 do v[i] = i % 3 == 0 and nan or i % 7 end
              local sum, count, square = 0.0, 0, 0
              for i = 0, 3999 do if v[i] == v[i] then sum, count, square = sum + v[i], count + 1, square + v[i] ^ 2 end end
              for _, name in ipairs { "sum", "mean", "min", "max", "variance", "median" } do local x = v[name](v) assert(x ~= x, name) end
              eq(v:sum "skipnan", sum, type); eq(v:sum("wrap", "skipnan"), sum); eq(v:sum("skipnan", "wrap"), sum)
              eq(v:mean "skipnan", sum / count); eq(v:min "skipnan", 0.0); eq(v:max "skipnan", 6.0)
              local low, high = v:minmax "skipnan"
              eq(low, 0.0); eq(high, 6.0); eq(v:argmin "skipnan", 7); eq(v:argmax "skipnan", 13); eq(v:median "skipnan", 3.0)
              local exact = square / count - (sum / count) ^ 2
              assert(math.abs(v:variance "skipnan" - exact) < 1e-9); assert(math.abs(v:variance(1, "skipnan") - exact * count / (count - 1)) < 1e-9)
              local s = v:stats "skipnan"
              eq(s.count, count); eq(s.sum, sum); eq(s.max, 6.0); eq(s.mean, sum / count); eq(s.exact, false)
              v:fill(nan)
              for _, name in ipairs { "sum", "mean", "min", "max", "minmax", "argmin", "argmax", "variance", "stats", "median" } do
                eq(v[name](v, "skipnan"), nil, name)
              end
              eq(v:quantile(0.5, "skipnan"), nil); eq(v:quantile({ 0.5 }, "skipnan"), nil)
              eq(v:slice(0, 0):sum "skipnan", 0.0)
            end
            local v = mmap.anonymous(4):view "u8"
            v:set(0, 1, 2, 3, 4)
            eq(v:sum "skipnan", 10); eq(v:max "skipnan", 4); eq(v:stats("skipnan").exact, true)
            """)
    }

    @Test func runs() {
        check(
            """
            local v = mmap.anonymous(5):view "u8"
            v:set(0, 1, 3, 2, 7, 250)
            local function list(v) return v:info().type:match "^(.-)[lb]e$" .. " " .. table.concat(v:totable(), " ") end
            eq(list(v:cumsum()), "u64 1 4 6 13 263"); eq(list(v:diff()), "i64 2 -1 5 243")
            eq(list(v:rolling("sum", 2)), "u64 4 5 9 257"); eq(list(v:rolling("mean", 2)), "f64 2.0 2.5 4.5 128.5")
            eq(list(v:rolling("min", 3)), "u64 1 2 2"); eq(list(v:rolling("max", 5)), "u64 250")
            eq(list(mmap.anonymous(4):view("i16"):cumsum()), "i64 0 0"); eq(list(mmap.anonymous(4):view("f16"):rolling("max", 1)), "f64 0.0 0.0")
            eq(#v:slice(0, 1):diff(), 0); eq(#v:slice(0, 0):diff(), 0); eq(#v:slice(0, 0):cumsum(), 0)
            local into = mmap.anonymous(10):view("u16be", 0, 5)
            eq(v:cumsum(into), into); eq(into[4], 263); eq(v:rolling("sum", 5, into:slice(1, 1))[0], 263)
            fails("element 4: value 263 is out of range for u8", v.cumsum, v, v); eq(v[1], 3)
            v[4] = 0
            eq(v:cumsum(v), v); eq(v[4], 13)
            fails("the target has 4 elements, and there are 5 results", v.cumsum, v, into:slice(1))
            fails("shares memory", v.diff, v, v:slice(0, 4)); fails("shares", v.cumsum, v:slice(0, 4), v:slice(1, 4))
            fails("value 6 is out of range %(1 to 5%)", v.rolling, v, "sum", 6); fails("value 0 is out of range", v.rolling, v, "sum", 0)
            fails("the view is empty", v.rolling, v:slice(0, 0), "sum", 1)
            fails("'median' is not one of 'sum', 'mean', 'min' and 'max'", v.rolling, v, "median", 2); fails("did you mean 'max'?", v.rolling, v, "maximum", 2); fails("mmap.view expected, got string", v.cumsum, v, "x")
            fails("too many arguments", v.cumsum, v, into, 1); fails("too many arguments", v.diff, v, nil, 1); fails("too many arguments", v.rolling, v, "sum", 2, nil, 1)
            local large = mmap.anonymous(16):view "i64"
            large:fill(math.maxinteger)
            fails("element 1: the result does not fit into a signed 64%-bit integer", large.cumsum, large)
            fails("does not fit", large.rolling, large, "sum", 2)
            eq(large:rolling("mean", 2)[0], 2.0 ^ 63)
            """)
    }

    @Test func records() {
        check(
            """
            local layout = mmap.struct { { "id", "u32be" }, { "name", "char[5]" }, { "x", "f16" }, { "list", "u8", 2 }, { "raw", "bytes[2]" },
              { "in", mmap.struct { { "y", "u8" } } }, { "-id", "u8" } }
            local r = mmap.anonymous(4 * #layout):records(layout)
            local function set() for i, name in ipairs { "d", "cc", "b", "cc" } do r[i - 1] = { id = i % 2, name = name, x = i == 2 and 0 / 0 or -i, raw = name:sub(1, 1) .. i, ["-id"] = i % 3 } end return r end
            local function list() local t = {} for _, record in r:each() do t[#t + 1] = record.name .. record.raw:sub(2) end return table.concat(t, " ") end
            eq(set():sort "name", r); eq(list(), "b3 cc2 cc4 d1")
            set():sort("name", "desc"); eq(list(), "d1 cc2 cc4 b3")
            set():sort "-name"; eq(list(), "d1 cc2 cc4 b3")
            set():sort { "name", "x" }; eq(list(), "b3 cc4 cc2 d1")
            set():sort("x", "desc"); eq(list(), "d1 b3 cc4 cc2")
            set():sort { "id", "-name" }; eq(list(), "cc2 cc4 d1 b3")
            set():sort { "-id" }; eq(list(), "b3 d1 cc4 cc2", "a field of that name comes first")
            set():sort "raw"; eq(list(), "b3 cc2 cc4 d1")
            set()
            fails("there is no field 'nope' in the layout", r.sort, r, "nope"); fails("there is no field '%-nope'", r.sort, r, "-nope")
            fails("no field 'totable'", r.sort, r, "totable")
            fails("field 'list' is neither", r.sort, r, "list"); fails("field '%-in' is neither", r.sort, r, { "id", "-in" })
            fails("list of 1 to 64 fields expected", r.sort, r, {}); fails("the name of a field is a string", r.sort, r, { 1 })
            fails('the only option is "desc"', r.sort, r, "id", "asc"); fails("'%-' in front", r.sort, r, { "id" }, "desc")
            fails("too many arguments", r.sort, r, "id", "desc", 0); fails("string or table expected, got no value", r.sort, r)
            eq(list(), "d1 cc2 b3 cc4")
            local copy = mmap.anonymous(4 * #layout):records(layout)
            eq(copy:gather(r:column("id"):argsort(), r), copy); eq(copy[0].name, "cc"); eq(copy[3].name, "b")
            fails("another layout", copy.gather, copy, r:column "id", mmap.anonymous(100):records(mmap.struct { { "a", "char[21]" } }))
            fails("shares memory", r.gather, r, mmap.anonymous(4):view "u8", r)
            fails("mmap.records expected, got mmap.view", r.gather, r, mmap.anonymous(4):view "u8", mmap.anonymous(4):view "u8")
            local order = mmap.anonymous(4):view "u8"
            order[3] = 4
            fails("element 3: index 4 is out of range %(0 to 3%)", copy.gather, copy, order, r)
            eq(#r:slice(0, 0):sort "id", 0)
            """)
    }

    /// A step is a function that a script may call by itself.
    @Test func stepsNeedNoState() {
        check(
            """
            local v = mmap.anonymous(2):view "u8"
            v[1] = 7
            local step = v:each()
            local i, x = step() eq(i, 0); eq(x, 0)
            i, x = step() eq(i, 1); eq(x, 7)
            eq(step(), nil); eq(step(), nil)
            -- Two of them do not know of each other; and a for loop goes its own way.
            local a, b = v:each(), v:each()
            a() eq(b(), 0); eq(a(), 1)
            local n = 0
            for _ in v:each() do n = n + 1 end
            eq(n, 2)
            for index, value in a, v, -1 do n = n + value end
            eq(n, 9)
            local r = mmap.anonymous(4):records(mmap.struct { { "id", "u16" } })
            local each = r:each()
            local k, record = each() eq(k, 0); record.id = 5
            k, record = each() eq(k, 1); eq(each(), nil); eq(each(), nil); eq(r[0].id, 5)
            local pages = mmap.anonymous(4 * mmap.PAGESIZE)
            pages:advise "nohugepage"
            pages[0], pages[2 * mmap.PAGESIZE] = 1, 1
            local ranges = pages:pages():ranges()
            eq(ranges(), 0); eq(ranges(), 2); eq(ranges(), nil); eq(ranges(), nil)
            -- The others are closures.
            local text = mmap.anonymous(4)
            text:copy(0, "a\\nb\\n")
            for _, next in ipairs { text:lines(), text:fields ",", text:gmatch "%a", mmap.regex("[ab]"):gmatch(text) } do
              eq(next(), "a"); eq(next(), "b"); eq(next(), nil)
            end
            v:close()
            fails("closed", b)
            """)
    }

    @Test func floatsOf16Bits() {
        check(
            """
            local b = mmap.anonymous(64)
            for _, order in ipairs { "", "le", "be" } do
              b:set("f16" .. order, 1, 1.1); eq(b:get("f16" .. order, 1), 1.099609375)
              b:set("bf16" .. order, 1, 1.1); eq(b:get("bf16" .. order, 1), 1.1015625)
            end
            b:set("f16be", 0, 1); eq(b:get("u16be", 0), 0x3c00); b:set("bf16be", 0, 1); eq(b:get("u16be", 0), 0x3f80)
            fails("value 65520 is out of range for f16 %(%-65504 to 65504%)", b.set, b, "f16", 0, 65520)
            fails("is out of range for bf16", b.set, b, "bf16", 0, 3.4e38)
            b:set("f16", 0, 65519.9); eq(b:get("f16", 0), 65504.0); b:set("f16", 0, 1 / 0); eq(b:get("f16", 0), 1 / 0)
            local v = b:view "f16be"
            eq(#v, 32); eq(v:info().type, "f16be"); eq(v:info().size, 2)
            v:fill(0.5); eq(v:sum(), 16.0); eq(v:count("==", 0.5), 32); eq(v:find("<", 0.5), nil)
            v[3] = -2; eq(v:argmin(), 3); eq(v:count(">", -1e300), 32); eq(v:count("<", 1e300), 32); eq(v:count("<", 65504), 32)
            v:add(1); eq(v[3], -1.0); eq(v[0], 1.5); v:mul(v); eq(v[0], 2.25); eq(v:max(), 2.25)
            eq(v:unique(), 2); eq(v:sort()[0], 1.0); eq(v:sorted(), true); eq(v:lowerbound(2), 1)
            local w = mmap.anonymous(64):view "bf16"
            w:copy(0, v); eq(w[5], 2.25); eq(w:dot(v), 1 + 31 * 2.25 ^ 2)
            eq(w:copy(0, { 1e39, -1e39 }, "saturate"), 2); assert(w[0] > 3.38e38 and w[1] < -3.38e38)
            local counts = v:histogram(2)
            eq(counts[1] + counts[2], 32)
            local r = mmap.anonymous(12):records(mmap.struct { { "x", "f16be" }, { "y", "bf16", 2 } })
            r[1].x, r[1].y = 0.25, { 1, 2 }
            eq(r[1].x, 0.25); eq(r[1].y[1], 2.0); eq(r:column("x"):sum(), 0.25); eq(r:layout():fields()[1].type, "f16be")
            """)
    }

    @Test func histogramsHaveEdges() {
        check(
            """
            local v = mmap.anonymous(80):view "f64"
            v:fill(1e20)
            fails("too many bins", v.histogram, v, 10); eq(v:histogram(1)[1], 10)
            v:fill(1); v[0] = 1 + 2.0 ^ -52
            fails("too many bins: no number is between the edges of bin 1 of 2", v.histogram, v, 2); fails("too many bins", v.histogram, v, 5, 1, 1 + 2.0 ^ -51)
            eq(v:histogram(1)[1], 10)
            local f = mmap.anonymous(40):view "f32"
            f:fill(1e30)
            fails("too many bins", f.histogram, f, 10)
            f:fill(1e6)
            eq(#f:histogram(10), 10)
            """)
    }
}
