-- Answers of children: values that are written and read again, and forged bytes.
local common = require "common"

local function is_scalar(key) return type(key) ~= "table" end

-- Whether two values are equal; tables are compared by content. `seen` maps tables of `a` to tables of `b`.
local function is_equal(a, b, seen)
  if type(a) ~= "table" or type(b) ~= "table" then return common.is_same(a, b) end
  if seen[a] then return seen[a] == b end
  seen[a] = b
  local keys = 0
  for key, value in next, a do
    if is_scalar(key) then
      if not is_equal(value, rawget(b, key), seen) then return false end
    end
    keys = keys + 1
  end
  for _ in next, b do keys = keys - 1 end
  return keys == 0
end

local function check_again(values, about)
  local message = fuzz.encode(table.unpack(values, 1, values.n))
  local is_message, again = fuzz.decode(message)
  if not is_message or again.n ~= values.n then error(about .. ": what was written is not what is read") end
  for i = 1, values.n do
    if not is_equal(values[i], again[i], {}) then error(("%s: value %d is another one"):format(about, i)) end
  end
end

-- A value from the rest of the input.
local function value(r, tables, depth)
  local kind = r:byte()
  if kind < 192 or depth > 8 then return r:value() end
  if kind < 200 and #tables > 0 then return tables[kind % #tables + 1] end
  local t = {}
  tables[#tables + 1] = t
  for i = 1, kind & 15 do
    if r:is_at_end() then break end
    local key = i
    if kind & 16 == 16 then key = value(r, tables, depth + 1) end
    if key == nil or key ~= key then key = false end
    t[key] = value(r, tables, depth + 1)
  end
  return t
end

local MAGIC <const> = "alummap2"
local INHERITED <const> = 100

-- Accesses bytes of an object from a message: each access must succeed or raise an error.
local function use(object)
  for i = 0, #object - 1, math.max(1, #object // 64) do local _ = object[i] end
  if #object > 0 then
    local last = object[#object - 1]
    pcall(function() object[#object - 1] = last end)
  end
end

local function use_all(values)
  for i = 1, values.n do
    local object = values[i]
    local kind = type(object) == "userdata" and tostring(object):match "^mmap%.(%a+)"
    if kind == "buffer" or kind == "view" then pcall(use, object)
    elseif kind == "atomic" then pcall(function() object:store(object:load()) end)
    end
  end
end

-- A number for a message: small, near the end of the memory, or any.
local function number(r)
  local how = r:byte()
  if how < 100 then return how end
  if how < 150 then return 3 * mmap.PAGESIZE - (how - 125) end
  if how < 200 then return (how - 150) * 8 end
  return r:integer()
end

-- A request for shared memory and the objects on it.
local function forged(r)
  local parts = {}
  for _ = 1, 1 + (r:byte() & 1) do
    local offset, length = number(r), r:byte() < 200 and 3 * mmap.PAGESIZE or number(r)
    parts[#parts + 1] = "m" .. string.pack("<jj i4 i4 i4 i4", r:byte() < 200 and 0 or offset, length, INHERITED,
      r:byte() & 3, r:byte() & 3, r:byte() & 1) .. "z"
    for _ = 1, 1 + (r:byte() & 3) do
      local tag = ({ "b", "l", "v", "a" })[(r:byte() & 3) + 1]
      parts[#parts + 1] = tag .. string.pack("<jjj", r:byte() & 1, number(r), number(r))
      if tag == "v" then parts[#parts + 1] = string.pack("<jjj", number(r), number(r), number(r)) end
      if tag == "a" then parts[#parts + 1] = string.pack("<j", number(r)) end
    end
  end
  return table.concat(parts)
end

return function(input)
  local r = common.reader(input)
  local how = r:byte()
  if how < 128 then
    local values, tables = { n = 1 + (how & 7) }, {}
    for i = 1, values.n do values[i] = value(r, tables, 0) end
    check_again(values, "written")
    return
  end
  if how >= 160 and how < 208 then
    local body = forged(r)
    local ok, is_message, values = pcall(fuzz.decode, MAGIC .. string.pack("<j", #body) .. body, true)
    if ok and is_message then use_all(values) end
    return
  end
  local body = r:rest()
  -- Mostly a valid header: without one, the message is rejected at once.
  local message = how < 136 and body or MAGIC .. string.pack("<j", #body) .. body
  if how >= 136 and how < 140 then message = message:sub(1, -2) end
  local ok, is_message, values = pcall(fuzz.decode, message)
  if not ok then error(is_message, 0) end
  if is_message then check_again(values, "read") end
end
