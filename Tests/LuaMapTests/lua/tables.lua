-- tables.lua: verbs and results of tables against a reference in plain Lua, and their errors.
local suite = {}
local folder <const> = memory_folder
local layout <const> = mmap.struct { { "k", "u8" }, { "n", "i64" }, { "u", "u64" }, { "x", "f64" }, { "s", "char[6]" } }
local names <const> = { "k", "n", "u", "x", "s" }

-- ---- the reference: a list of rows, each a table by name; a null is nil. Columns in order.

local R = {}
R.__index = R
local function reference(columns, rows) return setmetatable({ columns = columns, rows = rows }, R) end

local function copied(row)
  local copy = {}
  for key, value in pairs(row) do copy[key] = value end
  return copy
end
function R:map(columns, f)
  local rows = {}
  for _, row in ipairs(self.rows) do rows[#rows + 1] = f(row) end
  return reference(columns, rows)
end
function R:where(f)
  local rows = {}
  for _, row in ipairs(self.rows) do if f(row) then rows[#rows + 1] = row end end
  return reference(self.columns, rows)
end
function R:select(...)
  local columns = { ... }
  return self:map(columns, function(row)
    local part = {}
    for _, name in ipairs(columns) do part[name] = row[name] end
    return part
  end)
end
function R:rename(old, new)
  local columns = {}
  for i, name in ipairs(self.columns) do columns[i] = name == old and new or name end
  return self:map(columns, function(row)
    local other = copied(row)
    other[old] = nil
    other[new] = row[old]
    return other
  end)
end
function R:with(name, f)
  local columns, is_new = { table.unpack(self.columns) }, true
  for _, each in ipairs(columns) do if each == name then is_new = false end end
  if is_new then columns[#columns + 1] = name end
  return self:map(columns, function(row)
    local other = copied(row)
    other[name] = f(row)
    return other
  end)
end
-- The order of two values, nulls last in both directions, NaN before them; 0 if equal.
local function order(a, b, descending)
  if a == nil or b == nil then return a == b and 0 or a == nil and 1 or -1 end
  if a ~= a or b ~= b then return (a ~= a and b ~= b) and 0 or a ~= a and 1 or -1 end
  if a == b then return 0 end
  return (a < b) ~= (descending or false) and -1 or 1
end
function R:sort(keys)
  local rows = {}
  for i, row in ipairs(self.rows) do rows[i] = { row, i } end
  table.sort(rows, function(a, b)
    for _, key in ipairs(keys) do
      local descending = key:sub(1, 1) == "-"
      local name = descending and key:sub(2) or key
      local found = order(a[1][name], b[1][name], descending)
      if found ~= 0 then return found < 0 end
    end
    return a[2] < b[2]
  end)
  for i, row in ipairs(rows) do rows[i] = row[1] end
  return reference(self.columns, rows)
end
function R:head(n) return reference(self.columns, table.move(self.rows, 1, math.min(n, #self.rows), 1, {})) end
function R:append(other)
  local rows = table.move(self.rows, 1, #self.rows, 1, {})
  return reference(self.columns, table.move(other.rows, 1, #other.rows, #rows + 1, rows))
end
-- A key of any values.
local function key_of(row, keys)
  local parts = {}
  for i, name in ipairs(keys) do
    local value = row[name]
    if value == 0 then value = value + 0 == 0 and math.type(value) == "float" and 0.0 or value end
    parts[i] = value == nil and "nil" or value ~= value and "nan" or ("%s:%q"):format(type(value), value)
  end
  return table.concat(parts, "|")
end
local aggregates = {}
function aggregates.count(rows) return #rows end
local function values(rows, name)
  local list = {}
  for _, row in ipairs(rows) do if row[name] ~= nil then list[#list + 1] = row[name] end end
  return list
end
function aggregates.sum(rows, name)
  local list, sum = values(rows, name), nil
  for _, x in ipairs(list) do sum = (sum or 0) + x end
  return sum
end
function aggregates.mean(rows, name)
  local list = values(rows, name)
  local sum = 0.0
  for _, x in ipairs(list) do sum = sum + x end
  return #list > 0 and sum / #list or nil
end
local function extreme(rows, name, sign)
  local best, nan
  for _, x in ipairs(values(rows, name)) do
    if x ~= x then nan = x
    elseif best == nil or (sign < 0) == (x < best) and x ~= best then best = x end
  end
  return best == nil and nan or best, nan
end
function aggregates.min(rows, name) return (extreme(rows, name, -1)) end
function aggregates.max(rows, name) return (extreme(rows, name, 1)) end
function aggregates.first(rows, name) return values(rows, name)[1] end
function aggregates.last(rows, name) local list = values(rows, name) return list[#list] end
function aggregates.distinct(rows, name)
  local seen, count = {}, 0
  for _, x in ipairs(values(rows, name)) do
    local key = key_of({ x = x }, { "x" })
    if not seen[key] then seen[key], count = true, count + 1 end
  end
  return count
end
function aggregates.variance(rows, name)
  local list, mean = values(rows, name), aggregates.mean(rows, name)
  if #list < 2 then return nil end
  local sum = 0.0
  for _, x in ipairs(list) do sum = sum + (x - mean) ^ 2 end
  return sum / (#list - 1)
end
function aggregates.quantile(rows, name, q)
  local list = values(rows, name)
  if #list == 0 then return nil end
  for _, x in ipairs(list) do if x ~= x then return x end end
  table.sort(list)
  local place = q * (#list - 1)
  local low = math.floor(place)
  local a, b = list[low + 1], list[math.min(low + 2, #list)]
  return a + (b - a) * (place - low)
end
function R:group(keys, list)
  local groups, order_of = {}, {}
  for _, row in ipairs(self.rows) do
    local key = key_of(row, keys)
    if not groups[key] then
      groups[key] = {}
      order_of[#order_of + 1] = key
    end
    table.insert(groups[key], row)
  end
  if #keys == 0 and #order_of == 0 then groups[""], order_of = {}, { "" } end
  local columns, rows = { table.unpack(keys) }, {}
  for _, each in ipairs(list) do columns[#columns + 1] = each.name end
  for i, key in ipairs(order_of) do
    local row = {}
    for _, name in ipairs(keys) do row[name] = groups[key][1][name] end
    for _, each in ipairs(list) do row[each.name] = aggregates[each[1]](groups[key], each[2], each[3]) end
    rows[i] = row
  end
  return reference(columns, rows)
end
function R:distinct(...)
  local chosen, seen = self:select(...), {}
  return chosen:where(function(row)
    local key = key_of(row, chosen.columns)
    if seen[key] then return false end
    seen[key] = true
    return true
  end)
end
function R:join(other, left, right, keeps)
  local columns, taken, renamed = { table.unpack(self.columns) }, {}, {}
  for _, name in ipairs(columns) do taken[name] = true end
  for _, name in ipairs(other.columns) do
    if name ~= right then
      renamed[name] = taken[name] and name .. "_right" or name
      columns[#columns + 1] = renamed[name]
    end
  end
  local rows = {}
  for _, row in ipairs(self.rows) do
    local found = false
    for _, partner in ipairs(other.rows) do
      if row[left] ~= nil and row[left] == partner[right] then
        local both = copied(row)
        for name, new in pairs(renamed) do both[new] = partner[name] end
        rows[#rows + 1], found = both, true
      end
    end
    if not found and keeps then rows[#rows + 1] = row end
  end
  return reference(columns, rows)
end

-- ---- comparison

local function equal(a, b)
  if type(a) == "number" and type(b) == "number" then
    if a ~= a or b ~= b then return a ~= a and b ~= b end
    if math.type(a) == "integer" and math.type(b) == "integer" then return a == b end
    return a == b or math.abs(a - b) <= 1e-9 * math.max(math.abs(a), math.abs(b))
  end
  return a == b
end

-- Compares all results of a table with the reference.
local function same(t, r, what)
  local columns = t:columns()
  eq(#columns, #r.columns, what)
  for i, column in ipairs(columns) do eq(column.name, r.columns[i], what) end
  eq(t:count(), #r.rows, what)
  local seen = 0
  for i, a, b, c, d, e, f, g, h in t:rows() do
    eq(i, seen, what)
    seen = i + 1
    local row = { a, b, c, d, e, f, g, h }
    for place, name in ipairs(r.columns) do
      if place > 8 then break end
      local wanted = r.rows[seen][name]
      assert(equal(row[place], wanted), ("%s: row %d, %s: %s, not %s"):format(what, i, name, row[place], wanted))
    end
  end
  eq(seen, #r.rows, what)
  local all = t:totable()
  eq(#all, #r.rows, what)
  for i, row in ipairs(all) do
    for _, name in ipairs(r.columns) do assert(equal(row[name], r.rows[i][name]), what) end
    for name in pairs(row) do assert(r.rows[i][name] ~= nil, what) end
  end
  for place, name in ipairs(r.columns) do
    local list = t:list(name)
    for i, row in ipairs(r.rows) do assert(equal(list[i], row[name]), what) end
    local ok, view = pcall(t.column, t, name)
    local has_nulls = false
    for _, row in ipairs(r.rows) do has_nulls = has_nulls or row[name] == nil end
    local type = columns[place].type
    local good = type == "number" or type == "time" or type ~= "string" and not has_nulls
    eq(ok, good, what .. ": column " .. name .. ": " .. tostring(view))
    if ok then
      eq(#view, #r.rows, what)
      for i, row in ipairs(r.rows) do
        local wanted = row[name]
        if wanted == nil then wanted = 0/0 end
        if wanted == true or wanted == false then wanted = wanted and 1 or 0 end
        assert(equal(view[i - 1], wanted), what)
      end
    end
  end
  assert(tostring(t):find(("%d row"):format(#r.rows)) or #r.rows > 20, what)
end

-- Random rows, and the same in a table.
local function random(count)
  local b = mmap.anonymous(math.max(1, count) * #layout)
  local records = b:records(layout, 0, count)
  local rows = {}
  for i = 1, count do
    local row = {
      k = math.random(0, 4), n = math.random(-3, 3) * (math.random(9) == 1 and 1 << 40 or 1), u = math.random(0, 5),
      x = math.random(12) == 1 and 0/0 or math.random(-8, 8) / 4, s = ("abcabc"):sub(1, math.random(0, 6)),
    }
    if math.random(4) == 1 then row.s = string.char(math.random(1, 255)) end
    records[i - 1] = row
    rows[i] = row
  end
  return mmap.table(records, { columns = names }), reference(names, rows)
end

-- The same with nulls in x and s, made by a function.
local function with_nulls(t, r)
  local function no_x(row) if row.x == row.x and row.x < 0 then return nil end return row.x end
  local function no_s(row) if #row.s == 3 then return nil end return row.s end
  t = t:with("x", function(x) return no_x { x = x } end, "x"):with("s", function(s) return no_s { s = s } end, "s")
  return t, r:with("x", no_x):with("s", no_s)
end

-- Sizes around those of batches and pieces.
local function each_table(run)
  math.randomseed(7)
  for _, count in ipairs { 0, 1, 2, 5, 40, 200, 2047, 2048, 2049, 5000 } do
    for _, has_nulls in ipairs { false, true } do
      local t, r = random(count)
      if has_nulls and count > 0 then t, r = with_nulls(t, r) end
      -- The type of a column of nothing but nulls is not known.
      if not has_nulls or count >= 40 then run(t, r, ("%d rows%s"):format(count, has_nulls and ", nulls" or "")) end
    end
  end
end

-- ---- verbs

function suite.rowsAreThoseOfTheSource()
  each_table(function(t, r, what) same(t, r, what) end)
end

local function compare(a, op, b)
  if a == nil then return false end
  if op == "==" then return a == b elseif op == "~=" then return a ~= b elseif op == "<" then return a < b
  elseif op == "<=" then return a <= b elseif op == ">" then return a > b else return a >= b end
end

function suite.whereComparesEachTypeWithEachKindOfValue()
  local wanted <const> = {
    k = { 0, 2, 2.0, 2.5, -1, 300 }, n = { 0, -1, 1.5, -1.5, 1e30, -1e30, 1/0, -1/0, 0/0, 1 << 40, 2^53, math.maxinteger },
    u = { 0, 3, 2.5, -0.5, 1e30, 1/0, -1/0, 0/0 }, x = { 0, 0.25, -2, 1/0, 0/0 }, s = { "", "abc", "b", "\xff" },
  }
  each_table(function(t, r, what)
    if #r.rows > 2048 then return end
    for name, list in pairs(wanted) do
      for _, value in ipairs(list) do
        for _, op in ipairs { "==", "~=", "<", "<=", ">", ">=" } do
          local found, place = t:where(name, op, value):list(name), 0
          for _, row in ipairs(r.rows) do
            if compare(row[name], op, value) then
              place = place + 1
              assert(equal(found[place], row[name]), ("%s: %s %s %s"):format(what, name, op, value))
            end
          end
          eq(#found, place, ("%s: %s %s %s"):format(what, name, op, value))
        end
      end
      eq(t:where(name, "isnull"):count(), #r:where(function(row) return row[name] == nil end).rows, what)
      eq(t:where(name, "notnull"):count(), #r:where(function(row) return row[name] ~= nil end).rows, what)
      local function among(row)
        for _, value in ipairs(list) do if row[name] == value and value == value then return true end end
        return false
      end
      eq(t:where(name, "in", list):count(), #r:where(among).rows, what .. ": " .. name .. " in a list")
    end
    eq(t:where("s", "matches", "^a+b"):count(), #r:where(function(row) return row.s ~= nil and row.s:find "^a+b" ~= nil end).rows, what)
    eq(t:where("s", "matches", mmap.regex("B", "i")):count(), #r:where(function(row) return row.s ~= nil and row.s:find "[bB]" ~= nil end).rows, what)
  end)
end

function suite.verbsGiveWhatTheReferenceGives()
  each_table(function(t, r, what)
    same(t:where("k", ">", 1), r:where(function(row) return row.k > 1 end), what .. ", where")
    same(t:where("k", ">", 1):where("x", "<", 1.0), r:where(function(row) return row.k > 1 and row.x ~= nil and row.x < 1 end), what)
    same(t:where(function(k, s) return k == 1 or s == nil end, "k", "s"), r:where(function(row) return row.k == 1 or row.s == nil end), what .. ", function")
    same(t:select("s", "k"), r:select("s", "k"), what .. ", select")
    same(t:rename("s", "text"), r:rename("s", "text"), what .. ", rename")
    if #r.rows > 0 then
      same(t:with("y", function(k, n) return k + n / 2 end, "k", "n"), r:with("y", function(row) return row.k + row.n / 2 end), what .. ", with")
      same(t:with("b", function(k) return k > 2 end, "k"):where("b", "==", true), r:with("b", function(row) return row.k > 2 end):where(function(row) return row.b end), what)
      same(t:with("k", function(s) return s end, "s"), r:with("k", function(row) return row.s end), what .. ", in the place of a column")
    end
    same(t:fill("x", 0.5), r:with("x", function(row) if row.x == nil then return 0.5 end return row.x end), what .. ", fill")
    same(t:fill("s", "?"), r:with("s", function(row) return row.s or "?" end), what .. ", fill")
    same(t:head(3), r:head(3), what .. ", head")
    same(t:head(0), r:head(0), what .. ", head")
    same(t:append(t:where("k", "==", 1):select("s", "x", "u", "n", "k")), r:append(r:where(function(row) return row.k == 1 end)), what .. ", append")
    same(t:distinct("k", "s"), r:distinct("k", "s"), what .. ", distinct")
    same(t:distinct "x", r:distinct "x", what .. ", distinct")
  end)
end

function suite.sortsAreStable()
  each_table(function(t, r, what)
    for _, keys in ipairs { { "k" }, { "-k" }, { "n", "-x" }, { "s", "-n" }, { "-s" }, { "x" }, { "-x", "u", "s" } } do
      same(t:sort(keys), r:sort(keys), what .. ", sort by " .. table.concat(keys, " "))
    end
    same(t:sort("s", "desc"), r:sort { "-s" }, what)
    for _, name in ipairs(names) do
      same(t:top(4, name), r:sort({ "-" .. name }):head(4), what .. ", top " .. name)
      same(t:bottom(7, name), r:sort({ name }):head(7), what .. ", bottom " .. name)
    end
  end)
end

function suite.groupsAreThoseOfTheReference()
  local list <const> = {
    { "count", name = "count" }, { "sum", "n", name = "sum n" }, { "sum", "x", name = "total" }, { "mean", "n", name = "mean n" },
    { "min", "s", name = "min s" }, { "max", "n", name = "max n" }, { "first", "s", name = "first s" }, { "last", "k", name = "last k" },
    { "distinct", "s", name = "distinct s" }, { "variance", "u", name = "variance u" }, { "quantile", "u", 0.3, name = "quantile u 0.3" },
    { "quantile", "k", 0.5, name = "median k" }, { "max", "u", name = "most" },
  }
  local written <const> = {
    "count", "sum n", "sum x as total", "mean n", "min s", { "max", "n" }, "first s", "last k", "distinct s", "variance u",
    { "quantile", "u", 0.3 }, "median k", { "max", "u", as = "most" },
  }
  each_table(function(t, r, what)
    for _, keys in ipairs { { "k" }, { "s" }, { "k", "s" }, { "x" }, {}, { "n", "u", "k" } } do
      same(t:group(keys, written), r:group(keys, list), what .. ", groups of " .. table.concat(keys, " "))
    end
    same(t:group("k", "count"), r:group({ "k" }, { { "count", name = "count" } }), what)
    same(t:group("s", {}), r:group({ "s" }, {}), what)
  end)
end

function suite.joinsKeepTheOrder()
  each_table(function(t, r, what)
    if #r.rows > 200 then return end
    local other, ro = random(30)
    same(t:join(other, "k"), r:join(ro, "k", "k"), what .. ", join")
    same(t:join(other, { s = "s" }, "left"), r:join(ro, "s", "s", true), what .. ", left join")
    same(t:select("u", "n"):join(other:select("n", "s"), { "n" }), r:select("u", "n"):join(ro:select("n", "s"), "n", "n"), what)
    local renamed, rr = other:rename("k", "key"), ro:rename("k", "key")
    same(t:join(renamed, { k = "key" }, "inner"), r:join(rr, "k", "key"), what)
  end)
end

function suite.piecesHaveEachRowOnce()
  for _, count in ipairs { 0, 1, 7, 3000 } do
    local t, r = random(count)
    for n = 1, 9 do
      local all
      for k = 1, n do all = all and all:append(t:piece(k, n)) or t:piece(k, n) end
      same(all, r, ("%d rows in %d pieces"):format(count, n))
    end
  end
end

function suite.viewsOfEachTypeAreColumns()
  for _, type in ipairs { "u8", "i8", "u16le", "u16be", "i16be", "u32le", "u32be", "i32be", "u64le", "u64be", "i64be", "f16le", "f16be", "bf16be", "f32be", "f64be", "f64le" } do
    local b = mmap.anonymous(16 * 3000)
    -- A stride of 16 bytes, from an odd address on.
    local v = b:view(type, 1, 2999, 16)
    for i = 0, #v - 1, 7 do v[i] = type:find "^u" and i % 200 or i % 200 - 100 end
    local t = mmap.table { v = v }
    eq(t:columns()[1].type, type:find "f" and "number" or type:find "^u64" and "u64" or "integer")
    for i, x in t:rows() do assert(x == v[i], type) end
    local sum = t:group({}, "sum v"):list "sum v"[1]
    eq(sum, v:sum(), type)
    local as_number = mmap.table({ v = v }, { columns = { "v number" } })
    eq(math.type(as_number:list "v"[1]), "float")
    eq(as_number:group({}, "sum v"):list "sum v"[1], v:sum() + 0.0, type)
  end
  local v = mmap.anonymous(8):view "u64"
  v[0] = -1
  eq(mmap.table({ v = v }):where("v", ">", 2^63):count(), 1)
  eq(mmap.table({ v = v }):where("v", "==", -1):count(), 1)
  eq(mmap.table({ v = v }, { columns = { "v number" } }):list "v"[1], 2^64)
  eq(mmap.table({ v = v }, { columns = { "v time" } }):columns()[1].type, "time")
end

-- ---- files

function suite.whatIsWrittenReadsBackEqual()
  math.randomseed(11)
  local nasty <const> = { "", "a", "a,b", 'say "hi"', "two\nlines", "tab\there", "  blanks ", "null", "\xc3\xa9", "x\ry", "'", "1", "\\" }
  local types <const> = { columns = { "i integer", "u u64", "x number", "b boolean", "s string" } }
  for _, count in ipairs { 0, 1, 5, 300, 6000 } do
    local v = mmap.anonymous(8 * math.max(1, count)):view("u64", 0, count)
    for i = 0, count - 1 do v[i] = i end
    local t = mmap.table { i = v }
    local rows = {}
    for i = 0, count - 1 do
      rows[i] = { i = math.random(-5, 5) * 10 ^ math.random(0, 15) // 1 | 0, u = math.random(0, 1 << 40), x = math.random() * 10 ^ math.random(-20, 20), b = math.random(2) == 1,
        s = nasty[math.random(#nasty)] }
      for _, name in ipairs { "i", "u", "x", "b", "s" } do if math.random(6) == 1 then rows[i][name] = nil end end
    end
    if count > 0 then
      rows[0] = { i = 1, u = 1, x = 1.5, b = true, s = "s" }
      local function field(name) return function(i) return rows[i][name] end end
      t = t:rename("i", "row"):with("i", field "i", "row"):with("u", field "u", "row"):with("x", field "x", "row"):with("b", field "b", "row"):with("s", field "s", "row"):select("i", "u", "x", "b", "s")
    else
      t = mmap.table({ i = v, u = v, x = v, b = v, s = v }):select("i", "u", "x", "b", "s")
    end
    for _, format in ipairs { "csv", "tsv" } do
      local path <const> = ("%s/tables.%d.%s"):format(folder, count, format)
      t:write(path)
      local back <close> = mmap.table(path, { columns = types.columns, header = true })
      eq(back:count(), count, format)
      for i, a, b, c, d, e in back:rows() do
        local row = rows[i]
        assert(equal(a, row.i) and equal(b, row.u) and c == row.x and d == row.b, ("%s, row %d"):format(format, i))
        -- An empty string that is not in quotes is null; t:write puts quotes around it.
        assert(e == row.s, ("%s, row %d: %q, not %q"):format(format, i, tostring(e), tostring(row.s)))
      end
      os.remove(path)
    end
  end
end

function suite.jsonLinesHaveNoStringsThatAreNoUTF8()
  local path <const> = folder .. "/tables.bytes.jsonl"
  local v = mmap.anonymous(8 * 70000):view "i64"
  for i = 0, #v - 1 do v[i] = i end
  for _, bad in ipairs { 0, 1, 2047, 2048, 5000, 69999 } do
    local t = mmap.table({ n = v }):with("s", function(n) return n >= bad and "caf\xe9" or "caf\u{e9}" end, "n")
    fails("column 's', row " .. bad .. ": the string is no UTF%-8 from its byte 3 on", t.write, t, path)
    eq(io.open(path), nil)
  end
  -- On all cores, too.
  local text <close> = assert(io.open(folder .. "/tables.bytes.csv", "w"))
  text:write "a,s\n"
  for i = 0, 299999 do text:write(i, ",", i == 250123 and "\xff" or "plain", "\n") end
  text:close()
  local t = mmap.table(folder .. "/tables.bytes.csv")
  fails("column 's', row 250123: the string is no UTF%-8 from its byte 0 on", t.write, t, path)
  t:write(folder .. "/tables.bytes.tsv")
  eq(mmap.table(folder .. "/tables.bytes.tsv"):where("s", "==", "\xff"):list "a"[1], 250123)
  fails("the name of column 1, '%?', is no UTF%-8 from its byte 0 on", t.write, t:rename("a", "\xff"), path)
  for _, name in ipairs { "jsonl", "csv", "tsv" } do os.remove(folder .. "/tables.bytes." .. name) end
end

-- What people really have: UTF-16, compressed files that are mapped, thousands separators, seconds before 1970.
function suite.otherTextsAreReadOrNamed()
  local function put(name, text)
    local path <const> = folder .. "/tables." .. name
    local file <close> = assert(io.open(path, "w"))
    file:write(text)
    return path
  end
  local little, big = ("a,b\n1,2\n"):gsub(".", "%0\0"), ("a,b\n1,2\n"):gsub(".", "\0%0")
  for text, name in pairs { ["\xff\xfe" .. little] = "UTF%-16LE", ["\xfe\xff" .. big] = "UTF%-16BE", [little] = "UTF%-16LE", [big] = "UTF%-16BE",
    ["\xff\xfe\0\0a\0\0\0"] = "UTF%-32LE" } do
    for _, extension in ipairs { "csv", "jsonl", "lines" } do
      local path <const> = put("wide." .. extension, text)
      fails(path:gsub("%p", "%%%0") .. ": the text is " .. name .. ", and UTF%-8 is read; iconv %-f", mmap.table, path)
      os.execute("gzip -kf " .. path)
      fails("the text is " .. name, function() return mmap.table(path .. ".gz"):count() end)
      os.remove(path)
      os.remove(path .. ".gz")
    end
  end
  eq(mmap.table(put("mark.csv", "\xef\xbb\xbfa\n1\n")):list "a"[1], 1)
  os.remove(folder .. "/tables.mark.csv")
  -- A buffer of a compressed file.
  for _, tool in ipairs { "gzip", "zstd" } do
    local path <const> = put("packed.csv", "a,s\n1,x\n2,y\n")
    local packed <const> = path .. (tool == "gzip" and ".gz" or ".zst")
    if os.execute(tool .. " -qf " .. path) then
      local b <close> = mmap.open(packed)
      eq(mmap.table(b):list "s"[2], "y")
      eq(mmap.table(b):group({}, "sum a"):list "sum a"[1], 3)
    end
    os.remove(path)
    os.remove(packed)
  end
  local function of(text, options)
    local b = mmap.anonymous(#text)
    b:copy(0, text)
    options.format = "csv"
    return mmap.table(b, options)
  end
  for _, text in ipairs { "1,234", "1,234,567.5", "12_345", "1'234" } do
    fails("thousands separators are not read", function() return of(text .. "\n", { columns = { "x number" }, sep = ";" }):list "x" end)
  end
  fails("thousands", function() return of("1.234,5\n", { columns = { "x number" }, sep = ";", decimal = "," }):list "x" end)
  for _, text in ipairs { "1,23", ",234", "1,2345", "x,234", "1,234x" } do
    local ok, e = pcall(function() return of(text .. "\n", { columns = { "x number" }, sep = ";" }):list "x" end)
    assert(not ok and not e:find "thousands", text)
  end
  fails("header = true takes the first row", function() return of("x\n1\n", { columns = { "x integer" } }):list "x" end)
  for text, seconds in pairs { ["-1.5"] = -1.5, ["-0.25"] = -0.25, ["1.5"] = 1.5, ["-0.0"] = 0.0, ["-1700000000.125"] = -1700000000.125 } do
    eq(of(text .. "\n", { columns = { "t time:%s.%f" } }):list "t"[1], seconds)
  end
end

-- Standard output, a pipe, and a device are written to as they are.
function suite.streamsAreWrittenTo()
  local v = mmap.anonymous(8 * 100000):view "i64"
  for i = 0, #v - 1 do v[i] = i end
  local t = mmap.table { n = v }
  local path <const> = os.tmpname()
  assert(os.remove(path) and os.execute("mkfifo " .. path))
  fails("ENXIO.*nothing reads this pipe", t.write, t, path, "csv")
  local reader = io.popen("cksum < " .. path)
  -- The reader may not have come yet.
  local ok, e
  repeat ok, e = pcall(t.write, t, path, "csv") until ok or e.code ~= "ENXIO"
  eq(ok, true)
  local found = reader:read "a"
  reader:close()
  os.remove(path)
  t:write(path, "csv")
  local again = io.popen("cksum < " .. path)
  eq(found, again:read "a")
  again:close()
  os.remove(path)
  t:write("/dev/null", "jsonl")
  fails("ENOSPC", t.write, t, "/dev/full", "csv")
  fails("EISDIR", t.write, t, "/dev", "csv")
end

function suite.spreadOfLargeIntegersIsExact()
  for _, kind in ipairs { "i64", "u64" } do
    for _, base in ipairs { 0, 1 << 53, 1 << 60, (1 << 62) - 40000 } do
      local v, k = mmap.anonymous(8 * 30000):view(kind), mmap.anonymous(30000):view "u8"
      for i = 0, #v - 1 do v[i] = base + i % 20; k[i] = i % 20 // 10 end
      local t = mmap.table { x = v, k = k }
      local all = t:group({}, { "variance x", "stddev x" }):totable()[1]
      local expected = (20 * 20 - 1) / 12 * 30000 / 29999
      assert(math.abs(all["variance x"] / expected - 1) < 1e-12, kind .. base .. ": " .. all["variance x"])
      assert(math.abs(all["stddev x"] ^ 2 / expected - 1) < 1e-12)
      assert(math.abs(t:describe().x.stddev ^ 2 / expected - 1) < 1e-12)
      for _, row in ipairs(t:group("k", "variance x"):totable()) do
        assert(math.abs(row["variance x"] / ((10 * 10 - 1) / 12 * 15000 / 14999) - 1) < 1e-12)
      end
    end
  end
  -- Differences that no integer holds.
  local v = mmap.anonymous(16):view "i64"
  v[0], v[1] = math.mininteger, math.maxinteger
  eq(mmap.table({ x = v }):group({}, "variance x"):list "variance x"[1], 2.0 ^ 127)
end

function suite.aWriteThatFailsLeavesTheOldFile()
  -- A folder of its own, since other tests write too.
  local folder <const> = os.tmpname()
  assert(os.remove(folder) and os.execute("mkdir " .. folder))
  local path <const> = folder .. "/tables.old.csv"
  local file <close> = assert(io.open(path, "w"))
  file:write "old"
  file:close()
  local t = mmap.table { n = mmap.anonymous(8 * 100000):view "i64" }
  local calls = 0
  local broken = t:with("m", function(n) calls = calls + 1; if calls > 50000 then error "too many" end return n end, "n")
  fails("too many", broken.write, broken, path)
  fails("EISDIR", t.write, t, folder .. "/.", "csv")
  fails("not known by its extension", t.write, t, folder .. "/x.txt")
  fails("not one of", t.write, t, path, "xml")
  fails("ENOENT", t.write, t, folder .. "/missing/x.csv")
  local again <close> = assert(io.open(path))
  eq(again:read "a", "old")
  local left = 0
  for name in io.popen("ls -A " .. folder):lines() do if name:find "^%.mmap%-" then left = left + 1 end end
  eq(left, 0)
  os.remove(path)
  os.remove(folder)
end

function suite.delimitedTextHasTheOptionsOfFields()
  local b = mmap.anonymous(200)
  local function text(bytes) b:fill(32) b:copy(0, bytes) return b:slice(0, #bytes) end
  local function rows(bytes, options)
    local list = {}
    for i, row in ipairs(mmap.table(text(bytes), options):totable()) do list[i] = row end
    return list
  end
  eq(rows("a;b\n1;2\n", { sep = ";" })[1].b, 2)
  eq(rows("1;2\n", { sep = ";", columns = { "a number", "b string" } })[1].b, "2")
  eq(rows("a,b\n1,2\n", { format = "csv", columns = { "b string" }, header = true })[1].a, nil)
  eq(rows("a\tb\n1\t2,5\n", { format = "tsv", decimal = "," })[1].b, 2.5)
  eq(rows("a  b\n1   2\n", { sep = " ", merge = true })[1].b, 2)
  eq(#rows("#x\na,b\n# c\n1,2\n", { format = "csv", comment = "#" }), 1)
  eq(rows("a,b\nNA,2\n", { format = "csv", null = { "NA" } })[1].a, nil)
  eq(rows("a,b\n'x,y',2\n", { format = "csv", quote = "'" })[1].a, "x,y")
  eq(rows('a,b\n"x\\"y",2\n', { format = "csv", escape = "\\" })[1].a, 'x"y')
  eq(rows('a,b\nx"y,2\n', { format = "csv", lazyquotes = true })[1].a, 'x"y')
  eq(rows('a,b\n"x,2\n', { format = "csv", csv = false })[1].a, '"x')
  eq(#rows("a\n1\nx\n3\n", { format = "csv", columns = { "a integer" }, header = true, bad = "skip" }), 2)
  eq(rows("a\n1\nx\n3\n", { format = "csv", columns = { "a integer" }, header = true, bad = "nil" })[2].a, nil)
  eq(rows("first name,b\nx,2\n", { format = "csv", columns = { "first name string" }, header = true })[1]["first name"], "x")
  eq(rows("t\n01/Feb/2000:10:00:00 +0100\n", { format = "csv", columns = { "t time:%d/%b/%Y:%H:%M:%S %z" }, header = true })[1].t, 949395600.0)
  eq(#rows("12,3\n4,5\n", { format = "csv", header = false, offset = 5 }), 1)
  local t = mmap.table(text "a\n1\nx\n3\n", { format = "csv", columns = { "a integer" }, header = true, bad = "skip" })
  t:count()
  eq(t:list "a"[2], 3)
  eq(t:skipped(), 1)
  fails("'x' is not an integer", function() rows("a\n1\nx\n", { format = "csv", columns = { "a integer" }, header = true }) end)
end

-- ---- errors

local function small()
  local v = mmap.anonymous(8 * 10):view "i64"
  for i = 0, 9 do v[i] = i end
  return mmap.table { n = v, m = v }
end

function suite.everyMistakeIsNamedAtOnce()
  local t, s = small(), random(3)
  local cases = {
    { "no column 'nn'; did you mean", t.where, t, "nn", "==", 1 }, { "no column 'x'; the columns are", t.select, t, "x" },
    { "did you mean", t.group, t, "nn", "count" }, { "no column", t.sort, t, "-x" }, { "no column", t.top, t, 1, "x" },
    { "no column", t.fill, t, "x", 1 }, { "no column", t.rename, t, "x", "y" }, { "no column", t.distinct, t, "x" },
    { "no column", t.list, t, "x" }, { "no column", t.column, t, "x" }, { "no column", t.with, t, "y", print, "x" },
    { "no column", t.join, t, s, "x" }, { "no column", t.join, t, s, { n = "y" } }, { "no column", t.where, t, print, "x" },
    { "not one of", t.where, t, "n", "=~", 1 }, { "number expected", t.where, t, "n", "==", "1" }, { "string expected", t.where, s, "s", "==", 1 },
    { "isnull", t.where, t, "n", "==", nil }, { "isnull", t.where, t, "n", "==" }, { "takes no value", t.where, t, "n", "isnull", 1 },
    { "table expected", t.where, t, "n", "in", 1 }, { "the list has a value that is not", t.where, t, "n", "in", { "x" } },
    { "only strings match", t.where, t, "n", "matches", "x" }, { "string or mmap.regex", t.where, s, "s", "matches", 1 },
    { "pattern is wrong", t.where, s, "s", "matches", "(" }, { "named twice", t.select, t, "n", "n" }, { "two columns 'm'", t.rename, t, "n", "m" },
    { "no aggregate", t.group, t, "n", "total m" }, { "needs a column", t.group, t, "n", "sum" }, { "takes no column", t.group, t, "n", "count m" },
    { "from 0 to 1", t.group, t, "n", "quantile m" }, { "out of range", t.group, t, "n", "quantile m 2" }, { "out of range", t.group, t, "n", { { "quantile", "m", -1 } } },
    { "did you mean 'n'", t.group, t, {}, "sum nn" }, { "field 'name' of an aggregate is not known", t.group, t, "n", { { "sum", "m", name = "x" } } },
    { "needs numbers", t.group, s, "k", "sum s" }, { "two columns", t.group, t, "n", { "count as n" } }, { "neither keys nor aggregates", t.group, t, {}, {} },
    { "an aggregate in parts", t.group, t, "n", { { 1 } } }, { "name after 'as'", t.group, t, "n", { { "sum", "m", as = 1 } } }, { "aggregate", t.group, t, "n", { 1 } },
    { "no time", t.group, t, "hour n", "count" }, { "not one of", t.sort, t, "n", "down" }, { "has '-'", t.sort, t, { "n" }, "desc" }, { "is empty", t.sort, t, {} },
    { "negative", t.head, t, -1 }, { "negative", t.top, t, -1, "n" }, { "out of range", t.piece, t, 0, 2 }, { "out of range", t.piece, t, 3, 2 }, { "out of range", t.piece, t, 1, 0 },
    { "call piece before", function() return t:sort("n"):piece(1, 2) end }, { "not one of", t.join, t, t, "n", "outer" }, { "cannot be equal", t.join, t, s, { n = "s" } },
    { "names of columns expected", t.join, t, t, { 1 } }, { "no column to join on", t.join, t, t, {} }, { "in the second table alone", t.append, t:select "n", t },
    { "no column 'm'", t.append, t, t:select "n" }, { "no integer", t.fill, t, "n", 1.5 }, { "number expected", t.fill, t, "n", "x" },
    { "cannot hold|string, and a view has numbers", s.column, s, "s" }, { "no such|ENOENT", mmap.table, folder .. "/missing.csv" },
    { "not known by its extension", mmap.table, folder .. "/missing.xml" }, { "csv", mmap.table, mmap.anonymous(10) }, { "option 'sepp' is not known.-did you mean 'sep'", mmap.table, "x.csv", { sepp = ";" } },
    { "option 'format': 'xml' is not one of", mmap.table, "x.csv", { format = "xml" } }, { "option 'bad'", mmap.table, "x.csv", { bad = "null" } },
    { "option 'columns': element 1: string expected", mmap.table, "x.csv", { columns = { 1 } } }, { "the list is empty", mmap.table, mmap.anonymous(9), { format = "csv", columns = {} } },
    { "did you mean 'number'", mmap.table, mmap.anonymous(9), { format = "csv", columns = { "x nubmer" } } }, { "one byte expected", mmap.table, "x.csv", { quote = "''" } },
    { "option 'sep' does not go with records", mmap.table, mmap.anonymous(9):records(mmap.struct { { "a", "u8" } }), { sep = ";" } },
    { "does not go with views", mmap.table, { a = mmap.anonymous(9):view "u8" }, { header = true } }, { "table of views", mmap.table, { a = 1 } }, { "is empty", mmap.table, {} },
    { "element 2: path expected", mmap.table, { "x.csv", 1 } }, { "different formats", mmap.table, { "x.csv", "y.tsv" } }, { "zero byte", mmap.table, { "x\0.csv" } },
    { "have 1 and 2 rows", mmap.table, { a = mmap.anonymous(1):view "u8", b = mmap.anonymous(2):view "u8" } }, { "cannot be read as string", mmap.table, { a = mmap.anonymous(1):view "u8" }, { columns = { "a string" } } },
    { "no column 'b'", mmap.table, { a = mmap.anonymous(1):view "u8" }, { columns = { "b" } } }, { "'merge' does not go|does not go with merge", mmap.table, mmap.anonymous(9), { format = "csv", merge = true, quote = "'" } },
    { "list expected, but it has the key 's'", t.group, t, "n", { s = "sum m" } }, { "the key 'k'", t.group, t, { k = "n" }, "count" },
    { "the key 'as'", t.group, t, "n", { "sum m", as = "s" } }, { "the key 'a'", t.where, t, "n", "in", { 1, a = 3 } }, { "the key 'a'", t.distinct, t, { a = "n" } },
    { "the key 'a'", t.select, t, { a = "n" } }, { "the key 'n'", t.sort, t, { n = "desc" } }, { "the key 'x'", mmap.table, { "a.csv", x = "b.csv" } },
    { "option 'columns': list expected, but it has the key 'b'", mmap.table, "x.csv", { columns = { "a integer", b = "number" } } },
    { "option 'null': list expected, but it has the key '0'", mmap.table, "x.csv", { null = { [0] = "" } } },
    { "tables are not written compressed", t.write, t, folder .. "/a.csv.gz" },
    { "no field that is a number or a string", mmap.table, mmap.anonymous(9):records(mmap.struct { { "a", "u8", 2 } }) },
  }
  for _, case in ipairs(cases) do
    local ok, e = pcall(table.unpack(case, 2))
    local found = false
    for pattern in case[1]:gmatch "[^|]+" do found = found or tostring(e):find((pattern:gsub("%-(%w)", "%%-%1"):gsub("%.%%%-", ".-"))) end
    assert(not ok and found, ("%s: %s"):format(case[1], tostring(e)))
  end
end

-- Integers near the floats of a column, beside Lua's own comparison.
function suite.integersThatNoFloatIsEqualTo()
  local v = mmap.anonymous(8 * 9):view "f64"
  v:set(0, -2.0 ^ 63, -2.0 ^ 53, 0, 2.0 ^ 53, 2.0 ^ 53 + 2, 2.0 ^ 63, 1 / 0, -1 / 0, 0 / 0)
  local t = mmap.table { x = v }
  local operators = {
    ["=="] = function(a, b) return a == b end, ["~="] = function(a, b) return a ~= b end, ["<"] = function(a, b) return a < b end,
    ["<="] = function(a, b) return a <= b end, [">"] = function(a, b) return a > b end, [">="] = function(a, b) return a >= b end,
  }
  local integers = { 0, 1 << 53, (1 << 53) + 1, (1 << 53) + 3, -(1 << 53) - 1, math.maxinteger, math.mininteger, math.mininteger + 1 }
  for _, integer in ipairs(integers) do
    for name, operator in pairs(operators) do
      local expected = 0
      for i = 0, #v - 1 do if operator(v[i], integer) then expected = expected + 1 end end
      assert(t:where("x", name, integer):count() == expected, name .. integer)
    end
    local expected = 0
    for i = 0, #v - 1 do if v[i] == integer then expected = expected + 1 end end
    assert(t:where("x", "in", { integer }):count() == expected, integer)
  end
  local ok, e = pcall(t.fill, t, "x", (1 << 53) + 1)
  assert(not ok and e:find "no float is equal", e)
end

-- The limit of a regex holds in tables too.
function suite.theStepsOfARegexAreLimited()
  local text = ("a"):rep(24) .. "!\n"
  local b = mmap.anonymous(#text)
  b:copy(0, text)
  for _, make in ipairs {
    function() return mmap.table(b, { format = "lines" }):where("line", "matches", mmap.regex("^(a+)+$", "", { steps = 1000 })):count() end,
    function() return mmap.table(b, { format = "lines", pattern = mmap.regex("(?<x>(a+)+)$", "", { steps = 1000 }) }):count() end,
  } do
    local ok, e = pcall(make)
    assert(not ok and tostring(e):find("more steps than the 'steps' of its regex (1000)", 1, true), tostring(e))
  end
end

function suite.errorsHaveTheScriptsPosition()
  local t = small()
  local ok, e = pcall(function() return t:where("x", "==", 1) end)
  assert(not ok and e:find "^[%w\"%[%]]*.*:%d+: there is no column", e)
  local _, open = pcall(mmap.table, folder .. "/missing.csv")
  eq(open.code, "ENOENT")
  eq(open.path, folder .. "/missing.csv")
end

-- ---- functions of the script

function suite.anErrorOfAFunctionIsTheErrorOfTheResult()
  local t = small()
  local object = setmetatable({}, {})
  for _, value in ipairs { "text", 5, object, true } do
    local broken = t:where(function(n) if n == 7 then error(value, 0) end return true end, "n")
    for _, result in ipairs { "count", "totable", "describe" } do
      local ok, e = pcall(broken[result], broken)
      assert(not ok and e == value, tostring(e))
    end
    local rows = 0
    local ok, e = pcall(function() for _ in broken:rows() do rows = rows + 1 end end)
    assert(not ok and e == value)
    ok, e = pcall(t.with, t, "x", function() error(value, 0) end, "n")
    assert(not ok and e == value)
    ok, e = pcall(tostring, broken)
    assert(not ok and e == value)
  end
  local ok, e = pcall(function() return t:where(function() error() end, "n"):count() end)
  assert(not ok and e == nil)
end

function suite.aFunctionMayDoAnything()
  local b = mmap.anonymous(8 * 5000)
  local t = mmap.table { n = b:view "i64" }
  -- Other questions, also about the same table.
  eq(t:where(function(n) return t:head(2):count() == 2 and t:where("n", "==", n):head(1):count() == 1 end, "n"):head(3):count(), 3)
  -- Collections, and garbage.
  eq(t:where(function() collectgarbage() return mmap.anonymous(1) ~= nil end, "n"):head(5):count(), 5)
  -- Hooks of its own.
  eq(t:where(function() debug.sethook(function() end, "", 1000000) return true end, "n"):count(), 5000)
  debug.sethook()
  -- A coroutine inside; a yield across it is an error.
  eq(t:where(function(n) return coroutine.wrap(function() coroutine.yield(true) end)() end, "n"):count(), 5000)
  local co = coroutine.wrap(function() return pcall(function() return t:where(function() coroutine.yield() end, "n"):count() end) end)
  local ok, e = co()
  assert(not ok and e:find "attempt to yield", e)
  -- The next row from within.
  local step
  local asking = t:where(function() return step and step() end, "n")
  step = asking:rows()
  fails("asks for the next", step)
  -- Closing the table, its rows, or its buffer.
  local closing = t:where(function() return true end, "n")
  local u
  u = t:where(function() u:close() return true end, "n")
  eq(u:count(), 5000)
  fails("closed table", u.count, u)
  local _, _, _, state = closing:rows()
  debug.getmetatable(state).__close(state)
  local other = mmap.anonymous(8 * 5000)
  local s = mmap.table { n = other:view "i64", m = other:view "i64" }
  fails("closed buffer", function() return s:where(function() other:close() return true end, "n"):totable() end)
  -- The table of functions, by the debug library.
  local odd = t:where(function() return true end, "n")
  debug.setuservalue(odd, {}, 1)
  fails("nil value", odd.count, odd)
  debug.setuservalue(odd, nil, 1)
  fails("nil value", odd.count, odd)
  for _, each in ipairs { t:where(function() return true end, "n"), t } do
    for value = 1, 3 do
      debug.setuservalue(each, value == 1 and {} or value == 2 and 5 or nil, 1)
      pcall(each.where, each, "n", "==", 0)
      pcall(each.join, each, each, "n")
      pcall(each.append, each, t)
      pcall(each.rows, each)
    end
  end
end

-- Other threads read rows of groups for which the function was called, while it is called for later ones.
function suite.aFunctionAfterGroupsMayDoAnything()
  local lines = {}
  for i = 1, 40000 do lines[i] = ("%d,key%d,%d"):format(i, i * 7919 % 36007, i * 31 % 1000) end
  local text <const> = table.concat(lines, "\n") .. "\n"
  local options <const> = { format = "csv", columns = { "i integer", "k string", "n integer" } }
  local function source()
    local b = mmap.anonymous(#text)
    b:copy(0, text)
    return b
  end
  local spare <const> = mmap.table(source(), options)
  -- Each gets the number of its call, the buffer that the groups are from, and a row.
  local functions <const> = {
    number = function(_, _, s) return s % 100 end,
    string = function(_, _, s, k) return k:sub(1, 5) .. s % 7 end,
    null = function(_, _, s) return s % 3 ~= 0 and s % 50 or nil end,
    close = function(n, b, s) if n == 5000 then b:close() end return s % 100 end,
    garbage = function(n, _, _, k) if n % 9000 == 0 then collectgarbage() end return k end,
    error = function(n, _, s) if n == 20000 then error("stop", 0) end return s % 100 end,
    misfit = function(n, _, s) return n == 25000 and {} or s % 100 end,
    nested = function(n, _, s) return n % 9000 == 0 and spare:group("n", { "count" }):count() or s % 100 end,
    threads = function(n, _, s) if n % 5000 == 0 then mmap.threads(n // 5000 % 3 + 1) end return s % 100 end,
  }
  local former <const> = mmap.threads()
  local function ask(threads, f)
    mmap.threads(threads)
    local b = source()
    local calls = 0
    local t = mmap.table(b, options):group("k", { "count as c", "sum n as s", "first i as f" })
      :with("w", function(s, k) calls = calls + 1 return f(calls, b, s, k) end, "s", "k")
    calls = 0
    local result = t:where(function(w) return w ~= 3 end, "w"):group("w", { "count as m", "sum s as t", "first k as k" }):sort "w"
    local out = {}
    local ok, e = pcall(function()
      for _, w, m, total, k in result:rows() do out[#out + 1] = table.concat({ tostring(w), m, total, k }, " ") end
    end)
    return ok and table.concat(out, "\n") or e
  end
  for name, f in pairs(functions) do
    local one = ask(1, f)
    for _, threads in ipairs { 2, 7 } do
      local other = ask(threads, f)
      assert(other == one, name .. " on " .. threads .. " threads")
    end
    eq(name == "error", one == "stop")
    eq(name == "misfit", one:find "no column can hold" ~= nil or one:find "the function returned a value" ~= nil)
  end
  mmap.threads(former)
end

function suite.resultsOfAFunctionHaveOneType()
  local v = mmap.anonymous(8 * 300):view "i64"
  for i = 0, 299 do v[i] = i end
  local t = mmap.table { n = v }
  local function first(value, later) return t:with("y", function(n) if n < 150 then return value end return later end, "n") end
  fails("returned a string, and its first results were of the type integer", function() return first(1, "x"):totable() end)
  fails("returned a string", function() return first(1, "x"):count() end)
  fails("returned a float that is no integer", function() return first(1, 1.5):totable() end)
  eq(math.type(first(1, 2.0):list "y"[300]), "integer")
  eq(math.type(first(1.0, 2):list "y"[300]), "float")
  local mixed = t:with("y", function(n) return n == 50 and 0.5 or 1 end, "n")
  eq(math.type(mixed:list "y"[1]), "float")
  eq(first(nil, true):list "y"[300], true)
  eq(first("a", nil):list "y"[300], nil)
  fails("no column can hold", first, {}, {})
  -- An integer that a column of floats would round.
  for _, integer in ipairs { (1 << 53) + 1, -(1 << 53) - 1, math.maxinteger } do
    fails("returned the integer " .. ("%d"):format(integer):gsub("%-", "%%-") .. ", which no float is equal to", function() return first(0.5, integer):list "y" end)
  end
  for _, integer in ipairs { 1 << 53, (1 << 53) + 2, math.mininteger, 1 << 62 } do eq(first(0.5, integer):list "y"[300], integer) end
end

-- ---- iteration

function suite.rowsMayBeLeftAndResumed()
  local t = small()
  for i in t:rows() do if i == 3 then break end end
  local step = t:rows()
  eq(select(1, step()), 0)
  eq(select(1, step()), 1)
  local rest = coroutine.wrap(function() for i in step do coroutine.yield(i) end coroutine.yield "end" end)
  eq(rest(), 2)
  eq(select(1, step()), 3)
  eq(rest(), 4)
  for i = 5, 9 do eq(select(1, step()), i) end
  eq(step(), nil)
  eq(step(), nil)
  -- An end by an error is an end.
  local broken = t:where(function(n) if n == 0 then error "x" end return true end, "n"):rows()
  fails("x", broken)
  eq(broken(), nil)
  -- The state belongs to the iterator.
  local other = t:rows()
  debug.setupvalue(other, 1, 5)
  fails("not its own", other)
  debug.setupvalue(other, 1, io.stdout)
  fails("not its own", other)
end

function suite.aClosedTableRaises()
  local t = small()
  local u = t:where("n", ">", 2)
  t:close()
  t:close()
  eq(u:count(), 7)
  eq(tostring(t), "mmap.table (closed)")
  for _, name in ipairs { "count", "rows", "totable", "columns", "explain", "describe", "skipped" } do fails("closed table", t[name], t) end
  for _, call in ipairs { { "where", "n", "==", 1 }, { "select", "n" }, { "group", "n", "count" }, { "join", u, "n" }, { "append", u }, { "write", folder .. "/x.csv" },
    { "list", "n" }, { "column", "n" }, { "head", 1 }, { "piece", 1, 1 }, { "with", "x", print, "n" }, { "sort", "n" }, { "distinct" } } do
    fails("closed table", t[call[1]], t, table.unpack(call, 2))
  end
  fails("closed table", u.join, u, t, "n")
  fails("closed table", u.append, u, t)
  do local v <close> = u end
  fails("closed table", u.count, u)
end

function suite.manyTablesLeaveNothing()
  for _ = 1, 2000 do
    local t = mmap.table { n = mmap.anonymous(64):view "i64" }
    for _ in t:where("n", ">", 0):sort("n"):rows() do break end
    local _ = t:rows()
  end
end

function suite.describeSaysWhatTheReferenceSays()
  each_table(function(t, r, what)
    local all = t:describe()
    for _, name in ipairs(r.columns) do
      local d, rows = all[name], r.rows
      local nulls = #rows - #values(rows, name)
      eq(d.count, #rows, what)
      eq(d.nulls, nulls, what)
      eq(d.distinct, aggregates.distinct(rows, name), what)
      if name ~= "x" then
        assert(equal(d.min, aggregates.min(rows, name)) and equal(d.max, aggregates.max(rows, name)), what .. name)
      end
      if name ~= "s" then
        assert(equal(d.mean, aggregates.mean(rows, name)) , what .. name)
        assert(equal(d.median, aggregates.quantile(rows, name, 0.5)), what .. name)
      end
    end
  end)
end

return suite
