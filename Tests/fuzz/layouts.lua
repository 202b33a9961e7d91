-- mmap.struct against the rules of C, and the fields of its records, as views too, against string.pack and
-- string.unpack. These have no 16-bit floats, which are computed from their bits.
local common = require "common"

local FORMATS <const> = {
  u8 = "B", i8 = "b", u16 = "I2", i16 = "i2", u32 = "I4", i32 = "i4", u64 = "j", i64 = "j", f32 = "f", f64 = "d",
}
local NUMBERS <const> = { "u8", "i8", "u16", "i16", "u32", "i32", "u64", "i64", "f32", "f64", "f16", "bf16" }
local ORDERS <const> = { "", "le", "be" }
local LARGEST <const> = (1 << 28) - 1 -- maximum size of a record, in bytes

-- The values of 16-bit floats by their bits; their infinity is after the largest finite one.
local HALVES <const> = {
  f16 = { infinity = 0x7C00, value = function(bits)
    local sign, exponent, fraction = bits >> 15 == 1 and -1.0 or 1.0, bits >> 10 & 31, bits & 1023
    if exponent == 31 then return fraction == 0 and sign / 0 or 0 / 0 end
    if exponent == 0 then return sign * fraction * 2.0 ^ -24 end
    return sign * (1024 + fraction) * 2.0 ^ (exponent - 25)
  end },
  bf16 = { infinity = 0x7F80, value = function(bits) return (string.unpack("<f", string.pack("<I4", bits << 16))) end },
}

-- The value in the type that is nearest to a number, ties to even bits; nil if a finite number would become infinite.
local function nearest(half, x)
  local size, value = math.abs(x), half.value
  if x ~= x or size == math.huge then return x end
  local low, high = 0, half.infinity
  while high - low > 1 do
    local middle = (low + high) // 2
    if value(middle) <= size then low = middle else high = middle end
  end
  -- The step after the largest value is as long as the one before it.
  local below = value(low)
  local above = high < half.infinity and value(high) or 2 * below - value(low - 1)
  local is_up = size - below > above - size or size - below == above - size and low & 1 == 1
  if is_up and high == half.infinity then return nil end
  return value((is_up and high or low) | (x + 1 / x < 0 and 0x8000 or 0))
end

-- A number to write, often one at the border between two values of a 16-bit float.
local function read_number(r)
  local how = r:byte()
  if how < 64 then return r:float() end
  if how < 96 then return r:integer() + 0.0 end
  local value, bits = HALVES[how & 1 == 1 and "f16" or "bf16"].value, r:byte() << 8 | r:byte()
  local middle = (value(bits) + value(bits + 1 & 0xFFFF)) / 2
  return ({ middle, middle * (1 + 2.0 ^ -52), middle * (1 - 2.0 ^ -53), value(bits) })[(how >> 1 & 3) + 1]
end

-- Describes a type by its name: size and alignment of an element, and its format or kind.
local function type_of(name)
  local number, order = name:match "^(%l+%d+)(%l*)$"
  if HALVES[number] and (order == "" or order == "le" or order == "be") then
    local format = (order == "be" and ">" or "<") .. "I2"
    return { name = name, size = 2, alignment = 2, format = format, half = HALVES[number] }
  end
  if FORMATS[number] and (order == "" or order == "le" or order == "be") then
    local size = string.packsize(FORMATS[number])
    return { name = name, size = size, alignment = size, format = (order == "be" and ">" or "<") .. FORMATS[number] }
  end
  local text, count = name:match "^(%l+)%[(%d+)%]$"
  if not text then text, count = name, "1" end
  -- At most nine digits in the brackets.
  local is_text = (text == "char" or text == "bytes") and #count <= 9 and tonumber(count) > 0
  return { name = name, size = is_text and tonumber(count), alignment = 1, text = text, is_short = text == name }
end

