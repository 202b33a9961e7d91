-- Shared code of the targets: parsing of inputs, and memory between holes.
local common = {}

local SIZE <const> = 16 * mmap.PAGESIZE

-- Shared memory with an unreadable page on either side.
local function between_holes()
  local tried = {}
  for i = 1, 100 do
    local whole = mmap.anonymous(SIZE, { shared = true })
    local address = whole:info().address
    -- The kernel maps downward: the hole below this mapping is above the next one.
    if fuzz.hole(address - mmap.PAGESIZE) and fuzz.hole(address + SIZE) then return whole end
    tried[i] = whole
  end
  error("no mapping with room on either side")
end

local whole = between_holes()

-- A buffer with these bytes at the end of the memory, or at its start. Up to 64 bytes are repeated on the other side,
-- so that a read there finds similar text.
function common.place(bytes, at_start)
  local n = #bytes
  if at_start then
    whole:copy(0, bytes)
    whole:copy(n, bytes:sub(1, math.min(64, SIZE - n)))
    return whole:slice(0, n)
  end
  whole:copy(SIZE - n, bytes)
  local more = math.min(n, 64, SIZE - n)
  whole:copy(SIZE - n - more, bytes:sub(n - more + 1))
  return whole:slice(SIZE - n, n)
end

-- Reads an input from its start.
local Reader = {}
Reader.__index = Reader

function common.reader(input) return setmetatable({ input = input, place = 1 }, Reader) end

-- 0 to 255; 0 at the end of the input.
function Reader:byte()
  local byte = self.input:byte(self.place) or 0
  self.place = self.place + 1
  return byte
end

-- `length` bytes, or the remaining ones.
function Reader:text(length)
  local text = self.input:sub(self.place, self.place + length - 1)
  self.place = self.place + length
  return text
end

-- A length byte, then a text.
function Reader:short() return self:text(self:byte()) end
function Reader:rest() return self:text(#self.input) end
function Reader:is_at_end() return self.place > #self.input end
function Reader:integer() return (string.unpack("<j", self:text(8) .. ("\0"):rep(8))) end
function Reader:float() return (string.unpack("<d", self:text(8) .. ("\0"):rep(8))) end

-- Any value but a table.
function Reader:value()
  local kind = self:byte() & 15
  if kind == 0 then return nil end
  if kind == 1 then return true end
  if kind == 2 then return false end
  if kind <= 4 then return self:integer() end
  if kind <= 6 then return self:float() end
  if kind <= 8 then return self:byte() end
  if kind == 9 then return -self:byte() end
  if kind == 10 then return self:byte() + 0.0 end
  if kind == 11 then return tostring(self:integer()) end
  if kind == 12 then return self:byte() / 16 end
  return self:short()
end

local function show(value) return type(value) == "string" and ("%q"):format(value) or tostring(value) end

-- Same value and same type; a NaN is the same as a NaN.
function common.is_same(a, b) return a == b and math.type(a) == math.type(b) or a ~= a and b ~= b end

-- Raises unless two results of table.pack are the same.
function common.same(got, wanted, about)
  local is_same = got.n == wanted.n
  for i = 1, math.max(got.n, wanted.n) do is_same = is_same and common.is_same(got[i], wanted[i]) end
  if is_same then return end
  local lines = { about }
  for i = 1, math.max(got.n, wanted.n) do lines[#lines + 1] = ("%d: %s, not %s"):format(i, show(got[i]), show(wanted[i])) end
  error(table.concat(lines, "\n"), 2)
end

return common
