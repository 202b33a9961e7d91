import Testing

/// Lines, fields, and pieces of texts, against a model that reads a string byte by byte.
@Suite struct TextTests {
    /// Buffers made from strings, and the models.
    static let models = #"""
        -- A buffer of a string, with other bytes in front of it and behind it.
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

        -- Rows as lists of strings, and the message where one is malformed.
        function rows_of(s, sep, quoted, line)
          local rows, p = {}, 1
          local function border()
            if p > #s then return "end" end
            if at(s, p, sep) then p = p + #sep return "field" end
            if line then
              if at(s, p, line) then p = p + #line return "row" end
            elseif at(s, p, "\n") then p = p + 1 return "row"
            elseif at(s, p, "\r\n") then p = p + 2 return "row" end
          end
          while p <= #s do
            local row = {}
            repeat
              local text, what = {}, nil
              if quoted and at(s, p, '"') then
                p = p + 1
                while true do
                  if p > #s then return rows, ("row %d, field %d: the quote is not closed"):format(#rows + 1, #row + 1) end
                  if at(s, p, '""') then text[#text + 1] = '"' p = p + 2
                  elseif at(s, p, '"') then p = p + 1 break
                  else text[#text + 1] = sub(s, p, p) p = p + 1 end
                end
                what = border()
                if not what then return rows, ("row %d, field %d: the closing quote is not"):format(#rows + 1, #row + 1) end
              else
                what = border()
                while not what do
                  text[#text + 1] = sub(s, p, p)
                  p = p + 1
                  what = border()
                end
              end
              row[#row + 1] = table.concat(text)
            until what ~= "field"
            rows[#rows + 1] = row
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
              local wanted, problem = rows_of(s, ";", quoted)
              local b = buffer(s)
              local rows, message = rows_by(b, ";", nil, { csv = quoted })
              same(rows, message, wanted, problem, about)
              -- The same with a type: the first field of each row.
              if not problem then
                local types = rows_by(b, ";", { "string", "string?" }, { csv = quoted })
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
              local wanted, problem = rows_of(s, sep, quoted, line or nil)
              local rows, message = rows_by(buffer(s, seed % 7), sep, nil, { csv = quoted, sep = line or nil })
              same(rows, message, wanted, problem, seed)
            end
            """)
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
                local whole = wanted and math.tointeger(wanted)
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
            fails("row 3, field 2: 'x' is not an integer", step)
            eq(select(2, step()), 3)
            fails("row 5 has no field 2", step)
            eq(step(), "e"); eq(step(), nil)
            local quoted = buffer('"a"b;c\\n"d";e\\n"f'):fields(";", nil, { csv = true })
            fails("row 1, field 1: the closing quote is not at the field's end", quoted)
            eq(quoted(), "d")
            fails("row 3, field 1: the quote is not closed", quoted)
            eq(quoted(), nil)
            fails("row 1, field 1: '" .. ("z"):rep(40) .. "%.%.%.' is not a number", buffer(("z"):rep(50)):fields(";", { "number" }))
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
            fails("the fields' separator is the lines' too", b.fields, b, "\\n")
            fails("the fields' separator is the lines' too", b.fields, b, ";", nil, { sep = ";" })
            fails("begins with a quote", b.fields, b, '"', nil, { csv = true })
            fails("table expected", b.fields, b, ";", "string")
            fails("1 to 250 types expected", b.fields, b, ";", {})
            fails("type 2: 'string', 'number', 'integer' or 'skip' expected, got float", b.fields, b, ";", { "string", "float" })
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
              for name, x, y in b:fields(";", { "string", "integer?", "number" }, { csv = csv }) do
                rows[#rows + 1] = ("%s %s %s"):format(name, x, y)
              end
              eq(table.concat(rows, "|"), "a nil 7|b 2 8|c nil 9")
              eq(select("#", b:fields(";", { "string", "integer?", "number" }, { csv = csv })()), 3)
              local step = b:fields(";", { "string", "integer", "number" }, { csv = csv })
              fails("row 1, field 2: '1.-' is not an integer", step); eq(step(), "b"); fails("row 3, field 2", step)
            end
            fails("begins with the fields' separator", buffer("a;b;\\n").fields, buffer "a;b;\\n", ";", nil, { sep = ";\\n" })
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
                fails("this iterator's state is not its own", step)
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
