-- compile.lua --seed N --calls N [--verbose]: machine code of mmap.compile against the interpreter.
--
-- Functions with a hundred random expressions each, and functions with twenty random loops each, are called compiled and
-- interpreted, with the same arguments. Results, their types, the sign of zero, error messages with their lines, upvalues
-- and the bytes of all memory are the same. Only the sign of a NaN may differ.
local options = dofile(arg[0]:gsub("[^/]*$", "") .. "options.lua")
local mmap = require "mmap"
math.randomseed(options.seed)
local random = math.random
local function pick(list) return list[random(#list)] end

-- Numbers.

local integers = { 0, 1, -1, 2, 3, 7, 8, 10, -3, 63, 64, 65, -63, -64, 255, 256, 65535, 1 << 31, 1 << 32, -(1 << 31), 1 << 53, (1 << 53) + 1, -(1 << 53) - 1,
  math.maxinteger, math.mininteger, math.maxinteger - 1, math.mininteger + 1 }
local floats = { 0.0, -0.0, 0.5, -0.5, 1.0, 1.5, -2.0, 3.0, 1e15, 2.0^53, 2.0^53 + 2, 2.0^63, -2.0^63, 2.0^64, 1e308, -1e308, 5e-324, math.huge, -math.huge,
  0/0, 0.1, 100.25, 65504.0, 3.4028235e38 }
local function number(is_float)
  if is_float then return random(4) == 1 and (random() - 0.5) * 10.0 ^ random(-5, 20) or pick(floats) end
  return random(4) == 1 and random(0) or random(3) == 1 and random(-20, 20) or pick(integers)
end
local function literal()
  local x = number(random(3) == 1)
  if x ~= x then return "(0/0)" elseif x == math.huge then return "(1e999)" elseif x == -math.huge then return "(-1e999)" end
  if x == math.mininteger then return "math.mininteger" end
  return math.type(x) == "float" and ("(%.17g)"):format(x):gsub("^%((%-?%d+)%)$", "(%1.0)") or ("(%d)"):format(x)
end

-- Expressions. What is an integer or a float by its value is multiplied by 1: in a call it would not be compiled. `names` are the variables that may stand in one.

local binary = { "+", "-", "*", "/", "//", "%", "&", "|", "~", "<<", ">>", "+", "-", "*", "//", "%", "^" }
local compare = { "<", "<=", ">", ">=", "==", "~=" }
local unary = { "math.abs(%s)", "math.floor(%s) * 1", "math.ceil(%s) * 1", "math.sqrt(%s)", "(math.tointeger(%s) or 3)", "-%s", "~%s", "math.sin(%s)", "math.exp(%s)", "math.log(%s)" }
local pairwise = { "(math.max(%s, %s) * 1)", "(math.min(%s, %s) * 1)", "(math.fmod(%s, %s) * 1)", "math.atan(%s, %s)" }
local expression, condition
local function element(names, depth)
  local index = random(3) == 1 and expression(names, depth - 1) or random(4) == 1 and pick(names) or random(-1, 9)
  local offset = ("((%s) & %d)"):format(index, random(2) == 1 and 15 or 63)
  if random(4) == 1 then return ("b:get(%q, %s)"):format(pick { "u8", "i8", "u16be", "i32", "f32", "f64be", "i64", "u64" }, offset) end
  if random(6) == 1 then return ("b:read%s(%s)"):format(pick { "UInt8", "Int16LE", "FloatBE", "DoubleLE", "UInt32BE" }, offset) end
  if random(2) == 1 then index = ("(%s) & 7"):format(index) end
  return ("%s[%s]"):format(pick { "b", "v", "w", "h" }, index)
end
function expression(names, depth)
  local kind = depth > 0 and random(12) or random(3)
  if kind <= 2 then return pick(names) elseif kind == 3 then return literal() end
  if kind <= 7 then return ("(%s %s %s)"):format(expression(names, depth - 1), pick(binary), expression(names, depth - 1)) end
  if kind == 8 then return "(" .. pick(unary):format(expression(names, depth - 1)) .. ")" end
  if kind == 9 then return pick(pairwise):format(expression(names, depth - 1), expression(names, depth - 1)) end
  if kind == 10 then return "(" .. element(names, depth) .. ")" end
  if kind == 11 then return ("(%s and %s or %s)"):format(condition(names, depth - 1), expression(names, depth - 1), expression(names, depth - 1)) end
  return pick { "#b", "#v", "(%s)" }:format(expression(names, depth - 1))
end
function condition(names, depth)
  local kind = depth > 0 and random(7) or 1
  if kind <= 4 then return ("(%s %s %s)"):format(expression(names, depth - 1), pick(compare), expression(names, depth - 1)) end
  if kind == 5 then return ("(not %s)"):format(condition(names, depth - 1)) end
  return ("(%s %s %s)"):format(condition(names, depth - 1), pick { "and", "or" }, condition(names, depth - 1))
end

-- Loops. Each has a counter that ends it, but for some that end by themselves, as machine code is made of those without.

local loop
local function statement(names, depth, list)
  local kind = random(depth > 0 and 11 or 8)
  if kind <= 3 then
    list[#list + 1] = ("%s = %s"):format(pick { "s", "m", "k" }, expression(names, 2))
  elseif kind <= 5 then
    list[#list + 1] = ("%s[%s] = %s"):format(pick { "b", "v", "w", "h" }, random(3) > 1 and ("(%s) & 7"):format(expression(names, 1)) or pick(names),
      random(3) > 1 and ("(%s) & 127"):format(expression(names, 1)) or expression(names, 2))
  elseif kind == 6 then
    list[#list + 1] = ("if %s then %s = %s else %s = %s end"):format(condition(names, 2), pick { "s", "m", "up" }, expression(names, 2), pick { "s", "k" }, expression(names, 1))
  elseif kind == 7 then
    list[#list + 1] = ("if %s then break end"):format(condition(names, 2))
  elseif kind == 8 then
    list[#list + 1] = ("s = s + %s[%s]"):format(pick { "b", "v", "w" }, names[#names])
  else
    loop(names, depth - 1, list)
  end
end
local function body(names, depth, list, is_counted)
  if is_counted then list[#list + 1] = "n = n + 1 if n > 60 then break end" end
  for _ = 1, random(3) do statement(names, depth, list) end
end
local loops = 0
function loop(names, depth, list)
  loops = loops + 1
  local kind, inner = random(6), { table.unpack(names) }
  if kind <= 2 then
    -- Over elements, within bounds or just past them.
    local i = "i" .. #names
    inner[#inner + 1] = i
    local what = pick { "#b - 1", "#v - 1", "7", "#w", "x & 15" }
    list[#list + 1] = random(4) > 1 and ("for %s = %s, %s do"):format(i, pick { "0", "1", "-1", "y & 3" }, what)
      or ("for %s = %s, %s, %s do"):format(i, what, pick { "0", "-1", "3" }, pick { "-1", "-2", "-3" })
    if random(2) == 1 then
      -- As vectors like it.
      for _ = 1, random(2) do
        list[#list + 1] = pick { "s = s + v[%s]", "s = s + b[%s]", "w[%s] = v[%s] * 2", "if b[%s] == 7 then k = k + 1 end", "m = math.max(m, v[%s])", "h[%s] = b[%s] & 31",
          "v[%s] = v[%s + 1]", "v[%s] = v[%s - 1] + w[%s]", "local e = v[%s] if e > m then m = e end", "b[%s] = %s & 0xff", "s = s + h[%s] * b[%s]" }:gsub("%%s", i)
      end
    else
      body(inner, depth, list, depth > 0)
    end
  elseif kind == 3 then
    local i = "i" .. #names
    inner[#inner + 1] = i
    list[#list + 1] = ("for %s = %s, %s, %s do"):format(i, expression(names, 1), expression(names, 1), random(3) == 1 and expression(names, 1) or pick { "1", "2", "-1", "-3", "0.5", "3.0" })
    body(inner, depth, list, true)
  elseif kind == 4 then
    list[#list + 1] = ("while %s do"):format(condition(names, 2))
    body(inner, depth, list, true)
  elseif kind == 5 then
    list[#list + 1] = "repeat"
    body(inner, depth, list, true)
    list[#list + 1] = ("until %s"):format(condition(names, 2))
    return
  else
    local label = ("l%d"):format(loops)
    list[#list + 1] = ("do ::%s:: n = n + 1"):format(label)
    for _ = 1, random(2) do list[#list + 1] = ("s = %s"):format(expression(names, 2)) end
    list[#list + 1] = ("if n < 60 and %s then goto %s end"):format(condition(names, 2), label)
  end
  list[#list + 1] = "end"
end

-- Both sides.

local memory = mmap.anonymous(256)
local original = {}
for i = 0, 255 do original[i + 1] = string.char((i * 89 + options.seed * 31 + 7) & 255) end
original = table.concat(original)
local kinds = { "u8", "i8", "u16", "i16be", "u32", "i32", "u64be", "i64", "f32", "f64", "f32be", "f16", "bf16" }

local function shown(...)
  local all = table.pack(...)
  for i = 1, all.n do
    local x = all[i]
    all[i] = math.type(x) == "float" and (x ~= x and "nan" or ("%a"):format(x)) or tostring(x)
  end
  -- Lua 5.4.4 gives a division by zero the line of the last call.
  return (table.concat(all, " ", 1, all.n):gsub(":%d+: attempt to divide", ": attempt to divide"):gsub(":%d+: attempt to perform 'n", ": attempt to perform 'n"))
end
local function bytes() local all = memory:string() return all end

local calls, expressions, all_loops, compiled = 0, 0, 0, 0
local up = 0
-- The functions share the upvalue.
local function make(source)
  local chunk = assert(load("local up = 0\nlocal set = function(x) up = x end\nlocal get = function() return up end\nreturn function(f, x, y, z, b, v, w, h)\n"
    .. source .. "\nend, set, get", "=f"))
  return chunk
end

local function compare_all(source, count)
  local chunk = make(source)
  local f, set, get = chunk()
  local g = mmap.compile(f)
  local types = { random(2) == 1, random(2) == 1, random(2) == 1 }
  local b = memory:slice(random(0, 3), random(30, 60))
  local v = memory:view(pick(kinds), random(0, 60), random(3, 12))
  local w = memory:view(pick(kinds), random(64, 110), random(3, 12), random(3) == 1 and 12 or nil)
  local h = memory:view("u32", 64, 16)
  local start = number(random(2) == 1)
  for index = 1, count do
    for _ = 1, 4 do
      local x, y, z = number(types[1]), number(types[2]), number(types[3])
      memory:copy(0, original) set(start)
      local wanted = shown(pcall(f, index, x, y, z, b, v, w, h)) .. " up " .. shown(get())
      local after = bytes()
      memory:copy(0, original) set(start)
      local got = shown(pcall(g, index, x, y, z, b, v, w, h)) .. " up " .. shown(get())
      local found = bytes()
      calls = calls + 1
      if not mmap.whynot(g) then compiled = compiled + 1 end
      -- A NaN that is stored may have the other sign.
      if wanted ~= got or (after ~= found and not source:find "0/0" and not (after .. found):find "\x7f" and not (after .. found):find "\xff") then
        error(("seed %d, function %d (%s %s %s), %s %s, start %s: wanted %s, got %s%s\n%s"):format(options.seed, index, x, y, z, v, w, start, wanted, got,
          after ~= found and ", other bytes" or "", source))
      end
    end
  end
  if options.verbose then print(compiled, calls, mmap.whynot(g), #mmap.compiled(g), #mmap.compiled(g) > 0 and mmap.compiled(g)[1].seconds) end
end

while calls < options.calls do
  local list = {}
  if random(2) == 1 then
    -- A hundred expressions in a function, because compiling is slow.
    local names = { "x", "y", "z" }
    for i = 1, 100 do
      local depth = random(4) == 1 and 4 or 3
      list[i] = ("%s f == %d then return %s"):format(i == 1 and "if" or "elseif", i, random(4) == 1 and condition(names, depth) or expression(names, depth))
    end
    list[#list + 1] = "end"
    compare_all(table.concat(list, "\n"), 100)
    expressions = expressions + 100
  else
    for i = 1, 20 do
      list[#list + 1] = ("%s f == %d then local n, s, m, k = 0, %s, x, y"):format(i == 1 and "if" or "elseif", i, pick { "0", "0.0", "z" })
      local before = loops
      loop({ "x", "y", "z", "s", "k", "n" }, 2, list)
      all_loops = all_loops + loops - before
      list[#list + 1] = "return s, m, k, n, up"
    end
    list[#list + 1] = "end"
    compare_all(table.concat(list, "\n"), 20)
  end
end
assert(compiled * 2 > calls or not next(mmap.compiled(mmap.compile(print))), "most calls were interpreted")
print(("%d calls: %d expressions, %d loops, %d compiled"):format(calls, expressions, all_loops, compiled))
