-- misuse.lua: every function with every wrong value for every argument, from the rows of methods.lua.
local fixture <const> = new_fixture()
local page <const> = mmap.PAGESIZE
local suite = {}

-- Calls with typed arguments. Those that start processes need a program that can: HAS_PROCESSES.
local typed = {}
for _, row in ipairs(methods.rows) do
  for _, call in ipairs((HAS_PROCESSES or not row.process) and row.calls or {}) do
    if call.types then typed[#typed + 1] = { row = row, arguments = call.arguments, types = call.types } end
  end
end

-- A function that calls the row's function by name with `count` arguments, so that messages contain the name.
local function caller(row, count)
  local names = {}
  for i = 1, count do names[i] = "a" .. i end
  local list = table.concat(names, ", ")
  local method = row.method:match "[^.]+$"
  local make = load(("local functions = ... return function(%s) return functions.%s(%s) end"):format(list, method, list), "=misuse")
  return make { [method] = row.find(fixture) }
end

-- Valid arguments, one for each place; `place` gets `value` instead.
local function arguments(entry, place, value)
  local list = table.pack(entry.arguments(fixture))
  list.n = math.max(list.n, #entry.types)
  if place then list[place] = value end
  return list
end

function suite.everyFunctionHasARow()
  local all = methods.interface(fixture.record())
  for key in pairs(all) do assert(methods.row(key), key .. " has no row") end
  for _, row in ipairs(methods.rows) do
    assert(all[row.name], row.name .. " has a row, and is no function")
    local has_types = false
    for i, call in ipairs(row.calls) do
      has_types = has_types or call.types ~= nil
      if HAS_PROCESSES or not row.process then
        local ok, message = pcall(row.call, fixture, i)
        local good = ok
        if row.fails then good = not ok and tostring(message):find(row.fails) end
        assert(good, ("%s, call %d: %s"):format(row.name, i, tostring(message)))
      end
    end
    -- For metamethods, see everyMethodRefusesForeignObjects and indexesAreCheckedOnBothSides.
    assert(has_types ~= (row.method:find "^__" ~= nil), row.name .. ": its places have no types")
  end
end

-- Calls methods and metamethods of every class with wrong objects: none, Lua values, and objects of all other classes.
function suite.everyMethodRefusesForeignObjects()
  local strangers = { file = fixture.file(), number = 5, string = "abc", table = {}, boolean = false, thread = coroutine.create(print),
    ["function"] = print }
  for class in ("buffer view records record struct regex pages atomic lock watch"):gmatch "%a+" do strangers[class] = fixture[class]() end
  strangers["mmap.table"] = fixture.table()
  if HAS_PROCESSES then strangers.child = fixture.child() end
  local calls = 0
  for key, places in pairs(methods.interface(strangers.record)) do
    local class = key:match "^%a+"
    local own = class == "table" and "mmap.table" or class
    -- Exceptions: a field of a layout is found by its name alone; an error is a table; the object of b:watch has no
    -- method that a script calls; __pairs is one function for all classes but records.
    if class ~= "mmap" and class ~= "module" and class ~= "error" and class ~= "watch" and key ~= "struct.__index" and not key:find "%.__pairs$" then
      for _, place in ipairs(places) do
        local method = place[1][place[2]]
        fails("expected", method)
        fails("expected", method, nil, 1, 2)
        for kind, stranger in pairs(strangers) do
          if kind ~= own then
            local ok, e = pcall(method, stranger, 1, 2)
            assert(not ok and tostring(e):find "expected", ("%s of a %s: %s"):format(key, kind, tostring(e)))
            calls = calls + 1
          end
        end
      end
    end
  end
  assert(calls > 1000, calls)
end

function suite.everyWrongTypeIsNamedWithItsArgument()
  local wrong = {
    integer = { 15 }, string = { "3", "", "normal\0" }, boolean = { true, false }, table = { {} }, file = { fixture.file() },
    ["nil"] = { n = 1 }, ["function"] = { tostring }, thread = { coroutine.create(print) }, strange = { setmetatable({}, { __index = mmap }) },
  }
  for class in ("buffer view records record struct regex pages atomic lock"):gmatch "%a+" do wrong[class] = { fixture[class]() } end
  wrong["mmap.table"] = { fixture.table() }
  if HAS_PROCESSES then wrong.child = { fixture.child() } end
  local calls = 0
  for _, entry in ipairs(typed) do
    local name, short = entry.row.name, entry.row.method:match "[^.]+$"
    local call = caller(entry.row, #entry.types)
    for place, allowed in ipairs(entry.types) do
      for kind, values in pairs(wrong) do
        local accepts = allowed.any or allowed[kind] or kind == "integer" and allowed.number or kind == "strange" and allowed.table
        -- A string would be a valid name, and the call would make a file or shared memory of that name.
        local makes = accepts and kind == "string" and (short == "sparse" or short == "shared" or short == "writefile" or name == "table.write")
        for i = 1, makes and 0 or values.n or #values do
          local a = arguments(entry)
          a[place] = values[i]
          local shown = type(values[i])
          if shown == "userdata" then shown = debug.getmetatable(values[i]).__name end
          local ok, message = pcall(call, table.unpack(a, 1, a.n))
          local where = ("%s, argument %d, %s: %s"):format(name, place, shown, tostring(message))
          -- An accepted type must not be refused as a type. (For pack it depends on the format whether a string is a
          -- number.)
          if accepts then
            if short == "pack" and kind == "string" then goto continue end
            assert(ok or not tostring(message):find(("#%d to '%s' %%(.*expected, got %s"):format(place, short, shown)), where)
            goto continue
          end
          assert(not ok, where)
          assert(type(message) == "string", where)
          local number, called, text = message:match("^misuse:1: bad argument #(%d+) to '([%w_.]+)' %((.*)%)$")
          assert(number, where)
          eq(tonumber(number), place, where)
          eq(called, short, where)
          assert(text:find(" expected, got " .. shown, 1, true)
            or text:find("expected, got no value", 1, true) and shown == "nil"
              or text:find("offset expected: the arguments are", 1, true) and short == "advise", where)
          calls = calls + 1
          ::continue::
        end
      end
    end
  end
  assert(calls > 500, calls)
end

-- Under pcall Lua does not know the function's name: the message contains the library's own name.
function suite.everyErrorUnderPcallNamesTheFunction()
  local names = {}
  for _, row in ipairs(methods.rows) do
    local place = row.class == "mmap" and "mmap." .. row.method or row.class .. ":" .. row.method
    names[place] = true
  end
  local calls, seen = 0, {}
  for _, entry in ipairs(typed) do
    local f = entry.row.find(fixture)
    for place, allowed in ipairs(entry.types) do
      if not allowed.any then
        -- No function accepts a thread.
        local ok, message = pcall(f, table.unpack(arguments(entry, place, coroutine.create(print)), 1, math.max(#entry.types, place)))
        local where = ("%s, argument %d: %s"):format(entry.row.name, place, tostring(message))
        assert(not ok, where)
        local number, name = tostring(message):match "^bad argument #(%d+) to '([%w.:]+)' %("
        assert(name and names[name], where)
        eq(tonumber(number), place, where)
        -- A function that is also a method has the module's name; a method with two names has the first.
        local own = entry.row.class == "mmap" and name == "mmap." .. entry.row.method or name == entry.row.class .. ":" .. entry.row.method
        local other = name:match "[^.:]+$"
        assert(own or f == mmap[other] or f == debug.getmetatable(arguments(entry)[1]).__methods[other], where)
        calls = calls + 1
        seen[entry.row.name] = true
      end
    end
  end
  assert(calls > 200, calls)
  -- Functions without arguments refuse a wrong object.
  for _, row in ipairs(methods.rows) do
    local is_function = not row.method:find "^__" and row.class ~= "mmap"
    if is_function and (HAS_PROCESSES or not row.process) then
      local ok, message = pcall(row.find(fixture), 5)
      assert(not ok and tostring(message):find("^bad argument #1 to '%w+[:.]" ), row.name .. ": " .. tostring(message))
    end
  end
end

-- An extra argument of any type but nil is an error that names it.
function suite.extraArgumentsAreRefused()
  local open = { ["buffer.pack"] = true, ["view.set"] = true, ["buffer.watch"] = true, ["mmap.faults"] = true, ["mmap.spawn"] = true,
    ["view.stats"] = true, ["regex.find"] = true, ["regex.match"] = true, ["regex.gmatch"] = true, ["regex.gfind"] = true,
    ["table.with"] = true, ["table.select"] = true, ["table.distinct"] = true, ["mmap.parallel"] = true }
  local most = {}
  for _, entry in ipairs(typed) do
    local name = entry.row.name
    most[name] = math.max(most[name] or 0, #entry.types)
  end
  local calls = 0
  for _, entry in ipairs(typed) do
    local name = entry.row.name
    if not open[name] and #entry.types == most[name] then
      local call = entry.row.find(fixture)
      for _, more in ipairs { 0, "wrap", true, {}, print, 1.5, fixture.buffer() } do
        for _, gap in ipairs { 0, 2 } do
          local a = arguments(entry)
          a[a.n + gap + 1] = more
          local ok, message = pcall(call, table.unpack(a, 1, a.n + gap + 1))
          local where = ("%s with %d arguments more, the last a %s: %s"):format(name, gap + 1, type(more), tostring(message))
          assert(not ok, where)
          assert(tostring(message):find("^bad argument #" .. a.n + gap + 1 .. " to '[%w.:]+' %(too many arguments%)"), where)
          calls = calls + 1
        end
      end
      -- Extra nils are accepted.
      local a = arguments(entry)
      local ok, message = pcall(call, table.unpack(a, 1, a.n + 3))
      assert(ok or entry.row.fails or not tostring(message):find("too many arguments", 1, true), name .. " with nils: " .. tostring(message))
    end
  end
  assert(calls > 1500, calls)
end

-- A zero byte ends a C string: no word, name, or path may be accepted for its part before a zero byte.
function suite.everyZeroByteCounts()
  local calls = 0
  for _, entry in ipairs(typed) do
    local call = entry.row.find(fixture)
    local valid = arguments(entry)
    for place, allowed in ipairs(entry.types) do
      if allowed.string and not allowed.bytes and type(valid[place]) == "string" then
        for _, text in ipairs { valid[place] .. "\0", valid[place] .. "\0x", "\0" .. valid[place] } do
          local a = arguments(entry)
          a[place] = text
          local ok, message = pcall(call, table.unpack(a, 1, a.n))
          local where = ("%s, argument %d is %q: %s"):format(entry.row.name, place, text, tostring(message))
          assert(not ok, where)
          assert(type(message) == "string" and (message:find("bad argument #" .. place, 1, true) or message:find("\\x00", 1, true)), where)
          calls = calls + 1
        end
      end
    end
  end
  assert(calls > 40, calls)
  -- Words in tables.
  local b, path = mmap.anonymous(100), scratch "abc"
  local words = {
    { "not known", mmap.open, path, "r", { ["offset\0"] = 1 } }, { "not known", mmap.open, path, "r", { advice = "random\0" } },
    { "not a type", mmap.struct, { { "a", "u8\0" } } }, { "not a type", mmap.struct, { { "a", "char[3]\0" } } },
    { "not known", mmap.struct, { { "a", "u8" }, ["align\0"] = true } }, { "not known", mmap.struct, { { "a", "u8", ["offset\0x"] = 1 } } },
    { "expected", b.fields, b, ";", { "number\0" } }, { "not known", b.lines, b, { ["keep\0"] = true } },
    { "not known", b.show, b, { ["width\0"] = 20 } }, { "flag", mmap.regex, "a", "i\0" },
  }
  for _, case in ipairs(words) do fails(case[1], table.unpack(case, 2)) end
end

-- A missing argument is not called nil.
function suite.missingArgumentsAreNamed()
  local missing = 0
  for _, entry in ipairs(typed) do
    local call = entry.row.find(fixture)
    for given = 0, #entry.types - 1 do
      local ok, message = pcall(call, table.unpack(arguments(entry), 1, given))
      if not ok and type(message) == "string" and message:find("expected, got", 1, true) then
        eq(message:find("got nil", 1, true), nil, entry.row.name .. " with " .. given .. ": " .. message)
        missing = missing + 1
      end
    end
  end
  assert(missing > 20, missing)
end

-- Numbers: fractions, NaN and infinity, integral floats, and the limits of integers.
function suite.everyNumberIsInRangeOrRefused()
  local odd = { 1.5, -0.5, 0/0, 1/0, -1/0, 2^63, 2^64, 1e300, -1e300 }
  -- Their errors about sizes are about the mapping, or about what is there, without an argument number.
  local plain = { ["buffer.resize"] = true, ["mmap.sparse"] = true, ["mmap.json.decode"] = true }
  local whole = { 0.0, 1.0, -1.0, -2^63, math.mininteger, math.mininteger + 1, -1, 0, 1, page,
    math.maxinteger, math.maxinteger - 1, math.maxinteger - 4095, 1 << 62, 1 << 32, 1 << 31 }
  for _, entry in ipairs(typed) do
    local name = entry.row.name
    local call = caller(entry.row, #entry.types)
    for place, allowed in ipairs(entry.types) do
      if allowed.integer then
        local only = next(allowed) == "integer" and next(allowed, "integer") == nil
        for _, value in ipairs(odd) do
          local a = arguments(entry)
          a[place] = value
          local ok, message = pcall(call, table.unpack(a, 1, a.n))
          local where = ("%s, argument %d = %s: %s"):format(name, place, value, tostring(message))
          -- 2^63 is not a Lua integer, but fits an unsigned integer of 64 bits.
          local fits = value == 2^63 and place == 2 and name:find("writeBigU[iI]nt64")
          if fits then assert(ok, where); ok, message = pcall(call, a[1], 0.5) end
          assert(not ok and tostring(message):find("integer representation") or
            tostring(message):find("file or integer descriptor") or
            only and tostring(message):find("out of range for [ui]%d+ "), where)
          assert(tostring(message):find("^misuse:1: bad argument #" .. place), where)
        end
        for _, value in ipairs(whole) do
          -- These sizes would be allocated.
          if entry.row.allocates and (value == 1 << 31 or value == 1 << 32) then goto continue end
          local a = arguments(entry)
          a[place] = value
          local ok, message = pcall(call, table.unpack(a, 1, a.n))
          if not ok then
            local where = ("%s, argument %d = %s: %s"):format(name, place, value, tostring(message))
            assert(tostring(message):find("^misuse:1: "), where)
            if type(message) == "string" and not plain[name] then
              local number = tonumber(message:match("bad argument #(%d+)"))
              assert(number and number >= place and number <= place + 1, where)
            elseif type(message) ~= "string" then
              assert(message.code:find("^E%u+$") and #message.message > 0, where)
            end
          end
          ::continue::
        end
      end
    end
  end
end

-- Every offset, index, length, and count of every function that has one, against the manual's rule.
function suite.everyRangeFollowsTheRule()
  local n = 7
  local anonymous, named = mmap.anonymous(100), mmap.memfd("m", 100)
  local b, m = anonymous:slice(20, n), named:slice(20, n)
  local layout = mmap.struct { { "id", "u8" }, { "pad", "u8", n } }
  local v = b:view("u8")
  local r, array = anonymous:records(layout, 0, n), anonymous:records(layout)[0].pad
  local p = mmap.anonymous(n * mmap.PAGESIZE):pages()
  local regex, path = mmap.regex "z", scratch(("x"):rep(n))
  local edges = { math.mininteger, math.mininteger + n, -n, -1, 0, 1, n - 1, n, n + 1, math.maxinteger - n, math.maxinteger - 1, math.maxinteger }
  -- Ranges, by "class.name" and a remark: an offset and a count of bytes, elements, or pages; without a count, to the
  -- end.
  local ranges = {
    ["buffer.string"] = function(o, l) return b:string(o, l) end, ["buffer.fill"] = function(o, l) return b:fill(0, o, l) end,
    ["buffer.fill pattern"] = function(o, l) return b:fill("ab", o, l) end,
    ["buffer.find"] = function(o, l) return b:find("z", o, l) end, ["buffer.rfind"] = function(o, l) return b:rfind("z", o, l) end,
    ["buffer.count"] = function(o, l) return b:count("z", o, l) end, ["buffer.slice"] = function(o, l) return b:slice(o, l) end,
    ["buffer.hexdump"] = function(o, l) return b:hexdump(o, l) end, ["buffer.sync"] = function(o, l) return b:sync(o, l) end,
    ["buffer.advise"] = function(o, l) return b:advise(o, l, 0) end, ["buffer.incore"] = function(o, l) return b:incore(o, l) end,
    ["buffer.copy source"] = function(o, l) return mmap.anonymous(9):copy(0, b, o, l) end,
    ["buffer.lock"] = function(o, l) return b:lock(o, l) end, ["buffer.unlock"] = function(o, l) return b:unlock(o, l) end,
    ["buffer.crc32"] = function(o, l) return b:crc32(o, l) end, ["buffer.xxh3"] = function(o, l) return b:xxh3(o, l) end,
    ["buffer.sha256"] = function(o, l) return b:sha256(o, l) end, ["buffer.touch"] = function(o, l) return b:touch(o, l) end,
    ["buffer.populate"] = function(o, l) return b:populate(o, l) end, ["buffer.pages"] = function(o, l) return b:pages(o, l) end,
    ["buffer.pagemap"] = function(o, l) return b:pagemap(o, l) end, ["buffer.holes"] = function(o, l) return m:holes(o, l) end,
    ["buffer.cachestat"] = function(o, l) return m:cachestat(o, l) end,
    ["buffer.lockrange"] = function(o, l) m:lockrange(o, l, "shared", 0):unlock() end,
    ["buffer.lines"] = function(o, l) return b:lines { offset = o, length = l } end,
    ["buffer.fields"] = function(o, l) return b:fields(";", nil, { offset = o, length = l }) end,
    ["buffer.view"] = function(o, l) return b:view("u8", o, l) end,
    ["buffer.records"] = function(o, l) return b:records(mmap.struct { { "id", "u8" } }, o, l) end,
    ["mmap.advise"] = function(o, l) return mmap.advise(b, o, l, 0) end, ["mmap.sync"] = function(o, l) return mmap.sync(b, o, l) end,
    ["mmap.incore"] = function(o, l) return mmap.incore(b, o, l) end,
    ["mmap.json.decode"] = function(o, l)
      local ok, message = pcall(mmap.json.decode, b, o, l)
      if not ok and not message:find "^JSON: no value" then error(message, 0) end
    end,
    ["mmap.open"] = function(o, l) local c <close> = mmap.open(path, "r", { offset = o, length = l }) end,
    ["view.totable"] = function(o, l) return v:totable(o, l) end, ["view.slice"] = function(o, l) return v:slice(o, l) end,
    ["view.fill"] = function(o, l) return v:fill(0, o, l) end, ["view.get"] = function(o, l) return v:get(o, l or n - o) end,
    ["records.slice"] = function(o, l) return r:slice(o, l) end, ["pages.count"] = function(o, l) return p:count(o, l) end,
  }
  -- Positions of one element.
  local elements = {
    ["buffer.__index"] = function(o) return b[o] end, ["buffer.__newindex"] = function(o) b[o] = 0 end,
    ["buffer.get"] = function(o) return b:get("u8", o) end, ["buffer.set"] = function(o) return b:set("u8", o, 0) end,
    ["buffer.unpack"] = function(o) return b:unpack("B", o) end, ["buffer.pack"] = function(o) return b:pack("B", o, 0) end,
    ["buffer.atomic"] = function(o) return b:atomic("u8", o) end, ["buffer.copy"] = function(o) return b:copy(o, "x") end,
    ["view.__index"] = function(o) return v[o] end, ["view.__newindex"] = function(o) v[o] = 0 end,
    ["view.set"] = function(o) return v:set(o, 0) end, ["view.copy"] = function(o) return v:copy(o, { 0 }) end,
    ["view.get one"] = function(o) return v:get(o) end, ["view.__index array"] = function(o) return array[o] end,
    ["records.__index"] = function(o) return r[o] end, ["records.__newindex"] = function(o) r[o] = { id = 1 } end,
    ["records.column"] = function(o) return r:column("pad", o) end,
    ["pages.__index"] = function(o) return p[o] end,
  }
  -- Positions from which a function searches.
  local places = {
    ["buffer.match"] = function(o) return b:match("z", o) end, ["buffer.gmatch"] = function(o) return b:gmatch("z", o) end,
    ["buffer.unpack nothing"] = function(o) return b:unpack("", o) end, ["buffer.pack nothing"] = function(o) return b:pack("", o) end,
    ["buffer.copy nothing"] = function(o) return b:copy(o, "") end, ["view.copy nothing"] = function(o) return v:copy(o, {}) end,
    ["regex.find"] = function(o) return regex:find(b, o) end, ["regex.match"] = function(o) return regex:match(b, o) end,
    ["regex.gmatch"] = function(o) return regex:gmatch(b, o) end, ["regex.gfind"] = function(o) return regex:gfind(b, o) end, ["regex.count"] = function(o) return regex:count(b, o) end,
    ["view.find"] = function(o) return v:find("==", 9, o) end, ["pages.offset"] = function(o) return p:offset(o) end,
  }
  -- Accesses of several bytes: the size, and the call. Valid from 0 to n minus the size.
  local wide = {}
  for type, bytes in pairs { u8 = 1, i16le = 2, u32be = 4, f32 = 4, i64 = 8, f64be = 8 } do
    wide["buffer.get " .. type] = { bytes, function(o) return b:get(type, o) end }
    wide["buffer.set " .. type] = { bytes, function(o) b:set(type, o, 0) end }
  end
  for name, method in pairs(debug.getmetatable(b).__methods) do
    local bits = name:match "%d+"
    local bytes = bits and bits // 8 or name:find "Float" and 4 or name:find "Double" and 8 or 3
    local length = not bits and bytes == 3 and bytes or nil
    local key = "buffer." .. name
    if methods.row(key).accessor then
      wide[key] = { bytes, name:find "^read" and function(o) return method(b, o, length) end or function(o) return method(b, 0, o, length) end }
    end
  end
  local function judge(name, good, ok, message, ...)
    local where = ("%s(%s): %s"):format(name, table.concat({ ... }, ", "), tostring(message))
    assert(ok == good, where)
    assert(ok or type(message) == "string", where)
    return where
  end
  for name, call in pairs(ranges) do
    local lock = name == "buffer.lockrange"
    for _, o in ipairs(edges) do
      for i = 0, #edges do
        local l = edges[i]
        local good_offset = o >= 0 and o <= n
        local good = good_offset and (not l or l >= 0 and l <= n - o)
        -- A lock of length 0 would be a lock to the end of the file.
        local nothing = good and lock and (l or n - o) == 0
        local ok, message = pcall(call, o, l)
        local where = judge(name, good and not nothing, ok, message, o, l)
        local bytes = name:find "^buffer" and not name:find "view" and not name:find "records" or name:find "^mmap"
        -- The error is about the file.
        if name == "mmap.open" then assert(ok or message:find("out of range", 1, true), where)
        elseif nothing then assert(message:find("length 0 is out of range", 1, true), where)
        elseif not good_offset then
          assert(message:find(("%d is out of range (0 to %d)"):format(o, n), 1, true), where)
        elseif not good then
          assert(message:find(l .. ".* out of range %(0 to " .. n - o), where)
          assert(not bytes or message:find((" at offset %d)"):format(o), 1, true), where)
        end
      end
    end
  end
  for name, call in pairs(elements) do
    for _, o in ipairs(edges) do
      local ok, message = pcall(call, o)
      local where = judge(name, o >= 0 and o < n, ok, message, o)
      assert(ok or message:find(o .. " is out of range (0 to ", 1, true) or
        o == n and (message:find("do not fit at %a+ 7") or message:find("0 bytes are left at offset 7", 1, true)), where)
    end
  end
  for name, call in pairs(places) do
    for _, o in ipairs(edges) do
      local ok, message = pcall(call, o)
      local where = judge(name, o >= 0 and o <= n, ok, message, o)
      assert(ok or message:find(o .. " is out of range (0 to 7)", 1, true), where)
    end
  end
  for name, entry in pairs(wide) do
    for _, o in ipairs { n - 2, n - 3, n - 4, n - 8, table.unpack(edges) } do
      local ok, message = pcall(entry[2], o)
      local where = judge(name, o >= 0 and o <= n - entry[1], ok, message, o)
      assert(ok or message:find "out of range" or message:find "too short" or message:find "do not fit", where)
    end
  end
  -- Functions without a position in a buffer, a view, or a picture.
  local without = {}
  for key in ([[buffer.close buffer.compare buffer.equals buffer.evict buffer.explain buffer.info buffer.mismatch
    buffer.protect buffer.remap buffer.resize buffer.show buffer.smaps buffer.split buffer.unmap buffer.watch
    view.add view.argmax view.argmin view.close view.count view.div view.dot view.each view.histogram view.info
    view.lowerbound view.max view.mean view.min view.minmax view.mul view.sort view.sorted view.stats view.sub
    view.sum view.unique view.upperbound view.variance records.each records.info records.layout record.totable
    struct.fields struct.offset struct.totable regex.close pages.diff pages.ranges atomic.add
    atomic.compareexchange atomic.exchange atomic.load atomic.store atomic.wait atomic.wake lock.unlock child.kill
    child.pid child.running child.wait record.__index record.__newindex struct.__index module.__newindex mmap.advices mmap.anonymous
    mmap.evict mmap.faults mmap.json.encode mmap.map mmap.memfd mmap.progress mmap.regex mmap.shared mmap.sparse mmap.spawn
    mmap.struct mmap.threads mmap.unlink]]):gmatch "%S+" do without[key] = true end
  local covered = {}
  for _, calls in ipairs { ranges, elements, places, wide } do
    for name in pairs(calls) do covered[name:match "^%S+"] = true end
  end
  local all = methods.interface(anonymous:records(layout)[0])
  for key in pairs(all) do
    local is_plain = key:find "%.__" and not key:find "index$"
    assert((covered[key] or false) ~= (without[key] or is_plain), key .. " stands in exactly one list of ranges")
  end
end

function suite.optionsAreReadStrictly()
  local path = scratch("abc")
  local bad = {
    { { offset = "1" }, "option 'offset': integer expected, got string" },
    { { length = 1.5 }, "option 'length': integer expected, got a fraction" },
    { { grow = 1 }, "option 'grow': boolean expected, got number" },
    { { advice = "sideways" }, "advice 'sideways' is not known" },
    { { advice = {} }, "option 'advice': name or integer expected, got table" },
    { { ofset = 1 }, "option 'ofset' is not known" },
    { { ["size\0"] = 1 }, "is not known" },
    { { 7 }, "option '1' is not known" },
    { { [print] = 1 }, "is not known" },
    { { offset = -1 }, "offset %-1 is out of range" },
    { { length = math.maxinteger }, "length 9223372036854775807 is out of range" },
  }
  for _, case in ipairs(bad) do fails(case[2], mmap.open, path, "r+", case[1]) end
  -- No metamethod of the options table is called.
  local trap = setmetatable({}, { __index = error, __pairs = error, __len = error })
  eq(#mmap.open(path, "r", trap), 3)
  for _, mode in ipairs { "", "w", "rw", "r+b", "r\0", "R", "c+" } do
    fails("is not one of 'r', 'r%+', 'c' and 'w%+'", mmap.open, path, mode)
  end
  fails("zero byte", mmap.open, path .. "\0.txt")
end

function suite.indexesAreCheckedOnBothSides()
  local b = mmap.anonymous(5)
  for _, key in ipairs { -1, 5, math.mininteger, math.maxinteger, 5.0, -1.0 } do
    fails("^script:%d+: offset %-?%d+ is out of range %(0 to 4%)", function() return b[key] end)
    fails("^script:%d+: offset %-?%d+ is out of range %(0 to 4%)", function() b[key] = 1 end)
  end
  for _, key in ipairs { 1.5, 0/0, 1/0, 2^63 } do
    if key == key then fails("exact integer", function() return b[key] end) end
    fails("exact integer", function() b[key] = 1 end)
  end
  for _, key in ipairs { true, {}, print, b, coroutine.create(print) } do
    fails("^script:%d+: a buffer's index is", function() return b[key] end)
    fails("^script:%d+: a buffer's index is", function() b[key] = 1 end)
  end
  for _, value in ipairs { -1, 256, math.mininteger, math.maxinteger, 256.0 } do
    fails("value %-?%d+ is out of range %(0 to 255%)", function() b[0] = value end)
  end
  for _, value in ipairs { 1.5, 1/0, 0/0 } do fails("exact integer", function() b[0] = value end) end
  for _, value in ipairs { "1", true, {}, b } do fails("a byte is an integer", function() b[0] = value end) end
  fails("a byte is an integer", function() b[0] = nil end)
  fails("no fields", function() b.name = 1 end)
  fails("no fields", function() b["3"] = 1 end)
  eq(b["3"], nil)
  b[3.0] = 7.0
  eq(b[3], 7); eq(b[3.0], 7); eq(math.type(b[3]), "integer")
end

return suite