local function read_type(r, inner)
  local kind = r:byte()
  if kind < 160 then return type_of(NUMBERS[kind % 12 + 1] .. ORDERS[kind // 12 % 3 + 1]) end
  if kind < 192 then
    local text, n = kind & 1 == 1 and "char" or "bytes", r:byte()
    if kind & 2 == 2 then return type_of(text) end
    return type_of(("%s[%d]"):format(text, n > 250 and r:integer() or n))
  end
  if kind < 208 and #inner > 0 then
    local layout = inner[kind % #inner + 1]
    return { name = layout.made, size = layout.size, alignment = layout.alignment, layout = layout }
  end
  return type_of(r:short())
end

local function rounded(n, to) return (n + to - 1) // to * to end

-- A description and the expected layout; the size is nil if the description is invalid.
local function read_layout(r, inner)
  local how = r:byte()
  local description, fields = {}, {}
  local align = ({ [0] = nil, true, 1, 2, 4, 8, 16, false, r:byte(), "x" })[how % 16]
  local limit = align == true and 16 or align or 1
  local is_good = limit == 1 or limit == 2 or limit == 4 or limit == 8 or limit == 16
  description.align = align
  local next_one, stop, alignment, names = 0, 0, 1, {}
  for i = 1, how >> 4 do
    local field = read_type(r, inner)
    local flags = r:byte()
    field.key = flags & 1 == 0 and "f" .. i or r:short()
    local item = { field.key, field.name }
    if flags & 2 == 2 then
      field.count = flags & 4 == 4 and r:integer() or r:byte()
      item[3] = field.count
    end
    if flags & 8 == 8 then
      field.place = flags & 4 == 4 and r:integer() or r:byte()
      item.offset = field.place
    end
    description[i] = item
    is_good = is_good and field.size and field.key ~= "" and not names[field.key]
    names[field.key] = true
    if field.count then
      is_good = is_good and field.count >= 1 and field.count <= LARGEST and (not field.text or field.is_short)
      -- After a word without brackets, this is the number of bytes.
      if field.is_short then field.size, field.count = field.count, nil end
    end
    if is_good then
      local of_field = math.min(field.alignment, limit)
      field.offset = field.place or rounded(next_one, of_field)
      if field.offset < 0 or field.offset > LARGEST or (field.count or 1) > (LARGEST - field.offset) // field.size then
        is_good = false
      else
        next_one = field.offset + field.size * (field.count or 1)
        stop = math.max(stop, next_one)
        alignment = math.max(alignment, of_field)
      end
    end
    fields[i] = field
  end
  local size = rounded(stop, alignment)
  if how & 8 == 8 then
    size = r:byte()
    description.size = size
    is_good = is_good and size >= stop and size > 0
  end
  return description, fields, is_good and size > 0 and size <= LARGEST and size or nil, alignment
end

local function expected(field, bytes, at)
  if field.text == "bytes" then return bytes:sub(at + 1, at + field.size) end
  if field.text then return (bytes:sub(at + 1, at + field.size):gsub("\0+$", "")) end
  local value = string.unpack(field.format, bytes, at + 1)
  return field.half and field.half.value(value) or value
end

local function check_value(got, field, bytes, at, about)
  if field.layout then
    for _, inner in ipairs(field.layout.fields) do
      if not inner.count then check_value(got[inner.key], inner, bytes, at + inner.offset, about .. "." .. inner.key) end
    end
    return
  end
  local wanted = expected(field, bytes, at)
  if not common.is_same(got, wanted) then error(("%s: %q, not %q"):format(about, got, wanted)) end
end

-- Writes a number in each of three ways.
local function check_half(b, record, field, at, x)
  local wanted = nearest(field.half, x)
  local before = record[field.key]
  for how, write in ipairs {
    function() record[field.key] = x end, function() b:set(field.name, at, x) end,
    function() b:view(field.name, at, 1)[0] = x end,
  } do
    local is_done, problem = pcall(write)
    if is_done ~= (wanted ~= nil) then error(("%s = %a: %s"):format(field.name, x, is_done and "done" or problem)) end
    local now = record[field.key]
    if not common.is_same(now, wanted or before) or 1 / now ~= 1 / (wanted or before) and now == now then
      error(("%s = %a, way %d: %a, not %a"):format(field.name, x, how, now, wanted or before))
    end
  end
end

local function check_record(layout, r, at_start)
  local x, text = read_number(r), r:rest()
  local bytes = text:rep(2 * layout.size // math.max(#text, 1) + 1):sub(1, 2 * layout.size)
  bytes = bytes .. ("\0"):rep(2 * layout.size - #bytes)
  local b = common.place(bytes, at_start)
  local record = b:records(layout.made)[1]
  for _, field in ipairs(layout.fields) do
    local value, at = record[field.key], layout.size + field.offset
    -- A field with a method's name is hidden by the method.
    if field.count then
      for i = 0, math.min(field.count, 4) - 1 do check_value(value[i], field, bytes, at + i * field.size, field.key) end
    else
      check_value(value, field, bytes, at, field.key)
      if field.format then
        check_value(b:get(field.name, at), field, bytes, at, field.key .. " by get")
        check_value(b:view(field.name, at, 1)[0], field, bytes, at, field.key .. " in a view")
      end
      -- Writing the same value back changes nothing, except the payload of a NaN.
      if not field.layout and value == value then
        record[field.key] = value
        if field.text ~= "char" and b:string() ~= bytes then error(field.key .. ": another record after the same value") end
        if not common.is_same(record[field.key], value) then error(field.key .. ": another value after it was written") end
      end
      if field.half then check_half(b, record, field, at, x) end
      bytes = b:string()
    end
  end
end

return function(input)
  local r = common.reader(input)
  local how = r:byte()
  local inner = {}
  for _ = 1, 1 + (how >> 1 & 3) do
    local description, fields, size, alignment = read_layout(r, inner)
    local is_made, made = pcall(mmap.struct, description)
    if is_made ~= (size ~= nil) then error(size and "not made: " .. made or "made: " .. tostring(made)) end
    if not size then return end
    if #made ~= size then error(("%d bytes, not %d"):format(#made, size)) end
    for _, field in ipairs(fields) do
      local offset = made:offset(field.key)
      if offset ~= field.offset then error(("%s at %d, not %d"):format(field.key, offset, field.offset)) end
    end
    assert(#made:fields() == #fields and tostring(made):find "^mmap.struct: ")
    inner[#inner + 1] = { made = made, fields = fields, size = size, alignment = alignment }
  end
  local last = inner[#inner]
  if 2 * last.size <= 16 * mmap.PAGESIZE then check_record(last, r, how & 1 == 1) end
end
