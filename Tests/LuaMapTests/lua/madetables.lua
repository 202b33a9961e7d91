-- madetables.lua: tables that compiled functions make, against the interpreter. MadeTableTests defines `used()`,
-- the bytes that count for the limit of memory, `limit(n)`, and `refuse` and `refused` of allocation.lua.
local suite = {}

-- What a call gives, as text: numbers to the bit, tables with their keys in order, and which of them are the same.
local function shown(...)
  local all, seen, tables = table.pack(...), {}, 0
  local function show(x)
    if math.type(x) == "float" then return x ~= x and "nan" or ("%a"):format(x) end
    if type(x) ~= "table" then return tostring(x) end
    if seen[x] then return "same " .. seen[x] end
    tables = tables + 1
    seen[x] = tables
    local keys, parts = {}, {}
    for key in pairs(x) do keys[#keys + 1] = key end
    table.sort(keys, function(a, b) return math.type(a) and not math.type(b) or type(a) == type(b) and a < b end)
    for i, key in ipairs(keys) do parts[i] = "[" .. show(key) .. "] = " .. show(x[key]) end
    return "{" .. table.concat(parts, ", ") .. "}"
  end
  for i = 1, all.n do all[i] = show(all[i]) end
  -- Lua 5.4.4 gives a division by zero the line of the last call.
  return (table.concat(all, " ", 1, all.n):gsub(":%d+: attempt to (p?d?)", ": attempt to %1"))
end

local function same(f, g, ...)
  local wanted, got = shown(pcall(f, ...)), shown(pcall(g, ...))
  if wanted ~= got then error("arguments " .. shown(...) .. ": wanted\n" .. wanted .. "\ngot\n" .. got, 2) end
end

local function compiled(f) return mmap.compile(f, { strict = true }) end
local function both(source, ...)
  local f = load("return " .. source, "=f")(...)
  return f, mmap.compile(f)
end

function suite.histogramsListsAndSieves()
  local b = mmap.anonymous(3000)
  for i = 0, #b - 1 do b[i] = i * i * 31 >> 3 & 255 end
  local count = function(b) local t = {} for i = 0, #b - 1 do local x = b[i] t[x] = (t[x] or 0) + 1 end return t end
  same(count, compiled(count), b)
  local list = function(b, n) local t = {} for i = 0, n do if b[i] & 1 == 0 then t[#t + 1] = b[i] / 2 end end return t, #t, t[1], t[#t] end
  for n = 0, 40 do same(list, compiled(list), b, n) end
  local sieve = function(n)
    local t, primes = {}, {}
    for i = 2, n do
      if not t[i] then
        primes[#primes + 1] = i
        for j = i * i, n, i do t[j] = true end
      end
    end
    return primes
  end
  same(sieve, compiled(sieve), 10000)
  local sort = function(b, n)
    local t = {}
    for i = 1, n do t[i] = b[i] * (b[i] & 1 == 0 and 1 or 0.5) end
    for i = 2, #t do
      local x, j = t[i], i - 1
      while j > 0 and t[j] > x do t[j + 1] = t[j] j = j - 1 end
      t[j + 1] = x
    end
    return t
  end
  same(sort, compiled(sort), b, 200)
  -- Two tables that change places, as in dynamic programming.
  local distance = function(b, n, m)
    local before, now = {}, {}
    for j = 0, m do before[j] = j end
    for i = 1, n do
      now[0] = i
      for j = 1, m do
        now[j] = math.min(before[j] + 1, now[j - 1] + 1, before[j - 1] + (b[i] & 3 == b[j + 100] & 3 and 0 or 1))
      end
      before, now = now, before
    end
    return before[m], before, now
  end
  same(distance, mmap.compile(distance), b, 30, 40)
  local stack = function(n)
    local t, top, steps = { n }, 1, 0
    while #t > 0 do
      local x = t[#t]
      t[#t] = nil
      steps = steps + 1
      if x > 1 then t[#t + 1] = x // 2 t[#t + 1] = x - x // 2 end
    end
    return steps, #t, t
  end
  same(stack, compiled(stack), 1000)
  local rows = function(n)
    local s, last = 0, nil
    for i = 1, n do
      local t = { i, i + 0.5, [0] = true }
      for j = 3, i % 50 do t[j] = j end
      s = s + #t + t[2]
      if i % 100 == 0 then last = t end
    end
    return s, last
  end
  same(rows, compiled(rows), 5000)
end

function suite.valuesAndKeysOfEveryKind()
  local values = { "nil", "false", "true", "0", "1", "-1", "math.maxinteger", "math.mininteger", "0.0", "-0.0", "0.5", "2^53", "1/0", "-1/0", "0/0" }
  local keys = { "0", "1", "2", "3", "7", "8", "-1", "1.0", "-0.0", "3.0", "0.5", "0/0", "1/0", "1 << 24", "(1 << 24) + 1", "2.0^24", "math.maxinteger",
    "math.mininteger", "2.0^63", "-2.0^63" }
  -- Stores and reads, with constant keys, integers from outside and floats from outside.
  local uses = { "t[k]", "not t[k]", "t[k] == nil", "t[k] == x", "t[k] ~= 1", "t[k] == 0.0", "t[k] == true", "t[k] and 1 or 2", "t[k] == t[1]",
    "t[k] == 'a'", "t[k] == b", "t[k] == t", "(t[k] or 0) + 1", "t[k] + 1", "t[k] * t[k]", "-t[k]", "~t[k]", "t[k] < 5", "t[k] <= t[1]", "t[k] // 2",
    "t[k] & 1", "v[1] + t[k]", "math.floor(t[k])", "math.max(t[k], 1)", "#t", "t == t", "t == u", "t ~= nil", "not t", "t[k]" }
  for _, value in ipairs(values) do
    local source = {}
    for i, use in ipairs(uses) do
      source[#source + 1] = ("if n == %d then v[0] = 9 v[0] = v[0] local r = %s return r, t end"):format(i, use)
    end
    source = "function(n, k, x, b, v) local t, u = { 4 }, {} t[k] = x " .. table.concat(source, " ") .. " end"
    local f, g = both(source)
    local x = load("return " .. value)()
    local v = mmap.anonymous(16):view "f64"
    for _, key in ipairs(keys) do
      local k = load("return " .. key)()
      for n = 1, #uses do same(f, g, n, k, x, v, v) end
    end
  end
  for _, key in ipairs(keys) do
    for _, value in ipairs(values) do
      local f, g = both("function() local t = {} t[" .. key .. "] = " .. value .. " return t[" .. key .. "], t end")
      for n = 1, 2 do same(f, g) end
    end
  end
  -- What is no number and no boolean, and tables as anything else than tables: the interpreter goes on.
  for text, reason in pairs { ["t[1] = 'a'"] = "only numbers and booleans", ["t[1] = {}"] = "only numbers and booleans", ["t[1] = b"] = "only numbers and booleans",
    ["t.x = 1"] = "a field of a table is set", ["t['x'] = 1"] = "a field of a table is set", ["t[b] = 1"] = "a key that is no number", ["t[true] = 1"] = "a key that is no number",
    ["local x = t.x"] = "a field is read", ["local x = t[b]"] = "a key that is no number", ["use(t)"] = "a table is given to a function", ["local x = t .. 'a'"] = "strings are joined",
    ["local x = #t + t"] = "arithmetic", ["local x = t < t"] = "compared", ["local x = -t"] = "arithmetic", ["local x = t()"] = "a call",
    ["local x = function() return t end"] = "a function is made", ["for k in pairs(t) do k = k end"] = "pairs is called", ["table.insert(t, 1)"] = "#t + 1",
    ["t[-1] = 2"] = "below 0 or above 16777216", ["t[1 << 25] = 2"] = "below 0 or above", ["local x = t[1][1]"] = "an element is read", ["t[1][1] = 3"] = "an element is set",
    ["local x = math.max(t)"] = "no number", ["b[0] = t"] = "no number", ["b[t] = 1"] = "no number", ["for i = 1, t do end"] = "no number", ["local x = t:a()"] = "a method",
    ["t[1] = 5 local x = t[1].x"] = "a field is read", ["local x = make()"] = "a table is made in a function that is called", ["outside[1] = 5"] = "only those that the function itself makes" } do
    local f, g = both("(function(use, outside) local function make() return { 5 } end return function(b) local t, u = { 1, 2 }, { 5, [0] = 1.5 } local same = t " .. text
      .. " t[3] = 7 u[3] = 8 return t, u, t == same, same end end)(...)", function(t) t[4] = 99 end, { 1 })
    local b = mmap.anonymous(4)
    same(f, g, b)
    local why = mmap.whynot(g)
    assert(why and why:find(reason, 1, true) and why:find "^line 1: ", text .. ": " .. tostring(why))
    for n = 1, 4 do same(f, g, b) end
  end
end

function suite.tablesAreLuasAtTheReturn()
  local kept
  local f, g = both([[(function(get, set)
    local kept
    return function(n)
      local t, u = {}, { 7 }
      kept = t
      for i = 1, n do t[i] = i u[i + 1] = i * 0.5 end
      local w = n > 3 and t or u
      return t, w, u, 5, nil
    end, function() return kept end
  end)()]])
  local t, w, u, five, none = g(5)
  eq(mmap.whynot(g), nil)
  assert(t == w and t ~= u and five == 5 and none == nil and #t == 5 and #u == 6)
  t, w, u = g(1)
  assert(w == u and t ~= u)
  local function outer() local kept local function inner(n) kept = { n } return kept end return inner, function() return kept end end
  local inner, read = outer()
  local h = compiled(inner)
  local x = h(3)
  assert(x == read() and x[1] == 3)
  same(inner, h, 4)
  -- What Lua does with a table works.
  x.name = "a" x[2] = {} setmetatable(x, { __index = function() return 5 end })
  eq(x[100], 5); eq(#x, 2); table.insert(t, 9) eq(t[#t], 9) eq(table.concat(u, " "), "7 0.5")
  local order = {}
  for i, value in ipairs(g(4)) do order[i] = value end
  eq(#order, 4)
  -- Sparse, with key 0, with holes.
  local f, g = both("function(k) local t = {} t[0] = 1 t[k] = 2 t[k // 2] = 3 for i = 1, k, 3 + k // 50 do t[i] = i end return t end")
  for k = 0, 70 do same(f, g, k) end
  same(f, g, 1 << 24)
end

function suite.lengthsAreBorders()
  local f = function(n, k)
    local t = {}
    for i = 1, n do t[i] = i end
    local a = #t
    t[k] = nil
    local b = #t
    t[n + 1] = 1
    local c = #t
    for i = n, 1, -2 do t[i] = nil end
    local d = #t
    for i = 1, n do t[i] = 5 end
    return t, a, b, c, d, #t
  end
  local g = compiled(f)
  for n = 0, 30 do
    for k = 1, n + 1 do
      local t, a, b, c, d, e = g(n, k)
      eq(a, n); assert(b == n or b == k - 1); assert(c == n + 1 or c == k - 1)
      assert(d >= 0 and d <= n + 1); eq(e, k == n + 1 and n + 1 or n + 1); eq(#t, n + 1)
    end
  end
end

function suite.partsAndRowsMakeTables()
  local b = mmap.anonymous(100000)
  for i = 0, #b - 1 do b[i] = i * i * 7 % 251 end
  local count = function(first, last, b)
    local t = {}
    for i = first, last do local x = b[i] t[x] = (t[x] or 0) + 1 end
    return t, last - first
  end
  local all, parts = {}, mmap.parallel(compiled(count), 0, #b - 1, b)
  for _, part in ipairs(parts) do
    eq(part.n, 2)
    for x, n in pairs(part[1]) do all[x] = (all[x] or 0) + n end
  end
  assert(#parts > 1)
  same(function() return (count(0, #b - 1, b)) end, function() return all end)
  local v = mmap.anonymous(8 * 3000):view "i64"
  for i = 0, #v - 1 do v[i] = i end
  local f = function(x) local t = {} for k = 1, x & 15 do t[k] = k * x end return t[3] end
  local t = mmap.table { x = v }
  local wanted, got = t:with("y", f, "x"):list "y", t:with("y", compiled(f), "x"):list "y"
  for i = 1, #v do eq(got[i], wanted[i], i) end
  eq(t:where(compiled(function(x) local t = { x, x & 1 == 0 } return t[2] end), "x"):count(), 1500)
end

-- Lua's stack grows at any point of a call that the interpreter runs in the end.
function suite.theStackGrows()
  local function open(path) return path .. "x" end
  for size = 0, 100 do
    local f = mmap.compile(function(path) local t = {} local b = open(path) t[1] = b return t[1] end)
    local g = mmap.compile(function(x) local t = { 1 } if x > 1 then return t[1] .. open(x) end return t end)
    local function run() for i = 1, 2 do eq(f("p"), "px") eq(g(2), "12x") eq(g(1)[1], 1) end return "ended" end
    eq(coroutine.wrap(function(...) return run(), ... end)(table.unpack({}, 1, size)), "ended")
  end
end

-- A function that is made, and with which the interpreter goes on, has variables that nothing else reads any more.
function suite.functionsThatAreMadeHaveTheirVariables()
  local function shown(...)
    local all = table.pack(...)
    for i = 1, all.n do all[i] = type(all[i]) == "table" and "{" .. tostring(all[i][1]) .. "}" or tostring(all[i]) end
    return table.concat(all, " ")
  end
  local values = { "x + %d", "x * 0.5 + %d", "{ x + %d }" }
  for kinds = 0, 3 ^ 3 - 1 do
    local source = ("return function(x) local a, b, c = %s, %s, %s local n = x for i = 1, 3 do n = n + i end "
      .. "if x > 2 then return function() return a, b, c end end return b, n end"):format(
      values[kinds // 1 % 3 + 1]:format(1), values[kinds // 3 % 3 + 1]:format(2), values[kinds // 9 % 3 + 1]:format(3))
    local f, g = load(source)(), mmap.compile(load(source)())
    for x = 1, 4 do
      local wanted, got = table.pack(f(x)), table.pack(g(x))
      if x > 2 then eq(shown(got[1]()), shown(wanted[1]()), source) else eq(shown(table.unpack(got)), shown(table.unpack(wanted)), source) end
    end
  end
end

-- ---- functions made at random

local seed
local function random(n)
  seed = seed * 6364136223846793005 + 1442695040888963407
  return (seed >> 33) % n + 1
end
local function pick(list) return list[random(#list)] end

local loops = 0
local function expression(depth)
  local function leaf()
    local kind = random(12)
    if kind <= 2 then return pick { "0", "1", "3", "-2", "0.5", "2.0", "-0.0", "1e300", "math.huge" } end
    if kind <= 4 then return pick { "n", "x", "y", "s" } end
    if kind == 5 and loops > 0 then return "i" .. random(loops) end
    if kind == 6 then return "#l" end
    local read = pick { "m", "k", "l" } .. "[" .. pick { "1", "2", "0", "x", "n & 7", "3.0", "s", loops > 0 and "i1" or "2", loops > 1 and "i2 + 1" or "5" } .. "]"
    return random(12) == 1 and read or "(" .. read .. " or " .. pick { "0", "1", "0.5", "n" } .. ")"
  end
  if depth == 0 then return leaf() end
  local kind = random(14)
  if kind <= 5 then return "(" .. expression(depth - 1) .. pick { " + ", " - ", " * " } .. expression(depth - 1) .. ")" end
  if kind == 6 then return "(" .. expression(depth - 1) .. pick { " / ", " // ", " % " } .. pick { "3", "0.5", "-7" } .. ")" end
  if kind == 7 then return pick { "math.max", "math.min" } .. "(" .. expression(depth - 1) .. ", " .. pick { "2", "x", "0.5" } .. ")" end
  if kind == 8 then return "(" .. expression(depth - 1) .. pick { " < ", " == ", " ~= ", " <= " } .. expression(depth - 1) .. " and " .. leaf() .. " or " .. leaf() .. ")" end
  return leaf()
end
local function key()
  return pick { "1", "2", "0", "7", "12.0", "x", "n", "n & 15", "s", loops > 0 and "i1" or "4", loops > 0 and "i1 * 2" or "6", loops > 1 and "i1 + i2" or "3",
    "#l + 1", "(x + n) & 31", random(30) == 1 and "-1" or "5", random(30) == 1 and "y" or "11" }
end
local statement
local function block(depth)
  local parts = {}
  for i = 1, 1 + random(3) do parts[i] = statement(depth) end
  return table.concat(parts, " ")
end
function statement(depth)
  local kind = random(20)
  local m = pick { "m", "k" }
  if kind <= 3 then return ("%s[%s] = %s"):format(m, key(), expression(2)) end
  if kind <= 5 then local at = key() return ("%s[%s] = (%s[%s] or 0) + %s"):format(m, at, m, at, expression(1)) end
  if kind == 6 then return ("%s[%s] = %s"):format(m, key(), pick { "nil", "true", "false", "nil" }) end
  if kind <= 8 then return "l[#l + 1] = " .. expression(1) end
  if kind == 9 then return "if #l > 0 then l[#l] = nil end" end
  if kind == 10 then return "s = s + " .. expression(2) end
  if kind == 11 then local a, b = key(), key() return ("%s[%s], %s[%s] = %s[%s], %s[%s]"):format(m, a, m, b, m, b, m, a) end
  if kind == 12 then return pick { "m, k = k, m", "k = {}", "m = { x, n, 5 }", "k = { [0] = n, math.max(x, 1) }", "s = s + (m == k and 1 or 0)", "k = m" } end
  if kind == 13 then local at = key() return ("local z = %s[%s] if z then %s[%s] = z s = s + 1 end"):format(m, at, m, key()) end
  if kind == 14 and depth > 0 then
    return ("if %s %s %s then %s else %s end"):format(expression(1), pick { "<", "<=", "==", "~=" }, expression(1), block(depth - 1), block(depth - 1))
  end
  if kind <= 17 and depth > 0 and loops < 2 then
    loops = loops + 1
    local text = ("for i%d = %s do %s end"):format(loops, pick { "1, n", "n, 1, -1", "0, 9", "1, #l", "2, 20, 3" }, block(depth - 1))
    loops = loops - 1
    return text
  end
  if kind == 18 and random(3) == 1 then return pick { "if s == 3 then m.name = s end", "if #l == 5 then use(l) end", "if m[3] == 3 then k[1] = 'text' end" } end
  return ("%s[%s] = %s[%s]"):format(m, key(), m, key())
end

-- `count` functions from a seed on, each with some arguments; returns the share of calls that ran as machine code.
function suite.randomFunctions(first, count)
  local calls, whole = 0, 0
  for number = first, first + count - 1 do
    seed = number * 7919
    loops = 0
    local source = ("(function(use) return function(n, x, y) local m, k, l, s = {}, {}, {}, 0 %s return m, k, l, s end end)(...)"):format(block(2))
    local f, g = both(source, function(t) t[1] = 77 end)
    for _, n in ipairs { 0, 1, 5, 19 } do
      for _, x in ipairs { 3, 2.0, 0.5 } do
        local ok, e = pcall(same, f, g, n, x, 1.5)
        if not ok then error(("function %d: %s\n%s"):format(number, source, e)) end
        calls = calls + 1
        if not mmap.whynot(g) then whole = whole + 1 end
      end
    end
  end
  return whole / calls
end

function suite.hundredsOfRandomFunctions()
  local share = suite.randomFunctions(1, 150)
  assert(share > 0.6, share)
end

-- ---- memory

function suite.memoryIsCountedAndGivenBack()
  collectgarbage() collectgarbage()
  local before = used()
  local f = function(n, at)
    local t = {}
    for i = 1, n do
      t[i] = i
      if i == at then t.name = i end
    end
    return #t
  end
  local g = mmap.compile(f)
  eq(g(10), 10); eq(g(10, 5), 10)
  local code = used() - before
  assert(code > 0)
  eq(g(1000000), 1000000); eq(used(), before + code)
  eq(g(1000, 500), 1000); eq(used(), before + code)
  -- Tables that are no longer needed are freed while the function runs.
  local many = compiled(function(n) local s = 0 for i = 1, n do local t = {} t[100000] = i s = s + t[100000] end return s end)
  eq(many(1), 1)
  local now = used()
  limit(now + 20000000)
  eq(many(2000), 2001000)
  -- At the limit the interpreter goes on, with the table as it was.
  local h = mmap.compile(f)
  eq(h(1), 1)
  now = used()
  limit(now + 500000)
  eq(h(200000), 200000)
  eq(used(), now)
  limit(math.maxinteger)
end

-- Each allocation of Lua in a call fails once; no memory is lost.
function suite.everyAllocationFailsOnce()
  local f = function(n)
    local t, u = {}, { 1, 2, 3 }
    for i = 1, n do t[i] = i t[1 << i] = 0.5 end
    if n > 5 then t.name = n end
    return t, u, t
  end
  local g = mmap.compile(f)
  for _, n in ipairs { 4, 6 } do
    g(n)
    collectgarbage() collectgarbage()
    local before = used()
    for failures = 1, 3 do
      local k = 0
      repeat
        refuse(k, failures)
        local ok, a, b, c = pcall(g, n)
        local was_refused = refused()
        assert(ok and a == c and a[4] and #b == 3 or was_refused and a == "not enough memory", a)
        eq(used(), before)
        k = k + 1
      until not was_refused
      assert(k > 4)
    end
  end
end

-- A finalizer frees the tables while they become tables of Lua.
function suite.aFinalizerFreesTheTables()
  local g = compiled(function(n) local t, u = {}, {} for i = 1, n do t[i] = i u[i] = -i end return t, u end)
  local freed, failed = 0, 0
  local function evil()
    for level = 1, 20 do
      if not debug.getinfo(level, "f") then break end
      for i = 1, 20 do
        local _, value = debug.getlocal(level, i)
        local meta = type(value) == "userdata" and debug.getmetatable(value)
        if meta and meta.__name == "mmap.made" then
          meta.__gc(value) meta.__close(value)
          freed = freed + 1
        end
      end
    end
  end
  for i = 1, 200 do
    for k = 1, 30 do setmetatable({}, { __gc = evil }) end
    local ok, t, u = pcall(g, 2000)
    if ok then
      for k = 1, 2000 do assert(t[k] == k and u[k] == -k) end
    else
      failed = failed + 1
      assert(t:find "a finalizer freed the tables of a compiled function", t)
    end
  end
  assert(freed > 0 and failed > 0, freed)
end

return suite
