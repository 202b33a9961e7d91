-- tables.lua --seed N --calls N [--trace], tables.lua --recorded FILE: tables against sqlite3.
--
-- tables.py writes random tables and asks random questions; SQLite's answers are compared with ours. A file that was recorded
-- (python3 tables.py SEED COUNT >FILE) needs no Python.
local here <const> = arg[0]:gsub("[^/]*$", "")
local mmap = require "mmap"
local null <const> = setmetatable({}, { __tostring = function() return "null" end })
local seed, count, is_traced, source = 0, 0, false, nil
if arg[1] == "--recorded" then
  local file <close> = assert(io.open(arg[2], "rb"))
  source = file:read "a"
else
  local options = dofile(here .. "options.lua")
  seed, count, is_traced = options.seed, options.calls, options.trace
end

local function write(path, text)
  local file <close> = assert(io.open(path, "wb"))
  assert(file:write(text))
end

-- The rows of all pieces, one after the other.
local function pieces(t, n)
  local list = {}
  for k = 1, n do list[k] = t:piece(k, n) end
  return list
end
-- What was written, read back. SQLite's columns say what was written in which order.
local function written(t, extension, columns)
  local path <const> = "written." .. extension
  t:write(path)
  return mmap.table(path, { columns = columns, header = extension ~= "jsonl" and true or nil })
end

local function rows_of(result, width)
  local rows = {}
  if type(result) == "table" then
    for _, piece in ipairs(result) do
      for _, row in ipairs(rows_of(piece, width)) do rows[#rows + 1] = row end
    end
    return rows
  end
  local at = 0
  local function keep(i, ...)
    if i == nil then return false end
    if i ~= at then error(("row %s, not %d"):format(i, at)) end
    at = at + 1
    rows[at] = table.pack(...)
    return true
  end
  local step, state, last = result:rows()
  while keep(step(state, last)) do last = at - 1 end
  return rows
end

local function is_equal(ours, theirs, is_about)
  if theirs == null then return ours == nil end
  if type(ours) ~= type(theirs) then return false end
  if ours == theirs then return true end
  if not is_about or math.type(ours) ~= "float" and math.type(theirs) ~= "float" or type(ours) ~= "number" then return false end
  return math.abs(ours - theirs) <= 1e-9 * (math.abs(ours) + math.abs(theirs)) + 1e-7
end

local function shown(row, width)
  local list = {}
  for i = 1, width do list[i] = type(row[i]) == "string" and ("%q"):format(row[i]):sub(1, 200) or tostring(row[i]) end
  return table.concat(list, ", ")
end

local function compare(rows, answer, width, is_about)
  if #rows ~= #answer then return ("%d rows, not %d"):format(#rows, #answer) end
  for r, row in ipairs(rows) do
    if row.n ~= width then return ("row %d has %d columns, not %d"):format(r - 1, row.n, width) end
    for i = 1, width do
      if not is_equal(row[i], answer[r][i], is_about) then
        return ("row %d, column %d: (%s), not (%s)"):format(r - 1, i, shown(row, width), shown(answer[r], width))
      end
    end
  end
end

local done = 0
local function run(cases)
  for _, case in ipairs(cases) do
    local opened = {}
    for i, file in ipairs(case.files) do
      local path, text, options, renames = table.unpack(file)
      write(path, text)
      local t = mmap.table(path, load("return " .. options)())
      opened[i] = load("local t = ... return t" .. renames)(t)
    end
    for _, question in ipairs(case.questions) do
      local chain, is_about, width, answer = table.unpack(question)
      if is_traced then print(chain) end
      local ask = assert(load("local a, b, pieces, written = ... return " .. chain))
      local ok, found = pcall(function() return compare(rows_of(ask(opened[1], opened[2], pieces, written), width), answer, width, is_about) end)
      if not ok or found then
        error(("%s\n  of %s %s%s\n  and %s %s%s\n  %s"):format(chain, case.files[1][1], case.files[1][3], case.files[1][4], case.files[2][1],
          case.files[2][3], case.files[2][4], found), 0)
      end
      done = done + 1
    end
    collectgarbage()
  end
end

if source then run(assert(load(source, "@recorded", "t"))(null)) end
while done < count do
  -- The library that makes holes around mappings is for this program only.
  local pipe <close> = assert(io.popen(("LD_PRELOAD= exec python3 -B '%stables.py' %d %d"):format(here, seed * 1000 + done, math.min(count - done, 600))))
  local chunk = pipe:read "a"
  assert(pipe:close(), "tables.py failed")
  run(assert(load(chunk, "@tables.py", "t"))(null))
end
print(("%d calls"):format(done))
