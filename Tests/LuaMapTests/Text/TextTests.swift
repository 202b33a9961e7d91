import Testing

/// Lines, fields, and pieces of texts, against a model that reads a string byte by byte.
@Suite struct TextTests {
    /// Buffers made from strings, and the models.
    static let models = #"""
        -- A buffer of a string, with other bytes before and after it.
        local room = mmap.anonymous(1 << 21)
        function buffer(s, margin)
          margin = margin or 0
          room:fill('\n;"\r', 0, #s + 2 * margin)
          room:copy(margin, s)
          return room:slice(margin, #s)
        end
        local byte, sub = string.byte, string.sub
        local function at(s, p, what) return what ~= "" and sub(s, p, p + #what - 1) == what end

        -- Lines as "offset:text|" in a row.
        function lines_of(s, sep, keep)
          local out, from, p = {}, 1, 1
          while p <= #s do
            if at(s, p, sep) then
              out[#out + 1] = (from - 1) .. ":" .. sub(s, from, p - 1) .. (keep and sep or "") .. "|"
              p = p + #sep
              from = p
            else
              p = p + 1
            end
          end
          if from <= #s then out[#out + 1] = (from - 1) .. ":" .. sub(s, from) .. "|" end
          return table.concat(out)
        end
        function lines_by(b, options)
          local out = {}
          for line, offset in b:lines(options) do out[#out + 1] = offset .. ":" .. line .. "|" end
          return table.concat(out)
        end
        function ranges_by(b, options)
          local out = {}
          for offset, length in b:lines(options) do out[#out + 1] = offset .. ":" .. b:string(offset, length) .. "|" end
          return table.concat(out)
        end

        -- Rows as lists of strings, with offset, length and line, and the message where one is malformed. `o` has the
        -- options of b:fields.
        function rows_of(s, sep, o)
          local line, quote = o.sep, o.csv and (o.quote or '"')
          local escape = o.escape or quote
          local rows, p = {}, at(s, 1, "\xEF\xBB\xBF") and 4 or 1
          local first = p
          local function border()
            if p > #s then return "row", p end
            if at(s, p, sep) then return "field", p + #sep end
            if line then
              if at(s, p, line) then return "row", p + #line end
            elseif at(s, p, "\n") then return "row", p + 1
            elseif at(s, p, "\r\n") then return "row", p + 2 end
          end
          local function line_end() -- of the line that p is in
            while p <= #s and not at(s, p, line or "\n") do p = p + 1 end
            p = math.min(p + #(line or "\n"), #s + 1)
          end
          local header = o.header
          while p <= #s do
            local from = p
            local number = 1
            do
              local q = first
              while q < from do
                if at(s, q, line or "\n") then number, q = number + 1, q + #(line or "\n") else q = q + 1 end
              end
            end
            local row = {}
            local function problem(text)
              return ("row %d, line %d, offset %d, field %d: %s"):format(#rows, number, from - 1, #row + 1, text)
            end
            local what, next = border()
            if what == "row" and o.skipblank then
              p = next
            elseif o.comment and at(s, p, o.comment) then
              line_end()
            else
              local stop
              repeat
                local text = {}
                if o.merge then
                  what, next = border()
                  while what == "field" do p = next what, next = border() end
                end
                if quote and at(s, p, quote) then
                  p = p + 1
                  while true do
                    local c, d = sub(s, p, p), sub(s, p + 1, p + 1)
                    if c == "" then return rows, problem "the quote is not closed" end
                    if c == escape and (escape ~= quote and d == escape or d == quote) then text[#text + 1] = d p = p + 2
                    elseif c == quote then
                      p = p + 1
                      what, next = border()
                      if what then break end
                      if not o.lazyquotes then return rows, problem "the closing quote is not" end
                      text[#text + 1] = c
                    else text[#text + 1] = c p = p + 1 end
                  end
                else
                  what, next = border()
                  while not what do
                    if quote and not o.lazyquotes and at(s, p, quote) then return rows, problem "a quote inside a field" end
                    text[#text + 1] = sub(s, p, p)
                    p = p + 1
                    what, next = border()
                  end
                end
                stop, p = p, next
                row[#row + 1] = table.concat(text)
              until what == "row"
              row.position = ("%d %d %d"):format(from - 1, stop - from, number)
              if header then header = false else rows[#rows + 1] = row end
            end
          end
          return rows
        end
        function rows_by(b, sep, types, options)
          local rows, n = {}, 0
          local ok, message = pcall(function()
            local step = b:fields(sep, types, options)
            while true do
              local row = table.pack(step())
              if row[1] == nil then return end
              if options and options.position then
                local position = ("%d %d %d"):format(row[1], row[2], row[3])
                row = table.pack(table.unpack(row, 4, row.n))
                row.position = position
              end
              rows[#rows + 1] = row
            end
          end)
          return rows, not ok and message or nil
        end
        function same(rows, message, wanted, problem, about)
          eq(#rows, #wanted, about)
          for i, row in ipairs(wanted) do
            eq(#rows[i], #row, about)
            for j, text in ipairs(row) do eq(rows[i][j], text, about) end
            if rows[i].position then eq(rows[i].position, row.position, about) end
          end
          if problem then eq((message or "none"):find(problem, 1, true) ~= nil, true, message or about)
          else eq(message, nil, about) end
        end
        -- Calls f with every string of up to n bytes of an alphabet.
        function every(alphabet, n, f)
          local function go(s, left)
            f(s)
            if left > 0 then for c in alphabet:gmatch "." do go(s .. c, left - 1) end end
          end
          go("", n)
        end
        """#

    private func compare(_ source: String, sourceLocation: SourceLocation = #_sourceLocation) {
        check(TextTests.models + "\n" + source, sourceLocation: sourceLocation)
    }

    @Test(arguments: ["\\n", "ab", "aa", "aba"])
    func everySmallTextHasItsLines(separator: String) {
        compare(
            """
            local sep = "\(separator)"
            every("ab\\n", 7, function(s)
              local b, about = buffer(s), ("%q"):format(s)
              eq(lines_by(b, { sep = sep }), lines_of(s, sep), about)
              eq(lines_by(b, { sep = sep, keep = true }), lines_of(s, sep, true), about)
              eq(ranges_by(b, { sep = sep, ranges = true }), lines_of(s, sep), about)
              eq(ranges_by(b, { sep = sep, ranges = true, keep = true }), lines_of(s, sep, true), about)
            end)
            """)
    }

    /// Lines with `find`, against string.find on every line.
    private static let places = #"""
        function check_places(b, needle, options, about)
          options.find = needle
          local at = {}
          for line, offset, place in b:lines(options) do
            local first = line:find(needle, 1, true)
            eq(place, first and offset + first - 1, about)
            at[#at + 1] = ("%d %d %s"):format(offset, #line, place)
          end
          options.ranges = true
          local i = 0
          for offset, length, place in b:lines(options) do
            i = i + 1
            eq(("%d %d %s"):format(offset, length, place), at[i], about)
          end
          eq(i, #at, about)
        end
        """#

    @Test(arguments: ["", "a", "b", "ab", "aba", "b\\n"])
    func everySmallLineIsSearched(needle: String) {
        compare(
            """
            \(TextTests.places)
            every("ab\\n", 6, function(s)
              local about = ("%q"):format(s)
              for _, keep in ipairs { false, true } do check_places(buffer(s), "\(needle)", { keep = keep }, about) end
            end)
            """)
    }

    @Test func longLinesAreSearched() {
        compare(
            """
            \(TextTests.places)
            local lengths = { 65534, 65535, 65536, 65537, 200000, (1 << 20) + 5 }
            for length = 0, 200 do lengths[#lengths + 1] = length end
            for _, needle in ipairs { "w", "wo", "word", "wordwordwordword!" } do
              for _, length in ipairs(lengths) do
                for _, filler in ipairs { ".", "wor" } do
                  local line = filler:rep(length // #filler + 1):sub(1, length)
                  local s = line .. needle .. "\\n" .. line .. "\\n" .. needle .. line .. "\\n" .. line:sub(1, -2) .. needle
                  if #s < 1 << 21 then check_places(buffer(s), needle, {}, length .. needle .. filler) end
                end
              end
            end
            """)
    }

    @Test func searchedTextMustBeString() {
        compare(
            """
            local b = buffer "one\\ntwo"
            eq(select("#", b:lines()()), 2); eq(select("#", b:lines { find = "x" }()), 3)
            fails("option 'find': string expected, got number", b.lines, b, { find = 7 })
            fails("option 'find': string expected, got table", b.lines, b, { find = {} })
            local step = b:lines { find = "w" }
            debug.setupvalue(step, 2, 7)
            eq(step(), "one")
            """)
    }

    @Test func linesAreThoseOfIo() {
        compare(
            """
            local path = scratch("one\\r\\n\\n\\0two\\n" .. ("x"):rep(100000) .. "\\nlast")
            local b = mmap.open(path)
            local step = b:lines()
            for line in io.lines(path) do eq(step(), line) end
            eq(step(), nil); eq(step(), nil)
            eq(lines_by(b, { offset = 3, length = 8 }), "3:\\r|5:|6:\\0two|")
            eq(lines_by(b, { offset = #b }), ""); eq(lines_by(b, { length = 0 }), "")
            """)
    }

    @Test func randomTextsHaveTheirLines() {
        compare(
            """
            for seed = 1, 300 do
              math.randomseed(seed)
              local parts, sep = {}, ({ "\\n", "\\r\\n", "::", ("-"):rep(16) })[seed % 4 + 1]
              for i = 1, math.random(0, 60) do
                parts[#parts + 1] = math.random(3) == 1 and sep or ("x\\0-:"):rep(math.random(0, 30))
              end
              local s = table.concat(parts)
              local b = buffer(s, math.random(0, 9))
              eq(lines_by(b, { sep = sep }), lines_of(s, sep), seed)
              eq(ranges_by(b, { sep = sep, ranges = true }), lines_of(s, sep), seed)
            end
            """)
    }

    @Test func linesLongerThanAWindow() {
        compare(
            """
            for _, sep in ipairs { "\\n", "<->" } do
              for _, length in ipairs { (1 << 20) - 4, (1 << 20) - 2, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 1500000 } do
                local s = "a" .. sep .. ("y<-"):rep(length // 3 + 1):sub(1, length) .. sep .. "tail"
                local b, got = buffer(s), {}
                for line, offset in b:lines { sep = sep } do got[#got + 1] = line got[#got + 1] = offset end
                eq(#got, 6); eq(got[1], "a"); eq(got[3], s:sub(2 + #sep, 1 + #sep + length)); eq(got[5], "tail")
                eq(got[4], 1 + #sep); eq(got[6], 1 + 2 * #sep + length)
                local n = 0
                for x, y in b:fields("\\t", nil, { sep = sep }) do n = n + 1 eq(y, nil) if n == 2 then eq(#x, length) end end
                eq(n, 3)
              end
            end
            """)
    }

    @Test(arguments: [false, true])
    func everySmallTextHasItsFields(quoted: Bool) {
        compare(
            """
            local quoted = \(quoted)
            every('a;\\r\\n"', 6, function(s)
              local about = ("%q"):format(s)
              local wanted, problem = rows_of(s, ";", { csv = quoted })
              local b = buffer(s)
              local rows, message = rows_by(b, ";", nil, { csv = quoted })
              same(rows, message, wanted, problem, about)
              -- The same with a type: the first field of each row.
              if not problem then
                local types = rows_by(b, ";", { "string", "string?" }, { csv = quoted, null = {} })
                eq(#types, #wanted, about)
                for i, row in ipairs(wanted) do
                  eq(types[i][1], row[1], about)
                  eq(types[i][2], row[2], about)
                end
              end
            end)
            """)
    }

    @Test func randomTextsHaveTheirFields() {
        compare(
            """
            for seed = 1, 400 do
              math.randomseed(seed)
              local quoted = seed % 2 == 0
              local sep = ({ ";", ",", "\\t", "::", " ", "ab" })[seed % 6 + 1]
              local line = ({ false, "\\n", "\\r\\n", "\\0", "||" })[seed % 5 + 1]
              local parts = {}
              for i = 1, math.random(0, 80) do
                local k = math.random(5)
                local word = ("a:|\\0\\r x;é"):sub(1, math.random(0, 11)):rep(math.random(0, 4))
                parts[#parts + 1] = k == 1 and (line or "\\n") or k == 2 and sep
                  or k == 3 and quoted and '"' .. word:gsub("a", '""') .. sep .. '"' .. sep or word
              end
              local s = table.concat(parts)
              local wanted, problem = rows_of(s, sep, { csv = quoted, sep = line or nil })
              local rows, message = rows_by(buffer(s, seed % 7), sep, nil, { csv = quoted, sep = line or nil })
              same(rows, message, wanted, problem, seed)
            end
            """)
    }

    /// Every text of an alphabet with choices of options, with the position of each row and without.
    @Test(arguments: 1...5)
    func everySmallTextHasItsFieldsWithOptions(group: Int) {
        compare(
            "local group = \(group)\n"
                + #"""
                local groups = {
                  { 'a;\n"', 6, { csv = true }, { csv = true, lazyquotes = true }, { csv = true, skipblank = true, header = true } },
                  { "a;\n'\\", 6, { quote = "'", csv = true }, { quote = "'", escape = "\\", csv = true },
                    { quote = "'", escape = "\\", csv = true, lazyquotes = true, header = true } },
                  { "a;\n\r#", 6, { comment = "#" }, { comment = "#;", skipblank = true }, { comment = "#", header = true, csv = true } },
                  { "a;\n", 8, { merge = true }, { merge = true, header = true }, { merge = true, skipblank = true, comment = ";a" } },
                  { 'a;\n"', 6, { sep = "aa" }, { csv = true, sep = "a\n" }, { csv = true, sep = "aa", lazyquotes = true } },
                }
                local chosen = groups[group]
                local function test(s)
                  for i = 3, #chosen do
                    local o = chosen[i]
                    local about = ("%q %d"):format(s, i)
                    local b = buffer(s, 9)
                    local wanted, problem = rows_of(s, ";", o)
                    local rows, message = rows_by(b, ";", nil, o)
                    same(rows, message, wanted, problem, about)
                    o.position = true
                    rows, message = rows_by(b, ";", nil, o)
                    same(rows, message, wanted, problem, about)
                    for j = 1, #rows do eq(type(rows[j].position), "string") end
                    rows, message = rows_by(b, ";", { "skip", "string?" }, o)
                    if not problem then
                      eq(#rows, #wanted, about)
                      for j, row in ipairs(wanted) do
                        local text = rows[j][1]
                        eq(text == nil and "" or text, row[2] or "", about)
                        eq(rows[j].position, row.position, about)
                      end
                    end
                    o.position = nil
                  end
                end
                every(chosen[1], chosen[2], test)
                every(chosen[1], 3, function(s) test("\xEF\xBB\xBF" .. s) end)
                """#)
    }

    @Test func aByteOrderMarkIsNoPartOfTheFirstField() {
        compare(
            #"""
            local mark = "\xEF\xBB\xBF"
            local b = buffer(mark .. '"a;b";1\nc;2')
            local step = b:fields(";", nil, { csv = true, position = true })
            local offset, length, line, first, second = step()
            eq(offset, 3); eq(length, 7); eq(line, 1); eq(first, "a;b"); eq(second, "1")
            eq(buffer(mark .. "12;x"):fields(";", { "integer" })(), 12)
            eq(buffer(mark .. "x\n1"):fields(";", nil, { header = true })(), "1")
            eq(buffer(mark):fields ";"(), nil)
            eq(buffer(mark:sub(1, 2) .. ";"):fields ";"(), mark:sub(1, 2))
            eq(buffer(mark .. "a"):fields(";", nil, { length = 2 })(), mark:sub(1, 2))
            eq(buffer(mark .. "a"):fields(";", nil, { offset = 1 })(), mark:sub(2) .. "a")
            eq(buffer("b" .. mark .. "a"):fields(";", nil, { offset = 1 })(), mark .. "a")
            eq(buffer(mark .. mark .. "a"):fields ";"(), mark .. "a")
            eq(buffer(mark .. "a"):lines()(), mark .. "a")
            """#)
    }

    @Test func fieldsThatAreNil() {
        compare(
            #"""
            local function all(s, types, options)
              local out = {}
              options = options or {}
              options.position = true
              for _, _, _, a, b in buffer(s):fields(";", types, options) do
                out[#out + 1] = (a == nil and "nil" or ("%s:%s"):format(math.type(a) or type(a), a)) .. (b == nil and "" or "/" .. b)
              end
              return table.concat(out, " ")
            end
            eq(all("1\n\nx", { "string?" }), "string:1 nil string:x")
            eq(all("1\n\n2.5", { "number?" }), "integer:1 nil float:2.5")
            for _, bad in ipairs { "12O", "1 000", "x", "1,5", " ", "--1" } do
              fails("row 1, line 2, offset 2, field 1: '.-' is not a number", all, "1\n" .. bad .. "\n", { "number?" })
              eq(all("1\n" .. bad .. "\n3", { "number" }, { bad = "nil" }), "integer:1 nil integer:3")
              eq(all("1\n" .. bad .. "\n3", { "u64?" }, { bad = "nil" }), "integer:1 nil integer:3")
            end
            fails("'' is not a number", all, "\n", { "number" })
            eq(all("\n", { "number" }, { bad = "nil" }), "nil")
            -- A list takes the place of the empty string.
            eq(all("NA\n-\n7\nx", { "string?" }, { null = { "NA", "-" } }), "nil nil string:7 string:x")
            eq(all("\nNA", { "string?" }, { null = { "NA" } }), "string: nil")
            fails("'' is not a number", all, "\n", { "number?" }, { null = { "NA" } })
            fails("'NA' is not a number", all, "NA\n", { "number?" })
            eq(all("-999\n-9990\n-99\n-999.0\n1", { "integer?" }, { null = { "-999" } }), "nil integer:-9990 integer:-99 integer:-999 integer:1")
            eq(all("-999\n5", { "integer" }, { null = { "-999" } }), "integer:-999 integer:5")
            eq(all("\n", { "string?" }, { null = {} }), "string:")
            -- Quotes keep a string from being a null, not a number.
            eq(all('""\n"NA"\nNA\n', { "string?" }, { null = { "", "NA" }, csv = true }), "string: string:NA nil")
            eq(all('""\n"NA"\nNA\n', { "number?" }, { null = { "", "NA" }, csv = true }), "nil nil nil")
            eq(all('"1"\n"2', { "number?" }, { null = { "1" }, csv = true, length = 3 }), "nil")
            -- A field may be missing.
            eq(all("a\nb;2", { "string", "number?" }), "string:a string:b/2")
            fails("row 0, line 1, offset 0: there is no field 2", all, "a\n", { "string", "number" }, { bad = "nil" })
            -- What is nil first would end the loop.
            fails("row 1, line 2, offset 2: the first result would be nil", function()
              for _ in buffer("1\nx\n"):fields(";", { "number" }, { bad = "nil" }) do end
            end)
            local step = buffer("x\n2"):fields(";", { "number" }, { bad = "nil" })
            fails("the first result would be nil", step); eq(step(), 2)
            -- The debug library may take the list away.
            step = buffer("NA\nNA"):fields(";", { "string", "string?" }, { null = { "NA" } })
            step = buffer("a;NA\nb;NA\n"):fields(";", { "string", "string?" }, { null = { "NA" } })
            eq(select(2, step()), nil)
            local _, state = debug.getupvalue(step, 1)
            debug.setuservalue(state, 7, 2050)
            eq(select(2, step()), "NA")
            """#)
    }

    @Test func decimalCommas() {
        compare(
            #"""
            for _, csv in ipairs { false, true } do
              local function one(text) return buffer(text .. ";x\n"):fields(";", { "number" }, { decimal = ",", csv = csv })() end
              for _, text in ipairs { "1,5", "-0,25", ",5", "5,", "1,5e3", "123456789,125", "0,1", "1", "-7", "1e-3", "0x1,8p1",
                "0,30000000000000004", ("1"):rep(30) .. ",5", " 2,5 " } do
                local wanted = tonumber((text:gsub(",", ".")))
                eq(one(text), wanted, text); eq(math.type(one(text)), math.type(wanted), text)
              end
              for _, text in ipairs { "1.5", "1,5,", "1.000,5", "1,000.5", ",", "1, 5" } do fails("'.-' is not a number", one, text) end
            end
            eq(buffer('"1,5";2'):fields(";", { "number" }, { decimal = ",", csv = true })(), 1.5)
            fails("'1,5' is not an integer", buffer("1,5"):fields(";", { "integer" }, { decimal = "," }))
            eq(buffer("1,0"):fields(";", { "integer" }, { decimal = "," })(), 1)
            """#)
    }

    /// Python's `fractions.Fraction` says which these are; rounded to a float they are others.
    @Test func integersAreExactOrNone() {
        compare(
            #"""
            local function one(text, kind) return buffer(text .. "\n"):fields(";", { kind })() end
            for text, value in pairs {
              ["1234567890123456789.0"] = 1234567890123456789, ["9007199254740991e3"] = 9007199254740991000, ["9223372036854775807.0"] = math.maxinteger,
              ["-9223372036854775808"] = math.mininteger, ["-9223372036854775808.0"] = math.mininteger, ["922337203685477580700e-2"] = math.maxinteger,
              ["9007199254740993.0"] = 9007199254740993, ["0x20000000000001p1"] = 1 << 54 | 2, ["-0x1p63"] = math.mininteger, ["0e400"] = 0, ["0x10p-4"] = 1 } do
              eq(one(text, "integer"), value, text)
              eq(math.type(one(text, "integer")), "integer")
              if value >= 0 then eq(one(text, "u64"), value, text) end
            end
            for _, text in ipairs { "0.99999999999999999999", "-9223372036854775809", "9223372036854775808", "9223372036854775807.5", "-9223372036854775808.5",
              "-9223372036854775809.0", "1e-400", "1e-99999999999999999999", "1e99999999999999999999", "0x7fffffffffffffff.8", "0x1p63", "1e19" } do
              fails("' is not an integer", one, text, "integer")
            end
            eq(one("1e19", "u64"), 10000000000000000000 // 1 == 1e19 and 0x8AC7230489E80000)
            eq(one("18446744073709551615.0", "u64"), -1); eq(one("-0", "u64"), 0)
            fails("' is not a u64", one, "18446744073709551615.5", "u64"); fails("' is not a u64", one, "0x1p64", "u64")
            """#)
    }

    @Test func unsignedIntegersOf64Bits() {
        compare(
            #"""
            local function one(text) return buffer(text .. "\n"):fields(";", { "u64" })() end
            for _, text in ipairs { "0", "7", "123456789012345678", "9223372036854775807", "9223372036854775808", "18446744073709551615",
              "00000000000000000000000018446744073709551615", "+5", " 12\t" } do
              eq(math.type(one(text)), "integer")
              local value, digits = one(text), text:match "%d+":gsub("^0+(%d)", "%1")
              -- In decimal by long division.
              local out = {}
              repeat
                local q = (value >> 1) // 5
                out[#out + 1] = value - q * 10
                value = q
              until value == 0
              eq(table.concat(out):reverse(), digits, text)
            end
            eq(one "0xffffffffffffffff", -1); eq(one "0XfF", 255); eq(one "1e3", 1000); eq(one "3.0", 3)
            for _, text in ipairs { "", "-1", "-0x1", "18446744073709551616", "28446744073709551615", "0x10000000000000000", "1.5", "x", "0x",
              "1e20", "-1e3", "1 2", "+", "+-1", "inf", "0b1", "1\0" } do
              fails("' is not a u64", one, text)
            end
            -- All that is plain, and its neighbors.
            for i = 0, 20 do
              for d = -1, 1 do
                local text = ("%d"):format(10 ^ math.min(i, 18) // 1 | 0 + d)
                if tonumber(text) >= 0 then eq(one(text), math.tointeger(text)) end
              end
            end
            """#)
    }

    @Test func linesFromTheLastToTheFirst() {
        compare(
            #"""
            local function reversed(b, o)
              local forward, back = {}, {}
              for a, c, d in b:lines(o) do table.insert(forward, 1, ("%s %s %s|"):format(a, c, d)) end
              o.reverse = true
              for a, c, d in b:lines(o) do back[#back + 1] = ("%s %s %s|"):format(a, c, d) end
              o.reverse = nil
              return table.concat(forward), table.concat(back)
            end
            for _, sep in ipairs { "\n", "ab", "a\n", "bba" } do
              every("ab\n", 7, function(s)
                local b, about = buffer(s, 5), ("%q by %q"):format(s, sep)
                for _, o in ipairs { { sep = sep }, { sep = sep, keep = true }, { sep = sep, ranges = true, find = "b" },
                  { sep = sep, offset = #s // 3, length = #s // 2 } } do
                  local wanted, got = reversed(b, o)
                  eq(got, wanted, about)
                end
              end)
            end
            -- Lines longer than a window, and than a step.
            local big = mmap.anonymous(40 << 20)
            for _, sep in ipairs { "\n", "<->" } do
              for _, length in ipairs { (1 << 20) - 1, 1 << 20, (1 << 20) + 1, (16 << 20) + 3, 17 << 20 } do
                big:fill("-", 0, length + 20)
                big:copy(0, "first" .. sep)
                big:copy(5 + #sep + length, sep .. "end" .. sep)
                local b = big:slice(0, 8 + 3 * #sep + length)
                local wanted, got = reversed(b, { sep = sep, ranges = true })
                eq(got, wanted)
                eq(select(2, wanted:gsub("|", "")), 3)
              end
            end
            -- The iteration ends where the range began, also when the buffer changes meanwhile.
            local path = scratch(("line\n"):rep(3000))
            local b = mmap.open(path, "r+")
            local step = b:lines { reverse = true }
            eq(select(2, step()), 14995)
            b:resize(14994)
            fails("this iteration ends at byte 14995 and its buffer now has 14994 bytes", step)
            b:resize(20000)
            eq(select(2, step()), 14990)
            b:close()
            fails("closed buffer", step)
            """#)
    }

    /// Zeros are read after the end of a file, in its last page: no signal tells.
    @Test func aFileCutShortInItsLastPageIsAnErrorAtTheEnd() {
        check(
            #"""
            local text = ("line;1\n"):rep(100)
            local n = 0
            for _, make in ipairs { function(b) return b:lines() end, function(b) return b:lines { ranges = true } end,
              function(b) return b:lines { reverse = true } end, function(b) return b:lines { offset = 350 } end,
              function(b) return b:fields ";" end, function(b) return b:fields(";", nil, { csv = true }) end,
              function(b) return b:slice(7):lines() end, function(b) return b:fields("\0", { "string" }) end } do
              local path = scratch(text)
              local b = mmap.open(path)
              local step = make(b)
              assert(step())
              local f <close> = io.open(path, "wb")
              f:write(text:sub(1, 70))
              f:flush()
              local ok, e
              repeat ok, e = pcall(step) until not ok or e == nil
              assert(not ok, "nothing was raised")
              eq(e.code, "SIGBUS"); eq(e.path, path)
              assert(tostring(e):find "it had 700 bytes when it was mapped and has 70 now", e)
              -- A walk that ends before the cut is whole.
              local k = 0
              for _ in b:lines { length = 70 } do k = k + 1 end
              eq(k, 10)
              -- A file that grew is, and another file at its path does not affect the mapping.
              f:write(text)
              f:flush()
              repeat ok, e = pcall(step) until not ok or e == nil
              assert(ok, e)
              f:close()
              os.remove(path)
              local g <close> = io.open(path, "wb")
              k = 0
              for _ in b:lines { length = 70 } do k = k + 1 end
              eq(k, 10)
              n = n + 1
            end
            eq(n, 8)
            """#)
    }

    @Test func piecesOfQuotedRows() {
        compare(
            #"""
            for _, o in ipairs { { csv = true }, { quote = "'", csv = true, sep = "a\n" }, { csv = true, escape = "\\" }, { csv = true, sep = "aa" } } do
              local quote = o.quote or '"'
              every("a" .. quote .. "\n" .. (o.escape or "") .. ";", o.escape and 5 or 6, function(s)
                local _, problem = rows_of(s, ";", o)
                if problem then return end
                local b = buffer(s, 3)
                local wanted = rows_of(s, ";", o)
                for n = 1, 4 do
                  local about = ("%q %d"):format(s, n)
                  local pieces = b:split(n, { csv = true, sep = o.sep, quote = o.quote, escape = o.escape })
                  eq(#pieces, n, about)
                  local whole, rows = {}, {}
                  for _, piece in ipairs(pieces) do
                    whole[#whole + 1] = piece:string()
                    for _, row in ipairs(rows_of(piece:string(), ";", o)) do rows[#rows + 1] = row end
                  end
                  eq(table.concat(whole), s, about)
                  eq(#rows, #wanted, about)
                  for i, row in ipairs(wanted) do eq(table.concat(rows[i], ";"), table.concat(row, ";"), about) end
                end
              end)
            end
            -- About equal, with rows of several lines.
            local s = ('"1234\n5678";x\n'):rep(10000)
            for _, piece in ipairs(buffer(s):split(7, { csv = true })) do
              eq(math.abs(#piece - #s / 7) < 15, true, #piece)
              eq(piece:string(0, 5), '"1234')
            end
            -- Without quotes, options are those of a separator.
            eq(#buffer("a|b|c|d"):split(2, { sep = "|" })[1], 4)
            """#)
    }

    @Test func rowMayHaveManyFields() {
        compare(
            """
            local fields = {}
            for i = 1, 1000 do fields[i] = "f" .. i end
            local s = table.concat(fields, ",") .. "\\n" .. table.concat(fields, ",", 1, 16) .. "\\n\\n"
            local rows = rows_by(buffer(s), ",")
            eq(#rows, 3); eq(#rows[1], 1000); eq(#rows[2], 16); eq(rows[1][1000], "f1000"); eq(rows[3][1], "")
            local types = {}
            for i = 1, 250 do types[i] = i % 3 == 0 and "skip" or "string" end
            eq(select("#", buffer(s):fields(",", types)()), 250 - 83)
            eq(select(167, buffer(s):fields(",", types)()), "f250")
            for i = 1, 4096 do fields[i], types[i] = "f" .. i, i == 4096 and "string?" or i % 2 == 0 and "u64?" or "string" end
            s = table.concat(fields, ",") .. "\\n" .. table.concat(fields, ",", 1, 4095) .. "\\n"
            local step = buffer(s):fields(",", types, { bad = "nil" })
            local row = table.pack(step())
            eq(row.n, 4096); eq(row[4096], "f4096"); eq(row[4095], "f4095"); eq(row[4094], nil)
            row = table.pack(step())
            eq(row.n, 4096); eq(row[4096], nil); eq(row[4095], "f4095")
            eq(select("#", buffer(s):fields(",")()), 4096)
            eq(select(4099, buffer(s):fields(",", nil, { position = true })()), "f4096")
            """)
        // More fields than Lua's stack holds: an error, and the row can still be read as a line.
        compare(
            """
            local b = mmap.anonymous(3 << 20)
            b:fill(44)
            fails("stack overflow", b:fields(","))
            eq(select("#", b:fields(",", { "string" })()), 1)
            """)
    }

    @Test func numbersAreThoseOfTonumber() {
        compare(
            """
            local function one(text)
              local wanted = tonumber(text)
              local about = ("%q"):format(text)
              for _, frame in ipairs { text .. ";x\\n", text .. "\\n", text, "y;" .. text .. ";x\\n", "y;" .. text } do
                local second = frame:sub(1, 2) == "y;"
                local types = second and { "skip", "number" } or { "number" }
                local rows, message = rows_by(buffer(frame, #frame % 9), ";", types)
                if wanted == nil then
                  if frame ~= "" then
                    eq((message or "none"):find("' is not a number", 1, true) ~= nil or frame:find("[%z\\n]") ~= nil, true, about)
                  end
                else
                  eq(message, nil, about); eq(#rows, 1, about)
                  eq(rows[1][1], wanted, about); eq(math.type(rows[1][1]), math.type(wanted), about)
                  eq(1 / rows[1][1], 1 / wanted, about)
                end
                -- A float in between would round this one.
                local whole = text == "9007199254740993.0" and 9007199254740993 or wanted and math.tointeger(wanted)
                types[#types] = "integer"
                rows, message = rows_by(buffer(frame), ";", types)
                if whole then eq(rows[1][1], whole, about) eq(math.type(rows[1][1]), "integer", about)
                elseif frame ~= "" then eq(rows[1], nil, about) end
              end
              if text:find '"' then return end
              local rows = rows_by(buffer('"' .. text .. '"'), ";", { "number" }, { csv = true })
              eq(rows[1] and rows[1][1], wanted, about)
            end
            every("-.1e+", 5, one)
            every("0x9 ", 4, one)
            for _, text in ipairs { "1e308", "1e309", "-1e-320", "5e-324", "0.1", "9007199254740993", "9007199254740993.0",
              "9223372036854775807", "9223372036854775808", "-9223372036854775808", "123456789012345678", "1234567890123456789",
              "0.30000000000000004", "2.2250738585072011e-308", "1e22", "1e23", "1.7976931348623157e308", "0x1p-3", "0xffffffffffffffff",
              "inf", "nan", "1e", "1e5000", "00000000000000000000000012", "0.00000000000000000000000001234",
              ("9"):rep(70), "1." .. ("3"):rep(70), (" "):rep(70) .. "7", "1_000", "1,5", "٣", "1\\0", "0b1", "1e+", "--1", "+1", "1 2" } do
              one(text)
            end
            """)
    }

    @Test func randomNumbersAreRoundedOnce() {
        compare(
            """
            math.randomseed(7)
            local texts, wanted = {}, {}
            for i = 1, 60000 do
              local k, text = i % 6, nil
              if k == 0 then text = ("%d"):format(math.random(0))
              elseif k == 1 then text = ("%.17g"):format(string.unpack("d", string.pack("j", math.random(0))))
              elseif k == 2 then text = ("%." .. math.random(0, 6) .. "f"):format((math.random() - 0.5) * 10 ^ math.random(0, 6))
              elseif k == 3 then text = ("%." .. math.random(0, 17) .. "e"):format((math.random() - 0.5) * 10 ^ math.random(-30, 30))
              elseif k == 4 then text = ("%d.%d"):format(math.random(-999, 999), math.random(0, 99999999))
              else text = tostring(math.random(-99999999, 99999999)) end
              if not tonumber(text) then text = "0" end
              texts[i], wanted[i] = text, tonumber(text)
            end
            local i = 0
            for x in buffer(table.concat(texts, "\\n")):fields(";", { "number" }) do
              i = i + 1
              if x ~= wanted[i] or math.type(x) ~= math.type(wanted[i]) then error(texts[i] .. " became " .. x) end
            end
            eq(i, #texts)
            """)
    }

    @Test func headersAndBlankRows() {
        compare(
            """
            local s = "\\n\\r\\n\\"na\\nme\\",x\\n\\na,1\\n\\r\\n\\nb,2\\n\\n"
            local function all(options)
              options.bad = "nil"
              local out = {}
              local rows, message = rows_by(buffer(s), ",", { "string", "number?" }, options)
              for i, r in ipairs(rows) do out[i] = r[1] .. "=" .. tostring(r[2]) end
              return table.concat(out, " ") .. (message or "")
            end
            eq(all { csv = true }, "=nil =nil na\\nme=nil =nil a=1 =nil =nil b=2 =nil")
            eq(all { csv = true, skipblank = true }, "na\\nme=nil a=1 b=2")
            eq(all { csv = true, skipblank = true, header = true }, "a=1 b=2")
            eq(all { csv = true, header = true }, "=nil na\\nme=nil =nil a=1 =nil =nil b=2 =nil")
            eq(all { skipblank = true, header = true }, 'me"=nil a=1 b=2')
            eq(#rows_by(buffer("\\n\\n\\n"), ",", nil, { skipblank = true }), 0)
            eq(#rows_by(buffer("h"), ",", nil, { header = true }), 0)
            eq(#rows_by(buffer(""), ",", nil, { header = true }), 0)
            """)
    }

    @Test func badRowIsNamedAndSkipped() {
        compare(
            """
            local step = buffer("h\\na;1\\nb;x;3\\nc;3\\nd\\ne;5"):fields(";", { "string", "integer" }, { header = true })
            eq(select(2, step()), 1)
            fails("row 1, line 3, offset 6, field 2: 'x' is not an integer", step)
            eq(select(2, step()), 3)
            fails("row 3, line 5, offset 16: there is no field 2", step)
            eq(step(), "e"); eq(step(), nil)
            local quoted = buffer('"a"b;c\\n"d";e\\n"f'):fields(";", nil, { csv = true })
            fails("row 0, line 1, offset 0, field 1: the closing quote is not at the field's end", quoted)
            eq(quoted(), "d")
            fails("row 2, line 3, offset 13, field 1: the quote is not closed", quoted)
            eq(quoted(), nil)
            fails("row 0, line 1, offset 0, field 1: '" .. ("z"):rep(40) .. "%.%.%.' is not a number", buffer(("z"):rep(50)):fields(";", { "number" }))
            """)
    }

    @Test func everySmallTextIsSplit() {
        compare(
            """
            for _, sep in ipairs { "\\n", "ab", "aa" } do
              every("ab\\n", 6, function(s)
                local b = buffer(s)
                for n = 1, 5 do
                  local about = ("%q %d"):format(s, n)
                  local whole, lines = {}, {}
                  local pieces = b:split(n, sep ~= "\\n" and sep or nil)
                  eq(#pieces, n, about)
                  for _, piece in ipairs(pieces) do
                    local text = piece:string()
                    whole[#whole + 1] = text
                    for line in piece:lines { sep = sep, keep = true } do lines[#lines + 1] = line .. "|" end
                  end
                  eq(table.concat(whole), s, about)
                  local wanted = {}
                  for line in b:lines { sep = sep, keep = true } do wanted[#wanted + 1] = line .. "|" end
                  eq(table.concat(lines), table.concat(wanted), about)
                end
              end)
            end
            -- About equal.
            local pieces = buffer(("12345678\\n"):rep(1000)):split(7)
            for _, piece in ipairs(pieces) do eq(math.abs(#piece - 9000 / 7) < 10, true, #piece) end
            """)
    }

    @Test func misuseIsNamed() {
        compare(
            """
            local b = buffer("a;b\\n")
            fails("offset 5 is out of range %(0 to 4%)", b.lines, b, { offset = 5 })
            fails("length 4 is out of range %(0 to 3 at offset 1%)", b.lines, b, { offset = 1, length = 4 })
            fails("offset %-1 is out of range", b.fields, b, ";", nil, { offset = -1 })
            fails("length %-1 is out of range", b.lines, b, { length = -1 })
            fails("option 'sep': string expected, got number", b.lines, b, { sep = 1 })
            fails("option 'sep': 0 bytes are out of range %(1 to 16%)", b.lines, b, { sep = "" })
            fails("option 'sep': 17 bytes are out of range", b.lines, b, { sep = ("x"):rep(17) })
            fails("option 'separator' is not known", b.lines, b, { separator = "x" })
            fails("option 'keep': boolean expected", b.lines, b, { keep = 1 })
            fails("bad argument #2.*table expected", b.lines, b, 1)
            fails("mmap.buffer expected", b.lines, {})
            fails("mmap.buffer expected", b.fields, io.stdout, ";")
            fails("separator: string expected, got no value", b.fields, b)
            fails("separator: string expected, got number", b.fields, b, 1)
            fails("separator: 0 bytes", b.fields, b, "")
            fails("fields and lines have the same separator", b.fields, b, "\\n")
            fails("fields and lines have the same separator", b.fields, b, ";", nil, { sep = ";" })
            fails("a separator must not contain a quote", b.fields, b, '"', nil, { csv = true })
            fails("a separator must not contain a quote", b.fields, b, "|'", nil, { quote = "'" })
            fails("a separator must not contain a quote", b.fields, b, ";", nil, { csv = true, sep = '\\n"' })
            fails("option 'escape': a separator contains it", b.fields, b, ";", nil, { escape = ";" })
            fails("options 'quote' and 'escape' need csv = true", b.fields, b, ";", nil, { csv = false, quote = "'" })
            fails("option 'quote': one byte expected, got 2", b.fields, b, ";", nil, { quote = "''" })
            fails("option 'escape': one byte expected, got 0", b.fields, b, ";", nil, { escape = "" })
            fails("option 'decimal': string expected, got boolean", b.fields, b, ";", nil, { decimal = true })
            fails("option 'decimal': numbers contain this byte already", b.fields, b, ";", nil, { decimal = "1" })
            fails("option 'decimal': numbers contain this byte already", b.fields, b, ";", nil, { decimal = "-" })
            fails("option 'decimal': a separator starts with it", b.fields, b, ",", nil, { decimal = "," })
            fails("option 'lazyquotes' needs csv = true", b.fields, b, ";", nil, { lazyquotes = true })
            fails("options 'merge' and 'csv' exclude each other", b.fields, b, ";", nil, { csv = true, merge = true })
            fails("option 'null': table expected, got string", b.fields, b, ";", nil, { null = "NA" })
            fails("option 'null': element 2: string expected, got number", b.fields, b, ";", nil, { null = { "", 7 } })
            fails("option 'bad': 'nil' expected, got skip", b.fields, b, ";", nil, { bad = "skip" })
            fails("option 'bad': 'nil' expected, got nil", b.fields, b, ";", nil, { bad = "nil\\0" })
            fails("option 'comment': 17 bytes are out of range", b.fields, b, ";", nil, { comment = ("#"):rep(17) })
            fails("option 'position': boolean expected", b.fields, b, ";", nil, { position = 1 })
            fails("option 'reverse': the separator overlaps itself", b.lines, b, { reverse = true, sep = "aba" })
            fails("separator: 17 bytes", b.split, b, 2, ("x"):rep(17))
            fails("option 'sep': 17 bytes", b.split, b, 2, { sep = ("x"):rep(17) })
            fails("option 'lines' is not known", b.split, b, 2, { lines = true })
            fails("a separator must not contain a quote or an escape", b.split, b, 2, { csv = true, sep = '"' })
            fails("table expected", b.fields, b, ";", "string")
            fails("1 to 4096 types expected", b.fields, b, ";", {})
            fails("type 2: 'string', 'number', 'integer', 'u64' or 'skip' expected, got float; did you mean 'number'?", b.fields, b, ";", { "string", "float" })
            fails("type 1: .* got 1", b.fields, b, ";", { 1 })
            fails("every field is skipped", b.fields, b, ";", { "skip", "skip" })
            fails("type 2: the first result ends the loop", b.fields, b, ";", { "skip", "number?" })
            fails("type 1: .* got skip?", b.fields, b, ";", { "skip?" })
            fails("0 pieces are out of range %(1 to 1000000%)", b.split, b, 0)
            fails("1000001 pieces", b.split, b, 1000001)
            fails("integer expected", b.split, b, "2")
            fails("no integer representation", b.split, b, 1.5)
            fails("separator: 17 bytes", b.split, b, 2, ("x"):rep(17))
            eq(#b:split(2.0), 2)
            """)
    }

    @Test func zeroByteAfterNumberIsNotPartOfIt() {
        compare(
            """
            for _, csv in ipairs { false, true } do
              local b = buffer "a;1\\0;7\\nb;2;8\\nc;\\0;9\\n"
              local rows = {}
              for name, x, y in b:fields(";", { "string", "integer?", "number" }, { csv = csv, bad = "nil" }) do
                rows[#rows + 1] = ("%s %s %s"):format(name, x, y)
              end
              eq(table.concat(rows, "|"), "a nil 7|b 2 8|c nil 9")
              eq(select("#", b:fields(";", { "string", "integer?", "number" }, { csv = csv, bad = "nil" })()), 3)
              local step = b:fields(";", { "string", "integer", "number" }, { csv = csv })
              fails("row 0, line 1, offset 0, field 2: '1.-' is not an integer", step); eq(step(), "b")
              fails("row 2, line 3, offset 13, field 2", step)
            end
            fails("starts with the separator of fields", buffer("a;b;\\n").fields, buffer "a;b;\\n", ";", nil, { sep = ";\\n" })
            eq(buffer("a;b;\\n"):fields(";\\n", nil, { sep = ";" })(), "a")
            """)
    }

    @Test func bufferMayCloseBetweenSteps() {
        check(
            """
            local path = scratch(("line;1\\n"):rep(10000))
            for _, make in ipairs { function(b) return b:lines() end, function(b) return b:lines { ranges = true } end,
              function(b) return b:lines { find = "1" } end,
              function(b) return b:fields(";") end, function(b) return b:fields(";", { "string", "integer" }) end } do
              local b = mmap.open(path, "r+")
              local step = make(b)
              assert(step())
              b:resize(100000) -- longer: the iteration ends where it was to end
              assert(step())
              b:resize(8000)
              fails("this iteration ends at byte 70000 and its buffer now has 8000 bytes", step)
              b:resize(70000)
              assert(step())
              b:protect(mmap.PROT_NONE)
              fails("does not allow reading", step)
              b:protect(mmap.PROT_READ)
              assert(step())
              b:close()
              fails("closed buffer", step)
              fails("closed buffer", step)
              local f <close> = io.open(path, "wb")
              f:write(("line;1\\n"):rep(10000))
            end
            """)
    }

    @Test func truncatedFileIsAnErrorAtFirstAccess() {
        check(
            """
            local n = 0
            for _, make in ipairs { function(b) return b:lines() end, function(b) return b:lines { ranges = true } end,
              function(b) return b:lines { find = "1", ranges = true } end,
              function(b) return b:fields(";") end, function(b) return b:fields(";", { "string", "integer" }) end,
              function(b) return b:fields(";", nil, { csv = true }) end, function(b) return function() return b:split(4) end end } do
              local path = scratch((("x"):rep(60) .. ";1\\n"):rep(1000))
              local b = mmap.open(path, "r")
              local step = make(b)
              assert(step())
              io.open(path, "wb"):close()
              -- The row itself may lie in what was read before; its page is gone all the same.
              local ok, e = pcall(step)
              assert(not ok, "nothing was raised")
              eq(e.code, "SIGBUS"); eq(e.path, path)
              n = n + 1
            end
            eq(n, 7)
            """)
    }

    /// A finalizer may run inside any step.
    @Test func finalizerMayCloseOrMoveBuffer() {
        check(
            """
            local path = scratch(("some text ;12;\\"a\\"\\"b\\";" .. ("long "):rep(20) .. "\\n"):rep(3000))
            local size = #contents(path)
            for kind = 1, 3 do
              for _, act in ipairs { "close", "resize", "protect" } do
                local b = mmap.open(path, "r+")
                local step = kind == 1 and b:lines() or kind == 2 and b:fields(";") or b:fields(";", nil, { csv = true })
                local acted = false
                setmetatable({}, { __gc = function()
                  acted = true
                  if act == "close" then b:close()
                  elseif act == "resize" then b:resize(size + 100000)
                  else b:protect(mmap.PROT_NONE) end
                end })
                local ok, message = pcall(function()
                  for i = 1, 3000 do
                    local first, second = step()
                    if kind == 1 then eq(first:sub(1, 14), "some text ;12;") else eq(first, "some text ") eq(second, "12") end
                  end
                end)
                if not acted then collectgarbage() end
                if ok then ok, message = pcall(step) end
                if act == "close" then assert(tostring(message):find "closed buffer", message)
                elseif act == "protect" then assert(tostring(message):find "reading", message)
                else assert(ok, message) end
                b:close()
                local f <close> = io.open(path, "r+b")
              end
            end
            """)
    }

    @Test func foreignStatesAreRefused() {
        check(
            """
            local b = mmap.anonymous(100)
            local lines, fields = b:lines(), b:fields(";")
            local _, own = debug.getupvalue(lines, 1)
            local _, other = debug.getupvalue(fields, 1)
            eq(type(own), "userdata")
            for _, step in ipairs { lines, fields } do
              for _, value in ipairs { b, io.stdout, 1, "x", step == lines and other or own, {}, print } do
                debug.setupvalue(step, 1, value)
                fails("the state does not belong to this iterator", step)
              end
            end
            debug.setupvalue(fields, 1, other)
            -- The strings that are kept may be exchanged for anything: they are compared.
            for i = 2, 2049 do debug.setuservalue(other, i % 3 == 0 and "x" or i % 3 == 1 and 7 or {}, i) end
            eq(fields(), ("\\0"):rep(100))
            -- Without its buffer the iterator has nothing left to read.
            fields = b:fields(";", nil, { sep = "\0" })
            eq(fields(), "")
            _, other = debug.getupvalue(fields, 1)
            debug.setuservalue(other, nil, 1)
            b, own, lines = nil, nil, nil
            collectgarbage()
            fails("closed buffer", fields)
            """)
    }

    @Test func iteratorKeepsMapping() {
        check(
            """
            local path = scratch("a\\nb\\n")
            local step, fields = mmap.open(path):lines(), mmap.open(path):slice(2):fields(";")
            collectgarbage() collectgarbage()
            eq(step(), "a"); eq(fields(), "b"); eq(step(), "b"); eq(step(), nil); eq(fields(), nil)
            """)
    }
}
